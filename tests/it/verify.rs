//! `/verify`, asked as proxies ask it: who passes, as whom, and what a visitor can make of it. Behind the
//! proxies themselves: `proxies`.

mod proxies;
mod stand;

use auth0_gateway::emulator::EndpointName;

use crate::support::{Answer, Request, World};

const APP: &str = "app.acme.localhost";
const USER: &str = "user@acme.example";
const HEADERS: [&str; 5] = ["x-auth-user", "x-auth-tenant", "x-auth-email", "x-auth-email-verified", "x-auth-groups"];

/// Its tokens are opaque: it has no audience.
const SHOP: &str = "
auth0: { base_url: BASE/shop }
hosts: [shop.example]
clients:
  app:
    client_id: any
    client_secret: any-secret
    scopes: [openid, email]
    grants: [password]
";

/// As a proxy asks: it names no client.
fn ask<'a>(world: &'a World, method: &str, path: &str, host: &str) -> Request<'a> {
    world.bare(method, path).header("x-forwarded-host", host)
}

async fn acme(world: &World) -> String {
    world.login("web", APP, USER, "Passw0rd-prod").send().await.sid()
}

async fn initech(world: &World, host: &str) -> String {
    world.login("cms", host, "user@initech.example", "Passw0rd-1").send().await.sid()
}

fn told(answer: &Answer) -> [&str; 5] {
    assert_eq!(answer.status, 200, "{answer:?}");
    HEADERS.map(|name| answer.headers[name].to_str().unwrap())
}

