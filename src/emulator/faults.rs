//! Faults on demand: late, wrong, cut or missing answers of one endpoint.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::calls::{EndpointName, PerEndpoint};

/// What goes wrong at an endpoint. [`Fault::default`] is nothing; the parts combine.
#[derive(Debug, Clone, Default)]
pub struct Fault {
    /// Time that passes before the request is worked on. A caller that gives up meanwhile has
    /// changed nothing.
    pub latency: Duration,
    /// Time that passes between the work and its answer. A caller that gives up meanwhile has, say,
    /// a rotated refresh token that it never saw.
    pub answer_delay: Duration,
    /// This answer in place of the work.
    pub respond: Option<FaultResponse>,
    /// Where the connection is cut.
    pub cut: Option<Cut>,
    /// Whether the request hangs, unworked, until its caller or the emulator goes.
    pub hang: bool,
    /// For how many requests this holds; without a number until it is cleared.
    pub times: Option<u32>,
}

/// An answer given in place of the work.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FaultResponse {
    /// The status, 200 to 599; anything else is sent as 500.
    pub status: u16,
    /// Its headers; what is no header is left out. JSON is assumed where no `content-type` is given.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: String,
}

/// Where a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cut {
    /// The request arrived and nothing was done.
    BeforeWork,
    /// The work was done and nothing of its answer is sent.
    BeforeResponse,
    /// The work was done; head and half of the body are sent.
    MidBody,
}

impl Fault {
    /// Every request takes so much longer.
    pub fn latency(latency: Duration) -> Self {
        Self { latency, ..Self::default() }
    }

    /// This status with this JSON.
    pub fn respond(status: u16, body: impl Into<String>) -> Self {
        Self { respond: Some(FaultResponse { status, headers: Vec::new(), body: body.into() }), ..Self::default() }
    }

    /// Auth0's own 429 for a tenant over its limit, to be tried again at `reset` (Unix seconds).
    pub fn too_many_requests(reset: i64) -> Self {
        let mut fault =
            Self::respond(429, r#"{"error":"too_many_requests","error_description":"Global limit has been reached"}"#);
        if let Some(response) = &mut fault.respond {
            let header = |name: &str, value: String| (name.to_owned(), value);
            response.headers = vec![
                header("x-ratelimit-limit", "300".to_owned()),
                header("x-ratelimit-remaining", "0".to_owned()),
                header("x-ratelimit-reset", reset.to_string()),
            ];
        }
        fault
    }

    /// The connection is cut.
    pub fn cut(cut: Cut) -> Self {
        Self { cut: Some(cut), ..Self::default() }
    }

    /// No answer comes.
    pub fn hang() -> Self {
        Self { hang: true, ..Self::default() }
    }

    /// The same for the next `times` requests alone.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times: Some(times), ..self }
    }
}

/// The faults set at one tenant, one an endpoint.
#[derive(Default)]
pub(super) struct Faults(Mutex<PerEndpoint<Option<Fault>>>);

impl Faults {
    /// Replaces what was set at this endpoint.
    pub(super) fn set(&self, endpoint: EndpointName, fault: Fault) {
        *self.lock().of(endpoint) = Some(fault);
    }

    /// None any more.
    pub(super) fn clear(&self) {
        *self.lock() = PerEndpoint::default();
    }

    /// What goes wrong with one request, counted down.
    pub(super) fn take(&self, endpoint: EndpointName) -> Fault {
        let mut faults = self.lock();
        let slot = faults.of(endpoint);
        match slot {
            None => Fault::default(),
            Some(Fault { times: Some(0), .. }) => {
                *slot = None;
                Fault::default()
            }
            Some(fault) => {
                fault.times = fault.times.map(|times| times - 1);
                fault.clone()
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, PerEndpoint<Option<Fault>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counted_fault_holds_for_so_many_requests_of_its_endpoint() {
        let faults = Faults::default();
        faults.set(EndpointName::Token, Fault::hang().times(2));
        assert!(!faults.take(EndpointName::Userinfo).hang);
        assert!(faults.take(EndpointName::Token).hang);
        assert!(faults.take(EndpointName::Token).hang);
        assert!(!faults.take(EndpointName::Token).hang);
        faults.set(EndpointName::Token, Fault::hang());
        (0..3).for_each(|_| assert!(faults.take(EndpointName::Token).hang));
        faults.clear();
        assert!(!faults.take(EndpointName::Token).hang);
    }
}
