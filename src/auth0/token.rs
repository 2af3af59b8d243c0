//! `POST /oauth/token`: what is sent, and whose fault the answer is (auth0-facts 1.3 to 1.5).

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::Full;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::error::UpstreamError;
use super::transport::RawReply;
use super::{Auth0Client, client_auth, timeout};
use crate::base::secret::Secret;
use crate::telemetry::metrics::{Api, OperatorErrorKind};
use crate::tenant::model::{Client, Credential, SecretRing, Tenant};

/// A request to the token endpoint, without the client's authentication, which is added here.
pub struct TokenCall<'a> {
    /// Whose Auth0.
    pub tenant: &'a Tenant,
    /// As which application.
    pub client: &'a Client,
    /// What the grant sends.
    pub parameters: &'a [(&'a str, Cow<'a, str>)],
    /// The user's address, for brute-force protection.
    pub forwarded_for: Option<IpAddr>,
    /// A bound in place of the tenant's.
    pub timeout: Option<Duration>,
}

/// What a request says. It has no `Debug`: passwords and codes stand in it.
#[derive(Clone, Copy)]
pub enum Payload<'a> {
    /// `application/x-www-form-urlencoded`.
    Form(&'a [(&'a str, Cow<'a, str>)]),
    /// `application/json`.
    Json(&'a Map<String, Value>),
}

/// A request that the client authenticates.
pub(super) struct ClientCall<'a> {
    pub(super) tenant: &'a Tenant,
    pub(super) client: &'a Client,
    pub(super) uri: &'a Uri,
    pub(super) api: Api,
    pub(super) payload: Payload<'a>,
    pub(super) bearer: Option<&'a Secret>,
    pub(super) forwarded_for: Option<IpAddr>,
    pub(super) timeout: Option<Duration>,
}

/// What Auth0 says.
#[derive(Debug)]
pub enum TokenAnswer {
    /// Tokens.
    Granted(Granted),
    /// No, and the caller is told so.
    Refused(Refusal),
}

/// RFC 6749 §5.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// `access_token`.
    pub access_token: Secret,
    /// `id_token`.
    pub id_token: Option<Secret>,
    /// `refresh_token`.
    pub refresh_token: Option<Secret>,
    /// `scope`; may be missing where all that was asked for was granted.
    pub scope: Option<Box<str>>,
    /// `expires_in`, seconds.
    pub expires_in: u64,
    /// `recovery_code`: a fresh one, for the user to keep, where the last was used.
    pub recovery_code: Option<Secret>,
    /// `issued_token_type` (RFC 8693 §2.2.1).
    pub issued_token_type: Option<Box<str>>,
}

/// An answer that is the caller's to deal with: passed on with its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Auth0's status, 4xx.
    pub status: u16,
    /// Its `error`.
    pub error: Box<str>,
    /// A JSON object, further members such as `mfa_token` included.
    pub body: Bytes,
    /// Seconds, on 429.
    pub retry_after: Option<u64>,
}

impl Refusal {
    /// Whether the same credential can never succeed: no matter of rate or time.
    pub fn is_final(&self) -> bool {
        self.status != StatusCode::TOO_MANY_REQUESTS.as_u16()
    }
}

#[derive(Deserialize)]
struct GrantedBody {
    access_token: String,
    id_token: Option<String>,
    refresh_token: Option<String>,
    scope: Option<Box<str>>,
    expires_in: Option<u64>,
    recovery_code: Option<String>,
    issued_token_type: Option<Box<str>>,
}

/// Auth0's default lifetime of an access token, where it does not say (auth0-facts 1.3).
const DEFAULT_LIFETIME: u64 = 86_400;

