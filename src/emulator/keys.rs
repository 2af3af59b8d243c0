//! A tenant's RSA keys: current, next and, until it is revoked, previous (auth0-facts 1.10).
//!
//! Made at first use, since a key takes tens of milliseconds. What is signed with them is decided in
//! `tokens` and `mint`.

use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Value, json};

use crate::base::random::Random;
use crate::jwt::alg::SigningAlg;

/// A key pair under one key id.
pub(super) struct SigningKey {
    kid: String,
    pair: Arc<RsaKeyPair>,
    /// The encoded header of what it signs by default, so that it is not encoded for each token.
    header: String,
    jwk: Value,
    verifier: DecodingKey,
}

impl SigningKey {
    /// A pair under a key id of its own, random as Auth0's.
    fn new(pair: Arc<RsaKeyPair>, random: &dyn Random) -> Self {
        let mut id = [0u8; 15];
        random.fill(&mut id);
        let kid = URL_SAFE_NO_PAD.encode(id);
        let verifier = DecodingKey::from_rsa_der(pair.public_key().as_ref());
        let mut jwk = Jwk::from_decoding_key(&verifier, Some(Algorithm::RS256))
            .ok()
            .and_then(|jwk| serde_json::to_value(jwk).ok())
            .expect("a public key that the same library made is one it can read");
        jwk["kid"] = json!(kid);
        jwk["use"] = json!("sig");
        jwk["alg"] = json!("RS256");
        let header = URL_SAFE_NO_PAD.encode(json!({"alg": "RS256", "typ": "JWT", "kid": kid}).to_string());
        Self { kid, pair, header, jwk, verifier }
    }

    /// What `kid` says in the header of its tokens.
    pub(super) fn kid(&self) -> &str {
        &self.kid
    }

    /// How its tokens are verified.
    pub(super) fn verifier(&self) -> &DecodingKey {
        &self.verifier
    }

    /// The public key as anybody can write it down, which is what the old attack takes as an HMAC key.
    pub(super) fn public_pem(&self) -> String {
        let der: PublicKeyX509Der<'_> =
            self.pair.public_key().as_der().expect("a public key that the same library made has an encoding");
        let text = STANDARD.encode(der.as_ref());
        let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
    }

    /// A whole token over these claims: RS256, `typ: JWT`, its own `kid`.
    pub(super) fn token(&self, claims: &Value) -> String {
        self.sign(SigningAlg::Rs256, &format!("{}.{}", self.header, URL_SAFE_NO_PAD.encode(claims.to_string())))
    }

