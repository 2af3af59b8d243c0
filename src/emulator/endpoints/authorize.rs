//! `GET /authorize` (auth0-facts 1.2): checks the request, then the page, or straight back.

use http::StatusCode;
use http::header::{HeaderValue, LOCATION, SET_COOKIE};

use super::super::answer::{Answer, Refusal};
use super::super::arrival::Arrival;
use super::super::logins::{Asked, BrowserSession, Code, Factors, Proven, UnderWay};
use super::super::page;
use super::super::tenant::TenantState;
use super::super::tokens::random_text;
use super::super::world::WorldClient;
use crate::oauth::pkce;

/// The class reference that asks for a second factor, and says that there was one.
pub(super) const MULTI_FACTOR: &str = "http://schemas.openid.net/pape/policies/2007/06/multi-factor";

/// The cookie of a browser's session at the tenant.
const COOKIE: &str = "auth0";

/// Answers with the login page, with a code where the browser has a session, or with an error.
pub(super) fn answer(tenant: &TenantState, arrival: &Arrival) -> Result<Answer, Refusal> {
    let Some(request_uri) = arrival.query_value("request_uri") else { return begin(tenant, arrival) };
    // What was pushed, and nothing that stands beside it (RFC 9126 §4).
    let pushed = tenant.pending.take_pushed(&request_uri, tenant.clock.now());
    match pushed.map(|query| arrival.with_query(query)) {
        Some(pushed) if pushed.query_value("client_id") == arrival.query_value("client_id") => begin(tenant, &pushed),
        _ => {
            let text = "The request_uri is unknown, expired or used.";
            Ok(page::message(StatusCode::BAD_REQUEST, &tenant.name, "Something went wrong", text))
        }
    }
}

fn begin(tenant: &TenantState, arrival: &Arrival) -> Result<Answer, Refusal> {
    let error_page =
        |text: &str| Ok(page::message(StatusCode::BAD_REQUEST, &tenant.name, "Something went wrong", text));
    // A client or callback that is not known is never redirected to.
    let client = arrival.query_value("client_id").and_then(|id| tenant.client(&id));
    let Some(client) = client else { return error_page("Unknown client.") };
    let redirect_uri =
        arrival.query_value("redirect_uri").filter(|uri| client.callbacks.iter().any(|it| it.covers(uri)));
    let Some(redirect_uri) = redirect_uri else { return error_page("Callback URL mismatch.") };
    let asked = asked(arrival, &client, redirect_uri);
    if let Some((error, description)) = fault(tenant, arrival, &client, &asked) {
        return back(&asked, &[("error", error), ("error_description", description)]);
    }
    let prompt = arrival.query_value("prompt").unwrap_or_default();
    let session = browser_session(tenant, arrival).filter(|session| prompt != "login" && fits(tenant, &asked, session));
    if let Some(error) = tenant.settings().silent_error.filter(|_| prompt == "none") {
        return back(&asked, &[("error", error), ("error_description", "The visitor must be asked")]);
    }
    match session {
        Some(session) => back(&asked, &[("code", &issue(tenant, &asked, session))]),
        None if prompt == "none" => {
            back(&asked, &[("error", "login_required"), ("error_description", "Login required")])
        }
        None => {
            let id = random_text(&*tenant.random, 24);
            tenant.logins.begin(id.clone(), UnderWay { asked, proven: None }, tenant.clock.now());
            redirect(&format!("{}u/login?state={id}", tenant.issuer))
        }
    }
}

fn asked(arrival: &Arrival, client: &WorldClient, redirect_uri: String) -> Asked {
    let value = |name: &str| arrival.query_value(name).filter(|value| !value.is_empty());
    Asked {
        client_id: client.id.clone(),
        redirect_uri,
        scope: value("scope").unwrap_or_default(),
        audience: value("audience"),
        state: value("state"),
        nonce: value("nonce"),
        code_challenge: value("code_challenge"),
        connection: value("connection"),
        organization: value("organization"),
        max_age: value("max_age").and_then(|text| text.parse().ok()),
        acr_values: value("acr_values"),
    }
}

