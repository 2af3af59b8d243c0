//! One request as metrics and logs see it. Its guard counts also what hangs up or panics.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use http::request::Parts;

use super::client_addr::TrustedProxies;
use super::error::Failure;
use super::request::Facts;
use crate::base::clock::Clock;
use crate::base::id::{ClientType, TenantName};
use crate::base::random::Random;
use crate::flow::UpstreamTime;
use crate::telemetry::access::{AccessLine, AccessLogger};
use crate::telemetry::metrics::{Endpoint, Metrics, ResolutionReason};
use crate::tenant::lookup::{Resolved, Unresolved};

/// nginx's word for a caller that hung up before its answer.
const HUNG_UP: u16 = 499;

/// Counts and logs requests.
#[derive(Debug)]
pub struct Observer {
    /// Where counts go.
    pub metrics: Arc<Metrics>,
    /// Where lines go.
    pub log: AccessLogger,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Request ids.
    pub random: Arc<dyn Random>,
}

/// One request under way. Dropped without [`finish`](Self::finish), its caller hung up.
#[derive(Debug)]
pub struct Exchange<'a> {
    observer: &'a Observer,
    began: Instant,
    request_id: String,
    endpoint: Endpoint,
    tenant: Option<TenantName>,
    client_type: Option<ClientType>,
    reason: Option<ResolutionReason>,
    address: Option<IpAddr>,
    outcome: Option<String>,
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
            client_type: None,
            reason: None,
            address: peer,
            outcome: None,
            upstream: None,
            status: None,
        }
    }

    /// A trusted proxy's id is kept, so that one id follows a request through all hops.
    fn request_id(&self, parts: &Parts, peer: Option<IpAddr>, trusted: &TrustedProxies) -> String {
        let given = parts.headers.get("x-request-id").and_then(|value| value.to_str().ok());
        let is_sound = |id: &&str| {
            (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
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
            self.observer.log.warn_untrusted_peer_once(peer);
        }
    }

    /// The host cannot be told.
    pub fn bad_host(&mut self) {
        self.reason = Some(ResolutionReason::BadHost);
        self.observer.metrics.resolution(ResolutionReason::BadHost);
    }

    /// The tenant was found.
    pub fn resolved(&mut self, resolved: &Resolved) {
        self.tenant = Some(resolved.tenant.name.clone());
        self.client_type = Some(resolved.client.client_type.clone());
        self.reason = Some(resolved.reason);
        self.observer.metrics.resolution(resolved.reason);
    }

    /// No tenant was found.
    pub fn unresolved(&mut self, unresolved: &Unresolved) {
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
        let mut outcome = failure.to_string();
        let mut cause = std::error::Error::source(failure);
        while let Some(error) = cause {
            outcome.push_str(": ");
            outcome.push_str(&error.to_string());
            cause = error.source();
        }
        self.outcome = Some(outcome);
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
        let status = self.status.unwrap_or(HUNG_UP);
        metrics.in_flight(-1);
        metrics.request(self.tenant.as_ref(), self.endpoint, status, took);
        if self.endpoint == Endpoint::Health {
            return;
        }
        log.write(&AccessLine {
            at: clock.now(),
            request_id: &self.request_id,
            tenant: self.tenant.as_ref().map(TenantName::as_str),
            reason: self.reason.map(ResolutionReason::name),
            client_type: self.client_type.as_ref().map(ClientType::as_str),
            endpoint: self.endpoint.name(),
            status,
            outcome: self.outcome.as_deref().unwrap_or("ok"),
            took,
            upstream: self.upstream.as_ref().map(UpstreamTime::total),
            address: self.address,
        });
    }
}
