//! `GET /authorize`: to Auth0's page.

use http::header;

use super::super::body::BodyError;
use super::super::error::Failure;
use super::super::exchange::Exchange;
use super::super::reply::{self, Reply};
use super::super::service::Incoming;
use super::super::transaction_cookie;
use super::query;
use crate::flow::login::authorize::{self, Wanted};
use crate::oauth::authorize::AuthorizationRequest;

/// Begins a login. Any page may send a visitor here: it is a navigation that changes nothing.
pub(in super::super) fn answer(incoming: &Incoming<'_>, exchange: &mut Exchange<'_>) -> Result<Reply, Failure> {
    let mut query = query(incoming).map_err(|error| Failure::Body(BodyError::Parameters(error)))?;
    let call = incoming.call(query.take("client_id").as_deref(), exchange)?;
    if let Some(page) = query.peek("request_uri").and_then(|uri| authorize::pushed(&call, uri)) {
        return reply::found(&page);
    }
    let request = AuthorizationRequest::parse(&mut query).map_err(Failure::AuthorizationRequest)?;
    let extra = call.client.extra_params.iter();
    let extra = extra.filter_map(|name| query.take(name).map(|value| (&**name, value))).collect();
    let transport = incoming.cookie_transport();
    let under_way = transaction_cookie::under_way(&incoming.parts.headers, transport);
    let wanted = Wanted { request, extra, under_way };
    let begun = authorize::begin(&incoming.service.services, &call, wanted).map_err(Failure::Authorize)?;
    let mut reply = reply::found(&begun.location)?;
    let same_site = call.client.session.same_site;
    let set = begun.transaction.iter().filter_map(|it| transaction_cookie::set(it, same_site, transport));
    let dropped = begun.dropped.iter().filter_map(|name| transaction_cookie::clear(name, same_site, transport));
    for value in set.chain(dropped) {
        reply.headers_mut().append(header::SET_COOKIE, value);
    }
    Ok(reply)
}
