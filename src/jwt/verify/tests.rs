//! The verifier beside `jsonwebtoken` as the oracle, over tokens sound and damaged.

use std::sync::OnceLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RsaKeyPair};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Validation};
use proptest::prelude::*;
use serde_json::json;

use super::*;

/// One issuer's key, for both sides.
struct Issuer {
    pair: RsaKeyPair,
    decoding: DecodingKey,
    keys: KeySet,
    public_pem: String,
}

fn issuer() -> &'static Issuer {
    static ISSUER: OnceLock<Issuer> = OnceLock::new();
    ISSUER.get_or_init(|| {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("generates");
        let components: PublicKeyComponents<Vec<u8>> = pair.public_key().into();
        let (n, e) = (URL_SAFE_NO_PAD.encode(&components.n), URL_SAFE_NO_PAD.encode(&components.e));
        let body = json!({"keys": [{"kty": "RSA", "use": "sig", "kid": "k1", "alg": "RS256", "n": n, "e": e}]});
        Issuer {
            decoding: DecodingKey::from_rsa_components(&n, &e).expect("is a key"),
            keys: KeySet::parse(body.to_string().as_bytes()).expect("is a set"),
            public_pem: format!("-----BEGIN PUBLIC KEY-----\n{n}\n-----END PUBLIC KEY-----\n"),
            pair,
        }
    })
}

fn signed(header: &jsonwebtoken::Header, claims: &Value) -> String {
    let part = |value: &str| URL_SAFE_NO_PAD.encode(value);
    let signed = format!("{}.{}", part(&json!(header).to_string()), part(&claims.to_string()));
    let padding = if header.alg == Algorithm::RS384 { &RSA_PKCS1_SHA384 } else { &RSA_PKCS1_SHA256 };
    let mut signature = vec![0; issuer().pair.public_modulus_len()];
    issuer().pair.sign(padding, &SystemRandom::new(), signed.as_bytes(), &mut signature).expect("signs");
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn sound() -> String {
    let mut header = jsonwebtoken::Header::new(Algorithm::RS256);
    header.kid = Some("k1".into());
    signed(&header, &json!({"iss": "https://i/", "sub": "s", "aud": ["a", "b"], "exp": 2_000_000_000, "iat": 1}))
}

fn ours(token: &str) -> Result<Claims, JwtError> {
    verify_signature(token, &issuer().keys, &[SigningAlg::Rs256])
}

/// What the oracle says, with its policies switched off: ours are elsewhere.
fn oracle(token: &str) -> bool {
    let mut validation = Validation::new(Algorithm::RS256);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    jsonwebtoken::decode::<Value>(token, &issuer().decoding, &validation).is_ok()
}

#[test]
fn a_sound_token_gives_its_claims() {
    let claims = ours(&sound()).expect("verifies");
    assert_eq!((&*claims.iss, &*claims.sub, claims.aud.len()), ("https://i/", "s", 2));
    assert!(oracle(&sound()));
}

#[test]
fn no_algorithm_but_a_listed_asymmetric_one_counts() {
    let payload = sound().split('.').nth(1).expect("has a payload").to_owned();
    let header = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let none = format!("{}.{payload}.", header(r#"{"alg":"none"}"#));
    assert_eq!(ours(&none), Err(JwtError::AlgorithmNotAllowed));
    let mut hs256 = jsonwebtoken::Header::new(Algorithm::HS256);
    hs256.kid = Some("k1".into());
    let confused =
        jsonwebtoken::encode(&hs256, &json!({"sub": "s"}), &EncodingKey::from_secret(issuer().public_pem.as_bytes()));
    assert_eq!(ours(&confused.expect("signs")), Err(JwtError::AlgorithmNotAllowed));
    assert_eq!(verify_signature(&sound(), &issuer().keys, &[SigningAlg::Ps256]), Err(JwtError::AlgorithmNotAllowed));
}

#[test]
fn the_key_pins_the_algorithm_and_not_the_header() {
    let mut header = jsonwebtoken::Header::new(Algorithm::RS384);
    header.kid = Some("k1".into());
    let token = signed(&header, &json!({"sub": "s"}));
    let all = [SigningAlg::Rs256, SigningAlg::Rs384];
    assert_eq!(verify_signature(&token, &issuer().keys, &all), Err(JwtError::UnknownKey), "the key says RS256");
}

#[test]
fn an_unknown_key_and_critical_extensions_are_told() {
    let mut header = jsonwebtoken::Header::new(Algorithm::RS256);
    header.kid = Some("other".into());
    assert_eq!(ours(&signed(&header, &json!({}))), Err(JwtError::UnknownKey));
    let critical = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","kid":"k1","crit":["b64"]}"#);
    assert_eq!(ours(&format!("{critical}.e30.AA")), Err(JwtError::Critical));
}

#[test]
fn keys_that_a_token_brings_are_not_looked_at() {
    let mut header = jsonwebtoken::Header::new(Algorithm::RS256);
    header.kid = Some("other".into());
    header.jku = Some("https://evil.example/jwks.json".into());
    header.x5u = Some("https://evil.example/cert.pem".into());
    assert_eq!(ours(&signed(&header, &json!({}))), Err(JwtError::UnknownKey));
}

proptest! {
    /// One byte changed anywhere: both refuse, or both accept (base64url has no slack in these parts,
    /// so that accepting means that nothing was changed).
    #[test]
    fn a_damaged_token_is_judged_as_the_oracle_judges_it(place in 0usize..600, byte in 0x21u8..0x7f) {
        let mut token = sound().into_bytes();
        let place = place % token.len();
        token[place] = byte;
        let token = String::from_utf8(token).expect("is ASCII");
        prop_assert_eq!(ours(&token).is_ok(), oracle(&token), "{}", token);
    }

    #[test]
    fn a_cut_token_is_refused(length in 0usize..600) {
        let token = sound();
        let length = length % token.len();
        prop_assert!(ours(&token[..length]).is_err());
    }

    #[test]
    fn no_text_makes_it_panic(text in "[ -~]{0,200}", payload in "\\PC{0,60}") {
        let _ = ours(&text);
        let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","kid":"k1"}"#);
        let _ = ours(&format!("{head}.{}.{}", URL_SAFE_NO_PAD.encode(payload), text));
        let _ = looks_like_jwt(&text);
    }

    /// Claims of any JSON type: an error or a value, never a panic.
    #[test]
    fn claims_of_any_type_are_an_error_or_a_value(value in prop_oneof![
        Just(json!(null)), Just(json!(1e300)), Just(json!(-1e300)), Just(json!([])), Just(json!({})), Just(json!("x")),
        any::<i64>().prop_map(|it| json!(it)), any::<f64>().prop_map(|it| json!(it)),
    ]) {
        for name in ["exp", "iat", "aud", "sub", "azp", "auth_time"] {
            let Value::Object(object) = json!({ name: value }) else { unreachable!("an object") };
            let _ = Claims::parse(object, None);
        }
    }
}
