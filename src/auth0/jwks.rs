//! `GET /.well-known/jwks.json` (auth0-facts 1.10).

use bytes::Bytes;
use http::StatusCode;

use super::error::UpstreamError;
use super::{Auth0Client, timeout};
use crate::telemetry::metrics::Api;
use crate::tenant::model::Tenant;

impl Auth0Client {
    /// The body of the tenant's key set.
    pub async fn jwks(&self, tenant: &Tenant) -> Result<Bytes, UpstreamError> {
        let began = self.clock.instant();
        let result = self.transport.fetch(&tenant.auth0.jwks, timeout(tenant, None)).await;
        self.observe(tenant, Api::Jwks, began, &result);
        let reply = result?;
        match reply.status {
            StatusCode::OK => Ok(reply.body),
            status => Err(UpstreamError::Server { status: status.as_u16() }),
        }
    }
}
