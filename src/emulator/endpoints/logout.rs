//! `GET /v2/logout`, in its least: a redirect to where the caller asked to go.

use http::header::LOCATION;
use http::{HeaderValue, StatusCode};

use super::super::answer::{Answer, Refusal};
use super::super::arrival::Arrival;
use super::super::tenant::TenantState;

/// 302 to `returnTo`. The emulator keeps no browser session and no list of allowed logout URLs.
pub(super) fn answer(tenant: &TenantState, arrival: &Arrival) -> Result<Answer, Refusal> {
    if arrival.query_value("client_id").is_some_and(|id| tenant.client(&id).is_none()) {
        return Err(Refusal::invalid_request("Unknown client"));
    }
    let target = arrival.query_value("returnTo").unwrap_or_else(|| tenant.issuer.clone());
    let location =
        HeaderValue::try_from(target).map_err(|_| Refusal::invalid_request("returnTo is not a valid URL"))?;
    Ok(Answer::empty(StatusCode::FOUND).with(LOCATION, location))
}
