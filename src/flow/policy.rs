//! What a login may ask for, decided before Auth0 hears of it: the same rules for every grant and for the
//! authorization endpoint.

use super::Call;
use crate::base::id::ConnectionName;
use crate::base::secret::Secret;
use crate::oauth::scope::Scopes;
use crate::tenant::connection::{self, ConnectionError};
use crate::tenant::model::Client;

/// The scope that asks for a session; never sent to Auth0.
const WEBSITE: &str = "website";

/// What the client's file does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The client's `grants` do not list it.
    #[error("the client may not use this grant")]
    GrantNotAllowed,
    /// A scope beyond the client's.
    #[error("a scope is not allowed for the client")]
    ScopeNotAllowed,
    /// A cookie client was asked for tokens.
    #[error("the client answers with a session: ask for the scope `website`")]
    TokensNotAllowed,
    /// An audience that is not the client's.
    #[error("the audience is not allowed for the client")]
    AudienceNotAllowed,
    /// Another organization than the client's.
    #[error("the organization is not the client's")]
    OrganizationNotAllowed,
    /// A connection that is unknown, not the client's or not the host's.
    #[error("the connection is not allowed here")]
    ConnectionNotAllowed,
    /// Several could be meant.
    #[error("several connections could be meant")]
    ConnectionAmbiguous {
        /// The ones to choose from.
        allowed: Vec<ConnectionName>,
    },
}

/// Whether the caller may use the client: where `callers` says so, it shows a secret of theirs.
pub(super) fn caller(client: &Client, secret: Option<&Secret>) -> Result<(), ()> {
    match &client.callers {
        Some(ring) if !secret.is_some_and(|secret| ring.accepts(secret.expose())) => Err(()),
        _ => Ok(()),
    }
}

/// Whether a login answers with a session. A cookie client gives tokens only where its file says so.
pub(super) fn wants_session(client: &Client, asked: Option<&Scopes>) -> Result<bool, PolicyError> {
    if !client.is_cookie_client() {
        return Ok(false);
    }
    if asked.is_none_or(|scopes| scopes.contains(WEBSITE)) {
        return Ok(true);
    }
    tokens(client).map(|()| false)
}

/// Whether tokens may leave for a caller of this client.
pub(super) fn tokens(client: &Client) -> Result<(), PolicyError> {
    let may_leave = !client.is_cookie_client() || client.session.tokens_on_request;
    if may_leave { Ok(()) } else { Err(PolicyError::TokensNotAllowed) }
}

/// Within the client's; all of them by default; `openid` always and once.
pub(super) fn scope(client: &Client, asked: Option<Scopes>) -> Result<Scopes, PolicyError> {
    let Some(asked) = asked else { return Ok(client.scopes.clone()) };
    let asked = if client.is_cookie_client() { asked.without(WEBSITE) } else { asked };
    let asked = if asked.is_empty() { client.scopes.clone() } else { asked.with_first("openid") };
    if asked.is_within(&client.scopes) { Ok(asked) } else { Err(PolicyError::ScopeNotAllowed) }
}

/// Within the client's.
pub(super) fn audience<'a>(client: &Client, asked: Option<&'a str>) -> Result<Option<&'a str>, PolicyError> {
    match asked {
        Some(asked) if !client.audiences.iter().any(|audience| **audience == *asked) => {
            Err(PolicyError::AudienceNotAllowed)
        }
        asked => Ok(asked),
    }
}

/// The client's own or none: another is refused, and never answered with a login in the client's.
pub(super) fn organization(client: &Client, asked: Option<&str>) -> Result<(), PolicyError> {
    let is_allowed = asked.is_none() || asked == client.organization.as_deref();
    if is_allowed { Ok(()) } else { Err(PolicyError::OrganizationNotAllowed) }
}

/// The connection of a login here (contract §2, "Connection for a request").
pub(super) fn connection(call: &Call, asked: Option<&str>) -> Result<Option<ConnectionName>, PolicyError> {
    match connection::choose(&call.tenant, &call.client, &call.host, asked) {
        Ok(chosen) => Ok(chosen.map(|chosen| chosen.connection.name.clone())),
        Err(ConnectionError::NotAllowed) => Err(PolicyError::ConnectionNotAllowed),
        Err(ConnectionError::Ambiguous { allowed }) => Err(PolicyError::ConnectionAmbiguous { allowed }),
    }
}
