//! The emulator over real sockets: statuses, bodies and headers as Auth0's are known to be.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::Value;

use super::*;
use crate::base::clock::ManualClock;
use crate::base::random::SystemRandom;

struct World {
    emulator: Emulator,
    clock: Arc<ManualClock>,
    http: Client<HttpConnector, Full<Bytes>>,
}

struct Answer {
    status: u16,
    headers: http::HeaderMap,
    json: Value,
}

impl World {
    async fn start() -> Self {
        let clock = Arc::new(ManualClock::default());
        let options = EmulatorOptions {
            certificates: None,
            listen: ([127, 0, 0, 1], 0).into(),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            random: Arc::new(SystemRandom),
            world: World::sample(),
        };
        let emulator = Emulator::start(options, &TaskTracker::new(), CancellationToken::new()).await.expect("binds");
        Self { emulator, clock, http: Client::builder(hyper_util::rt::TokioExecutor::new()).build_http() }
    }

    fn sample() -> super::World {
        super::World::sample()
    }

    #[expect(clippy::disallowed_methods, reason = "reads what the emulator answered to a test")]
    async fn send(&self, request: http::request::Builder, body: String) -> Answer {
        let request = request.body(Full::new(Bytes::from(body))).expect("is a request");
        let response: Response<hyper::body::Incoming> = self.http.request(request).await.expect("answers");
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("arrives").to_bytes();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            json: serde_json::from_slice(&body).unwrap_or(Value::Null),
        }
    }

    async fn post(&self, path: &str, pairs: &[(&str, &str)]) -> Answer {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let request = Request::post(format!("{}{path}", self.emulator.base()))
            .header("content-type", "application/x-www-form-urlencoded");
        self.send(request, form).await
    }

    async fn get(&self, path: &str, bearer: Option<&str>) -> Answer {
        let request = Request::get(format!("{}{path}", self.emulator.base()));
        let request = bearer
            .into_iter()
            .fold(request, |request, token| request.header("authorization", format!("Bearer {token}")));
        self.send(request, String::new()).await
    }

    /// A login at a tenant that nobody described, which takes any client.
    async fn login(&self, extra: &[(&str, &str)]) -> Answer {
        let base = [
            ("grant_type", "password"),
            ("client_id", "any"),
            ("client_secret", "s"),
            ("username", "user@hooli.example"),
            ("password", "Passw0rd-1"),
        ];
        self.post("/hooli/oauth/token", &[&base, extra].concat()).await
    }

    async fn redeem(&self, token: &str) -> Answer {
        self.post(
            "/hooli/oauth/token",
            &[("grant_type", "refresh_token"), ("client_id", "any"), ("client_secret", "s"), ("refresh_token", token)],
        )
        .await
    }
}

fn text<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.json[name].as_str().unwrap_or_default()
}