    /// `message` with its signature behind a dot. Only RSA: PS256 if so asked, else RS256.
    pub(super) fn sign(&self, alg: SigningAlg, message: &str) -> String {
        let padding = if alg == SigningAlg::Ps256 { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(padding, &SystemRandom::new(), message.as_bytes(), &mut signature)
            .expect("the buffer has the key's length, the one thing a signature can fail for");
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// The keys of a tenant at one moment. A clone is four pointers.
#[derive(Clone)]
pub(super) struct KeyRing {
    /// Signs.
    pub(super) current: Arc<SigningKey>,
    /// Published ahead of its turn.
    pub(super) next: Arc<SigningKey>,
    /// Signed before the last rotation; still good until it is revoked.
    pub(super) previous: Option<Arc<SigningKey>>,
    document: Bytes,
}

impl KeyRing {
    fn new(current: Arc<SigningKey>, next: Arc<SigningKey>, previous: Option<Arc<SigningKey>>) -> Self {
        let keys: Vec<&Value> =
            [Some(&current), Some(&next), previous.as_ref()].into_iter().flatten().map(|key| &key.jwk).collect();
        let document = Bytes::from(json!({"keys": keys}).to_string());
        Self { current, next, previous, document }
    }

    /// The key set document.
    pub(super) fn document(&self) -> Bytes {
        self.document.clone()
    }

    /// The key of this id, if it still counts.
    pub(super) fn find(&self, kid: &str) -> Option<&SigningKey> {
        [Some(&self.current), Some(&self.next), self.previous.as_ref()]
            .into_iter()
            .flatten()
            .find(|key| key.kid == kid)
            .map(|key| &**key)
    }
}

/// The keys of one tenant over time.
pub(super) struct Keys {
    ring: RwLock<Option<KeyRing>>,
    /// Held while keys are made, so that they are made once; never together with a wait for `ring`'s
    /// readers.
    making: Mutex<()>,
    source: KeySource,
    random: Arc<dyn Random>,
}

/// Where a tenant's first two keys come from.
pub(super) enum KeySource {
    /// Made for it alone.
    Own,
    /// Two of the pool's, under key ids of its own.
    Pool(Arc<KeyPool>, usize),
}

impl Keys {
    /// No key is made yet.
    pub(super) fn new(source: KeySource, random: Arc<dyn Random>) -> Self {
        Self { ring: RwLock::new(None), making: Mutex::new(()), source, random }
    }

    /// The keys, if they have been made.
    pub(super) fn ready(&self) -> Option<KeyRing> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The keys; makes them if need be, which takes up to seconds: never on an async thread.
    pub(super) fn ring(&self) -> KeyRing {
        if let Some(ring) = self.ready() {
            return ring;
        }
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        self.ready().unwrap_or_else(|| {
            let (current, next) = match &self.source {
                KeySource::Own => (Arc::new(generate()), Arc::new(generate())),
                KeySource::Pool(pool, index) => (pool.pair(*index), pool.pair(*index + 1)),
            };
            self.store(KeyRing::new(self.keyed(current), self.keyed(next), None))
        })
    }

    /// The next key becomes the current one, the current one the previous one. Makes a key.
    pub(super) fn rotate(&self) {
        let ring = self.ring();
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let ring = self.ready().unwrap_or(ring);
        let next = self.keyed(Arc::new(generate()));
        self.store(KeyRing::new(ring.next, next, Some(ring.current)));
    }

    /// The previous key counts no more.
    pub(super) fn revoke_previous(&self) {
        let ring = self.ring();
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let ring = self.ready().unwrap_or(ring);
        self.store(KeyRing::new(ring.current, ring.next, None));
    }

    fn keyed(&self, pair: Arc<RsaKeyPair>) -> Arc<SigningKey> {
        Arc::new(SigningKey::new(pair, &*self.random))
    }

    fn store(&self, ring: KeyRing) -> KeyRing {
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Some(ring.clone());
        ring
    }
}

/// A few pairs shared by the tenants that nobody described.
///
/// A bench makes a thousand of those; two pairs for each would take minutes. Each still signs with
/// two different pairs, under key ids of its own.
#[derive(Default)]
pub(super) struct KeyPool([OnceLock<Arc<RsaKeyPair>>; 4]);

impl KeyPool {
    fn pair(&self, index: usize) -> Arc<RsaKeyPair> {
        self.0[index % self.0.len()].get_or_init(|| Arc::new(generate())).clone()
    }

    /// A key that no tenant publishes, nor ever will: the pool's own last pair under a new key id.
    pub(super) fn foreign(random: &dyn Random) -> SigningKey {
        static FOREIGN: OnceLock<Arc<RsaKeyPair>> = OnceLock::new();
        SigningKey::new(FOREIGN.get_or_init(|| Arc::new(generate())).clone(), random)
    }
}

fn generate() -> RsaKeyPair {
    RsaKeyPair::generate(KeySize::Rsa2048).expect("making an RSA key fails only where no memory is left")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::SystemRandom as SystemBytes;

    fn kids(keys: &Keys) -> Vec<String> {
        let document: Value = serde_json::from_slice(&keys.ring().document()).expect("is JSON");
        let keys = document["keys"].as_array().expect("is a list").clone();
        keys.iter().map(|key| key["kid"].as_str().expect("has an id").to_owned()).collect()
    }

    #[test]
    fn a_rotation_promotes_the_next_key_and_keeps_the_previous_until_it_is_revoked() {
        let keys = Keys::new(KeySource::Own, Arc::new(SystemBytes));
        assert!(keys.ready().is_none(), "no key is made before it is needed");
        let before = kids(&keys);
        assert_eq!(before.len(), 2);
        keys.rotate();
        let after = kids(&keys);
        assert_eq!((after.len(), &after[0], &after[2]), (3, &before[1], &before[0]));
        keys.revoke_previous();
        assert_eq!(kids(&keys), after[..2]);
        assert!(keys.ring().find(&before[0]).is_none() && keys.ring().find(&before[1]).is_some());
    }

    #[test]
    fn two_tenants_of_the_pool_share_no_key_id() {
        let pool = Arc::new(KeyPool::default());
        let one = Keys::new(KeySource::Pool(pool.clone(), 0), Arc::new(SystemBytes));
        let five = Keys::new(KeySource::Pool(pool, 4), Arc::new(SystemBytes));
        assert!(kids(&one).iter().all(|kid| !kids(&five).contains(kid)));
    }

    #[test]
    fn a_published_key_is_all_a_verifier_needs() {
        let keys = Keys::new(KeySource::Own, Arc::new(SystemBytes));
        let ring = keys.ring();
        let document: jsonwebtoken::jwk::JwkSet = serde_json::from_slice(&ring.document()).expect("is a key set");
        let key = DecodingKey::from_jwk(document.find(ring.current.kid()).expect("is published")).expect("is RSA");
        let mut validation = jsonwebtoken::Validation::new(Algorithm::RS256);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        let token = ring.current.token(&json!({"sub": "auth0|1"}));
        let claims = jsonwebtoken::decode::<Value>(&token, &key, &validation).expect("verifies").claims;
        assert_eq!(claims["sub"], "auth0|1");
        assert!(jsonwebtoken::decode::<Value>(ring.next.token(&claims), &key, &validation).is_err());
    }
}