impl Auth0Client {
    /// Asks for tokens. Repeated once after a connection that was refused or a rate limit about to
    /// reset; never after a time-out, since Auth0 may have taken the credential.
    pub async fn token(&self, call: TokenCall<'_>) -> Result<TokenAnswer, UpstreamError> {
        let call = ClientCall {
            tenant: call.tenant,
            client: call.client,
            uri: &call.tenant.auth0.token,
            api: Api::Token,
            payload: Payload::Form(call.parameters),
            bearer: None,
            forwarded_for: call.forwarded_for,
            timeout: call.timeout,
        };
        let reply = match self.send_as_client(&call).await {
            Err(UpstreamError::Connect(_)) => self.send_as_client(&call).await?,
            Ok(reply) if self.is_about_to_reset(&reply) => {
                // A bound of one second, and the caller is waiting in any case.
                tokio::time::sleep(Duration::from_secs(self.retry_after(&reply).unwrap_or(0))).await;
                self.send_as_client(&call).await?
            }
            other => other?,
        };
        self.judge(&call, &reply)
    }

    /// Sends the request with the client's authentication: the leading secret, and where Auth0
    /// rejects it the other one, once.
    pub(super) async fn send_as_client(&self, call: &ClientCall<'_>) -> Result<RawReply, UpstreamError> {
        match &call.client.credential {
            Credential::None => self.post(call, client_auth::with_secret(call.client, None)).await,
            Credential::PrivateKey(key) => {
                let issuer = call.tenant.auth0.issuer.as_str();
                let assertion = client_auth::with_assertion(call.client, key, issuer, &*self.clock, &*self.random)?;
                self.post(call, assertion).await
            }
            Credential::Secret(ring) => self.send_with_ring(call, ring).await,
        }
    }

    async fn send_with_ring(&self, call: &ClientCall<'_>, ring: &SecretRing) -> Result<RawReply, UpstreamError> {
        let Some((place, secret)) = ring.leading() else { return Err(UpstreamError::ClientCredentials) };
        let reply = self.post(call, client_auth::with_secret(call.client, Some(secret))).await?;
        if !is_client_rejected(&reply) {
            return Ok(reply);
        }
        let Some((other, secret)) = ring.other_than(place) else { return Ok(reply) };
        let reply = self.post(call, client_auth::with_secret(call.client, Some(secret))).await?;
        if !is_client_rejected(&reply) {
            ring.promote(other);
            self.metrics.secret_fallback(&call.tenant.name);
            tracing::warn!(
                tenant = %call.tenant.name,
                client_type = %call.client.client_type,
                "Auth0 rejects one of the two client secrets and takes the other, which leads from now on"
            );
        }
        Ok(reply)
    }

    pub(super) async fn post(
        &self,
        call: &ClientCall<'_>,
        authentication: Vec<(&'static str, Cow<'_, str>)>,
    ) -> Result<RawReply, UpstreamError> {
        let is_authenticated = authentication.len() > 1;
        let (media_type, body) = encode(call.payload, &authentication);
        let mut request = Request::post(call.uri.clone())
            .header(header::CONTENT_TYPE, media_type)
            .header(header::ACCEPT, "application/json");
        if let Some(bearer) = call.bearer {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", bearer.expose()));
        }
        // Auth0 heeds it only of a client that authenticates (auth0-facts 2).
        if let Some(address) = call.forwarded_for.filter(|_| is_authenticated) {
            request = request.header("auth0-forwarded-for", address.to_string());
        }
        let request = request.body(Full::new(Bytes::from(body))).map_err(|_| UpstreamError::Malformed)?;
        let began = self.clock.instant();
        let result = self.transport.send(request, timeout(call.tenant, call.timeout)).await;
        self.observe(call.tenant, call.api, began, &result);
        result
    }

    /// Which answer is whose fault (contract §4).
    fn judge(&self, call: &ClientCall<'_>, reply: &RawReply) -> Result<TokenAnswer, UpstreamError> {
        if reply.status.is_success() {
            return granted(&reply.body).map(TokenAnswer::Granted);
        }
        if let Some(error) = self.client_rejected(call.tenant, call.client, reply) {
            return Err(error);
        }
        if !reply.status.is_client_error() {
            return Err(UpstreamError::Server { status: reply.status.as_u16() });
        }
        let refusal = self.refusal(reply);
        if &*refusal.error == "unauthorized_client" {
            // The application may not use the grant: the dashboard says so, not the user.
            self.metrics.operator_error(&call.tenant.name, OperatorErrorKind::Grant);
            tracing::error!(
                tenant = %call.tenant.name,
                client_type = %call.client.client_type,
                "Auth0 does not allow this application the grant: enable it under Advanced Settings, Grant Types"
            );
        }
        Ok(TokenAnswer::Refused(refusal))
    }

