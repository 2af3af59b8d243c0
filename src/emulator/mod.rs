//! An in-memory Auth0 for `dev`, tests and bench: tenants by path, real signatures, faults on demand.
//!
//! What it answers is settled by what is known of Auth0 and by nothing of the gateway: it shares its
//! ground floor alone. One tenant a path, `http://127.0.0.1:4400/NAME`, its issuer with a slash.
//!
//! Its controls, over HTTP on loopback and as methods of [`TenantHandle`]:
//!
//! | request | does |
//! |---|---|
//! | `GET /NAME/_emulator/calls` | how many requests reached each endpoint, failed ones too; what became of logout tokens |
//! | `POST /NAME/_emulator/fault` | `{"endpoint":"token","latency_ms":3000,"status":500,"body":"…","cut":"mid_body","hang":true,"times":1}` |
//! | `DELETE /NAME/_emulator/fault` | none any more |
//! | `POST /NAME/_emulator/rotate` | next key becomes current |
//! | `POST /NAME/_emulator/backchannel` | a form of `client_id` and `url`, `http://…/backchannel-logout`: whom to tell when a session of the client's ends |
//! | `POST /NAME/_emulator/end-session` | a form of `client_id`: the session that it last got tokens in is over |

mod answer;
mod arrival;
mod backchannel;
mod calls;
mod control;
mod endpoints;
mod faults;
mod handle;
mod issue;
mod keys;
mod limits;
mod logins;
mod mint;
mod page;
mod pending;
mod refresh_tokens;
mod serve;
mod tenant;
mod tokens;
mod users;
mod world;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use backchannel::LogoutDelivery;
pub use calls::{EndpointName, Recorded};
pub use faults::{Cut, Fault, FaultResponse};
pub use handle::TenantHandle;
pub use limits::RateLimit;
pub use mint::{MintKey, MintSignature, MintSpec};
pub use refresh_tokens::{RefreshEvent, RefreshOutcome};
pub use world::{
    ActionClaim, ClaimValue, RotationMode, Strangers, World, WorldClient, WorldTenant, WorldUrl, WorldUser,
    sample_secret,
};

use crate::base::clock::Clock;
use crate::base::random::Random;
use crate::server::tls::Certificates;
use keys::KeyPool;
use tenant::{Environment, TenantState};

/// How an emulator starts.
#[derive(Debug)]
pub struct EmulatorOptions {
    /// Loopback, unless whoever starts it has said otherwise.
    pub listen: SocketAddr,
    /// What time it is; tests share theirs with the gateway.
    pub clock: Arc<dyn Clock>,
    /// Token and key ids.
    pub random: Arc<dyn Random>,
    /// Where TLS ends here: `emulator --tls-cert`.
    pub certificates: Option<Arc<Certificates>>,
    /// Tenants that are there from the start.
    pub world: World,
}

/// An emulator that serves. Cheap to clone.
#[derive(Clone)]
pub struct Emulator {
    address: SocketAddr,
    tenants: Arc<Tenants>,
}

impl std::fmt::Debug for Emulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Emulator({})", self.address)
    }
}

/// All tenants, made when their name is first asked for.
struct Tenants {
    environment: Environment,
    pool: Arc<KeyPool>,
    world: Mutex<HashMap<String, WorldTenant>>,
    states: Mutex<HashMap<String, Arc<TenantState>>>,
}

/// More tenants than this are not made: a scan must not eat the machine.
const MOST_TENANTS: usize = 200_000;

impl Emulator {
    /// Binds and serves until `stop`.
    pub async fn start(options: EmulatorOptions, tasks: &TaskTracker, stop: CancellationToken) -> io::Result<Self> {
        let EmulatorOptions { listen, clock, random, certificates, world } = options;
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let scheme = if certificates.is_some() { "https" } else { "http" };
        let environment = Environment { base: format!("{scheme}://{address}"), clock, random, tasks: tasks.clone() };
        let world = world.tenants.into_iter().map(|tenant| (tenant.name.clone(), tenant)).collect();
        let tenants = Arc::new(Tenants {
            environment,
            pool: Arc::new(KeyPool::default()),
            world: Mutex::new(world),
            states: Mutex::default(),
        });
        serve::spawn(listener, certificates, Arc::clone(&tenants), (tasks, stop));
        Ok(Self { address, tenants })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`, or `https://…` with certificates.
    pub fn base(&self) -> String {
        self.tenants.environment.base.clone()
    }

    /// A tenant's controls; it is made on first use.
    pub fn tenant(&self, name: &str) -> TenantHandle {
        TenantHandle::new(self.tenants.make(name))
    }
}

impl Tenants {
    /// The tenant of a path, where its name can be one.
    fn find(&self, name: &str) -> Option<Arc<TenantState>> {
        let is_name = (1..=63).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        let is_known = is_name && {
            let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
            states.len() < MOST_TENANTS || states.contains_key(name)
        };
        is_known.then(|| self.make(name))
    }

    fn make(&self, name: &str) -> Arc<TenantState> {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(state) = states.get(name) {
            return Arc::clone(state);
        }
        let described = self.world.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        // A bench makes a thousand tenants that welcome everybody: those share a few key pairs.
        let source = match &described {
            Some(WorldTenant { strangers: Strangers::Refused, .. }) => keys::KeySource::Own,
            _ => keys::KeySource::Pool(Arc::clone(&self.pool), states.len()),
        };
        let world = described.unwrap_or_else(|| WorldTenant::unknown(name));
        let state = Arc::new(TenantState::new(world, &self.environment, source));
        states.insert(name.to_owned(), Arc::clone(&state));
        state
    }
}
