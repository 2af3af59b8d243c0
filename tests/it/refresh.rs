//! Refreshes: one call for one token, an answer for everybody, a logout that wins.

use std::time::Duration;

use auth0_gateway::emulator::{Cut, EndpointName, Fault, RotationMode};

use crate::support::{Answer, World, WorldOptions, plain_tenant};

const HOST: &str = "app.acme.localhost";
const USER: &str = "user@acme.example";
const REFRESH: &str = "refresh_token";

async fn rotating() -> World {
    let text = plain_tenant("vandelay", "v.example");
    let world = World::with(WorldOptions {
        files: vec![("vandelay.yaml", text), ("acme.yaml", crate::support::ACME.to_owned())],
        flags: vec![],
        as_dev: true,
    })
    .await;
    world.auth0("vandelay").set_rotation("any", RotationMode::Rotating { leeway: Duration::ZERO });
    world.auth0("acme").set_rotation("acme-web", RotationMode::Rotating { leeway: Duration::ZERO });
    world
}

fn redeem<'a>(world: &'a World, token: &str) -> crate::support::Request<'a> {
    world.request("POST", "/oauth/token", "api", "v.example").form(&[("grant_type", REFRESH), (REFRESH, token)])
}

async fn login(world: &World) -> String {
    world.login("api", "v.example", "user@vandelay.example", "Passw0rd-1").send().await.token(REFRESH)
}

