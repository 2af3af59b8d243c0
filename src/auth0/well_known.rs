//! `GET /.well-known/jwks.json` and `/.well-known/openid-configuration` (auth0-facts 1.10).

use bytes::Bytes;
use http::StatusCode;

use super::error::UpstreamError;
use super::{Auth0Client, timeout};
use crate::telemetry::metrics::Api;
use crate::tenant::model::Tenant;

impl Auth0Client {
    /// The body of the tenant's key set.
    pub async fn jwks(&self, tenant: &Tenant) -> Result<Bytes, UpstreamError> {
        self.document(tenant, Api::Jwks, &tenant.auth0.jwks).await
    }

    /// The body of the tenant's discovery document.
    pub async fn discovery(&self, tenant: &Tenant) -> Result<Bytes, UpstreamError> {
        self.document(tenant, Api::Discovery, &tenant.auth0.discovery).await
    }

    async fn document(&self, tenant: &Tenant, api: Api, url: &str) -> Result<Bytes, UpstreamError> {
        let began = self.clock.instant();
        let result = self.transport.fetch(url, timeout(tenant, None)).await;
        self.observe(tenant, api, began, &result);
        let reply = result?;
        match reply.status {
            StatusCode::OK => Ok(reply.body),
            status => Err(UpstreamError::Server { status: status.as_u16() }),
        }
    }
}
