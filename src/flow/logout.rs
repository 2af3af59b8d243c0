//! Logging out: the session ends here, or a bearer is no longer taken; and the way to Auth0's own logout.

use std::sync::Arc;

use super::return_url;
use super::session;
use super::userinfo::{self, UserinfoError};
use super::{Call, Services};
use crate::base::secret::Secret;
use crate::session::kept_ends::Unheard;
use crate::session::{SessionId, StoreError};

/// Why a logout cannot be called done.
#[derive(Debug, thiserror::Error)]
pub enum LogoutError {
    /// The store did not answer: the session may still be there.
    #[error("the session store did not answer")]
    Store(#[source] StoreError),
    /// Where the visitor would go is not within the client's `logout_urls`.
    #[error("the way back is not within the client's logout_urls")]
    ReturnUrlNotAllowed,
    /// The bearer does not count in the first place.
    #[error("the bearer does not count")]
    Bearer(#[source] UserinfoError),
}

/// What a visitor asks of the logout at Auth0 (auth0-facts 1.7, 1.8).
#[derive(Debug)]
pub enum Leave {
    /// `/v2/logout`, also what `GET /logout` leads to.
    V2 {
        /// Where to afterwards; absent: the first of `logout_urls`.
        return_to: Option<String>,
        /// Whether to log out of the identity provider behind Auth0, too.
        federated: Federated,
    },
    /// `/oidc/logout`.
    Oidc {
        /// Where to afterwards; absent: Auth0's own page.
        post_logout_redirect_uri: Option<String>,
        /// `id_token_hint`, `logout_hint`, `state`, `ui_locales`, as far as given.
        passed: Vec<(&'static str, String)>,
        /// Whether to log out of the identity provider behind Auth0, too.
        federated: Federated,
    },
}

/// Whether a logout reaches the identity provider behind Auth0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Federated {
    /// Auth0's session alone.
    No,
    /// Also the one at the identity provider.
    Yes,
}

/// Auth0's page for the logout, built anew. Nothing has ended yet: a way back that is not allowed is told first.
/// `sid`: Auth0's id of the session that is about to end, which spares the visitor a question.
pub fn location(call: &Call, leave: Leave, sid: Option<&str>) -> Result<String, LogoutError> {
    let Call { tenant, client, host, .. } = call;
    let admit =
        |wanted: &str| return_url::admit(&client.logout_urls, host, wanted).ok_or(LogoutError::ReturnUrlNotAllowed);
    let mut parameters = vec![("client_id", client.client_id.to_string())];
    let (page, federated) = match leave {
        Leave::V2 { return_to, federated } => {
            let back = match return_to {
                Some(wanted) => Some(admit(&wanted)?),
                None => return_url::first(&client.logout_urls, host),
            };
            parameters.extend(back.map(|url| ("returnTo", url.as_str().to_owned())));
            (&tenant.auth0.v2_logout, federated)
        }
        Leave::Oidc { post_logout_redirect_uri, passed, federated } => {
            let back = post_logout_redirect_uri.map(|wanted| admit(&wanted)).transpose()?;
            parameters.extend(back.map(|url| ("post_logout_redirect_uri", url.as_str().to_owned())));
            if !passed.iter().any(|(name, _)| name.ends_with("_hint")) {
                parameters.extend(sid.map(|sid| ("logout_hint", sid.to_owned())));
            }
            parameters.extend(passed);
            (&tenant.auth0.oidc_logout, federated)
        }
    };
    if federated == Federated::Yes {
        parameters.push(("federated", "true".to_owned()));
    }
    let base = format!("{page}?");
    let start = base.len();
    Ok(form_urlencoded::Serializer::for_suffix(base, start).extend_pairs(parameters).finish())
}

/// Auth0's id of a session, where there is one and it is this client's.
pub async fn sid(services: &Services, call: &Call, id: &SessionId) -> Option<Box<str>> {
    session::read(services, call, id).await.ok()?.session.sid
}

/// Ends the session behind the cookie. One that is gone already, or was opened elsewhere, is no
/// error: there is nothing of this client's to end, and the cookie is cleared either way. While the store does not
/// answer that is an error, and the session ends as soon as it does.
pub async fn session(services: &Arc<Services>, call: &Call, id: &SessionId) -> Result<(), LogoutError> {
    match end(services, call, id).await {
        Ok(Some(refresh_token)) => revoke_later(services, call, refresh_token),
        Ok(None) => {}
        Err(error) => {
            if matches!(error, StoreError::Unavailable(_)) {
                services.kept_ends.owe(unheard(services, call, id));
            }
            return Err(LogoutError::Store(error));
        }
    }
    Ok(())
}

/// The session's refresh token, if it had one and this caller ended it.
async fn end(services: &Services, call: &Call, id: &SessionId) -> Result<Option<Secret>, StoreError> {
    if !session::is_own(services, call, id).await? {
        return Ok(None);
    }
    Ok(services.sessions.end(id).await?.and_then(|session| session.refresh_token))
}

fn unheard(services: &Arc<Services>, call: &Call, id: &SessionId) -> Unheard {
    let (owner, revoker) = (call.clone(), call.clone());
    // The services hold what is made here.
    let services = Arc::downgrade(services);
    Unheard {
        id: id.clone(),
        owns: Some(Box::new(move |session| session::is_of(&owner, session))),
        ended: Some(Box::new(move |session| {
            if let (Some(services), Some(refresh_token)) = (services.upgrade(), session.refresh_token) {
                revoke_later(&services, &revoker, refresh_token);
            }
        })),
    }
}

/// Forgets a refresh token that nobody has any more. Auth0 need not be up for it: the revocation follows on its
/// own, once.
pub(super) fn revoke_later(services: &Arc<Services>, call: &Call, refresh_token: Secret) {
    let (services, call) = (Arc::clone(services), call.clone());
    let tasks = services.tasks.clone();
    tasks.spawn(async move {
        if let Err(error) = services.auth0.revoke(&call.tenant, &call.client, &refresh_token).await {
            tracing::warn!(tenant = %call.tenant.name, %error, "a refresh token that nobody has any more could not be revoked");
        }
    });
}

/// Refuses the bearer in this process until it ends by itself. Access tokens cannot be revoked at
/// Auth0 (auth0-facts 1.6).
pub async fn bearer(services: &Arc<Services>, call: &Call, token: &str) -> Result<(), LogoutError> {
    userinfo::end_bearer(services, call, token).await.map_err(LogoutError::Bearer)
}
