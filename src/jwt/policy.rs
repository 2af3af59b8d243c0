//! Whether a token whose signature verified counts, here and now (OIDC Core §3.1.3.7, RFC 9068 §4,
//! auth0-facts 6.1). Cheap: it runs again on every use of a cached token.

use std::time::Duration;

use jiff::Timestamp;

use super::claims::Claims;
use crate::base::id::Issuer;

/// How far clocks may differ (contract §9).
pub const LEEWAY: Duration = Duration::from_secs(60);

/// Why a token does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// `iss` is not the tenant's, byte by byte.
    #[error("another issuer")]
    Issuer,
    /// There is no `sub`.
    #[error("no subject")]
    Subject,
    /// `aud` does not hold what it must.
    #[error("another audience")]
    Audience,
    /// `azp` or `client_id` is another application.
    #[error("another client")]
    Client,
    /// An ID token where an access token is due.
    #[error("an ID token is no access token")]
    IdTokenAsBearer,
    /// `exp` is over or missing.
    #[error("expired")]
    Expired,
    /// `nbf` or `iat` is to come, or `iat` is missing.
    #[error("not yet valid")]
    NotYet,
    /// Issued before the tenant's `revoke_before`.
    #[error("issued before the tenant's revocation")]
    Revoked,
    /// `nonce` is not what was sent.
    #[error("another nonce")]
    Nonce,
    /// The login is older than `max_age` allows, or does not say when it was.
    #[error("the login is too old")]
    AuthTime,
    /// `acr` is none of those that were asked for.
    #[error("another authentication context")]
    AuthenticationContext,
    /// No logout token: `events` does not say that a session is over.
    #[error("no logout event")]
    Event,
    /// `jti` is missing or malformed.
    #[error("no token id")]
    TokenId,
    /// `org_id` or `org_name` is not the client's.
    #[error("another organization")]
    Organization,
}

/// What `nonce` must say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Nonce<'a> {
    /// None was sent, and there must be none.
    #[default]
    Absent,
    /// What was sent.
    Exactly(&'a str),
    /// Of a refreshed token: none, or the login's (OIDC Core §12.2).
    AbsentOr(&'a str),
    /// Whoever sent it checks it: the gateway was not told.
    Any,
}

impl Nonce<'_> {
    fn fits(self, nonce: Option<&str>) -> bool {
        match (self, nonce) {
            (Self::Any, _) | (Self::Absent | Self::AbsentOr(_), None) => true,
            (Self::Exactly(sent) | Self::AbsentOr(sent), Some(nonce)) => sent == nonce,
            (Self::Absent, Some(_)) | (Self::Exactly(_), None) => false,
        }
    }
}

/// What an ID token must say.
#[derive(Debug, Clone, Copy)]
pub struct IdTokenPolicy<'a> {
    /// The tenant's.
    pub issuer: &'a Issuer,
    /// In `aud`.
    pub client_id: &'a str,
    /// What was sent. A token with a nonce where none was sent is refused.
    pub nonce: Nonce<'a>,
    /// What was sent; zero means "log in again", and counts.
    pub max_age: Option<Duration>,
    /// What was sent: `acr` must be one of them. Auth0 only prefers them (OIDC Core §3.1.2.1), so it is checked.
    pub acr_values: Option<&'a [Box<str>]>,
    /// The client's, as `org_…` or by name.
    pub organization: Option<&'a str>,
}

/// What an access token must say.
#[derive(Debug, Clone, Copy)]
pub struct AccessTokenPolicy<'a> {
    /// The tenant's.
    pub issuer: &'a Issuer,
    /// One of these must be in `aud`.
    pub audiences: &'a [Box<str>],
    /// What counts instead where the client has no audience: the tenant's `/userinfo`.
    pub userinfo_audiences: &'a [Box<str>],
    /// In `azp` or `client_id`; never in `aud`.
    pub client_id: &'a str,
    /// The tenant's `revoke_before`.
    pub issued_not_before: Option<Timestamp>,
    /// The client's.
    pub organization: Option<&'a str>,
}

