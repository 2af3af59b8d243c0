//! The operations listener: metrics, probes, `/tenants`, `/explain`, `/-/reload`.
//!
//! On loopback by default. `Host` must be one that an operator would type (no page of another name
//! resolved here can reach it), a foreign `Origin` is refused, and beyond loopback everything but
//! metrics and probes needs a token.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::{HeaderValue, Method, Request, StatusCode, header};

use super::reply::{self, Reply};
use super::request::Authorization;
use crate::base::id::Host;
use crate::base::secret::Secret;
use crate::flow::Services;
use crate::flow::status::{self, Readiness};
use crate::oauth::error::ErrorCode;
use crate::oauth::parameters::Parameters;
use crate::telemetry::log::Lines;
use crate::tenant::explain;
use crate::tenant::reload::{Reloader, Removals};

/// Answers operators, Prometheus and probes.
#[derive(Debug)]
pub struct OpsService {
    /// What is counted, and the session store for the gauges.
    pub services: Arc<Services>,
    /// What is known of the files.
    pub reloader: Arc<Reloader>,
    /// Whether traffic may come.
    pub readiness: Readiness,
    /// Whether the first load is done and the listeners are bound.
    pub started: Readiness,
    /// Who may ask.
    pub access: OpsAccess,
    /// Where lines go, to count those that were dropped.
    pub lines: Lines,
}

/// Who may ask.
#[derive(Debug)]
pub struct OpsAccess {
    /// Where the listener is bound; `None` for a unix socket, which the file system guards.
    pub bound: Option<SocketAddr>,
    /// `--ops-hosts`, canonical.
    pub hosts: Vec<Host>,
    /// `--ops-token`.
    pub token: Option<Secret>,
}

/// Why somebody may not ask.
enum Denied {
    Host,
    Origin,
    Token,
}

impl OpsService {
    /// The answer to a request.
    pub async fn answer<B>(&self, request: Request<B>) -> Reply {
        let (parts, _) = request.into_parts();
        let path = parts.uri.path();
        match self.access.check(&parts, is_open(path)) {
            Ok(()) => {}
            Err(Denied::Host) => {
                return reply::error(
                    StatusCode::FORBIDDEN,
                    ErrorCode::AccessDenied,
                    "the Host is not one of this listener; see --ops-hosts",
                );
            }
            Err(Denied::Origin) => {
                return reply::error(
                    StatusCode::FORBIDDEN,
                    ErrorCode::AccessDenied,
                    "the request comes from another site",
                );
            }
            Err(Denied::Token) => {
                let mut reply = reply::error(
                    StatusCode::UNAUTHORIZED,
                    ErrorCode::InvalidToken,
                    "beyond loopback the token of --ops-token is needed",
                );
                reply.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
                return reply;
            }
        }
        let method = if parts.method == Method::HEAD { Method::GET } else { parts.method.clone() };
        match (method.as_str(), path) {
            ("GET", "/metrics") => self.metrics().await,
            ("GET", "/livez" | "/-/healthz") => reply::text(StatusCode::OK, "ok\n"),
            ("GET", "/readyz" | "/-/ready") => probe(&self.readiness),
            ("GET", "/startupz") => probe(&self.started),
            ("GET", "/tenants") => reply::json(StatusCode::OK, &self.reloader.status()),
            ("GET", "/explain") => self.explain(parts.uri.query().unwrap_or_default()),
            ("POST", "/-/reload") => self.reload(parts.uri.query().unwrap_or_default()).await,
            ("GET", "/") => reply::text(StatusCode::OK, INDEX),
            (_, "/metrics" | "/livez" | "/readyz" | "/startupz" | "/tenants" | "/explain" | "/-/reload" | "/") => {
                reply::error(
                    StatusCode::METHOD_NOT_ALLOWED,
                    ErrorCode::MethodNotAllowed,
                    "the endpoint has other methods",
                )
            }
            _ => reply::error(StatusCode::NOT_FOUND, ErrorCode::NotFound, "there is no such endpoint"),
        }
    }

    async fn metrics(&self) -> Reply {
        status::count_sessions(&self.services).await;
        self.services.metrics.log_lines_dropped(self.lines.dropped());
        match self.services.metrics.render() {
            Ok(text) => {
                let mut reply = reply::text(StatusCode::OK, text);
                reply
                    .headers_mut()
                    .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"));
                reply
            }
            Err(_) => reply::error(
                StatusCode::INTERNAL_SERVER_ERROR,
                ErrorCode::ServerError,
                "the metrics cannot be rendered",
            ),
        }
    }

