//! Logins by code, from `/authorize` to the session or the tokens: the three flows of the contract.

use std::time::Duration;

use auth0_gateway::base::random::SystemRandom;
use auth0_gateway::emulator::EndpointName;
use auth0_gateway::oauth::pkce;

use crate::support::{Answer, Visitor, World, WorldOptions, eventually};

const APP: &str = "app.acme.localhost";
const TEST: &str = "test.acme.localhost";
const USER: &str = "user@acme.example";

/// A login of the sample world that has come as far as Auth0's page.
struct Begun {
    location: String,
    cookie: String,
}

async fn begin(world: &World, client_type: &str, host: &str, query: &str) -> Begun {
    let answer = world.request("GET", &format!("/authorize?{query}"), client_type, host).send().await;
    assert_eq!(answer.status, 302, "{answer:?}");
    let cookie = answer.headers.get("set-cookie").map(|value| pair(value.to_str().unwrap()));
    Begun { location: answer.headers["location"].to_str().unwrap().to_owned(), cookie: cookie.unwrap_or_default() }
}

/// `name=value` of a `Set-Cookie`.
fn pair(set_cookie: &str) -> String {
    set_cookie.split(';').next().unwrap().to_owned()
}

/// Path and query of a URL.
fn target(url: &str) -> String {
    let url = url::Url::parse(url).unwrap();
    format!("{}?{}", url.path(), url.query().unwrap_or_default())
}

fn parameter(url: &str, name: &str) -> String {
    let url = url::Url::parse(url).unwrap();
    let found = url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    found.unwrap_or_else(|| panic!("no {name} in {url}"))
}

async fn come_back(world: &World, host: &str, landed: &str, cookie: &str) -> Answer {
    world.bare("GET", &target(landed)).header("x-forwarded-host", host).header("cookie", cookie).send().await
}

