//! Chromium as a visitor of the sample world.

use serde_json::{Value, json};

use super::scripts::Script;
use crate::support::World;

/// The gateway as a browser names it.
fn at(world: &World, host: &str) -> String {
    format!("http://{host}:{}", world.gateway.public.unwrap().port())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_logs_in_to_a_cookie_session_and_out_of_it_on_both_environments_of_acme() {
    let world = World::sample().await;
    let mut subjects = Vec::new();
    for (host, password) in [("app.acme.localhost", "Passw0rd-prod"), ("test.acme.localhost", "Passw0rd-test")] {
        let gateway = at(&world, host);
        let told = json!({ "gateway": gateway, "host": host, "username": "user@acme.example", "password": password });
        let mut browser = Script::start("cookie-session.mjs", told).await;
        subjects.push(browser.hear().await["sub"].clone());
        browser.succeed().await;
    }
    assert_ne!(subjects[0], subjects[1], "one address, two users");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_edits_the_connection_on_auth0s_page_is_refused_on_the_production_host() {
    let world = World::sample().await;
    let told = json!({
        "host": at(&world, "app.acme.localhost"), "from": "Username-Password-Production", "to": "Username-Password-Testing",
        "username": "user@acme.example", "password": "Passw0rd-test",
    });
    Script::start("edited-connection.mjs", told).await.succeed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_applications_own_page_takes_the_code_in_a_browser_and_posts_it_as_json() {
    let mut browser = Script::start("page-flow.mjs", Value::Null).await;
    let origin = browser.hear_text().await;
    let shop = format!(
        "auth0: {{ base_url: BASE/shop }}\nhosts: [shop.localhost]\ndefault_client: web\nclients:\n  web:\n    client_id: shop-web\n    client_secret: any-secret\n    \
         scopes: [openid, profile, email, offline_access, website]\n    grants: [authorization_code, refresh_token]\n    app_redirect_urls: [\"{origin}/login\"]\n    \
         allowed_origins: [\"{origin}\"]\n    login_urls: [\"http://{{host}}/\"]\n"
    );
    let world = World::of("shop.yaml", &shop).await;
    let told =
        json!({ "gateway": at(&world, "shop.localhost"), "username": "user@shop.example", "password": "Passw0rd-1" });
    browser.tell(&told).await;
    browser.succeed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_or_host_neither_logs_a_visitor_in_nor_out_nor_reads_who_it_is() {
    let world = World::sample().await;
    let told = json!({
        "gateway": at(&world, "app.acme.localhost"), "username": "user@acme.example", "password": "Passw0rd-prod",
        "other": { "username": "user@acme.example", "password": "Passw0rd-prod" },
    });
    Script::start("cross-site.mjs", told).await.succeed().await;
}