    fn explain(&self, query: &str) -> Reply {
        let bad = |text| reply::error(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest, text);
        let Ok(mut query) = Parameters::from_form(query.as_bytes()) else {
            return bad("a parameter is given more than once");
        };
        let Some(host) = query.take("host").and_then(|host| Host::parse(&host).ok()) else {
            return bad("host is missing or malformed");
        };
        let (client_type, connection) = (query.take("client_type"), query.take("connection"));
        let explanation =
            explain::explain(&self.reloader.handle().load(), &host, client_type.as_deref(), connection.as_deref());
        reply::json(StatusCode::OK, &explanation)
    }

    async fn reload(&self, query: &str) -> Reply {
        let mut query = Parameters::from_form(query.as_bytes()).unwrap_or_default();
        let removals = match query.take("accept").as_deref() {
            None => Removals::Guarded,
            Some("removals") => Removals::Accepted,
            Some(_) => {
                return reply::error(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest, "accept takes `removals`");
            }
        };
        let report = self.reloader.reload(removals).await;
        let status = if report.is_clean() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
        reply::json(status, &report)
    }
}

const INDEX: &str = "auth0-gateway operations\n\n/metrics\n/livez /readyz /startupz\n/tenants\n/explain?host=…&client_type=…&connection=…\nPOST /-/reload  (?accept=removals)\n";

fn probe(readiness: &Readiness) -> Reply {
    if readiness.is_ready() {
        reply::text(StatusCode::OK, "ok\n")
    } else {
        reply::text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
    }
}

/// What needs no token: Prometheus and probes carry none.
fn is_open(path: &str) -> bool {
    matches!(path, "/metrics" | "/livez" | "/readyz" | "/startupz" | "/-/healthz" | "/-/ready")
}

impl OpsAccess {
    fn check(&self, parts: &http::request::Parts, is_open: bool) -> Result<(), Denied> {
        let Some(bound) = self.bound else { return Ok(()) };
        let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()).or(parts.uri.host());
        let host = host.and_then(|host| Host::parse(host).ok()).ok_or(Denied::Host)?;
        // Probes ask by whatever address the pod has today.
        if !is_open && !self.is_ours(&host, bound) {
            return Err(Denied::Host);
        }
        if let Some(origin) = parts.headers.get(header::ORIGIN) {
            let origin = origin
                .to_str()
                .ok()
                .and_then(|origin| origin.split_once("://"))
                .and_then(|(_, host)| Host::parse(host).ok());
            if origin.as_ref() != Some(&host) {
                return Err(Denied::Origin);
            }
        }
        if bound.ip().is_loopback() || is_open {
            return Ok(());
        }
        let shown = Authorization::of(&parts.headers);
        match (&self.token, shown) {
            (Some(token), Ok(Authorization::Bearer(shown))) if token.matches(shown) => Ok(()),
            _ => Err(Denied::Token),
        }
    }

    fn is_ours(&self, host: &Host, bound: SocketAddr) -> bool {
        let address: Option<IpAddr> = host.name().trim_matches(['[', ']']).parse().ok();
        let is_bound = address.is_some_and(|address| address.is_loopback() || address == bound.ip());
        is_bound || host.name() == "localhost" || self.hosts.iter().any(|ours| ours.name() == host.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(bound: &str) -> OpsAccess {
        OpsAccess {
            bound: Some(bound.parse().expect("is an address")),
            hosts: vec![Host::parse("ops.acme.com").expect("is a host")],
            token: Some(Secret::new("t0ken")),
        }
    }

    fn check(bound: &str, path: &str, headers: &[(&str, &str)], expected: bool) {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let parts = request.body(()).expect("is a request").into_parts().0;
        assert_eq!(access(bound).check(&parts, is_open(path)).is_ok(), expected, "{bound} {path} {headers:?}");
    }

    #[test]
    fn a_name_that_was_made_to_lead_here_is_refused() {
        check("127.0.0.1:9464", "/tenants", &[("host", "localhost:9464")], true);
        check("127.0.0.1:9464", "/tenants", &[("host", "127.0.0.1:9464")], true);
        check("127.0.0.1:9464", "/tenants", &[("host", "ops.acme.com")], true);
        check("127.0.0.1:9464", "/tenants", &[("host", "rebound.example")], false);
        check("127.0.0.1:9464", "/tenants", &[("host", "localhost:9464"), ("origin", "https://evil.example")], false);
        check("127.0.0.1:9464", "/tenants", &[("host", "localhost:9464"), ("origin", "http://localhost:9464")], true);
    }

    #[test]
    fn beyond_loopback_all_but_metrics_and_probes_needs_the_token() {
        for (path, authorization, expected) in [
            ("/tenants", None, false),
            ("/tenants", Some("Bearer wrong"), false),
            ("/tenants", Some("Bearer t0ken"), true),
            ("/metrics", None, true),
            ("/readyz", None, true),
        ] {
            let mut headers = vec![("host", "10.0.0.7:9464")];
            headers.extend(authorization.map(|value| ("authorization", value)));
            check("10.0.0.7:9464", path, &headers, expected);
        }
    }
}
