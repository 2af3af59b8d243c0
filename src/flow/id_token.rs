//! ID tokens: verified on every path that yields one, before anything in them is believed.

use super::{Call, Services};
use crate::base::secret::Secret;
use crate::cache::keyset::KeysError;
use crate::jwt::claims::Claims;
use crate::jwt::policy::{IdTokenPolicy, Nonce, Rejection};
use crate::jwt::verify::{self, JwtError};
use crate::telemetry::metrics::OperatorErrorKind;

/// Why an ID token from the token endpoint is not believed. It came over a checked connection from
/// the configured tenant, so most of these are the operator's to mend, or Auth0's.
#[derive(Debug, thiserror::Error)]
pub enum IdTokenError {
    /// A code was redeemed without one, although `openid` is always asked for.
    #[error("there is no ID token")]
    Absent,
    /// It is malformed, or its signature does not verify.
    #[error("the ID token does not verify")]
    Signature(#[source] JwtError),
    /// Issuer, audience, times or organization are not the client's.
    #[error("the ID token is not for this client")]
    Policy(#[source] Rejection),
    /// The tenant's keys cannot be had.
    #[error("the tenant's keys cannot be had")]
    Keys(#[source] KeysError),
}

impl IdTokenError {
    /// Whether the login is not the one that was asked for: a visitor may edit what he is sent to Auth0 with, and
    /// that is nobody's mistake.
    pub fn is_another_login(&self) -> bool {
        matches!(
            self,
            Self::Absent
                | Self::Policy(
                    Rejection::Nonce | Rejection::AuthTime | Rejection::AuthenticationContext | Rejection::Organization
                )
        )
    }
}

/// What the login asked for, as far as the ID token must say it again.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'a> {
    /// The `nonce` that was sent.
    pub nonce: Nonce<'a>,
    /// The `max_age` that was sent.
    pub max_age: Option<std::time::Duration>,
    /// The `acr_values` that were sent.
    pub acr_values: Option<&'a [Box<str>]>,
}

/// Verifies signature and claims (auth0-facts 6.1).
pub async fn verify(
    services: &Services,
    call: &Call,
    token: &Secret,
    asked: Asked<'_>,
) -> Result<Claims, IdTokenError> {
    let verified = verify_uncounted(services, call, token, asked).await;
    if let Err(error @ (IdTokenError::Signature(_) | IdTokenError::Policy(_))) = &verified
        && !error.is_another_login()
    {
        services.metrics.operator_error(&call.tenant.name, OperatorErrorKind::IdToken);
    }
    verified
}

async fn verify_uncounted(
    services: &Services,
    call: &Call,
    token: &Secret,
    asked: Asked<'_>,
) -> Result<Claims, IdTokenError> {
    let token = token.expose();
    let header = verify::decode_header(token).map_err(IdTokenError::Signature)?;
    let keys = call
        .upstream
        .measure(&*services.clock, services.keys.find(&call.tenant, header.kid.as_deref()))
        .await
        .map_err(IdTokenError::Keys)?;
    let claims = verify::verify_signature(token, &keys, &call.client.signing_algs).map_err(IdTokenError::Signature)?;
    let policy = IdTokenPolicy {
        issuer: &call.tenant.auth0.issuer,
        client_id: &call.client.client_id,
        nonce: asked.nonce,
        max_age: asked.max_age,
        acr_values: asked.acr_values,
        organization: call.client.organization.as_deref(),
    };
    policy.check(&claims, services.now()).map_err(IdTokenError::Policy)?;
    Ok(claims)
}