    /// A rejected client is the operator's to mend, and counted as such.
    pub(super) fn client_rejected(&self, tenant: &Tenant, client: &Client, reply: &RawReply) -> Option<UpstreamError> {
        if !is_client_rejected(reply) {
            return None;
        }
        self.metrics.operator_error(&tenant.name, OperatorErrorKind::ClientCredentials);
        tracing::error!(
            tenant = %tenant.name,
            client_type = %client.client_type,
            "Auth0 rejects the client's credentials: check client_id and client_secret of this client"
        );
        Some(UpstreamError::ClientCredentials)
    }

    /// A body that is no JSON object is replaced (auth0-facts 1.5, shape 5).
    fn refusal(&self, reply: &RawReply) -> Refusal {
        let object: Option<Map<String, Value>> = serde_json::from_slice(&reply.body).ok();
        let error = object
            .as_ref()
            .and_then(|object| object.get("error").or_else(|| object.get("code")))
            .and_then(Value::as_str);
        let (error, body): (Box<str>, Bytes) = if let (Some(error), Some(_)) = (error, &object) {
            (error.into(), reply.body.clone())
        } else {
            let error =
                if reply.status == StatusCode::TOO_MANY_REQUESTS { "too_many_requests" } else { "access_denied" };
            let text = "the identity provider refused without saying why";
            (error.into(), serde_json::json!({ "error": error, "error_description": text }).to_string().into())
        };
        Refusal { status: reply.status.as_u16(), error, body, retry_after: self.retry_after(reply) }
    }

    /// Never for `too_many_attempts`: that is a block on a user, not a bucket that refills.
    fn is_about_to_reset(&self, reply: &RawReply) -> bool {
        reply.status == StatusCode::TOO_MANY_REQUESTS
            && &*self.refusal(reply).error == "too_many_requests"
            && self.retry_after(reply).is_some_and(|seconds| seconds <= 1)
    }
}

/// Media type and body, with the client's authentication at the end.
fn encode(payload: Payload<'_>, authentication: &[(&'static str, Cow<'_, str>)]) -> (&'static str, String) {
    let authentication = authentication.iter().map(|(name, value)| (*name, &**value));
    match payload {
        Payload::Form(parameters) => {
            let pairs = parameters.iter().map(|(name, value)| (*name, &**value)).chain(authentication);
            let form = form_urlencoded::Serializer::new(String::with_capacity(512)).extend_pairs(pairs).finish();
            ("application/x-www-form-urlencoded", form)
        }
        Payload::Json(members) => {
            let mut members = members.clone();
            members.extend(authentication.map(|(name, value)| (name.to_owned(), Value::from(value))));
            ("application/json", Value::Object(members).to_string())
        }
    }
}

/// 401 `invalid_client`, or 401 `access_denied` saying exactly `Unauthorized` (trap 13).
fn is_client_rejected(reply: &RawReply) -> bool {
    #[derive(Deserialize)]
    struct Body<'a> {
        error: Option<Cow<'a, str>>,
        error_description: Option<Cow<'a, str>>,
    }
    if reply.status != StatusCode::UNAUTHORIZED {
        return false;
    }
    let Ok(body) = serde_json::from_slice::<Body<'_>>(&reply.body) else { return false };
    match body.error.as_deref() {
        Some("invalid_client") => true,
        Some("access_denied") => body.error_description.as_deref() == Some("Unauthorized"),
        _ => false,
    }
}

fn granted(body: &[u8]) -> Result<Granted, UpstreamError> {
    let body: GrantedBody = serde_json::from_slice(body).map_err(|_| UpstreamError::Malformed)?;
    Ok(Granted {
        access_token: Secret::new(body.access_token),
        id_token: body.id_token.map(Secret::new),
        refresh_token: body.refresh_token.map(Secret::new),
        scope: body.scope,
        expires_in: body.expires_in.unwrap_or(DEFAULT_LIFETIME),
        recovery_code: body.recovery_code.map(Secret::new),
        issued_token_type: body.issued_token_type,
    })
}
