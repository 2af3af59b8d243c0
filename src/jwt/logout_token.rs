//! Whether a logout token counts (OIDC Back-Channel Logout 1.0 §2.6, auth0-facts 1.13).
//!
//! Does not know whether its `jti` was seen before: that is a store's to say.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::claims::Claims;
use super::policy::{LEEWAY, Rejection, later, times};
use crate::base::id::Issuer;

/// The member of `events` that makes a token a logout token.
pub const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Auth0's live two minutes; one that was issued before that is late, whatever its `exp` says.
pub const FRESH: Duration = Duration::from_secs(120);

/// Longer than any `jti` has a reason to be.
const LONGEST_ID: usize = 256;

/// What a logout token must say.
#[derive(Debug, Clone, Copy)]
pub struct LogoutTokenPolicy<'a> {
    /// The tenant's.
    pub issuer: &'a Issuer,
    /// In `aud`.
    pub client_id: &'a str,
}

/// What a logout token that counts is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logout {
    /// Auth0's session; absent: all of the user's.
    pub sid: Option<Box<str>>,
    /// The user; empty only where there is a `sid`.
    pub subject: Box<str>,
    /// When Auth0 said so.
    pub at: Timestamp,
    /// Its `jti`.
    pub id: Box<str>,
    /// From here on the token counts no more, so that nobody need remember its `jti`.
    pub counts_until: Timestamp,
}

impl LogoutTokenPolicy<'_> {
    /// Judges the claims at a time.
    pub fn check(&self, claims: &Claims, now: Timestamp) -> Result<Logout, Rejection> {
        if *claims.iss != *self.issuer.as_str() {
            return Err(Rejection::Issuer);
        }
        if !claims.has_audience(self.client_id) {
            return Err(Rejection::Audience);
        }
        // A nonce of any kind: so that no ID token is ever taken for a logout token (§2.4).
        if claims.object.contains_key("nonce") {
            return Err(Rejection::Nonce);
        }
        if !claims.object.get("events").and_then(|events| events.get(EVENT)).is_some_and(Value::is_object) {
            return Err(Rejection::Event);
        }
        times(claims, now)?;
        let at = claims.iat.ok_or(Rejection::NotYet)?;
        let counts_until = later(at, FRESH + LEEWAY);
        if now >= counts_until {
            return Err(Rejection::Expired);
        }
        let sid = claims.sid.clone().filter(|sid| !sid.is_empty());
        if sid.is_none() && claims.sub.is_empty() {
            return Err(Rejection::Subject);
        }
        let id = claims.object.get("jti").and_then(Value::as_str).unwrap_or_default();
        if id.is_empty() || id.len() > LONGEST_ID {
            return Err(Rejection::TokenId);
        }
        Ok(Logout { sid, subject: claims.sub.clone(), at, id: id.into(), counts_until })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn judged(change: impl FnOnce(&mut Value)) -> Result<Logout, Rejection> {
        let mut object = json!({
            "iss": "https://acme.eu.auth0.com/", "aud": "web", "sub": "auth0|1", "sid": "s", "jti": "j",
            "iat": NOW, "exp": NOW + 120, "events": { EVENT: {} },
        });
        change(&mut object);
        let Value::Object(object) = object else { unreachable!("an object") };
        let claims = Claims::parse(object, None).expect("are claims");
        let issuer = Issuer::parse("https://acme.eu.auth0.com/").expect("is an issuer");
        let policy = LogoutTokenPolicy { issuer: &issuer, client_id: "web" };
        policy.check(&claims, Timestamp::from_second(NOW).expect("is a time"))
    }

    #[test]
    fn a_logout_token_says_whose_session_is_over() {
        let logout = judged(|_| {}).expect("counts");
        assert_eq!((logout.sid.as_deref(), &*logout.subject, &*logout.id), (Some("s"), "auth0|1", "j"));
        assert_eq!((logout.at.as_second(), logout.counts_until.as_second()), (NOW, NOW + 180));
        assert!(judged(|it| it["sub"] = Value::Null).is_ok(), "a sid is enough");
        assert_eq!(judged(|it| it["sid"] = Value::Null).map(|it| it.sid), Ok(None), "and so is a sub");
    }

    #[test]
    fn each_bent_claim_is_refused() {
        let check = |change: fn(&mut Value), expected| assert_eq!(judged(change), Err(expected));
        check(|it| it["iss"] = json!("https://acme.eu.auth0.com"), Rejection::Issuer);
        check(|it| it["aud"] = json!(["api"]), Rejection::Audience);
        check(|it| it["nonce"] = json!("n"), Rejection::Nonce);
        check(|it| it["nonce"] = Value::Null, Rejection::Nonce);
        check(|it| it["events"] = Value::Null, Rejection::Event);
        check(|it| it["events"] = json!({ EVENT: true }), Rejection::Event);
        check(|it| it["events"] = json!([EVENT]), Rejection::Event);
        check(|it| it["exp"] = Value::Null, Rejection::Expired);
        check(|it| it["exp"] = json!(NOW - 61), Rejection::Expired);
        check(|it| it["iat"] = Value::Null, Rejection::NotYet);
        check(|it| it["iat"] = json!(NOW + 61), Rejection::NotYet);
        check(|it| it["iat"] = json!(NOW - 180), Rejection::Expired);
        check(|it| it["jti"] = json!(""), Rejection::TokenId);
        check(|it| it["jti"] = json!(7), Rejection::TokenId);
        check(|it| it["jti"] = json!("j".repeat(257)), Rejection::TokenId);
        let nobody = judged(|it| {
            it["sub"] = Value::Null;
            it["sid"] = json!("");
        });
        assert_eq!(nobody, Err(Rejection::Subject));
    }
}
