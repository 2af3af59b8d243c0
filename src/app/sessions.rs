//! Where sessions are kept, and with which keys what browsers carry is sealed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::{Ambient, StartError, mac_key, redis_sessions};
use crate::base::clock::Clock;
use crate::base::random::Random;
use crate::flow::Services;
use crate::server::shutdown::Shutdown;
use crate::session::SessionStore;
use crate::session::embedded::{self, EmbeddedStore, OpenError, ensure_key_file, session_file};
use crate::session::memory::MemoryStore;
use crate::session::observed::ObservedStore;
use crate::session::records::RecordStore;
use crate::session::ring::KeyRing;
use crate::settings::ServeSettings;
use crate::telemetry::metrics::{Metrics, StoreBackend};

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

/// The file behind `file:`.
fn session_file_of(url: &str) -> Option<PathBuf> {
    url.strip_prefix("file:").filter(|path| !path.is_empty()).map(|path| session_file(Path::new(path)))
}

/// The settings with a key file where the store needs one that lasts: it is watched as a given one is.
pub(super) fn with_keys(settings: &ServeSettings, random: &dyn Random) -> Result<ServeSettings, StartError> {
    let mut settings = settings.clone();
    if let (None, Some(file)) = (&settings.session_keys, session_file_of(settings.sessions_url())) {
        settings.session_keys = Some(ensure_key_file(&file, random).map_err(refused)?);
    }
    Ok(settings)
}

fn refused(error: OpenError) -> StartError {
    StartError::Configuration(format!("--sessions file: {error}"))
}

/// A session store, and the records beside it.
#[derive(Debug)]
pub(super) struct Stores {
    pub(super) sessions: Arc<dyn SessionStore>,
    /// None where nothing outlives the process.
    pub(super) records: Option<Arc<dyn RecordStore>>,
}

pub(super) fn session_store(
    settings: &ServeSettings,
    keys: &SessionKeys,
    shutdown: &Shutdown,
    ambient: Ambient<'_>,
) -> Result<Stores, StartError> {
    let (clock, random, metrics) = ambient;
    let url = settings.sessions_url();
    if url == "memory:" {
        let store = Arc::new(MemoryStore::new(Arc::clone(clock), mac_key(&**random)));
        Ok(Stores { records: None, sessions: observed(store, StoreBackend::Memory, clock, metrics) })
    } else if let Some(file) = session_file_of(url) {
        let ambient =
            embedded::Ambient { ring: Arc::clone(&keys.ring), clock: Arc::clone(clock), random: Arc::clone(random) };
        let store = EmbeddedStore::open(&file, ambient, shutdown.tracker().clone()).map_err(refused)?;
        let store = Arc::new(store);
        let records = Some(Arc::clone(&store) as Arc<dyn RecordStore>);
        Ok(Stores { records, sessions: observed(store, StoreBackend::File, clock, metrics) })
    } else if redis_sessions::is_meant(url) {
        let store = redis_sessions::open(settings, keys, shutdown, ambient)?;
        // It keeps no records yet.
        Ok(Stores { records: None, sessions: observed(store, StoreBackend::Redis, clock, metrics) })
    } else {
        let scheme = url.split(':').next().unwrap_or_default();
        Err(StartError::Configuration(format!(
            "--sessions {scheme}: is not there; sessions are kept in `file:PATH`, in Redis (`redis://…`) or in `memory:`"
        )))
    }
}

fn observed(
    store: Arc<dyn SessionStore>,
    backend: StoreBackend,
    clock: &Arc<dyn Clock>,
    metrics: &Arc<Metrics>,
) -> Arc<dyn SessionStore> {
    Arc::new(ObservedStore::new(store, backend, Arc::clone(clock), Arc::clone(metrics)))
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
