//! The grants that are passed on: devices, one-time passwords, second factors, token exchange.

use std::time::Duration;

use auth0_gateway::emulator::EndpointName;

use crate::support::{Answer, World, WorldOptions};

const HOST: &str = "shop.example";
const USER: &str = "user@shop.example";
const OTP: &str = "http://auth0.com/oauth/grant-type/passwordless/otp";
const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const MFA: &str = "http://auth0.com/oauth/grant-type/mfa-";

const SHOP: &str = "
auth0: { base_url: BASE/shop }
hosts: [shop.example, test.shop.example]
connections:
  Username-Password-Authentication:
  email: { hosts: [shop.example] }
clients:
  tv:
    client_id: shop-tv
    client_secret: tv-secret
    scopes: [openid, email, offline_access]
    audience: https://api.shop.example
    grants: [device_code, passwordless_otp, token_exchange, mfa_otp]
    passthrough: [device, passwordless]
    connections: [email]
  web:
    client_id: shop-web
    client_secret: web-secret
    scopes: [openid, email, website]
    grants: [passwordless_otp]
    passthrough: [passwordless]
    connections: [email]
  strict:
    client_id: shop-strict
    scopes: [openid]
    grants: [password]
";

async fn shop() -> World {
    World::with(WorldOptions { files: vec![("shop.yaml", SHOP.to_owned())], flags: Vec::new(), as_dev: false }).await
}

async fn token(world: &World, client_type: &str, grant_type: &str, form: &[(&str, &str)]) -> Answer {
    let request = world.request("POST", "/oauth/token", client_type, HOST).form(&[("grant_type", grant_type)]);
    request.form(form).send().await
}

