//! What stands in logs, metrics and `/tenants`: enough to work with, and nothing that opens anything.

use std::time::Duration;

use auth0_gateway::emulator::{EndpointName, Fault, MintSpec};

use crate::support::{World, WorldOptions, eventually, plain_tenant};

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_stands_in_any_log_metric_or_status() {
    let text = plain_tenant("safe", "safe.example").replace("any-secret", "m4rked-secret");
    let world =
        World::with(WorldOptions { files: vec![("safe.yaml", text.clone())], flags: vec![], as_dev: false }).await;
    let login = world.login("api", "safe.example", "user@safe.example", "Passw0rd-1").send().await;
    let tokens = [login.token("access_token"), login.token("id_token"), login.token("refresh_token")];
    world.login("api", "safe.example", "user@safe.example", "m4rked-password").send().await;
    world.request("GET", "/userinfo?access_token=m4rked-query", "api", "safe.example").bearer(&tokens[0]).send().await;
    world.request("GET", "/userinfo", "api", "safe.example").bearer("m4rked-bearer").send().await;
    world.request("GET", "/userinfo", "api", "safe.example").header("cookie", "sid=m4rked-cookie").send().await;
    let (safe, bent) = (world.auth0("safe"), MintSpec::id_token("any").claim("jti", "m4rked-jti"));
    let logout = tokio::task::spawn_blocking(move || safe.mint(&bent)).await.unwrap();
    for token in [&logout, "m4rked.logout.token"] {
        world.bare("POST", "/backchannel-logout").form(&[("logout_token", token)]).send().await;
    }
    let verify =
        world.bare("GET", "/verify/safe/api/m4rked-path?login=m4rked").header("x-forwarded-host", "safe.example");
    verify.header("x-forwarded-uri", "/m4rked-uri").header("cookie", "sid=m4rked").bearer("m4rked").send().await;
    world.write("safe.yaml", &text.replace("grants:", "grants: [m4rked-grant]\n    x-a:"));
    world.reload().await;
    let mut shown = world.ops("GET", "/metrics").send().await.text();
    shown += &world.ops("GET", "/tenants").send().await.text();
    shown += &world.ops("GET", "/explain?host=safe.example").send().await.text();
    shown += &world.end().await;
    assert!(!shown.contains("m4rked"), "{shown}");
    assert!(!shown.contains("user@safe.example") && !shown.contains("Passw0rd"), "{shown}");
    assert!(tokens.iter().chain([&logout]).all(|token| !shown.contains(&token[..40])), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_leaves_one_access_line_that_says_what_happened() {
    let world = World::sample().await;
    let login = world.login("api", "app.acme.localhost", "user@acme.example", "wrong");
    let answer = login
        .header("x-request-id", "from-the-proxy")
        .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
        .send()
        .await;
    assert_eq!(answer.headers["x-request-id"], "from-the-proxy");
    world.bare("GET", "/-/healthz").send().await;
    let lines = world.end().await;
    let lines: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &serde_json::Value| line["target"] == "access")
        .collect();
    assert_eq!(lines.len(), 1, "health never: {lines:?}");
    let line = &lines[0];
    for (field, expected) in [
        ("request_id", "from-the-proxy"),
        ("trace_id", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("tenant", "acme"),
        ("reason", "exact"),
        ("client_type", "api"),
        ("endpoint", "token"),
        ("outcome", "invalid_grant"),
    ] {
        assert_eq!(line[field], expected, "{field}");
    }
    assert_eq!((line["status"].as_u64(), line["labels"]["team"].as_str()), (Some(403), Some("checkout")));
    assert!(line["ms"].as_f64().unwrap() >= line["upstream_ms"].as_f64().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_hangs_up_leaves_its_line_and_its_samples_too() {
    let world = World::sample().await;
    let auth0 = world.auth0("acme");
    auth0.set_fault(EndpointName::Token, Fault { answer_delay: Duration::from_secs(30), ..Fault::default() });
    {
        let mut login = Box::pin(world.login("api", "app.acme.localhost", "user@acme.example", "Passw0rd-prod").send());
        let underway = eventually("the login is under way", async || auth0.calls(EndpointName::Token) == 1);
        tokio::select! { _ = &mut login => panic!("too early"), () = underway => {} }
    }
    let line = async || {
        let text = world.log.text();
        text.lines().filter(|line| line.contains("\"target\":\"access\"")).map(str::to_owned).collect::<Vec<_>>()
    };
    eventually("the line is written", async || !line().await.is_empty()).await;
    let lines = line().await;
    assert!(lines.len() == 1 && lines[0].contains("\"status\":499,\"outcome\":\"hung_up\""), "{lines:?}");
    let requests = "auth0_gateway_http_requests_total{code=\"499\",endpoint=\"token\",tenant=\"acme\"}";
    let samples = "auth0_gateway_http_request_duration_seconds_count{endpoint=\"token\"}";
    assert_eq!((world.metric(requests).await, world.metric(samples).await), (1, 1));
    assert_eq!(world.metric("auth0_gateway_http_requests_in_flight").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_says_who_serves_and_who_lost() {
    let world = World::sample().await;
    let explain = async |query: &str| world.ops("GET", &format!("/explain?{query}")).send().await.json();
    let served = explain("host=APP.acme.localhost.&client_type=web").await;
    assert_eq!((served["tenant"].as_str(), served["found"].as_bool()), (Some("acme"), Some(true)));
    assert_eq!(served["connection"], "Username-Password-Production (it is bound to the host)");
    let nobody = explain("host=app.acme.localhost&client_type=portal").await;
    assert_eq!(nobody["found"], false);
    assert!(
        nobody["candidates"]
            .as_array()
            .unwrap()
            .iter()
            .any(|it| it["outcome"] == "lost: it has no client of that type")
    );
    let crossed = explain("host=app.acme.localhost&client_type=web&connection=Username-Password-Testing").await;
    assert_eq!(crossed["found"], false);
}