impl IdTokenPolicy<'_> {
    /// Judges the claims at a time.
    pub fn check(&self, claims: &Claims, now: Timestamp) -> Result<(), Rejection> {
        issuer_and_subject(claims, self.issuer)?;
        if !claims.has_audience(self.client_id) {
            return Err(Rejection::Audience);
        }
        let azp = claims.azp.as_deref();
        if (claims.aud.len() > 1 || azp.is_some()) && azp != Some(self.client_id) {
            return Err(Rejection::Client);
        }
        times(claims, now)?;
        if !self.nonce.fits(claims.nonce.as_deref()) {
            return Err(Rejection::Nonce);
        }
        if let Some(max_age) = self.max_age {
            let deadline = claims.auth_time.map(|at| later(at, max_age + LEEWAY));
            if deadline.is_none_or(|deadline| now > deadline) {
                return Err(Rejection::AuthTime);
            }
        }
        if let Some(values) = self.acr_values
            && !values.iter().any(|value| claims.acr.as_deref() == Some(value))
        {
            return Err(Rejection::AuthenticationContext);
        }
        organization(claims, self.organization)
    }
}

impl AccessTokenPolicy<'_> {
    /// Judges the claims at a time.
    pub fn check(&self, claims: &Claims, now: Timestamp) -> Result<(), Rejection> {
        issuer_and_subject(claims, self.issuer)?;
        if claims.has_audience(self.client_id) || claims.nonce.is_some() {
            return Err(Rejection::IdTokenAsBearer);
        }
        let wanted = if self.audiences.is_empty() { self.userinfo_audiences } else { self.audiences };
        if !wanted.iter().any(|audience| claims.has_audience(audience)) {
            return Err(Rejection::Audience);
        }
        let client = claims.azp.as_deref().or(claims.client_id.as_deref());
        if client != Some(self.client_id) {
            return Err(Rejection::Client);
        }
        times(claims, now)?;
        if let Some(before) = self.issued_not_before
            && claims.iat.is_none_or(|iat| iat < before)
        {
            return Err(Rejection::Revoked);
        }
        organization(claims, self.organization)
    }
}

fn issuer_and_subject(claims: &Claims, issuer: &Issuer) -> Result<(), Rejection> {
    if *claims.iss != *issuer.as_str() {
        return Err(Rejection::Issuer);
    }
    if claims.sub.is_empty() { Err(Rejection::Subject) } else { Ok(()) }
}

pub(super) fn times(claims: &Claims, now: Timestamp) -> Result<(), Rejection> {
    if claims.exp.is_none_or(|exp| now > later(exp, LEEWAY)) {
        return Err(Rejection::Expired);
    }
    let latest = later(now, LEEWAY);
    if claims.iat.is_none_or(|iat| iat > latest) || claims.nbf.is_some_and(|nbf| nbf > latest) {
        return Err(Rejection::NotYet);
    }
    Ok(())
}

/// `org_…` compares with `org_id`, anything else with `org_name` in lower case (auth0-facts 6.1).
fn organization(claims: &Claims, organization: Option<&str>) -> Result<(), Rejection> {
    let fits = match organization {
        None => true,
        Some(id) if id.starts_with("org_") => claims.org_id.as_deref() == Some(id),
        Some(name) => claims.org_name.as_deref().is_some_and(|have| have.eq_ignore_ascii_case(name)),
    };
    if fits { Ok(()) } else { Err(Rejection::Organization) }
}

