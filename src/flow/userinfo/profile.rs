//! What Auth0's `/userinfo` said, fresh for a minute, and for ten when Auth0 does not answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use super::super::{Call, Services};
use super::UserinfoError;
use crate::auth0::error::UpstreamError;
use crate::auth0::userinfo::UserinfoAnswer;
use crate::base::clock::Clock;
use crate::base::digest::Digest;
use crate::cache::read_through::{PATIENCE_WITH_STALE, SingleFlight};
use crate::jwt::claims::Claims;
use crate::telemetry::metrics::{CacheName, CacheResult};

/// How long a profile is fresh (contract §9).
pub(super) const FRESH: Duration = Duration::from_secs(60);

/// How long it is given when Auth0 does not answer.
const STALE_AT_MOST: Duration = Duration::from_secs(600);

/// The most profiles remembered.
const MOST: u64 = 50_000;

/// Profiles seen before, and the calls for more that are under way.
#[derive(Debug)]
pub struct Profiles {
    clock: Arc<dyn Clock>,
    known: moka::sync::Cache<Digest, Arc<Profile>>,
    asking: SingleFlight<Digest, Arc<Result<Arc<Profile>, ProfileError>>>,
}

/// What Auth0 said of a user.
#[derive(Debug)]
pub(super) struct Profile {
    pub(super) object: Map<String, Value>,
    pub(super) fresh_until: Instant,
    stale_until: Instant,
}

/// Why a call gave no profile.
#[derive(Debug)]
enum ProfileError {
    Refused,
    RateLimited { retry_after: Option<u64> },
    Upstream(Arc<UpstreamError>),
}

impl Profiles {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, known: moka::sync::Cache::new(MOST), asking: SingleFlight::default() }
    }

    /// Forgets one.
    pub(super) fn forget(&self, key: &Digest) {
        self.known.invalidate(key);
    }
}

/// What names a profile that any token of the same user, client and scope may see.
pub(super) fn subject_key(call: &Call, claims: &Claims) -> Digest {
    let scope = claims.object.get("scope").and_then(Value::as_str).unwrap_or_default();
    Digest::of_parts([
        b"subject".as_slice(),
        call.tenant.auth0.base.as_bytes(),
        call.tenant.auth0.issuer.as_str().as_bytes(),
        call.client.client_id.as_bytes(),
        claims.sub.as_bytes(),
        scope.as_bytes(),
    ])
}

/// The profile of a verified token's user.
pub(super) async fn of_subject(
    services: &Arc<Services>,
    call: &Call,
    token: &str,
    claims: &Claims,
) -> Result<Arc<Profile>, UserinfoError> {
    let profile = find(services, call, token, subject_key(call, claims)).await?;
    // OIDC Core §5.3.4: an answer about another user must not be used.
    if profile.object.get("sub").and_then(Value::as_str) == Some(&*claims.sub) {
        Ok(profile)
    } else {
        Err(UserinfoError::RefusedByAuth0)
    }
}

/// The profile that an opaque token opens. `key` names the token.
pub(super) async fn of_opaque(
    services: &Arc<Services>,
    call: &Call,
    token: &str,
    key: Digest,
) -> Result<Arc<Profile>, UserinfoError> {
    match find(services, call, token, key).await {
        Err(UserinfoError::RefusedByAuth0) => {
            services.userinfo.bearers.refuse(key);
            Err(UserinfoError::RefusedByAuth0)
        }
        other => other,
    }
}

async fn find(services: &Arc<Services>, call: &Call, token: &str, key: Digest) -> Result<Arc<Profile>, UserinfoError> {
    let profiles = &services.userinfo.profiles;
    let known = profiles.known.get(&key);
    let now = profiles.clock.instant();
    if let Some(profile) = known.as_ref().filter(|profile| now < profile.fresh_until) {
        services.metrics.cache(CacheName::Userinfo, CacheResult::Hit);
        return Ok(Arc::clone(profile));
    }
    let ask = Ask { services: Arc::clone(services), call: call.clone(), token: token.to_owned(), key };
    let flight = profiles.asking.run(key, &services.tasks, || async move { Arc::new(ask.run().await) });
    let stale = known.filter(|profile| now < profile.stale_until);
    let patience = if stale.is_some() { PATIENCE_WITH_STALE } else { Duration::MAX };
    let waited = call.upstream.measure(&*services.clock, tokio::time::timeout(patience, flight)).await;
    let result = match (waited, &stale) {
        (Ok((result, _)), _) => result,
        (Err(_), Some(profile)) => {
            services.metrics.cache(CacheName::Userinfo, CacheResult::Stale);
            return Ok(Arc::clone(profile));
        }
        (Err(_), None) => return Err(UserinfoError::Upstream(Arc::new(UpstreamError::Timeout))),
    };
    match &*result {
        Ok(profile) => {
            services.metrics.cache(CacheName::Userinfo, CacheResult::Miss);
            Ok(Arc::clone(profile))
        }
        Err(ProfileError::Refused) => {
            profiles.forget(&key);
            Err(UserinfoError::RefusedByAuth0)
        }
        Err(error) => match stale {
            Some(profile) => {
                services.metrics.cache(CacheName::Userinfo, CacheResult::Stale);
                Ok(profile)
            }
            None => Err(match error {
                ProfileError::RateLimited { retry_after } => UserinfoError::RateLimited { retry_after: *retry_after },
                ProfileError::Upstream(error) => UserinfoError::Upstream(Arc::clone(error)),
                ProfileError::Refused => UserinfoError::RefusedByAuth0,
            }),
        },
    }
}

struct Ask {
    services: Arc<Services>,
    call: Call,
    token: String,
    key: Digest,
}

impl Ask {
    async fn run(self) -> Result<Arc<Profile>, ProfileError> {
        let answer = self.services.auth0.userinfo(&self.call.tenant, &self.token).await;
        let object = match answer.map_err(|error| ProfileError::Upstream(Arc::new(error)))? {
            UserinfoAnswer::Claims(object) => object,
            UserinfoAnswer::Refused => return Err(ProfileError::Refused),
            UserinfoAnswer::RateLimited { retry_after } => return Err(ProfileError::RateLimited { retry_after }),
        };
        let profiles = &self.services.userinfo.profiles;
        let now = profiles.clock.instant();
        let profile = Arc::new(Profile { object, fresh_until: now + FRESH, stale_until: now + STALE_AT_MOST });
        profiles.known.insert(self.key, Arc::clone(&profile));
        Ok(profile)
    }
}
