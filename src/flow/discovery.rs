//! The documents by which applications configure themselves: the tenant's own, with the endpoints served here.
//!
//! `issuer` and `jwks_uri` stay Auth0's, since tokens are Auth0's. What is not served here for the client is left out.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{Call, Services};
use crate::cache::discovery::DiscoveryError;
use crate::cache::keyset::KeysError;
use crate::oauth::grant::GrantType;
use crate::oauth::pkce;
use crate::tenant::model::{Client, Passthrough};

/// Endpoints of the document, where they are here, and what lets a client use them.
const ENDPOINTS: [(&str, &str, Needs); 8] = [
    ("authorization_endpoint", "/authorize", Needs::Grant(GrantType::AuthorizationCode)),
    ("token_endpoint", "/oauth/token", Needs::Nothing),
    ("userinfo_endpoint", "/userinfo", Needs::Nothing),
    ("end_session_endpoint", "/oidc/logout", Needs::Nothing),
    ("revocation_endpoint", "/oauth/revoke", Needs::Passthrough(Passthrough::Revoke)),
    ("device_authorization_endpoint", "/oauth/device/code", Needs::Passthrough(Passthrough::Device)),
    ("pushed_authorization_request_endpoint", "/oauth/par", Needs::Passthrough(Passthrough::Par)),
    ("mfa_challenge_endpoint", "/mfa/challenge", Needs::Passthrough(Passthrough::Mfa)),
];

/// What Auth0 offers and a request through here has no part in: proofs that are not passed on (RFC 9449, RFC 8705), and
/// assertions, since the gateway shows Auth0 who it is. A library that believed them would get a token it cannot use.
const LEFT_OUT: [&str; 4] = [
    "dpop_signing_alg_values_supported",
    "mtls_endpoint_aliases",
    "tls_client_certificate_bound_access_tokens",
    "token_endpoint_auth_signing_alg_values_supported",
];

#[derive(Clone, Copy)]
enum Needs {
    Nothing,
    Grant(GrantType),
    Passthrough(Passthrough),
}

impl Needs {
    fn has(self, client: &Client) -> bool {
        match self {
            Self::Nothing => true,
            Self::Grant(grant) => client.grants.contains(&grant),
            Self::Passthrough(member) => client.passthrough.contains(&member),
        }
    }
}

/// The discovery document for a caller. `base`: where the gateway is for it, without a slash at the end.
pub async fn document(services: &Services, call: &Call, base: &str) -> Result<Map<String, Value>, DiscoveryError> {
    let theirs = call.upstream.measure(&*services.clock, services.discovery.find(&call.tenant)).await?;
    // Whatever else is an endpoint is not served here, and would lead past the gateway.
    let leads_past = |name: &str| name.ends_with("_endpoint") || LEFT_OUT.contains(&name);
    let kept = theirs.iter().filter(|(name, _)| !leads_past(name));
    let mut document: Map<String, Value> = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
    // What the tenant does not offer answers an error page there, such as `/oidc/logout` where it is switched off
    // (auth0-facts 1.8): libraries then take another way.
    let is_served = |name: &str, needs: Needs| theirs.contains_key(name) && needs.has(&call.client);
    let served = ENDPOINTS.iter().filter(|(name, _, needs)| is_served(name, *needs));
    document.extend(served.map(|(name, path, _)| ((*name).to_owned(), json!(format!("{base}{path}")))));
    let grants: Vec<&str> = call.client.grants.iter().map(|grant| grant.wire()).collect();
    for (name, value) in [
        ("response_types_supported", json!(["code"])),
        ("response_modes_supported", json!(["query"])),
        ("code_challenge_methods_supported", json!([pkce::METHOD])),
        ("scopes_supported", json!(call.client.scopes.iter().collect::<Vec<_>>())),
        ("grant_types_supported", json!(grants)),
        ("request_parameter_supported", json!(false)),
        ("request_uri_parameter_supported", json!(false)),
        ("token_endpoint_auth_methods_supported", authentication(&call.client)),
    ] {
        document.insert(name.to_owned(), value);
    }
    Ok(document)
}

/// How a caller shows the gateway who it is: not at all, but where its file says so.
fn authentication(client: &Client) -> Value {
    match client.callers {
        Some(_) => json!(["client_secret_post", "client_secret_basic"]),
        None => json!(["none", "client_secret_post", "client_secret_basic"]),
    }
}

/// The tenant's key set, as Auth0 sent it.
pub async fn keys(services: &Services, call: &Call) -> Result<Bytes, KeysError> {
    call.upstream.measure(&*services.clock, services.keys.document(&call.tenant)).await
}
