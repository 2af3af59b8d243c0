//! Discovery documents of issuers: fresh for ten minutes, usable for an hour when Auth0 does not answer.
//!
//! Shown to callers and never followed: where Auth0 is says the tenant's file alone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::sync::Cache;
use serde_json::{Map, Value};
use tokio_util::task::TaskTracker;

use super::read_through::{PATIENCE_WITH_STALE, SingleFlight};
use crate::auth0::Auth0Client;
use crate::auth0::error::UpstreamError;
use crate::base::clock::Clock;
use crate::base::digest::Digest;
use crate::telemetry::metrics::{CacheName, CacheResult, Metrics, OperatorErrorKind};
use crate::tenant::model::{Auth0, Tenant};

/// As key sets (contract §9).
const FRESH: Duration = Duration::from_secs(600);
const STALE_AT_MOST: Duration = Duration::from_secs(3600);

/// After a failed fetch the next is not tried at once.
const AFTER_FAILURE: Duration = Duration::from_secs(2);

/// More issuers than this are not remembered at once.
const MOST_ISSUERS: u64 = 10_000;

/// Why there is no document.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DiscoveryError {
    /// It could not be fetched, and none is remembered that may still be used.
    #[error("the discovery document cannot be fetched")]
    Fetch(#[source] Arc<UpstreamError>),
    /// It is no JSON object, or another issuer's.
    #[error("the discovery document is not the tenant's")]
    Unusable,
    /// A fetch failed a moment ago.
    #[error("the discovery document could not be fetched a moment ago")]
    JustFailed,
}

/// The documents of all issuers that somebody asked for.
#[derive(Debug)]
pub struct Documents {
    auth0: Auth0Client,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    tasks: TaskTracker,
    known: Cache<Digest, Known>,
    failed: Cache<Digest, Instant>,
    fetching: SingleFlight<Digest, Result<Known, DiscoveryError>>,
}

#[derive(Debug, Clone)]
struct Known {
    document: Arc<Map<String, Value>>,
    fetched: Instant,
}

impl Documents {
    /// None yet.
    pub fn new(auth0: Auth0Client, metrics: Arc<Metrics>, clock: Arc<dyn Clock>, tasks: TaskTracker) -> Self {
        Self {
            auth0,
            metrics,
            clock,
            tasks,
            known: Cache::new(MOST_ISSUERS),
            failed: Cache::new(MOST_ISSUERS),
            fetching: SingleFlight::default(),
        }
    }

    /// The tenant's document, fetched where it is old.
    pub async fn find(&self, tenant: &Arc<Tenant>) -> Result<Arc<Map<String, Value>>, DiscoveryError> {
        let key = identity(&tenant.auth0);
        let known = self.known.get(&key);
        let age = known.as_ref().map(|known| self.clock.instant().saturating_duration_since(known.fetched));
        if let (Some(known), Some(age)) = (&known, age)
            && age < FRESH
        {
            self.metrics.cache(CacheName::Discovery, CacheResult::Hit);
            return Ok(Arc::clone(&known.document));
        }
        let fetched = match age {
            // What may still be shown is not kept waiting for long: a slow Auth0 is no reason to be slow.
            Some(age) if age < STALE_AT_MOST => {
                let fetch = tokio::time::timeout(PATIENCE_WITH_STALE, self.fetch(tenant, key));
                fetch.await.unwrap_or(Err(DiscoveryError::JustFailed))
            }
            _ => self.fetch(tenant, key).await,
        };
        match (fetched, known, age) {
            (Ok(fetched), _, _) => {
                self.metrics.cache(CacheName::Discovery, CacheResult::Miss);
                Ok(fetched.document)
            }
            (Err(_), Some(known), Some(age)) if age < STALE_AT_MOST => {
                self.metrics.cache(CacheName::Discovery, CacheResult::Stale);
                Ok(known.document)
            }
            (Err(error), _, _) => Err(error),
        }
    }

    async fn fetch(&self, tenant: &Arc<Tenant>, key: Digest) -> Result<Known, DiscoveryError> {
        let failed = self.failed.get(&key);
        if failed.is_some_and(|at| self.clock.instant().saturating_duration_since(at) < AFTER_FAILURE) {
            return Err(DiscoveryError::JustFailed);
        }
        let (auth0, clock, tenant) = (self.auth0.clone(), Arc::clone(&self.clock), Arc::clone(tenant));
        let (known, failed, metrics) = (self.known.clone(), self.failed.clone(), Arc::clone(&self.metrics));
        let work = || async move {
            let fetched = fetch(&auth0, &tenant, &*clock).await;
            match &fetched {
                Ok(fetched) => known.insert(key, fetched.clone()),
                Err(_) => failed.insert(key, clock.instant()),
            }
            if matches!(fetched, Err(DiscoveryError::Unusable)) {
                metrics.operator_error(&tenant.name, OperatorErrorKind::Discovery);
                tracing::error!(tenant = %tenant.name, "the discovery document is not the tenant's: see auth0.domain and auth0.issuer");
            }
            fetched
        };
        self.fetching.run(key, &self.tasks, work).await.0
    }
}

/// What decides an issuer's document: who it is and where the document is.
fn identity(auth0: &Auth0) -> Digest {
    Digest::of_parts([auth0.issuer.as_str().as_bytes(), auth0.discovery.as_bytes()])
}

async fn fetch(auth0: &Auth0Client, tenant: &Tenant, clock: &dyn Clock) -> Result<Known, DiscoveryError> {
    let body = auth0.discovery(tenant).await.map_err(|error| DiscoveryError::Fetch(Arc::new(error)))?;
    let document: Map<String, Value> = serde_json::from_slice(&body).map_err(|_| DiscoveryError::Unusable)?;
    if document.get("issuer").and_then(Value::as_str) != Some(tenant.auth0.issuer.as_str()) {
        return Err(DiscoveryError::Unusable);
    }
    Ok(Known { document: Arc::new(document), fetched: clock.instant() })
}
