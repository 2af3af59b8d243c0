//! The public service: from a request's head to its answer, with one access line and one duration
//! sample whatever happens.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Request, StatusCode, header};
use hyper::body::Body;

use super::client_addr::TrustedProxies;
use super::cookie::Transport;
use super::cors;
use super::endpoint;
use super::error::Failure;
use super::exchange::{Exchange, Observer};
use super::reply::{self, Reply};
use super::request::{Facts, RequestError, Socket};
use super::route::{self, Route, Target};
use crate::flow::login::callback::CallbackError;
use crate::flow::login::transaction::TransactionError;
use crate::flow::{Call, Services, UpstreamTime};
use crate::telemetry::metrics::Endpoint;
use crate::tenant::lookup::{Query, Resolved, Unresolved};
use crate::tenant::registry::Registry;
use crate::tenant::reload::{RegistryHandle, Reloader};

/// What the edge is told once.
#[derive(Debug, Clone)]
pub struct EdgeOptions {
    /// Whose forwarded headers count.
    pub trusted: TrustedProxies,
    /// Before every path; empty for none.
    pub prefix: Box<str>,
    /// Whether cookies on loopback hosts may go over plain http: `dev` alone.
    pub plain_cookies_on_loopback: bool,
}

/// Answers every public request.
#[derive(Debug)]
pub struct PublicService {
    /// What flows work with.
    pub services: Arc<Services>,
    /// The registry of the moment.
    pub registry: RegistryHandle,
    /// What is known of the files, for `/-/check-up`.
    pub reloader: Arc<Reloader>,
    /// What the edge was told.
    pub options: EdgeOptions,
    /// Counts and logs.
    pub observer: Observer,
    /// Whether traffic may come, for `/-/ready`.
    pub readiness: crate::flow::status::Readiness,
}

/// One request on its way: its head, and what it may be answered with.
pub(super) struct Incoming<'a> {
    pub(super) service: &'a PublicService,
    pub(super) parts: &'a Parts,
    pub(super) facts: Facts<'a>,
    pub(super) registry: Arc<Registry>,
}

impl PublicService {
    /// The answer to a request. Never fails: a failure is an answer.
    pub async fn answer<B>(&self, request: Request<B>, socket: Socket<'_>) -> Reply
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (mut parts, body) = request.into_parts();
        if self.is_verify(&parts) {
            // A proxy hands on what the visitor sent; whose application it is stands in the path alone.
            parts.headers.remove("client-type");
        }
        let mut exchange = self.observer.begin(&parts, socket.peer, &self.options.trusted);
        let result = self.route(&parts, body, socket, &mut exchange).await;
        let mut reply = match result {
            Ok(reply) => reply,
            Err(failure) => {
                exchange.failed(&failure);
                failure.reply()
            }
        };
        if let Some(client) = exchange.client() {
            cors::let_read(&parts.headers, client, &mut reply);
        }
        if let Ok(id) = HeaderValue::from_str(exchange.request_id()) {
            reply.headers_mut().insert("x-request-id", id);
        }
        exchange.finish(reply.status());
        reply
    }

    async fn route<B>(
        &self,
        parts: &Parts,
        body: B,
        socket: Socket<'_>,
        exchange: &mut Exchange<'_>,
    ) -> Result<Reply, Failure>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        // Whoever passes `/verify` is let in, also by `OPTIONS`: a 204 for a preflight would let in everybody.
        if parts.method == Method::OPTIONS && !self.is_verify(parts) {
            return self.preflight(parts, socket, exchange);
        }
        let route: &Route =
            route::resolve(&parts.method, parts.uri.path(), &self.options.prefix).map_err(Failure::NoRoute)?;
        exchange.endpoint(route.endpoint);
        match route.target {
            Target::Healthz => return Ok(reply::text(StatusCode::OK, "ok\n")),
            Target::Ready => return Ok(endpoint::health::ready(&self.readiness)),
            Target::CheckUp => return Ok(Box::pin(endpoint::health::check_up(self)).await),
            _ => {}
        }
        let facts = self.facts(parts, socket, exchange)?;
        let incoming = Incoming { service: self, parts, facts, registry: self.registry.load() };
        incoming.name(exchange);
        // What calls Auth0 is boxed: the cheap requests, which are most, carry none of it.
        match route.target {
            Target::Token => Box::pin(endpoint::token::answer(&incoming, body, exchange)).await,
            Target::Refresh => Box::pin(endpoint::refresh::answer(&incoming, body, exchange)).await,
            Target::Userinfo | Target::UsersMe => {
                endpoint::userinfo::answer(&incoming, body, exchange, route.target).await
            }
            Target::Authorize => endpoint::authorize::answer(&incoming, exchange),
            Target::Callback => Box::pin(endpoint::callback::answer(&incoming, exchange)).await,
            Target::Logout if parts.method == Method::POST => {
                Box::pin(endpoint::logout::here(&incoming, exchange)).await
            }
            Target::Logout | Target::V2Logout | Target::OidcLogout => {
                Box::pin(endpoint::logout::leave(&incoming, body, exchange, route.target)).await
            }
            Target::Passthrough(operation) => {
                Box::pin(endpoint::passthrough::answer(&incoming, body, exchange, operation)).await
            }
            Target::BackchannelLogout => Box::pin(endpoint::backchannel::answer(&incoming, body, exchange)).await,
            Target::Verify => endpoint::verify::answer(&incoming, exchange).await,
            Target::Discovery | Target::Keys => {
                Box::pin(endpoint::discovery::answer(&incoming, exchange, route.target)).await
            }
            Target::Healthz | Target::Ready | Target::CheckUp => Err(Failure::Internal),
        }
    }
}

