//! CORS (Fetch §3.2): pages of other origins that a client's file lists.
//!
//! A preflight cannot name its client, so the union of the host's clients answers it. The request itself is
//! read by its own client's pages alone.

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::error::Failure;
use super::reply::{self, Reply};
use super::route::Route;
use crate::tenant::model::Client;

/// What SDKs send beside what every page may send.
const REQUEST_HEADERS: [&str; 6] =
    ["authorization", "auth0-client", "client-type", "content-type", "x-request-id", "x-requested-with"];

/// What a page may read beside what every page may read.
const EXPOSED: HeaderValue = HeaderValue::from_static("location, retry-after, www-authenticate, x-request-id");

/// How long a browser remembers a preflight, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// Answers `OPTIONS`. One that is no preflight is told the methods. A page of no client of this host is told no:
/// a browser reads that as it would an answer without headers, and an operator sees it.
pub fn preflight<'a>(
    headers: &HeaderMap,
    route: &Route,
    mut clients: impl Iterator<Item = &'a Client>,
) -> Result<Reply, Failure> {
    let mut reply = reply::empty(StatusCode::NO_CONTENT);
    let methods: Vec<&str> = route.methods.iter().map(Method::as_str).collect();
    let methods = HeaderValue::try_from(methods.join(", ")).map_err(|_| Failure::Internal)?;
    let Some(origin) = headers.get(header::ORIGIN) else {
        reply.headers_mut().insert(header::ALLOW, methods);
        return Ok(reply);
    };
    if !clients.any(|client| lists(client, origin)) {
        return Err(Failure::CrossSite);
    }
    let answer = reply.headers_mut();
    allow(answer, origin);
    answer.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    answer.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    if let Some(names) = asked(headers) {
        answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names);
    }
    Ok(reply)
}

/// Lets a page of the request's own client read the answer, whatever it is.
pub fn let_read(headers: &HeaderMap, client: &Client, reply: &mut Reply) {
    if let Some(origin) = headers.get(header::ORIGIN)
        && lists(client, origin)
    {
        allow(reply.headers_mut(), origin);
        reply.headers_mut().insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}

/// Character by character: the list is canonical, and so is what browsers send.
fn lists(client: &Client, origin: &HeaderValue) -> bool {
    client.allowed_origins.iter().any(|allowed| origin.as_bytes() == allowed.as_bytes())
}

/// Never `*`. Credentials, since a listed page may call with a cookie (contract §2).
fn allow(answer: &mut HeaderMap, origin: &HeaderValue) {
    answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    answer.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
}

/// Those of the headers asked for that are let through.
fn asked(headers: &HeaderMap) -> Option<HeaderValue> {
    let names = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS)?.to_str().ok()?;
    let is_let = |name: &&str| REQUEST_HEADERS.iter().any(|let_through| name.eq_ignore_ascii_case(let_through));
    let names: Vec<&str> = names.split(',').map(str::trim_ascii).filter(is_let).take(REQUEST_HEADERS.len()).collect();
    HeaderValue::try_from(names.join(", ")).ok()
}
