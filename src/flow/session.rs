//! Sessions in use: opened at a login, checked against the request on every read, renewed in time.
//!
//! A session that is not this tenant's, client's or host's is refused and never deleted: another
//! replica, or this one after the next reload, may know it.

use std::time::Duration;

use jiff::Timestamp;

use super::environment::{EnvironmentError, Proof};
use super::refresh::{self, RefreshError};
use super::{Call, Services};
use crate::auth0::token::Granted;
use crate::jwt::claims::Claims;
use crate::session::{Session, SessionId, StoreError, Stored};

/// A session is touched at most this often (contract §9).
const TOUCH_EVERY: Duration = Duration::from_secs(60);

/// How long a session serves while Auth0 cannot confirm it (contract §9, stale on error).
const STALE_AT_MOST: Duration = Duration::from_secs(600);

/// Why a session cookie opens nothing.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// No such session, or it is over, logged out, or revoked by `revoke_before`.
    #[error("there is no such session")]
    Missing,
    /// It was opened by another tenant, issuer, client or host.
    #[error("the session was opened elsewhere")]
    Foreign,
    /// It belongs to another environment.
    #[error("the session belongs to another environment")]
    Environment(#[source] EnvironmentError),
    /// Auth0 no longer stands by it: the session ended.
    #[error("the session could not be renewed")]
    Ended(#[source] RefreshError),
    /// It needs Auth0's word, which cannot be had now. The session stays.
    #[error("the session cannot be confirmed now")]
    Unconfirmed(#[source] RefreshError),
    /// The store did not answer. The session stays.
    #[error("the session store did not answer")]
    Store(#[source] StoreError),
}

/// Opens a session for a login and ends the one the browser brought (no fixation).
pub async fn open(
    services: &Services,
    call: &Call,
    login: Login<'_>,
    brought: Option<&SessionId>,
) -> Result<SessionId, StoreError> {
    let id = SessionId::generate(&*services.random);
    let session = login.into_session(call, services.now());
    services.sessions.open(&id, session, call.client.session.per_user).await?;
    if let Some(brought) = brought
        && is_own(services, call, brought).await.unwrap_or(false)
    {
        services.sessions.end(brought).await?;
    }
    Ok(id)
}

/// What a login gave.
#[derive(Debug)]
pub struct Login<'a> {
    /// Auth0's answer.
    pub granted: &'a Granted,
    /// The verified ID token's claims.
    pub claims: Claims,
    /// Which connection it belongs to.
    pub proof: &'a Proof,
    /// The scope that was asked for, where Auth0 does not say what it granted.
    pub scope: String,
}

impl Login<'_> {
    fn into_session(self, call: &Call, now: Timestamp) -> Session {
        let policy = &call.client.session;
        let access_expires = after(now, Duration::from_secs(self.granted.expires_in));
        let mut ends = after(now, policy.lifetime);
        if self.granted.refresh_token.is_none() {
            // Nobody can confirm it any more once its access token has ended.
            ends = ends.min(access_expires);
        }
        Session {
            tenant: call.tenant.name.clone(),
            issuer: call.tenant.auth0.issuer.clone(),
            client_type: call.client.client_type.clone(),
            client_id: call.client.client_id.clone(),
            host: call.host.name().into(),
            connection: self.proof.connection().cloned(),
            connection_proven: self.proof.connection().is_some(),
            subject: self.claims.sub.clone(),
            sid: self.claims.sid.clone(),
            claims: self.claims.object,
            access_token: self.granted.access_token.clone(),
            access_expires,
            refresh_token: self.granted.refresh_token.clone(),
            refresh_token_rotates: None,
            scope: self.granted.scope.clone().unwrap_or_else(|| self.scope.into()),
            opened: now,
            confirmed: now,
            idle_until: after(now, policy.idle),
            ends,
        }
    }
}

/// The session behind a cookie, checked, touched and, where it is due, renewed.
pub async fn load(services: &std::sync::Arc<Services>, call: &Call, id: &SessionId) -> Result<Stored, SessionError> {
    let stored = read(services, call, id).await?;
    let now = services.now();
    touch(services, call, id, &stored.session, now).await?;
    if !is_renewal_due(call, &stored.session, now) {
        return Ok(stored);
    }
    // Boxed, as it is rare and large: every read would carry it otherwise.
    match Box::pin(refresh::renew_session(services, call, id, stored.clone())).await {
        Ok(renewed) => Ok(renewed),
        Err(error) if error.ends_the_session() => Err(SessionError::Ended(error)),
        Err(_) if may_serve_unconfirmed(call, &stored.session, now) => Ok(stored),
        Err(error) => Err(SessionError::Unconfirmed(error)),
    }
}

/// Renews the session now, because its holder asks for it. Seconds that the access token has to live.
pub async fn renew(services: &std::sync::Arc<Services>, call: &Call, id: &SessionId) -> Result<u64, SessionError> {
    let stored = read(services, call, id).await?;
    touch(services, call, id, &stored.session, services.now()).await?;
    let renewed = match refresh::renew_session(services, call, id, stored).await {
        Ok(renewed) => renewed,
        Err(error) if error.ends_the_session() => return Err(SessionError::Ended(error)),
        Err(error) => return Err(SessionError::Unconfirmed(error)),
    };
    let left = renewed.session.access_expires.as_second() - services.now().as_second();
    Ok(u64::try_from(left).unwrap_or(0))
}

/// The session behind a cookie, checked against the request, as the store has it.
pub async fn read(services: &Services, call: &Call, id: &SessionId) -> Result<Stored, SessionError> {
    let stored = services.sessions.read(id).await.map_err(SessionError::Store)?.ok_or(SessionError::Missing)?;
    check(call, &stored.session)?;
    Ok(stored)
}

/// Whether the session behind a cookie is this client's to end, also where it does not count at the moment: what
/// `revoke_before` or the environments refuse today a file may let pass tomorrow.
pub async fn is_own(services: &Services, call: &Call, id: &SessionId) -> Result<bool, StoreError> {
    let stored = services.sessions.read(id).await?;
    Ok(stored.is_some_and(|stored| is_of(call, &stored.session)))
}

/// Whether this client opened it, on a host that counts.
fn is_of(call: &Call, session: &Session) -> bool {
    let Call { tenant, client, host, .. } = call;
    session.tenant == tenant.name
        && session.issuer == tenant.auth0.issuer
        && session.client_type == client.client_type
        && session.client_id == client.client_id
        && (*session.host == *host.name() || client.session.hosts.iter().any(|pattern| pattern.covers(host)))
}

/// Whether a session counts for this request.
fn check(call: &Call, session: &Session) -> Result<(), SessionError> {
    let Call { tenant, host, .. } = call;
    if !is_of(call, session) {
        return Err(SessionError::Foreign);
    }
    if tenant.revoke_before.is_some_and(|before| session.opened < before) {
        return Err(SessionError::Missing);
    }
    let proof = match &session.connection {
        Some(connection) if session.connection_proven => Proof::Proven(connection.clone()),
        _ => Proof::None,
    };
    proof.admit(tenant, host).map_err(SessionError::Environment)
}

async fn touch(
    services: &Services,
    call: &Call,
    id: &SessionId,
    session: &Session,
    now: Timestamp,
) -> Result<(), SessionError> {
    let idle_until = after(now, call.client.session.idle);
    if idle_until < after(session.idle_until, TOUCH_EVERY) {
        return Ok(());
    }
    match services.sessions.touch(id, idle_until).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(SessionError::Missing),
        Err(error) => Err(SessionError::Store(error)),
    }
}

/// A session that can be refreshed is, before its access token ends and when Auth0 has not
/// confirmed it for `recheck`.
fn is_renewal_due(call: &Call, session: &Session, now: Timestamp) -> bool {
    session.refresh_token.is_some()
        && (after(now, call.client.refresh.margin) >= session.access_expires
            || now >= after(session.confirmed, call.client.session.recheck))
}

fn may_serve_unconfirmed(call: &Call, session: &Session, now: Timestamp) -> bool {
    now < session.access_expires && now < after(session.confirmed, call.client.session.recheck + STALE_AT_MOST)
}

/// Time arithmetic that stays at the ends of time.
pub(crate) fn after(time: Timestamp, by: Duration) -> Timestamp {
    time.saturating_add(by).unwrap_or(Timestamp::MAX)
}
