//! `POST /oauth/revoke` (auth0-facts 1.6).

use http::StatusCode;

use super::super::answer::{Answer, Refusal};
use super::super::arrival::Arrival;
use super::super::tenant::TenantState;
use super::client::authenticate;

/// Ends a refresh token with its family. 200 also for a token that never was, or another client's.
pub(super) fn answer(tenant: &TenantState, arrival: &Arrival) -> Result<Answer, Refusal> {
    if let Some(fault) = arrival.form.fault() {
        return Err(Refusal::invalid_request(fault));
    }
    let caller = authenticate(tenant, arrival).map_err(|refusal| match refusal {
        refusal if refusal == Refusal::unauthorized() => Refusal::invalid_client(),
        other => other,
    })?;
    let token = arrival.form.get("token").ok_or_else(|| Refusal::missing("token"))?;
    tenant.refresh_tokens.revoke(token, &caller.client.id);
    Ok(Answer::empty(StatusCode::OK))
}
