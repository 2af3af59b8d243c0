//! Key sets of issuers: fresh for ten minutes, usable for an hour when Auth0 does not answer.
//!
//! A token with an unknown `kid` may mean that the tenant rotated its keys, or nothing: it buys one
//! fetch per issuer in thirty seconds, so that nobody's rubbish storms Auth0 or stops others.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use moka::sync::Cache;
use tokio_util::task::TaskTracker;

use super::read_through::{Boarded, PATIENCE_WITH_STALE, SingleFlight};
use crate::auth0::Auth0Client;
use crate::auth0::error::UpstreamError;
use crate::base::clock::Clock;
use crate::base::digest::Digest;
use crate::jwt::keyset::KeySet;
use crate::telemetry::metrics::{CacheName, CacheResult, FetchResult, Metrics};
use crate::tenant::model::{Auth0, Tenant};

/// Contract §9.
const FRESH: Duration = Duration::from_secs(600);
const STALE_AT_MOST: Duration = Duration::from_secs(3600);
const COOL_DOWN: Duration = Duration::from_secs(30);

/// After a failed fetch the next is not tried at once: an Auth0 that is down is not helped by it.
const AFTER_FAILURE: Duration = Duration::from_secs(2);

/// More issuers than this are not remembered at once.
const MOST_ISSUERS: u64 = 200_000;

/// Why there are no keys.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeysError {
    /// They could not be fetched, and none are remembered that may still be used.
    #[error("the key set cannot be fetched")]
    Fetch(#[source] Arc<UpstreamError>),
    /// What was fetched is no key set, or has no usable key.
    #[error("the key set has no usable key")]
    Unusable,
    /// A fetch failed a moment ago.
    #[error("the key set could not be fetched a moment ago")]
    JustFailed,
}

/// The key sets of all issuers in use.
#[derive(Debug)]
pub struct KeySets {
    auth0: Auth0Client,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    tasks: TaskTracker,
    known: Arc<Cache<Digest, Known>>,
    fetching: SingleFlight<Digest, Result<Known, KeysError>>,
    /// Held while it is decided whether to fetch for a `kid` that nobody knows; never across an await.
    seeking: Mutex<()>,
    /// When a fetch was last begun for one.
    asked_for_unknown: Cache<Digest, Instant>,
    /// When a fetch last failed.
    failed: Arc<Cache<Digest, Instant>>,
}

/// What came of looking for a key that is not known.
enum Sought {
    /// There is nothing to wait for: the key is known by now, or the cool-down holds.
    Known(Known),
    /// A fetch that may bring it.
    UnderWay(Boarded<Result<Known, KeysError>>),
}

#[derive(Debug, Clone)]
struct Known {
    keys: Arc<KeySet>,
    /// As Auth0 sent it.
    document: Bytes,
    fetched: Instant,
}

impl KeySets {
    /// None yet.
    pub fn new(auth0: Auth0Client, metrics: Arc<Metrics>, clock: Arc<dyn Clock>, tasks: TaskTracker) -> Self {
        Self {
            auth0,
            metrics,
            clock,
            tasks,
            known: Arc::new(Cache::new(MOST_ISSUERS)),
            fetching: SingleFlight::default(),
            seeking: Mutex::new(()),
            asked_for_unknown: Cache::new(MOST_ISSUERS),
            failed: Arc::new(Cache::new(MOST_ISSUERS)),
        }
    }

    /// The tenant's keys, fetched where they are old or where none has the `kid`. The set may still
    /// not have it: then the token's key is unknown, and that is the verifier's to say.
    pub async fn find(&self, tenant: &Arc<Tenant>, kid: Option<&str>) -> Result<Arc<KeySet>, KeysError> {
        self.look_up(tenant, kid).await.map(|known| known.keys)
    }

    /// The tenant's key set as Auth0 sent it, of the same fetch.
    pub async fn document(&self, tenant: &Arc<Tenant>) -> Result<Bytes, KeysError> {
        self.look_up(tenant, None).await.map(|known| known.document)
    }

