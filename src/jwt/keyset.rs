//! JSON Web Key Sets (RFC 7517): each key on its own, parsed once.

use std::fmt;

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{self, ParsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use super::alg::SigningAlg;

/// More keys than any tenant has: current, next and previous are three.
const MOST_KEYS: usize = 32;

/// A body that is no key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body is no JSON object with a list `keys`")]
pub struct KeySetError;

/// The usable keys of an issuer.
#[derive(Debug, Default)]
pub struct KeySet {
    keys: Vec<Key>,
    /// How many keys of the set are of no use: symmetric, for encryption, too small, malformed.
    pub dropped: usize,
}

/// One public key.
struct Key {
    kid: Option<Box<str>>,
    material: Material,
    /// What the key says it is for; a key may say nothing (auth0-facts 1.10).
    alg: Option<SigningAlg>,
}

/// A key parsed for every algorithm that it can serve: parsing costs more than a third of a
/// verification.
enum Material {
    Rsa { rs256: ParsedPublicKey, rs384: ParsedPublicKey, rs512: ParsedPublicKey, ps256: ParsedPublicKey },
    P256(ParsedPublicKey),
}

/// The members of a JWK that count. `jku`, `x5u` and their like have no place here.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(rename = "use")]
    public_key_use: Option<String>,
    kid: Option<String>,
    alg: Option<Value>,
    n: Option<String>,
    e: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// From the body of `jwks.json`. A key that cannot be used is dropped and counted: one odd key
    /// does not end the logins of a tenant.
    pub fn parse(body: &[u8]) -> Result<Self, KeySetError> {
        #[derive(Deserialize)]
        struct Body {
            keys: Vec<Value>,
        }
        let body: Body = serde_json::from_slice(body).map_err(|_| KeySetError)?;
        let count = body.keys.len();
        let keys: Vec<Key> = body.keys.into_iter().take(MOST_KEYS).filter_map(Key::parse).collect();
        Ok(Self { dropped: count - keys.len(), keys })
    }

    /// Whether a key has that id.
    pub fn contains(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.kid.as_deref() == Some(kid))
    }

    /// How many keys can be used.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no key can be used.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The key for a token's header. Without a `kid` only where exactly one key fits.
    pub(super) fn find(&self, kid: Option<&str>, alg: SigningAlg) -> Option<&ParsedPublicKey> {
        let mut fitting = self
            .keys
            .iter()
            .filter(|key| kid.is_none() || key.kid.as_deref() == kid)
            .filter_map(|key| key.serving(alg));
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Some(key),
            // Two keys of one id: neither is told from the other.
            _ => None,
        }
    }
}

impl Key {
    fn parse(value: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        if jwk.public_key_use.as_deref().is_some_and(|it| it != "sig") {
            return None;
        }
        let alg = match jwk.alg.as_ref().and_then(Value::as_str) {
            Some(name) => Some(SigningAlg::from_name(name)?),
            None => None,
        };
        let material = match jwk.kty.as_str() {
            "RSA" => Material::rsa(&decode(jwk.n.as_deref()?)?, &decode(jwk.e.as_deref()?)?)?,
            "EC" if jwk.crv.as_deref() == Some("P-256") => {
                Material::p256(&decode(jwk.x.as_deref()?)?, &decode(jwk.y.as_deref()?)?)?
            }
            _ => return None,
        };
        Some(Self { kid: jwk.kid.map(Into::into), material, alg })
    }

    /// The parsed key, where both its kind and its own `alg` allow the algorithm.
    fn serving(&self, alg: SigningAlg) -> Option<&ParsedPublicKey> {
        if self.alg.is_some_and(|own| own != alg) {
            return None;
        }
        match (&self.material, alg) {
            (Material::Rsa { rs256, .. }, SigningAlg::Rs256) => Some(rs256),
            (Material::Rsa { rs384, .. }, SigningAlg::Rs384) => Some(rs384),
            (Material::Rsa { rs512, .. }, SigningAlg::Rs512) => Some(rs512),
            (Material::Rsa { ps256, .. }, SigningAlg::Ps256) => Some(ps256),
            (Material::P256(key), SigningAlg::Es256) => Some(key),
            (Material::Rsa { .. }, SigningAlg::Es256) | (Material::P256(_), _) => None,
        }
    }
}

impl Material {
    /// 2048 to 8192 bits: a smaller key is forgeable, a larger one a way to keep us busy.
    fn rsa(n: &[u8], e: &[u8]) -> Option<Self> {
        let significant = n.iter().skip_while(|byte| **byte == 0).count();
        if !(256..=1024).contains(&significant) {
            return None;
        }
        let components = PublicKeyComponents { n, e };
        Some(Self::Rsa {
            rs256: components.to_parsed_public_key(&signature::RSA_PKCS1_2048_8192_SHA256).ok()?,
            rs384: components.to_parsed_public_key(&signature::RSA_PKCS1_2048_8192_SHA384).ok()?,
            rs512: components.to_parsed_public_key(&signature::RSA_PKCS1_2048_8192_SHA512).ok()?,
            ps256: components.to_parsed_public_key(&signature::RSA_PSS_2048_8192_SHA256).ok()?,
        })
    }

    /// An uncompressed point (SEC 1 §2.3.3).
    fn p256(x: &[u8], y: &[u8]) -> Option<Self> {
        if x.len() != 32 || y.len() != 32 {
            return None;
        }
        let point = [&[4u8], x, y].concat();
        ParsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).ok().map(Self::P256)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("kid", &self.kid).field("alg", &self.alg).finish_non_exhaustive()
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_odd_key_does_not_end_the_set() {
        let n = URL_SAFE_NO_PAD.encode([0xffu8; 256]);
        let body = serde_json::json!({"keys": [
            {"kty": "RSA", "kid": "good", "use": "sig", "n": n, "e": "AQAB"},
            {"kty": "RSA", "kid": "numeric-alg", "alg": 7, "n": n, "e": "AQAB"},
            {"kty": "oct", "kid": "symmetric", "k": "AAAA"},
            {"kty": "RSA", "kid": "enc", "use": "enc", "n": n, "e": "AQAB"},
            {"kty": "RSA", "kid": "hs", "alg": "HS256", "n": n, "e": "AQAB"},
            {"kty": "RSA", "kid": "small", "n": URL_SAFE_NO_PAD.encode([0xffu8; 128]), "e": "AQAB"},
            "nonsense",
        ]});
        let set = KeySet::parse(body.to_string().as_bytes()).expect("is a set");
        assert!(set.contains("good") && set.contains("numeric-alg"));
        assert_eq!((set.len(), set.dropped), (2, 5));
    }

    #[test]
    fn what_is_no_set_is_refused() {
        for body in ["", "[]", "{}", r#"{"keys":{}}"#, "<html>"] {
            assert!(KeySet::parse(body.as_bytes()).is_err(), "{body}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(n in "[A-Za-z0-9_-]{0,400}", e in "[A-Za-z0-9_-]{0,8}", kty in "RSA|EC|oct") {
            let body = serde_json::json!({"keys": [{"kty": kty, "n": n, "e": e, "crv": "P-256", "x": n, "y": e}]});
            let _ = KeySet::parse(body.to_string().as_bytes());
        }
    }
}
