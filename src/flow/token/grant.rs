//! What each grant sends to Auth0: built anew, parameter by parameter.

use std::borrow::Cow;
use std::net::IpAddr;

use super::super::Call;
use super::{CodeLogin, Wish};
use crate::oauth::grant::{GrantType, PASSWORD_REALM};
use crate::oauth::relayed::{Begins, RelayedRequest};
use crate::oauth::request::{GrantRequest, PasswordRequest};

/// A request to the token endpoint, without the client's authentication.
pub(super) struct Prepared<'a> {
    pub(super) parameters: Vec<(&'a str, Cow<'a, str>)>,
    /// The user's address, for the grants whose brute-force protection reads it (auth0-facts 2).
    pub(super) forwarded_for: Option<IpAddr>,
}

/// Builds the request. A refresh and a code have a way of their own and send what that says.
pub(super) fn prepare<'a>(call: &'a Call, request: &'a GrantRequest, wish: &'a Wish) -> Prepared<'a> {
    let (mut prepared, asks) = match request {
        GrantRequest::Password(password) => (by_password(call, password, wish), Asks::All),
        GrantRequest::Relayed(request) => (
            relayed(call, request, wish),
            match request.grant.begins {
                Begins::Nothing => Asks::Nothing,
                Begins::LoginInRealm | Begins::Login => Asks::All,
            },
        ),
        GrantRequest::ClientCredentials => (bare(request), Asks::Audience),
        GrantRequest::RefreshToken { .. } | GrantRequest::AuthorizationCode(_) => (bare(request), Asks::Nothing),
    };
    if asks == Asks::All {
        prepared.parameters.push(("scope", wish.scope.to_string().into()));
    }
    if asks != Asks::Nothing {
        prepared.parameters.extend(wish.audience.as_deref().map(|audience| ("audience", audience.into())));
        prepared.parameters.extend(call.client.organization.as_deref().map(|it| ("organization", it.into())));
    }
    prepared
}

/// What is asked for beside the grant's own members.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asks {
    /// Scope, audience, organization.
    All,
    /// Audience and organization: a machine's scope is set at Auth0.
    Audience,
    /// What the login before asked for stands.
    Nothing,
}

fn bare(request: &GrantRequest) -> Prepared<'_> {
    Prepared { parameters: vec![("grant_type", request.grant_type().wire().into())], forwarded_for: None }
}

/// The members of the table's row, and the connection of a login by one-time password.
fn relayed<'a>(call: &'a Call, request: &'a RelayedRequest, wish: &'a Wish) -> Prepared<'a> {
    let mut parameters: Vec<(&str, Cow<'_, str>)> = vec![("grant_type", request.grant.grant.wire().into())];
    parameters.extend(request.members.iter().map(|(name, value)| (*name, value.expose().into())));
    if request.grant.begins == Begins::LoginInRealm {
        parameters.extend(wish.connection.as_ref().map(|connection| ("realm", connection.as_str().into())));
    }
    Prepared { parameters, forwarded_for: call.address.filter(|_| request.grant.begins != Begins::Nothing) }
}

/// RFC 6749 §4.1.3, RFC 7636 §4.5. Scope and audience were asked for when the login began.
pub(super) fn by_code(login: &CodeLogin) -> Prepared<'_> {
    let mut parameters: Vec<(&str, Cow<'_, str>)> = vec![
        ("grant_type", GrantType::AuthorizationCode.wire().into()),
        ("code", login.code.expose().into()),
        ("code_verifier", login.verifier.expose().into()),
    ];
    parameters.extend(login.redirect_uri.as_deref().map(|uri| ("redirect_uri", uri.into())));
    Prepared { parameters, forwarded_for: None }
}

/// With a connection it is Auth0's password-realm; the plain grant would ask the Default Directory
/// (auth0-facts 1.4, trap 28).
fn by_password<'a>(call: &'a Call, password: &'a PasswordRequest, wish: &'a Wish) -> Prepared<'a> {
    let wire = if wish.connection.is_some() { PASSWORD_REALM } else { GrantType::Password.wire() };
    let mut parameters: Vec<(&str, Cow<'_, str>)> = vec![
        ("grant_type", wire.into()),
        ("username", password.username.as_str().into()),
        ("password", password.password.expose().into()),
    ];
    parameters.extend(wish.connection.as_ref().map(|connection| ("realm", connection.as_str().into())));
    Prepared { parameters, forwarded_for: call.address }
}