async fn start(world: &World, client_type: &str) {
    let body = serde_json::json!({ "connection": "email", "email": USER, "send": "code" }).to_string();
    let request = world.request("POST", "/passwordless/start", client_type, HOST);
    assert_eq!(request.body("application/json", &body).send().await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_waits_until_its_user_says_yes() {
    let world = shop().await;
    let begun = world.request("POST", "/oauth/device/code", "tv", HOST).form(&[("scope", "openid")]).send().await;
    let asked = world.auth0("shop").last_request(EndpointName::DeviceCode).unwrap();
    assert_eq!(asked.form_value("audience"), Some("https://api.shop.example"));
    assert_eq!((asked.form_value("scope"), asked.form_value("client_secret")), (Some("openid"), None));
    let device_code = begun.token("device_code");
    let poll = async || token(&world, "tv", DEVICE, &[("device_code", &device_code)]).await;
    let pending = poll().await;
    assert_eq!(pending.outcome(), (403, "authorization_pending".to_owned()));
    assert_eq!(poll().await.outcome(), (429, "slow_down".to_owned()), "as Auth0 says it");
    assert!(world.auth0("shop").confirm_device(&begun.token("user_code"), USER));
    world.clock.advance(Duration::from_secs(30));
    assert!(!poll().await.token("id_token").is_empty());
    assert_eq!(poll().await.outcome(), (403, "invalid_grant".to_owned()), "a device code is good once");
    let begun = world.request("POST", "/oauth/device/code", "tv", HOST).form(&[("scope", "openid")]).send().await;
    let device_code = begun.token("device_code");
    world.clock.advance(Duration::from_secs(901));
    let late = token(&world, "tv", DEVICE, &[("device_code", &device_code)]).await;
    assert_eq!(late.outcome(), (403, "expired_token".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_one_time_password_logs_in_to_tokens_or_to_a_session() {
    let world = shop().await;
    start(&world, "tv").await;
    let login = async |client_type: &str, otp: &str| {
        token(&world, client_type, OTP, &[("username", USER), ("otp", otp), ("realm", "email")]).await
    };
    assert_eq!(login("tv", "999999").await.outcome(), (403, "invalid_grant".to_owned()));
    let otp = world.auth0("shop").last_one_time_password(USER).unwrap();
    for _ in 0..3 {
        assert_eq!(login("tv", "999999").await.outcome(), (403, "invalid_grant".to_owned()));
    }
    assert!(login("tv", &otp).await.text().contains("maximum number of attempts"), "in Auth0's own words");
    start(&world, "tv").await;
    let otp = world.auth0("shop").last_one_time_password(USER).unwrap();
    let tokens = login("tv", &otp).await;
    assert!(!tokens.token("access_token").is_empty());
    let asked = world.auth0("shop").last_request(EndpointName::Token).unwrap();
    assert_eq!((asked.form_value("realm"), asked.form_value("client_secret")), (Some("email"), Some("tv-secret")));
    start(&world, "web").await;
    let otp = world.auth0("shop").last_one_time_password(USER).unwrap();
    let sid = login("web", &otp).await.sid();
    let claims = world.request("GET", "/userinfo", "web", HOST).cookie(&sid).send().await;
    assert_eq!(claims.json()["email"], USER);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_of_another_host_or_client_is_refused_and_nobody_is_asked() {
    let world = shop().await;
    let form = [("username", USER), ("otp", "1"), ("realm", "sms")];
    assert_eq!(token(&world, "tv", OTP, &form).await.outcome(), (403, "access_denied".to_owned()));
    let elsewhere = world.request("POST", "/oauth/token", "tv", "test.shop.example");
    let form = [("grant_type", OTP), ("username", USER), ("otp", "1"), ("realm", "email")];
    assert_eq!(elsewhere.form(&form).send().await.outcome(), (403, "access_denied".to_owned()));
    for (client_type, grant_type, form) in [
        ("strict", DEVICE, &[("device_code", "x")][..]),
        ("tv", &format!("{MFA}oob"), &[("mfa_token", "m"), ("oob_code", "o")]),
    ] {
        let refused = token(&world, client_type, grant_type, form).await;
        assert_eq!(refused.outcome(), (400, "unauthorized_client".to_owned()));
    }
    let missing = token(&world, "tv", EXCHANGE, &[("subject_token", "s")]).await;
    assert_eq!(missing.outcome(), (400, "invalid_request".to_owned()));
    assert_eq!(world.auth0("shop").calls_total(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_somebody_elses_is_exchanged() {
    let world = shop().await;
    let form = [
        ("subject_token", USER),
        ("subject_token_type", "urn:example:legacy-id"),
        ("client_secret", "callers-own"),
        ("client_assertion", "forged"),
        ("request_uri", "urn:x"),
    ];
    let tokens = token(&world, "tv", EXCHANGE, &form).await;
    assert_eq!(tokens.token("issued_token_type"), "urn:ietf:params:oauth:token-type:access_token");
    let asked = world.auth0("shop").last_request(EndpointName::Token).unwrap();
    assert_eq!(asked.form_value("client_secret"), Some("tv-secret"));
    assert_eq!((asked.form_value("client_assertion"), asked.form_value("request_uri")), (None, None));
    let labelled = "auth0_gateway_logins_total{grant=\"token_exchange\",result=\"ok\",tenant=\"shop\"}";
    assert_eq!(world.metric(labelled).await, 1);
}

/// The sample world's user with a second factor, at clients that may use one.
async fn acme() -> World {
    let more =
        "[authorization_code, refresh_token, password, mfa_otp, mfa_oob, mfa_recovery_code]\n    passthrough: [mfa]";
    let acme = crate::support::ACME.replace("[authorization_code, refresh_token, password]", more);
    let acme = acme.replace("[password, refresh_token, client_credentials]", more);
    World::with(WorldOptions { files: vec![("acme.yaml", acme)], flags: Vec::new(), as_dev: true }).await
}

const APP: &str = "app.acme.localhost";

async fn mfa_token(world: &World, client_type: &str) -> String {
    let login = world.login(client_type, APP, "mfa@acme.example", "Passw0rd-prod").send().await;
    assert_eq!(login.outcome(), (403, "mfa_required".to_owned()));
    login.json()["mfa_token"].as_str().unwrap().to_owned()
}

async fn redeem(world: &World, client_type: &str, factor: &str, form: &[(&str, &str)]) -> Answer {
    let request = world.request("POST", "/oauth/token", client_type, APP);
    request.form(&[("grant_type", &format!("{MFA}{factor}"))]).form(form).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_ends_in_tokens_or_in_a_session() {
    let world = acme().await;
    let token = mfa_token(&world, "api").await;
    let wrong = redeem(&world, "api", "otp", &[("mfa_token", &token), ("otp", "123456")]).await;
    assert_eq!(wrong.outcome(), (403, "invalid_grant".to_owned()));
    let right = redeem(&world, "api", "otp", &[("mfa_token", &token), ("otp", "000000")]).await;
    assert!(!right.token("id_token").is_empty());
    let token = mfa_token(&world, "web").await;
    let sid = redeem(&world, "web", "otp", &[("mfa_token", &token), ("otp", "000000")]).await.sid();
    let claims = world.request("GET", "/userinfo", "web", APP).cookie(&sid).send().await.json();
    assert_eq!(claims["email"], "mfa@acme.example");
    let log = world.end().await;
    assert!(!log.contains(&token), "an mfa_token is never logged");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_channel_is_pending_as_auth0_says_it_and_a_recovery_code_is_given_anew() {
    let world = acme().await;
    let token = mfa_token(&world, "api").await;
    let associate = serde_json::json!({
        "authenticator_types": ["oob"], "oob_channels": ["sms"], "phone_number": "+15551234567"
    });
    let request = world.request("POST", "/mfa/associate", "api", APP).bearer(&token);
    let associated = request.body("application/json", &associate.to_string()).send().await;
    let oob_code = associated.token("oob_code");
    let oob = [("mfa_token", &*token), ("oob_code", &oob_code), ("binding_code", "000000")];
    let pending = redeem(&world, "api", "oob", &oob).await;
    assert_eq!(pending.outcome(), (400, "authorization_pending".to_owned()), "400 here, 403 for devices");
    assert!(world.auth0("acme").confirm_oob(&oob_code));
    assert!(!redeem(&world, "api", "oob", &oob).await.token("access_token").is_empty());
    if let Some(code) = associated.json()["recovery_codes"][0].as_str() {
        let token = mfa_token(&world, "web").await;
        let answer = redeem(&world, "web", "recovery-code", &[("mfa_token", &token), ("recovery_code", code)]).await;
        let fresh = answer.json()["recovery_code"].as_str().unwrap().to_owned();
        assert!(!fresh.is_empty() && fresh != code && !answer.sid().is_empty(), "the user's to keep");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_asks_for_no_more_than_the_file_allows() {
    let shop = SHOP.replace("client_secret: tv-secret", "client_secret: tv-secret\n    organization: org_1");
    let world = World::with(WorldOptions { files: vec![("shop.yaml", shop)], flags: Vec::new(), as_dev: false }).await;
    let base = [("subject_token", USER), ("subject_token_type", "urn:example:legacy-id")];
    for (name, value, expected) in [
        ("organization", "org_2", "invalid_request"),
        ("scope", "openid admin", "invalid_scope"),
        ("audience", "https://other.example", "invalid_target"),
    ] {
        let refused = token(&world, "tv", EXCHANGE, &[base[0], base[1], (name, value)]).await;
        assert_eq!(refused.outcome(), (400, expected.to_owned()), "{name}");
    }
    let missing = token(&world, "tv", EXCHANGE, &base[..1]).await;
    assert!(missing.text().contains("subject_token_type is missing"), "{missing:?}");
    assert_eq!(world.auth0("shop").calls_total(), 0);
    let own = token(&world, "tv", EXCHANGE, &[base[0], base[1], ("organization", "org_1")]).await;
    assert!(!own.token("access_token").is_empty());
    let asked = world.auth0("shop").last_request(EndpointName::Token).unwrap();
    assert_eq!(asked.form_value("organization"), Some("org_1"));
}
