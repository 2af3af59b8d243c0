//! Use cases: what a login, a refresh, a logout and a userinfo call do.
//!
//! A flow takes a [`Call`] (whose request it is) and parsed values, and gives a value or an error
//! with a reason. It knows neither HTTP towards callers nor statuses of Auth0.

pub mod backchannel;
pub mod claims;
pub mod discovery;
pub mod environment;
pub mod id_token;
pub mod login;
pub mod logout;
pub mod passthrough;
pub mod policy;
pub mod refresh;
pub mod return_url;
pub mod session;
pub mod status;
pub mod token;
pub mod userinfo;
pub mod verify;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio_util::task::TaskTracker;

use crate::auth0::Auth0Client;
use crate::base::clock::Clock;
use crate::base::id::Host;
use crate::base::random::Random;
use crate::cache::discovery::Documents;
use crate::cache::keyset::KeySets;
use crate::session::SessionStore;
use crate::session::kept_ends::KeptEnds;
use crate::session::ring::KeyRing;
use crate::telemetry::metrics::Metrics;
use crate::tenant::model::{Client, Tenant};

// What a flow's errors and answers are made of. The edge knows these names from here and nowhere else:
// it reaches Auth0, caches and stores only through a flow.
pub use crate::auth0::error::{Blame, UpstreamError};
pub use crate::auth0::relay::{Media, RelayAnswer};
pub use crate::auth0::token::Refusal;
pub use crate::cache::discovery::DiscoveryError;
pub use crate::cache::keyset::KeysError;
pub use crate::session::SessionId;

/// What every flow works with. Made once, in `app`.
#[derive(Debug)]
pub struct Services {
    /// Calls to Auth0.
    pub auth0: Auth0Client,
    /// Key sets of issuers.
    pub keys: KeySets,
    /// Discovery documents of issuers.
    pub discovery: Documents,
    /// What `/userinfo` remembers.
    pub userinfo: userinfo::Caches,
    /// Seals what goes to a browser and comes back.
    pub ring: Arc<KeyRing>,
    /// Where sessions are.
    pub sessions: Arc<dyn SessionStore>,
    /// The logouts that it has not heard of.
    pub kept_ends: Arc<KeptEnds>,
    /// Refreshes under way.
    pub refreshes: refresh::Refreshes,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Session ids.
    pub random: Arc<dyn Random>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Work that outlives its caller; a shutdown waits for it.
    pub tasks: TaskTracker,
}

impl Services {
    /// Wall time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// Whose request it is. Taken from one snapshot of the registry and used to the end.
#[derive(Debug, Clone)]
pub struct Call {
    /// The tenant.
    pub tenant: Arc<Tenant>,
    /// The client of it.
    pub client: Arc<Client>,
    /// The host the user asked for.
    pub host: Host,
    /// The user's address, where it is known and not this machine's.
    pub address: Option<IpAddr>,
    /// Time spent waiting for Auth0.
    pub upstream: UpstreamTime,
}

/// Adds up the time that one request waits for Auth0.
#[derive(Debug, Clone, Default)]
pub struct UpstreamTime(Arc<AtomicU64>);

impl UpstreamTime {
    /// Runs the future and adds the time it took.
    pub async fn measure<T>(&self, clock: &dyn Clock, future: impl Future<Output = T>) -> T {
        let began: Instant = clock.instant();
        let output = future.await;
        let took = clock.instant().saturating_duration_since(began);
        self.0.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        output
    }

    /// The sum so far.
    pub fn total(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }
}
