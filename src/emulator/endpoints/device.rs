//! The device flow (auth0-facts 1.4, RFC 8628): codes, the page, the polls.

use askama::Template;
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::super::answer::{Answer, Refusal};
use super::super::arrival::Arrival;
use super::super::issue::{Login, issue};
use super::super::keys::KeyRing;
use super::super::page;
use super::super::pending::{DEVICE_INTERVAL, DEVICE_LIFETIME, Device, Poll};
use super::super::tenant::TenantState;
use super::super::tokens::{GrantMoment, random_text};
use super::client::Authenticated;
use super::code::granted;
use super::password::blocked;
use super::token::user_audience;

/// `POST /oauth/device/code`. Who asks says its id alone.
pub(super) fn begin(tenant: &TenantState, arrival: &Arrival) -> Result<Answer, Refusal> {
    let form = &arrival.form;
    let client_id = form.get("client_id").ok_or_else(|| Refusal::missing("client_id"))?;
    let client = tenant.client(client_id).ok_or_else(Refusal::unauthorized)?;
    let (device_code, user_code) = (random_text(&*tenant.random, 24), user_code(tenant));
    let device = Device {
        user_code: user_code.clone(),
        client_id: client.id.clone(),
        scope: form.get("scope").unwrap_or_default().to_owned(),
        audience: form.get("audience").map(str::to_owned),
        at: tenant.clock.now(),
        polled: None,
        subject: None,
    };
    tenant.pending.begin_device(device_code.clone(), device);
    let page = format!("{}activate", tenant.issuer);
    let body = json!({
        "device_code": device_code,
        "user_code": user_code,
        "verification_uri": page,
        "verification_uri_complete": format!("{page}?user_code={user_code}"),
        "expires_in": DEVICE_LIFETIME.as_secs(),
        "interval": DEVICE_INTERVAL.as_secs(),
    });
    Ok(Answer::json(StatusCode::OK, &body))
}

/// Eight letters that nobody mistakes for digits.
fn user_code(tenant: &TenantState) -> String {
    const LETTERS: &[u8] = b"BCDFGHJKLMNPQRSTVWXZ";
    let mut bytes = [0u8; 8];
    tenant.random.fill(&mut bytes);
    let letters: String = bytes
        .iter()
        .filter_map(|byte| LETTERS.get(usize::from(*byte) % LETTERS.len()))
        .map(|it| char::from(*it))
        .collect();
    format!("{}-{}", &letters[..4], &letters[4..])
}

#[derive(Template)]
#[template(path = "activate.html")]
struct ActivatePage<'a> {
    tenant: &'a str,
    user_code: &'a str,
    error: Option<&'a str>,
}

/// `/activate`: the user types the device's code and logs in to the default directory.
pub(super) fn activate(tenant: &TenantState, arrival: &Arrival) -> Result<Answer, Refusal> {
    let typed = arrival.query_value("user_code").unwrap_or_default();
    let user_code = arrival.form.get("user_code").unwrap_or(&typed);
    let show = |status, error| Ok(page::html(status, &ActivatePage { tenant: &tenant.name, user_code, error }));
    if arrival.method != Method::POST {
        return show(StatusCode::OK, None);
    }
    let value = |name: &str| arrival.form.get(name).unwrap_or_default();
    let user = {
        let settings = tenant.settings();
        let directory = settings.default_directory.clone().unwrap_or_default();
        settings.users.by_login(&directory, value("username"))
    };
    let Some(user) = user.filter(|user| user.password.matches(value("password"))) else {
        return show(StatusCode::BAD_REQUEST, Some("Wrong email or password."));
    };
    if !tenant.pending.confirm_device(user_code, &user.subject) {
        return show(StatusCode::BAD_REQUEST, Some("No device shows this code."));
    }
    Ok(page::message(StatusCode::OK, &tenant.name, "Device connected", "You may close this page."))
}

/// The grant: a poll.
pub(super) fn answer(
    tenant: &TenantState,
    ring: &KeyRing,
    arrival: &Arrival,
    caller: &Authenticated,
) -> Result<Map<String, Value>, Refusal> {
    let code = arrival.form.get("device_code").ok_or_else(|| Refusal::missing("device_code"))?;
    let refused = |error, text: &'static str| Refusal::new(StatusCode::FORBIDDEN, error, text);
    let device = match tenant.pending.poll(code, &caller.client.id, tenant.clock.now()) {
        Poll::Confirmed(device) => device,
        Poll::Pending => return Err(refused("authorization_pending", "User has yet to authorize device code.")),
        Poll::TooSoon => {
            let text = "You are polling faster than the specified interval.";
            return Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, "slow_down", text));
        }
        Poll::Expired => return Err(refused("expired_token", "The device code has expired.")),
        Poll::Unknown => return Err(Refusal::invalid_grant("Invalid or expired device code.")),
    };
    let subject = device.subject.unwrap_or_default();
    let gone = || Refusal::access_denied("The user is gone.".to_owned());
    let user = tenant.settings().users.by_subject(&subject).ok_or_else(gone)?;
    if user.blocked {
        return Err(blocked());
    }
    let (audience, api_scopes) = user_audience(tenant, device.audience.as_deref())?;
    let scope = granted(&device.scope, &api_scopes);
    let login = Login { user, scope, audience, organization: None, nonce: None, sid: None, at: GrantMoment::Login };
    Ok(issue(tenant, ring, &caller.client, &login))
}
