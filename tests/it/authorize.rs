//! `GET /authorize`: what Auth0 is asked, and what the browser must bring back.

use std::collections::BTreeMap;

use crate::support::{Answer, World, WorldOptions};

const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A tenant with a client for each flow, on `https` hosts as behind a proxy.
const SHOP: &str = "
auth0: { base_url: BASE/shop }
hosts: [shop.example, test.shop.example]
default_client: web
connections:
  Live: { hosts: [shop.example] }
  Try: { hosts: [test.shop.example] }
clients:
  web:
    client_id: shop-web
    redirect_urls: [\"https://{host}/elsewhere\", \"https://{host}/callback\"]
    scopes: [openid, email, offline_access, website]
    audience: https://api.shop.example
    login_urls: [\"https://{host}/\"]
    organization: org_1
    extra_params: [ext-theme]
  page:
    client_id: shop-page
    app_redirect_urls: [\"https://{host}/signed-in\"]
    scopes: [openid, email, website]
    session: { cookie: page }
    login_urls: [\"https://{host}/app/\"]
  spa:
    client_id: shop-spa
    app_redirect_urls: [\"https://{host}/spa\"]
    scopes: [openid, email]
    require_state: true
  machine:
    client_id: shop-machine
    scopes: [openid]
    grants: [password]
";

async fn shop() -> World {
    World::with(WorldOptions { files: vec![("shop.yaml", SHOP.to_owned())], flags: Vec::new(), as_dev: false }).await
}

async fn authorize(world: &World, client_type: &str, query: &str) -> Answer {
    world.request("GET", &format!("/authorize?{query}"), client_type, "shop.example").send().await
}

/// The parameters of the redirect to Auth0, sorted.
fn asked(answer: &Answer) -> BTreeMap<String, String> {
    assert_eq!(answer.status, 302, "{answer:?}");
    let location = answer.headers["location"].to_str().unwrap();
    let (page, query) = location.split_once('?').unwrap();
    assert!(page.ends_with("/authorize"), "{page}");
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

fn names(asked: &BTreeMap<String, String>) -> String {
    asked.keys().cloned().collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateways_own_login_is_built_anew_and_sealed_in_a_cookie() {
    let world = shop().await;
    let query = "state=mine&nonce=mine&redirect=https://shop.example/cart&client_secret=x&foo=bar&ext-theme=dark&login_hint=a%40b.example&max_age=0";
    let answer = authorize(&world, "web", query).await;
    let asked = asked(&answer);
    assert_eq!(
        names(&asked),
        "audience client_id code_challenge code_challenge_method connection ext-theme login_hint max_age nonce \
         organization redirect_uri response_type scope state"
    );
    assert_eq!((&*asked["redirect_uri"], &*asked["connection"]), ("https://shop.example/callback", "Live"));
    assert_eq!((&*asked["scope"], &*asked["organization"]), ("openid email offline_access", "org_1"));
    assert_eq!((&*asked["max_age"], &*asked["ext-theme"]), ("0", "dark"));
    assert!(asked["state"] != "mine" && asked["nonce"] != "mine" && asked["state"].len() == 43);
    let cookie = answer.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Host-txn-"), "{cookie}");
    assert!(cookie.ends_with("; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=600"), "{cookie}");
    for hidden in [&asked["nonce"], &asked["state"], "cart"] {
        assert!(!cookie.contains(hidden), "{hidden} can be read");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_keeps_its_state_and_an_sdk_its_challenge() {
    let world = shop().await;
    let page = authorize(&world, "page", "redirect_uri=https://shop.example/signed-in&state=mine").await;
    let asked_page = asked(&page);
    assert_eq!((&*asked_page["state"], asked_page.contains_key("nonce")), ("mine", true));
    assert!(page.headers.contains_key("set-cookie"));
    let query = format!(
        "redirect_uri=https://shop.example/spa&state=s&nonce=n&code_challenge={CHALLENGE}&code_challenge_method=S256"
    );
    let sdk = authorize(&world, "spa", &query).await;
    let asked_sdk = asked(&sdk);
    assert_eq!((&*asked_sdk["state"], &*asked_sdk["nonce"], &*asked_sdk["code_challenge"]), ("s", "n", CHALLENGE));
    assert!(!sdk.headers.contains_key("set-cookie"), "nothing is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_may_not_ask_for_is_refused_before_the_visitor_leaves() {
    let world = shop().await;
    let challenge = format!("code_challenge={CHALLENGE}&code_challenge_method=S256");
    let page = "redirect_uri=https://shop.example/signed-in&state=s";
    for (client_type, query, expected) in [
        ("web", "redirect_uri=https://evil.example/", (400, "invalid_request")),
        ("web", "redirect_uri=https://test.shop.example/callback", (400, "invalid_request")),
        ("web", "redirect=https://evil.example/", (400, "invalid_request")),
        ("web", "connection=Try", (403, "access_denied")),
        ("web", "connection=Nope", (403, "access_denied")),
        ("web", "scope=openid+admin", (400, "invalid_scope")),
        ("web", "scope=openid", (400, "invalid_scope")),
        ("web", "audience=https://other", (400, "invalid_target")),
        ("web", "organization=org_2", (400, "invalid_request")),
        ("web", "response_type=token", (400, "unsupported_response_type")),
        ("web", "response_mode=form_post", (400, "invalid_request")),
        ("web", "request=x", (400, "invalid_request")),
        ("web", "request_uri=urn:x", (400, "invalid_request")),
        ("web", "state=a&state=b", (400, "invalid_request")),
        ("web", &format!("state={}&redirect=/{}", "s".repeat(1000), "r".repeat(2000)), (400, "invalid_request")),
        ("page", "", (400, "invalid_request")),
        ("page", &format!("{page}&code_challenge={CHALLENGE}"), (400, "invalid_request")),
        ("page", &format!("{page}&{challenge}"), (400, "invalid_scope")),
        ("spa", &format!("redirect_uri=https://shop.example/spa&{challenge}"), (400, "invalid_request")),
        ("machine", "", (400, "unauthorized_client")),
        ("nobody", "", (401, "unauthorized_client")),
    ] {
        let answer = authorize(&world, client_type, query).await;
        assert_eq!(answer.outcome(), (expected.0, expected.1.to_owned()), "{client_type} {query}");
        assert!(!answer.headers.contains_key("location") && !answer.headers.contains_key("set-cookie"));
    }
    assert_eq!(world.auth0("shop").calls_total(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn four_logins_are_under_way_in_a_browser_and_the_oldest_gives_way() {
    let world = shop().await;
    let mut cookies: Vec<String> = Vec::new();
    let begin = async |cookies: &[String]| {
        let request = world.request("GET", "/authorize", "web", "shop.example");
        let answer = request.header("cookie", &cookies.join("; ")).send().await;
        let set = answer.headers.get_all("set-cookie").iter();
        set.map(|value| value.to_str().unwrap().split(';').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for _ in 0..4 {
        let set = begin(&cookies).await;
        assert_eq!(set.len(), 1, "room for another: {set:?}");
        cookies.extend(set);
        world.clock.advance(std::time::Duration::from_secs(1));
    }
    let set = begin(&cookies).await;
    let oldest = cookies[0].split('=').next().unwrap().to_owned();
    assert_eq!(set[1..], [format!("{oldest}=")]);
    // What opens nothing goes before what does.
    cookies.push("__Host-txn-stranger=x".to_owned());
    let set = begin(&cookies).await;
    assert_eq!(set[1..], ["__Host-txn-stranger=".to_owned(), format!("{oldest}=")]);
}
