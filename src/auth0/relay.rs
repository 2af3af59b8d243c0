//! Auth0's further endpoints, passed on: the request is the flow's, the answer goes back as it came
//! (auth0-facts 1.4, 1.6, 1.11, 1.12).

use std::borrow::Cow;
use std::net::IpAddr;

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::Full;

use super::error::UpstreamError;
use super::token::{ClientCall, Payload};
use super::transport::RawReply;
use super::{Auth0Client, client_auth, timeout};
use crate::base::secret::Secret;
use crate::telemetry::metrics::Api;
use crate::tenant::model::{Client, Tenant};

/// How the gateway shows who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shows {
    /// As the application, with its secret or assertion.
    Client,
    /// By the application's id.
    ClientId,
    /// By the bearer alone.
    Nothing,
}

/// What is passed on. Passwords and tokens stand in it.
pub struct RelayCall<'a> {
    /// Whose Auth0.
    pub tenant: &'a Tenant,
    /// As which application.
    pub client: &'a Client,
    /// Under which name it is counted.
    pub api: Api,
    /// `POST`, `GET` or `DELETE`.
    pub method: Method,
    /// Below the tenant's base, with its slash; percent-encoded.
    pub path: Cow<'a, str>,
    /// What is sent.
    pub payload: Payload<'a>,
    /// Who asks.
    pub shows: Shows,
    /// A caller's `mfa_token`.
    pub bearer: Option<&'a Secret>,
    /// The user's address, where Auth0's attack protection reads it.
    pub forwarded_for: Option<IpAddr>,
}

/// What Auth0 said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayAnswer {
    /// 2xx or 4xx.
    pub status: u16,
    /// What the body is.
    pub media: Media,
    /// As it came, at most 1 MiB.
    pub body: Bytes,
    /// Seconds, on 429.
    pub retry_after: Option<u64>,
}

/// What a body is. Auth0's own media type is not believed further than this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// JSON.
    Json,
    /// Anything else: shown as plain text, never as a page.
    Text,
}

impl Auth0Client {
    /// Passes a request on, once. A rejected client is the operator's matter, as at the token endpoint.
    pub async fn relay(&self, call: RelayCall<'_>) -> Result<RelayAnswer, UpstreamError> {
        let uri = format!("{}{}", call.tenant.auth0.base, call.path).parse().map_err(|_| UpstreamError::Malformed)?;
        let reply = match call.shows {
            Shows::Nothing => self.bare(&call, &uri).await?,
            Shows::Client | Shows::ClientId => {
                let as_client = ClientCall {
                    tenant: call.tenant,
                    client: call.client,
                    uri: &uri,
                    api: call.api,
                    payload: call.payload,
                    bearer: call.bearer,
                    forwarded_for: call.forwarded_for,
                    timeout: None,
                };
                if call.shows == Shows::Client {
                    self.send_as_client(&as_client).await?
                } else {
                    self.post(&as_client, client_auth::with_secret(call.client, None)).await?
                }
            }
        };
        if let Some(error) = self.client_rejected(call.tenant, call.client, &reply) {
            return Err(error);
        }
        if !reply.status.is_success() && !reply.status.is_client_error() {
            return Err(UpstreamError::Server { status: reply.status.as_u16() });
        }
        let retry_after = self.retry_after(&reply);
        Ok(RelayAnswer { status: reply.status.as_u16(), media: media(&reply), body: reply.body, retry_after })
    }

    async fn bare(&self, call: &RelayCall<'_>, uri: &http::Uri) -> Result<RawReply, UpstreamError> {
        let mut request =
            Request::builder().method(&call.method).uri(uri.clone()).header(header::ACCEPT, "application/json");
        if let Some(bearer) = call.bearer {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", bearer.expose()));
        }
        let request = request.body(Full::default()).map_err(|_| UpstreamError::Malformed)?;
        let began = self.clock.instant();
        let result = self.transport.send(request, timeout(call.tenant, None)).await;
        self.observe(call.tenant, call.api, began, &result);
        result
    }
}

fn media(reply: &RawReply) -> Media {
    let said = reply.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = said.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") { Media::Json } else { Media::Text }
}
