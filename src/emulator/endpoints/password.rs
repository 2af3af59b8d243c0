//! The password grants: plain, against the default directory, and password-realm
//! (auth0-facts 1.4, 1.5, §2).

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Map, Value};

use super::super::answer::Refusal;
use super::super::arrival::Arrival;
use super::super::issue::{Login, issue};
use super::super::keys::KeyRing;
use super::super::tenant::TenantState;
use super::super::tokens::{Audience, GrantMoment, random_text};
use super::super::world::{WorldClient, WorldUser};
use super::client::Authenticated;
use super::token::{requested_scope, user_audience};
use crate::oauth::grant::PASSWORD_REALM;
use crate::oauth::scope::Scopes;

/// The standard OpenID Connect scopes, as Auth0 lists them where `openid` alone was asked for.
const STANDARD: [&str; 5] = ["openid", "profile", "email", "address", "phone"];

/// Logs a user in.
pub(super) fn answer(
    tenant: &TenantState,
    ring: &KeyRing,
    arrival: &Arrival,
    caller: &Authenticated,
) -> Result<Map<String, Value>, Refusal> {
    let form = &arrival.form;
    let required = |name: &str| form.get(name).ok_or_else(|| Refusal::missing(name));
    let (username, password) = (required("username")?, required("password")?);
    let connection = connection(tenant, arrival, &caller.client)?;
    let (audience, api_scopes) = user_audience(tenant, form.get("audience"))?;
    let scope = granted(&requested_scope(arrival)?, &api_scopes, &audience);
    let user = prove(tenant, &Attempt { arrival, caller, connection: &connection, username, password })?;
    let wants_factor = user.mfa;
    let login = Login {
        user,
        scope,
        audience,
        organization: form.get("organization").map(str::to_owned),
        nonce: form.get("nonce").map(str::to_owned),
        sid: None,
        at: GrantMoment::Login,
    };
    if wants_factor {
        let token = format!("Fe26.2**{}", random_text(&*tenant.random, 96));
        tenant.pending.want_factor(token.clone(), caller.client.id.clone(), login, tenant.clock.now());
        return Err(Refusal::mfa_required(token));
    }
    Ok(issue(tenant, ring, &caller.client, &login))
}

/// The connection to log in with: `realm`, or the default directory of the plain grant.
fn connection(tenant: &TenantState, arrival: &Arrival, client: &WorldClient) -> Result<String, Refusal> {
    let settings = tenant.settings();
    let name = if arrival.form.get("grant_type") == Some(PASSWORD_REALM) {
        arrival.form.get("realm").ok_or_else(|| Refusal::missing("realm"))?
    } else {
        settings.default_directory.as_deref().ok_or_else(|| {
            let description = "Authorization server not configured with default connection.";
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", description)
        })?
    };
    if !settings.connections.iter().any(|have| have == name) {
        return Err(Refusal::invalid_request("the connection was not found"));
    }
    if !client.connections.is_empty() && !client.connections.iter().any(|have| have == name) {
        return Err(Refusal::invalid_request("the connection was disabled"));
    }
    Ok(name.to_owned())
}

/// What is granted of what was asked for. The password grant inflates: with an API and none of its
/// scopes asked for, all of them are granted; `openid` alone, or nothing, yields all standard ones.
fn granted(requested: &Scopes, api_scopes: &[String], audience: &Audience) -> Scopes {
    let of_api = |word: &str| api_scopes.iter().any(|have| have == word);
    let bare = requested.iter().all(|word| word == "openid");
    let whole_api = matches!(audience, Audience::Api(_)) && !requested.iter().any(of_api);
    let known = |word: &&str| STANDARD.contains(word) || *word == "offline_access" || of_api(word);
    let standard = STANDARD.into_iter().filter(|_| bare);
    let api = api_scopes.iter().map(String::as_str).filter(|_| whole_api);
    Scopes::from_words(standard.chain(requested.iter().filter(known)).chain(api)).unwrap_or_default()
}

/// A password shown for a name in a connection.
struct Attempt<'a> {
    arrival: &'a Arrival,
    caller: &'a Authenticated,
    connection: &'a str,
    username: &'a str,
    password: &'a str,
}

/// Checks the password and keeps count of failures.
fn prove(tenant: &TenantState, attempt: &Attempt<'_>) -> Result<Arc<WorldUser>, Refusal> {
    let address = attempt.caller.user_address(attempt.arrival);
    let now = tenant.clock.now();
    let (threshold, user) = {
        let settings = tenant.settings();
        (settings.brute_force_threshold, settings.users.by_login(attempt.connection, attempt.username))
    };
    if threshold.is_some_and(|most| tenant.failed_logins.blocked(address, attempt.username, most, now)) {
        return Err(Refusal::too_many_attempts());
    }
    let Some(user) = user.filter(|user| user.password.matches(attempt.password)) else {
        tenant.failed_logins.failed(address, attempt.username, now);
        return Err(Refusal::invalid_grant("Wrong email or password."));
    };
    tenant.failed_logins.succeeded(address, attempt.username);
    if user.blocked {
        return Err(blocked());
    }
    Ok(user)
}

/// What a user whom an administrator blocked is told.
pub(super) fn blocked() -> Refusal {
    Refusal::new(StatusCode::UNAUTHORIZED, "unauthorized", "user is blocked")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(requested: &str, api: &[&str], audience: &Audience, expected: &str) {
        let requested = Scopes::parse(requested).expect("is a list");
        let api: Vec<String> = api.iter().map(|word| (*word).to_owned()).collect();
        assert_eq!(granted(&requested, &api, audience).to_string(), expected, "of {requested}");
    }

    #[test]
    fn the_password_grant_inflates_scopes_as_auth0_does() {
        let api = Audience::Api("https://api".to_owned());
        let all = "openid profile email address phone";
        check("openid", &[], &Audience::Userinfo, all);
        check("", &[], &Audience::Userinfo, all);
        check("openid email", &[], &Audience::Userinfo, "openid email");
        check("openid offline_access", &[], &Audience::Userinfo, "openid offline_access");
        check("openid website nonsense", &[], &Audience::Userinfo, "openid");
        check("openid email", &["r", "w"], &api, "openid email r w");
        check("openid r", &["r", "w"], &api, "openid r");
        check("", &["r", "w"], &api, &format!("{all} r w"));
    }
}
