//! The tokens a login yields: ID token, JWT or opaque access token, and how `/userinfo` reads them.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Validation};
use serde_json::{Map, Value, json};

use super::keys::KeyRing;
use super::tenant::TenantState;
use super::users::{action_claims, profile_claims};
use super::world::WorldUser;
use crate::base::random::Random;
use crate::oauth::scope::Scopes;

/// What an access token is for (auth0-facts 1.17).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Audience {
    /// Nothing but `/userinfo`: the token is opaque.
    Userinfo,
    /// An API, by its identifier: the token is a JWT.
    Api(String),
}

/// A login or refresh about to be answered.
pub(super) struct Grant<'a> {
    /// Who asked.
    pub(super) client_id: &'a str,
    /// Whose tokens.
    pub(super) user: &'a WorldUser,
    /// What was granted.
    pub(super) scope: &'a Scopes,
    /// For which API.
    pub(super) audience: &'a Audience,
    /// The organization asked for.
    pub(super) organization: Option<&'a str>,
    /// The nonce asked for.
    pub(super) nonce: Option<&'a str>,
    /// Auth0's session; a refreshed ID token names none.
    pub(super) sid: Option<&'a str>,
    /// What brought it about.
    pub(super) at: GrantMoment,
}

/// Where in a login's life tokens are issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GrantMoment {
    /// A login at the token endpoint.
    Login,
    /// A login at the page.
    Code(Moment),
    /// A refresh.
    Refresh,
}

/// How and when somebody logged in at the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    /// Unix seconds, where `max_age` was asked for.
    pub(super) auth_time: Option<i64>,
    /// Where there was a second factor.
    pub(super) acr: Option<&'static str>,
}

/// What a valid access token lets `/userinfo` know.
pub(super) struct Bearer {
    /// Whose.
    pub(super) subject: String,
    /// What for.
    pub(super) scope: Scopes,
}

/// The answer's members for a user's grant, without the refresh token.
pub(super) fn user_tokens(tenant: &TenantState, ring: &KeyRing, grant: &Grant<'_>) -> Map<String, Value> {
    let lifetimes = tenant.settings().lifetimes;
    let mut answer = Map::new();
    let access_token = match grant.audience {
        Audience::Api(api) => ring.current.token(&access_claims(tenant, grant, api)),
        Audience::Userinfo => tenant.opaque.seal(&json!({
            "sub": grant.user.subject,
            "scope": grant.scope.to_string(),
            "exp": tenant.now_seconds() + seconds(lifetimes.access),
        })),
    };
    answer.insert("access_token".to_owned(), json!(access_token));
    if grant.scope.contains("openid") {
        answer.insert("id_token".to_owned(), json!(ring.current.token(&id_claims(tenant, grant))));
    }
    answer.insert("scope".to_owned(), json!(grant.scope.to_string()));
    answer.insert("expires_in".to_owned(), json!(seconds(lifetimes.access)));
    answer.insert("token_type".to_owned(), json!("Bearer"));
    answer
}

/// The claims of an ID token.
fn id_claims(tenant: &TenantState, grant: &Grant<'_>) -> Value {
    let now = tenant.now_seconds();
    let settings = tenant.settings();
    let mut claims = action_claims(grant.user, &settings.claims);
    claims.extend(profile_claims(grant.user, grant.scope));
    claims.insert("iss".to_owned(), json!(tenant.issuer));
    claims.insert("aud".to_owned(), json!(grant.client_id));
    claims.insert("iat".to_owned(), json!(now));
    claims.insert("exp".to_owned(), json!(now + seconds(settings.lifetimes.id)));
    claims.insert("sub".to_owned(), json!(grant.user.subject));
    if let Some(sid) = grant.sid {
        claims.insert("sid".to_owned(), json!(sid));
    }
    if let GrantMoment::Code(Moment { auth_time, acr }) = grant.at {
        claims.extend(auth_time.map(|at| ("auth_time".to_owned(), json!(at))));
        claims.extend(acr.map(|acr| ("acr".to_owned(), json!(acr))));
    }
    if let Some(nonce) = grant.nonce {
        claims.insert("nonce".to_owned(), json!(nonce));
    }
    if let Some(organization) = grant.organization {
        claims.insert("org_id".to_owned(), json!(organization));
    }
    Value::Object(claims)
}

/// The claims of a user's JWT access token.
fn access_claims(tenant: &TenantState, grant: &Grant<'_>, api: &str) -> Value {
    let now = tenant.now_seconds();
    let settings = tenant.settings();
    let mut claims = action_claims(grant.user, &settings.claims);
    // Auth0 adds `/userinfo` where `openid` was asked for and the API signs with RS256.
    let audience = if grant.scope.contains("openid") { json!([api, tenant.userinfo_url()]) } else { json!(api) };
    claims.insert("iss".to_owned(), json!(tenant.issuer));
    claims.insert("sub".to_owned(), json!(grant.user.subject));
    claims.insert("aud".to_owned(), audience);
    claims.insert("iat".to_owned(), json!(now));
    claims.insert("exp".to_owned(), json!(now + seconds(settings.lifetimes.access)));
    claims.insert("scope".to_owned(), json!(grant.scope.to_string()));
    if let Some(organization) = grant.organization {
        claims.insert("org_id".to_owned(), json!(organization));
    }
    let grant_type = match grant.at {
        GrantMoment::Login => Some("password"),
        GrantMoment::Refresh => Some("refresh_token"),
        GrantMoment::Code(_) => None,
    };
    claims.extend(grant_type.map(|grant_type| ("gty".to_owned(), json!(grant_type))));
    claims.insert("azp".to_owned(), json!(grant.client_id));
    Value::Object(claims)
}

