//! `GET /userinfo` (auth0-facts 1.9).

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::Full;
use serde_json::{Map, Value};

use super::error::UpstreamError;
use super::{Auth0Client, timeout};
use crate::telemetry::metrics::Api;
use crate::tenant::model::Tenant;

/// What Auth0 says to an access token.
#[derive(Debug)]
pub enum UserinfoAnswer {
    /// The user's claims.
    Claims(Map<String, Value>),
    /// It does not take the token.
    Refused,
    /// Come back later: five a minute and user, bursts of ten.
    RateLimited {
        /// Seconds.
        retry_after: Option<u64>,
    },
}

impl Auth0Client {
    /// Asks who the token's user is.
    pub async fn userinfo(&self, tenant: &Tenant, token: &str) -> Result<UserinfoAnswer, UpstreamError> {
        let request = Request::get(tenant.auth0.userinfo.clone())
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::ACCEPT, "application/json")
            .body(Full::new(Bytes::new()))
            .map_err(|_| UpstreamError::Malformed)?;
        let began = self.clock.instant();
        let result = self.transport.send(request, timeout(tenant, None)).await;
        self.observe(tenant, Api::Userinfo, began, &result);
        let reply = result?;
        match reply.status {
            StatusCode::OK => {
                serde_json::from_slice(&reply.body).map(UserinfoAnswer::Claims).map_err(|_| UpstreamError::Malformed)
            }
            StatusCode::TOO_MANY_REQUESTS => Ok(UserinfoAnswer::RateLimited { retry_after: self.retry_after(&reply) }),
            status if status.is_client_error() => Ok(UserinfoAnswer::Refused),
            status => Err(UpstreamError::Server { status: status.as_u16() }),
        }
    }
}
