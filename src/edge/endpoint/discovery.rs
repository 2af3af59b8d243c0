//! `/.well-known/openid-configuration` and `/.well-known/jwks.json`.

use http::{HeaderValue, StatusCode, header};

use super::super::body::BodyError;
use super::super::cookie::Transport;
use super::super::error::Failure;
use super::super::exchange::Exchange;
use super::super::reply::{self, Reply};
use super::super::route::Target;
use super::super::service::Incoming;
use super::query;
use crate::flow::discovery;

/// Anybody may keep a document that does not depend on who asks.
const PUBLIC: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// Answers with the tenant's document.
pub(in super::super) async fn answer(
    incoming: &Incoming<'_>,
    exchange: &mut Exchange<'_>,
    target: Target,
) -> Result<Reply, Failure> {
    let mut query = query(incoming).map_err(|error| Failure::Body(BodyError::Parameters(error)))?;
    let client_id = query.take("client_id");
    let call = incoming.call(client_id.as_deref(), exchange)?;
    let services = &incoming.service.services;
    let mut reply = if target == Target::Keys {
        reply::json_bytes(StatusCode::OK, discovery::keys(services, &call).await.map_err(Failure::Keys)?)
    } else {
        let document = discovery::document(services, &call, &base(incoming)).await.map_err(Failure::Discovery)?;
        reply::json(StatusCode::OK, &document)
    };
    let names_nobody = incoming.facts.client_type.is_none() && client_id.is_none();
    let issuer = &call.tenant.auth0.issuer;
    let mut others = incoming.registry.clients_on(&incoming.facts.host);
    if names_nobody && others.all(|(tenant, _)| tenant.auth0.issuer == *issuer) {
        reply.headers_mut().insert(header::CACHE_CONTROL, PUBLIC);
        // A proxy's word decides the scheme of the endpoints.
        reply.headers_mut().append(header::VARY, HeaderValue::from_static("x-forwarded-proto"));
    }
    Ok(reply)
}

/// Where the gateway is for this visitor.
fn base(incoming: &Incoming<'_>) -> String {
    let is_http = incoming.facts.is_https == Some(false) || incoming.cookie_transport() == Transport::PlainLoopback;
    let scheme = if is_http { "http" } else { "https" };
    format!("{scheme}://{}{}", incoming.facts.host.with_port(), incoming.service.options.prefix)
}
