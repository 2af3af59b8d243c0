//! The key set and the discovery document (auth0-facts 1.10).

use std::sync::Arc;

use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};
use serde_json::json;

use super::super::answer::{Answer, Refusal};
use super::super::tenant::TenantState;

/// Auth0's own, which nobody should follow: far shorter than its advice.
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=15");

/// The key set: current, next and, until it is revoked, previous.
pub(super) async fn jwks(tenant: &Arc<TenantState>) -> Result<Answer, Refusal> {
    let ring = tenant.ring().await?;
    let gone = tenant.settings().keys_gone;
    let document = if gone { Bytes::from_static(br#"{"keys":[]}"#) } else { ring.document() };
    Ok(Answer::document(StatusCode::OK, document).with(CACHE_CONTROL, CACHE))
}

/// The discovery document.
pub(super) fn discovery(tenant: &TenantState) -> Answer {
    let issuer = &tenant.issuer;
    let at = |path: &str| format!("{issuer}{path}");
    let document = json!({
        "issuer": issuer,
        "authorization_endpoint": at("authorize"),
        "token_endpoint": at("oauth/token"),
        "device_authorization_endpoint": at("oauth/device/code"),
        "pushed_authorization_request_endpoint": at("oauth/par"),
        "userinfo_endpoint": at("userinfo"),
        "mfa_challenge_endpoint": at("mfa/challenge"),
        "jwks_uri": at(".well-known/jwks.json"),
        "registration_endpoint": at("oidc/register"),
        "revocation_endpoint": at("oauth/revoke"),
        "end_session_endpoint": at("oidc/logout"),
        "scopes_supported": ["openid", "profile", "offline_access", "name", "given_name", "family_name", "nickname",
            "email", "email_verified", "picture", "created_at", "identities", "phone", "address"],
        "response_types_supported": ["code", "token", "id_token", "code token", "code id_token", "token id_token",
            "code token id_token"],
        "code_challenge_methods_supported": ["S256", "plain"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["public"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt"],
        "claims_supported": ["aud", "auth_time", "created_at", "email", "email_verified", "exp", "family_name",
            "given_name", "iat", "identities", "iss", "name", "nickname", "phone_number", "picture", "sub"],
        "request_uri_parameter_supported": false,
        "request_parameter_supported": false,
        "id_token_signing_alg_values_supported": ["HS256", "RS256", "PS256"],
        "token_endpoint_auth_signing_alg_values_supported": ["RS256", "RS384", "PS256"],
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
    });
    Answer::document(StatusCode::OK, Bytes::from(document.to_string())).with(CACHE_CONTROL, CACHE)
}
