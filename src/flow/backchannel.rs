//! Back-channel logout: Auth0 says that a session of its own is over, and ours of it end (OIDC Back-Channel Logout
//! 1.0, auth0-facts 1.13).
//!
//! One URL for all tenants: the token alone says whose it is. Nothing in it is believed before the signature, but that
//! a stranger's `iss` must be a configured one before any key is fetched.

use std::sync::Arc;

use super::{Services, UpstreamTime};
use crate::base::digest::Digest;
use crate::base::secret::Secret;
use crate::cache::keyset::KeysError;
use crate::jwt::alg::SigningAlg;
use crate::jwt::logout_token::{Logout, LogoutTokenPolicy};
use crate::jwt::policy::Rejection;
use crate::jwt::verify::{self, JwtError};
use crate::session::{StoreError, Whose};
use crate::telemetry::metrics::BackchannelResult;
use crate::tenant::model::{Client, Tenant};
use crate::tenant::registry::Registry;

/// Why a logout token ends nothing.
#[derive(Debug, thiserror::Error)]
pub enum BackchannelError {
    /// There is none in the request.
    #[error("there is no logout token")]
    Absent,
    /// It is malformed, or its signature does not verify.
    #[error("the logout token does not verify")]
    Signature(#[source] JwtError),
    /// No tenant has its issuer.
    #[error("no tenant has the logout token's issuer")]
    UnknownIssuer,
    /// The issuer's tenants have no such client.
    #[error("no client of the issuer is the logout token's audience")]
    UnknownClient,
    /// What it says does not count.
    #[error("the logout token does not count")]
    Policy(#[source] Rejection),
    /// Its `jti` was seen before.
    #[error("the logout token was used before")]
    Replayed,
    /// The tenant's keys cannot be had.
    #[error("the tenant's keys cannot be had")]
    Keys(#[source] KeysError),
    /// The store did not answer: sessions may still be there.
    #[error("the session store did not answer")]
    Store(#[source] StoreError),
    /// The work was torn apart.
    #[error("the logout was not finished")]
    Aborted,
}

impl BackchannelError {
    fn result(&self) -> BackchannelResult {
        match self {
            Self::Absent
            | Self::Signature(_)
            | Self::UnknownIssuer
            | Self::UnknownClient
            | Self::Policy(_)
            | Self::Replayed => BackchannelResult::Rejected,
            Self::Keys(_) | Self::Store(_) | Self::Aborted => BackchannelResult::Error,
        }
    }
}

/// A logout token, and whose it says it is.
#[derive(Debug, Clone)]
pub struct Notice {
    /// The tenant of its `iss`.
    pub tenant: Arc<Tenant>,
    /// The client of its `aud`.
    pub client: Arc<Client>,
    /// Time spent waiting for Auth0.
    pub upstream: UpstreamTime,
    token: Secret,
}

/// Finds out whose the token says it is. Asks nobody.
pub fn read(services: &Services, registry: &Registry, token: Option<Secret>) -> Result<Notice, BackchannelError> {
    let notice = addressed(registry, token);
    if let Err(error) = &notice {
        services.metrics.backchannel_logout(error.result());
    }
    notice
}

fn addressed(registry: &Registry, token: Option<Secret>) -> Result<Notice, BackchannelError> {
    let token = token.ok_or(BackchannelError::Absent)?;
    let header = verify::decode_header(token.expose()).map_err(BackchannelError::Signature)?;
    if header.alg != SigningAlg::Rs256 {
        return Err(BackchannelError::Signature(JwtError::AlgorithmNotAllowed));
    }
    let address = verify::decode_address(token.expose()).map_err(BackchannelError::Signature)?;
    if !registry.knows_issuer(&address.issuer) {
        return Err(BackchannelError::UnknownIssuer);
    }
    let found = registry.client_of_issuer(&address.issuer, &address.audiences);
    let (tenant, client) = found.ok_or(BackchannelError::UnknownClient)?;
    Ok(Notice { tenant: Arc::clone(tenant), client: Arc::clone(client), upstream: UpstreamTime::default(), token })
}

/// Ends the sessions that the token is about, to the end also when Auth0 hangs up: it waits five seconds and does not
/// come again. How many that were.
pub async fn run(services: &Arc<Services>, notice: Notice) -> Result<u64, BackchannelError> {
    let (tasks, services) = (services.tasks.clone(), Arc::clone(services));
    let work = async move {
        let ended = end(&services, &notice).await;
        services.metrics.backchannel_logout(match &ended {
            Ok(0) => BackchannelResult::None,
            Ok(_) => BackchannelResult::Ended,
            Err(error) => error.result(),
        });
        ended
    };
    tasks.spawn(work).await.unwrap_or(Err(BackchannelError::Aborted))
}

async fn end(services: &Services, notice: &Notice) -> Result<u64, BackchannelError> {
    let Logout { sid, subject, at, id, counts_until } = verified(services, notice).await?;
    let issuer = notice.tenant.auth0.issuer.clone();
    let key = Digest::of_parts([b"logout token".as_slice(), issuer.as_str().as_bytes(), id.as_bytes()]);
    let whose = match sid {
        Some(sid) => Whose::Sid { issuer, sid },
        None => Whose::User { issuer, subject, opened_before: Some(at) },
    };
    match services.sessions.first_time(key, counts_until).await {
        Ok(true) => {}
        Ok(false) => return Err(BackchannelError::Replayed),
        Err(error) => {
            // Auth0 does not come again.
            services.kept_ends.owe_all(&whose);
            return Err(BackchannelError::Store(error));
        }
    }
    services.sessions.end_all(&whose).await.map_err(BackchannelError::Store)
}

async fn verified(services: &Services, notice: &Notice) -> Result<Logout, BackchannelError> {
    let Notice { tenant, client, upstream, token } = notice;
    let header = verify::decode_header(token.expose()).map_err(BackchannelError::Signature)?;
    let keys = services.keys.find(tenant, header.kid.as_deref());
    let keys = upstream.measure(&*services.clock, keys).await.map_err(BackchannelError::Keys)?;
    let claims = verify::verify_signature(token.expose(), &keys, &[SigningAlg::Rs256]);
    let claims = claims.map_err(BackchannelError::Signature)?;
    let policy = LogoutTokenPolicy { issuer: &tenant.auth0.issuer, client_id: &client.client_id };
    policy.check(&claims, services.now()).map_err(BackchannelError::Policy)
}
