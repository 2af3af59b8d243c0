//! What an endpoint answers, and the refusals with Auth0's words (auth0-facts 1.5).

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::faults::FaultResponse;
use super::limits::RateReading;

/// A whole answer.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    /// Its status.
    pub(super) status: StatusCode,
    /// Its headers but the length.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// Its body.
    pub(super) body: Bytes,
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

impl Answer {
    /// Nothing but a status.
    pub(super) fn empty(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new() }
    }

    /// JSON that is not to be stored.
    pub(super) fn json(status: StatusCode, body: &Value) -> Self {
        Self::document(status, Bytes::from(body.to_string())).with(CACHE_CONTROL, HeaderValue::from_static("no-store"))
    }

    /// JSON that is written already.
    pub(super) fn document(status: StatusCode, body: Bytes) -> Self {
        Self { status, headers: vec![(CONTENT_TYPE, JSON)], body }
    }

    /// With one more header.
    #[must_use]
    pub(super) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// With the three headers of a rate limit.
    #[must_use]
    pub(super) fn with_rate(self, rate: RateReading) -> Self {
        self.with(HeaderName::from_static("x-ratelimit-limit"), HeaderValue::from(rate.limit))
            .with(HeaderName::from_static("x-ratelimit-remaining"), HeaderValue::from(rate.remaining))
            .with(HeaderName::from_static("x-ratelimit-reset"), HeaderValue::from(rate.reset))
    }
}

impl From<FaultResponse> for Answer {
    fn from(fault: FaultResponse) -> Self {
        let status = StatusCode::from_u16(fault.status).ok().filter(|status| !status.is_informational());
        let mut answer = Self::empty(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
        for (name, value) in fault.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                answer.headers.push((name, value));
            }
        }
        if !answer.headers.iter().any(|(name, _)| name == CONTENT_TYPE) {
            answer.headers.push((CONTENT_TYPE, JSON));
        }
        answer.body = Bytes::from(fault.body);
        answer
    }
}

/// A request refused: `{"error","error_description"}` and what comes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    status: StatusCode,
    error: &'static str,
    description: Cow<'static, str>,
    mfa_token: Option<String>,
}

impl Refusal {
    /// With Auth0's words.
    pub(super) fn new(status: StatusCode, error: &'static str, description: impl Into<Cow<'static, str>>) -> Self {
        Self { status, error, description: description.into(), mfa_token: None }
    }

    /// 400 `invalid_request`.
    pub(super) fn invalid_request(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", description)
    }

    /// 400: a parameter is not there.
    pub(super) fn missing(parameter: &str) -> Self {
        Self::invalid_request(format!("Missing required parameter: {parameter}"))
    }

    /// 403 `invalid_grant`: password, code, one-time password and refresh token alike.
    pub(super) fn invalid_grant(description: &'static str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "invalid_grant", description)
    }

    /// 403 `access_denied`.
    pub(super) fn access_denied(description: String) -> Self {
        Self::new(StatusCode::FORBIDDEN, "access_denied", description)
    }

    /// What a wrong or missing client secret is at the token endpoint.
    pub(super) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "access_denied", "Unauthorized")
    }

    /// What a wrong assertion is everywhere, and a wrong secret at the revocation endpoint.
    pub(super) fn invalid_client() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_client", "Client authentication failed")
    }

    /// What `/userinfo` says to every token it does not take.
    pub(super) fn invalid_credentials() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "invalid credentials")
    }

    /// The tenant is over a rate limit.
    pub(super) fn too_many_requests() -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", "Global limit has been reached")
    }

    /// This address is blocked for this identifier.
    pub(super) fn too_many_attempts() -> Self {
        let description = "Your account has been blocked after multiple consecutive login attempts. \
                           We've sent you an email with instructions on how to unblock it.";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", description)
    }

    /// The password was right; a second factor is asked for.
    pub(super) fn mfa_required(mfa_token: String) -> Self {
        let refusal = Self::new(StatusCode::FORBIDDEN, "mfa_required", "Multifactor authentication required");
        Self { mfa_token: Some(mfa_token), ..refusal }
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        let mut body = json!({"error": refusal.error, "error_description": refusal.description});
        if let Some(mfa_token) = refusal.mfa_token {
            body["mfa_token"] = Value::String(mfa_token);
        }
        Self::json(refusal.status, &body)
    }
}
