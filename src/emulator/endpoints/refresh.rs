//! The refresh grant: which user, which scope; rotation itself is in `refresh_tokens`.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::super::answer::Refusal;
use super::super::arrival::Arrival;
use super::super::keys::KeyRing;
use super::super::refresh_tokens::{Exchange, ExchangeError, RefreshGrant};
use super::super::tenant::TenantState;
use super::super::tokens::{Audience, Grant, GrantMoment, user_tokens};
use super::super::world::WorldUser;
use super::client::Authenticated;
use super::password::blocked;
use super::token::{requested_scope, user_audience};
use crate::oauth::scope::Scopes;

/// Exchanges a refresh token.
pub(super) fn answer(
    tenant: &TenantState,
    ring: &KeyRing,
    arrival: &Arrival,
    caller: &Authenticated,
) -> Result<Map<String, Value>, Refusal> {
    let requested = requested_scope(arrival)?;
    let exchange = Exchange {
        token: arrival.form.get("refresh_token").ok_or_else(|| Refusal::missing("refresh_token"))?,
        client_id: &caller.client.id,
        rotation: caller.client.rotation,
        lifetime: tenant.settings().lifetimes.refresh,
        now: tenant.clock.now(),
    };
    let check = |grant: &RefreshGrant| allowed(tenant, grant, &requested);
    let exchanged = tenant.refresh_tokens.exchange(&exchange, check);
    let ((user, scope), grant, replacement) = exchanged.map_err(|error| match error {
        ExchangeError::Invalid => Refusal::invalid_grant("Unknown or invalid refresh token."),
        ExchangeError::Refused(refusal) => refusal,
    })?;
    // An API that was deleted since the login leaves a token for `/userinfo`.
    let audience =
        user_audience(tenant, grant.audience.as_deref()).map_or(Audience::Userinfo, |(audience, _)| audience);
    let grant = Grant {
        client_id: &caller.client.id,
        user: &user,
        scope: &scope,
        audience: &audience,
        organization: grant.organization.as_deref(),
        nonce: None,
        sid: None,
        at: GrantMoment::Refresh,
    };
    let mut members = user_tokens(tenant, ring, &grant);
    if let Some(replacement) = replacement {
        members.insert("refresh_token".to_owned(), json!(replacement));
    }
    Ok(members)
}

/// Whether the user still may, and the scope: what was asked for, which must be within the login's.
fn allowed(
    tenant: &TenantState,
    grant: &RefreshGrant,
    requested: &Scopes,
) -> Result<(Arc<WorldUser>, Scopes), Refusal> {
    let gone = "The refresh_token was generated for a user who doesn't exist anymore.";
    let user = tenant.settings().users.by_subject(&grant.subject).ok_or_else(|| Refusal::invalid_grant(gone))?;
    if user.blocked {
        return Err(blocked());
    }
    if requested.is_empty() {
        return Ok((user, grant.scope.clone()));
    }
    if !requested.is_within(&grant.scope) {
        let description = "The requested scope exceeds the scope of the refresh token";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "invalid_scope", description));
    }
    Ok((user, requested.clone()))
}
