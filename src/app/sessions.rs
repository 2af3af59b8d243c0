//! Where sessions are kept, and with which keys what browsers carry is sealed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::{Ambient, StartError, mac_key, redis_sessions};
use crate::base::random::Random;
use crate::flow::Services;
use crate::server::shutdown::Shutdown;
use crate::session::SessionStore;
use crate::session::memory::MemoryStore;
use crate::session::observed::ObservedStore;
use crate::session::ring::KeyRing;
use crate::settings::ServeSettings;
use crate::telemetry::metrics::StoreBackend;

/// How often what is over is dropped from the session store.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// The key ring and the file it is read from.
#[derive(Debug, Clone)]
pub(super) struct SessionKeys {
    pub(super) ring: Arc<KeyRing>,
    file: Option<PathBuf>,
}

impl SessionKeys {
    pub(super) fn open(file: Option<&Path>, random: &dyn Random) -> Result<Self, StartError> {
        let Some(file) = file else { return Ok(Self { ring: Arc::new(KeyRing::generate(random)), file: None }) };
        let text = std::fs::read_to_string(file).map(Zeroizing::new).map_err(|error| error.to_string());
        let ring = text.and_then(|text| KeyRing::parse(&text).map_err(|error| error.to_string()));
        let ring =
            ring.map_err(|why| StartError::Configuration(format!("--session-keys {}: {why}", file.display())))?;
        Ok(Self { ring: Arc::new(ring), file: Some(file.to_owned()) })
    }

    /// A file that is bad now leaves the keys as they were.
    pub(super) fn read_again(&self) {
        let Some(file) = &self.file else { return };
        let text = std::fs::read_to_string(file).map(Zeroizing::new).map_err(|error| error.to_string());
        if let Err(why) = text.and_then(|text| self.ring.replace(&text).map_err(|error| error.to_string())) {
            tracing::error!(file = %file.display(), %why, "the session keys cannot be read again; those in force stay");
        }
    }
}

pub(super) fn session_store(
    settings: &ServeSettings,
    keys: &SessionKeys,
    shutdown: &Shutdown,
    ambient: Ambient<'_>,
) -> Result<Arc<dyn SessionStore>, StartError> {
    let (clock, random, metrics) = ambient;
    let (store, backend): (Arc<dyn SessionStore>, _) = match settings.sessions.as_str() {
        "memory:" => (Arc::new(MemoryStore::new(Arc::clone(clock), mac_key(&**random))), StoreBackend::Memory),
        url if redis_sessions::is_meant(url) => {
            (redis_sessions::open(settings, keys, shutdown, ambient)?, StoreBackend::Redis)
        }
        url => {
            let scheme = url.split(':').next().unwrap_or_default();
            return Err(StartError::Configuration(format!(
                "--sessions {scheme}: is not there; sessions are kept in `memory:` or in Redis (`redis://…`)"
            )));
        }
    };
    Ok(Arc::new(ObservedStore::new(store, backend, Arc::clone(clock), Arc::clone(metrics))))
}

pub(super) fn sweep(services: &Arc<Services>, shutdown: &Shutdown) {
    let (services, closing) = (Arc::clone(services), shutdown.closing().clone());
    shutdown.tracker().spawn(async move {
        let mut every = tokio::time::interval(SWEEP_EVERY);
        loop {
            tokio::select! {
                _ = every.tick() => {
                    if let Err(error) = services.sessions.sweep().await {
                        tracing::warn!(%error, "sessions that are over could not be swept");
                    }
                }
                () = closing.cancelled() => return,
            }
        }
    });
}
