//! `POST /refreshtoken`, `/oauth/refreshtoken`: by refresh token, or by session cookie.

use bytes::Bytes;
use http::StatusCode;
use hyper::body::Body;

use super::super::error::Failure;
use super::super::exchange::Exchange;
use super::super::reply::{self, Reply};
use super::super::service::Incoming;
use super::{has_session_cookie, refuse_cross_site, session_cookie, token};
use crate::flow::session::{self, SessionError};
use crate::flow::token::Answer;
use crate::oauth::reply::RenewedReply;
use crate::oauth::request::TokenRequest;

/// Answers a refresh. A refresh token in the body beats the cookie: it is the more particular wish.
pub(in super::super) async fn answer<B>(
    incoming: &Incoming<'_>,
    body: B,
    exchange: &mut Exchange<'_>,
) -> Result<Reply, Failure>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (call, mut parameters, caller) = token::admit(incoming, body, exchange).await?;
    let has_token = parameters.peek("refresh_token").or_else(|| parameters.peek("refreshToken")).is_some();
    if has_session_cookie(incoming, &call) {
        refuse_cross_site(incoming, &call)?;
    }
    if !has_token && call.client.is_cookie_client() {
        let id = session_cookie(incoming, &call)?.ok_or(Failure::NoCredential)?;
        let renewed = session::renew(&incoming.service.services, &call, &id).await.map_err(Failure::Session)?;
        return Ok(reply::json(StatusCode::OK, &RenewedReply { expires_in: renewed }));
    }
    let request = TokenRequest::parse_refresh(&mut parameters).map_err(Failure::TokenRequest)?;
    drop(parameters);
    let finished = crate::flow::token::run(&incoming.service.services, &call, request, caller).await;
    match finished.map_err(Failure::Token)?.answer {
        Answer::Tokens(tokens) => Ok(token::tokens(&call, &tokens)),
        // A refresh token opens no session.
        Answer::Session(_) => Err(Failure::Session(SessionError::Missing)),
    }
}
