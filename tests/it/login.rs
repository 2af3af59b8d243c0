//! Logins by password: tokens, sessions, and whose fault a refusal is.

use auth0_gateway::emulator::{EndpointName, sample_secret};

use crate::support::{World, WorldOptions, plain_tenant};

const PRODUCTION: &str = "app.acme.localhost";
const USER: &str = "user@acme.example";

#[tokio::test(flavor = "multi_thread")]
async fn the_seeds_own_request_answers_with_exactly_five_members() {
    let world = World::sample().await;
    let login =
        world.login("api", PRODUCTION, USER, "Passw0rd-prod").form(&[("connection", "Username-Password-Production")]);
    let answer = login.send().await;
    let body = answer.json();
    let members: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(members, ["access_token", "id_token", "scope", "expires_in", "token_type"], "{body}");
    assert_eq!((body["expires_in"].as_u64(), body["token_type"].as_str()), (Some(86_400), Some("Bearer")));
    let sent = world.auth0("acme").last_request(EndpointName::Token).unwrap();
    let value = |name| sent.form_value(name).unwrap_or_default().to_owned();
    assert_eq!(value("grant_type"), "http://auth0.com/oauth/grant-type/password-realm");
    assert_eq!(
        (value("realm"), value("scope"), value("audience")),
        ("Username-Password-Production".into(), "openid profile email".into(), "https://api.acme.example".into())
    );
    assert!(sent.form_value("connection").is_none() && sent.header("client-type").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_client_gets_a_session_and_never_a_token() {
    let world = World::sample().await;
    let answer = world.login("web", PRODUCTION, USER, "Passw0rd-prod").send().await;
    let sid = answer.sid();
    assert_eq!(answer.json().as_object().unwrap().len(), 1);
    let cookie = answer.headers["set-cookie"].to_str().unwrap();
    assert!(
        cookie.starts_with(&format!("sid={sid}; HttpOnly; SameSite=Lax;")) && cookie.contains("Max-Age=604800"),
        "{cookie}"
    );
    let tokens = world.login("web", PRODUCTION, USER, "Passw0rd-prod").form(&[("scope", "openid email")]).send().await;
    assert_eq!(tokens.outcome(), (400, "invalid_scope".into()));
    let with =
        world.login("web", PRODUCTION, USER, "Passw0rd-prod").form(&[("scope", "openid email website")]).send().await;
    assert_ne!(with.sid(), sid);
    let sent = world.auth0("acme").last_request(EndpointName::Token).unwrap();
    assert_eq!(sent.form_value("scope"), Some("openid email"), "website is never sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn cookie_and_bearer_are_the_same_user_and_a_logout_ends_the_session() {
    let world = World::sample().await;
    let sid = world.login("web", PRODUCTION, USER, "Passw0rd-prod").send().await.sid();
    let token = world.login("api", PRODUCTION, USER, "Passw0rd-prod").send().await.token("access_token");
    let by_cookie = world.request("GET", "/userinfo", "web", PRODUCTION).cookie(&sid).send().await;
    let by_bearer = world.request("GET", "/userinfo", "api", PRODUCTION).bearer(&token).send().await;
    assert_eq!(by_cookie.json()["sub"], by_bearer.json()["sub"]);
    assert_eq!((by_cookie.json()["email"].as_str(), by_bearer.json()["email"].as_str()), (Some(USER), Some(USER)));
    let me = world.request("GET", "/users/me", "web", PRODUCTION).cookie(&sid).send().await;
    assert_eq!((me.json(), me.headers.contains_key("deprecation")), (by_cookie.json(), true));
    let logout = world.request("POST", "/logout", "web", PRODUCTION).cookie(&sid).send().await;
    assert_eq!(logout.status, 204);
    assert!(logout.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    let after = world.request("GET", "/userinfo", "web", PRODUCTION).cookie(&sid).send().await;
    assert_eq!((after.status.as_u16(), after.headers["www-authenticate"].to_str().unwrap()), (401, "Bearer"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_ends_the_session_that_the_browser_brought() {
    let world = World::sample().await;
    let first = world.login("web", PRODUCTION, USER, "Passw0rd-prod").send().await.sid();
    let second = world.login("web", PRODUCTION, USER, "Passw0rd-prod").cookie(&first).send().await.sid();
    let status =
        async |sid: &str| world.request("GET", "/userinfo", "web", PRODUCTION).cookie(sid).send().await.status.as_u16();
    assert_eq!((status(&first).await, status(&second).await), (401, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_client_type_or_host_is_401_and_auth0_is_not_called() {
    let world = World::sample().await;
    for (client_type, host) in
        [("nope", PRODUCTION), ("portal", PRODUCTION), ("web", "elsewhere.example"), ("api", "globex.localhost")]
    {
        let answer = world.login(client_type, host, USER, "Passw0rd-prod").send().await;
        assert_eq!(answer.outcome(), (401, "unauthorized_client".into()), "{client_type} {host}");
    }
    let disagreeing =
        world.login("web", PRODUCTION, USER, "Passw0rd-prod").form(&[("client_id", "acme-api")]).send().await;
    assert_eq!(disagreeing.outcome(), (401, "unauthorized_client".into()));
    for tenant in ["acme", "globex", "initech"] {
        assert_eq!(world.auth0(tenant).calls_total(), 0, "{tenant}");
    }
    assert!(world.metric("auth0_gateway_tenant_resolution_total{reason=\"no_match\"}").await >= 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_header_the_client_id_or_the_default_names_the_client() {
    let world = World::sample().await;
    let form = [("grant_type", "password"), ("username", USER), ("password", "Passw0rd-prod")];
    let request = || world.bare("POST", "/oauth/token").header("x-forwarded-host", PRODUCTION).form(&form);
    assert!(request().send().await.json().get("cookie_sid").is_some(), "acme's default is web");
    assert!(request().form(&[("client_id", "acme-api")]).send().await.json().get("access_token").is_some());
    assert_eq!(request().form(&[("client_id", "unknown")]).send().await.outcome(), (401, "unauthorized_client".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_fault_a_refusal_is() {
    let world = World::sample().await;
    let wrong = world.login("api", PRODUCTION, USER, "wrong").send().await;
    assert_eq!(wrong.outcome(), (403, "invalid_grant".into()));
    assert_eq!(wrong.json()["error_description"], "Wrong email or password.");
    let mfa = world.login("api", PRODUCTION, "mfa@acme.example", "Passw0rd-prod").send().await;
    assert_eq!(mfa.outcome(), (403, "mfa_required".into()));
    assert!(mfa.json()["mfa_token"].is_string(), "further members pass: {mfa:?}");
    world.auth0("acme").set_client_secrets("acme-api", &["another"]);
    let operator = world.login("api", PRODUCTION, USER, "Passw0rd-prod").send().await;
    assert_eq!(operator.outcome(), (502, "server_error".into()));
    assert!(!operator.text().contains("Unauthorized"), "the operator's trouble is not the caller's: {operator:?}");
    assert_eq!(
        world.metric("auth0_gateway_operator_errors_total{kind=\"client_credentials\",tenant=\"acme\"}").await,
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_secrets_the_one_that_works_leads() {
    let text = plain_tenant("rotating", "a.example")
        .replace("any-secret", "{ file: old }")
        .replace("client_secret: { file: old }", "client_secret: [ { file: old }, { file: new } ]");
    let world = World::with(WorldOptions {
        files: vec![("rotating.yaml", plain_tenant("rotating", "a.example"))],
        flags: vec![],
        as_dev: false,
    })
    .await;
    std::fs::write(world.folder.path().join("secrets/old"), "one\n").unwrap();
    std::fs::write(world.folder.path().join("secrets/new"), "two\n").unwrap();
    world.write("rotating.yaml", &text);
    assert_eq!(world.reload().await.status, 200);
    let auth0 = world.auth0("rotating");
    let login =
        async || world.login("api", "a.example", "user@rotating.example", "Passw0rd-1").send().await.status.as_u16();
    auth0.set_client_secrets("any", &["one"]);
    assert_eq!(login().await, 200);
    auth0.set_client_secrets("any", &["two"]);
    let before = auth0.calls(EndpointName::Token);
    assert_eq!(login().await, 200);
    assert_eq!(auth0.calls(EndpointName::Token) - before, 2, "the leading one first, then the other");
    assert_eq!(world.metric("auth0_gateway_client_secret_fallback_total{tenant=\"rotating\"}").await, 1);
    assert_eq!(login().await, 200);
    assert_eq!(auth0.calls(EndpointName::Token) - before, 3, "what worked leads");
    assert_eq!(
        world.metric("auth0_gateway_operator_errors_total{kind=\"client_credentials\",tenant=\"rotating\"}").await,
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_file_that_changes_is_picked_up_live() {
    let text = plain_tenant("live", "a.example").replace("any-secret", "{ file: web }");
    let world = World::with(WorldOptions {
        files: vec![("live.yaml", plain_tenant("live", "a.example"))],
        flags: vec![],
        as_dev: false,
    })
    .await;
    std::fs::write(world.folder.path().join("secrets/web"), "one").unwrap();
    world.write("live.yaml", &text);
    assert_eq!(world.reload().await.status, 200);
    world.auth0("live").set_client_secrets("any", &["two"]);
    let login =
        async || world.login("api", "a.example", "user@live.example", "Passw0rd-1").send().await.status.as_u16();
    assert_eq!(login().await, 502);
    std::fs::write(world.folder.path().join("secrets/.tmp"), "two").unwrap();
    std::fs::rename(world.folder.path().join("secrets/.tmp"), world.folder.path().join("secrets/web")).unwrap();
    crate::support::eventually("the new secret is used", async || login().await == 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn client_credentials_are_for_callers_that_show_the_clients_own() {
    let world = World::sample().await;
    let secret = sample_secret("acme", "acme-api");
    let request = |pairs: &[(&str, &str)]| {
        world
            .request("POST", "/oauth/token", "api", PRODUCTION)
            .form(&[("grant_type", "client_credentials")])
            .form(pairs)
    };
    for pairs in [
        &[][..],
        &[("client_id", "acme-api")],
        &[("client_id", "acme-api"), ("client_secret", "wrong")],
        &[("client_secret", &secret)],
    ] {
        assert_eq!(request(pairs).send().await.outcome(), (401, "invalid_client".into()), "{pairs:?}");
    }
    assert_eq!(world.auth0("acme").calls_total(), 0);
    let granted = request(&[("client_id", "acme-api"), ("client_secret", &secret)]).send().await;
    assert_eq!((granted.status.as_u16(), granted.json().get("id_token")), (200, None), "{granted:?}");
    let not_listed = world
        .request("POST", "/oauth/token", "web", PRODUCTION)
        .form(&[("grant_type", "client_credentials")])
        .send()
        .await;
    assert_eq!(not_listed.outcome(), (400, "unauthorized_client".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_names_no_scope_that_was_neither_asked_for_nor_granted() {
    let world = World::of("shop.yaml", &plain_tenant("shop", "shop.example")).await;
    let machine = world.request("POST", "/oauth/token", "api", "shop.example").form(&[
        ("grant_type", "client_credentials"),
        ("client_id", "any"),
        ("client_secret", "any-secret"),
    ]);
    let granted = machine.send().await;
    assert_eq!((granted.status.as_u16(), granted.json().get("scope")), (200, None), "{granted:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_caller_may_not_ask_for_is_refused_before_auth0_hears_of_it() {
    let world = World::sample().await;
    let base = || world.login("api", PRODUCTION, USER, "Passw0rd-prod");
    assert_eq!(base().form(&[("scope", "openid admin")]).send().await.outcome(), (400, "invalid_scope".into()));
    assert_eq!(base().form(&[("audience", "https://other")]).send().await.outcome(), (400, "invalid_target".into()));
    assert_eq!(base().form(&[("connection", "nope")]).send().await.outcome(), (403, "access_denied".into()));
    assert_eq!(base().form(&[("username", "twice")]).send().await.outcome(), (400, "invalid_request".into()));
    let other = world.request("POST", "/oauth/token", "api", PRODUCTION).body("text/plain", "grant_type=password");
    assert_eq!(other.send().await.outcome(), (415, "invalid_request".into()));
    let large = world.request("POST", "/oauth/token", "api", PRODUCTION).form(&[("grant_type", &"x".repeat(70_000))]);
    assert_eq!(large.send().await.outcome(), (413, "invalid_request".into()));
    let wrong_method = world.request("GET", "/oauth/token", "api", PRODUCTION).send().await;
    assert_eq!((wrong_method.status.as_u16(), wrong_method.headers["allow"].to_str().unwrap()), (405, "POST"));
    assert_eq!(world.auth0("acme").calls_total(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_as_good_as_a_form_and_the_original_service_speaks_camel_case() {
    let world = World::sample().await;
    let body = r#"{"grant_type":"password","username":"user@globex.example","password":"Passw0rd-1"}"#;
    let answer = world
        .request("POST", "/oauth/token", "portal", "a.globex.localhost")
        .body("application/json", body)
        .send()
        .await;
    let mut members: Vec<String> = answer.json().as_object().unwrap().keys().cloned().collect();
    members.sort();
    assert_eq!(members, ["accessToken", "expireAt", "idToken", "refreshToken"]);
    assert!(answer.token("expireAt").ends_with('Z'));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_without_connections_leaves_the_choice_to_auth0() {
    let world = World::sample().await;
    let sid = world.login("cms", "anything.example", "user@initech.example", "Passw0rd-1").send().await.sid();
    let sent = world.auth0("initech").last_request(EndpointName::Token).unwrap();
    assert_eq!((sent.form_value("grant_type"), sent.form_value("realm")), (Some("password"), None));
    let claims = world.request("GET", "/userinfo", "cms", "anything.example").cookie(&sid).send().await.json();
    assert_eq!(claims["groups"][0], "admin", "lifted out of the namespaced app_metadata: {claims}");
    assert_eq!(claims["app_metadata"]["groups"][0], "admin");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_users_address_goes_to_auth0_as_trusted_proxies_tell_it() {
    let world = World::sample().await;
    let login = || world.login("api", PRODUCTION, USER, "Passw0rd-prod");
    login()
        .header("x-forwarded-for", "198.51.100.9, 203.0.113.7")
        .header("auth0-forwarded-for", "6.6.6.6")
        .send()
        .await;
    let sent = world.auth0("acme").last_request(EndpointName::Token).unwrap();
    assert_eq!(sent.header("auth0-forwarded-for"), Some("203.0.113.7"));
    login().send().await;
    let sent = world.auth0("acme").last_request(EndpointName::Token).unwrap();
    assert_eq!(sent.header("auth0-forwarded-for"), None, "the gateway's own machine is nobody's address");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_logs_nobody_in_or_out() {
    let world = World::sample().await;
    let sid = world.login("web", PRODUCTION, USER, "Passw0rd-prod").send().await.sid();
    for (name, value) in [("origin", "https://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")] {
        let login = world.login("web", PRODUCTION, USER, "Passw0rd-prod").header(name, value).send().await;
        assert_eq!(login.outcome(), (403, "access_denied".into()), "{name}: {value}");
        for (method, path) in [("POST", "/logout"), ("GET", "/userinfo"), ("POST", "/refreshtoken")] {
            let answer = world.request(method, path, "web", PRODUCTION).cookie(&sid).header(name, value).send().await;
            assert_eq!(answer.outcome(), (403, "access_denied".into()), "{path} {name}: {value}");
        }
    }
    let own = world
        .request("GET", "/userinfo", "web", PRODUCTION)
        .cookie(&sid)
        .header("origin", "http://app.acme.localhost")
        .send()
        .await;
    assert_eq!(own.status, 200);
    let tossed = world
        .request("GET", "/userinfo", "web", PRODUCTION)
        .header("cookie", &format!("sid={sid}; sid=tossed"))
        .send()
        .await;
    assert_eq!(tossed.outcome(), (400, "invalid_request".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_when_idle_and_at_its_lifetime() {
    let world = World::sample().await;
    let sid = world.login("web", PRODUCTION, USER, "Passw0rd-prod").send().await.sid();
    let status =
        async || world.request("GET", "/userinfo", "web", PRODUCTION).cookie(&sid).send().await.status.as_u16();
    for _ in 0..6 {
        world.clock.advance(std::time::Duration::from_secs(23 * 3600));
        assert_eq!(status().await, 200, "used every 23 hours it lives on");
    }
    world.clock.advance(std::time::Duration::from_secs(25 * 3600));
    assert_eq!(status().await, 401, "idle for longer than 24 hours");
}
