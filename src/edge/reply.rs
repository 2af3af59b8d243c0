//! Replies: one place that knows the headers every answer carries.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde::Serialize;

use super::error::Failure;
use crate::oauth::error::ErrorCode;
use crate::oauth::reply::ErrorReply;

/// What the public service answers with.
pub type Reply = Response<Full<Bytes>>;

/// Everything that an answer may depend on (contract §4).
const VARY: HeaderValue = HeaderValue::from_static("client-type, x-forwarded-host, origin, cookie, authorization");

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A JSON body that stands ready.
pub fn json_bytes(status: StatusCode, body: Bytes) -> Reply {
    let mut reply = bare(status, body);
    reply.headers_mut().insert(header::CONTENT_TYPE, JSON);
    reply
}

/// A value as JSON.
pub fn json(status: StatusCode, value: &impl Serialize) -> Reply {
    // Our own reply types have text keys and no failing serialiser.
    json_bytes(status, serde_json::to_vec(value).unwrap_or_default().into())
}

/// No body.
pub fn empty(status: StatusCode) -> Reply {
    bare(status, Bytes::new())
}

/// 302 to another page.
pub fn found(location: &str) -> Result<Reply, Failure> {
    let mut reply = empty(StatusCode::FOUND);
    // Built by a URL encoder: what no header may hold is not in it.
    let location = HeaderValue::from_str(location).map_err(|_| Failure::Internal)?;
    reply.headers_mut().insert(header::LOCATION, location);
    Ok(reply)
}

/// Plain text, for probes and people.
pub fn text(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    let mut reply = bare(status, body.into());
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    reply
}

/// `{"error","error_description"}`.
pub fn error(status: StatusCode, code: ErrorCode, description: &str) -> Reply {
    json(status, &ErrorReply { error: code.as_str(), error_description: description })
}

/// Adds `Retry-After`, in seconds.
#[must_use]
pub fn with_retry_after(mut reply: Reply, seconds: u64) -> Reply {
    reply.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    reply
}

fn bare(status: StatusCode, body: Bytes) -> Reply {
    let mut reply = Response::new(Full::new(body));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, VARY);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    reply
}
