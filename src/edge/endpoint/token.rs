//! `POST /oauth/token`.

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use hyper::body::Body;

use super::super::body;
use super::super::cookie;
use super::super::error::Failure;
use super::super::exchange::Exchange;
use super::super::reply::{self, Reply};
use super::super::request::{Authorization, Facts};
use super::super::service::Incoming;
use super::super::transaction_cookie;
use super::{refuse_cross_site, session_cookie};
use crate::base::secret::Secret;
use crate::flow::Call;
use crate::flow::login::transaction::cookie_name;
use crate::flow::session::after;
use crate::flow::token::{self, Answer, Caller, Opened, Tokens};
use crate::oauth::parameters::Parameters;
use crate::oauth::reply::{CamelCaseTokenReply, SessionReply, TokenReply};
use crate::oauth::request::{GrantRequest, TokenRequest};
use crate::tenant::model::TokenResponse;

/// Answers a token request.
pub(in super::super) async fn answer<B>(
    incoming: &Incoming<'_>,
    body: B,
    exchange: &mut Exchange<'_>,
) -> Result<Reply, Failure>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let headers = &incoming.parts.headers;
    let (call, mut parameters, mut caller) = admit(incoming, body, exchange).await?;
    let request = TokenRequest::parse(&mut parameters).map_err(Failure::TokenRequest)?;
    drop(parameters);
    if let GrantRequest::Password(password) = &request.grant {
        exchange.username(&password.username);
    }
    if call.client.is_cookie_client() {
        // The answer would set a cookie: a page of another site may not log a visitor in.
        refuse_cross_site(incoming, &call)?;
        caller.brought = session_cookie(incoming, &call)?;
    }
    let login = match &request.grant {
        GrantRequest::AuthorizationCode(code) => code.state.as_deref().map(cookie_name),
        _ => None,
    };
    let transport = incoming.cookie_transport();
    let sealed = login.as_deref().and_then(|name| transaction_cookie::find(headers, name, transport));
    caller.transaction = sealed.map(Secret::new);
    let finished = token::run(&incoming.service.services, &call, request, caller).await.map_err(Failure::Token)?;
    let mut reply = match finished.answer {
        Answer::Tokens(tokens) => self::tokens(&call, &tokens),
        Answer::Session(opened) => session(incoming, &call, &opened),
    };
    if let Some(location) = finished.location.and_then(|location| HeaderValue::try_from(location).ok()) {
        // For the page to go to (contract §4, flow (b)).
        reply.headers_mut().insert(header::LOCATION, location);
    }
    let spent = login.filter(|_| sealed.is_some());
    let same_site = call.client.session.same_site;
    if let Some(value) = spent.and_then(|name| transaction_cookie::clear(&name, same_site, transport)) {
        reply.headers_mut().append(header::SET_COOKIE, value);
    }
    Ok(reply)
}

/// Finds the tenant before the body is read where the header names the client, and by `client_id`
/// where it does not; both must agree where both are there.
pub(super) async fn admit<B>(
    incoming: &Incoming<'_>,
    body: B,
    exchange: &mut Exchange<'_>,
) -> Result<(Call, Parameters, Caller), Failure>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let Facts { client_type, .. } = incoming.facts;
    let headers = &incoming.parts.headers;
    if client_type.is_some() {
        // Nobody's request costs no body.
        incoming.precheck(exchange)?;
    }
    let authorization = Authorization::of(headers).map_err(Failure::Request)?;
    let mut parameters = body::parameters(headers, body).await.map_err(Failure::Body)?;
    let caller = caller(authorization, &mut parameters)?;
    let call = incoming.call(caller.client_id.as_deref(), exchange)?;
    Ok((call, parameters, caller))
}

/// The credentials of the body, or of Basic; not both (RFC 6749 §2.3).
fn caller(authorization: Authorization<'_>, parameters: &mut Parameters) -> Result<Caller, Failure> {
    let client_id = parameters.take("client_id");
    let client_secret: Option<Secret> = parameters.take_secret("client_secret");
    match authorization {
        Authorization::Basic { .. } if client_secret.is_some() => Err(Failure::TwoCredentials),
        Authorization::Basic { client_id: id, .. } if client_id.as_ref().is_some_and(|other| *other != id) => {
            Err(Failure::TwoCredentials)
        }
        Authorization::Basic { client_id, client_secret } => {
            Ok(Caller { client_id: Some(client_id), client_secret: Some(client_secret), ..Caller::default() })
        }
        Authorization::None | Authorization::Bearer(_) => Ok(Caller { client_id, client_secret, ..Caller::default() }),
    }
}

/// RFC 6749 §5.1, or the original service's names.
pub(super) fn tokens(call: &Call, tokens: &Tokens) -> Reply {
    let granted = &tokens.granted;
    let access_token = granted.access_token.expose();
    let id_token = granted.id_token.as_ref().map(Secret::expose);
    let refresh_token = granted.refresh_token.as_ref().map(Secret::expose);
    let recovery_code = granted.recovery_code.as_ref().map(Secret::expose);
    let issued_token_type = granted.issued_token_type.as_deref();
    match call.client.token_response {
        TokenResponse::OAuth => {
            let scope = granted.scope.as_deref().or(tokens.scope.as_deref());
            let reply = TokenReply {
                access_token,
                id_token,
                refresh_token,
                scope,
                expires_in: granted.expires_in,
                token_type: "Bearer",
                recovery_code,
                issued_token_type,
            };
            reply::json(StatusCode::OK, &reply)
        }
        TokenResponse::CamelCase => {
            let expire_at = after(tokens.at, std::time::Duration::from_secs(granted.expires_in)).to_string();
            let reply = CamelCaseTokenReply {
                access_token,
                refresh_token,
                id_token,
                expire_at,
                recovery_code,
                issued_token_type,
            };
            reply::json(StatusCode::OK, &reply)
        }
    }
}

/// The cookie, and its value in the body where the client wants that.
fn session(incoming: &Incoming<'_>, call: &Call, opened: &Opened) -> Reply {
    let policy = &call.client.session;
    let cookie_sid = policy.expose_sid.then(|| opened.id.expose());
    let recovery_code = opened.recovery_code.as_ref().map(Secret::expose);
    let mut reply = reply::json(StatusCode::OK, &SessionReply { cookie_sid, recovery_code });
    if let Some(value) = cookie::set(policy, &opened.id, incoming.cookie_transport()) {
        reply.headers_mut().append(header::SET_COOKIE, value);
    }
    reply
}
