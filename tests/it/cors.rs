//! CORS: which pages may ask, and which may read.

use crate::support::{Answer, World};

const HOST: &str = "spa.globex.localhost";
const PAGE: &str = "http://spa.globex.localhost:3000";

async fn preflight(world: &World, path: &str, origin: &str) -> Answer {
    let request = world.bare("OPTIONS", path).header("x-forwarded-host", HOST).header("origin", origin);
    let request = request.header("access-control-request-method", "POST");
    request.header("access-control-request-headers", "content-type,Auth0-Client,x-evil").send().await
}

fn allowed(answer: &Answer) -> Option<&str> {
    answer.headers.get("access-control-allow-origin").map(|value| value.to_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_is_answered_for_every_listed_page_of_the_host() {
    let world = World::sample().await;
    let answer = preflight(&world, "/oauth/token", PAGE).await;
    assert_eq!((answer.status.as_u16(), allowed(&answer)), (204, Some(PAGE)));
    let header = |name: &str| answer.headers[name].to_str().unwrap().to_owned();
    assert_eq!(header("access-control-allow-methods"), "POST");
    assert_eq!(header("access-control-allow-headers"), "content-type, Auth0-Client");
    assert_eq!(header("access-control-allow-credentials"), "true");
    assert_eq!(header("access-control-max-age"), "600");
    for origin in
        ["http://spa.globex.localhost:3001", "https://spa.globex.localhost:3000", "https://evil.example", "null", "*"]
    {
        let answer = preflight(&world, "/oauth/token", origin).await;
        assert_eq!((answer.status.as_u16(), allowed(&answer)), (403, None), "{origin}");
    }
    assert_eq!(preflight(&world, "/nope", PAGE).await.status, 404);
    let plain = world.bare("OPTIONS", "/userinfo").header("x-forwarded-host", HOST).send().await;
    assert_eq!((plain.status.as_u16(), plain.headers["allow"].to_str().unwrap()), (204, "GET, POST"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_reads_the_answers_of_its_own_client_errors_too() {
    let world = World::sample().await;
    let ask = async |client_type: &str, path: &str, origin: &str| {
        world.request("GET", path, client_type, HOST).header("origin", origin).send().await
    };
    let refused = ask("spa", "/userinfo", PAGE).await;
    assert_eq!((refused.status.as_u16(), allowed(&refused)), (401, Some(PAGE)));
    assert!(refused.headers["access-control-expose-headers"].to_str().unwrap().contains("www-authenticate"));
    assert_eq!(allowed(&ask("portal", "/userinfo", PAGE).await), None, "another client of the host");
    assert_eq!(allowed(&ask("spa", "/userinfo", "https://evil.example").await), None);
    assert_eq!(allowed(&ask("nobody", "/userinfo", PAGE).await), None, "nobody's answer");
    let document = ask("spa", "/.well-known/openid-configuration", PAGE).await;
    assert_eq!((document.status.as_u16(), allowed(&document)), (200, Some(PAGE)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_reads_also_why_its_request_was_refused_before_all_of_it_was_read() {
    let world = World::sample().await;
    let ask = |method: &str, path: &str| world.request(method, path, "spa", HOST).header("origin", PAGE);
    let form = "application/x-www-form-urlencoded";
    let large = format!("a={}", "x".repeat(70_000));
    for (path, content_type, body, status) in [
        ("/oauth/token", "text/plain", "x", 415),
        ("/oauth/token", form, "a=1&a=2", 400),
        ("/oauth/token", form, &*large, 413),
        ("/refreshtoken", "application/json", "{", 400),
        ("/oauth/revoke", "text/plain", "x", 404),
    ] {
        let answer = ask("POST", path).body(content_type, body).send().await;
        assert_eq!((answer.status.as_u16(), allowed(&answer)), (status, Some(PAGE)), "{path} {content_type}");
    }
    let repeated = ask("GET", "/.well-known/openid-configuration?a=1&a=2").send().await;
    assert_eq!((repeated.status.as_u16(), allowed(&repeated)), (400, Some(PAGE)));
    let another = ask("GET", "/.well-known/openid-configuration?client_id=another").send().await;
    assert_eq!((another.status.as_u16(), allowed(&another)), (401, None), "header and client_id disagree");
    let foreign = world.request("POST", "/oauth/token", "portal", HOST).header("origin", PAGE);
    assert_eq!(allowed(&foreign.body("text/plain", "x").send().await), None, "another client's answer");
}
