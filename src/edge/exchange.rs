//! One request as metrics and logs see it. Its guard counts also what hangs up or panics.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use ahash::AHashSet;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use http::request::Parts;
use jiff::Timestamp;

use super::client_addr::TrustedProxies;
use super::error::Failure;
use super::request::Facts;
use crate::base::clock::Clock;
use crate::base::random::Random;
use crate::flow::UpstreamTime;
use crate::flow::backchannel::Notice;
use crate::telemetry::access::{AccessLine, AccessLog};
use crate::telemetry::metrics::{Endpoint, Metrics, ResolutionReason};
use crate::tenant::lookup::{Resolved, Unresolved};
use crate::tenant::model::{Client, Tenant};

/// nginx's word for a caller that hung up before its answer.
const HUNG_UP: u16 = 499;

/// What the server answers to a panic.
const PANICKED: u16 = 500;

/// Counts and logs requests.
#[derive(Debug)]
pub struct Observer {
    /// Where counts go.
    pub metrics: Arc<Metrics>,
    /// Where lines go.
    pub log: AccessLog,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Request ids.
    pub random: Arc<dyn Random>,
    /// Peers whose forwarded headers were dropped, to tell each once.
    pub untrusted: UntrustedPeers,
}

/// Peers that sent forwarded headers and are not trusted: a proxy that nobody named with
/// `--trusted-proxy`, or somebody who tries. Each is told once, and a bounded number of them.
#[derive(Debug, Default)]
pub struct UntrustedPeers(Mutex<AHashSet<IpAddr>>);

impl UntrustedPeers {
    const MOST: usize = 100;

    fn warn_once(&self, peer: IpAddr) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < Self::MOST && told.insert(peer) {
            tracing::warn!(%peer, "forwarded headers of this peer are dropped; if it is a proxy of yours, name it with --trusted-proxy");
        }
    }
}

/// One request under way. Dropped without [`finish`](Self::finish), its caller hung up.
#[derive(Debug)]
pub struct Exchange<'a> {
    observer: &'a Observer,
    began: Instant,
    request_id: String,
    endpoint: Endpoint,
    tenant: Option<Arc<Tenant>>,
    client: Option<Arc<Client>>,
    named: Option<Arc<Client>>,
    reason: Option<ResolutionReason>,
    address: Option<IpAddr>,
    outcome: Option<(String, String)>,
    username: Option<String>,
    trace_id: Option<String>,
    at: Timestamp,
    upstream: Option<UpstreamTime>,
    status: Option<u16>,
}

impl Observer {
    /// A request's head has come.
    pub fn begin(&self, parts: &Parts, peer: Option<IpAddr>, trusted: &TrustedProxies) -> Exchange<'_> {
        self.metrics.in_flight(1);
        Exchange {
            observer: self,
            began: self.clock.instant(),
            request_id: self.request_id(parts, peer, trusted),
            endpoint: Endpoint::Unknown,
            tenant: None,
            client: None,
            named: None,
            reason: None,
            address: peer,
            outcome: None,
            username: None,
            trace_id: trace_id(parts),
            at: self.clock.now(),
            upstream: None,
            status: None,
        }
    }

    /// A trusted proxy's id is kept, so that one id follows a request through all hops.
    fn request_id(&self, parts: &Parts, peer: Option<IpAddr>, trusted: &TrustedProxies) -> String {
        let given = parts.headers.get("x-request-id").and_then(|value| value.to_str().ok());
        let is_sound = |id: &&str| {
            (1..=64).contains(&id.len())
                && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        };
        match given.filter(is_sound) {
            Some(id) if peer.is_none_or(|peer| trusted.trusts(peer)) => id.to_owned(),
            _ => {
                let mut bytes = [0u8; 16];
                self.random.fill(&mut bytes);
                URL_SAFE_NO_PAD.encode(bytes)
            }
        }
    }
}

