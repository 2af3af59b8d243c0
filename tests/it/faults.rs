//! An Auth0 that is slow, limited, broken or gone, and a tenant beside it that does not notice.

use std::time::Duration;

use auth0_gateway::base::clock::Clock;
use auth0_gateway::emulator::{Cut, EndpointName, Fault};

use crate::support::{Answer, World, WorldOptions, plain_tenant};

/// Nothing may be asked of `slow` that must succeed: its bound is shorter than a busy machine takes.
async fn world() -> World {
    let slow = plain_tenant("slow", "slow.example") + "limits: { timeout: 300ms }\n";
    let files = vec![
        ("slow.yaml", slow),
        ("broken.yaml", plain_tenant("broken", "broken.example")),
        ("fine.yaml", plain_tenant("fine", "fine.example")),
    ];
    World::with(WorldOptions { files, flags: Vec::new(), as_dev: false }).await
}

async fn login(world: &World, tenant: &str) -> Answer {
    world.login("api", &format!("{tenant}.example"), &format!("user@{tenant}.example"), "Passw0rd-1").send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_failure_has_its_status_and_none_is_the_neighbours() {
    let world = world().await;
    let auth0 = world.auth0("broken");
    assert_eq!(login(&world, "broken").await.status, 200);
    for (what, fault, expected) in [
        ("500", Fault::respond(500, "<html>"), (502, "server_error")),
        ("503", Fault::respond(503, ""), (502, "server_error")),
        ("cut before", Fault::cut(Cut::BeforeWork), (502, "server_error")),
        ("cut in the body", Fault::cut(Cut::MidBody), (502, "server_error")),
        ("a success that is none", Fault::respond(200, "[]"), (502, "server_error")),
        ("a refusal without words", Fault::respond(403, "<html>no</html>"), (403, "access_denied")),
        (
            "a refusal with words",
            Fault::respond(401, r#"{"error":"access_denied","error_description":"by an Action"}"#),
            (401, "access_denied"),
        ),
        (
            "blocked",
            Fault::respond(429, r#"{"error":"too_many_attempts","error_description":"blocked"}"#),
            (429, "too_many_attempts"),
        ),
        (
            "the grant is off",
            Fault::respond(403, r#"{"error":"unauthorized_client","error_description":"Grant type"}"#),
            (403, "unauthorized_client"),
        ),
    ] {
        auth0.set_fault(EndpointName::Token, fault);
        let before = auth0.calls(EndpointName::Token);
        let (refused, fine) = tokio::join!(login(&world, "broken"), login(&world, "fine"));
        assert_eq!(refused.outcome(), (expected.0, expected.1.to_owned()), "{what}");
        assert_eq!(fine.status, 200, "{what}: the neighbour");
        assert_eq!(auth0.calls(EndpointName::Token) - before, 1, "{what}: not repeated");
    }
    auth0.clear_faults();
    assert_eq!(login(&world, "broken").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limit_passes_with_its_time_and_is_waited_for_only_when_it_is_about_to_reset() {
    let world = world().await;
    let auth0 = world.auth0("broken");
    let now = world.clock.now().as_second();
    auth0.set_fault(EndpointName::Token, Fault::too_many_requests(now + 30).times(1));
    let limited = login(&world, "broken").await;
    let seconds: i64 = limited.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert_eq!(limited.outcome(), (429, "too_many_requests".into()));
    assert!((28..=30).contains(&seconds), "from x-ratelimit-reset: {seconds}");
    let before = auth0.calls(EndpointName::Token);
    auth0.set_fault(EndpointName::Token, Fault::too_many_requests(now).times(1));
    assert_eq!(login(&world, "broken").await.status, 200, "about to reset: tried once more");
    assert_eq!(auth0.calls(EndpointName::Token) - before, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auth0_that_is_not_there_is_503() {
    let gone = plain_tenant("gone", "gone.example").replace("BASE/gone", "http://127.0.0.1:9/gone");
    let world = World::of("gone.yaml", &gone).await;
    let answer = world.login("api", "gone.example", "u", "p").send().await;
    assert_eq!(answer.outcome(), (503, "temporarily_unavailable".into()));
    assert!(answer.headers.contains_key("retry-after"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leads_into_the_own_network_is_refused_when_it_is_connected_to() {
    let text =
        plain_tenant("inside", "inside.example").replace("BASE/inside", "https://localhost.localdomain:9/inside");
    let world = World::with(WorldOptions {
        files: vec![("inside.yaml", text)],
        flags: vec!["--ca-file", "/nonexistent"],
        as_dev: false,
    })
    .await;
    let answer = world.login("api", "inside.example", "u", "p").send().await;
    assert_eq!(answer.outcome(), (502, "server_error".into()), "a broken --ca-file is the operator's");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_token_of_another_issuer_or_client_opens_nothing() {
    let world = World::sample().await;
    let foreign = world.auth0("globex");
    let body = {
        let answer =
            world.login("portal", "a.globex.localhost", "user@globex.example", "Passw0rd-1").send().await.json();
        serde_json::json!({"access_token": answer["accessToken"], "id_token": answer["idToken"], "expires_in": 86_400, "token_type": "Bearer"})
    };
    assert!(foreign.calls_total() > 0);
    world.auth0("acme").set_fault(EndpointName::Token, Fault::respond(200, body.to_string()));
    for client in ["web", "api"] {
        let answer = world.login(client, "app.acme.localhost", "user@acme.example", "Passw0rd-prod").send().await;
        assert_eq!(answer.outcome(), (502, "server_error".into()), "{client}");
    }
    assert_eq!(world.metric("auth0_gateway_operator_errors_total{kind=\"id_token\",tenant=\"acme\"}").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_auth0_takes_no_longer_than_the_tenants_own_bound() {
    let world = world().await;
    for (what, fault) in [("late", Fault::latency(Duration::from_secs(3600))), ("hangs", Fault::hang())] {
        world.auth0("slow").set_fault(EndpointName::Token, fault);
        let (late, fine) = tokio::join!(login(&world, "slow"), login(&world, "fine"));
        assert_eq!(late.outcome(), (504, "temporarily_unavailable".into()), "{what}");
        assert_eq!(fine.status, 200, "{what}: the neighbour");
    }
    let series = "auth0_gateway_upstream_requests_total{api=\"token\",code=\"none\",tenant=\"slow\"}";
    assert_eq!(world.metric(series).await, 2, "neither repeated");
}
