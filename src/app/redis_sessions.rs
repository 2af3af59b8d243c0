//! A session store in Redis, from a URL.

use std::sync::Arc;

use super::sessions::SessionKeys;
use super::{Ambient, StartError};
use crate::server::shutdown::Shutdown;
use crate::session::SessionStore;
use crate::settings::ServeSettings;

/// Whether the URL is one of Redis', well formed or not.
pub(super) fn is_meant(url: &str) -> bool {
    let schemes = ["redis", "rediss", "redis-sentinel", "redis-cluster"];
    schemes.contains(&url.split(':').next().unwrap_or_default())
}

/// Opens it. Redis is not asked: a gateway starts while its store is down.
#[cfg(feature = "redis")]
pub(super) fn open(
    settings: &ServeSettings,
    keys: &SessionKeys,
    shutdown: &Shutdown,
    (clock, random, _): Ambient<'_>,
) -> Result<Arc<dyn SessionStore>, StartError> {
    use crate::session::redis::{Address, Deadlines, RedisParts, RedisStore};

    let address = Address::parse(settings.sessions_url())
        .map_err(|error| StartError::Configuration(format!("--sessions: {error}")))?;
    if settings.session_keys.is_none() {
        return Err(StartError::Configuration(
            "--sessions in Redis needs --session-keys: every replica opens and finds what another one wrote".to_owned(),
        ));
    }
    let (clock, random, ring) = (Arc::clone(clock), Arc::clone(random), Arc::clone(&keys.ring));
    let parts = RedisParts { clock, random, ring, deadlines: Deadlines::default() };
    let store = RedisStore::new(address, settings.ca_file.as_deref(), parts);
    let store = Arc::new(store.map_err(|error| StartError::Configuration(format!("--ca-file: {error}")))?);
    shutdown.tracker().spawn(Arc::clone(&store).follow(shutdown.closing().clone()));
    Ok(store)
}

/// Refuses it.
#[cfg(not(feature = "redis"))]
pub(super) fn open(
    _: &ServeSettings,
    _: &SessionKeys,
    _: &Shutdown,
    _: Ambient<'_>,
) -> Result<Arc<dyn SessionStore>, StartError> {
    Err(StartError::Configuration("--sessions: this build has no Redis (the cargo feature `redis`)".to_owned()))
}