impl Exchange<'_> {
    /// The id that the answer and the access line carry.
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// The route is known.
    pub fn endpoint(&mut self, endpoint: Endpoint) {
        self.endpoint = endpoint;
    }

    /// The head was read.
    pub fn facts(&mut self, facts: &Facts<'_>) {
        self.address = facts.address;
        if facts.dropped_forwarded
            && let Some(peer) = facts.address
        {
            self.observer.untrusted.warn_once(peer);
        }
    }

    /// The host cannot be told.
    pub fn bad_host(&mut self) {
        self.reason = Some(ResolutionReason::BadHost);
        self.observer.metrics.resolution(ResolutionReason::BadHost);
    }

    /// The tenant was found.
    pub fn resolved(&mut self, resolved: &Resolved) {
        self.tenant = Some(Arc::clone(&resolved.tenant));
        self.client = Some(Arc::clone(&resolved.client));
        self.reason = Some(resolved.reason);
        self.observer.metrics.resolution(resolved.reason);
    }

    /// A logout token says whose it is; no host and no header do.
    pub fn notified(&mut self, notice: &Notice) {
        self.tenant = Some(Arc::clone(&notice.tenant));
        self.client = Some(Arc::clone(&notice.client));
        self.upstream = Some(notice.upstream.clone());
    }

    /// The header names this client; whether the request is its own shows once all of it was read.
    pub fn named(&mut self, client: Arc<Client>) {
        self.named = Some(client);
    }

    /// The client, once it was found; until then the one that the header names.
    pub fn client(&self) -> Option<&Client> {
        self.client.as_deref().or(self.named.as_deref())
    }

    /// No tenant was found.
    pub fn unresolved(&mut self, unresolved: &Unresolved) {
        self.named = None;
        let reason = unresolved.reason();
        self.reason = Some(reason);
        self.observer.metrics.resolution(reason);
    }

    /// Where the time spent waiting for Auth0 adds up.
    pub fn upstream(&mut self, upstream: &UpstreamTime) {
        self.upstream = Some(upstream.clone());
    }

    /// The request failed: the reason with its causes goes to the access line, once.
    pub fn failed(&mut self, failure: &Failure) {
        let mut chain = failure.to_string();
        let mut cause = std::error::Error::source(failure);
        while let Some(error) = cause {
            chain.push_str(": ");
            chain.push_str(&error.to_string());
            cause = error.source();
        }
        self.outcome = Some((failure.code().to_owned(), chain));
    }

    /// Somebody tries to log in under this name.
    pub fn username(&mut self, username: &str) {
        self.username = Some(username.to_owned());
    }

    /// The answer is ready.
    pub fn finish(mut self, status: StatusCode) {
        self.status = Some(status.as_u16());
    }
}

impl Drop for Exchange<'_> {
    fn drop(&mut self) {
        let Observer { metrics, log, clock, .. } = self.observer;
        let took = clock.instant().saturating_duration_since(self.began);
        // A panic unwinds through here, and the server answers it.
        let unanswered = if std::thread::panicking() { (PANICKED, "panicked") } else { (HUNG_UP, "hung_up") };
        let (status, outcome) = self.status.map_or(unanswered, |status| (status, "ok"));
        metrics.in_flight(-1);
        metrics.request(self.tenant.as_ref().map(|tenant| &tenant.name), self.endpoint, status, took);
        log.write(&AccessLine {
            time: self.at,
            trace_id: self.trace_id.as_deref(),
            request_id: &self.request_id,
            tenant: self.tenant.as_ref().map(|tenant| tenant.name.as_str()),
            reason: self.reason,
            client_type: self.client.as_ref().map(|client| client.client_type.as_str()),
            endpoint: self.endpoint,
            status,
            outcome: self.outcome.as_ref().map_or(outcome, |(code, _)| code),
            cause: self.outcome.as_ref().map(|(_, cause)| cause.as_str()),
            took,
            upstream: self.upstream.as_ref().map(UpstreamTime::total),
            peer: self.address,
            email: self.username.as_deref(),
            labels: self.tenant.as_ref().map_or(&[], |tenant| &tenant.labels),
        });
    }
}

/// The trace of a `traceparent` (W3C Trace Context §3.2.2), where it is one.
fn trace_id(parts: &Parts) -> Option<String> {
    let text = parts.headers.get("traceparent")?.to_str().ok()?;
    let trace_id = text.strip_prefix("00-")?.split('-').next()?;
    let is_sound =
        trace_id.len() == 32 && trace_id.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'));
    (is_sound && trace_id.bytes().any(|byte| byte != b'0')).then(|| trace_id.to_owned())
}