/// Reads an access token that was shown to `/userinfo`; `None` for whatever does not count there.
pub(super) fn read_bearer(tenant: &TenantState, ring: Option<&KeyRing>, token: &str) -> Option<Bearer> {
    let claims =
        if token.split('.').count() == 5 { tenant.opaque.open(token)? } else { read_jwt(tenant, ring?, token)? };
    let scope = Scopes::parse(claims.get("scope")?.as_str()?).ok()?;
    let fresh = claims.get("exp")?.as_i64()? > tenant.now_seconds();
    let subject = claims.get("sub")?.as_str()?.to_owned();
    (fresh && scope.contains("openid")).then_some(Bearer { subject, scope })
}

fn read_jwt(tenant: &TenantState, ring: &KeyRing, token: &str) -> Option<Map<String, Value>> {
    let header = jsonwebtoken::decode_header(token).ok()?;
    let key = ring.find(header.kid.as_deref()?)?;
    let mut validation = Validation::new(Algorithm::RS256);
    // Times are compared with the emulator's own clock, which tests move.
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.set_issuer(&[&tenant.issuer]);
    validation.set_audience(&[tenant.userinfo_url()]);
    let claims = jsonwebtoken::decode::<Map<String, Value>>(token, key.verifier(), &validation).ok()?.claims;
    (claims.contains_key("iss") && claims.contains_key("aud")).then_some(claims)
}

/// The answer's members for a machine's grant.
pub(super) fn machine_tokens(
    tenant: &TenantState,
    ring: &KeyRing,
    client_id: &str,
    api: Option<(&str, &Scopes)>,
) -> Map<String, Value> {
    let now = tenant.now_seconds();
    let lifetime = seconds(tenant.settings().lifetimes.access);
    let subject = format!("{client_id}@clients");
    let mut answer = Map::new();
    let token = match api {
        None => tenant.opaque.seal(&json!({"sub": subject, "scope": "", "exp": now + lifetime})),
        Some((api, scope)) => ring.current.token(&json!({
            "iss": tenant.issuer, "sub": subject, "aud": api, "iat": now, "exp": now + lifetime,
            "scope": scope.to_string(), "gty": "client-credentials", "azp": client_id,
        })),
    };
    answer.insert("access_token".to_owned(), json!(token));
    if let Some((_, scope)) = api.filter(|(_, scope)| !scope.is_empty()) {
        answer.insert("scope".to_owned(), json!(scope.to_string()));
    }
    answer.insert("expires_in".to_owned(), json!(lifetime));
    answer.insert("token_type".to_owned(), json!("Bearer"));
    answer
}

/// Opaque access tokens: a JWE of five parts, as Auth0's look, that only this tenant can open.
pub(super) struct OpaqueTokens {
    key: LessSafeKey,
    random: std::sync::Arc<dyn Random>,
    header: String,
}

impl OpaqueTokens {
    /// Under a new key.
    pub(super) fn new(issuer: &str, random: std::sync::Arc<dyn Random>) -> Self {
        let mut key = [0u8; 32];
        random.fill(&mut key);
        let key = UnboundKey::new(&AES_256_GCM, &key).expect("32 bytes are the length of an AES-256 key");
        let header = URL_SAFE_NO_PAD.encode(json!({"alg": "dir", "enc": "A256GCM", "iss": issuer}).to_string());
        Self { key: LessSafeKey::new(key), random, header }
    }

    /// A token that says this.
    pub(super) fn seal(&self, claims: &Value) -> String {
        let mut nonce = [0u8; NONCE_LEN];
        self.random.fill(&mut nonce);
        let mut text = claims.to_string().into_bytes();
        let tag = self
            .key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(self.header.as_bytes()),
                &mut text,
            )
            .expect("sealing fails only beyond 64 GiB");
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        format!("{}..{}.{}.{}", self.header, encode(&nonce), encode(&text), encode(tag.as_ref()))
    }

    /// What a token says, if it is one of these.
    pub(super) fn open(&self, token: &str) -> Option<Map<String, Value>> {
        let rest = token.strip_prefix(&self.header)?.strip_prefix("..")?;
        let mut parts = rest.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).ok());
        let (nonce, mut text, tag) = (parts.next()??, parts.next()??, parts.next()??);
        let nonce = Nonce::try_assume_unique_for_key(&nonce).ok()?;
        text.extend_from_slice(&tag);
        let text = self.key.open_in_place(nonce, Aad::from(self.header.as_bytes()), &mut text).ok()?;
        serde_json::from_slice(text).ok()
    }
}

/// `bytes` random bytes as text.
pub(super) fn random_text(random: &dyn Random, bytes: usize) -> String {
    let mut buffer = vec![0u8; bytes];
    random.fill(&mut buffer);
    URL_SAFE_NO_PAD.encode(buffer)
}

/// Whole seconds, as `exp` and `expires_in` count them.
pub(super) fn seconds(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::SystemRandom;
    use std::sync::Arc;

    #[test]
    fn an_opaque_token_opens_at_its_tenant_alone_and_only_untouched() {
        let ours = OpaqueTokens::new("https://a/", Arc::new(SystemRandom));
        let theirs = OpaqueTokens::new("https://a/", Arc::new(SystemRandom));
        let token = ours.seal(&json!({"sub": "auth0|1"}));
        assert_eq!(token.split('.').count(), 5);
        assert_eq!(ours.open(&token).expect("is ours")["sub"], "auth0|1");
        assert!(theirs.open(&token).is_none());
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] ^= 2;
            let touched = String::from_utf8_lossy(&bytes).into_owned();
            assert!(ours.open(&touched).is_none(), "a change at {at}");
        }
    }
}
