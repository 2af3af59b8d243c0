//! Back-channel logout: what Auth0 says ends sessions, and what anybody else says ends none.

use auth0_gateway::base::clock::Clock;
use auth0_gateway::emulator::{EndpointName, LogoutDelivery, MintKey, MintSignature, MintSpec};
use serde_json::json;

use crate::support::{Answer, Visitor, World, eventually};

const APP: &str = "app.acme.localhost";
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// A session and Auth0's id of it.
struct Opened {
    cookie: String,
    sid: String,
    sub: String,
}

async fn open(world: &World, host: &str, (user, password): (&str, &str)) -> Opened {
    let cookie = world.login("web", host, user, password).send().await.sid();
    let claims = world.request("GET", "/userinfo", "web", host).cookie(&cookie).send().await.json();
    let sid = world.auth0("acme").last_sid("acme-web").unwrap();
    Opened { cookie, sid, sub: claims["sub"].as_str().unwrap().to_owned() }
}

async fn acme(world: &World) -> Opened {
    open(world, APP, ("user@acme.example", "Passw0rd-prod")).await
}

async fn lives(world: &World, opened: &Opened) -> bool {
    world.request("GET", "/userinfo", "web", APP).cookie(&opened.cookie).send().await.status == 200
}

/// What Auth0 says when a session is over; the attacks bend one thing each.
fn sound(sid: &str, jti: &str) -> MintSpec {
    let spec = MintSpec::id_token("acme-web").without("sub").claim("events", json!({ EVENT: {} }));
    spec.claim("sid", sid).claim("jti", jti)
}

async fn mint(world: &World, tenant: &str, spec: MintSpec) -> String {
    let tenant = world.auth0(tenant);
    // The emulator makes keys: not on an async thread.
    tokio::task::spawn_blocking(move || tenant.mint(&spec)).await.unwrap()
}

async fn notify(world: &World, token: &str) -> Answer {
    // Auth0 knows one URL, and no host or client type.
    world.bare("POST", "/backchannel-logout").form(&[("logout_token", token)]).send().await
}