pub(super) fn later(time: Timestamp, by: Duration) -> Timestamp {
    time.saturating_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn now() -> Timestamp {
        Timestamp::from_second(NOW).expect("is a time")
    }

    fn issuer() -> Issuer {
        Issuer::parse("https://acme.eu.auth0.com/").expect("is an issuer")
    }

    fn claims(change: impl FnOnce(&mut Value), mut object: Value) -> Claims {
        change(&mut object);
        let Value::Object(object) = object else { unreachable!("an object") };
        Claims::parse(object, None).expect("are claims")
    }

    fn id_token(change: impl FnOnce(&mut Value)) -> Claims {
        let object = json!({"iss": issuer().as_str(), "sub": "auth0|1", "aud": "web", "iat": NOW, "exp": NOW + 10, "nonce": "n", "auth_time": NOW, "acr": "gold", "org_id": "org_1"});
        claims(change, object)
    }

    fn check_id(change: impl FnOnce(&mut Value), expected: Result<(), Rejection>) {
        let policy = IdTokenPolicy {
            issuer: &issuer(),
            client_id: "web",
            nonce: Nonce::Exactly("n"),
            max_age: Some(Duration::ZERO),
            acr_values: Some(&["silver".into(), "gold".into()]),
            organization: Some("org_1"),
        };
        assert_eq!(policy.check(&id_token(change), now()), expected);
    }

    #[test]
    fn an_id_token_says_what_was_asked() {
        check_id(|_| {}, Ok(()));
        check_id(|it| it["iss"] = json!("https://acme.eu.auth0.com"), Err(Rejection::Issuer));
        check_id(|it| it["sub"] = json!(""), Err(Rejection::Subject));
        check_id(|it| it["aud"] = json!("api"), Err(Rejection::Audience));
        check_id(|it| it["aud"] = json!(["web", "api"]), Err(Rejection::Client));
        check_id(|it| it["azp"] = json!("api"), Err(Rejection::Client));
        check_id(|it| it["exp"] = json!(NOW - 61), Err(Rejection::Expired));
        check_id(|it| it["exp"] = json!(NOW - 59), Ok(()));
        check_id(|it| it["exp"] = Value::Null, Err(Rejection::Expired));
        check_id(|it| it["iat"] = json!(NOW + 61), Err(Rejection::NotYet));
        check_id(|it| it["iat"] = Value::Null, Err(Rejection::NotYet));
        check_id(|it| it["nonce"] = json!("m"), Err(Rejection::Nonce));
        check_id(|it| it["nonce"] = Value::Null, Err(Rejection::Nonce));
        check_id(|it| it["auth_time"] = json!(NOW - 61), Err(Rejection::AuthTime));
        check_id(|it| it["auth_time"] = Value::Null, Err(Rejection::AuthTime));
        check_id(|it| it["acr"] = json!("bronze"), Err(Rejection::AuthenticationContext));
        check_id(|it| it["acr"] = Value::Null, Err(Rejection::AuthenticationContext));
        check_id(|it| it["org_id"] = json!("org_2"), Err(Rejection::Organization));
    }

    #[test]
    fn a_nonce_is_the_one_that_was_sent() {
        let cases = [
            (Nonce::Absent, None, true),
            (Nonce::Absent, Some("n"), false),
            (Nonce::Exactly("n"), Some("n"), true),
            (Nonce::Exactly("n"), None, false),
            (Nonce::AbsentOr("n"), None, true),
            (Nonce::AbsentOr("n"), Some("m"), false),
            (Nonce::Any, Some("m"), true),
        ];
        for (nonce, said, expected) in cases {
            assert_eq!(nonce.fits(said), expected, "{nonce:?} {said:?}");
        }
    }

    fn check_access(change: impl FnOnce(&mut Value), expected: Result<(), Rejection>) {
        let object = json!({"iss": issuer().as_str(), "sub": "auth0|1", "aud": ["https://api", "https://acme.eu.auth0.com/userinfo"], "azp": "web", "iat": NOW, "exp": NOW + 10});
        let policy = AccessTokenPolicy {
            issuer: &issuer(),
            audiences: &["https://api".into()],
            userinfo_audiences: &[],
            client_id: "web",
            issued_not_before: Some(now()),
            organization: None,
        };
        assert_eq!(policy.check(&claims(change, object), now()), expected);
    }

    #[test]
    fn an_access_token_is_for_this_client_and_api() {
        check_access(|_| {}, Ok(()));
        check_access(|it| it["aud"] = json!("https://other"), Err(Rejection::Audience));
        check_access(|it| it["aud"] = json!("https://acme.eu.auth0.com/userinfo"), Err(Rejection::Audience));
        check_access(|it| it["aud"] = json!(["https://api", "web"]), Err(Rejection::IdTokenAsBearer));
        check_access(|it| it["azp"] = json!("other"), Err(Rejection::Client));
        check_access(|it| it["azp"] = Value::Null, Err(Rejection::Client));
        check_access(
            |it| {
                it["azp"] = Value::Null;
                it["client_id"] = json!("web");
            },
            Ok(()),
        );
        check_access(|it| it["iat"] = json!(NOW - 1), Err(Rejection::Revoked));
        check_access(|it| it["nbf"] = json!(NOW + 61), Err(Rejection::NotYet));
    }
}