    async fn look_up(&self, tenant: &Arc<Tenant>, kid: Option<&str>) -> Result<Known, KeysError> {
        let key = identity(&tenant.auth0);
        let now = self.clock.instant();
        let Some(known) = self.known.get(&key) else {
            self.metrics.cache(CacheName::Keys, CacheResult::Miss);
            return self.fetch(tenant, key).await;
        };
        let age = now.saturating_duration_since(known.fetched);
        let is_known = kid.is_none_or(|kid| known.keys.contains(kid));
        if age < FRESH && is_known {
            self.metrics.cache(CacheName::Keys, CacheResult::Hit);
            return Ok(known);
        }
        let fetched = match kid.filter(|_| !is_known) {
            Some(kid) => match self.seek(tenant, key, kid, &known) {
                Sought::Known(known) => return Ok(known),
                Sought::UnderWay(flight) => flight.wait().await.unwrap_or(Err(KeysError::JustFailed)),
            },
            // Keys that may still be used are not waited for long: a slow Auth0 is no reason to be slow.
            None if age < STALE_AT_MOST => {
                let fetch = tokio::time::timeout(PATIENCE_WITH_STALE, self.fetch(tenant, key));
                fetch.await.unwrap_or(Err(KeysError::JustFailed))
            }
            None => self.fetch(tenant, key).await,
        };
        match fetched {
            Ok(fetched) => Ok(fetched),
            Err(_) if age < STALE_AT_MOST => {
                self.metrics.cache(CacheName::Keys, CacheResult::Stale);
                self.metrics.jwks_age(&tenant.name, age);
                Ok(known)
            }
            Err(error) => Err(error),
        }
    }

    /// Looks for a key that is not known: one fetch per issuer and cool-down. A fetch that is under way
    /// is waited for in any case: it may bring the key. The gate makes "nobody asks, so I do" one step,
    /// so that of twenty logins right after a rotation none is told that there is no such key.
    fn seek(&self, tenant: &Arc<Tenant>, key: Digest, kid: &str, before: &Known) -> Sought {
        let _gate = self.seeking.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = self.fetching.running(&key) {
            return Sought::UnderWay(flight);
        }
        let now = self.clock.instant();
        let known = self.known.get(&key).unwrap_or_else(|| before.clone());
        let asked = self.asked_for_unknown.get(&key).is_some_and(|at| now.saturating_duration_since(at) < COOL_DOWN);
        if asked || known.keys.contains(kid) {
            if !known.keys.contains(kid) {
                self.metrics.jwks_fetch(&tenant.name, FetchResult::Cooled);
            }
            return Sought::Known(known);
        }
        self.asked_for_unknown.insert(key, now);
        let fetch = self.fetch_of(tenant, key);
        Sought::UnderWay(self.fetching.start(&key, &self.tasks, || fetch.run()))
    }

    async fn fetch(&self, tenant: &Arc<Tenant>, key: Digest) -> Result<Known, KeysError> {
        let failed = self.failed.get(&key);
        if failed.is_some_and(|at| self.clock.instant().saturating_duration_since(at) < AFTER_FAILURE) {
            return Err(KeysError::JustFailed);
        }
        let fetch = self.fetch_of(tenant, key);
        self.fetching.run(key, &self.tasks, || fetch.run()).await.0
    }

    fn fetch_of(&self, tenant: &Arc<Tenant>, key: Digest) -> Fetch {
        Fetch {
            auth0: self.auth0.clone(),
            metrics: Arc::clone(&self.metrics),
            clock: Arc::clone(&self.clock),
            known: Arc::clone(&self.known),
            failed: Arc::clone(&self.failed),
            tenant: Arc::clone(tenant),
            key,
        }
    }
}

/// What decides an issuer's keys: who it is and where its keys are. Nothing else of a tenant file.
fn identity(auth0: &Auth0) -> Digest {
    Digest::of_parts([auth0.issuer.as_str().as_bytes(), auth0.jwks.as_bytes()])
}

struct Fetch {
    auth0: Auth0Client,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    known: Arc<Cache<Digest, Known>>,
    failed: Arc<Cache<Digest, Instant>>,
    tenant: Arc<Tenant>,
    key: Digest,
}

impl Fetch {
    async fn run(self) -> Result<Known, KeysError> {
        let result = self.fetch().await;
        let outcome = if result.is_ok() { FetchResult::Ok } else { FetchResult::Error };
        self.metrics.jwks_fetch(&self.tenant.name, outcome);
        match &result {
            Ok(known) => {
                self.known.insert(self.key, known.clone());
                self.failed.invalidate(&self.key);
                self.metrics.jwks_age(&self.tenant.name, Duration::ZERO);
            }
            Err(_) => self.failed.insert(self.key, self.clock.instant()),
        }
        result
    }

    async fn fetch(&self) -> Result<Known, KeysError> {
        let body = self.auth0.jwks(&self.tenant).await.map_err(|error| KeysError::Fetch(Arc::new(error)))?;
        let keys = KeySet::parse(&body).map_err(|_| KeysError::Unusable)?;
        if keys.is_empty() {
            return Err(KeysError::Unusable);
        }
        Ok(Known { keys: Arc::new(keys), document: body, fetched: self.clock.instant() })
    }
}
