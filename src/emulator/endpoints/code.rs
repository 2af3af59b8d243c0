//! The grant `authorization_code` (auth0-facts 1.4): once, for its client, redirect URI and verifier.

use serde_json::{Map, Value};

use super::super::answer::Refusal;
use super::super::arrival::Arrival;
use super::super::issue::{Login, issue};
use super::super::keys::KeyRing;
use super::super::logins::{Code, Factors};
use super::super::tenant::TenantState;
use super::super::tokens::{GrantMoment, Moment};
use super::authorize::MULTI_FACTOR;
use super::client::Authenticated;
use super::password::blocked;
use super::token::user_audience;
use crate::base::secret::Secret;
use crate::oauth::pkce;
use crate::oauth::scope::Scopes;

/// Redeems a code.
pub(super) fn answer(
    tenant: &TenantState,
    ring: &KeyRing,
    arrival: &Arrival,
    caller: &Authenticated,
) -> Result<Map<String, Value>, Refusal> {
    let code = arrival.form.get("code").ok_or_else(|| Refusal::missing("code"))?;
    let invalid = || Refusal::invalid_grant("Invalid authorization code");
    let Code { asked, session } = tenant.logins.redeem(code, tenant.clock.now()).ok_or_else(invalid)?;
    let is_sent_back = arrival.form.get("redirect_uri").is_none_or(|uri| uri == asked.redirect_uri);
    if asked.client_id != caller.client.id || !is_sent_back {
        return Err(invalid());
    }
    verify(asked.code_challenge.as_deref(), arrival.form.get("code_verifier"))?;
    let user = tenant.settings().users.by_subject(&session.proven.subject).ok_or_else(invalid)?;
    if user.blocked {
        return Err(blocked());
    }
    let (audience, api_scopes) = user_audience(tenant, asked.audience.as_deref())?;
    let scope = granted(&asked.scope, &api_scopes);
    let login = Login {
        user,
        scope,
        audience,
        organization: asked.organization,
        nonce: asked.nonce,
        sid: Some(session.sid),
        at: GrantMoment::Code(Moment {
            auth_time: asked.max_age.map(|_| session.at.as_second()),
            acr: (session.proven.factors == Factors::Two).then_some(MULTI_FACTOR),
        }),
    };
    Ok(issue(tenant, ring, &caller.client, &login))
}

/// A challenge wants its verifier, and a verifier its challenge (RFC 9700 §4.8.2).
fn verify(challenge: Option<&str>, verifier: Option<&str>) -> Result<(), Refusal> {
    let fits = match (challenge, verifier) {
        (None, None) => true,
        (Some(challenge), Some(verifier)) => {
            pkce::is_verifier(verifier) && pkce::challenge(&Secret::new(verifier)) == challenge
        }
        (None, Some(_)) | (Some(_), None) => false,
    };
    if fits { Ok(()) } else { Err(Refusal::invalid_grant("Failed to verify code verifier")) }
}

/// No inflation here: what was asked for, as far as it exists.
pub(super) fn granted(asked: &str, api_scopes: &[String]) -> Scopes {
    const STANDARD: [&str; 6] = ["openid", "profile", "email", "address", "phone", "offline_access"];
    let known = |word: &&str| STANDARD.contains(word) || api_scopes.iter().any(|have| have == word);
    Scopes::from_words(asked.split(' ').filter(known)).unwrap_or_default()
}
