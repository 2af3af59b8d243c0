//! Renewing a session: its token redeemed, the new tokens written, unless it was logged out.

use std::sync::Arc;

use super::super::id_token::{self, Asked};
use super::super::session::after;
use super::super::{Call, Services, UpstreamTime};
use super::leader::let_go;
use super::{Holder, Presented, Redeemed, RefreshError, Repeatable, redeem_to_the_end, store, wait};
use crate::base::digest::Digest;
use crate::jwt::claims::Claims;
use crate::jwt::policy::Nonce;
use crate::session::{Replaced, Session, SessionId, Stored};
use crate::telemetry::metrics::RefreshResult;

/// Renews the session, or waits for whoever does. The one who asks with a session that was renewed
/// within `refresh.sharing` gets that.
pub async fn renew_session(
    services: &Arc<Services>,
    call: &Call,
    id: &SessionId,
    stored: Stored,
) -> Result<Stored, RefreshError> {
    let key = Digest::of_parts([b"session".as_slice(), id.expose().as_bytes()]);
    let renewal = Renewal { services: Arc::clone(services), call: waiting(call), id: id.clone(), stored };
    let flight = services.refreshes.renewing.run(key, &services.tasks, || async move { Arc::new(renewal.run().await) });
    let (result, _) = wait(services, call, flight).await?;
    Result::clone(&result)
}

/// The call as the work sees it: who waits counts the whole wait, and not its parts again.
fn waiting(call: &Call) -> Call {
    Call { upstream: UpstreamTime::default(), ..call.clone() }
}

struct Renewal {
    services: Arc<Services>,
    call: Call,
    id: SessionId,
    stored: Stored,
}

/// A session with its new tokens, and who wrote them.
struct Written {
    stored: Stored,
    by_us: bool,
}

impl Renewal {
    async fn run(self) -> Result<Stored, RefreshError> {
        let result = self.renew().await;
        if let Err(error) = &result
            && error.ends_the_session()
        {
            // The end of a session that is already gone is no news; a store that does not answer
            // is told by the next read.
            let _ = self.services.sessions.end(&self.id).await;
        }
        result
    }

    async fn renew(&self) -> Result<Stored, RefreshError> {
        // The record that the caller read may be old by now: the last renewal's is the one.
        let current = self.services.sessions.read(&self.id).await.map_err(store)?.ok_or(RefreshError::LoggedOut)?;
        let now = self.services.now();
        if current.version != self.stored.version || self.is_fresh(&current.session, now) {
            self.services.metrics.refresh(RefreshResult::Shared);
            return Ok(current);
        }
        let token = current.session.refresh_token.clone().ok_or(RefreshError::NoRefreshToken)?;
        let repeatable = match current.session.refresh_token_rotates {
            Some(false) => Repeatable::Always,
            Some(true) | None => Repeatable::WithinLeeway,
        };
        let holder = Holder::Session(current.session.ends);
        let presented = Presented { token, scope: None, audience: None, repeatable, holder };
        let redeemed = redeem_to_the_end(&self.services, &self.call, presented.clone()).await?;
        let claims = self.verified_claims(&redeemed, &current.session).await?;
        let Written { stored, by_us } = self.write(current, &redeemed, claims).await?;
        if by_us && repeatable == Repeatable::WithinLeeway {
            let rotated = stored.session.refresh_token_rotates == Some(true);
            let_go(&self.services, &self.call, &presented, rotated).await;
        }
        Ok(stored)
    }

    /// Whether a renewal just happened, which this caller shares.
    fn is_fresh(&self, session: &Session, now: jiff::Timestamp) -> bool {
        session.confirmed > session.opened && now < after(session.confirmed, self.call.client.refresh.sharing)
    }

    /// A refreshed ID token must be of the same issuer and user (contract §4). Auth0 may send none.
    async fn verified_claims(&self, redeemed: &Redeemed, session: &Session) -> Result<Option<Claims>, RefreshError> {
        let Some(token) = &redeemed.granted.id_token else { return Ok(None) };
        let nonce = session.claims.get("nonce").and_then(serde_json::Value::as_str);
        let asked = Asked { nonce: nonce.map_or(Nonce::Absent, Nonce::AbsentOr), ..Asked::default() };
        let claims = id_token::verify(&self.services, &self.call, token, asked).await;
        let claims = claims.map_err(|error| RefreshError::IdToken(Arc::new(error)))?;
        if claims.sub != session.subject {
            return Err(RefreshError::OtherUser);
        }
        Ok(Some(claims))
    }

    /// Writes what came, onto whatever the record has become. A session that is gone stays gone.
    async fn write(
        &self,
        mut current: Stored,
        redeemed: &Redeemed,
        claims: Option<Claims>,
    ) -> Result<Written, RefreshError> {
        let token = current.session.refresh_token.clone();
        loop {
            let session = Self::renewed(current.session, redeemed, claims.as_ref());
            let replaced = self.services.sessions.replace(&self.id, current.version, session.clone()).await;
            match replaced.map_err(store)? {
                Replaced::Done(version) => {
                    return Ok(Written { stored: Stored { session, version }, by_us: true });
                }
                Replaced::Gone => return Err(RefreshError::LoggedOut),
                Replaced::Changed => {
                    current =
                        self.services.sessions.read(&self.id).await.map_err(store)?.ok_or(RefreshError::LoggedOut)?;
                    // Another replica has written this answer, or a later one, which must not be lost to an older.
                    if current.session.refresh_token != token || current.session.confirmed >= redeemed.at {
                        return Ok(Written { stored: current, by_us: false });
                    }
                }
            }
        }
    }

    fn renewed(mut session: Session, redeemed: &Redeemed, claims: Option<&Claims>) -> Session {
        // By when it was got: a renewal may find the answer of one that crashed long ago.
        let now = redeemed.at;
        let granted = &redeemed.granted;
        session.access_token = granted.access_token.clone();
        session.access_expires = after(now, std::time::Duration::from_secs(granted.expires_in));
        // A reply without a new token keeps the old (auth0-facts 1.4); so does one that repeats it.
        session.refresh_token_rotates =
            Some(granted.refresh_token.is_some() && granted.refresh_token != session.refresh_token);
        if let Some(token) = &granted.refresh_token {
            session.refresh_token = Some(token.clone());
        }
        if let Some(scope) = &granted.scope {
            session.scope = scope.clone();
        }
        if let Some(claims) = claims {
            // `sid` is kept from the login: a refreshed ID token has none. So is `nonce`, for the next one.
            let nonce = session.claims.get("nonce").cloned();
            session.claims.clone_from(&claims.object);
            session.claims.extend(nonce.map(|nonce| ("nonce".to_owned(), nonce)));
        }
        session.confirmed = now;
        session
    }
}
