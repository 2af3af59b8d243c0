//! Auth0's further endpoints, as `passthrough` lists them.

use bytes::Bytes;
use http::{Method, StatusCode};
use hyper::body::Body;
use serde_json::{Map, Value};

use super::super::body;
use super::super::body::BodyError;
use super::super::error::Failure;
use super::super::exchange::Exchange;
use super::super::reply::{self, Reply};
use super::super::request::Authorization;
use super::super::service::Incoming;
use super::{has_session_cookie, query, refuse_cross_site};
use crate::base::secret::Secret;
use crate::flow::passthrough::{self, Operation, Wanted};
use crate::flow::{Media, RelayAnswer};

/// Passes the request on, where the client's file lists the endpoint; else there is none.
pub(in super::super) async fn answer<B>(
    incoming: &Incoming<'_>,
    body: B,
    exchange: &mut Exchange<'_>,
    operation: Operation,
) -> Result<Reply, Failure>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if incoming.facts.client_type.is_some() {
        // Nobody's request costs no body, and what is not listed is not there, whatever the body is.
        let named = incoming.precheck(exchange)?;
        if let Err(error) = passthrough::admit(&named.client, operation) {
            exchange.resolved(&named);
            return Err(Failure::Passthrough(error));
        }
    }
    let headers = &incoming.parts.headers;
    let authorization = Authorization::of(headers).map_err(Failure::Request)?;
    let mut members = if incoming.parts.method == Method::POST {
        body::object(headers, body).await.map_err(Failure::Body)?
    } else {
        let mut query = query(incoming).map_err(|error| Failure::Body(BodyError::Parameters(error)))?;
        query.take("client_id").map(|id| ("client_id".to_owned(), Value::String(id))).into_iter().collect()
    };
    let (basic_id, basic_secret, bearer) = match authorization {
        Authorization::Basic { client_id, client_secret } => (Some(client_id), Some(client_secret), None),
        Authorization::Bearer(token) => (None, None, Some(Secret::new(token))),
        Authorization::None => (None, None, None),
    };
    let client_id = take(&mut members, "client_id");
    let secret = take(&mut members, "client_secret").map(Secret::new);
    let is_torn =
        basic_id.is_some() && (secret.is_some() || client_id.as_ref().is_some_and(|id| basic_id.as_ref() != Some(id)));
    if is_torn {
        return Err(Failure::TwoCredentials);
    }
    let call = incoming.call(basic_id.or(client_id).as_deref(), exchange)?;
    passthrough::admit(&call.client, operation).map_err(Failure::Passthrough)?;
    if has_session_cookie(incoming, &call) {
        refuse_cross_site(incoming, &call)?;
    }
    let authenticator = incoming.path().strip_prefix("/mfa/authenticators/").map(str::to_owned);
    let wanted = Wanted { operation, members, caller_secret: basic_secret.or(secret), bearer, authenticator };
    let answer = passthrough::run(&incoming.service.services, &call, wanted).await;
    Ok(pass_back(answer.map_err(Failure::Passthrough)?))
}

/// A text member, taken out; another kind is nobody's.
fn take(members: &mut Map<String, Value>, name: &str) -> Option<String> {
    match members.remove(name) {
        Some(Value::String(text)) if !text.is_empty() => Some(text),
        _ => None,
    }
}

/// Auth0's status and body. Its headers stay behind.
fn pass_back(answer: RelayAnswer) -> Reply {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let reply = match answer.media {
        _ if answer.body.is_empty() => reply::empty(status),
        Media::Json => reply::json_bytes(status, answer.body),
        Media::Text => reply::text(status, answer.body),
    };
    match answer.retry_after {
        Some(seconds) => reply::with_retry_after(reply, seconds),
        None => reply,
    }
}
