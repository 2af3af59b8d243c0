//! `GET /userinfo`, `POST /userinfo`, `GET /users/me`.

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode};
use hyper::body::Body;

use super::super::body;
use super::super::error::Failure;
use super::super::exchange::Exchange;
use super::super::reply::{self, Reply};
use super::super::request::Authorization;
use super::super::route::Target;
use super::super::service::Incoming;
use super::{has_session_cookie, refuse_cross_site, session_cookie};
use crate::flow::Call;
use crate::flow::userinfo::{self, Credential};

/// Answers with the user's claims.
pub(in super::super) async fn answer<B>(
    incoming: &Incoming<'_>,
    body: B,
    exchange: &mut Exchange<'_>,
    target: Target,
) -> Result<Reply, Failure>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut query = super::query(incoming).map_err(|error| Failure::Body(body::BodyError::Parameters(error)))?;
    let call = incoming.call(query.take("client_id").as_deref(), exchange)?;
    let form_token = if incoming.parts.method == Method::POST {
        body::parameters(&incoming.parts.headers, body).await.map_err(Failure::Body)?.take("access_token")
    } else {
        None
    };
    let query_token = query.take("access_token").filter(|_| call.client.token_in_query);
    let claims = match bearer(incoming, form_token.as_deref(), query_token.as_deref())? {
        Some(token) => claims(incoming, &call, Credential::Bearer(token)).await?,
        None => by_cookie(incoming, &call).await?,
    };
    let mut reply = reply::json_bytes(StatusCode::OK, claims);
    if target == Target::UsersMe {
        deprecate(&mut reply);
    }
    Ok(reply)
}

/// One bearer, wherever it stands; more than one is refused (RFC 6750 §2).
pub(super) fn bearer<'a>(
    incoming: &'a Incoming<'_>,
    form: Option<&'a str>,
    query: Option<&'a str>,
) -> Result<Option<&'a str>, Failure> {
    let header = match Authorization::of(&incoming.parts.headers).map_err(Failure::Request)? {
        Authorization::Bearer(token) => Some(token),
        Authorization::None | Authorization::Basic { .. } => None,
    };
    let mut tokens = [header, form, query].into_iter().flatten();
    match (tokens.next(), tokens.next()) {
        (token, None) => Ok(token),
        _ => Err(Failure::TwoCredentials),
    }
}

async fn by_cookie(incoming: &Incoming<'_>, call: &Call) -> Result<Bytes, Failure> {
    if has_session_cookie(incoming, call) {
        refuse_cross_site(incoming, call)?;
    }
    let id = session_cookie(incoming, call)?.ok_or(Failure::NoCredential)?;
    claims(incoming, call, Credential::Session(&id)).await
}

async fn claims(incoming: &Incoming<'_>, call: &Call, credential: Credential<'_>) -> Result<Bytes, Failure> {
    userinfo::run(&incoming.service.services, call, credential).await.map_err(Failure::Userinfo)
}

/// `/users/me` is the original's name: RFC 9745, RFC 8288.
fn deprecate(reply: &mut Reply) {
    reply.headers_mut().insert("deprecation", HeaderValue::from_static("@1793491200"));
    reply.headers_mut().insert("link", HeaderValue::from_static("</userinfo>; rel=\"successor-version\""));
}
