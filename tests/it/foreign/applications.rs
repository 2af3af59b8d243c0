//! Client libraries that nobody here wrote as applications of the gateway, and `oidc-provider` as its tenant.

use serde_json::{Value, json};

use super::scripts::Script;
use crate::support::{World, plain_tenant};

/// A gateway, and behind it a tenant that is `oidc-provider`.
struct Shop {
    world: World,
    /// These end with the test.
    _provider: Script,
    _proxy: Script,
    /// The gateway behind a reverse proxy, where applications find it.
    gateway: String,
    /// As its tokens have it.
    issuer: String,
}

/// Who is served.
struct Application<'a> {
    /// Where its pages are.
    origin: &'a str,
    /// What its tokens say, where that differs from the provider's address.
    issuer: Option<&'a str>,
    /// Whether Auth0 knows a secret for it.
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Confidential,
    Public,
}

const SHOP: &str = include_str!("shop.yaml");
const SECRET: &str = "a-secret-of-the-tenant";

impl Shop {
    /// The tenant's file comes after the gateway, which must be there first to say what its callback is.
    async fn serving(Application { origin, issuer, kind }: Application<'_>) -> Self {
        let world = World::of("shop.yaml", &plain_tenant("shop", "nobody.example")).await;
        let mut provider = Script::start("oidc-provider.mjs", Value::Null).await;
        let address = provider.hear_text().await;
        let clients =
            [client("foreign", kind, origin, &world), client("foreign-web", Kind::Confidential, origin, &world)];
        provider.tell(&json!({ "clients": clients, "issuer": issuer })).await;
        assert_eq!(provider.hear_text().await, "serving");
        let issuer = issuer.unwrap_or(&address).to_owned();
        let mut text = SHOP.replace("ADDRESS", address.trim_end_matches('/'));
        text = text.replace("ISSUER", &issuer).replace("ORIGIN", origin);
        if kind == Kind::Public {
            text = text.replacen(&format!("    client_secret: {SECRET}\n"), "", 1);
        }
        world.write("shop.yaml", &text);
        let reloaded = world.reload().await;
        assert_eq!(reloaded.status, 200, "{reloaded:?}: {}", world.log.text());
        let mut proxy = Script::start("proxy.mjs", json!({ "gateway": direct(&world) })).await;
        let gateway = proxy.hear_text().await;
        Self { world, _provider: provider, _proxy: proxy, gateway, issuer }
    }
}

/// A client as the provider knows it.
fn client(id: &str, kind: Kind, origin: &str, world: &World) -> Value {
    let gateway = direct(world);
    let mut client = json!({
        "client_id": id,
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
        "redirect_uris": [format!("{gateway}/callback"), format!("{origin}/callback"), format!("{origin}/react")],
        "post_logout_redirect_uris": [
            origin, format!("{origin}/"), format!("{origin}/callback?gone"), format!("{gateway}/userinfo?client_id={id}"),
        ],
    });
    if kind == Kind::Confidential {
        client["token_endpoint_auth_method"] = "client_secret_post".into();
        client["client_secret"] = SECRET.into();
    }
    client
}

/// The gateway without a proxy before it.
fn direct(world: &World) -> String {
    format!("http://localhost:{}", world.gateway.public.unwrap().port())
}

/// A library that starts by opening its own pages.
async fn check_application(script: &'static str) {
    let mut application = Script::start(script, Value::Null).await;
    let origin = application.hear_text().await;
    let shop = Shop::serving(Application { origin: &origin, issuer: None, kind: Kind::Confidential }).await;
    application.tell(&json!({ "gateway": shop.gateway, "issuer": shop.issuer, "client_id": "foreign" })).await;
    application.succeed().await;
}

/// A library without pages of its own.
async fn check_library(script: &'static str, issuer: Option<&str>) {
    let origin = "http://localhost:9";
    let shop = Shop::serving(Application { origin, issuer, kind: Kind::Confidential }).await;
    let told = json!({
        "gateway": shop.gateway, "direct": direct(&shop.world), "issuer": shop.issuer, "client_id": "foreign",
        "callback": format!("{origin}/callback"), "goodbye": format!("{origin}/"),
    });
    Script::start(script, told).await.succeed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openid_client_logs_in_with_its_own_pkce_refreshes_asks_who_and_logs_out() {
    check_library("openid-client.mjs", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn express_openid_connect_is_configured_by_the_gateways_discovery_document() {
    check_application("express-openid-connect.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn passport_auth0_logs_in_with_pkce() {
    check_application("passport-auth0.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn auth0s_node_sdks_get_and_renew_tokens() {
    check_library("auth0-node.mjs", Some("https://login.shop.example/")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn authlib_is_configured_by_the_gateways_discovery_document() {
    check_library("authlib-flask.py", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn auth0_python_gets_and_renews_tokens() {
    check_library("auth0-python.py", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn auth0_spa_js_and_auth0_react_log_in_refresh_and_log_out_in_chromium() {
    let mut application = Script::start("spa-js.mjs", Value::Null).await;
    let origin = application.hear_text().await;
    let issuer = Some("https://login.globex.example/");
    let shop = Shop::serving(Application { origin: &origin, issuer, kind: Kind::Public }).await;
    let gateway = direct(&shop.world).replace("localhost", "portal.globex.localhost");
    application.tell(&json!({ "gateway": gateway, "issuer": shop.issuer, "client_id": "foreign" })).await;
    application.succeed().await;
    assert!(shop.world.log.text().contains("\"endpoint\":\"preflight\""), "its requests are read after a preflight");
}

#[tokio::test(flavor = "multi_thread")]
async fn oidc_provider_logs_a_browser_in_to_a_session_and_out_of_it() {
    let shop =
        Shop::serving(Application { origin: "http://localhost:9", issuer: None, kind: Kind::Confidential }).await;
    let told = json!({ "host": direct(&shop.world), "client_id": "foreign-web" });
    Script::start("foreign-session.mjs", told).await.succeed().await;
}
