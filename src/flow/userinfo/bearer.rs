//! Bearers: verified once, judged on every use.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use jiff::Timestamp;
use moka::sync::Cache;
use serde_json::{Map, Value};

use super::super::environment::Proof;
use super::super::session::after;
use super::super::{Call, Services, claims};
use super::{UserinfoError, profile, to_json};
use crate::base::clock::Clock;
use crate::base::digest::Digest;
use crate::jwt::claims::Claims;
use crate::jwt::policy::{AccessTokenPolicy, LEEWAY, Rejection};
use crate::jwt::verify::{self, JwtError};
use crate::telemetry::metrics::{CacheName, CacheResult};
use crate::tenant::model::Tenant;

/// The most bearers remembered, and the most refused ones.
const MOST: u64 = 100_000;

/// How long a refused bearer is remembered (contract §9).
const REFUSED_FOR: Duration = Duration::from_secs(60);

/// Opaque tokens live a day at most (auth0-facts 1.17).
const OPAQUE_AT_MOST: Duration = Duration::from_secs(86_400);

/// Bearers seen before.
#[derive(Debug)]
pub struct Bearers {
    clock: Arc<dyn Clock>,
    verified: Cache<Digest, Arc<Bearer>>,
    /// Refused or logged out, until when. A cache of its own: rubbish pushes out no good token.
    refused: Cache<Digest, Instant>,
    ended: Cache<Digest, Timestamp>,
}

/// A bearer whose signature verified.
#[derive(Debug)]
struct Bearer {
    claims: Claims,
    ready: ArcSwapOption<Ready>,
}

/// The body that answered last, for the tenant's rules of then.
#[derive(Debug)]
struct Ready {
    tenant: Digest,
    fresh_until: Instant,
    body: Bytes,
}

impl Bearers {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, verified: Cache::new(MOST), refused: Cache::new(MOST), ended: Cache::new(MOST) }
    }

    /// Remembers for a minute that the token does not count.
    pub(super) fn refuse(&self, key: Digest) {
        self.refused.insert(key, self.clock.instant() + REFUSED_FOR);
        self.verified.invalidate(&key);
    }

    fn is_refused(&self, key: &Digest) -> bool {
        self.refused.get(key).is_some_and(|until| self.clock.instant() < until)
            || self.ended.get(key).is_some_and(|until| self.clock.now() < until)
    }
}

/// What names a bearer: the issuer whose keys decide, and the token. The client's algorithms decide
/// too, so they stand in the key.
pub(super) fn key(call: &Call, token: &str) -> Digest {
    let algorithms: Vec<u8> = call.client.signing_algs.iter().map(|alg| *alg as u8).collect();
    Digest::of_parts([
        call.tenant.auth0.base.as_bytes(),
        call.tenant.auth0.issuer.as_str().as_bytes(),
        &algorithms,
        token.as_bytes(),
    ])
}

/// The answer to a bearer.
pub(super) async fn userinfo(services: &Arc<Services>, call: &Call, token: &str) -> Result<Bytes, UserinfoError> {
    let key = key(call, token);
    if services.userinfo.bearers.is_refused(&key) {
        services.metrics.cache(CacheName::Rejected, CacheResult::Hit);
        return Err(UserinfoError::KnownBad);
    }
    if !verify::looks_like_jwt(token) {
        return Box::pin(opaque(services, call, token, key)).await;
    }
    let bearer = verified(services, call, token, key).await?;
    judge(services, call, &bearer.claims)?;
    let now = services.clock.instant();
    if let Some(ready) = &*bearer.ready.load()
        && ready.tenant == call.tenant.digest
        && now < ready.fresh_until
    {
        return Ok(ready.body.clone());
    }
    Box::pin(answer(services, call, token, &bearer)).await
}

async fn answer(services: &Arc<Services>, call: &Call, token: &str, bearer: &Bearer) -> Result<Bytes, UserinfoError> {
    let (object, fresh_until) = if may_ask_auth0(&call.tenant, &bearer.claims) {
        let profile = profile::of_subject(services, call, token, &bearer.claims).await?;
        (merged(&profile.object, &bearer.claims.object), profile.fresh_until)
    } else {
        (bearer.claims.object.clone(), services.clock.instant() + profile::FRESH)
    };
    let body = to_json(&claims::present(&object, &call.tenant.claims));
    bearer.ready.store(Some(Arc::new(Ready { tenant: call.tenant.digest, fresh_until, body: body.clone() })));
    Ok(body)
}

