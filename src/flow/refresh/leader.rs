//! The one who redeems a token while others wait: it says so before, and what came of it after.
//!
//! Owns what stands in the store about a token. Before one that may rotate goes to Auth0 that intent is written,
//! under the lease and fenced; in its place comes the answer. Who finds an intent and holds the lease knows that its
//! writer is gone, and that nobody knows what Auth0 did.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use super::super::session::after;
use super::super::{Call, Services};
use super::sharing::{Known, Presentation, SharedAnswer};
use super::{Holder, Presented, Redeemed, RefreshError, Repeatable, store};
use crate::auth0::error::UpstreamError;
use crate::auth0::token::{TokenAnswer, TokenCall};
use crate::base::digest::Digest;
use crate::oauth::grant::GrantType;
use crate::session::Lease;

/// How long a lease holds without being renewed, and how often it is (contract §9).
const LEASE: Duration = Duration::from_secs(10);
const RENEW_EVERY: Duration = Duration::from_secs(3);

/// How often a caller looks whether the replica that holds the lease has shared its answer.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How long a caller's token whose outcome is unknown is not presented again. Its family is lost if Auth0 took it,
/// and a caller that was told so logs in again.
const CALLERS_INTENT_KEPT: Duration = Duration::from_hours(1);

/// How long an answer is at least there for renewals after its session has it: longer than another replica may
/// believe its copy of the record from before.
const COPIES_BELIEVED: Duration = Duration::from_secs(10);

/// The caller on whom the redeeming fell.
pub(super) struct Leader {
    pub(super) services: Arc<Services>,
    pub(super) call: Call,
    pub(super) presented: Presented,
    pub(super) token_key: Digest,
    pub(super) asked: Digest,
}

impl Leader {
    pub(super) async fn lead(self) -> Result<Redeemed, RefreshError> {
        let until = tokio::time::Instant::now() + self.call.client.refresh.timeout;
        // Nothing was presented yet by whoever only waited.
        let lease = match tokio::time::timeout_at(until, self.wait_for_lease()).await {
            Ok(waited) => waited?,
            Err(_) => return Err(RefreshError::Busy),
        };
        let lease = match lease {
            Waited::Lease(lease) => lease,
            Waited::Answer(answer) => return answer,
        };
        match tokio::time::timeout_at(until, self.with_lease(lease)).await {
            Ok(result) => {
                // A lease that is not given back runs out by itself.
                let _ = self.services.sessions.release(self.token_key, lease).await;
                result
            }
            Err(_) => Err(self.unknown(UpstreamError::Timeout)),
        }
    }