fn set_cookie(answer: &Answer, name: &str) -> Option<String> {
    let set = answer.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap());
    set.filter(|text| text.starts_with(&format!("{name}="))).map(str::to_owned).next()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_logs_in_and_out_of_two_environments() {
    let world = World::sample().await;
    let mut subjects = Vec::new();
    for (host, password) in [(APP, "Passw0rd-prod"), (TEST, "Passw0rd-test")] {
        let begun = begin(&world, "web", host, &format!("state=mine&redirect=http://{host}/cart")).await;
        let landed = Visitor::new().log_in(&begun.location, USER, password).await;
        assert!(landed.starts_with(&format!("http://{host}/callback?")), "{landed}");
        let answer = come_back(&world, host, &landed, &begun.cookie).await;
        assert_eq!(answer.status, 302, "{answer:?}");
        assert_eq!(answer.headers["location"], format!("http://{host}/cart?state=mine"));
        let sid = set_cookie(&answer, "sid").expect("a session");
        assert!(sid.ends_with("; HttpOnly; SameSite=Lax; Path=/; Max-Age=604800"), "{sid}");
        let gone = set_cookie(&answer, begun.cookie.split('=').next().unwrap()).expect("the transaction is over");
        assert!(gone.ends_with("Max-Age=0"), "{gone}");
        let sid = pair(&sid);
        let claims = world.request("GET", "/userinfo", "web", host).header("cookie", &sid).send().await;
        assert_eq!(claims.status, 200);
        subjects.push(claims.json()["sub"].as_str().unwrap().to_owned());
        let elsewhere = if host == APP { TEST } else { APP };
        let refused = world.request("GET", "/userinfo", "web", elsewhere).header("cookie", &sid).send().await;
        assert_eq!(refused.status, 401, "a session of one environment opens nothing in the other");
        let out = world.request("POST", "/logout", "web", host).header("cookie", &sid).send().await;
        assert_eq!(out.status, 204);
        assert_eq!(world.request("GET", "/userinfo", "web", host).header("cookie", &sid).send().await.status, 401);
    }
    assert_ne!(subjects[0], subjects[1], "the same e-mail is two users");
    assert_eq!(world.auth0("acme").grant_calls("authorization_code"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_who_edits_the_connection_is_refused_on_the_production_host() {
    let world = World::sample().await;
    let begun = begin(&world, "web", APP, "").await;
    let edited = begun.location.replace("Username-Password-Production", "Username-Password-Testing");
    assert_ne!(edited, begun.location);
    let landed = Visitor::new().log_in(&edited, USER, "Passw0rd-test").await;
    let answer = come_back(&world, APP, &landed, &begun.cookie).await;
    assert_eq!(answer.outcome(), (401, "access_denied".to_owned()));
    assert_eq!(set_cookie(&answer, "sid"), None);
    eventually("nothing of the login lives on", async || world.auth0("acme").calls(EndpointName::Revoke) == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn auth0s_no_reaches_the_page_as_a_code_and_never_as_a_text() {
    let world = World::sample().await;
    for (said, told) in
        [("login_required", "login_required"), ("<script>", "server_error"), ("access_denied", "access_denied")]
    {
        let begun = begin(&world, "web", APP, "prompt=none&state=mine").await;
        let state = parameter(&begun.location, "state");
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("error", said), ("error_description", "<b>call 555-1234</b>"), ("state", &state)])
            .finish();
        let landed = format!("http://{APP}/callback?{query}");
        let answer = come_back(&world, APP, &landed, &begun.cookie).await;
        assert_eq!(answer.headers["location"], format!("http://{APP}/?state=mine&error={told}"));
        assert!(answer.text().is_empty() && set_cookie(&answer, "sid").is_none());
        let again = come_back(&world, APP, &landed, &begun.cookie).await;
        assert_eq!(again.outcome(), (400, "invalid_grant".to_owned()), "it is over");
    }
    assert_eq!(world.auth0("acme").calls(EndpointName::Token), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_login_ends_in_a_session_or_in_auth0s_reason() {
    let world = World::sample().await;
    let mut visitor = Visitor::new();
    let silent = async |visitor: &mut Visitor| {
        let begun = begin(&world, "web", APP, "prompt=none").await;
        let landed = visitor.log_in(&begun.location, USER, "not asked").await;
        let answer = come_back(&world, APP, &landed, &begun.cookie).await;
        (answer.headers["location"].to_str().unwrap().to_owned(), set_cookie(&answer, "sid").is_some())
    };
    let page = |error: &str| (format!("http://{APP}/?error={error}"), false);
    assert_eq!(silent(&mut visitor).await, page("login_required"));
    let begun = begin(&world, "web", APP, "").await;
    visitor.log_in(&begun.location, USER, "Passw0rd-prod").await;
    assert_eq!(silent(&mut visitor).await, (format!("http://{APP}/"), true), "Auth0's own session suffices");
    for error in ["consent_required", "interaction_required"] {
        world.auth0("acme").set_silent_error(Some(error));
        assert_eq!(silent(&mut visitor).await, page(error));
    }
}

/// A page of the application takes the code, and its sibling client gives tokens.
const SHOP: &str = "
auth0: { base_url: BASE/shop }
hosts: [shop.example]
clients:
  page:
    client_id: shop-page
    app_redirect_urls: [\"https://{host}/signed-in\"]
    scopes: [openid, email, offline_access, website]
    login_urls: [\"https://{host}/app/\"]
  spa:
    client_id: shop-spa
    app_redirect_urls: [\"https://{host}/spa\"]
    scopes: [openid, email, offline_access]
";
const SHOP_USER: &str = "user@shop.example";

async fn shop() -> World {
    World::with(WorldOptions { files: vec![("shop.yaml", SHOP.to_owned())], flags: Vec::new(), as_dev: false }).await
}

async fn signed_in(world: &World, query: &str) -> (Begun, String) {
    let query = format!("redirect_uri=https://shop.example/signed-in&{query}");
    let begun = begin(world, "page", "shop.example", &query).await;
    let landed = Visitor::new().log_in(&begun.location, SHOP_USER, "Passw0rd-1").await;
    (begun, landed)
}

async fn post_code(world: &World, landed: &str, cookie: Option<&str>) -> Answer {
    let body = serde_json::json!({ "code": parameter(landed, "code"), "state": parameter(landed, "state") });
    let request = world.request("POST", "/oauth/token", "page", "shop.example");
    let request = cookie.into_iter().fold(request, |request, cookie| request.header("cookie", cookie));
    request.body("application/json", &body.to_string()).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_posts_code_and_state_and_must_bring_the_cookie() {
    let world = shop().await;
    let (begun, landed) = signed_in(&world, "state=mine&redirect=https://shop.example/app/cart").await;
    assert!(landed.starts_with("https://shop.example/signed-in?") && parameter(&landed, "state") == "mine");
    let refused = post_code(&world, &landed, None).await;
    assert_eq!(refused.outcome(), (403, "invalid_grant".to_owned()));
    assert_eq!(world.auth0("shop").calls(EndpointName::Token), 0, "Auth0 hears of no code without its cookie");
    let answer = post_code(&world, &landed, Some(&begun.cookie)).await;
    assert_eq!(answer.headers["location"], "https://shop.example/app/cart");
    let sid = answer.sid();
    let claims = world.request("GET", "/userinfo", "page", "shop.example").cookie(&sid).send().await.json();
    assert_eq!(claims["email"], SHOP_USER);
    let again = post_code(&world, &landed, Some(&begun.cookie)).await;
    assert_eq!(again.outcome(), (403, "invalid_grant".to_owned()));
    assert_eq!(world.auth0("shop").calls(EndpointName::Token), 1, "a code goes up once");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_sdk_with_a_verifier_of_its_own_gets_tokens_and_the_gateway_keeps_nothing() {
    let world = shop().await;
    let verifier = pkce::verifier(&SystemRandom);
    let query = format!(
        "redirect_uri=https://shop.example/spa&state=s&nonce=n&code_challenge={}&code_challenge_method=S256",
        pkce::challenge(&verifier)
    );
    let begun = begin(&world, "spa", "shop.example", &query).await;
    assert!(begun.cookie.is_empty());
    let landed = Visitor::new().log_in(&begun.location, SHOP_USER, "Passw0rd-1").await;
    let exchange = async |extra: &[(&str, &str)]| {
        let code = parameter(&landed, "code");
        let request = world.request("POST", "/oauth/token", "spa", "shop.example");
        let form = request.form(&[("grant_type", "authorization_code"), ("code", &code)]).form(extra);
        form.send().await
    };
    assert_eq!(exchange(&[]).await.outcome(), (400, "invalid_request".to_owned()), "a code without a verifier");
    assert_eq!(
        exchange(&[("code_verifier", verifier.expose()), ("redirect_uri", "https://evil.example/")]).await.outcome(),
        (400, "invalid_request".to_owned())
    );
    assert_eq!(world.auth0("shop").calls(EndpointName::Token), 0);
    let right = [("code_verifier", verifier.expose()), ("redirect_uri", "https://shop.example/spa")];
    let tokens = exchange(&right).await;
    assert!(!tokens.token("id_token").is_empty() && !tokens.token("refresh_token").is_empty());
    let refreshed = world.request("POST", "/oauth/token", "spa", "shop.example");
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", &tokens.token("refresh_token"))];
    assert_eq!(refreshed.form(&refresh).send().await.status, 200);
    assert_eq!(exchange(&right).await.outcome(), (403, "invalid_grant".to_owned()), "Auth0 takes a code once");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_is_checked_in_the_id_token() {
    let world = shop().await;
    // Auth0 is asked for a fresh login and a second factor; a visitor who takes that out of the URL gets nowhere.
    for (asked, kept) in [("max_age=0", "max_age=0"), ("acr_values=gold", "acr_values=gold")] {
        let query = format!("redirect_uri=https://shop.example/signed-in&state=s&{asked}");
        let begun = begin(&world, "page", "shop.example", &query).await;
        assert!(begun.location.contains(kept), "{}", begun.location);
        let edited = begun.location.replace(&format!("&{kept}"), "");
        let landed = Visitor::new().log_in(&edited, SHOP_USER, "Passw0rd-1").await;
        let answer = post_code(&world, &landed, Some(&begun.cookie)).await;
        assert_eq!(answer.outcome(), (401, "access_denied".to_owned()), "{asked}");
    }
    let errors = "auth0_gateway_operator_errors_total{kind=\"id_token\",tenant=\"shop\"}";
    assert_eq!(world.metric(errors).await, 0, "a visitor's doing is nobody's mistake");
    let (begun, landed) = signed_in(&world, "state=s&max_age=0").await;
    assert_eq!(post_code(&world, &landed, Some(&begun.cookie)).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_takes_too_long_is_over() {
    let world = shop().await;
    let (begun, landed) = signed_in(&world, "state=s").await;
    world.clock.advance(Duration::from_secs(601));
    assert_eq!(post_code(&world, &landed, Some(&begun.cookie)).await.outcome(), (403, "invalid_grant".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_this_replica_knows_otherwise_is_refused_and_its_login_stays() {
    let world = World::sample().await;
    let begun = begin(&world, "web", APP, "").await;
    let landed = Visitor::new().log_in(&begun.location, USER, "Passw0rd-prod").await;
    let original = std::fs::read_to_string(world.path("acme.yaml")).unwrap();
    world.write("acme.yaml", &original.replace("client_id: acme-web", "client_id: acme-other"));
    assert_eq!(world.reload().await.status, 200);
    let refused = come_back(&world, APP, &landed, &begun.cookie).await;
    assert_eq!((refused.status.as_u16(), &refused.headers["retry-after"]), (503, &"2".parse().unwrap()));
    assert!(!refused.headers.contains_key("set-cookie"));
    world.write("acme.yaml", &original);
    assert_eq!(world.reload().await.status, 200);
    assert_eq!(come_back(&world, APP, &landed, &begun.cookie).await.status, 302, "the login is still good");
}

#[tokio::test(flavor = "multi_thread")]
async fn session_keys_are_rotated_while_visitors_are_at_auth0s_page() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys");
    let key = |byte: u8| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, [byte; 32]);
    let write = |keys: &[u8]| {
        let text: Vec<String> = keys.iter().map(|byte| key(*byte)).collect();
        std::fs::write(folder.path().join(".tmp"), text.join("\n")).unwrap();
        std::fs::rename(folder.path().join(".tmp"), &file).unwrap();
    };
    write(&[1]);
    let flags = vec!["--session-keys", file.to_str().unwrap()];
    let world = World::with(WorldOptions { files: vec![("shop.yaml", SHOP.to_owned())], flags, as_dev: false }).await;
    // The first four bytes after the version tell the key.
    let sealed_by = async || signed_in(&world, "state=s").await.0.cookie.split_once('=').unwrap().1[..6].to_owned();
    let (old, landed) = signed_in(&world, "state=s").await;
    let first = sealed_by().await;
    write(&[2, 1]);
    eventually("the new key seals", async || sealed_by().await != first).await;
    assert_eq!(post_code(&world, &landed, Some(&old.cookie)).await.status, 200, "the old key still opens");
    let (old, landed) = signed_in(&world, "state=s").await;
    let second = sealed_by().await;
    std::fs::remove_file(&file).unwrap();
    std::fs::write(folder.path().join("beside"), "").unwrap();
    assert_eq!(post_code(&world, &landed, Some(&old.cookie)).await.status, 200, "a file that vanished changes nothing");
    let (old, landed) = signed_in(&world, "state=s").await;
    write(&[3]);
    eventually("the third key seals", async || sealed_by().await != second).await;
    let refused = post_code(&world, &landed, Some(&old.cookie)).await;
    assert_eq!(refused.outcome(), (403, "invalid_grant".to_owned()), "no key of the ring opens it");
}

/// `tokens: on_request`: whoever leaves `website` out gets tokens, and a session is opened for nobody but who asks.
#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_client_gives_tokens_on_request_in_the_flows_that_can() {
    let text = SHOP.replace(
        "login_urls:",
        "session: { tokens: on_request }\n    redirect_urls: [\"https://{host}/callback\"]\n    login_urls:",
    );
    let world = World::of("shop.yaml", &text).await;
    let gateways = world.request("GET", "/authorize?scope=openid", "page", "shop.example").send().await;
    assert_eq!(
        gateways.outcome(),
        (400, "invalid_scope".to_owned()),
        "the gateway's own callback has no place for tokens"
    );
    let (begun, landed) = signed_in(&world, "state=s&scope=openid").await;
    let tokens = post_code(&world, &landed, Some(&begun.cookie)).await;
    assert!(!tokens.token("access_token").is_empty() && set_cookie(&tokens, "sid").is_none());
    let (begun, landed) = signed_in(&world, "state=s&scope=openid+website").await;
    let session = post_code(&world, &landed, Some(&begun.cookie)).await;
    assert!(!session.sid().is_empty() && session.json().get("access_token").is_none());
    let verifier = pkce::verifier(&SystemRandom);
    let query = format!("state=s&code_challenge={}&code_challenge_method=S256", pkce::challenge(&verifier));
    let (begun, landed) = signed_in(&world, &query).await;
    assert!(begun.cookie.is_empty());
    let form = [("code", &*parameter(&landed, "code")), ("code_verifier", verifier.expose())];
    let tokens = world.request("POST", "/oauth/token", "page", "shop.example").form(&form).send().await;
    assert!(!tokens.token("access_token").is_empty() && set_cookie(&tokens, "sid").is_none());
}

/// A page of another origin finishes a login if the file lists it, and costs the login nothing if not.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_origin_finishes_a_login_where_it_is_listed() {
    let text = SHOP.replace(
        "login_urls:",
        "session: { same_site: None }\n    allowed_origins: [\"https://page.shop.example\"]\n    login_urls:",
    );
    let world = World::of("shop.yaml", &text).await;
    let (begun, landed) = signed_in(&world, "state=s").await;
    let post = async |origin: &str, site: &str| {
        let form = [("code", &*parameter(&landed, "code")), ("state", "s")];
        let request = world.request("POST", "/oauth/token", "page", "shop.example").form(&form);
        request.header("cookie", &begun.cookie).header("origin", origin).header("sec-fetch-site", site).send().await
    };
    for (origin, site) in [("https://evil.example", "cross-site"), ("https://other.shop.example", "same-site")] {
        let refused = post(origin, site).await;
        assert_eq!(refused.outcome(), (403, "access_denied".to_owned()));
        assert!(!refused.headers.contains_key("access-control-allow-origin"));
    }
    assert_eq!(world.auth0("shop").calls(EndpointName::Token), 0);
    let answer = post("https://page.shop.example", "same-site").await;
    assert_eq!(answer.headers["access-control-allow-origin"], "https://page.shop.example");
    let sid = set_cookie(&answer, "sid").expect("a session");
    assert!(sid.contains("SameSite=None; Secure"), "{sid}");
}
