//! `/dbconnections/…`: signing up, and the mail for a new password (auth0-facts 1.5, 1.12).

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::super::answer::{Answer, Refusal};
use super::super::arrival::Arrival;
use super::super::tenant::TenantState;
use super::super::world::WorldUser;

/// Shorter passwords are weak.
const SHORTEST: usize = 8;

/// Makes a user.
pub(super) fn signup(tenant: &TenantState, arrival: &Arrival) -> Result<Answer, Refusal> {
    let connection = connection(tenant, arrival)?;
    let form = &arrival.form;
    let email = form.get("email").ok_or_else(|| Refusal::missing("email"))?;
    let password = form.get("password").ok_or_else(|| Refusal::missing("password"))?;
    if password.chars().count() < SHORTEST {
        return Ok(bad(&weak()));
    }
    let mut settings = tenant.settings_mut();
    if settings.users.by_login(&connection, email).is_some() {
        return Ok(bad(&json!({
            "name": "BadRequestError", "code": "user_exists", "description": "The user already exists.", "statusCode": 400
        })));
    }
    let user = WorldUser::new(&tenant.name, &connection, email, password);
    let id = user.subject.trim_start_matches("auth0|").to_owned();
    settings.users.put(user);
    Ok(Answer::json(StatusCode::OK, &json!({ "_id": id, "email": email, "email_verified": false })))
}

/// Says the same sentence whether or not there is such a user.
pub(super) fn change_password(tenant: &TenantState, arrival: &Arrival) -> Result<Answer, Refusal> {
    connection(tenant, arrival)?;
    arrival.form.get("email").ok_or_else(|| Refusal::missing("email"))?;
    let mut answer =
        Answer::empty(StatusCode::OK).with(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    answer.body = Bytes::from_static(b"We've just sent you an email to reset your password.");
    Ok(answer)
}

fn connection(tenant: &TenantState, arrival: &Arrival) -> Result<String, Refusal> {
    let client_id = arrival.form.get("client_id").ok_or_else(|| Refusal::missing("client_id"))?;
    tenant.client(client_id).ok_or_else(Refusal::unauthorized)?;
    let name = arrival.form.get("connection").ok_or_else(|| Refusal::missing("connection"))?;
    let is_known = tenant.settings().connections.iter().any(|have| have == name);
    is_known.then(|| name.to_owned()).ok_or_else(|| Refusal::invalid_request("the connection was not found"))
}

fn bad(body: &Value) -> Answer {
    Answer::json(StatusCode::BAD_REQUEST, body)
}

/// The description is an object, with texts to be filled from `format`.
fn weak() -> Value {
    json!({
        "name": "PasswordStrengthError",
        "code": "invalid_password",
        "description": {
            "rules": [{
                "code": "lengthAtLeast", "format": [SHORTEST], "verified": false,
                "message": "At least %d characters in length",
            }],
            "verified": false,
        },
        "statusCode": 400,
    })
}