async fn together(requests: Vec<crate::support::Request<'_>>) -> Vec<Answer> {
    let mut running: Vec<_> = requests.into_iter().map(|request| Box::pin(request.send())).collect();
    let mut answers = Vec::new();
    std::future::poll_fn(|context| {
        running.retain_mut(|future| match future.as_mut().poll(context) {
            std::task::Poll::Ready(answer) => {
                answers.push(answer);
                false
            }
            std::task::Poll::Pending => true,
        });
        if running.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_refreshes_of_one_token_are_one_call_and_fifty_equal_answers() {
    let world = rotating().await;
    let auth0 = world.auth0("vandelay");
    let token = login(&world).await;
    auth0.set_fault(EndpointName::Token, Fault { answer_delay: Duration::from_secs(3), ..Fault::default() });
    let answers = together((0..50).map(|_| redeem(&world, &token)).collect()).await;
    auth0.clear_faults();
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.body == answers[0].body), "{:?}", answers[0]);
    assert_eq!((auth0.grant_calls(REFRESH), auth0.refresh_violations()), (1, 0));
    // Within the sharing window a late caller gets the same; after it, Auth0 decides.
    assert_eq!(redeem(&world, &token).send().await.body, answers[0].body);
    assert_eq!(auth0.grant_calls(REFRESH), 1);
    world.clock.advance(Duration::from_secs(11));
    let replay = redeem(&world, &token).send().await;
    assert_eq!(replay.outcome(), (403, "invalid_grant".into()));
    assert_eq!(
        (auth0.refresh_violations(), auth0.refresh_families()),
        (1, 0),
        "the replay reached Auth0 and killed the family"
    );
    world.clock.advance(Duration::from_secs(11));
    let newest = answers[0].token(REFRESH);
    assert_eq!(redeem(&world, &newest).send().await.outcome(), (403, "invalid_grant".into()));
    assert_eq!(world.metric("auth0_gateway_refresh_total{result=\"ok\"}").await, 1);
    assert_eq!(world.metric("auth0_gateway_refresh_total{result=\"shared\"}").await, 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_refreshes_of_one_session_are_one_call() {
    let world = rotating().await;
    let auth0 = world.auth0("acme");
    let sid = world.login("web", HOST, USER, "Passw0rd-prod").send().await.sid();
    auth0.set_fault(EndpointName::Token, Fault { answer_delay: Duration::from_secs(3), ..Fault::default() });
    let requests = (0..50).map(|_| world.request("POST", "/refreshtoken", "web", HOST).cookie(&sid)).collect();
    let answers = together(requests).await;
    auth0.clear_faults();
    assert!(answers.iter().all(|answer| answer.status == 200), "{:?}", answers[0]);
    assert_eq!(answers[0].json().as_object().unwrap().keys().collect::<Vec<_>>(), ["expires_in"], "no token leaves");
    assert_eq!((auth0.grant_calls(REFRESH), auth0.refresh_violations()), (1, 0));
    world.clock.advance(Duration::from_secs(11));
    let again = world.request("POST", "/refreshtoken", "web", HOST).cookie(&sid).send().await;
    assert_eq!(
        (again.status.as_u16(), auth0.grant_calls(REFRESH), auth0.refresh_violations()),
        (200, 2, 0),
        "with the new token"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_renewed_before_its_access_token_ends() {
    let world = rotating().await;
    let auth0 = world.auth0("acme");
    auth0.set_access_token_lifetime(Duration::from_secs(600));
    let sid = world.login("web", HOST, USER, "Passw0rd-prod").send().await.sid();
    let userinfo = async || world.request("GET", "/userinfo", "web", HOST).cookie(&sid).send().await.status.as_u16();
    assert_eq!((userinfo().await, auth0.grant_calls(REFRESH)), (200, 0));
    world.clock.advance(Duration::from_secs(545));
    let answers =
        together((0..20).map(|_| world.request("GET", "/userinfo", "web", HOST).cookie(&sid)).collect()).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!((auth0.grant_calls(REFRESH), auth0.refresh_violations()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_auth0_no_longer_stands_by_ends_and_one_it_cannot_confirm_does_not() {
    let world = rotating().await;
    let auth0 = world.auth0("acme");
    let sid = world.login("web", HOST, USER, "Passw0rd-prod").send().await.sid();
    let userinfo = async || world.request("GET", "/userinfo", "web", HOST).cookie(&sid).send().await.status.as_u16();
    world.clock.advance(Duration::from_secs(3601));
    auth0.set_fault(
        EndpointName::Token,
        Fault::respond(429, r#"{"error":"too_many_requests","error_description":"later"}"#),
    );
    assert_eq!(userinfo().await, 200, "Auth0 is busy: nothing is lost");
    world.clock.advance(Duration::from_secs(601));
    assert_ne!(userinfo().await, 200, "and not served for ever");
    auth0.clear_faults();
    assert_eq!(userinfo().await, 200, "the session was still there");
    world.clock.advance(Duration::from_secs(3601));
    auth0.delete_user(USER);
    assert_eq!(userinfo().await, 401);
    assert_eq!(world.metric("auth0_gateway_refresh_total{result=\"rejected\"}").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_outcome_of_a_rotating_token_ends_the_session_and_never_presents_it_twice() {
    let world = rotating().await;
    let auth0 = world.auth0("acme");
    let sid = world.login("web", HOST, USER, "Passw0rd-prod").send().await.sid();
    auth0.set_fault(EndpointName::Token, Fault::cut(Cut::BeforeResponse).times(1));
    let renewal = || world.request("POST", "/refreshtoken", "web", HOST).cookie(&sid);
    assert_eq!(renewal().send().await.status, 401);
    assert_eq!(renewal().send().await.status, 401, "it is over");
    assert_eq!((auth0.grant_calls(REFRESH), auth0.refresh_violations()), (1, 0));
    assert_eq!(world.metric("auth0_gateway_refresh_total{result=\"lost\"}").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reusable_token_is_kept_and_presented_again() {
    let world = World::sample().await;
    let auth0 = world.auth0("acme");
    auth0.set_rotation("acme-web", RotationMode::Reusable);
    let sid = world.login("web", HOST, USER, "Passw0rd-prod").send().await.sid();
    let renewal = || world.request("POST", "/refreshtoken", "web", HOST).cookie(&sid);
    assert_eq!(renewal().send().await.status, 200, "now it is known not to rotate");
    world.clock.advance(Duration::from_secs(11));
    auth0.set_fault(EndpointName::Token, Fault::cut(Cut::BeforeResponse).times(1));
    assert_eq!(renewal().send().await.status, 200, "cut, and presented once more");
    assert_eq!((auth0.grant_calls(REFRESH), auth0.refresh_violations()), (3, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_during_a_refresh_wins() {
    let world = rotating().await;
    let auth0 = world.auth0("acme");
    let sid = world.login("web", HOST, USER, "Passw0rd-prod").send().await.sid();
    auth0.set_fault(EndpointName::Token, Fault { answer_delay: Duration::from_millis(500), ..Fault::default() });
    let renewal = world.request("POST", "/refreshtoken", "web", HOST).cookie(&sid).send();
    let logout = async {
        crate::support::eventually("the refresh is under way", async || auth0.grant_calls(REFRESH) == 1).await;
        world.request("POST", "/logout", "web", HOST).cookie(&sid).send().await
    };
    let (renewal, logout) = tokio::join!(renewal, logout);
    assert_eq!((renewal.status.as_u16(), logout.status.as_u16()), (401, 204));
    let after = world.request("GET", "/userinfo", "web", HOST).cookie(&sid).send().await;
    assert_eq!(after.status, 401, "not alive again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_hangs_up_loses_no_token() {
    let world = rotating().await;
    let auth0 = world.auth0("vandelay");
    let token = login(&world).await;
    auth0.set_fault(EndpointName::Token, Fault { answer_delay: Duration::from_millis(400), ..Fault::default() });
    {
        let mut impatient = Box::pin(redeem(&world, &token).send());
        let underway = crate::support::eventually("the refresh is under way", async || auth0.grant_calls(REFRESH) == 1);
        tokio::select! { _ = &mut impatient => panic!("too early"), () = underway => {} }
    }
    let patient = redeem(&world, &token).send().await;
    assert_eq!((patient.status.as_u16(), auth0.grant_calls(REFRESH), auth0.refresh_violations()), (200, 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn both_names_of_the_refresh_endpoint_take_a_token() {
    let world = World::sample().await;
    let host = "a.globex.localhost";
    let login = world.login("portal", host, "user@globex.example", "Passw0rd-1").send().await;
    let mut token = login.token("refreshToken");
    for (path, name) in [("/refreshtoken", "refresh_token"), ("/oauth/refreshtoken", "refreshToken")] {
        let body = format!("{{\"{name}\":\"{token}\"}}");
        let answer = world.request("POST", path, "portal", host).body("application/json", &body).send().await;
        assert!(answer.token("accessToken").len() > 20, "{path}");
        token = answer.json()["refreshToken"].as_str().map_or(token, str::to_owned);
    }
    let missing = world.request("POST", "/refreshtoken", "portal", host).body("application/json", "{}").send().await;
    assert_eq!(missing.outcome(), (400, "invalid_request".into()));
    let none = world.request("POST", "/refreshtoken", "web", HOST).send().await;
    assert_eq!(none.outcome(), (401, "login_required".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_outlives_its_callers_patience_and_its_token_is_not_lost() {
    let text = crate::support::ACME;
    let world =
        World::with(WorldOptions { files: vec![("acme.yaml", text.to_owned())], flags: vec![], as_dev: true }).await;
    let auth0 = world.auth0("acme");
    auth0.set_rotation("acme-web", RotationMode::Rotating { leeway: Duration::ZERO });
    let sid = world.login("web", HOST, USER, "Passw0rd-prod").send().await.sid();
    auth0.set_fault(
        EndpointName::Token,
        Fault { answer_delay: Duration::from_millis(1500), ..Fault::default() }.times(1),
    );
    let renewal = || world.request("POST", "/refreshtoken", "web", HOST).cookie(&sid);
    // Only while an answer is late by more than this: a busy machine may take as long for a good one.
    world.write("acme.yaml", &format!("{text}\nlimits: {{ timeout: 300ms }}\n"));
    world.reload().await;
    let impatient = renewal().send().await;
    assert_eq!(impatient.outcome(), (503, "temporarily_unavailable".into()));
    crate::support::eventually("the renewal is written", async || renewal().send().await.status == 200).await;
    assert_eq!((auth0.grant_calls(REFRESH), auth0.refresh_violations()), (1, 0), "one call, which went on alone");
    world.write("acme.yaml", text);
    world.reload().await;
    world.clock.advance(Duration::from_secs(11));
    assert_eq!(renewal().send().await.status, 200);
    assert_eq!((auth0.grant_calls(REFRESH), auth0.refresh_violations()), (2, 0), "with the token that it brought");
}