impl PublicService {
    fn is_verify(&self, parts: &Parts) -> bool {
        route::is_verify(parts.uri.path(), &self.options.prefix)
    }

    fn facts<'a>(
        &self,
        parts: &'a Parts,
        socket: Socket<'_>,
        exchange: &mut Exchange<'_>,
    ) -> Result<Facts<'a>, Failure> {
        let facts = Facts::of(parts, socket, &self.options.trusted).map_err(|error| {
            if error == RequestError::Host {
                exchange.bad_host();
            }
            Failure::Request(error)
        })?;
        exchange.facts(&facts);
        Ok(facts)
    }

    fn preflight(&self, parts: &Parts, socket: Socket<'_>, exchange: &mut Exchange<'_>) -> Result<Reply, Failure> {
        exchange.endpoint(Endpoint::Preflight);
        let route = route::find(parts.uri.path(), &self.options.prefix).map_err(Failure::NoRoute)?;
        let facts = self.facts(parts, socket, exchange)?;
        let registry = self.registry.load();
        cors::preflight(&parts.headers, route, registry.clients_on(&facts.host).map(|(_, client)| &**client))
    }
}

impl Incoming<'_> {
    /// Finds the tenant and client. `client_id`: what a request without the header names itself by.
    pub(super) fn call(&self, client_id: Option<&str>, exchange: &mut Exchange<'_>) -> Result<Call, Failure> {
        let query = Query { host: &self.facts.host, client_type: self.facts.client_type, client_id };
        self.resolve(&query, exchange).map_err(Failure::Unresolved)
    }

    /// The call of that client of that tenant, if it is whom a request of that client type to this host gets.
    pub(super) fn call_in(
        &self,
        tenant: &str,
        client_type: &str,
        exchange: &mut Exchange<'_>,
    ) -> Result<Call, Failure> {
        let query = Query { host: &self.facts.host, client_type: Some(client_type), client_id: None };
        let found = self.registry.resolve(&query);
        let found = found
            .and_then(|found| if found.tenant.name.as_str() == tenant { Ok(found) } else { Err(Unresolved::NoMatch) });
        self.take(found, exchange).map_err(Failure::Unresolved)
    }

    /// The call of a login that a client of that type began. What the header says must agree; a client that is
    /// not known here may be known to the replica that began the login.
    pub(super) fn call_of(&self, client_type: &str, exchange: &mut Exchange<'_>) -> Result<Call, Failure> {
        if self.facts.client_type.is_some_and(|header| header != client_type) {
            return Err(Failure::Callback(CallbackError::MixUp));
        }
        let query = Query { host: &self.facts.host, client_type: Some(client_type), client_id: None };
        self.resolve(&query, exchange)
            .map_err(|_| Failure::Callback(CallbackError::Transaction(TransactionError::OtherTenant)))
    }

    fn resolve(&self, query: &Query<'_>, exchange: &mut Exchange<'_>) -> Result<Call, Unresolved> {
        self.take(self.registry.resolve(query), exchange)
    }

    fn take(&self, found: Result<Resolved, Unresolved>, exchange: &mut Exchange<'_>) -> Result<Call, Unresolved> {
        let resolved = found.inspect_err(|unresolved| exchange.unresolved(unresolved))?;
        exchange.resolved(&resolved);
        let upstream = UpstreamTime::default();
        exchange.upstream(&upstream);
        Ok(Call {
            tenant: resolved.tenant,
            client: resolved.client,
            host: self.facts.host.clone(),
            // The gateway's own machine is nobody's address.
            address: self.facts.address.filter(|address| !address.is_loopback() && !address.is_unspecified()),
            upstream,
        })
    }

    /// Notes whom the header names, so that its pages can read also why the rest of the request is refused.
    fn name(&self, exchange: &mut Exchange<'_>) {
        let query = Query { host: &self.facts.host, client_type: self.facts.client_type, client_id: None };
        if self.parts.headers.contains_key(header::ORIGIN)
            && query.client_type.is_some()
            && let Ok(resolved) = self.registry.resolve(&query)
        {
            exchange.named(resolved.client);
        }
    }

    /// Finds out whom the header names here, before a body is read. It does not count: [`Incoming::call`] does.
    pub(super) fn precheck(&self, exchange: &mut Exchange<'_>) -> Result<Resolved, Failure> {
        let query = Query { host: &self.facts.host, client_type: self.facts.client_type, client_id: None };
        self.registry.resolve(&query).map_err(|unresolved| {
            exchange.unresolved(&unresolved);
            Failure::Unresolved(unresolved)
        })
    }

    /// The path without the service prefix.
    pub(super) fn path(&self) -> &str {
        let path = self.parts.uri.path();
        path.strip_prefix(&*self.service.options.prefix).unwrap_or(path)
    }

    /// Whether a cookie for this request is `Secure`.
    pub(super) fn cookie_transport(&self) -> Transport {
        let name = self.facts.host.name();
        let is_loopback = name == "localhost" || name.ends_with(".localhost") || name == "127.0.0.1" || name == "[::1]";
        if self.service.options.plain_cookies_on_loopback && is_loopback && self.facts.is_https != Some(true) {
            Transport::PlainLoopback
        } else {
            Transport::Secure
        }
    }
}