/// What is wrong with a request of a known client, told at its callback.
fn fault<'a>(
    tenant: &TenantState,
    arrival: &Arrival,
    client: &WorldClient,
    asked: &Asked,
) -> Option<(&'a str, &'a str)> {
    if arrival.query_value("response_type").as_deref() != Some("code") {
        return Some(("unsupported_response_type", "The emulator speaks response_type=code alone"));
    }
    if arrival.query_value("response_mode").is_some_and(|mode| mode != "query") {
        return Some(("invalid_request", "The emulator speaks response_mode=query alone"));
    }
    let is_s256 = arrival.query_value("code_challenge_method").as_deref() == Some(pkce::METHOD);
    if asked.code_challenge.as_ref().is_some_and(|challenge| !is_s256 || !pkce::is_challenge(challenge)) {
        return Some(("invalid_request", "Invalid code_challenge"));
    }
    if asked.connection.as_ref().is_some_and(|name| !connections(tenant, client).contains(name)) {
        return Some(("invalid_request", "the connection was not found"));
    }
    None
}

/// The connections that a client's visitors may use.
pub(super) fn connections(tenant: &TenantState, client: &WorldClient) -> Vec<String> {
    let settings = tenant.settings();
    // Those without a password have no place on a page that asks for one.
    let has_password = |name: &&String| !matches!(name.as_str(), "email" | "sms");
    let enabled =
        |name: &&String| has_password(name) && (client.connections.is_empty() || client.connections.contains(*name));
    settings.connections.iter().filter(enabled).cloned().collect()
}

/// Whether a browser's session is what was asked for.
fn fits(tenant: &TenantState, asked: &Asked, session: &BrowserSession) -> bool {
    let age = tenant.now_seconds() - session.at.as_second();
    asked.connection.as_ref().is_none_or(|name| *name == session.proven.connection)
        // Zero asks for a new login (trap 32).
        && asked.max_age.is_none_or(|most| age < most)
        && (!wants_two_factors(asked) || session.proven.factors == Factors::Two)
}

/// Whether a second factor was asked for.
pub(super) fn wants_two_factors(asked: &Asked) -> bool {
    asked.acr_values.as_ref().is_some_and(|values| values.split(' ').any(|value| value == MULTI_FACTOR))
}

/// A code for somebody who logged in.
fn issue(tenant: &TenantState, asked: &Asked, session: BrowserSession) -> String {
    let code = random_text(&*tenant.random, 32);
    tenant.logins.issue(code.clone(), Code { asked: asked.clone(), session }, tenant.clock.now());
    code
}

/// Somebody logged in at the page: a session for the browser, a code for the application.
pub(super) fn logged_in(tenant: &TenantState, asked: &Asked, proven: Proven) -> Result<Answer, Refusal> {
    let session = BrowserSession { sid: random_text(&*tenant.random, 24), proven, at: tenant.clock.now() };
    let id = random_text(&*tenant.random, 32);
    tenant.logins.open(id.clone(), session.clone());
    let cookie = format!("{COOKIE}={id}; Path=/{}; HttpOnly; SameSite=Lax", tenant.name);
    let cookie = HeaderValue::try_from(cookie).map_err(|_| Refusal::invalid_request("no cookie"))?;
    Ok(back(asked, &[("code", &issue(tenant, asked, session))])?.with(SET_COOKIE, cookie))
}

/// The browser's session at this tenant.
fn browser_session(tenant: &TenantState, arrival: &Arrival) -> Option<BrowserSession> {
    tenant.logins.session(session_id(arrival)?)
}

/// The id of the browser's session.
pub(super) fn session_id(arrival: &Arrival) -> Option<&str> {
    let pairs = arrival.header("cookie")?.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.into_iter().find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

/// Back to the application.
fn back(asked: &Asked, parameters: &[(&str, &str)]) -> Result<Answer, Refusal> {
    let mut url =
        url::Url::parse(&asked.redirect_uri).map_err(|_| Refusal::invalid_request("Callback URL mismatch"))?;
    url.query_pairs_mut().extend_pairs(parameters).extend_pairs(asked.state.iter().map(|state| ("state", state)));
    redirect(url.as_str())
}

fn redirect(location: &str) -> Result<Answer, Refusal> {
    let location = HeaderValue::try_from(location).map_err(|_| Refusal::invalid_request("no URL"))?;
    Ok(Answer::empty(StatusCode::FOUND).with(LOCATION, location))
}
