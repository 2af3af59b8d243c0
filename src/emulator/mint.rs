//! Tokens for attacks: whatever a stranger, another tenant or a careless signer might send.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::keys::{KeyPool, SigningKey};
use super::tenant::TenantState;
use super::tokens::random_text;
use crate::jwt::alg::SigningAlg;

/// A token to be made. The default is a valid RS256 access token of the tenant's first user for its
/// first API, `openid profile email`, an hour long, with the claims that its Actions set; each
/// field bends one thing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MintSpec {
    /// Whose key signs.
    pub key: MintKey,
    /// How it is signed, and what `alg` says.
    pub signature: MintSignature,
    /// What `kid` says, if not the signing key's own.
    pub kid: Option<String>,
    /// Added to the header; `null` takes a member away.
    pub header: Map<String, Value>,
    /// Added to the claims, over what stands there; `null` takes a claim away. Times are Unix seconds.
    pub claims: Map<String, Value>,
    /// Seconds that are added to `iat` and `exp`: `-86_400` is an expired token.
    pub shift_seconds: i64,
}

/// Whose key signs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MintKey {
    /// The one that signs at present.
    #[default]
    Current,
    /// The one that is published ahead.
    Next,
    /// The one before the last rotation; where there is none, one that nobody publishes.
    Previous,
    /// One that nobody publishes.
    Foreign,
}

/// How a token is signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MintSignature {
    /// As Auth0 does.
    #[default]
    Rs256,
    /// RSASSA-PSS with the same key.
    Ps256,
    /// `alg: none`, no signature.
    Unsigned,
    /// HMAC-SHA-256 with the PEM of the public key as secret.
    Hs256WithPublicKey,
    /// RS256 over other claims than it carries.
    Broken,
}

impl MintSpec {
    /// An ID token of this client: `aud` is the client, no `scope`, `azp` or `gty`.
    pub fn id_token(client_id: &str) -> Self {
        Self::default().claim("aud", client_id).without("scope").without("azp").without("gty")
    }

    /// With another issuer.
    #[must_use]
    pub fn issuer(self, issuer: &str) -> Self {
        self.claim("iss", issuer)
    }

    /// With another audience.
    #[must_use]
    pub fn audience(self, audience: impl Into<Value>) -> Self {
        self.claim("aud", audience)
    }

    /// Of another client.
    #[must_use]
    pub fn client(self, client_id: &str) -> Self {
        self.claim("azp", client_id)
    }

    /// Expired for so many seconds.
    #[must_use]
    pub fn expired_for(self, seconds: i64) -> Self {
        Self { shift_seconds: -HOUR - seconds, ..self }
    }

    /// With this claim.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Without this claim.
    #[must_use]
    pub fn without(self, name: &str) -> Self {
        self.claim(name, Value::Null)
    }

    /// Signed with this key.
    #[must_use]
    pub fn key(self, key: MintKey) -> Self {
        Self { key, ..self }
    }

    /// Signed in this way.
    #[must_use]
    pub fn signature(self, signature: MintSignature) -> Self {
        Self { signature, ..self }
    }

    /// Under this key id.
    #[must_use]
    pub fn kid(self, kid: &str) -> Self {
        Self { kid: Some(kid.to_owned()), ..self }
    }
}

const HOUR: i64 = 3600;

/// Makes the token. Makes the tenant's keys too, if need be: not for an async thread.
pub(super) fn mint(tenant: &TenantState, spec: &MintSpec) -> String {
    let ring = tenant.keys.ring();
    let foreign = KeyPool::foreign(&*tenant.random);
    let key: &SigningKey = match spec.key {
        MintKey::Current => &ring.current,
        MintKey::Next => &ring.next,
        MintKey::Previous => ring.previous.as_deref().unwrap_or(&foreign),
        MintKey::Foreign => &foreign,
    };
    let alg = match spec.signature {
        MintSignature::Rs256 | MintSignature::Broken => "RS256",
        MintSignature::Ps256 => "PS256",
        MintSignature::Unsigned => "none",
        MintSignature::Hs256WithPublicKey => "HS256",
    };
    let kid = spec.kid.as_deref().unwrap_or_else(|| key.kid());
    let mut header = Map::from_iter([("alg".to_owned(), json!(alg)), ("typ".to_owned(), json!("JWT"))]);
    header.insert("kid".to_owned(), json!(kid));
    bend(&mut header, &spec.header);
    let mut claims = plain_claims(tenant, spec.shift_seconds);
    bend(&mut claims, &spec.claims);
    let message = format!("{}.{}", encode(&header), encode(&claims));
    match spec.signature {
        MintSignature::Rs256 => key.sign(SigningAlg::Rs256, &message),
        MintSignature::Ps256 => key.sign(SigningAlg::Ps256, &message),
        MintSignature::Unsigned => format!("{message}."),
        MintSignature::Hs256WithPublicKey => {
            let secret = hmac::Key::new(hmac::HMAC_SHA256, key.public_pem().as_bytes());
            format!("{message}.{}", URL_SAFE_NO_PAD.encode(hmac::sign(&secret, message.as_bytes())))
        }
        MintSignature::Broken => {
            let other = key.sign(SigningAlg::Rs256, &format!("{message}{}", random_text(&*tenant.random, 4)));
            format!("{message}.{}", other.rsplit('.').next().unwrap_or_default())
        }
    }
}

/// What a valid access token says.
fn plain_claims(tenant: &TenantState, shift: i64) -> Map<String, Value> {
    let settings = tenant.settings();
    let user = settings.users.first();
    let mut claims = user.as_ref().map(|user| super::users::action_claims(user, &settings.claims)).unwrap_or_default();
    let subject = user.map_or_else(|| "auth0|nobody".to_owned(), |user| user.subject.clone());
    let userinfo = tenant.userinfo_url();
    let audience = settings.apis.first().map_or(json!(userinfo), |api| json!([api.identifier, userinfo]));
    let client = settings.first_client.clone().unwrap_or_else(|| "any".to_owned());
    let now = tenant.now_seconds().saturating_add(shift);
    let members = [
        ("iss", json!(tenant.issuer)),
        ("sub", json!(subject)),
        ("aud", audience),
        ("iat", json!(now)),
        ("exp", json!(now.saturating_add(HOUR))),
        ("scope", json!("openid profile email")),
        ("gty", json!("password")),
        ("azp", json!(client)),
    ];
    claims.extend(members.map(|(name, value)| (name.to_owned(), value)));
    claims
}

fn bend(members: &mut Map<String, Value>, changes: &Map<String, Value>) {
    for (name, value) in changes {
        if value.is_null() {
            members.shift_remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
}

fn encode(members: &Map<String, Value>) -> String {
    URL_SAFE_NO_PAD.encode(Value::Object(members.clone()).to_string())
}
