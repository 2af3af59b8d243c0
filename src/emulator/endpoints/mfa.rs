//! Second factors (auth0-facts 1.4): authenticators, challenges, and the grants that end a login.

use http::{Method, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::super::answer::{Answer, Refusal};
use super::super::arrival::Arrival;
use super::super::issue::issue;
use super::super::keys::KeyRing;
use super::super::pending::{Authenticator, MfaToken, SecondFactor};
use super::super::tenant::TenantState;
use super::super::tokens::random_text;
use super::client::{Authenticated, authenticate};
use super::password::blocked;
use crate::oauth::grant::GrantType;

/// Everybody's one-time password, and what a text message says.
const ONE_TIME_PASSWORD: &str = "000000";

/// `GET /mfa/authenticators`, `DELETE /mfa/authenticators/{id}`.
pub(super) fn authenticators(tenant: &TenantState, arrival: &Arrival) -> Result<Answer, Refusal> {
    let subject = of_bearer(tenant, arrival)?.login.user.subject.clone();
    let mut all = tenant.pending.authenticators(&subject);
    if arrival.method == Method::DELETE {
        let id = arrival.path.rsplit('/').next().unwrap_or_default();
        let id = percent_decode_str(id).decode_utf8_lossy().into_owned();
        let before = all.len();
        all.retain(|authenticator| authenticator.id != id);
        if all.len() == before {
            return Err(Refusal::new(StatusCode::NOT_FOUND, "not_found", "No such authenticator"));
        }
        tenant.pending.set_authenticators(&subject, all);
        return Ok(Answer::empty(StatusCode::NO_CONTENT));
    }
    let list: Vec<Value> =
        all.iter().map(|it| json!({ "id": it.id, "authenticator_type": it.kind, "active": true })).collect();
    Ok(Answer::json(StatusCode::OK, &Value::Array(list)))
}

/// `POST /mfa/associate`.
pub(super) fn associate(tenant: &TenantState, arrival: &Arrival) -> Result<Answer, Refusal> {
    let factor = of_bearer(tenant, arrival)?;
    authenticate(tenant, arrival)?;
    let subject = &factor.login.user.subject;
    let types = arrival.form.get("authenticator_types").unwrap_or_default();
    let (kind, id) = match types {
        r#"["otp"]"# => ("otp", format!("totp|dev_{}", random_text(&*tenant.random, 9))),
        r#"["oob"]"# => ("oob", format!("sms|dev_{}", random_text(&*tenant.random, 9))),
        _ => return Err(Refusal::invalid_request("authenticator_types must be one of otp, oob")),
    };
    let mut all = tenant.pending.authenticators(subject);
    all.push(Authenticator { id, kind });
    tenant.pending.set_authenticators(subject, all);
    let mut body = if kind == "otp" {
        json!({ "authenticator_type": "otp", "secret": "ABCDEFGHIJKLMNOP", "barcode_uri": "otpauth://totp/emulator" })
    } else {
        let oob_code = open_channel(tenant, subject);
        json!({ "authenticator_type": "oob", "oob_channel": "sms", "oob_code": oob_code, "binding_method": "prompt" })
    };
    if tenant.pending.recovery_code(subject).is_none() {
        body["recovery_codes"] = json!([fresh_recovery_code(tenant, subject)]);
    }
    Ok(Answer::json(StatusCode::OK, &body))
}

/// `POST /mfa/challenge`.
pub(super) fn challenge(tenant: &TenantState, arrival: &Arrival) -> Result<Answer, Refusal> {
    authenticate(tenant, arrival)?;
    let token = arrival.form.get("mfa_token").ok_or_else(|| Refusal::missing("mfa_token"))?;
    let factor = second_factor(tenant, token, StatusCode::UNAUTHORIZED)?;
    let wanted = arrival.form.get("challenge_type").unwrap_or("otp oob");
    let id = arrival.form.get("authenticator_id");
    let all = tenant.pending.authenticators(&factor.login.user.subject);
    let fits = |it: &&Authenticator| wanted.split(' ').any(|kind| kind == it.kind) && id.is_none_or(|id| id == it.id);
    match all.iter().find(fits).map(|it| it.kind) {
        Some("otp") => Ok(Answer::json(StatusCode::OK, &json!({ "challenge_type": "otp" }))),
        Some(_) => {
            let body = json!({ "challenge_type": "oob", "oob_code": open_channel(tenant, &factor.login.user.subject), "binding_method": "prompt" });
            Ok(Answer::json(StatusCode::OK, &body))
        }
        None => {
            let text = "User does not have any authenticators enrolled for this challenge type.";
            Err(Refusal::new(StatusCode::FORBIDDEN, "association_required", text))
        }
    }
}

/// The three grants.
pub(super) fn answer(
    tenant: &TenantState,
    ring: &KeyRing,
    arrival: &Arrival,
    (caller, grant): (&Authenticated, GrantType),
) -> Result<Map<String, Value>, Refusal> {
    let form = &arrival.form;
    let required = |name: &str| form.get(name).ok_or_else(|| Refusal::missing(name));
    let token = required("mfa_token")?;
    let factor = second_factor(tenant, token, StatusCode::FORBIDDEN)?;
    if factor.client_id != caller.client.id {
        return Err(Refusal::invalid_grant("Malformed mfa_token"));
    }
    let subject = &factor.login.user.subject;
    let mut recovered = None;
    match grant {
        GrantType::MfaOob => by_channel(tenant, arrival, (required("oob_code")?, subject))?,
        GrantType::MfaRecoveryCode => {
            if tenant.pending.recovery_code(subject).as_deref() != Some(required("recovery_code")?) {
                return Err(Refusal::invalid_grant("MFA Authorization rejected."));
            }
            recovered = Some(());
        }
        _ if required("otp")? != ONE_TIME_PASSWORD => return Err(Refusal::invalid_grant("Invalid otp_code.")),
        _ => {}
    }
    if !tenant.pending.end_factor(token) {
        return Err(Refusal::invalid_grant("Malformed mfa_token"));
    }
    if tenant.settings().users.by_subject(subject).is_none_or(|user| user.blocked) {
        return Err(blocked());
    }
    let recovered = recovered.map(|()| fresh_recovery_code(tenant, subject));
    let mut members = issue(tenant, ring, &caller.client, &factor.login);
    members.extend(recovered.map(|code| ("recovery_code".to_owned(), json!(code))));
    Ok(members)
}

/// Pending is 400 here, not 403 as for devices (trap 16).
fn by_channel(tenant: &TenantState, arrival: &Arrival, (oob_code, subject): (&str, &str)) -> Result<(), Refusal> {
    match tenant.pending.channel(oob_code, subject) {
        None => Err(Refusal::invalid_grant("Invalid oob_code.")),
        Some(false) => {
            let text = "Authorization pending: please repeat the request in a few seconds.";
            Err(Refusal::new(StatusCode::BAD_REQUEST, "authorization_pending", text))
        }
        Some(true) if arrival.form.get("binding_code") != Some(ONE_TIME_PASSWORD) => {
            Err(Refusal::invalid_grant("Invalid binding_code."))
        }
        Some(true) => {
            tenant.pending.close_channel(oob_code);
            Ok(())
        }
    }
}

fn of_bearer(tenant: &TenantState, arrival: &Arrival) -> Result<SecondFactor, Refusal> {
    let bearer = arrival.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    second_factor(tenant, bearer.unwrap_or_default(), StatusCode::UNAUTHORIZED)
}

fn second_factor(tenant: &TenantState, token: &str, status: StatusCode) -> Result<SecondFactor, Refusal> {
    tenant.pending.second_factor(token, tenant.clock.now()).map_err(|error| match error {
        MfaToken::Malformed => Refusal::new(status, "invalid_grant", "Malformed mfa_token"),
        MfaToken::Expired => Refusal::new(status, "expired_token", "mfa_token is expired"),
    })
}

fn open_channel(tenant: &TenantState, subject: &str) -> String {
    let oob_code = format!("Fe26.2*{}", random_text(&*tenant.random, 24));
    tenant.pending.open_channel(oob_code.clone(), subject);
    oob_code
}

fn fresh_recovery_code(tenant: &TenantState, subject: &str) -> String {
    let code = random_text(&*tenant.random, 18);
    tenant.pending.set_recovery_code(subject, code.clone());
    code
}
