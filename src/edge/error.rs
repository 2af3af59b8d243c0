//! The error table: every reason to fail, its status, its code and what callers are told.
//!
//! No `_` arm: a new reason is a compile error here until somebody decides what it says outside.
//! Public texts name no tenant, file, connection or cause; the cause chain is logged, once.

mod table;

use http::{HeaderValue, StatusCode, header};

use super::body::BodyError;
use super::reply::{self, Reply};
use super::request::RequestError;
use super::route::NoRoute;
use crate::flow::backchannel::BackchannelError;
use crate::flow::login::authorize::AuthorizeError;
use crate::flow::login::callback::CallbackError;
use crate::flow::logout::LogoutError;
use crate::flow::passthrough::PassthroughError;
use crate::flow::policy::PolicyError;
use crate::flow::refresh::RefreshError;
use crate::flow::session::SessionError;
use crate::flow::token::TokenError;
use crate::flow::userinfo::UserinfoError;
use crate::flow::{DiscoveryError, KeysError, Refusal};
use crate::oauth::authorize::AuthorizationRequestError;
use crate::oauth::error::ErrorCode;
use crate::oauth::request::TokenRequestError;
use crate::tenant::lookup::Unresolved;
use table::{Public, public};

/// Every way in which a request ends without what it asked for.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// No such endpoint.
    #[error("there is no such endpoint")]
    NoRoute(NoRoute),
    /// The head cannot be read.
    #[error("the request's head is not accepted")]
    Request(#[source] RequestError),
    /// The body cannot be read.
    #[error("the request's body is of no use")]
    Body(#[source] BodyError),
    /// No tenant.
    #[error("no tenant was found")]
    Unresolved(Unresolved),
    /// Two credentials where one counts.
    #[error("two credentials were sent")]
    TwoCredentials,
    /// No credential at all.
    #[error("no credential was sent")]
    NoCredential,
    /// Two values for one session cookie.
    #[error("two session cookies were sent")]
    TwoCookies,
    /// `/verify`: more than one credential, or one that cannot be read.
    #[error("the visitor's credential cannot be told")]
    AmbiguousCredential,
    /// A page of another site made the browser send it.
    #[error("the request comes from another site")]
    CrossSite,
    /// Not an authorization request.
    #[error("the authorization request is malformed")]
    AuthorizationRequest(#[source] AuthorizationRequestError),
    /// No login begins.
    #[error("no login begins")]
    Authorize(#[source] AuthorizeError),
    /// A login did not end well.
    #[error("the login ends without a session")]
    Callback(#[source] CallbackError),
    /// Not a token request.
    #[error("the token request is malformed")]
    TokenRequest(#[source] TokenRequestError),
    /// The token flow failed.
    #[error("no tokens")]
    Token(#[source] TokenError),
    /// The session's refresh failed.
    #[error("the session was not renewed")]
    Session(#[source] SessionError),
    /// The userinfo flow failed.
    #[error("no claims")]
    Userinfo(#[source] UserinfoError),
    /// No discovery document.
    #[error("no discovery document")]
    Discovery(#[source] DiscoveryError),
    /// No key set.
    #[error("no key set")]
    Keys(#[source] KeysError),
    /// Nothing was passed on.
    #[error("nothing was passed on")]
    Passthrough(#[source] PassthroughError),
    /// The logout flow failed.
    #[error("no logout")]
    Logout(#[source] LogoutError),
    /// A logout token ended nothing.
    #[error("no back-channel logout")]
    Backchannel(#[source] BackchannelError),
    /// Something panicked or was torn apart.
    #[error("the request could not be finished")]
    Internal,
}

impl Failure {
    /// The whole answer.
    pub fn reply(&self) -> Reply {
        if let Some(refusal) = self.refusal() {
            return pass_on(refusal);
        }
        let Public { status, code, text, retry_after } = self.public();
        let reply = match self {
            Self::Token(TokenError::Policy(PolicyError::ConnectionAmbiguous { allowed }))
            | Self::Passthrough(
                PassthroughError::Policy(PolicyError::ConnectionAmbiguous { allowed })
                | PassthroughError::Authorize(AuthorizeError::Policy(PolicyError::ConnectionAmbiguous { allowed })),
            )
            | Self::Authorize(AuthorizeError::Policy(PolicyError::ConnectionAmbiguous { allowed })) => {
                let names: Vec<&str> = allowed.iter().map(crate::base::id::ConnectionName::as_str).collect();
                reply::error(status, code, &format!("{text}: {}", names.join(", ")))
            }
            Self::Passthrough(PassthroughError::Missing(name) | PassthroughError::Member(name))
            | Self::TokenRequest(TokenRequestError::Missing(name)) => {
                reply::error(status, code, &format!("{name} {text}"))
            }
            _ => reply::error(status, code, text),
        };
        let mut reply = match retry_after {
            Some(seconds) => reply::with_retry_after(reply, seconds),
            None => reply,
        };
        if let Some(challenge) = self.challenge(code) {
            reply.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Self::NoRoute(NoRoute::MethodNotAllowed(route)) = self {
            let methods: Vec<&str> = route.methods.iter().map(http::Method::as_str).collect();
            if let Ok(allow) = HeaderValue::from_str(&methods.join(", ")) {
                reply.headers_mut().insert(header::ALLOW, allow);
            }
        }
        reply
    }

    /// The `error` that the caller is answered with.
    pub fn code(&self) -> &str {
        match self.refusal() {
            Some(refusal) => &refusal.error,
            None => self.public().code.as_str(),
        }
    }

    /// What Auth0 said, where the caller is told that.
    fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Token(TokenError::Refused(refusal) | TokenError::Refresh(RefreshError::Refused(refusal)))
            | Self::Callback(CallbackError::Token(TokenError::Refused(refusal)))
            // The session is not over: Auth0 asks to come back later.
            | Self::Session(SessionError::Unconfirmed(RefreshError::Refused(refusal)))
            | Self::Userinfo(UserinfoError::Session(SessionError::Unconfirmed(RefreshError::Refused(refusal)))) => {
                Some(refusal)
            }
            _ => None,
        }
    }

    fn challenge(&self, code: ErrorCode) -> Option<HeaderValue> {
        match (self, code) {
            (Self::NoCredential | Self::AmbiguousCredential, _) => Some(HeaderValue::from_static("Bearer")),
            (Self::Userinfo(_) | Self::Logout(LogoutError::Bearer(_)), ErrorCode::InvalidToken) => {
                Some(HeaderValue::from_static("Bearer error=\"invalid_token\""))
            }
            (Self::Userinfo(_) | Self::Session(_), ErrorCode::LoginRequired) => {
                Some(HeaderValue::from_static("Bearer"))
            }
            (Self::Token(TokenError::CallerRejected) | Self::Passthrough(PassthroughError::CallerRejected), _) => {
                Some(HeaderValue::from_static("Basic realm=\"auth0-gateway\""))
            }
            _ => None,
        }
    }

    fn public(&self) -> Public {
        match self {
            Self::NoRoute(NoRoute::NotFound) => table::NOT_FOUND,
            Self::NoRoute(NoRoute::MethodNotAllowed(_)) => {
                public(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::MethodNotAllowed, "the endpoint has other methods")
            }
            Self::Request(error) => table::request(*error),
            Self::Body(error) => table::body(error),
            Self::Unresolved(error) => table::unresolved(error),
            Self::TwoCredentials => {
                public(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest, "more than one credential was sent")
            }
            Self::NoCredential => {
                public(StatusCode::UNAUTHORIZED, ErrorCode::LoginRequired, "no credential was sent; log in")
            }
            Self::TwoCookies => {
                public(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest, "two session cookies were sent")
            }
            Self::AmbiguousCredential => public(
                StatusCode::UNAUTHORIZED,
                ErrorCode::LoginRequired,
                "more than one credential was sent, or none that can be read",
            ),
            Self::CrossSite => {
                public(StatusCode::FORBIDDEN, ErrorCode::AccessDenied, "the request comes from another site")
            }
            Self::AuthorizationRequest(error) => table::authorization_request(*error),
            Self::Authorize(error) => table::authorize(error),
            Self::Callback(error) => table::callback(error),
            Self::TokenRequest(error) => table::token_request(*error),
            Self::Token(error) => table::token(error),
            Self::Session(error) => table::session(error),
            Self::Userinfo(error) | Self::Logout(LogoutError::Bearer(error)) => table::userinfo(error),
            Self::Passthrough(error) => table::passthrough(error),
            Self::Discovery(error) => table::discovery(error),
            Self::Keys(error) => table::keys(error),
            Self::Logout(LogoutError::ReturnUrlNotAllowed) => public(
                StatusCode::BAD_REQUEST,
                ErrorCode::InvalidRequest,
                "the way back is not within the client's logout_urls",
            ),
            Self::Logout(LogoutError::Store(_)) => table::STORE_DOWN,
            Self::Backchannel(error) => table::backchannel(error),
            Self::Internal => table::ABORTED,
        }
    }
}

/// Auth0's refusal with its body and status; its `Retry-After` where it is a matter of time.
fn pass_on(refusal: &Refusal) -> Reply {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let reply = reply::json_bytes(status, refusal.body.clone());
    match refusal.retry_after {
        Some(seconds) => reply::with_retry_after(reply, seconds),
        None => reply,
    }
}
