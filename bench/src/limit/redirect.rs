//! `GET /authorize` at its least: a 302 with the query and three parameters more.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;

use super::server;

/// Where it leads: the page of a tenant that nobody calls.
const PAGE: &str = "https://bench.eu.auth0.com/authorize";

/// Serves until the process is killed.
pub(super) fn serve(listen: SocketAddr) -> io::Result<String> {
    server::serve(listen, async |request| {
        let query = request.uri().query().unwrap_or_default();
        let location = format!("{PAGE}?{query}&client_id=BenchWeb&code_challenge_method=S256&nonce=abc");
        let location = HeaderValue::try_from(location).map_err(io::Error::other)?;
        let mut answer = Response::new(Full::<Bytes>::default());
        *answer.status_mut() = StatusCode::FOUND;
        answer.headers_mut().insert(header::LOCATION, location);
        Ok(answer)
    })
}
