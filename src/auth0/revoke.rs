//! `POST /oauth/revoke` (auth0-facts 1.6): refresh tokens alone; a 200 proves nothing.

use super::Auth0Client;
use super::error::UpstreamError;
use super::token::{ClientCall, Payload};
use crate::base::secret::Secret;
use crate::telemetry::metrics::Api;
use crate::tenant::model::{Client, Tenant};

impl Auth0Client {
    /// Asks Auth0 to forget the refresh token.
    pub async fn revoke(&self, tenant: &Tenant, client: &Client, refresh_token: &Secret) -> Result<(), UpstreamError> {
        let call = ClientCall {
            tenant,
            client,
            uri: &tenant.auth0.revoke,
            api: Api::Revoke,
            payload: Payload::Form(&[("token", refresh_token.expose().into())]),
            bearer: None,
            forwarded_for: None,
            timeout: None,
        };
        let reply = self.send_as_client(&call).await?;
        if reply.status.is_success() { Ok(()) } else { Err(UpstreamError::Server { status: reply.status.as_u16() }) }
    }
}