/// Facts: the signature is this issuer's.
async fn verified(
    services: &Arc<Services>,
    call: &Call,
    token: &str,
    key: Digest,
) -> Result<Arc<Bearer>, UserinfoError> {
    let bearers = &services.userinfo.bearers;
    if let Some(bearer) = bearers.verified.get(&key) {
        services.metrics.cache(CacheName::Bearer, CacheResult::Hit);
        return Ok(bearer);
    }
    services.metrics.cache(CacheName::Bearer, CacheResult::Miss);
    // Boxed like all that a token which is known does not need.
    let verified = Box::pin(verify_signature(services, call, token)).await;
    if let Err(UserinfoError::Signature(error)) = &verified
        && !matches!(error, JwtError::UnknownKey)
    {
        // A key that is unknown now may be known in a moment; nothing else can mend.
        bearers.refuse(key);
    }
    let bearer = Arc::new(Bearer { claims: verified?, ready: ArcSwapOption::empty() });
    // What does not count here and now is judged below, and kept only if it does.
    judge(services, call, &bearer.claims)?;
    bearers.verified.insert(key, Arc::clone(&bearer));
    Ok(bearer)
}

async fn verify_signature(services: &Arc<Services>, call: &Call, token: &str) -> Result<Claims, UserinfoError> {
    let header = verify::decode_header(token).map_err(UserinfoError::Signature)?;
    if !call.client.signing_algs.contains(&header.alg) {
        return Err(UserinfoError::Signature(JwtError::AlgorithmNotAllowed));
    }
    let keys = services.keys.find(&call.tenant, header.kid.as_deref());
    let keys = call.upstream.measure(&*services.clock, keys).await.map_err(UserinfoError::Keys)?;
    verify::verify_signature(token, &keys, &call.client.signing_algs).map_err(UserinfoError::Signature)
}

/// Policy: the token is for this client, now, here (contract §4, "A bearer counts when").
fn judge(services: &Services, call: &Call, claims: &Claims) -> Result<(), UserinfoError> {
    let Call { tenant, client, host, .. } = call;
    let policy = AccessTokenPolicy {
        issuer: &tenant.auth0.issuer,
        audiences: &client.audiences,
        userinfo_audiences: &tenant.auth0.userinfo_audiences,
        client_id: &client.client_id,
        issued_not_before: tenant.revoke_before,
        organization: client.organization.as_deref(),
    };
    policy.check(claims, services.now()).map_err(UserinfoError::Policy)?;
    let proof = Proof::of(tenant, client, None, Some(&claims.object)).map_err(UserinfoError::Environment)?;
    proof.admit(tenant, host).map_err(UserinfoError::Environment)
}

/// Auth0 puts its `/userinfo` into `aud` where `openid` was asked for (auth0-facts 1.9).
fn may_ask_auth0(tenant: &Tenant, claims: &Claims) -> bool {
    tenant.auth0.userinfo_audiences.iter().any(|audience| claims.has_audience(audience))
}

/// The profile, and of the token what the profile does not say.
fn merged(profile: &Map<String, Value>, token: &Map<String, Value>) -> Map<String, Value> {
    let mut object = profile.clone();
    for (name, value) in token {
        object.entry(name.clone()).or_insert_with(|| value.clone());
    }
    object
}

/// An opaque token says nothing by itself: Auth0's `/userinfo` does. Only where the client has no
/// audience, since otherwise its tokens are JWTs.
async fn opaque(services: &Arc<Services>, call: &Call, token: &str, key: Digest) -> Result<Bytes, UserinfoError> {
    if !call.client.audiences.is_empty() {
        return Err(UserinfoError::Opaque);
    }
    // It does not say when it was issued: as long as it may be older, it counts as older.
    if call.tenant.revoke_before.is_some_and(|before| services.now() < after(before, OPAQUE_AT_MOST)) {
        return Err(UserinfoError::Policy(Rejection::Revoked));
    }
    let profile = profile::of_opaque(services, call, token, key).await?;
    let proof =
        Proof::of(&call.tenant, &call.client, None, Some(&profile.object)).map_err(UserinfoError::Environment)?;
    proof.admit(&call.tenant, &call.host).map_err(UserinfoError::Environment)?;
    Ok(to_json(&claims::present(&profile.object, &call.tenant.claims)))
}

/// Logs a bearer out here: its claims go, and it is refused until it ends by itself.
pub async fn end_bearer(services: &Arc<Services>, call: &Call, token: &str) -> Result<(), UserinfoError> {
    let key = key(call, token);
    let bearers = &services.userinfo.bearers;
    if bearers.is_refused(&key) {
        return Err(UserinfoError::KnownBad);
    }
    let until = if verify::looks_like_jwt(token) {
        let bearer = verified(services, call, token, key).await?;
        judge(services, call, &bearer.claims)?;
        services.userinfo.profiles.forget(&profile::subject_key(call, &bearer.claims));
        // It counts a leeway longer than it says, and so must its refusal.
        bearer.claims.exp.map_or(Timestamp::MAX, |exp| after(exp, LEEWAY))
    } else {
        opaque(services, call, token, key).await?;
        services.userinfo.profiles.forget(&key);
        after(services.now(), OPAQUE_AT_MOST)
    };
    bearers.ended.insert(key, until);
    bearers.verified.invalidate(&key);
    Ok(())
}
