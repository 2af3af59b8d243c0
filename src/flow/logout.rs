//! Logging out here: the session ends, or a bearer is no longer taken.

use std::sync::Arc;

use super::session::{self, SessionError};
use super::userinfo::{self, UserinfoError};
use super::{Call, Services};
use crate::session::{SessionId, StoreError};

/// Why a logout cannot be called done.
#[derive(Debug, thiserror::Error)]
pub enum LogoutError {
    /// The store did not answer: the session may still be there.
    #[error("the session store did not answer")]
    Store(#[source] StoreError),
    /// The bearer does not count in the first place.
    #[error("the bearer does not count")]
    Bearer(#[source] UserinfoError),
}

/// Ends the session behind the cookie. One that is gone already, or was opened elsewhere, is no
/// error: there is nothing of this client's to end, and the cookie is cleared either way.
pub async fn session(services: &Arc<Services>, call: &Call, id: &SessionId) -> Result<(), LogoutError> {
    match session::read(services, call, id).await {
        Ok(_) | Err(SessionError::Environment(_)) => {}
        Err(SessionError::Store(error)) => return Err(LogoutError::Store(error)),
        Err(_) => return Ok(()),
    }
    let ended = services.sessions.end(id).await.map_err(LogoutError::Store)?;
    if let Some(refresh_token) = ended.and_then(|session| session.refresh_token) {
        revoke_later(services, call, refresh_token);
    }
    Ok(())
}

/// Auth0 need not be up for a logout: the revocation follows on its own, once.
fn revoke_later(services: &Arc<Services>, call: &Call, refresh_token: crate::base::secret::Secret) {
    let (services, call) = (Arc::clone(services), call.clone());
    let tasks = services.tasks.clone();
    tasks.spawn(async move {
        if let Err(error) = services.auth0.revoke(&call.tenant, &call.client, &refresh_token).await {
            tracing::warn!(tenant = %call.tenant.name, %error, "the refresh token of an ended session could not be revoked");
        }
    });
}

/// Refuses the bearer in this process until it ends by itself. Access tokens cannot be revoked at
/// Auth0 (auth0-facts 1.6).
pub async fn bearer(services: &Arc<Services>, call: &Call, token: &str) -> Result<(), LogoutError> {
    userinfo::end_bearer(services, call, token).await.map_err(LogoutError::Bearer)
}
