//! Outbound calls to Auth0: one transport, one function an endpoint, errors that say who is to blame.

pub mod address;
pub mod client_auth;
pub mod error;
pub mod relay;
pub mod revoke;
pub mod token;
pub mod transport;
pub mod userinfo;
pub mod well_known;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::base::clock::Clock;
use crate::base::random::Random;
use crate::telemetry::metrics::{Api, Metrics, OperatorErrorKind};
use crate::tenant::model::Tenant;
use error::{Blame, UpstreamError};
use transport::{RawReply, Transport};

/// Everything the gateway asks of Auth0 goes through here. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Auth0Client {
    transport: Transport,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl Auth0Client {
    /// Over that transport.
    pub fn new(transport: Transport, metrics: Arc<Metrics>, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { transport, metrics, clock, random }
    }

    /// Counts a call: its status, its time, what Auth0 says is left of the rate limit, and whether
    /// the operator must mend something.
    fn observe(&self, tenant: &Tenant, api: Api, began: Instant, result: &Result<RawReply, UpstreamError>) {
        let took = self.clock.instant().saturating_duration_since(began);
        let status = result.as_ref().map_or(0, |reply| reply.status.as_u16());
        self.metrics.upstream(&tenant.name, api, status, took);
        match result {
            Ok(reply) => {
                if let Some(remaining) = reply.number("x-ratelimit-remaining") {
                    self.metrics.ratelimit_remaining(&tenant.name, api, remaining);
                }
            }
            Err(error) => {
                if error.blame() == Blame::Operator {
                    self.metrics.operator_error(&tenant.name, OperatorErrorKind::Address);
                }
                let cause = std::error::Error::source(error).map(ToString::to_string);
                tracing::warn!(tenant = %tenant.name, api = api.name(), %error, cause, "a call to Auth0 failed");
            }
        }
    }

    /// Seconds until a 429 may be tried again: `Retry-After`, or else `x-ratelimit-reset`, which is
    /// Unix time (auth0-facts 3.2).
    fn retry_after(&self, reply: &RawReply) -> Option<u64> {
        if reply.status != http::StatusCode::TOO_MANY_REQUESTS {
            return None;
        }
        let seconds = reply.number("retry-after").or_else(|| {
            let reset = reply.number("x-ratelimit-reset")?;
            Some(reset.saturating_sub(self.clock.now().as_second()))
        });
        seconds.map(|seconds| u64::try_from(seconds).unwrap_or(0))
    }
}

/// The call's own bound, or else the tenant's.
fn timeout(tenant: &Tenant, own: Option<Duration>) -> Duration {
    own.unwrap_or(tenant.limits.timeout)
}