async fn counted(world: &World, result: &str) -> u64 {
    world.metric(&format!("auth0_gateway_backchannel_logouts_total{{result=\"{result}\"}}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_token_ends_the_sessions_of_its_sid_alone() {
    let world = World::sample().await;
    let (ended, other) = (acme(&world).await, acme(&world).await);
    let token = mint(&world, "acme", sound(&ended.sid, "1")).await;
    let answer = notify(&world, &token).await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0), "{answer:?}");
    assert!(!lives(&world, &ended).await && lives(&world, &other).await);
    let unknown = mint(&world, "acme", sound("nobody's", "2")).await;
    assert_eq!(notify(&world, &unknown).await.status, 200, "none is no error");
    assert_eq!((counted(&world, "ended").await, counted(&world, "none").await), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_user_ends_what_was_opened_before_it() {
    let world = World::sample().await;
    let before = [acme(&world).await, acme(&world).await];
    let stranger = open(&world, "test.acme.localhost", ("user@acme.example", "Passw0rd-test")).await;
    world.clock.advance(std::time::Duration::from_secs(2));
    let spec = sound("", "1").without("sid").claim("sub", before[0].sub.as_str());
    let token = mint(&world, "acme", spec).await;
    world.clock.advance(std::time::Duration::from_secs(2));
    let after = acme(&world).await;
    assert_eq!(notify(&world, &token).await.status, 200);
    assert!(!lives(&world, &before[0]).await && !lives(&world, &before[1]).await);
    assert!(lives(&world, &after).await, "a login after the logout stands");
    let of_stranger = world.request("GET", "/userinfo", "web", "test.acme.localhost").cookie(&stranger.cookie);
    assert_eq!(of_stranger.send().await.status, 200);
}

/// OIDC Back-Channel Logout 1.0 §2.6: each bent token is 400, and the session lives on.
#[tokio::test(flavor = "multi_thread")]
async fn no_bent_token_ends_anything() {
    let world = World::sample().await;
    let session = acme(&world).await;
    let now = world.clock.now().as_second();
    let sound = || sound(&session.sid, "attack");
    let globex = mint(&world, "globex", sound().issuer(&world.auth0("acme").issuer())).await;
    let mut attacks = vec![("the key of another issuer", globex), ("rubbish", "a.b.c".to_owned())];
    for (what, spec) in [
        ("alg none", sound().signature(MintSignature::Unsigned)),
        ("HS256 with the public key", sound().signature(MintSignature::Hs256WithPublicKey)),
        ("PS256", sound().signature(MintSignature::Ps256)),
        ("a broken signature", sound().signature(MintSignature::Broken)),
        ("a key that nobody publishes", sound().key(MintKey::Foreign)),
        ("another client", sound().audience("globex-portal")),
        ("an ID token", MintSpec::id_token("acme-web").claim("sid", session.sid.as_str()).claim("jti", "attack")),
        ("an access token", MintSpec::default().claim("sid", session.sid.as_str()).claim("jti", "attack")),
        ("a nonce", sound().claim("nonce", "n")),
        ("no event", sound().claim("events", json!({}))),
        ("no jti", sound().without("jti")),
        ("nobody", sound().without("sid")),
        ("expired", sound().expired_for(61)),
        ("no exp", sound().without("exp")),
        ("issued three minutes ago", sound().claim("iat", now - 180)),
        ("issued in two minutes", sound().claim("iat", now + 120)),
    ] {
        attacks.push((what, mint(&world, "acme", spec).await));
    }
    for (what, token) in &attacks {
        assert_eq!(notify(&world, token).await.outcome(), (400, "invalid_request".to_owned()), "{what}");
        assert!(lives(&world, &session).await, "{what}");
    }
    assert_eq!(world.bare("POST", "/backchannel-logout").send().await.status, 400);
    let twice = world.bare("POST", "/backchannel-logout").form(&[("logout_token", "a"), ("logout_token", "b")]);
    assert_eq!(twice.send().await.status, 400);
    assert_eq!(counted(&world, "rejected").await, attacks.len() as u64 + 1);
    // So that what was refused above was refused for what it is.
    assert_eq!(notify(&world, &mint(&world, "acme", sound()).await).await.status, 200);
    assert!(!lives(&world, &session).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_counts_once() {
    let world = World::sample().await;
    let first = acme(&world).await;
    let token = mint(&world, "acme", sound(&first.sid, "1")).await;
    assert_eq!(notify(&world, &token).await.status, 200);
    let again = notify(&world, &token).await;
    assert_eq!(again.outcome(), (400, "invalid_request".to_owned()));
    // A jti is its issuer's: another tenant may use the same.
    let other = MintSpec::id_token("initech-cms").claim("events", json!({ EVENT: {} })).claim("jti", "1");
    let other = mint(&world, "initech", other.claim("sid", "any")).await;
    assert_eq!(notify(&world, &other).await.status, 200);
}

/// A stranger's token makes the gateway ask nobody for keys.
#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_is_not_configured_is_not_asked_for_keys() {
    let world = World::sample().await;
    // The emulator would answer for it: it makes a tenant of any name.
    let umbrella = sound("any", "1").audience("any");
    let token = mint(&world, "umbrella", umbrella).await;
    assert_eq!(notify(&world, &token).await.status, 400);
    assert_eq!(world.auth0("umbrella").calls_total(), 0);
    let stranger = sound("any", "1").issuer("https://evil.example/");
    assert_eq!(notify(&world, &mint(&world, "acme", stranger).await).await.status, 400);
    let none = sound("any", "1").signature(MintSignature::Unsigned);
    assert_eq!(notify(&world, &mint(&world, "acme", none).await).await.status, 400);
    let not_a_client = sound("any", "1").audience("nobody");
    assert_eq!(notify(&world, &mint(&world, "acme", not_a_client).await).await.status, 400);
    assert_eq!(world.auth0("acme").calls(EndpointName::Jwks), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sid_of_another_tenant_is_not_its_to_end() {
    let world = World::sample().await;
    let session = acme(&world).await;
    let spec = MintSpec::id_token("initech-cms").claim("events", json!({ EVENT: {} })).claim("jti", "1");
    let by_sid = mint(&world, "initech", spec.clone().claim("sid", session.sid.as_str())).await;
    assert_eq!(notify(&world, &by_sid).await.status, 200);
    let later = world.clock.now().as_second() + 30;
    let by_sub = spec.claim("jti", "2").claim("sub", session.sub.as_str()).claim("iat", later);
    assert_eq!(notify(&world, &mint(&world, "initech", by_sub).await).await.status, 200);
    assert!(lives(&world, &session).await);
    assert_eq!((counted(&world, "ended").await, counted(&world, "none").await), (0, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_cannot_be_had_are_told_from_a_bad_token() {
    let world = World::sample().await;
    let session = acme(&world).await;
    let token = mint(&world, "initech", MintSpec::id_token("initech-cms").claim("events", json!({ EVENT: {} }))).await;
    world.auth0("initech").set_keys_gone(true);
    assert_eq!(notify(&world, &token).await.status, 503);
    assert_eq!(counted(&world, "error").await, 1);
    assert!(lives(&world, &session).await);
}

/// Its sessions are kept while it is off, and must not live again.
#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_is_switched_off_takes_logouts_too() {
    let world = World::sample().await;
    let (ended, other) = (acme(&world).await, acme(&world).await);
    let original = std::fs::read_to_string(world.path("acme.yaml")).unwrap();
    world.write("acme.yaml", &format!("enabled: false\n{original}"));
    assert_eq!(world.reload().await.status, 200);
    let token = mint(&world, "acme", sound(&ended.sid, "1")).await;
    assert_eq!(notify(&world, &token).await.status, 200);
    world.write("acme.yaml", &original);
    assert_eq!(world.reload().await.status, 200);
    assert!(!lives(&world, &ended).await && lives(&world, &other).await);
}

/// Over sockets from end to end: a login in a browser, a logout at Auth0 itself, and the session here is over.
#[tokio::test(flavor = "multi_thread")]
async fn a_logout_at_auth0_ends_the_session_here() {
    let world = World::sample().await;
    let auth0 = world.auth0("acme");
    let url = format!("http://{}/backchannel-logout", world.gateway.public.unwrap());
    auth0.set_backchannel_logout("acme-web", Some(url));
    let mut visitor = Visitor::new();
    let by_page = browse(&world, &mut visitor).await;
    let by_password = acme(&world).await;
    visitor.visit(&format!("{}v2/logout?client_id=acme-web", auth0.issuer())).await;
    eventually("Auth0 is told that it is done", async || {
        auth0.logout_deliveries() == [LogoutDelivery { client_id: "acme-web".to_owned(), status: Some(200) }]
    })
    .await;
    assert_eq!(world.request("GET", "/userinfo", "web", APP).cookie(&by_page).send().await.status, 401);
    assert!(lives(&world, &by_password).await, "another session of Auth0's");
    assert_eq!(auth0.end_session(&by_password.sid), 1);
    eventually("the other session ends too", async || !lives(&world, &by_password).await).await;
    assert_eq!(auth0.end_session(&by_password.sid), 0, "it ended before");
}

/// A login over Auth0's page; the session's cookie.
async fn browse(world: &World, visitor: &mut Visitor) -> String {
    let begun = world.request("GET", "/authorize", "web", APP).send().await;
    let login = begun.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let page = begun.headers["location"].to_str().unwrap();
    let landed = url::Url::parse(&visitor.log_in(page, "user@acme.example", "Passw0rd-prod").await).unwrap();
    let target = format!("{}?{}", landed.path(), landed.query().unwrap());
    let done = world.request("GET", &target, "web", APP).header("cookie", &login).send().await;
    assert_eq!(done.status, 302, "{done:?}");
    let mut cookies = done.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap());
    cookies.find_map(|text| text.strip_prefix("sid=")?.split(';').next()).unwrap().to_owned()
}
