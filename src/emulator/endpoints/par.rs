//! `POST /oauth/par` (auth0-facts 1.11, RFC 9126).

use http::StatusCode;
use serde_json::json;

use super::super::answer::{Answer, Refusal};
use super::super::arrival::Arrival;
use super::super::pending::PUSHED_LIFETIME;
use super::super::tenant::TenantState;
use super::super::tokens::random_text;
use super::super::world::ClientCredential;
use super::client::authenticate;

/// Larger ones are refused.
const LARGEST: usize = 10 * 1024;

/// Keeps the request of a client that authenticates, for thirty seconds and one use.
pub(super) fn answer(tenant: &TenantState, arrival: &Arrival) -> Result<Answer, Refusal> {
    if arrival.body.len() > LARGEST {
        return Err(Refusal::invalid_request("The request is too large"));
    }
    let caller = authenticate(tenant, arrival)?;
    if matches!(caller.client.credential, ClientCredential::Public) {
        return Err(Refusal::new(StatusCode::FORBIDDEN, "unauthorized_client", "PAR is for confidential clients"));
    }
    let hidden = ["client_id", "client_secret", "client_assertion", "client_assertion_type"];
    let pushed = arrival.form.members().filter(|(name, _)| !hidden.contains(name));
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", &caller.client.id)
        .extend_pairs(pushed)
        .finish();
    let request_uri = format!("urn:ietf:params:oauth:request_uri:{}", random_text(&*tenant.random, 24));
    tenant.pending.push(request_uri.clone(), query, tenant.clock.now());
    let body = json!({ "request_uri": request_uri, "expires_in": PUSHED_LIFETIME.as_secs() });
    Ok(Answer::json(StatusCode::CREATED, &body))
}
