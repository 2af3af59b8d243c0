//! `POST /logout`: here and nowhere else, 204. `GET /logout`, `/v2/logout`, `/oidc/logout`: here, and on to Auth0's.

use bytes::Bytes;
use http::{Method, StatusCode, header};
use hyper::body::Body;

use super::super::body::{self, BodyError};
use super::super::cookie;
use super::super::error::Failure;
use super::super::exchange::Exchange;
use super::super::reply::{self, Reply};
use super::super::route::Target;
use super::super::service::Incoming;
use super::{has_session_cookie, is_navigation, query, refuse_cross_site, userinfo};
use crate::flow::logout::{self, Federated, Leave};
use crate::flow::{Call, SessionId};
use crate::oauth::parameters::Parameters;

/// More sessions than this are not looked up for one logout.
const MOST_BROUGHT: usize = 4;

/// What `/oidc/logout` passes on as it is.
const PASSED: [&str; 4] = ["id_token_hint", "logout_hint", "state", "ui_locales"];

/// Answers a local logout. `Authorization` beats the cookie.
pub(in super::super) async fn here(incoming: &Incoming<'_>, exchange: &mut Exchange<'_>) -> Result<Reply, Failure> {
    let call = incoming.call(None, exchange)?;
    if let Some(token) = userinfo::bearer(incoming, None, None)? {
        logout::bearer(&incoming.service.services, &call, token).await.map_err(Failure::Logout)?;
        return Ok(reply::empty(StatusCode::NO_CONTENT));
    }
    if !has_session_cookie(incoming, &call) {
        return Ok(reply::empty(StatusCode::NO_CONTENT));
    }
    refuse_cross_site(incoming, &call)?;
    let brought = brought(incoming, &call);
    Ok(end(incoming, &call, &brought, reply::empty(StatusCode::NO_CONTENT), exchange).await)
}

/// Ends the session and sends the visitor on to Auth0's logout.
pub(in super::super) async fn leave<B>(
    incoming: &Incoming<'_>,
    body: B,
    exchange: &mut Exchange<'_>,
    target: Target,
) -> Result<Reply, Failure>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut parameters = if incoming.parts.method == Method::POST {
        body::parameters(&incoming.parts.headers, body).await.map_err(Failure::Body)?
    } else {
        query(incoming).map_err(|error| Failure::Body(BodyError::Parameters(error)))?
    };
    let call = incoming.call(parameters.take("client_id").as_deref(), exchange)?;
    let brought = brought(incoming, &call);
    // An image of another site's page logs nobody out; a link does (contract §4).
    if has_session_cookie(incoming, &call) && !(incoming.parts.method == Method::GET && is_navigation(incoming)) {
        refuse_cross_site(incoming, &call)?;
    }
    let sid = match brought.first() {
        Some(id) => logout::sid(&incoming.service.services, &call, id).await,
        None => None,
    };
    let location = logout::location(&call, wish(&mut parameters, target), sid.as_deref()).map_err(Failure::Logout)?;
    let reply = reply::found(&location)?;
    if !has_session_cookie(incoming, &call) {
        return Ok(reply);
    }
    Ok(end(incoming, &call, &brought, reply, exchange).await)
}

fn wish(parameters: &mut Parameters, target: Target) -> Leave {
    let federated = match (parameters.has("federated"), parameters.take("federated").as_deref()) {
        (false, _) | (_, Some("false")) => Federated::No,
        // It needs no value.
        (true, _) => Federated::Yes,
    };
    match target {
        Target::OidcLogout => Leave::Oidc {
            post_logout_redirect_uri: parameters.take("post_logout_redirect_uri"),
            passed: PASSED.into_iter().filter_map(|name| Some((name, parameters.take(name)?))).collect(),
            federated,
        },
        Target::V2Logout => Leave::V2 { return_to: parameters.take("returnTo"), federated },
        _ => Leave::V2 { return_to: parameters.take("redirect"), federated },
    }
}

/// The sessions that the browser brings. A second one was tossed by a sibling host, which must not keep anybody logged
/// in: all of them end.
fn brought(incoming: &Incoming<'_>, call: &Call) -> Vec<SessionId> {
    if !call.client.is_cookie_client() {
        return Vec::new();
    }
    let named = cookie::pairs(&incoming.parts.headers).filter(|(name, _)| *name == &*call.client.session.cookie);
    named.filter_map(|(_, value)| SessionId::parse(value)).take(MOST_BROUGHT).collect()
}

/// Ends the session. The browser loses its cookie also when the store cannot be told, and is told that.
async fn end(
    incoming: &Incoming<'_>,
    call: &Call,
    brought: &[SessionId],
    reply: Reply,
    exchange: &mut Exchange<'_>,
) -> Reply {
    let mut ended = Ok(());
    for id in brought {
        ended = ended.and(logout::session(&incoming.service.services, call, id).await);
    }
    let mut reply = match ended.map_err(Failure::Logout) {
        Ok(()) => reply,
        Err(failure) => {
            exchange.failed(&failure);
            failure.reply()
        }
    };
    if let Some(value) = cookie::clear(&call.client.session, incoming.cookie_transport()) {
        reply.headers_mut().append(header::SET_COOKIE, value);
    }
    reply
}
