//! One-time passwords by e-mail and text message (auth0-facts 1.4, 1.12).

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::super::answer::{Answer, Refusal};
use super::super::arrival::Arrival;
use super::super::issue::{Login, issue};
use super::super::keys::KeyRing;
use super::super::pending::Tried;
use super::super::tenant::TenantState;
use super::super::tokens::{GrantMoment, random_text};
use super::super::world::WorldUser;
use super::client::{Authenticated, authenticate};
use super::code::granted;
use super::password::blocked;
use super::token::user_audience;

/// `POST /passwordless/start`.
pub(super) fn start(tenant: &TenantState, arrival: &Arrival) -> Result<Answer, Refusal> {
    authenticate(tenant, arrival)?;
    let form = &arrival.form;
    let (member, to) = match form.get("connection") {
        Some("email") => ("email", form.get("email").ok_or_else(|| Refusal::missing("email"))?),
        Some("sms") => ("phone_number", form.get("phone_number").ok_or_else(|| Refusal::missing("phone_number"))?),
        _ => return Err(Refusal::new(StatusCode::BAD_REQUEST, "bad.connection", "Connection does not exist")),
    };
    let mut bytes = [0u8; 4];
    tenant.random.fill(&mut bytes);
    tenant.pending.send_password(to, format!("{:06}", u32::from_be_bytes(bytes) % 1_000_000));
    let verified = if member == "email" { "email_verified" } else { "phone_verified" };
    let body = json!({ "_id": random_text(&*tenant.random, 18), member: to, verified: false });
    Ok(Answer::json(StatusCode::OK, &body))
}

/// The grant. The first login of an address makes its user.
pub(super) fn answer(
    tenant: &TenantState,
    ring: &KeyRing,
    arrival: &Arrival,
    caller: &Authenticated,
) -> Result<Map<String, Value>, Refusal> {
    let form = &arrival.form;
    let required = |name: &str| form.get(name).ok_or_else(|| Refusal::missing(name));
    let (username, otp, realm) = (required("username")?, required("otp")?, required("realm")?);
    if !matches!(realm, "email" | "sms") || !tenant.settings().connections.iter().any(|have| have == realm) {
        return Err(Refusal::invalid_request("the connection was not found"));
    }
    match tenant.pending.try_password(username, otp) {
        Tried::Right => {}
        Tried::Wrong if realm == "email" => {
            return Err(Refusal::invalid_grant("Wrong email or verification code."));
        }
        Tried::Wrong => return Err(Refusal::invalid_grant("Wrong phone number or verification code.")),
        Tried::Burned => {
            let text = "You've reached the maximum number of attempts. Please try to login again.";
            return Err(Refusal::invalid_grant(text));
        }
    }
    let user = user(tenant, realm, username);
    if user.blocked {
        return Err(blocked());
    }
    let (audience, api_scopes) = user_audience(tenant, form.get("audience"))?;
    let scope = granted(form.get("scope").unwrap_or_default(), &api_scopes);
    let organization = form.get("organization").map(str::to_owned);
    let login = Login { user, scope, audience, organization, nonce: None, sid: None, at: GrantMoment::Login };
    Ok(issue(tenant, ring, &caller.client, &login))
}

fn user(tenant: &TenantState, realm: &str, username: &str) -> Arc<WorldUser> {
    let mut settings = tenant.settings_mut();
    if let Some(user) = settings.users.by_login(realm, username) {
        return user;
    }
    let made = WorldUser::new(&tenant.name, realm, username, &random_text(&*tenant.random, 24));
    let subject = made.subject.replace("auth0|", &format!("{realm}|"));
    settings.users.put(WorldUser { subject: subject.clone(), ..made.clone() });
    settings.users.by_subject(&subject).unwrap_or_else(|| Arc::new(made))
}
