//! Logging out in a browser: here first, then at Auth0, and back to a page of the client's list.

use auth0_gateway::emulator::EndpointName;

use crate::support::{Answer, World, eventually};

const APP: &str = "app.acme.localhost";

async fn logged_in(world: &World) -> String {
    world.login("web", APP, "user@acme.example", "Passw0rd-prod").send().await.sid()
}

async fn get(world: &World, path: &str, sid: &str) -> Answer {
    world.request("GET", path, "web", APP).cookie(sid).send().await
}

fn location(answer: &Answer) -> url::Url {
    assert_eq!(answer.status, 302, "{answer:?}");
    url::Url::parse(answer.headers["location"].to_str().unwrap()).unwrap()
}

fn query(url: &url::Url) -> Vec<(String, String)> {
    url.query_pairs().into_owned().collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

async fn is_over(world: &World, sid: &str) -> bool {
    get(world, "/userinfo", sid).await.status == 401
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_ends_the_session_here_and_leads_to_auth0s() {
    let world = World::sample().await;
    for (path, back) in [
        ("/logout", "http://app.acme.localhost/"),
        ("/logout?redirect=/bye", "http://app.acme.localhost/bye"),
        ("/v2/logout?client_id=acme-web&returnTo=http://app.acme.localhost/x", "http://app.acme.localhost/x"),
    ] {
        let sid = logged_in(&world).await;
        let revoked = world.auth0("acme").calls(EndpointName::Revoke);
        let answer = get(&world, path, &sid).await;
        let url = location(&answer);
        assert_eq!(url.path(), "/acme/v2/logout");
        assert_eq!(query(&url), pairs(&[("client_id", "acme-web"), ("returnTo", back)]));
        assert!(answer.headers["set-cookie"].to_str().unwrap().starts_with("sid=; "), "{answer:?}");
        assert!(is_over(&world, &sid).await);
        eventually("the refresh token is revoked", async || {
            world.auth0("acme").calls(EndpointName::Revoke) == revoked + 1
        })
        .await;
    }
    let federated = get(&world, "/logout?federated", &logged_in(&world).await).await;
    assert!(query(&location(&federated)).contains(&("federated".to_owned(), "true".to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oidc_logout_spares_the_visitor_the_question() {
    let world = World::sample().await;
    let sid = logged_in(&world).await;
    let path = "/oidc/logout?post_logout_redirect_uri=http://app.acme.localhost/bye?x=1&state=s&foo=bar";
    let url = location(&get(&world, path, &sid).await);
    let asked = query(&url);
    assert_eq!(url.path(), "/acme/oidc/logout");
    let names: Vec<&str> = asked.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["client_id", "post_logout_redirect_uri", "logout_hint", "state"]);
    assert_eq!(asked[1].1, "http://app.acme.localhost/bye?x=1");
    assert!(is_over(&world, &sid).await);
    let hinted = world.request("POST", "/oidc/logout", "web", APP).form(&[("id_token_hint", "a.b.c")]).send().await;
    assert_eq!(query(&location(&hinted)), pairs(&[("client_id", "acme-web"), ("id_token_hint", "a.b.c")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_back_that_is_not_listed_is_told_before_anything_ends() {
    let world = World::sample().await;
    let sid = logged_in(&world).await;
    for path in [
        "/logout?redirect=https://evil.example/",
        "/logout?redirect=//evil.example",
        "/v2/logout?returnTo=https://evil.example/",
        "/oidc/logout?post_logout_redirect_uri=https://evil.example/",
    ] {
        let answer = get(&world, path, &sid).await;
        assert_eq!(answer.outcome(), (400, "invalid_request".to_owned()), "{path}");
        assert!(!answer.headers.contains_key("location") && !answer.headers.contains_key("set-cookie"));
    }
    let other = get(&world, "/v2/logout?client_id=acme-api", &sid).await;
    assert_eq!(other.status, 401, "another client than the header's");
    assert!(!is_over(&world, &sid).await);
}

/// A tenant with the host and the lists that the corpus is written against.
const LISTED: &str = r#"
auth0: { base_url: BASE/acme }
hosts: [app.acme.com]
default_client: web
clients:
  web:
    client_id: any
    client_secret: any-secret
    scopes: [openid, website]
    redirect_urls: ["https://{host}/callback"]
    login_urls: ["https://{host}/app/", "https://portal.acme.com/home"]
    logout_urls: ["https://{host}/app/", "https://portal.acme.com/home"]
"#;

/// A line of the corpus, with its escapes resolved.
fn unescape(line: &str) -> String {
    let mut parts = line.split("\\u{");
    let mut text = parts.next().unwrap().to_owned();
    for (code, rest) in parts.map(|part| part.split_once('}').unwrap()) {
        text.push(char::from_u32(u32::from_str_radix(code, 16).unwrap()).unwrap());
        text.push_str(rest);
    }
    text
}

/// RFC 9700 §4.11: every line of the corpus, through the live gateway, against the lists that it is written for.
#[tokio::test(flavor = "multi_thread")]
async fn no_logout_leads_where_the_corpus_wants() {
    let world = World::of("acme.yaml", LISTED).await;
    let ask = async |path: &str, name: &str, wanted: &str| {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair(name, wanted).finish();
        world.request("GET", &format!("{path}?{query}"), "web", "app.acme.com").send().await
    };
    let ways = [
        ("/logout", "redirect"),
        ("/authorize", "redirect"),
        ("/v2/logout", "returnTo"),
        ("/oidc/logout", "post_logout_redirect_uri"),
    ];
    for (path, name) in ways {
        // So that what is refused below is refused for what it is.
        for wanted in ["https://app.acme.com/app/x", "https://portal.acme.com/home", "/app/x"] {
            assert_eq!(ask(path, name, wanted).await.status, 302, "{path} {wanted}");
        }
    }
    let corpus = include_str!("../../src/flow/return_url/corpus.txt");
    let corpus: Vec<String> = corpus.lines().filter_map(|line| line.strip_prefix('|')).map(unescape).collect();
    assert!(corpus.len() >= 300);
    // A parameter without a value is one that was not sent (RFC 6749 §3.1).
    for wanted in corpus.iter().filter(|wanted| !wanted.is_empty()) {
        for (path, name) in ways {
            let answer = ask(path, name, wanted).await;
            assert_eq!(answer.outcome(), (400, "invalid_request".to_owned()), "{path} {wanted:?}");
            assert!(!answer.headers.contains_key("location"), "{path} {wanted:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_logs_out_and_an_image_of_another_site_does_not() {
    let world = World::sample().await;
    let visit = async |sid: &str, mode: &str, dest: &str, site: &str| {
        let request = world.request("GET", "/logout", "web", APP).cookie(sid);
        let request = request.header("sec-fetch-mode", mode).header("sec-fetch-dest", dest);
        request.header("sec-fetch-site", site).send().await
    };
    let sid = logged_in(&world).await;
    assert_eq!(visit(&sid, "no-cors", "image", "cross-site").await.status, 403);
    assert_eq!(visit(&sid, "navigate", "iframe", "cross-site").await.status, 403);
    assert!(!is_over(&world, &sid).await);
    assert_eq!(visit(&sid, "navigate", "document", "cross-site").await.status, 302);
    assert!(is_over(&world, &sid).await);
    let sid = logged_in(&world).await;
    assert_eq!(visit(&sid, "cors", "empty", "same-origin").await.status, 302);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_without_a_session_still_gets_to_auth0s_logout() {
    let world = World::sample().await;
    let answer = world.request("GET", "/logout", "web", APP).send().await;
    assert_eq!(location(&answer).path(), "/acme/v2/logout");
    assert!(!answer.headers.contains_key("set-cookie"));
    let head = world.request("HEAD", "/logout", "web", APP).send().await;
    assert_eq!(head.status, 405, "a HEAD changes nothing");
}

/// `revoke_before` may be taken back; what its holder ended stays over.
#[tokio::test(flavor = "multi_thread")]
async fn a_logout_counts_also_while_the_tenant_is_revoked() {
    let world = World::sample().await;
    let sid = logged_in(&world).await;
    let original = std::fs::read_to_string(world.path("acme.yaml")).unwrap();
    world.write("acme.yaml", &format!("{original}\nsessions: {{ revoke_before: 2100-01-01T00:00:00Z }}\n"));
    assert_eq!(world.reload().await.status, 200);
    assert!(is_over(&world, &sid).await);
    let out = world.request("POST", "/logout", "web", APP).cookie(&sid).send().await;
    assert_eq!(out.status, 204);
    world.write("acme.yaml", &original);
    assert_eq!(world.reload().await.status, 200);
    assert!(is_over(&world, &sid).await, "it was logged out");
}

/// A page with a query is listed as it is, and no other query passes for it.
#[tokio::test(flavor = "multi_thread")]
async fn an_exact_way_back_counts_with_its_query() {
    let text = "
auth0: { base_url: BASE/shop }
hosts: [shop.example]
clients:
  web:
    client_id: shop-web
    redirect_urls: [\"https://{host}/callback\"]
    scopes: [openid, website]
    logout_urls: [\"https://{host}/bye?from=app&x=%2F\"]
";
    let world = World::of("shop.yaml", text).await;
    let leave = async |back: &str| {
        let encoded = form_urlencoded::Serializer::new(String::new()).append_pair("redirect", back).finish();
        world.request("GET", &format!("/logout?{encoded}"), "web", "shop.example").send().await
    };
    let listed = "https://shop.example/bye?from=app&x=%2F";
    assert_eq!(query(&location(&leave(listed).await)), pairs(&[("client_id", "shop-web"), ("returnTo", listed)]));
    for other in ["https://shop.example/bye", "https://shop.example/bye?from=app&x=/", &format!("{listed}&y=1"), "/bye"]
    {
        assert_eq!(leave(other).await.outcome(), (400, "invalid_request".to_owned()), "{other}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_comes_back_to_its_own_scheme_exactly() {
    let text = "auth0: { base_url: BASE/shop }\nhosts: [shop.example]\ndefault_client: app\nclients:\n  app:\n    client_id: shop-app\n    \
                scopes: [openid]\n    app_redirect_urls: [\"com.acme.app://in\"]\n    logout_urls: [\"com.acme.app://bye\"]\n";
    let world = World::of("shop.yaml", text).await;
    let out = async |wanted: &str| {
        world.request("GET", &format!("/v2/logout?returnTo={wanted}"), "app", "shop.example").send().await
    };
    let answer = out("com.acme.app://bye").await;
    assert!(query(&location(&answer)).contains(&("returnTo".to_owned(), "com.acme.app://bye".to_owned())));
    for wanted in ["com.acme.app://bye/", "com.acme.app://other", "com.acme.app:bye", "com.evil.app://bye"] {
        assert_eq!(out(wanted).await.status, 400, "{wanted}");
    }
}

/// RFC 9700 §4.7: a sibling host tosses a second cookie, and must not keep anybody logged in with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_tossed_cookie_does_not_stop_a_logout() {
    let world = World::sample().await;
    for (method, path, expected) in [("POST", "/logout", 204), ("GET", "/logout", 302)] {
        let (own, tossed) = (logged_in(&world).await, logged_in(&world).await);
        let cookies = format!("sid={tossed}; sid={own}");
        let answer = world.request(method, path, "web", APP).header("cookie", &cookies).send().await;
        assert_eq!(answer.status, expected, "{answer:?}");
        assert!(is_over(&world, &own).await && is_over(&world, &tossed).await, "{method}");
    }
}
