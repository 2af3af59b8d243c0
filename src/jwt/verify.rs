//! Signatures: a compact JWS (RFC 7515) by a key of the issuer, or nothing.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::alg::SigningAlg;
use super::claims::{ClaimError, Claims};
use super::keyset::KeySet;

/// Longer than any token Auth0 issues; a bound on what a stranger makes us decode.
const LONGEST: usize = 16 * 1024;

/// Why a token's signature is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// Not three parts of base64url, or no JSON in them.
    #[error("the token is malformed")]
    Malformed,
    /// Over 16 KiB.
    #[error("the token is too long")]
    TooLong,
    /// `none`, a symmetric algorithm, or one the client does not list.
    #[error("the token's algorithm is not allowed")]
    AlgorithmNotAllowed,
    /// An extension that must be understood and is not (RFC 7515 §4.1.11).
    #[error("the token has critical extensions")]
    Critical,
    /// No key of the set has the token's `kid` and fits its algorithm.
    #[error("the token's key is unknown")]
    UnknownKey,
    /// The signature is not this key's.
    #[error("the token's signature does not verify")]
    Signature,
    /// A claim of the wrong type.
    #[error("a claim is malformed")]
    Claim(#[source] ClaimError),
}

/// What the header says. The key decides, never the header: it only says where to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// An asymmetric algorithm that the gateway knows.
    pub alg: SigningAlg,
    /// Which key.
    pub kid: Option<Box<str>>,
    /// `JWT`, `at+jwt`, or nothing.
    pub typ: Option<Box<str>>,
}

/// Whether the text has the three parts of a signed token. An opaque token of Auth0's has one part,
/// or five.
pub fn looks_like_jwt(token: &str) -> bool {
    token.bytes().filter(|byte| *byte == b'.').count() == 2
}

/// Reads the header alone, to know which key to look for.
pub fn decode_header(token: &str) -> Result<Header, JwtError> {
    #[derive(Deserialize)]
    struct Raw {
        alg: String,
        kid: Option<String>,
        typ: Option<String>,
        crit: Option<Value>,
    }
    if token.len() > LONGEST {
        return Err(JwtError::TooLong);
    }
    let head = token.split('.').next().unwrap_or_default();
    let raw: Raw = serde_json::from_slice(&decode(head)?).map_err(|_| JwtError::Malformed)?;
    if raw.crit.is_some() {
        return Err(JwtError::Critical);
    }
    let alg = SigningAlg::from_name(&raw.alg).ok_or(JwtError::AlgorithmNotAllowed)?;
    Ok(Header { alg, kid: raw.kid.map(Into::into), typ: raw.typ.map(Into::into) })
}

/// Whom a token says to be of and for. Believed by nobody: it says which keys to ask, and is asked again of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addressed {
    /// `iss`.
    pub issuer: Box<str>,
    /// `aud`, one or many.
    pub audiences: Vec<Box<str>>,
}

/// Reads issuer and audience before any signature is looked at.
pub fn decode_address(token: &str) -> Result<Addressed, JwtError> {
    if token.len() > LONGEST {
        return Err(JwtError::TooLong);
    }
    let mut parts = token.split('.');
    let (_, payload, _, None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(JwtError::Malformed);
    };
    let object: Map<String, Value> =
        serde_json::from_slice(&decode(payload.unwrap_or_default())?).map_err(|_| JwtError::Malformed)?;
    let Claims { iss, aud, .. } = Claims::parse(object, None).map_err(JwtError::Claim)?;
    Ok(Addressed { issuer: iss, audiences: aud })
}

/// Verifies the signature and gives the claims. Says nothing about whether they count.
pub fn verify_signature(token: &str, keys: &KeySet, allowed: &[SigningAlg]) -> Result<Claims, JwtError> {
    let header = decode_header(token)?;
    if !allowed.contains(&header.alg) {
        return Err(JwtError::AlgorithmNotAllowed);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(JwtError::Malformed)?;
    let (_, payload) = signed.split_once('.').ok_or(JwtError::Malformed)?;
    let signature = decode(signature)?;
    let key = keys.find(header.kid.as_deref(), header.alg).ok_or(JwtError::UnknownKey)?;
    key.verify_sig(signed.as_bytes(), &signature).map_err(|_| JwtError::Signature)?;
    let object: Map<String, Value> = serde_json::from_slice(&decode(payload)?).map_err(|_| JwtError::Malformed)?;
    Claims::parse(object, header.typ.as_deref()).map_err(JwtError::Claim)
}

fn decode(part: &str) -> Result<Vec<u8>, JwtError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| JwtError::Malformed)
}

#[cfg(test)]
mod tests;
