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
use crate::session::embedded::{self, EmbeddedStore, OpenError, ensure_key_file, session_file};
use crate::session::kept_ends::KeptEnds;
use crate::session::memory::MemoryStore;
use crate::session::observed::ObservedStore;
use crate::session::records::RecordStore;
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

/// A session store, and what lies beside it.
#[derive(Debug)]
pub(super) struct Stores {
    pub(super) sessions: Arc<dyn SessionStore>,
    /// Ends that the store has not heard of, or might have lost.
    pub(super) kept_ends: Arc<KeptEnds>,
    /// None where nothing outlives the process; Redis keeps none yet.
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
    let mut records = None;
    let (store, backend): (Arc<dyn SessionStore>, _) = if url == "memory:" {
        (Arc::new(MemoryStore::new(Arc::clone(clock), mac_key(&**random))), StoreBackend::Memory)
    } else if let Some(file) = session_file_of(url) {
        let ambient =
            embedded::Ambient { ring: Arc::clone(&keys.ring), clock: Arc::clone(clock), random: Arc::clone(random) };
        let store = EmbeddedStore::open(&file, ambient, shutdown.tracker().clone()).map_err(refused)?;
        let store = Arc::new(store);
        records = Some(Arc::clone(&store) as Arc<dyn RecordStore>);
        (store, StoreBackend::File)
    } else if redis_sessions::is_meant(url) {
        (redis_sessions::open(settings, keys, shutdown, ambient)?, StoreBackend::Redis)
    } else {
        let scheme = url.split(':').next().unwrap_or_default();
        return Err(StartError::Configuration(format!(
            "--sessions {scheme}: is not there; sessions are kept in `file:PATH`, in Redis (`redis://…`) or in `memory:`"
        )));
    };
    let kept_ends = Arc::new(KeptEnds::new(store, Arc::clone(clock)));
    shutdown.tracker().spawn(Arc::clone(&kept_ends).follow(shutdown.closing().clone()));
    let store = ObservedStore::new(kept_ends.clone(), backend, Arc::clone(clock), Arc::clone(metrics));
    Ok(Stores { sessions: Arc::new(store), kept_ends, records })
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
