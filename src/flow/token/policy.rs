//! What a request may ask for, decided before Auth0 hears of it.

use super::super::Call;
use super::{Caller, TokenError, Wish};
use crate::base::id::ConnectionName;
use crate::oauth::grant::GrantType;
use crate::oauth::request::{GrantRequest, TokenRequest};
use crate::oauth::scope::Scopes;
use crate::tenant::connection::{self, ConnectionError};
use crate::tenant::model::{Client, Credential};

/// The scope that asks for a session; never sent to Auth0.
const WEBSITE: &str = "website";

/// Runs every policy.
pub(super) fn admit(call: &Call, request: &TokenRequest, caller: &Caller) -> Result<Wish, TokenError> {
    let client = &*call.client;
    let grant = request.grant.grant_type();
    if !client.grants.contains(&grant) {
        return Err(TokenError::GrantNotAllowed);
    }
    authenticate(client, grant, caller)?;
    let wants_session = wants_session(client, grant, request.scope.as_ref())?;
    Ok(Wish {
        scope: scope(client, request.scope.clone())?,
        audience: audience(client, grant, request.audience.as_deref())?,
        connection: connection(call, &request.grant)?,
        wants_session,
    })
}

/// `callers` guards every grant; `client_credentials` demands that client's own id and secret, since
/// otherwise the gateway would lend its identity to anyone.
fn authenticate(client: &Client, grant: GrantType, caller: &Caller) -> Result<(), TokenError> {
    let secret = caller.client_secret.as_ref().map(crate::base::secret::Secret::expose);
    if grant == GrantType::ClientCredentials {
        let has_id = caller.client_id.as_deref() == Some(&*client.client_id);
        let has_secret = match &client.credential {
            Credential::Secret(ring) => secret.is_some_and(|secret| ring.accepts(secret)),
            // There is no secret that a caller could show.
            Credential::PrivateKey(_) | Credential::None => false,
        };
        return if has_id && has_secret { Ok(()) } else { Err(TokenError::CallerRejected) };
    }
    match &client.callers {
        Some(ring) if !secret.is_some_and(|secret| ring.accepts(secret)) => Err(TokenError::CallerRejected),
        _ => Ok(()),
    }
}

/// A cookie client gives a session at a login, and tokens only where its file says so. Refresh and
/// client credentials are no login: whoever brings a credential of a token gets tokens.
fn wants_session(client: &Client, grant: GrantType, asked: Option<&Scopes>) -> Result<bool, TokenError> {
    if !client.is_cookie_client() {
        return Ok(false);
    }
    let asks_session = asked.is_none_or(|scopes| scopes.contains(WEBSITE));
    match grant {
        GrantType::RefreshToken if client.session.tokens_on_request => Ok(false),
        GrantType::RefreshToken => Err(TokenError::TokensNotAllowed),
        GrantType::ClientCredentials => Ok(false),
        _ if asks_session => Ok(true),
        _ if client.session.tokens_on_request => Ok(false),
        _ => Err(TokenError::TokensNotAllowed),
    }
}

/// Within the client's; all of them by default; `openid` always and once.
fn scope(client: &Client, asked: Option<Scopes>) -> Result<Scopes, TokenError> {
    let Some(asked) = asked else { return Ok(client.scopes.clone()) };
    let asked = if client.is_cookie_client() { asked.without(WEBSITE) } else { asked };
    let asked = if asked.is_empty() { client.scopes.clone() } else { asked.with_first("openid") };
    if asked.is_within(&client.scopes) { Ok(asked) } else { Err(TokenError::ScopeNotAllowed) }
}

/// Within the client's; the first by default. A refresh names none by default: the token has one.
fn audience(client: &Client, grant: GrantType, asked: Option<&str>) -> Result<Option<String>, TokenError> {
    match asked {
        None if grant == GrantType::RefreshToken => Ok(None),
        None => Ok(client.default_audience().map(str::to_owned)),
        Some(asked) if client.audiences.iter().any(|audience| **audience == *asked) => Ok(Some(asked.to_owned())),
        Some(_) => Err(TokenError::AudienceNotAllowed),
    }
}

fn connection(call: &Call, grant: &GrantRequest) -> Result<Option<ConnectionName>, TokenError> {
    let GrantRequest::Password(password) = grant else { return Ok(None) };
    let chosen = connection::choose(&call.tenant, &call.client, &call.host, password.connection.as_deref());
    chosen.map(|chosen| chosen.map(|chosen| chosen.connection.name.clone())).map_err(|error| match error {
        ConnectionError::NotAllowed => TokenError::ConnectionNotAllowed,
        ConnectionError::Ambiguous { allowed } => TokenError::ConnectionAmbiguous { allowed },
    })
}
