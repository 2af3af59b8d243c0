//! Refreshes: for one refresh token at most one request to Auth0 is under way.
//!
//! Two layers. *Redeem* is keyed by the token: whoever brings the same one, in this process or in
//! another with the same store, gets the one answer, for as long as `refresh.sharing` says. *Renew*
//! is keyed by the session: it redeems the session's token and writes what came of it, unless the
//! session was logged out meanwhile. Both outlive their callers.

mod renewal;
mod sharing;

pub use renewal::renew_session;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use sharing::SharedAnswer;

use super::id_token::IdTokenError;
use super::session::after;
use super::{Call, Services};
use crate::auth0::error::UpstreamError;
use crate::auth0::token::{Granted, Refusal, TokenAnswer, TokenCall};
use crate::base::digest::Digest;
use crate::base::secret::Secret;
use crate::cache::read_through::SingleFlight;
use crate::oauth::grant::GrantType;
use crate::session::{Lease, StoreError, Stored};
use crate::telemetry::metrics::RefreshResult;

/// How long a lease holds without being renewed, and how often it is (contract §9).
const LEASE: Duration = Duration::from_secs(10);
const RENEW_EVERY: Duration = Duration::from_secs(3);

/// How often a caller looks whether the replica that holds the lease has shared its answer.
const LOOK_EVERY: Duration = Duration::from_millis(50);

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
}

/// A refresh token and what to ask for with it.
#[derive(Debug)]
pub struct Presented {
    /// The token.
    pub token: Secret,
    /// A subset of the granted scope.
    pub scope: Option<String>,
    /// For multi-resource refresh tokens.
    pub audience: Option<String>,
    /// Whether the token may be presented once more when the outcome is unknown.
    pub repeatable: Repeatable,
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

/// The caller on whom the redeeming fell.
struct Leader {
    services: Arc<Services>,
    call: Call,
    presented: Presented,
    token_key: Digest,
    asked: Digest,
}

impl Leader {
    async fn lead(self) -> Result<Redeemed, RefreshError> {
        let timeout = self.call.client.refresh.timeout;
        match tokio::time::timeout(timeout, self.lead_in_time()).await {
            Ok(result) => result,
            Err(_) => Err(self.unknown(UpstreamError::Timeout)),
        }
    }

    async fn lead_in_time(&self) -> Result<Redeemed, RefreshError> {
        let sessions = &self.services.sessions;
        let lease = loop {
            if let Some(answer) = self.shared_answer().await? {
                return answer;
            }
            match sessions.lease(self.token_key, LEASE).await.map_err(store)? {
                Some(lease) => break lease,
                None => tokio::time::sleep(LOOK_EVERY).await,
            }
        };
        let result = self.with_lease(lease).await;
        // A lease that is not given back runs out by itself.
        let _ = sessions.release(self.token_key, lease).await;
        result
    }

    async fn with_lease(&self, lease: Lease) -> Result<Redeemed, RefreshError> {
        // Between the look and the lease another replica may have finished.
        if let Some(answer) = self.shared_answer().await? {
            return answer;
        }
        let result = tokio::select! {
            result = self.present() => result,
            never = self.keep(lease) => match never {},
        };
        self.share(lease, &result).await;
        result
    }

    /// Holds the lease while Auth0 takes its time.
    async fn keep(&self, lease: Lease) -> std::convert::Infallible {
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            // A failure to renew is not a reason to drop the call: the token is on its way.
            let _ = self.services.sessions.renew(self.token_key, lease, LEASE).await;
        }
    }

    /// Presents the token, and once more where its outcome is unknown and that is safe.
    async fn present(&self) -> Result<Redeemed, RefreshError> {
        let clock = &self.services.clock;
        let began = clock.instant();
        let error = match self.call_auth0().await {
            Ok(answer) => return redeemed(answer),
            Err(error) => error,
        };
        if !error.is_outcome_unknown() {
            return Err(RefreshError::Upstream(Arc::new(error)));
        }
        let within_leeway = clock.instant().saturating_duration_since(began) < self.call.client.refresh.leeway;
        if self.presented.repeatable == Repeatable::WithinLeeway && !within_leeway {
            return Err(self.unknown(error));
        }
        match self.call_auth0().await {
            Ok(answer) => redeemed(answer),
            // However the second try failed, what became of the first is as unknown as before.
            Err(error) => Err(self.unknown(error)),
        }
    }

    /// Nobody knows what Auth0 did: a token that does not rotate is none the worse for it.
    fn unknown(&self, error: UpstreamError) -> RefreshError {
        match self.presented.repeatable {
            Repeatable::Always => RefreshError::Upstream(Arc::new(error)),
            Repeatable::WithinLeeway => RefreshError::Lost(Arc::new(error)),
        }
    }

    async fn call_auth0(&self) -> Result<TokenAnswer, UpstreamError> {
        let mut parameters: Vec<(&str, Cow<'_, str>)> = vec![
            ("grant_type", GrantType::RefreshToken.wire().into()),
            ("refresh_token", self.presented.token.expose().into()),
        ];
        parameters.extend(self.presented.scope.as_deref().map(|scope| ("scope", scope.into())));
        parameters.extend(self.presented.audience.as_deref().map(|audience| ("audience", audience.into())));
        self.services
            .auth0
            .token(TokenCall {
                tenant: &self.call.tenant,
                client: &self.call.client,
                parameters: &parameters,
                forwarded_for: None,
                timeout: Some(self.call.client.refresh.timeout),
            })
            .await
    }

    /// What another caller with this token got for the same wish, while that is shared.
    async fn shared_answer(&self) -> Result<Option<Result<Redeemed, RefreshError>>, RefreshError> {
        let shared = self.services.sessions.shared(self.token_key).await.map_err(store)?;
        let answer = shared.and_then(|bytes| serde_json::from_slice::<SharedAnswer>(&bytes).ok());
        Ok(answer.filter(|answer| answer.asked == self.asked.to_string()).map(SharedAnswer::into_result))
    }

    async fn share(&self, lease: Lease, result: &Result<Redeemed, RefreshError>) {
        let sharing = self.call.client.refresh.sharing;
        let Some(answer) = SharedAnswer::of(self.asked, result).filter(|_| !sharing.is_zero()) else { return };
        let Ok(bytes) = serde_json::to_vec(&answer) else { return };
        let until = after(self.services.now(), sharing);
        // Whoever is not shown the answer asks Auth0, whose reuse detection decides.
        let _ = self.services.sessions.share(self.token_key, lease, Bytes::from(bytes), until).await;
    }
}

fn redeemed(answer: TokenAnswer) -> Result<Redeemed, RefreshError> {
    match answer {
        TokenAnswer::Granted(granted) => Ok(Redeemed { granted, shared: false }),
        TokenAnswer::Refused(refusal) => Err(RefreshError::Refused(refusal)),
    }
}

fn store(error: StoreError) -> RefreshError {
    RefreshError::Store(Arc::new(error))
}