    async fn wait_for_lease(&self) -> Result<Waited, RefreshError> {
        loop {
            if let Some(answer) = self.answer_in(self.known().await?) {
                return Ok(Waited::Answer(answer));
            }
            match self.services.sessions.lease(self.token_key, LEASE).await.map_err(store)? {
                Some(lease) => return Ok(Waited::Lease(lease)),
                None => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }

    async fn with_lease(&self, lease: Lease) -> Result<Redeemed, RefreshError> {
        // Between the look and the lease another replica may have finished, or crashed.
        let earlier = match self.known().await? {
            Some(Known::Presented(earlier)) => Some(earlier),
            known => match self.answer_in(known) {
                Some(answer) => return answer,
                None => None,
            },
        };
        tokio::select! {
            result = self.present(lease, earlier) => result,
            never = self.keep(lease) => match never {},
        }
    }

    /// Holds the lease while Auth0 takes its time.
    async fn keep(&self, lease: Lease) -> std::convert::Infallible {
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            // A failure to renew is not a reason to drop the call: the token is on its way.
            let _ = self.services.sessions.renew(self.token_key, lease, LEASE).await;
        }
    }

    /// Presents the token, having said so first, and says what came of it.
    async fn present(&self, lease: Lease, earlier: Option<Presentation>) -> Result<Redeemed, RefreshError> {
        if self.presented.repeatable == Repeatable::Always {
            let result = match self.call_auth0().await {
                Err(error) if error.is_outcome_unknown() => self.call_auth0().await,
                result => result,
            };
            let result = self.result(result);
            self.settle(lease, None, &result).await;
            return result;
        }
        let intent = match earlier {
            // Whoever presented it has crashed, or lost its lease: nobody knows what Auth0 did.
            Some(earlier) => self.repeated(earlier).ok_or_else(|| self.unknown(UpstreamError::Timeout))?,
            None => Presentation { first: self.services.now(), repeated: false },
        };
        self.intend(lease, intent).await?;
        let mut result = self.call_auth0().await;
        if let Err(error) = &result
            && error.is_outcome_unknown()
        {
            let Some(intent) = self.repeated(intent) else { return self.result(result) };
            self.intend(lease, intent).await?;
            // However the second try failed, what became of the first is as unknown as before.
            result = self.call_auth0().await;
            let result = result.map_err(|error| self.unknown(error)).and_then(|answer| self.redeemed(answer));
            self.settle(lease, Some(intent), &result).await;
            return result;
        }
        let result = self.result(result);
        self.settle(lease, earlier, &result).await;
        result
    }

    /// The second time, if there may be one.
    fn repeated(&self, intent: Presentation) -> Option<Presentation> {
        let is_within = self.services.now() < after(intent.first, self.call.client.refresh.leeway);
        (is_within && !intent.repeated).then_some(Presentation { repeated: true, ..intent })
    }

    /// Says that the token is about to be presented. Who lost the lease meanwhile must not.
    async fn intend(&self, lease: Lease, intent: Presentation) -> Result<(), RefreshError> {
        let is_ours = self.tell(lease, &Known::Presented(intent), self.intent_kept_until()).await?;
        if is_ours { Ok(()) } else { Err(RefreshError::Busy) }
    }

    fn intent_kept_until(&self) -> Timestamp {
        match self.presented.holder {
            Holder::Caller => after(self.services.now(), CALLERS_INTENT_KEPT),
            Holder::Session(ends) => ends,
        }
    }

    fn result(&self, answer: Result<TokenAnswer, UpstreamError>) -> Result<Redeemed, RefreshError> {
        match answer {
            Ok(answer) => self.redeemed(answer),
            Err(error) if error.is_outcome_unknown() => Err(self.unknown(error)),
            Err(error) => Err(RefreshError::Upstream(Arc::new(error))),
        }
    }

    fn redeemed(&self, answer: TokenAnswer) -> Result<Redeemed, RefreshError> {
        match answer {
            TokenAnswer::Granted(granted) => Ok(Redeemed { granted, shared: false, at: self.services.now() }),
            TokenAnswer::Refused(refusal) => Err(RefreshError::Refused(refusal)),
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

    async fn known(&self) -> Result<Option<Known>, RefreshError> {
        let bytes = self.services.sessions.shared(self.token_key).await.map_err(store)?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// What another caller with this token got for the same wish, while that is shared.
    fn answer_in(&self, known: Option<Known>) -> Option<Result<Redeemed, RefreshError>> {
        let Some(Known::Answered(answer)) = known else { return None };
        let is_for_us = match self.presented.holder {
            Holder::Session(_) if self.presented.repeatable == Repeatable::WithinLeeway => true,
            Holder::Session(_) | Holder::Caller => self.services.now() < answer.shared_until,
        };
        (is_for_us && answer.asked == self.asked.to_string()).then(|| answer.into_result())
    }

    /// Puts in the intent's place what came: an answer, or that the token was not taken. An outcome that is unknown
    /// leaves the intent.
    async fn settle(&self, lease: Lease, earlier: Option<Presentation>, result: &Result<Redeemed, RefreshError>) {
        let now = self.services.now();
        let shared_until = after(now, self.call.client.refresh.sharing);
        let (known, until) = match SharedAnswer::of(self.asked, (now, shared_until), result) {
            Some(answer) => {
                let until = match self.presented.holder {
                    Holder::Caller => shared_until,
                    // One that does not rotate is asked for anew.
                    Holder::Session(_) if self.presented.repeatable == Repeatable::Always => shared_until,
                    Holder::Session(ends) => ends.max(shared_until),
                };
                (Known::Answered(answer), until)
            }
            None if matches!(result, Err(RefreshError::Lost(_))) => return,
            None => match earlier {
                // This time it was not taken; of the time before nothing is known.
                Some(earlier) => (Known::Presented(earlier), self.intent_kept_until()),
                None => (Known::Presented(Presentation { first: now, repeated: false }), now),
            },
        };
        // Whoever is not shown the answer finds the intent.
        let _ = self.tell(lease, &known, until).await;
    }

    async fn tell(&self, lease: Lease, known: &Known, until: Timestamp) -> Result<bool, RefreshError> {
        // It is made of texts and numbers: there is nothing that cannot be written.
        let bytes = serde_json::to_vec(known).unwrap_or_default();
        self.services.sessions.share(self.token_key, lease, Bytes::from(bytes), until).await.map_err(store)
    }
}

/// What waiting for the lease gave.
enum Waited {
    Lease(Lease),
    Answer(Result<Redeemed, RefreshError>),
}

/// The session has its answer: it need not be found much longer.
pub(super) async fn let_go(services: &Services, call: &Call, presented: &Presented, rotated: bool) {
    let (sessions, key) = (&services.sessions, presented.token_key(call));
    // What fails here costs room in the store until the session's end.
    let Ok(Some(bytes)) = sessions.shared(key).await else { return };
    let Ok(Some(lease)) = sessions.lease(key, LEASE).await else { return };
    let sharing = call.client.refresh.sharing;
    let until = after(services.now(), if rotated { sharing.max(COPIES_BELIEVED) } else { sharing });
    let _ = sessions.share(key, lease, bytes, until).await;
    let _ = sessions.release(key, lease).await;
}
