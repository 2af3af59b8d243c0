//! Sessions as applications know them, by `sid`, and what applications are told when one ends (auth0-facts 1.13).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use super::tenant::TenantState;
use super::tokens::random_text;

/// More logins are not remembered; the oldest go.
const MOST: usize = 10_000;

/// Auth0 waits so long, and does not come again.
const PATIENCE: Duration = Duration::from_secs(5);

/// Auth0's logout tokens live two minutes.
const LIFETIME: i64 = 120;

/// What makes a token a logout token.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Tokens that were issued in a session.
#[derive(Debug, Clone)]
struct Issued {
    sid: String,
    subject: String,
    client_id: String,
}

/// What became of a logout token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogoutDelivery {
    /// The application that was told.
    pub client_id: String,
    /// What it answered; `None`: nothing in time.
    pub status: Option<u16>,
}

/// All of a tenant.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    issued: Mutex<VecDeque<Issued>>,
    deliveries: Arc<Mutex<Vec<LogoutDelivery>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sessions {
    /// The client got tokens in this session.
    pub(super) fn issued(&self, sid: &str, subject: &str, client_id: &str) {
        let mut issued = lock(&self.issued);
        if issued.len() == MOST {
            issued.pop_front();
        }
        issued.push_back(Issued { sid: sid.into(), subject: subject.into(), client_id: client_id.into() });
    }

    /// The session that the client last got tokens in.
    pub(super) fn last(&self, client_id: &str) -> Option<String> {
        lock(&self.issued).iter().rev().find(|it| it.client_id == client_id).map(|it| it.sid.clone())
    }

    /// What became of each logout token, oldest first.
    pub(super) fn deliveries(&self) -> Vec<LogoutDelivery> {
        lock(&self.deliveries).clone()
    }

    /// The clients of a session that is over, each once.
    fn take(&self, sid: &str) -> Vec<Issued> {
        let mut issued = lock(&self.issued);
        let mut over: Vec<Issued> = issued.iter().filter(|it| it.sid == sid).cloned().collect();
        issued.retain(|it| it.sid != sid);
        over.sort_by(|one, other| one.client_id.cmp(&other.client_id));
        over.dedup_by(|one, other| one.client_id == other.client_id);
        over
    }
}

/// Tells every application of the session that has a URL for it, in its own time; how many those are.
pub(super) fn end(tenant: &TenantState, sid: &str) -> usize {
    let over = tenant.sessions.take(sid);
    let told = over.into_iter().filter_map(|issued| {
        let url = tenant.client(&issued.client_id)?.backchannel_logout.clone()?;
        // Tokens were issued in it, so that the keys are made.
        let token = tenant.keys.ready()?.current.token(&claims(tenant, &issued));
        Some((url, token, issued.client_id))
    });
    told.map(|(url, token, client_id)| {
        let deliveries = Arc::clone(&tenant.sessions.deliveries);
        tenant.tasks.spawn(async move {
            let status = tokio::time::timeout(PATIENCE, deliver(&url, &token)).await.ok().flatten();
            lock(&deliveries).push(LogoutDelivery { client_id, status });
        });
    })
    .count()
}

fn claims(tenant: &TenantState, issued: &Issued) -> Value {
    let now = tenant.now_seconds();
    json!({
        "iss": tenant.issuer, "sub": issued.subject, "aud": issued.client_id, "iat": now, "exp": now + LIFETIME,
        "jti": random_text(&*tenant.random, 24), "sid": issued.sid, "trace_id": random_text(&*tenant.random, 8),
        "events": { EVENT: {} },
    })
}

async fn deliver(url: &str, token: &str) -> Option<u16> {
    let body = form_urlencoded::Serializer::new(String::new()).append_pair("logout_token", token).finish();
    let request = http::Request::post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    let client = Client::builder(TokioExecutor::new()).build_http();
    let answer = client.request(request.body(Full::new(Bytes::from(body))).ok()?).await.ok()?;
    Some(answer.status().as_u16())
}
