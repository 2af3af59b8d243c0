//! The machines' grant (auth0-facts 1.4, 4.1).

use serde_json::{Map, Value};

use super::super::answer::Refusal;
use super::super::arrival::Arrival;
use super::super::keys::KeyRing;
use super::super::tenant::TenantState;
use super::super::tokens::machine_tokens;
use super::super::world::{ClientCredential, MachineApi, Strangers, WorldClient};
use super::client::Authenticated;
use super::token::requested_scope;
use crate::oauth::scope::Scopes;

/// Issues a machine's token: a JWT for the audience, an opaque one without.
pub(super) fn answer(
    tenant: &TenantState,
    ring: &KeyRing,
    arrival: &Arrival,
    caller: &Authenticated,
) -> Result<Map<String, Value>, Refusal> {
    let client = &caller.client;
    if matches!(client.credential, ClientCredential::Public) {
        return Err(Refusal::unauthorized());
    }
    let Some(audience) = arrival.form.get("audience") else {
        return Ok(machine_tokens(tenant, ring, &client.id, None));
    };
    let granted = granted(tenant, client, audience)?;
    let requested = requested_scope(arrival)?;
    let scope = if requested.is_empty() { granted.clone() } else { requested };
    if !scope.is_within(&granted) {
        return Err(Refusal::access_denied("Client has not been granted the requested scopes".to_owned()));
    }
    Ok(machine_tokens(tenant, ring, &client.id, Some((audience, &scope))))
}

/// The scopes of this client at this API.
fn granted(tenant: &TenantState, client: &WorldClient, audience: &str) -> Result<Scopes, Refusal> {
    let management = tenant.management_audience();
    let settings = tenant.settings();
    let names = |api: &MachineApi| match api {
        MachineApi::Management => management == audience,
        MachineApi::Identifier(identifier) => identifier == audience,
    };
    if let Some(grant) = client.machine_grants.iter().find(|grant| names(&grant.api)) {
        return Ok(Scopes::parse(&grant.scope).unwrap_or_default());
    }
    if settings.strangers == Strangers::Welcome {
        return Ok(Scopes::default());
    }
    if audience == management || settings.apis.iter().any(|api| api.identifier == audience) {
        let description = format!(
            "Client is not authorized to access \"{audience}\". You need to create a \"client-grant\" associated to this API."
        );
        return Err(Refusal::access_denied(description));
    }
    Err(Refusal::access_denied(format!("Service not enabled within domain: {audience}")))
}
