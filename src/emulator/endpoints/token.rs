//! `POST /oauth/token`: which grant, and what all of them share.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Map, Value};

use super::super::answer::{Answer, Refusal};
use super::super::arrival::Arrival;
use super::super::tenant::TenantState;
use super::super::tokens::Audience;
use super::super::world::{Strangers, WorldApi};
use super::client::authenticate;
use super::{client_credentials, code, device, mfa, password, passwordless, refresh, token_exchange};
use crate::oauth::grant::GrantType;
use crate::oauth::scope::Scopes;

/// Dispatches on `grant_type`.
pub(super) async fn answer(tenant: &Arc<TenantState>, arrival: &Arrival) -> Result<Answer, Refusal> {
    let form = &arrival.form;
    if let Some(fault) = form.fault() {
        return Err(Refusal::invalid_request(fault));
    }
    let grant_type = form.get("grant_type").ok_or_else(|| Refusal::missing("grant_type"))?;
    tenant.calls.count_grant(grant_type);
    let grant = GrantType::from_wire(grant_type).ok_or_else(|| {
        let description = format!("Unsupported grant type: {grant_type}");
        Refusal::new(StatusCode::BAD_REQUEST, "unsupported_grant_type", description)
    })?;
    let caller = authenticate(tenant, arrival)?;
    if !caller.client.grants.contains(&grant) {
        let description = format!("Grant type '{grant_type}' not allowed for the client.");
        return Err(Refusal::new(StatusCode::FORBIDDEN, "unauthorized_client", description));
    }
    let ring = tenant.ring().await?;
    let members: Map<String, Value> = match grant {
        GrantType::AuthorizationCode => code::answer(tenant, &ring, arrival, &caller)?,
        GrantType::RefreshToken => refresh::answer(tenant, &ring, arrival, &caller)?,
        GrantType::ClientCredentials => client_credentials::answer(tenant, &ring, arrival, &caller)?,
        GrantType::Password => password::answer(tenant, &ring, arrival, &caller)?,
        GrantType::DeviceCode => device::answer(tenant, &ring, arrival, &caller)?,
        GrantType::PasswordlessOtp => passwordless::answer(tenant, &ring, arrival, &caller)?,
        GrantType::TokenExchange => token_exchange::answer(tenant, &ring, arrival, &caller)?,
        GrantType::MfaOtp | GrantType::MfaOob | GrantType::MfaRecoveryCode => {
            mfa::answer(tenant, &ring, arrival, (&caller, grant))?
        }
    };
    Ok(Answer::json(StatusCode::OK, &Value::Object(members)))
}

/// The parameter `scope`.
pub(super) fn requested_scope(arrival: &Arrival) -> Result<Scopes, Refusal> {
    Scopes::parse(arrival.form.get("scope").unwrap_or_default())
        .map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "invalid_scope", "Malformed scope"))
}

/// What a user's grant asks tokens for, and the scopes that there are.
pub(super) fn user_audience(tenant: &TenantState, audience: Option<&str>) -> Result<(Audience, Vec<String>), Refusal> {
    let Some(audience) = audience.filter(|audience| *audience != tenant.userinfo_url()) else {
        return Ok((Audience::Userinfo, Vec::new()));
    };
    let settings = tenant.settings();
    let known = settings.apis.iter().find(|api: &&WorldApi| api.identifier == audience).map(|api| api.scopes.clone());
    let own = || (audience == tenant.management_audience()).then(Vec::new);
    let stranger = || (settings.strangers == Strangers::Welcome).then(Vec::new);
    let scopes = known.or_else(own).or_else(stranger);
    let scopes = scopes.ok_or_else(|| Refusal::access_denied(format!("Service not found: {audience}")))?;
    Ok((Audience::Api(audience.to_owned()), scopes))
}