fn check(answer: &Answer, status: StatusCode, error: &str, description: &str) {
    assert_eq!(
        (answer.status, text(answer, "error"), text(answer, "error_description")),
        (status.as_u16(), error, description),
        "{}",
        answer.json
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_audience_the_access_token_is_opaque_and_scopes_inflate() {
    let world = World::start().await;
    let plain = world.login(&[("scope", "openid")]).await;
    assert_eq!(
        (plain.status, text(&plain, "scope"), plain.json["expires_in"].as_u64()),
        (200, "openid profile email address phone", Some(86_400))
    );
    assert_ne!(text(&plain, "access_token").matches('.').count(), 2);
    let api = world.login(&[("scope", "openid"), ("audience", "https://api")]).await;
    assert_eq!(text(&api, "access_token").matches('.').count(), 2);
    assert!(plain.json.get("refresh_token").is_none());
    assert!(world.login(&[("scope", "openid offline_access")]).await.json["refresh_token"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_have_auth0s_words() {
    let world = World::start().await;
    check(&world.login(&[("password", "x")]).await, StatusCode::BAD_REQUEST, "invalid_request", "Duplicate parameter");
    let secret = sample_secret("acme", "acme-api");
    let acme = |password: &'static str, secret: String| {
        let world = &world;
        async move {
            let pairs = [
                ("grant_type", "http://auth0.com/oauth/grant-type/password-realm"),
                ("realm", "Username-Password-Production"),
                ("client_id", "acme-api"),
                ("client_secret", &*secret),
                ("username", "user@acme.example"),
                ("password", password),
            ];
            world.post("/acme/oauth/token", &pairs).await
        }
    };
    check(&acme("wrong", secret.clone()).await, StatusCode::FORBIDDEN, "invalid_grant", "Wrong email or password.");
    check(&acme("Passw0rd-prod", "wrong".into()).await, StatusCode::UNAUTHORIZED, "access_denied", "Unauthorized");
    let machine = [("grant_type", "client_credentials"), ("client_id", "globex-portal"), ("client_secret", "wrong")];
    check(
        &world.post("/globex/oauth/token", &machine).await,
        StatusCode::UNAUTHORIZED,
        "access_denied",
        "Unauthorized",
    );
    let unknown = world.post("/hooli/oauth/token", &[("grant_type", "implicit"), ("client_id", "any")]).await;
    assert_eq!((unknown.status, text(&unknown, "error")), (400, "unsupported_grant_type"));
    for _ in 0..10 {
        acme("wrong", secret.clone()).await;
    }
    assert_eq!(
        text(&acme("Passw0rd-prod", secret.clone()).await, "error"),
        "too_many_attempts",
        "blocked, also with the right one"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotating_token_overlaps_and_its_reuse_kills_the_family() {
    let world = World::start().await;
    let tenant = world.emulator.tenant("hooli");
    tenant.set_rotation("any", RotationMode::Rotating { leeway: Duration::from_secs(5) });
    let first = text(&world.login(&[("scope", "openid offline_access")]).await, "refresh_token").to_owned();
    let second = text(&world.redeem(&first).await, "refresh_token").to_owned();
    assert_ne!(first, second);
    assert_eq!(world.redeem(&first).await.status, 200, "the one before, within the overlap");
    world.clock.advance(Duration::from_secs(6));
    check(&world.redeem(&first).await, StatusCode::FORBIDDEN, "invalid_grant", "Unknown or invalid refresh token.");
    assert_eq!(world.redeem(&second).await.status, 403, "the whole family is gone");
    assert_eq!((tenant.refresh_violations(), tenant.refresh_families()), (1, 0));
    tenant.set_rotation("any", RotationMode::Reusable);
    let kept = text(&world.login(&[("scope", "openid offline_access")]).await, "refresh_token").to_owned();
    for _ in 0..3 {
        let answer = world.redeem(&kept).await;
        assert_eq!((answer.status, answer.json.get("refresh_token")), (200, None));
    }
    let revoke = [("client_id", "any"), ("client_secret", "s"), ("token", kept.as_str())];
    assert_eq!((world.post("/hooli/oauth/revoke", &revoke).await.status, world.redeem(&kept).await.status), (200, 403));
    assert_eq!(world.post("/hooli/oauth/revoke", &revoke).await.status, 200, "which proves nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn userinfo_is_limited_for_each_user_and_says_when_to_come_back() {
    let world = World::start().await;
    let token = text(&world.login(&[("scope", "openid email")]).await, "access_token").to_owned();
    for _ in 0..10 {
        assert_eq!(world.get("/hooli/userinfo", Some(&token)).await.json["email"], "user@hooli.example");
    }
    let limited = world.get("/hooli/userinfo", Some(&token)).await;
    assert_eq!((limited.status, &limited.headers["x-ratelimit-remaining"]), (429, &http::HeaderValue::from(0)));
    assert!(!limited.headers.contains_key("retry-after") && limited.headers.contains_key("x-ratelimit-reset"));
    world.clock.advance(Duration::from_secs(13));
    assert_eq!(world.get("/hooli/userinfo", Some(&token)).await.status, 200, "five a minute come back");
    check(
        &world.get("/hooli/userinfo", Some("rubbish")).await,
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "invalid credentials",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_published_ahead_and_documents_name_the_issuer_with_its_slash() {
    let world = World::start().await;
    let keys = world.get("/hooli/.well-known/jwks.json", None).await.json;
    assert_eq!(keys["keys"].as_array().map(Vec::len), Some(2), "current and next");
    let discovery = world.get("/hooli/.well-known/openid-configuration", None).await.json;
    assert_eq!(discovery["issuer"], format!("{}/hooli/", world.emulator.base()));
    assert_eq!(world.get("/hooli/nothing", None).await.status, 404);
    assert_eq!(world.get("/NOT-a-name/oauth/token", None).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_are_set_over_http_too() {
    let world = World::start().await;
    let fault = Request::post(format!("{}/hooli/_emulator/fault", world.emulator.base()));
    let body = r#"{"endpoint":"token","status":503,"body":"{}","times":1}"#;
    assert_eq!(world.send(fault, body.to_owned()).await.status, 204);
    assert_eq!((world.login(&[]).await.status, world.login(&[]).await.status), (503, 200));
    let calls = world.get("/hooli/_emulator/calls", None).await.json;
    assert_eq!(calls["calls"]["token"], 2);
    let nonsense = Request::post(format!("{}/hooli/_emulator/fault", world.emulator.base()));
    assert_eq!(world.send(nonsense, "{}".to_owned()).await.status, 400);
}
