//! Refreshes: for one refresh token at most one request to Auth0 is under way.
//!
//! Two layers. *Redeem* is keyed by the token: whoever brings the same one, in this process or in
//! another with the same store, gets the one answer, for as long as `refresh.sharing` says. *Renew*
//! is keyed by the session: it redeems the session's token and writes what came of it, unless the
//! session was logged out meanwhile. Both outlive their callers.

mod leader;
mod renewal;
mod sharing;

pub use renewal::renew_session;

use std::sync::Arc;

use jiff::Timestamp;

use leader::Leader;

use super::id_token::IdTokenError;
use super::{Call, Services};
use crate::auth0::error::UpstreamError;
use crate::auth0::token::{Granted, Refusal};
use crate::base::digest::Digest;
use crate::base::secret::Secret;
use crate::cache::read_through::SingleFlight;
use crate::session::{StoreError, Stored};
use crate::telemetry::metrics::RefreshResult;

/// Refreshes under way in this process.
#[derive(Debug, Default)]
pub struct Refreshes {
    redeeming: SingleFlight<Digest, Arc<Result<Redeemed, RefreshError>>>,
    renewing: SingleFlight<Digest, Arc<Result<Stored, RefreshError>>>,
}

/// Why a refresh gave no tokens.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RefreshError {
    /// Auth0 refused: the token is unknown, used, expired or revoked.
    #[error("Auth0 refused the refresh token")]
    Refused(Refusal),
    /// Nobody knows whether Auth0 took the token, and it may rotate: presenting it again could
    /// kill the family.
    #[error("the outcome of the refresh is unknown")]
    Lost(#[source] Arc<UpstreamError>),
    /// Auth0 did not take the token, or it can be presented again.
    #[error("Auth0 did not answer the refresh")]
    Upstream(#[source] Arc<UpstreamError>),
    /// What came is no ID token of this login.
    #[error("the refreshed ID token is not believed")]
    IdToken(#[source] Arc<IdTokenError>),
    /// The refreshed ID token names another user.
    #[error("the refreshed ID token names another user")]
    OtherUser,
    /// The session was ended while it was renewed.
    #[error("the session was ended meanwhile")]
    LoggedOut,
    /// The session holds no refresh token.
    #[error("the session has no refresh token")]
    NoRefreshToken,
    /// It is under way and goes on; this caller has waited long enough.
    #[error("the refresh is still under way")]
    Busy,
    /// The store did not answer.
    #[error("the session store did not answer")]
    Store(#[source] Arc<StoreError>),
}

impl RefreshError {
    /// Whether nothing can bring the session back.
    pub fn ends_the_session(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.is_final(),
            Self::Lost(_) | Self::OtherUser | Self::LoggedOut => true,
            Self::Upstream(_) | Self::IdToken(_) | Self::NoRefreshToken | Self::Busy | Self::Store(_) => false,
        }
    }

    fn label(&self) -> RefreshResult {
        match self {
            Self::Refused(refusal) if refusal.is_final() => RefreshResult::Rejected,
            Self::Lost(_) => RefreshResult::Lost,
            _ => RefreshResult::Error,
        }
    }
}

/// Auth0's answer to a refresh token, and whether it is another caller's.
#[derive(Debug, Clone)]
pub struct Redeemed {
    /// The tokens.
    pub granted: Granted,
    /// Whether they were got by an earlier caller.
    pub shared: bool,
    /// When Auth0 gave them.
    pub at: Timestamp,
}

/// A refresh token and what to ask for with it.
#[derive(Debug, Clone)]
pub struct Presented {
    /// The token.
    pub token: Secret,
    /// A subset of the granted scope.
    pub scope: Option<String>,
    /// For multi-resource refresh tokens.
    pub audience: Option<String>,
    /// Whether the token may be presented once more when the outcome is unknown.
    pub repeatable: Repeatable,
    /// Whose token it is.
    pub holder: Holder,
}

/// Whose token it is: who can say what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// The caller, who was told.
    Caller,
    /// A session that ends then. Its token is in the store alone, so an answer must be found there until the
    /// session has it: whoever held it may crash in between.
    Session(Timestamp),
}

/// Whether a token whose outcome is unknown may be presented once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeatable {
    /// A refresh with it gave no new one: it does not rotate.
    Always,
    /// It may rotate: only within Auth0's overlap.
    WithinLeeway,
}

impl Presented {
    /// What names the token: for the lease.
    fn token_key(&self, call: &Call) -> Digest {
        let issuer = call.tenant.auth0.issuer.as_str().as_bytes();
        Digest::of_parts([
            b"refresh".as_slice(),
            issuer,
            call.client.client_id.as_bytes(),
            self.token.digest().as_bytes(),
        ])
    }

    /// What is asked for with it: the same token may be redeemed for another audience.
    fn asked(&self) -> Digest {
        let part = |text: &Option<String>| text.clone().unwrap_or_default().into_bytes();
        Digest::of_parts([part(&self.scope).as_slice(), &part(&self.audience)])
    }
}

/// Redeems a refresh token, or waits for whoever does, as long as a caller waits.
pub async fn redeem(services: &Arc<Services>, call: &Call, presented: Presented) -> Result<Redeemed, RefreshError> {
    wait(services, call, redeem_to_the_end(services, call, presented)).await?
}

/// The same for work that nobody waits for: it must learn what came of the token.
async fn redeem_to_the_end(
    services: &Arc<Services>,
    call: &Call,
    presented: Presented,
) -> Result<Redeemed, RefreshError> {
    let token_key = presented.token_key(call);
    let asked = presented.asked();
    let flight_key = Digest::of_parts([token_key.as_bytes().as_slice(), asked.as_bytes()]);
    let leader = Leader { services: Arc::clone(services), call: call.clone(), presented, token_key, asked };
    let work = || async move { Arc::new(leader.lead().await) };
    let (result, led) = services.refreshes.redeeming.run(flight_key, &services.tasks, work).await;
    let label = match &*result {
        Ok(redeemed) if led && !redeemed.shared => RefreshResult::Ok,
        Ok(_) => RefreshResult::Shared,
        Err(error) => error.label(),
    };
    services.metrics.refresh(label);
    Result::clone(&result)
}

/// Waits as long as a caller waits for Auth0. The work goes on without its callers: what came of a
/// refresh token must not be lost (contract §4, Refresh).
async fn wait<T>(services: &Services, call: &Call, flight: impl Future<Output = T>) -> Result<T, RefreshError> {
    let waited =
        call.upstream.measure(&*services.clock, tokio::time::timeout(call.tenant.limits.timeout, flight)).await;
    waited.map_err(|_| RefreshError::Busy)
}

fn store(error: StoreError) -> RefreshError {
    RefreshError::Store(Arc::new(error))
}
