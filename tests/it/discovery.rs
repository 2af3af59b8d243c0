//! The documents by which applications configure themselves.

use std::time::Duration;

use auth0_gateway::emulator::{EndpointName, Fault};

use crate::support::{World, plain_tenant};

const APP: &str = "app.acme.localhost";

#[tokio::test(flavor = "multi_thread")]
async fn the_tenants_document_points_to_what_is_served_here() {
    let world = World::sample().await;
    let path = "/.well-known/openid-configuration";
    let document = world.request("GET", path, "web", APP).send().await.json();
    let issuer = world.auth0("acme").issuer();
    assert_eq!(document["issuer"], issuer);
    assert_eq!(document["jwks_uri"], format!("{issuer}.well-known/jwks.json"));
    for (name, path) in [
        ("authorization_endpoint", "/authorize"),
        ("token_endpoint", "/oauth/token"),
        ("userinfo_endpoint", "/userinfo"),
        ("end_session_endpoint", "/oidc/logout"),
    ] {
        assert_eq!(document[name], format!("http://{APP}{path}"), "{name}");
    }
    for absent in ["device_authorization_endpoint", "mfa_challenge_endpoint", "registration_endpoint"] {
        assert!(document.get(absent).is_none(), "{absent} is not served here for this client");
    }
    let assertions = "token_endpoint_auth_signing_alg_values_supported";
    assert!(document.get(assertions).is_none(), "the gateway takes no assertion");
    assert_eq!(document["scopes_supported"], serde_json::json!(["openid", "profile", "email", "offline_access"]));
    let api = world.request("GET", path, "api", APP).send().await.json();
    assert!(api.get("authorization_endpoint").is_none(), "this client has no such grant");
    assert_eq!(world.auth0("acme").calls(EndpointName::Discovery), 1, "one fetch for all of them");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_set_is_auth0s_and_of_the_same_fetch_as_the_keys_in_use() {
    let world = World::sample().await;
    let keys = world.request("GET", "/.well-known/jwks.json", "web", APP).send().await;
    assert_eq!(keys.json()["keys"].as_array().unwrap().len(), 2);
    assert_eq!(keys.headers["cache-control"], "no-store");
    let login = world.login("api", APP, "user@acme.example", "Passw0rd-prod").send().await;
    assert_eq!(login.status, 200);
    assert_eq!(world.auth0("acme").calls(EndpointName::Jwks), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_does_not_depend_on_who_asks_may_be_kept() {
    let world = World::sample().await;
    for path in ["/.well-known/openid-configuration", "/.well-known/jwks.json"] {
        // initech answers on every host: a request to acme's could also be its client's.
        let shared = world.bare("GET", path).header("x-forwarded-host", APP).send().await;
        assert_eq!(shared.headers["cache-control"], "no-store");
        let alone = world.bare("GET", path).header("x-forwarded-host", "anything.example").send().await;
        assert_eq!(alone.headers["cache-control"], "public, max-age=300");
        assert!(alone.headers.get_all("vary").iter().any(|value| value == "x-forwarded-proto"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auth0_that_is_down_is_bridged_for_an_hour() {
    let world = World::sample().await;
    let get = async || world.request("GET", "/.well-known/openid-configuration", "web", APP).send().await;
    assert_eq!(get().await.status, 200);
    world.auth0("acme").set_fault(EndpointName::Discovery, Fault::respond(500, ""));
    world.clock.advance(Duration::from_secs(601));
    assert_eq!(get().await.status, 200);
    world.clock.advance(Duration::from_secs(3600));
    assert_eq!(get().await.status, 502);
    world
        .auth0("acme")
        .set_fault(EndpointName::Discovery, Fault::respond(200, "{\"issuer\":\"https://evil.example/\"}"));
    world.clock.advance(Duration::from_secs(3));
    assert_eq!(get().await.status, 502, "another issuer's document");
    world.auth0("acme").set_fault(EndpointName::Discovery, Fault::respond(200, "[]"));
    world.clock.advance(Duration::from_secs(3));
    assert_eq!(get().await.status, 502, "no document");
    let series = "auth0_gateway_operator_errors_total{kind=\"discovery\",tenant=\"acme\"}";
    assert_eq!(world.metric(series).await, 2, "both are the operator's to mend");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_auth0_holds_up_nobody_who_can_have_an_old_document() {
    let text = format!("{}limits: {{ timeout: 60s }}\n", plain_tenant("slow", "slow.example"));
    let world = World::of("slow.yaml", &text).await;
    let get = async || world.request("GET", "/.well-known/openid-configuration", "api", "slow.example").send().await;
    assert_eq!(get().await.status, 200);
    world.auth0("slow").set_fault(EndpointName::Discovery, Fault::latency(Duration::from_secs(3600)));
    world.clock.advance(Duration::from_secs(601));
    assert_eq!(get().await.status, 200);
    let series = "auth0_gateway_upstream_requests_total{api=\"discovery\",code=\"none\",tenant=\"slow\"}";
    assert_eq!((world.metric(series).await, world.auth0("slow").calls(EndpointName::Discovery)), (0, 2), "under way");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_tenant_does_not_offer_is_not_promised() {
    let world = World::sample().await;
    let document = serde_json::json!({"issuer": world.auth0("acme").issuer(), "token_endpoint": "https://a.example/"});
    world.auth0("acme").set_fault(EndpointName::Discovery, Fault::respond(200, document.to_string()));
    let document = world.request("GET", "/.well-known/openid-configuration", "web", APP).send().await.json();
    assert_eq!(document["token_endpoint"], format!("http://{APP}/oauth/token"));
    for absent in ["end_session_endpoint", "userinfo_endpoint", "authorization_endpoint"] {
        assert!(document.get(absent).is_none(), "{absent} is switched off at the tenant");
    }
}
