//! Whether a caller may use a grant, and what it may ask for with it.

use super::super::{Call, policy};
use super::{Caller, TokenError, Wish};
use crate::base::secret::Secret;
use crate::flow::policy::PolicyError;
use crate::oauth::grant::GrantType;
use crate::oauth::relayed::RelayedRequest;
use crate::oauth::request::{GrantRequest, TokenRequest};
use crate::tenant::model::{Client, Credential};

/// Whether the client may use the grant, and this caller the client.
pub(super) fn admit(call: &Call, grant: GrantType, caller: &Caller) -> Result<(), TokenError> {
    if !call.client.grants.contains(&grant) {
        return Err(PolicyError::GrantNotAllowed.into());
    }
    authenticate(&call.client, grant, caller)
}

/// What the policies allow the request to ask for.
pub(super) fn wish(call: &Call, request: &TokenRequest) -> Result<Wish, TokenError> {
    let client = &*call.client;
    let grant = request.grant.grant_type();
    if let GrantRequest::Relayed(relayed) = &request.grant {
        policy::organization(client, relayed.organization.as_deref())?;
    }
    Ok(Wish {
        wants_session: wants_session(client, grant, request)?,
        scope: policy::scope(client, request.scope.clone())?,
        audience: audience(client, grant, request.audience.as_deref())?,
        connection: match &request.grant {
            GrantRequest::Password(password) => policy::connection(call, password.connection.as_deref())?,
            GrantRequest::Relayed(RelayedRequest { realm: Some(realm), .. }) => policy::connection(call, Some(realm))?,
            GrantRequest::Relayed(_)
            | GrantRequest::RefreshToken { .. }
            | GrantRequest::AuthorizationCode(_)
            | GrantRequest::ClientCredentials => None,
        },
    })
}

/// `callers` guards every grant; `client_credentials` demands that client's own id and secret, since
/// otherwise the gateway would lend its identity to anyone.
fn authenticate(client: &Client, grant: GrantType, caller: &Caller) -> Result<(), TokenError> {
    let secret = caller.client_secret.as_ref().map(Secret::expose);
    if grant == GrantType::ClientCredentials {
        let has_id = caller.client_id.as_deref() == Some(&*client.client_id);
        let has_secret = match &client.credential {
            Credential::Secret(ring) => secret.is_some_and(|secret| ring.accepts(secret)),
            // There is no secret that a caller could show.
            Credential::PrivateKey(_) | Credential::None => false,
        };
        return if has_id && has_secret { Ok(()) } else { Err(TokenError::CallerRejected) };
    }
    policy::caller(client, caller.client_secret.as_ref()).map_err(|()| TokenError::CallerRejected)
}

/// Refresh and client credentials are no login: whoever brings a credential of a token gets tokens.
fn wants_session(client: &Client, grant: GrantType, request: &TokenRequest) -> Result<bool, PolicyError> {
    match grant {
        GrantType::RefreshToken => policy::tokens(client).map(|()| false),
        GrantType::ClientCredentials => Ok(false),
        _ => policy::wants_session(client, request.scope.as_ref()),
    }
}

/// The client's first by default. A refresh names none by default: the token has one.
fn audience(client: &Client, grant: GrantType, asked: Option<&str>) -> Result<Option<String>, PolicyError> {
    let asked = policy::audience(client, asked)?;
    let default = if grant == GrantType::RefreshToken { None } else { client.default_audience() };
    Ok(asked.or(default).map(str::to_owned))
}
