//! `/v2/logout` and `/oidc/logout` (auth0-facts 1.7, 1.8): the browser's session ends, tokens live on.

use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use serde_json::{Map, Value};

use super::super::answer::{Answer, Refusal};
use super::super::arrival::Arrival;
use super::super::backchannel;
use super::super::page;
use super::super::tenant::TenantState;
use super::super::world::WorldClient;
use super::authorize::session_id;
use super::client::unverified_claims;

/// `GET /v2/logout`: 302 to `returnTo`, whose query does not count when it is held against the list.
pub(super) fn answer(tenant: &TenantState, arrival: &Arrival) -> Result<Answer, Refusal> {
    let client_id = arrival.query_value("client_id");
    let client = client_id.as_deref().map(|id| tenant.client(id));
    let Some(client) = client.map_or(Some(None), |client| client.map(Some)) else {
        return Ok(refused(tenant, "Unknown client."));
    };
    let Some(target) = arrival.query_value("returnTo") else {
        close(tenant, arrival);
        return Ok(page::message(StatusCode::OK, &tenant.name, "Logged out", "You may close this page."));
    };
    let (allowed, _) = target.split_once(['?', '#']).unwrap_or((&target, ""));
    if !client.is_none_or(|client| may_return(&client, allowed)) {
        return Ok(refused(tenant, "The returnTo URL is not one of the Allowed Logout URLs."));
    }
    close(tenant, arrival);
    redirect(&target)
}

/// `GET|POST /oidc/logout`: 302 to `post_logout_redirect_uri`. Without a hint the visitor is asked first.
pub(super) fn oidc(tenant: &TenantState, arrival: &Arrival) -> Result<Answer, Refusal> {
    let value = |name: &str| arrival.query_value(name).or_else(|| arrival.form.get(name).map(str::to_owned));
    let hint = value("id_token_hint");
    let claims = hint.as_deref().map(|hint| unverified_claims(hint).unwrap_or_default());
    let said = |claims: &Map<String, Value>, name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    if claims.as_ref().is_some_and(|claims| said(claims, "iss").as_deref() != Some(&tenant.issuer)) {
        return Ok(refused(tenant, "The id_token_hint is of another issuer."));
    }
    let of_hint = claims.as_ref().and_then(|claims| said(claims, "aud"));
    let client_id = value("client_id").or_else(|| of_hint.clone());
    if of_hint.is_some() && of_hint != client_id {
        return Ok(refused(tenant, "The id_token_hint is of another client."));
    }
    let client = client_id.and_then(|id| tenant.client(&id));
    let target = value("post_logout_redirect_uri");
    if let Some(target) = &target
        && !client.is_some_and(|client| may_return(&client, target))
    {
        return Ok(refused(tenant, "The post_logout_redirect_uri is not one of the Allowed Logout URLs."));
    }
    if claims.is_none() && value("logout_hint").is_none() {
        let text = "Do you want to log out? An emulator has no button for it: send an id_token_hint.";
        return Ok(page::message(StatusCode::OK, &tenant.name, "Log out", text));
    }
    close(tenant, arrival);
    let Some(target) = target else {
        return Ok(page::message(StatusCode::OK, &tenant.name, "Logged out", "You may close this page."));
    };
    let Ok(mut url) = url::Url::parse(&target) else { return Ok(refused(tenant, "No URL.")) };
    if let Some(state) = value("state") {
        url.query_pairs_mut().append_pair("state", &state);
    }
    redirect(url.as_str())
}

/// Where a client's visitors may be sent after a logout: the hosts that they log in on.
fn may_return(client: &WorldClient, target: &str) -> bool {
    client.callbacks.iter().any(|callback| callback.covers_host(target))
}

fn close(tenant: &TenantState, arrival: &Arrival) {
    let Some(id) = session_id(arrival) else { return };
    if let Some(session) = tenant.logins.session(id) {
        backchannel::end(tenant, &session.sid);
    }
    tenant.logins.close(id);
}

fn refused(tenant: &TenantState, text: &str) -> Answer {
    page::message(StatusCode::BAD_REQUEST, &tenant.name, "Something went wrong", text)
}

fn redirect(target: &str) -> Result<Answer, Refusal> {
    let location = HeaderValue::try_from(target).map_err(|_| Refusal::invalid_request("no URL"))?;
    Ok(Answer::empty(StatusCode::FOUND).with(LOCATION, location))
}
