//! Auth0's further endpoints, for clients whose files list them.

use auth0_gateway::emulator::{EndpointName, Fault};
use serde_json::{Value, json};

use crate::support::{Answer, Visitor, World, WorldOptions};

const HOST: &str = "shop.example";
const USER: &str = "user@shop.example";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

const SHOP: &str = "
auth0: { base_url: BASE/shop }
hosts: [shop.example, test.shop.example]
connections:
  Username-Password-Authentication: { hosts: [shop.example] }
  Try: { hosts: [test.shop.example] }
  email: { hosts: [shop.example] }
clients:
  all:
    client_id: shop-all
    client_secret: all-secret
    scopes: [openid, email]
    audience: https://api.shop.example
    grants: [authorization_code, password, refresh_token]
    default_connection: Username-Password-Authentication
    app_redirect_urls: [\"https://{host}/signed-in\"]
    passthrough: [revoke, device, par, mfa, passwordless, signup, change_password]
    callers: { secret: callers-secret }
  none:
    client_id: shop-none
    scopes: [openid]
  page:
    client_id: shop-page
    client_secret: page-secret
    scopes: [openid, website]
    default_connection: Username-Password-Authentication
    redirect_urls: [\"https://{host}/callback\"]
    passthrough: [revoke, passwordless, change_password]
";

async fn shop() -> World {
    World::with(WorldOptions { files: vec![("shop.yaml", SHOP.to_owned())], flags: Vec::new(), as_dev: false }).await
}

async fn post(world: &World, path: &str, mut body: Value) -> Answer {
    body["client_secret"] = "callers-secret".into();
    let request = world.request("POST", path, "all", HOST);
    request.body("application/json", &body.to_string()).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_listed_is_not_there() {
    let world = shop().await;
    let unknown = world.request("POST", "/nope", "none", HOST).send().await;
    for path in [
        "/oauth/revoke",
        "/oauth/device/code",
        "/oauth/par",
        "/passwordless/start",
        "/dbconnections/signup",
        "/dbconnections/change_password",
        "/mfa/associate",
        "/mfa/challenge",
    ] {
        let answer = world.request("POST", path, "none", HOST).form(&[("email", USER)]).send().await;
        assert_eq!((answer.status, answer.body), (unknown.status, unknown.body.clone()), "{path}");
    }
    for (method, path) in [("GET", "/mfa/authenticators"), ("DELETE", "/mfa/authenticators/totp%7Cdev_1")] {
        assert_eq!(world.request(method, path, "none", HOST).bearer("m").send().await.status, 404, "{path}");
    }
    for (content_type, body) in
        [("text/plain", "x".to_owned()), ("application/json", "{".to_owned()), ("application/json", "x".repeat(70_000))]
    {
        let request = world.request("POST", "/oauth/par", "none", HOST).body(content_type, &body);
        let answer = request.send().await;
        assert_eq!((answer.status, answer.body), (unknown.status, unknown.body.clone()), "whatever the body is");
    }
    assert_eq!(world.auth0("shop").calls_total(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_shows_its_secret_and_never_to_auth0() {
    let world = shop().await;
    let signup = json!({ "email": "new@shop.example", "password": "Passw0rd-new" });
    let request = world.request("POST", "/dbconnections/signup", "all", HOST);
    let refused = request.body("application/json", &signup.to_string()).send().await;
    assert_eq!(refused.outcome(), (401, "invalid_client".to_owned()));
    assert_eq!(world.auth0("shop").calls_total(), 0);
    let answer = post(&world, "/dbconnections/signup", signup).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["email_verified"]), (200, &json!(false)));
    let asked = world.auth0("shop").last_request(EndpointName::Signup).unwrap();
    assert_eq!(asked.form_value("connection"), Some("Username-Password-Authentication"));
    assert_eq!((asked.form_value("client_id"), asked.form_value("client_secret")), (Some("shop-all"), None));
    let taken =
        post(&world, "/dbconnections/signup", json!({ "email": "new@shop.example", "password": "Passw0rd-new" }));
    let taken = taken.await;
    assert_eq!((taken.status.as_u16(), &taken.json()["code"]), (400, &json!("user_exists")), "in Auth0's own shape");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_of_another_host_is_refused_and_nobody_is_asked() {
    let world = shop().await;
    for connection in ["Try", "nope"] {
        for path in ["/dbconnections/signup", "/dbconnections/change_password", "/passwordless/start"] {
            let body = json!({ "email": USER, "password": "Passw0rd-new", "connection": connection });
            let answer = post(&world, path, body).await;
            assert_eq!(answer.outcome(), (403, "access_denied".to_owned()), "{path} {connection}");
        }
    }
    assert_eq!(world.auth0("shop").calls_total(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_of_the_kind_that_the_table_says() {
    let world = shop().await;
    let many: serde_json::Map<String, Value> = (0..11).map(|n| (format!("m{n}"), json!("x"))).collect();
    for (path, body) in [
        ("/dbconnections/signup", json!({ "email": USER })),
        ("/dbconnections/signup", json!({ "email": USER, "password": ["x"] })),
        ("/dbconnections/signup", json!({ "email": USER, "password": "x", "user_metadata": "x" })),
        ("/dbconnections/signup", json!({ "email": USER, "password": "x", "user_metadata": { "a": 1 } })),
        ("/dbconnections/signup", json!({ "email": USER, "password": "x", "user_metadata": many })),
        ("/mfa/challenge", json!({ "challenge_type": "otp" })),
        ("/oauth/device/code", json!({ "scope": "a\"b" })),
        (
            "/passwordless/start",
            json!({ "connection": "email", "email": USER, "authParams": { "redirect_uri": "https://evil.example/" } }),
        ),
        ("/passwordless/start", json!({ "connection": "email", "email": USER, "authParams": { "client_id": "x" } })),
        ("/oauth/revoke", json!({})),
    ] {
        let answer = post(&world, path, body.clone()).await;
        assert_eq!(answer.outcome(), (400, "invalid_request".to_owned()), "{path} {body}");
    }
    let beyond = post(&world, "/oauth/device/code", json!({ "scope": "openid admin" })).await;
    assert_eq!(beyond.outcome(), (400, "invalid_scope".to_owned()));
    let large = post(&world, "/oauth/par", json!({ "state": "x".repeat(11_000) })).await;
    assert_eq!(large.status, 413);
    assert_eq!(world.auth0("shop").calls_total(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sentence_of_auth0s_comes_back_as_text_and_never_as_a_page() {
    let world = shop().await;
    let answer = post(&world, "/dbconnections/change_password", json!({ "email": USER })).await;
    assert_eq!(answer.status, 200);
    assert!(answer.headers["content-type"].to_str().unwrap().starts_with("text/plain"));
    assert_eq!(answer.text(), "We've just sent you an email to reset your password.");
    world.auth0("shop").set_fault(EndpointName::ChangePassword, Fault::too_many_requests(0));
    let limited = post(&world, "/dbconnections/change_password", json!({ "email": USER })).await;
    assert_eq!(limited.status, 429);
    assert!(limited.headers.contains_key("retry-after"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_client_is_the_operators_matter() {
    let world = shop().await;
    world.auth0("shop").set_client_secrets("shop-all", &["another"]);
    let answer = post(&world, "/oauth/revoke", json!({ "token": "t" })).await;
    assert_eq!(answer.outcome(), (502, "server_error".to_owned()));
    let errors = "auth0_gateway_operator_errors_total{kind=\"client_credentials\",tenant=\"shop\"}";
    assert_eq!(world.metric(errors).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pushed_request_keeps_to_the_rules_and_is_taken_once() {
    let world = shop().await;
    let pushed = |uri: &str| {
        json!({
            "response_type": "code", "redirect_uri": uri, "state": "s", "nonce": "n",
            "code_challenge": CHALLENGE, "code_challenge_method": "S256", "client_assertion": "forged",
        })
    };
    let refused = post(&world, "/oauth/par", pushed("https://evil.example/")).await;
    assert_eq!(refused.outcome(), (400, "invalid_request".to_owned()));
    let mut without = pushed("https://shop.example/signed-in");
    without.as_object_mut().unwrap().retain(|name, _| !name.starts_with("code_challenge"));
    assert_eq!(post(&world, "/oauth/par", without).await.outcome(), (400, "invalid_request".to_owned()));
    assert_eq!(world.auth0("shop").calls_total(), 0);
    let answer = post(&world, "/oauth/par", pushed("https://shop.example/signed-in")).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let asked = world.auth0("shop").last_request(EndpointName::Par).unwrap();
    assert_eq!((asked.form_value("client_secret"), asked.form_value("client_assertion")), (Some("all-secret"), None));
    assert_eq!(asked.form_value("connection"), Some("Username-Password-Authentication"));
    let request_uri = answer.json()["request_uri"].as_str().unwrap().to_owned();
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("request_uri", &request_uri).finish();
    let begun = world.request("GET", &format!("/authorize?{query}"), "all", HOST).send().await;
    let location = begun.headers["location"].to_str().unwrap();
    assert!(location.ends_with(&format!("/authorize?client_id=shop-all&{query}")), "{location}");
    let landed = Visitor::new().log_in(location, USER, "Passw0rd-1").await;
    assert!(landed.starts_with("https://shop.example/signed-in?") && landed.contains("state=s"), "{landed}");
    assert_eq!(Visitor::new().visit(location).await.status, 400, "Auth0 takes a pushed request once");
}

#[tokio::test(flavor = "multi_thread")]
async fn authenticators_are_listed_and_deleted_by_the_callers_own_token() {
    let acme = crate::support::ACME.replace(
        "[password, refresh_token, client_credentials]",
        "[password, refresh_token, client_credentials, mfa_otp]\n    passthrough: [mfa]",
    );
    let world = World::with(WorldOptions { files: vec![("acme.yaml", acme)], flags: Vec::new(), as_dev: true }).await;
    let app = "app.acme.localhost";
    let login = world.login("api", app, "mfa@acme.example", "Passw0rd-prod").send().await;
    let token = login.json()["mfa_token"].as_str().unwrap().to_owned();
    let without = world.request("GET", "/mfa/authenticators", "api", app).send().await;
    assert_eq!(without.status, 400);
    let list = world.request("GET", "/mfa/authenticators", "api", app).bearer(&token).send().await;
    let id = list.json()[0]["id"].as_str().unwrap().to_owned();
    let challenge = json!({ "mfa_token": token, "challenge_type": "otp" }).to_string();
    let challenged = world.request("POST", "/mfa/challenge", "api", app).body("application/json", &challenge);
    assert_eq!(challenged.send().await.json()["challenge_type"], "otp");
    for bad in ["a%2Fb", "..", "%2e%2e", "a%00", "x%0d%0a", "a;b"] {
        let answer = world.request("DELETE", &format!("/mfa/authenticators/{bad}"), "api", app).bearer(&token);
        assert_eq!(answer.send().await.status, 400, "{bad}");
    }
    let path = format!("/mfa/authenticators/{}", id.replace('|', "%7C"));
    assert_eq!(world.request("DELETE", &path, "api", app).bearer(&token).send().await.status, 204);
    let recorded = world.auth0("acme").last_request(EndpointName::MfaAuthenticators).unwrap();
    assert_eq!(
        (recorded.method.as_str(), recorded.path.replace("%7C", "|")),
        ("DELETE", format!("/mfa/authenticators/{id}"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_goes_on_with_the_clients_own_secret_and_nothing_of_the_callers() {
    let world = shop().await;
    let request = world.request("POST", "/oauth/revoke", "page", HOST).header("x-forwarded-for", "203.0.113.7");
    let basic = request.header("authorization", "Basic c2hvcC1wYWdlOmNhbGxlcnM=");
    let form = [("token", "t"), ("client_assertion", "forged"), ("client_assertion_type", "x"), ("more", "m")];
    let answer = basic.form(&form).send().await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
    let asked = world.auth0("shop").last_request(EndpointName::Revoke).unwrap();
    let sent: Vec<_> = asked.form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(sent, [("token", "t"), ("client_id", "shop-page"), ("client_secret", "page-secret")]);
    let found = "auth0_gateway_tenant_resolution_total{reason=\"exact\"}";
    assert_eq!(world.metric(found).await, 1, "a request is resolved once");
    assert_eq!((asked.header("authorization"), asked.header("auth0-forwarded-for")), (None, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_users_address_goes_where_auth0_reads_it() {
    let world = shop().await;
    let request = world.request("POST", "/passwordless/start", "page", HOST).header("x-forwarded-for", "203.0.113.7");
    let body = json!({ "connection": "email", "email": USER }).to_string();
    let request = request.header("auth0-forwarded-for", "6.6.6.6").body("application/json", &body);
    assert_eq!(request.send().await.status, 200);
    let asked = world.auth0("shop").last_request(EndpointName::PasswordlessStart).unwrap();
    assert_eq!(asked.header("auth0-forwarded-for"), Some("203.0.113.7"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_uses_no_visitors_session() {
    let world = shop().await;
    let request = || world.request("POST", "/dbconnections/change_password", "page", HOST).form(&[("email", USER)]);
    let foreign = || request().header("origin", "https://evil.example").header("sec-fetch-site", "cross-site");
    assert_eq!(foreign().cookie("x").send().await.status, 403);
    assert_eq!(world.auth0("shop").calls_total(), 0);
    assert_eq!(request().cookie("x").header("origin", "https://shop.example").send().await.status, 200);
    assert_eq!(foreign().send().await.status, 200, "without a session there is nothing of the visitor's to use");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_auth0s_is_shown_as_text_and_its_headers_stay_behind() {
    let world = shop().await;
    let mut fault = Fault::respond(400, "<script>alert(1)</script>");
    if let Some(response) = &mut fault.respond {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        response.headers = vec![header("content-type", "text/html"), header("set-cookie", "did=1")];
    }
    world.auth0("shop").set_fault(EndpointName::ChangePassword, fault);
    let answer = post(&world, "/dbconnections/change_password", json!({ "email": USER })).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    assert!(!answer.headers.contains_key("set-cookie"));
    world.auth0("shop").set_fault(EndpointName::ChangePassword, Fault::respond(200, "x".repeat((1 << 20) + 1)));
    let large = post(&world, "/dbconnections/change_password", json!({ "email": USER })).await;
    assert_eq!(large.outcome(), (502, "server_error".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pushed_request_asks_for_no_more_than_the_file_allows() {
    let world = shop().await;
    for (name, value, expected) in [
        ("request", "x", (400, "invalid_request")),
        ("request_uri", "urn:x", (400, "invalid_request")),
        ("scope", "openid admin", (400, "invalid_scope")),
        ("audience", "https://other.example", (400, "invalid_target")),
        ("connection", "Try", (403, "access_denied")),
        ("organization", "org_2", (400, "invalid_request")),
        ("code_challenge_method", "plain", (400, "invalid_request")),
        ("redirect_uri", "https://test.shop.example/signed-in", (400, "invalid_request")),
    ] {
        let mut body = json!({
            "response_type": "code", "redirect_uri": "https://shop.example/signed-in", "state": "s", "nonce": "n",
            "code_challenge": CHALLENGE, "code_challenge_method": "S256",
        });
        body[name] = value.into();
        let answer = post(&world, "/oauth/par", body).await.outcome();
        assert_eq!(answer, (expected.0, expected.1.to_owned()), "{name}");
    }
    let target = "/authorize?request_uri=urn%3Aietf%3Aparams%3Aoauth%3Arequest_uri%3Aabc";
    assert_eq!(world.request("GET", target, "none", HOST).send().await.status, 400, "its client pushes nothing");
    assert_eq!(world.auth0("shop").calls_total(), 0);
}
