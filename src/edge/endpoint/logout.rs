//! `POST /logout`: here and nowhere else, 204.

use http::{StatusCode, header};

use super::super::cookie;
use super::super::error::Failure;
use super::super::exchange::Exchange;
use super::super::reply::{self, Reply};
use super::super::service::Incoming;
use super::{has_session_cookie, refuse_cross_site, session_cookie, userinfo};
use crate::flow::logout;

/// Answers a local logout. `Authorization` beats the cookie.
pub(in super::super) async fn answer(incoming: &Incoming<'_>, exchange: &mut Exchange<'_>) -> Result<Reply, Failure> {
    let call = incoming.call(None, exchange)?;
    let services = &incoming.service.services;
    if let Some(token) = userinfo::bearer(incoming, None, None)? {
        logout::bearer(services, &call, token).await.map_err(Failure::Logout)?;
        return Ok(reply::empty(StatusCode::NO_CONTENT));
    }
    let mut reply = reply::empty(StatusCode::NO_CONTENT);
    if has_session_cookie(incoming, &call) {
        refuse_cross_site(incoming, &call)?;
        let result = match session_cookie(incoming, &call)? {
            Some(id) => logout::session(services, &call, &id).await,
            None => Ok(()),
        };
        if let Err(error) = result {
            // The browser loses its cookie also when the store cannot be told.
            let failure = Failure::Logout(error);
            exchange.failed(&failure);
            reply = failure.reply();
        }
        if let Some(value) = cookie::clear(&call.client.session, incoming.cookie_transport()) {
            reply.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    Ok(reply)
}
