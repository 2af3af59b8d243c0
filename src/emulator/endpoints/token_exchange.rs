//! Token exchange (auth0-facts 1.4, RFC 8693): one profile, in which a subject token is an e-mail of the default
//! directory.

use serde_json::{Map, Value, json};

use super::super::answer::Refusal;
use super::super::arrival::Arrival;
use super::super::issue::{Login, issue};
use super::super::keys::KeyRing;
use super::super::tenant::TenantState;
use super::super::tokens::GrantMoment;
use super::client::Authenticated;
use super::code::granted;
use super::password::blocked;
use super::token::user_audience;

/// The profile's type.
const LEGACY_ID: &str = "urn:example:legacy-id";

/// What is issued.
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// Exchanges a legacy id.
pub(super) fn answer(
    tenant: &TenantState,
    ring: &KeyRing,
    arrival: &Arrival,
    caller: &Authenticated,
) -> Result<Map<String, Value>, Refusal> {
    let form = &arrival.form;
    let subject_token = form.get("subject_token").ok_or_else(|| Refusal::missing("subject_token"))?;
    if form.get("subject_token_type") != Some(LEGACY_ID) {
        return Err(Refusal::invalid_request("No profile for this subject_token_type"));
    }
    let user = {
        let settings = tenant.settings();
        let directory = settings.default_directory.clone().unwrap_or_default();
        settings.users.by_login(&directory, subject_token)
    };
    let user = user.ok_or_else(|| Refusal::invalid_request("The subject_token is not known"))?;
    if user.blocked {
        return Err(blocked());
    }
    let (audience, api_scopes) = user_audience(tenant, form.get("audience"))?;
    let scope = granted(form.get("scope").unwrap_or_default(), &api_scopes);
    let organization = form.get("organization").map(str::to_owned);
    let login = Login { user, scope, audience, organization, nonce: None, sid: None, at: GrantMoment::Login };
    let mut members = issue(tenant, ring, &caller.client, &login);
    members.insert("issued_token_type".to_owned(), json!(ACCESS_TOKEN));
    Ok(members)
}
