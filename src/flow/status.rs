//! Whether traffic may come, and whether everything is as it should be.

use std::fmt;
use std::sync::Arc;

use super::Services;
use crate::tenant::status::Status;

/// Whether traffic may come: told by `app`, which knows the listeners, the first load and the drain.
#[derive(Clone)]
pub struct Readiness(Arc<dyn Fn() -> bool + Send + Sync>);

impl Readiness {
    /// Asks `is_ready` every time.
    pub fn new(is_ready: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(is_ready))
    }

    /// Whether traffic may come. Never depends on Auth0, the store or a later reload.
    pub fn is_ready(&self) -> bool {
        (self.0)()
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Readiness({})", self.is_ready())
    }
}

/// For people and not for probes: the store answers, and every file is active.
pub async fn is_well(services: &Services, status: &Status) -> bool {
    count_sessions(services).await && status.is_well()
}

/// Asks the store how many sessions there are, for the gauges. Whether it answered, and has heard of every logout.
pub async fn count_sessions(services: &Services) -> bool {
    let counted = services.sessions.count().await;
    let is_up = counted.is_ok() && services.sessions.is_whole();
    services.metrics.session_store_up(is_up);
    if let Ok(live) = counted {
        services.metrics.sessions(live);
    }
    is_up
}