/// A refusal tells nothing of anybody.
fn refused(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert!(HEADERS.iter().all(|name| !answer.headers.contains_key(*name)), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_passes_and_says_whose_it_is() {
    let world = World::sample().await;
    let (sid, cms) = (acme(&world).await, initech(&world, "cms.example").await);
    let claims = world.request("GET", "/userinfo", "web", APP).cookie(&sid).send().await.json();
    let user = claims["sub"].as_str().unwrap().replace('|', "%7C");
    for path in ["/verify/acme/web", "/verify/acme/web/orders/1", "/verify/acme/web/..%2f?a=1&a=2", "/verify"] {
        for method in ["GET", "HEAD", "POST", "DELETE", "OPTIONS", "PROPFIND"] {
            let answer = ask(&world, method, path, APP).cookie(&sid).send().await;
            assert_eq!(told(&answer), [&user, "acme", USER, "true", ""], "{method} {path}");
        }
    }
    let answer = ask(&world, "GET", "/verify/initech/cms", "cms.example").cookie(&cms).send().await;
    assert_eq!(told(&answer)[1..], ["initech", "user@initech.example", "true", "admin"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_passes_without_a_credential_by_any_method() {
    let world = World::sample().await;
    for path in ["/verify/acme/web", "/verify/acme/web/x", "/verify"] {
        for method in ["GET", "HEAD", "POST", "OPTIONS", "TRACE", "PURGE"] {
            let answer = ask(&world, method, path, APP).send().await;
            refused(&answer, 401);
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
        }
        // A preflight would be let through with whatever else it carries.
        let preflight = ask(&world, "OPTIONS", path, APP).header("origin", "http://app.acme.localhost");
        refused(&preflight.header("access-control-request-method", "GET").send().await, 401);
    }
}

/// Lessons 2.11: nothing that a visitor sends names the tenant, the client or the user.
#[tokio::test(flavor = "multi_thread")]
async fn a_visitors_own_headers_say_nothing() {
    let world = World::sample().await;
    let (sid, cms) = (acme(&world).await, initech(&world, APP).await);
    for client_type in ["cms", "api", "nope", "\u{1f600}"] {
        let request = ask(&world, "GET", "/verify/acme/web", APP).header("client-type", client_type);
        let request =
            request.header("client-type", "web").header("x-auth-user", "admin").header("x-auth-groups", "admin");
        let answer = request.cookie(&sid).send().await;
        assert_eq!(told(&answer)[1..], ["acme", USER, "true", ""]);
        let bare = ask(&world, "GET", "/verify", APP).header("client-type", client_type).cookie(&sid).send().await;
        assert_eq!(told(&bare)[1], "acme");
        let foreign = ask(&world, "GET", "/verify/acme/web", APP).header("client-type", client_type).cookie(&cms);
        refused(&foreign.send().await, 401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_of_another_tenant_client_or_host_does_not_pass() {
    let world = World::sample().await;
    let (sid, cms) = (acme(&world).await, initech(&world, "cms.example").await);
    for (path, host, cookie) in [
        ("/verify/acme/web", APP, &cms),
        ("/verify/initech/cms", "cms.example", &sid),
        ("/verify/initech/cms", APP, &sid),
        ("/verify/acme/web", "test.acme.localhost", &sid),
        ("/verify/acme/web", "cms.example", &sid),
        ("/verify/acme/api", APP, &sid),
        ("/verify/acme/nope", APP, &sid),
        ("/verify/acme/cms", APP, &cms),
        ("/verify/nope/web", APP, &sid),
        ("/verify/ACME/web", APP, &sid),
        ("/verify/acme/we%62", APP, &sid),
    ] {
        refused(&ask(&world, "GET", path, host).cookie(cookie).send().await, 401);
    }
    for path in ["/verify/", "/verify/acme", "/verify/acme/", "/verify//web"] {
        refused(&ask(&world, "GET", path, APP).cookie(&sid).send().await, 404);
    }
    assert_eq!(world.request("POST", "/logout", "web", APP).cookie(&sid).send().await.status, 204);
    refused(&ask(&world, "GET", "/verify/acme/web", APP).cookie(&sid).send().await, 401);
}

/// A proxy takes 400 for a fault of its own, and shows 500.
#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_cannot_be_told_apart_are_401() {
    let world = World::sample().await;
    let (one, other) = (acme(&world).await, acme(&world).await);
    let asked = || ask(&world, "GET", "/verify/acme/web?login=redirect", APP);
    refused(&asked().header("cookie", &format!("sid={one}; sid={other}")).send().await, 401);
    refused(&asked().bearer("a.b.c").bearer("d.e.f").cookie(&one).send().await, 401);
    refused(&asked().header("authorization", "Bearer \u{e9}").cookie(&one).send().await, 401);
    // `Authorization` beats the cookie; another scheme is the application's own.
    refused(&asked().bearer("a.b.c").cookie(&one).send().await, 401);
    assert_eq!(told(&asked().header("authorization", "Basic dTpw").cookie(&one).send().await)[1], "acme");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bearer_passes_and_an_opaque_one_only_where_the_file_says_so() {
    let world = World::sample().await;
    let token = world.login("api", APP, USER, "Passw0rd-prod").send().await.token("access_token");
    for _ in 1..=2 {
        let answer = ask(&world, "GET", "/verify/acme/api", APP).bearer(&token).send().await;
        assert_eq!(told(&answer)[1..], ["acme", USER, "true", ""]);
    }
    refused(&ask(&world, "GET", "/verify/acme/web", APP).bearer(&token).send().await, 401);
    let world = World::of("shop.yaml", SHOP).await;
    let opaque = world.login("app", "shop.example", "user@shop.example", "Passw0rd-1").send().await;
    let opaque = opaque.token("access_token");
    let asked = async || ask(&world, "GET", "/verify/shop/app", "shop.example").bearer(&opaque).send().await;
    refused(&asked().await, 401);
    assert_eq!(world.auth0("shop").calls(EndpointName::Userinfo), 0);
    world.write("shop.yaml", &format!("{SHOP}    verify_opaque: true\n"));
    assert_eq!(world.reload().await.status, 200);
    assert_eq!(told(&asked().await)[1..3], ["shop", "user@shop.example"]);
}

/// The answer to a visitor without a session, with further headers.
async fn sent(world: &World, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request = ask(world, method, path, APP);
    headers.iter().fold(request, |request, (name, value)| request.header(name, value)).send().await
}

const LOGIN: &str = "http://app.acme.localhost/authorize?client_id=acme-web";

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_on_the_way_to_a_page_is_sent_to_log_in_and_back() {
    let world = World::sample().await;
    let back = format!("{LOGIN}&redirect=http%3A%2F%2Fapp.acme.localhost%2Forders%3Fa%3D1%26b%3D2");
    for (path, headers) in [
        ("/verify/acme/web?login=redirect", &[("x-forwarded-uri", "/orders?a=1&b=2")][..]),
        ("/verify/acme/web?login=redirect", &[("x-original-uri", "/orders?a=1&b=2"), ("x-original-method", "GET")]),
        ("/verify/acme/web?login=redirect", &[("x-original-url", "http://app.acme.localhost/orders?a=1&b=2")]),
        ("/verify/acme/web/orders?login=redirect", &[("x-forwarded-uri", "/orders?a=1&b=2")]),
        ("/verify?login=redirect", &[("x-forwarded-uri", "/orders?a=1&b=2"), ("x-forwarded-method", "HEAD")]),
    ] {
        let answer = sent(&world, "GET", path, headers).await;
        refused(&answer, 302);
        assert_eq!(answer.headers["location"], back.as_str(), "{path} {headers:?}");
        let page = sent(&world, "GET", &path.replace("redirect", "location"), headers).await;
        refused(&page, 401);
        assert_eq!(page.headers["location"], back.as_str(), "{path} {headers:?}");
    }
    // The page that it leads to begins a login indeed.
    let target = back.strip_prefix("http://app.acme.localhost").unwrap();
    let begun = world.bare("GET", target).header("x-forwarded-host", APP).send().await;
    assert!(begun.headers["location"].to_str().unwrap().contains("/acme/authorize?"), "{begun:?}");
    let stale = ask(&world, "GET", "/verify/acme/web?login=redirect", APP).cookie(&initech(&world, APP).await);
    refused(&stale.send().await, 302);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_page_is_401_and_no_header_leads_elsewhere() {
    let world = World::sample().await;
    for (method, headers) in [
        ("POST", &[][..]),
        ("GET", &[("x-forwarded-method", "POST")]),
        ("GET", &[("x-original-method", "DELETE")]),
        ("GET", &[("x-forwarded-method", "GET"), ("x-forwarded-method", "POST")]),
        ("GET", &[("sec-fetch-mode", "cors")]),
    ] {
        let answer = sent(&world, method, "/verify/acme/web?login=redirect", headers).await;
        refused(&answer, 401);
        assert!(!answer.headers.contains_key("location"), "{method} {headers:?}");
    }
    refused(&sent(&world, "GET", "/verify/acme/web", &[]).await, 401);
    for wanted in ["//evil.example/", "https://evil.example/", "/\\evil.example", "/%2e%2e//evil", "@evil.example"] {
        for name in ["x-forwarded-uri", "x-original-uri", "x-original-url"] {
            let answer = sent(&world, "GET", "/verify/acme/web?login=redirect", &[(name, wanted)]).await;
            let location = answer.headers["location"].to_str().unwrap();
            // Of a URL the path is taken, and the host never.
            let own = format!("{LOGIN}&redirect=http%3A%2F%2Fapp.acme.localhost%2F");
            assert!(location == LOGIN || location == own, "{name} {wanted}: {location}");
        }
    }
    let elsewhere = sent(&world, "GET", "/verify/acme/web?login=redirect", &[("x-forwarded-proto", "gopher")]).await;
    assert_eq!(elsewhere.headers["location"], LOGIN);
}

/// Images and scripts of other sites' pages are the application's to judge: a proxy asks for all of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_another_sites_page_is_told_like_any_other() {
    let world = World::sample().await;
    let sid = acme(&world).await;
    let request = ask(&world, "GET", "/verify/acme/web", APP).cookie(&sid).header("origin", "https://evil.example");
    let answer = request.header("sec-fetch-site", "cross-site").send().await;
    assert_eq!(told(&answer)[1], "acme");
    assert!(!answer.headers.contains_key("access-control-allow-origin"));
}

/// Switched off is 503, not 401: nobody logs in to it.
#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_is_switched_off_lets_nobody_pass() {
    let world = World::sample().await;
    let sid = acme(&world).await;
    let original = std::fs::read_to_string(world.path("acme.yaml")).unwrap();
    world.write("acme.yaml", &format!("enabled: false\n{original}"));
    assert_eq!(world.reload().await.status, 200);
    refused(&ask(&world, "GET", "/verify/acme/web", APP).cookie(&sid).send().await, 503);
}
