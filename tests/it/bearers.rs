//! Bearers: what counts, what does not, and how little it costs Auth0.

use std::time::Duration;

use auth0_gateway::emulator::{EndpointName, Fault, MintKey, MintSignature, MintSpec};

use crate::support::{Answer, World, eventually};

const HOST: &str = "app.acme.localhost";
const USER: &str = "user@acme.example";

async fn userinfo(world: &World, token: &str) -> Answer {
    world.request("GET", "/userinfo", "api", HOST).bearer(token).send().await
}

async fn access_token(world: &World) -> String {
    world.login("api", HOST, USER, "Passw0rd-prod").send().await.token("access_token")
}

/// The emulator makes keys: not on an async thread.
async fn mint(world: &World, spec: MintSpec) -> String {
    let tenant = world.auth0("acme");
    tokio::task::spawn_blocking(move || tenant.mint(&spec)).await.unwrap()
}

/// A token that counts: the attacks bend one thing each.
fn sound() -> MintSpec {
    MintSpec::default().client("acme-api").claim("https://acme.example/connection", "Username-Password-Production")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_token_counts_and_each_bent_one_does_not() {
    let world = World::sample().await;
    let good = mint(&world, sound()).await;
    assert_eq!(userinfo(&world, &good).await.status, 200);
    let id_token = world.login("api", HOST, USER, "Passw0rd-prod").send().await.token("id_token");
    let mut attacks = vec![("an ID token", id_token)];
    for (what, spec) in [
        ("alg none", sound().signature(MintSignature::Unsigned)),
        ("HS256 with the public key", sound().signature(MintSignature::Hs256WithPublicKey)),
        ("PS256, which is not listed", sound().signature(MintSignature::Ps256)),
        ("a broken signature", sound().signature(MintSignature::Broken)),
        ("a key that nobody publishes", sound().key(MintKey::Foreign)),
        ("a foreign key under a known kid", sound().key(MintKey::Foreign).kid("current")),
        ("a foreign issuer", sound().issuer("https://evil.example/")),
        ("an issuer without its slash", sound().issuer(world.auth0("acme").issuer().trim_end_matches('/'))),
        ("another audience", sound().audience("https://other.example")),
        ("another client", sound().client("acme-web")),
        ("no client", sound().without("azp")),
        ("an ID token by its audience", MintSpec::id_token("acme-api")),
        ("expired", sound().expired_for(120)),
        ("no exp", sound().without("exp")),
        ("issued in a year", sound().claim("iat", 2_000_000_000)),
        ("the other environment", sound().claim("https://acme.example/connection", "Username-Password-Testing")),
        ("no environment", sound().without("https://acme.example/connection")),
    ] {
        attacks.push((what, mint(&world, spec).await));
    }
    for (what, token) in &attacks {
        for round in 1..=2 {
            let answer = userinfo(&world, token).await;
            assert_eq!(answer.outcome(), (401, "invalid_token".into()), "{what}, round {round}");
            assert_eq!(answer.headers["www-authenticate"], "Bearer error=\"invalid_token\"", "{what}");
        }
    }
    assert_eq!(userinfo(&world, &good).await.status, 200, "and the good one still counts");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_token_is_refused_and_two_are_one_too_many() {
    let world = World::sample().await;
    for token in ["x", "a.b.c", "a.b", "..", "a.b.c.d.e"] {
        assert_eq!(userinfo(&world, token).await.status, 401, "{token}");
    }
    let token = access_token(&world).await;
    let form = world.request("POST", "/userinfo", "api", HOST).form(&[("access_token", &token)]).send().await;
    assert_eq!(form.status, 200);
    let both =
        world.request("POST", "/userinfo", "api", HOST).bearer(&token).form(&[("access_token", &token)]).send().await;
    assert_eq!(both.outcome(), (400, "invalid_request".into()));
    let query = world.request("GET", &format!("/userinfo?access_token={token}"), "api", HOST).send().await;
    assert_eq!(query.outcome(), (401, "login_required".into()), "in the query only with token_in_query");
    assert_eq!(world.request("GET", "/userinfo", "api", HOST).send().await.headers["www-authenticate"], "Bearer");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_token_does_not_count_after_a_warm_hit() {
    let world = World::sample().await;
    world.auth0("acme").set_access_token_lifetime(Duration::from_secs(300));
    let token = access_token(&world).await;
    assert_eq!(
        (userinfo(&world, &token).await.status.as_u16(), userinfo(&world, &token).await.status.as_u16()),
        (200, 200)
    );
    world.clock.advance(Duration::from_secs(300 + 61));
    assert_eq!(userinfo(&world, &token).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warm_bearer_costs_auth0_nothing_and_a_profile_is_stale_for_ten_minutes_at_most() {
    let world = World::sample().await;
    let auth0 = world.auth0("acme");
    let token = access_token(&world).await;
    let first = userinfo(&world, &token).await.json();
    assert_eq!(first["email"], USER);
    for _ in 0..50 {
        assert_eq!(userinfo(&world, &token).await.json(), first);
    }
    assert_eq!((auth0.calls(EndpointName::Userinfo), auth0.calls(EndpointName::Jwks)), (1, 1));
    auth0.set_fault(EndpointName::Userinfo, Fault::respond(500, "{}"));
    world.clock.advance(Duration::from_secs(61));
    assert_eq!(userinfo(&world, &token).await.json(), first, "stale on error");
    world.clock.advance(Duration::from_secs(600));
    assert_eq!(userinfo(&world, &token).await.status, 502);
    auth0.clear_faults();
    assert_eq!(userinfo(&world, &token).await.json(), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_askers_at_once_are_one_call() {
    let world = World::sample().await;
    let auth0 = world.auth0("acme");
    let token = access_token(&world).await;
    auth0.set_fault(EndpointName::Userinfo, Fault::latency(Duration::from_millis(300)));
    let answers = all(30, || userinfo(&world, &token)).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(auth0.calls(EndpointName::Userinfo), 1);
}

/// Runs so many at once and waits for all.
async fn all<F: Future<Output = Answer>>(count: usize, mut begin: impl FnMut() -> F) -> Vec<Answer> {
    let mut running: Vec<_> = (0..count).map(|_| Box::pin(begin())).collect();
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
async fn keys_rotate_under_load_and_no_request_fails() {
    let world = World::sample().await;
    let auth0 = world.auth0("acme");
    let old = access_token(&world).await;
    assert_eq!(userinfo(&world, &old).await.status, 200);
    assert_eq!(auth0.calls(EndpointName::Jwks), 1);
    // The next key was published ahead, so that the first rotation costs no fetch at all; the key after
    // it was not.
    for rotations in 1..=2 {
        let tenant = auth0.clone();
        tokio::task::spawn_blocking(move || tenant.rotate_keys()).await.unwrap();
        let load = async || {
            let token = access_token(&world).await;
            userinfo(&world, &token).await
        };
        let answers = all(20, load).await;
        assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
        assert_eq!(auth0.calls(EndpointName::Jwks), rotations, "one fetch at the most");
    }
    assert_eq!(userinfo(&world, &old).await.status, 200, "the old token is cached");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_unknown_key_ids_does_not_reach_auth0() {
    let world = World::sample().await;
    let auth0 = world.auth0("acme");
    let good = access_token(&world).await;
    assert_eq!(userinfo(&world, &good).await.status, 200);
    let mut rubbish = Vec::new();
    for n in 0..40 {
        rubbish.push(mint(&world, sound().key(MintKey::Foreign).kid(&format!("kid-{n}"))).await);
    }
    let before = auth0.calls(EndpointName::Jwks);
    for token in &rubbish {
        assert_eq!(userinfo(&world, token).await.status, 401);
    }
    assert_eq!(auth0.calls(EndpointName::Jwks) - before, 1, "one fetch buys thirty seconds");
    let fresh = access_token(&world).await;
    assert_eq!(userinfo(&world, &fresh).await.status, 200, "and nobody else notices");
    world.clock.advance(Duration::from_secs(31));
    assert_eq!(userinfo(&world, &rubbish[0]).await.status, 401);
    assert_eq!(auth0.calls(EndpointName::Jwks) - before, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_stale_for_an_hour_at_most() {
    let world = World::sample().await;
    let auth0 = world.auth0("acme");
    assert_eq!(userinfo(&world, &access_token(&world).await).await.status, 200);
    auth0.set_fault(EndpointName::Jwks, Fault::respond(500, "{}"));
    world.clock.advance(Duration::from_secs(3000));
    let fresh = mint(&world, sound()).await;
    assert_eq!(userinfo(&world, &fresh).await.status, 200, "fifty minutes old and Auth0 does not answer");
    world.clock.advance(Duration::from_secs(700));
    let later = mint(&world, sound().claim("jti", "another")).await;
    assert_eq!(userinfo(&world, &later).await.outcome(), (503, "temporarily_unavailable".into()));
    auth0.clear_faults();
    world.clock.advance(Duration::from_secs(3));
    assert_eq!(userinfo(&world, &later).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opaque_token_goes_to_auth0_once_a_minute() {
    let world = World::sample().await;
    let auth0 = world.auth0("hooli");
    world.write(
        "hooli.yaml",
        &crate::support::plain_tenant("hooli", "hooli.example").replace("    audience: https://api.example\n", ""),
    );
    assert_eq!(world.reload().await.status, 200);
    let ask = async |token: &str| world.request("GET", "/userinfo", "api", "hooli.example").bearer(token).send().await;
    let token =
        world.login("api", "hooli.example", "user@hooli.example", "Passw0rd-1").send().await.token("access_token");
    assert_ne!(token.matches('.').count(), 2, "opaque");
    for _ in 0..5 {
        assert_eq!(ask(&token).await.json()["email"], "user@hooli.example");
    }
    assert_eq!(auth0.calls(EndpointName::Userinfo), 1);
    for _ in 0..5 {
        assert_eq!(ask("rubbish").await.outcome(), (401, "invalid_token".into()));
    }
    assert_eq!(auth0.calls(EndpointName::Userinfo), 2, "a refused one is remembered too");
    let acme = userinfo(&world, "rubbish").await;
    assert_eq!(
        (acme.status.as_u16(), world.auth0("acme").calls(EndpointName::Userinfo)),
        (401, 0),
        "a client with an audience has JWTs alone"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bearer_that_was_logged_out_is_refused_until_it_ends() {
    let world = World::sample().await;
    let token = access_token(&world).await;
    // A second later, since two tokens of one second are one.
    world.clock.advance(Duration::from_secs(1));
    let other = access_token(&world).await;
    assert_eq!(userinfo(&world, &token).await.status, 200);
    assert_eq!(world.request("POST", "/logout", "api", HOST).bearer(&token).send().await.status, 204);
    assert_eq!(userinfo(&world, &token).await.status, 401);
    world.clock.advance(Duration::from_secs(3600));
    assert_eq!(userinfo(&world, &token).await.status, 401, "also an hour later");
    world.clock.advance(Duration::from_secs(86_400 - 3600 + 30));
    assert_eq!(userinfo(&world, &token).await.status, 401, "and in the leeway after its end");
    world.clock.advance(Duration::from_secs(60));
    let other = {
        drop(other);
        access_token(&world).await
    };
    assert_eq!(userinfo(&world, &other).await.status, 200, "that one alone");
    assert_eq!(world.request("POST", "/logout", "api", HOST).bearer("rubbish").send().await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_revokes_the_refresh_token_at_auth0() {
    let world = World::sample().await;
    let sid = world.login("web", HOST, USER, "Passw0rd-prod").send().await.sid();
    assert_eq!(world.auth0("acme").refresh_families(), 1);
    assert_eq!(world.request("POST", "/logout", "web", HOST).cookie(&sid).send().await.status, 204);
    let auth0 = world.auth0("acme");
    eventually("the refresh token is revoked", async || auth0.refresh_families() == 0).await;
}
