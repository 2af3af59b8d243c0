//! How the gateway shows that it is the application (auth0-facts 1.1, 1.14).

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

use super::error::UpstreamError;
use crate::base::clock::Clock;
use crate::base::random::Random;
use crate::base::secret::Secret;
use crate::tenant::model::Client;

/// RFC 7523 §2.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How long an assertion counts, in seconds: what Auth0 advises.
const ASSERTION_LIFETIME: i64 = 60;

#[derive(Serialize)]
struct Assertion<'a> {
    iss: &'a str,
    sub: &'a str,
    /// One string, the issuer: lists and endpoint URLs are deprecated.
    aud: &'a str,
    iat: i64,
    exp: i64,
    jti: String,
}

/// `client_id` and a secret.
pub(super) fn with_secret<'a>(client: &'a Client, secret: Option<&'a Secret>) -> Vec<(&'static str, Cow<'a, str>)> {
    let mut parameters = vec![("client_id", Cow::from(&*client.client_id))];
    parameters.extend(secret.map(|secret| ("client_secret", Cow::from(secret.expose()))));
    parameters
}

/// `client_id` and a signed assertion.
pub(super) fn with_assertion<'a>(
    client: &'a Client,
    key: &Secret,
    issuer: &str,
    clock: &dyn Clock,
    random: &dyn Random,
) -> Result<Vec<(&'static str, Cow<'a, str>)>, UpstreamError> {
    let mut jti = [0u8; 16];
    random.fill(&mut jti);
    let iat = clock.now().as_second();
    let assertion = Assertion {
        iss: &client.client_id,
        sub: &client.client_id,
        aud: issuer,
        iat,
        exp: iat + ASSERTION_LIFETIME,
        jti: URL_SAFE_NO_PAD.encode(jti),
    };
    let key = encoding_key(key)?;
    let signed = jsonwebtoken::encode(&Header::new(Algorithm::RS256), &assertion, &key)
        .map_err(|_| UpstreamError::PrivateKey)?;
    Ok(vec![
        ("client_id", Cow::from(&*client.client_id)),
        ("client_assertion_type", ASSERTION_TYPE.into()),
        ("client_assertion", signed.into()),
    ])
}

/// PKCS#1, or the PKCS#1 inside of PKCS#8.
fn encoding_key(pem: &Secret) -> Result<EncodingKey, UpstreamError> {
    use rustls_pki_types::PrivateKeyDer;
    use rustls_pki_types::pem::PemObject;
    match PrivateKeyDer::from_pem_slice(pem.expose().as_bytes()) {
        Ok(PrivateKeyDer::Pkcs1(der)) => Ok(EncodingKey::from_rsa_der(der.secret_pkcs1_der())),
        Ok(PrivateKeyDer::Pkcs8(der)) => {
            pkcs1_of(der.secret_pkcs8_der()).map(EncodingKey::from_rsa_der).ok_or(UpstreamError::PrivateKey)
        }
        _ => Err(UpstreamError::PrivateKey),
    }
}

/// RFC 5208 §5: version, algorithm, then an octet string that holds the RSA key.
fn pkcs1_of(pkcs8: &[u8]) -> Option<&[u8]> {
    let (0x30, mut inside, _) = der(pkcs8)? else { return None };
    for expected in [0x02, 0x30] {
        let (tag, _, rest) = der(inside)?;
        if tag != expected {
            return None;
        }
        inside = rest;
    }
    match der(inside)? {
        (0x04, key, _) => Some(key),
        _ => None,
    }
}

/// One DER element: tag, content, what follows.
fn der(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        (digits.iter().take(4).fold(0usize, |length, digit| length << 8 | usize::from(*digit)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}
