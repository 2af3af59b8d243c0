//! Two environments of one Auth0 tenant: what belongs to one is refused on the other's host.

use auth0_gateway::base::clock::Clock;

use crate::support::{ACME, GLOBEX, World, WorldOptions};

const PRODUCTION: &str = "app.acme.localhost";
const TESTING: &str = "test.acme.localhost";
const USER: &str = "user@acme.example";

/// Acme with a token client that gets refresh tokens.
async fn world() -> World {
    let text = ACME.replace("scopes: [openid, profile, email]\n", "scopes: [openid, profile, email, offline_access]\n");
    assert_ne!(text, ACME);
    let files = vec![("acme.yaml", text), ("globex.yaml", GLOBEX.to_owned())];
    World::with(WorldOptions { files, flags: Vec::new(), as_dev: true }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_email_in_both_is_two_users() {
    let world = world().await;
    let sub = async |host: &str, password: &str| {
        let token = world.login("api", host, USER, password).send().await.token("access_token");
        world.request("GET", "/userinfo", "api", host).bearer(&token).send().await.token("sub")
    };
    let (production, testing) = (sub(PRODUCTION, "Passw0rd-prod").await, sub(TESTING, "Passw0rd-test").await);
    assert_ne!(production, testing);
    let crossed = world.login("api", PRODUCTION, USER, "Passw0rd-test").send().await;
    assert_eq!(crossed.outcome(), (403, "invalid_grant".into()), "the host's own connection is used");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_of_testing_is_refused_on_the_production_host() {
    let world = world().await;
    let connection = world
        .login("api", PRODUCTION, USER, "Passw0rd-test")
        .form(&[("connection", "Username-Password-Testing")])
        .send()
        .await;
    assert_eq!(connection.outcome(), (403, "access_denied".into()));
    let cookie = world.login("web", TESTING, USER, "Passw0rd-test").send().await.sid();
    let tokens = world.login("api", TESTING, USER, "Passw0rd-test").send().await;
    let (bearer, refresh) = (tokens.token("access_token"), tokens.token("refresh_token"));
    let at = async |host: &str| {
        let by_cookie = world.request("GET", "/userinfo", "web", host).cookie(&cookie).send().await.status.as_u16();
        let by_bearer = world.request("GET", "/userinfo", "api", host).bearer(&bearer).send().await.status.as_u16();
        let renewal = world.request("POST", "/refreshtoken", "web", host).cookie(&cookie).send().await.status.as_u16();
        (by_cookie, by_bearer, renewal)
    };
    assert_eq!(at(PRODUCTION).await, (401, 401, 401));
    assert_eq!(at(TESTING).await, (200, 200, 200), "refused elsewhere, and not ended");
    let redeem = |host| {
        world
            .request("POST", "/oauth/token", "api", host)
            .form(&[("grant_type", "refresh_token"), ("refresh_token", &refresh)])
    };
    assert_eq!(redeem(PRODUCTION).send().await.outcome(), (401, "access_denied".into()));
    assert_eq!(redeem(TESTING).send().await.status, 200);
    let logout = world.request("POST", "/logout", "web", PRODUCTION).cookie(&cookie).send().await;
    assert_eq!(
        (logout.status.as_u16(), at(TESTING).await.0),
        (204, 200),
        "another host's session is not ended from here"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_one_client_or_tenant_opens_nothing_at_another() {
    let world = World::sample().await;
    let acme = world.login("web", PRODUCTION, USER, "Passw0rd-prod").send().await.sid();
    let initech = world.login("cms", "x.example", "user@initech.example", "Passw0rd-1").send().await.sid();
    let status = async |client: &str, host: &str, sid: &str| {
        world.request("GET", "/userinfo", client, host).cookie(sid).send().await.status.as_u16()
    };
    assert_eq!(status("cms", "x.example", &acme).await, 401);
    assert_eq!(status("web", PRODUCTION, &initech).await, 401);
    assert_eq!(status("cms", "y.example", &initech).await, 401, "opened on another host");
    assert_eq!((status("web", PRODUCTION, &acme).await, status("cms", "x.example", &initech).await), (200, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_refuses_what_nothing_proves_and_advisory_lets_it_pass() {
    let unproven = ACME.replace("  connection: https://acme.example/connection\n", "  lift: [groups]\n");
    for (text, expected) in
        [(unproven.clone(), 401), (unproven.replace("environments: strict", "environments: advisory"), 200)]
    {
        let world =
            World::with(WorldOptions { files: vec![("acme.yaml", text)], flags: Vec::new(), as_dev: true }).await;
        let token = world.login("api", PRODUCTION, USER, "Passw0rd-prod").send().await.token("access_token");
        let answer = world.request("GET", "/userinfo", "api", PRODUCTION).bearer(&token).send().await;
        assert_eq!(answer.status.as_u16(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn revoke_before_ends_what_was_opened_before() {
    let world = world().await;
    let sid = world.login("web", PRODUCTION, USER, "Passw0rd-prod").send().await.sid();
    let token = world.login("api", PRODUCTION, USER, "Passw0rd-prod").send().await.token("access_token");
    let globex = world.login("portal", "a.globex.localhost", "user@globex.example", "Passw0rd-1").send().await;
    let globex = globex.token("accessToken");
    let at = async || {
        let by_cookie = world.request("GET", "/userinfo", "web", PRODUCTION).cookie(&sid).send().await.status.as_u16();
        (by_cookie, world.request("GET", "/userinfo", "api", PRODUCTION).bearer(&token).send().await.status.as_u16())
    };
    assert_eq!(at().await, (200, 200));
    let later = world.clock.now() + std::time::Duration::from_secs(60);
    world.write("acme.yaml", &format!("{ACME}\nsessions: {{ revoke_before: {later} }}\n"));
    assert_eq!(world.reload().await.status, 200);
    assert_eq!(at().await, (401, 401));
    let of_globex = world.request("GET", "/userinfo", "portal", "a.globex.localhost").bearer(&globex).send().await;
    assert_eq!(of_globex.status, 200, "another tenant's");
    world.clock.advance(std::time::Duration::from_secs(61));
    let fresh = world.login("web", PRODUCTION, USER, "Passw0rd-prod").send().await.sid();
    let fresh = world.request("GET", "/userinfo", "web", PRODUCTION).cookie(&fresh).send().await;
    assert_eq!((fresh.status.as_u16(), at().await), (200, (401, 401)), "what came after it lives");
}

/// An opaque token does not say when it was issued.
#[tokio::test(flavor = "multi_thread")]
async fn revoke_before_ends_opaque_bearers_that_may_be_older() {
    const SHOP: &str = "auth0: { base_url: BASE/shop }\nhosts: [shop.example]\nclients:\n  app:\n    client_id: any\n    \
                        client_secret: any-secret\n    scopes: [openid, email]\n    grants: [password]\n";
    let world = World::of("shop.yaml", SHOP).await;
    let login = async || {
        world.login("app", "shop.example", "user@shop.example", "Passw0rd-1").send().await.token("access_token")
    };
    let status = async |token: &str| {
        world.request("GET", "/userinfo", "app", "shop.example").bearer(token).send().await.status.as_u16()
    };
    let token = login().await;
    assert_eq!((token.split('.').count(), status(&token).await), (5, 200));
    let now = world.clock.now();
    world.write("shop.yaml", &format!("{SHOP}sessions: {{ revoke_before: {now} }}\n"));
    assert_eq!(world.reload().await.status, 200);
    assert_eq!(status(&token).await, 401);
    world.clock.advance(std::time::Duration::from_secs(86_401));
    let fresh = login().await;
    assert_eq!(status(&fresh).await, 200, "none that lives can be older");
}
