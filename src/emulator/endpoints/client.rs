//! Who calls: client authentication (auth0-facts 1.1, 1.14).

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::super::answer::Refusal;
use super::super::arrival::Arrival;
use super::super::tenant::TenantState;
use super::super::world::{ClientCredential, WorldClient};

/// A client and how it proved itself.
pub(super) struct Authenticated {
    /// The client.
    pub(super) client: Arc<WorldClient>,
    by: Proof,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    Nothing,
    Secret,
    Assertion,
}

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Assertions live at most five minutes, with ten seconds for clocks that differ.
const ASSERTION_SECONDS: i64 = 310;

impl Authenticated {
    /// The address that counts for brute force: `auth0-forwarded-for`, but only if it is one
    /// address, this client showed its *secret*, and it trusts the header; else the peer
    /// (auth0-facts §2).
    pub(super) fn user_address(&self, arrival: &Arrival) -> IpAddr {
        let trusted = self.by == Proof::Secret && self.client.trusts_forwarded_for;
        let forwarded = || arrival.header("auth0-forwarded-for")?.trim().parse().ok();
        trusted.then(forwarded).flatten().unwrap_or(arrival.peer)
    }
}

/// Finds and authenticates the client: by secret in the body or in Basic, by assertion, or not at
/// all where it is public. The assertion's signature is not looked at: the emulator knows no
/// client's public key.
pub(super) fn authenticate(tenant: &TenantState, arrival: &Arrival) -> Result<Authenticated, Refusal> {
    let form = &arrival.form;
    if let Some(assertion) = form.get("client_assertion") {
        return by_assertion(tenant, assertion, arrival);
    }
    let basic = arrival.header("authorization").and_then(basic_credentials);
    let (id, secret) = match &basic {
        Some((id, secret)) if form.get("client_id").is_none_or(|have| have == id) => {
            (id.as_str(), Some(secret.as_str()))
        }
        Some(_) => return Err(Refusal::unauthorized()),
        None => (form.get("client_id").ok_or_else(|| Refusal::missing("client_id"))?, form.get("client_secret")),
    };
    let client = tenant.client(id).ok_or_else(Refusal::unauthorized)?;
    let by = match (&client.credential, secret) {
        (ClientCredential::Public, _) | (ClientCredential::Anything, None) => Proof::Nothing,
        (ClientCredential::Anything, Some(_)) => Proof::Secret,
        (ClientCredential::Secrets(secrets), Some(secret)) if secrets.iter().any(|have| have.matches(secret)) => {
            Proof::Secret
        }
        (ClientCredential::Secrets(_), _) => return Err(Refusal::unauthorized()),
    };
    Ok(Authenticated { client, by })
}

fn by_assertion(tenant: &TenantState, assertion: &str, arrival: &Arrival) -> Result<Authenticated, Refusal> {
    let claims = unverified_claims(assertion).ok_or_else(Refusal::invalid_client)?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let now = tenant.now_seconds();
    let lives =
        claims.get("exp").and_then(Value::as_i64).is_some_and(|exp| exp > now && exp <= now + ASSERTION_SECONDS);
    let id = text("sub").ok_or_else(Refusal::invalid_client)?;
    let says_so = arrival.form.get("client_assertion_type") == Some(ASSERTION_TYPE)
        && arrival.form.get("client_id").is_none_or(|have| have == id)
        && text("iss") == Some(id)
        // One string, the issuer with its slash: arrays and endpoint URLs are deprecated.
        && text("aud") == Some(&tenant.issuer)
        && text("jti").is_some_and(|jti| (1..=64).contains(&jti.len()))
        && lives;
    let client = tenant.client(id).filter(|_| says_so).ok_or_else(Refusal::invalid_client)?;
    if matches!(client.credential, ClientCredential::Public) {
        return Err(Refusal::invalid_client());
    }
    Ok(Authenticated { client, by: Proof::Assertion })
}

/// `Basic`, with both halves form-encoded first (RFC 6749 §2.3.1).
fn basic_credentials(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let decode = |half: &str| percent_decode_str(&half.replace('+', " ")).decode_utf8().ok().map(Into::into);
    Some((decode(id)?, decode(secret)?))
}

/// What an assertion or a hint says. Its signature is not looked at: the world has no keys of clients, and who
/// tests signatures does so against the gateway's public key.
pub(super) fn unverified_claims(assertion: &str) -> Option<Map<String, Value>> {
    let payload = assertion.split('.').nth(1)?;
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}
