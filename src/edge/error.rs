//! The error table: every reason to fail, its status, its code and what callers are told.
//!
//! No `_` arm: a new reason is a compile error here until somebody decides what it says outside.
//! Public texts name no tenant, file, connection or cause; the cause chain is logged, once.

use http::{HeaderValue, StatusCode, header};

use super::body::BodyError;
use super::reply::{self, Reply};
use super::request::RequestError;
use super::route::NoRoute;
use crate::flow::logout::LogoutError;
use crate::flow::policy::PolicyError;
use crate::flow::refresh::RefreshError;
use crate::flow::session::SessionError;
use crate::flow::token::TokenError;
use crate::flow::userinfo::UserinfoError;
use crate::flow::{Blame, KeysError, Refusal, UpstreamError};
use crate::oauth::error::ErrorCode;
use crate::oauth::request::TokenRequestError;
use crate::tenant::lookup::Unresolved;

/// Every way in which a request ends without what it asked for.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// No such endpoint.
    #[error("there is no such endpoint")]
    NoRoute(NoRoute),
    /// The head cannot be read.
    #[error("the request's head is ambiguous")]
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
    /// A page of another site made the browser send it.
    #[error("the request comes from another site")]
    CrossSite,
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
    /// The logout flow failed.
    #[error("no logout")]
    Logout(#[source] LogoutError),
    /// Something panicked or was torn apart.
    #[error("the request could not be finished")]
    Internal,
}

/// What callers see.
struct Public {
    status: StatusCode,
    code: ErrorCode,
    text: &'static str,
    retry_after: Option<u64>,
}

const fn public(status: StatusCode, code: ErrorCode, text: &'static str) -> Public {
    Public { status, code, text, retry_after: None }
}

const fn later(status: StatusCode, text: &'static str, seconds: u64) -> Public {
    Public { status, code: ErrorCode::TemporarilyUnavailable, text, retry_after: Some(seconds) }
}

/// A bearer answer: 401 with `WWW-Authenticate` (RFC 6750 §3).
const fn bearer(text: &'static str) -> Public {
    public(StatusCode::UNAUTHORIZED, ErrorCode::InvalidToken, text)
}

const NO_SESSION: Public =
    public(StatusCode::UNAUTHORIZED, ErrorCode::LoginRequired, "there is no such session; log in");
const STORE_DOWN: Public = later(StatusCode::SERVICE_UNAVAILABLE, "sessions cannot be reached at the moment", 2);
const OPERATOR: Public = public(
    StatusCode::BAD_GATEWAY,
    ErrorCode::ServerError,
    "the identity provider refused the gateway; its operator has been told",
);

impl Failure {
    /// The whole answer.
    pub fn reply(&self) -> Reply {
        if let Some(refusal) = self.refusal() {
            return pass_on(refusal);
        }
        let Public { status, code, text, retry_after } = self.public();
        let reply = match self {
            Self::Token(TokenError::Policy(PolicyError::ConnectionAmbiguous { allowed })) => {
                let names: Vec<&str> = allowed.iter().map(crate::base::id::ConnectionName::as_str).collect();
                reply::error(status, code, &format!("{text}: {}", names.join(", ")))
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
            (Self::NoCredential, _) => Some(HeaderValue::from_static("Bearer")),
            (Self::Userinfo(_) | Self::Logout(LogoutError::Bearer(_)), ErrorCode::InvalidToken) => {
                Some(HeaderValue::from_static("Bearer error=\"invalid_token\""))
            }
            (Self::Userinfo(_) | Self::Session(_), ErrorCode::LoginRequired) => {
                Some(HeaderValue::from_static("Bearer"))
            }
            (Self::Token(TokenError::CallerRejected), _) => {
                Some(HeaderValue::from_static("Basic realm=\"auth0-gateway\""))
            }
            _ => None,
        }
    }

    fn public(&self) -> Public {
        match self {
            Self::NoRoute(NoRoute::NotFound) => {
                public(StatusCode::NOT_FOUND, ErrorCode::NotFound, "there is no such endpoint")
            }
            Self::NoRoute(NoRoute::MethodNotAllowed(_)) => {
                public(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::MethodNotAllowed, "the endpoint has other methods")
            }
            Self::Request(error) => request(*error),
            Self::Body(error) => body(error),
            Self::Unresolved(error) => unresolved(error),
            Self::TwoCredentials => {
                public(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest, "more than one credential was sent")
            }
            Self::NoCredential => {
                public(StatusCode::UNAUTHORIZED, ErrorCode::LoginRequired, "no credential was sent; log in")
            }
            Self::TwoCookies => {
                public(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest, "two session cookies were sent")
            }
            Self::CrossSite => {
                public(StatusCode::FORBIDDEN, ErrorCode::AccessDenied, "the request comes from another site")
            }
            Self::TokenRequest(error) => token_request(*error),
            Self::Token(error) => token(error),
            Self::Session(error) => session(error),
            Self::Userinfo(error) | Self::Logout(LogoutError::Bearer(error)) => userinfo(error),
            Self::Logout(LogoutError::Store(_)) => STORE_DOWN,
            Self::Internal => {
                public(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::ServerError, "the request could not be finished")
            }
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

fn request(error: RequestError) -> Public {
    let text = match error {
        RequestError::Host => "the host is missing, ambiguous or malformed",
        RequestError::ClientType => "client-type is given twice or malformed",
        RequestError::Authorization => "the Authorization header is given twice or malformed",
    };
    public(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest, text)
}

fn body(error: &BodyError) -> Public {
    let (status, text) = match error {
        BodyError::MediaType => {
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "send application/x-www-form-urlencoded or application/json")
        }
        BodyError::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 64 KiB"),
        BodyError::TooSlow => (StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"),
        BodyError::Cut => (StatusCode::BAD_REQUEST, "the body did not arrive"),
        BodyError::Parameters(error) => (
            StatusCode::BAD_REQUEST,
            match error {
                crate::oauth::parameters::ParametersError::Repeated => "a parameter is given more than once",
                crate::oauth::parameters::ParametersError::TooMany => "there are too many parameters",
                crate::oauth::parameters::ParametersError::NotAnObject => "the body is not a JSON object",
                crate::oauth::parameters::ParametersError::NotText => {
                    "a parameter is neither a string, a number nor a boolean"
                }
            },
        ),
    };
    public(status, ErrorCode::InvalidRequest, text)
}

/// Nothing found and found to be another client look the same.
fn unresolved(error: &Unresolved) -> Public {
    match error {
        Unresolved::NoMatch | Unresolved::Disagreement => {
            public(StatusCode::UNAUTHORIZED, ErrorCode::UnauthorizedClient, "no client of that type or id on this host")
        }
        Unresolved::Disabled { .. } => {
            later(StatusCode::SERVICE_UNAVAILABLE, "this host is switched off at the moment", 60)
        }
        Unresolved::Broken { .. } | Unresolved::Disputed { .. } => {
            later(StatusCode::SERVICE_UNAVAILABLE, "this host is not configured correctly at the moment", 30)
        }
    }
}

fn token_request(error: TokenRequestError) -> Public {
    let (code, text) = match error {
        TokenRequestError::NoGrantType => (ErrorCode::InvalidRequest, "grant_type is missing"),
        TokenRequestError::UnknownGrantType => (ErrorCode::UnsupportedGrantType, "the grant type is not supported"),
        TokenRequestError::Missing("username") => (ErrorCode::InvalidRequest, "username is missing"),
        TokenRequestError::Missing("password") => (ErrorCode::InvalidRequest, "password is missing"),
        TokenRequestError::Missing("realm") => (ErrorCode::InvalidRequest, "realm is missing"),
        TokenRequestError::Missing("refresh_token") => (ErrorCode::InvalidRequest, "refresh_token is missing"),
        TokenRequestError::Missing(_) => (ErrorCode::InvalidRequest, "a parameter is missing"),
        TokenRequestError::Scope => (ErrorCode::InvalidScope, "scope is malformed"),
        TokenRequestError::TwoConnections => (ErrorCode::InvalidRequest, "connection and realm differ"),
    };
    public(StatusCode::BAD_REQUEST, code, text)
}

fn token(error: &TokenError) -> Public {
    match error {
        TokenError::Policy(error) => policy(error),
        TokenError::CallerRejected => {
            public(StatusCode::UNAUTHORIZED, ErrorCode::InvalidClient, "the caller did not authenticate")
        }
        TokenError::Environment(_) => {
            public(StatusCode::UNAUTHORIZED, ErrorCode::AccessDenied, "the login does not count on this host")
        }
        // Told before with Auth0's own words.
        TokenError::Refused(_) => {
            public(StatusCode::FORBIDDEN, ErrorCode::InvalidGrant, "the identity provider refused")
        }
        TokenError::Refresh(error) => refresh(error),
        TokenError::IdToken(_) | TokenError::NoIdToken => OPERATOR,
        TokenError::Upstream(error) => upstream(error),
        TokenError::Store(_) => STORE_DOWN,
        TokenError::Aborted => {
            public(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::ServerError, "the request could not be finished")
        }
    }
}

fn policy(error: &PolicyError) -> Public {
    let bad = |code, text| public(StatusCode::BAD_REQUEST, code, text);
    match error {
        PolicyError::GrantNotAllowed => bad(ErrorCode::UnauthorizedClient, "the client may not use this grant type"),
        PolicyError::ScopeNotAllowed => bad(ErrorCode::InvalidScope, "a scope is not allowed for the client"),
        PolicyError::TokensNotAllowed => bad(
            ErrorCode::InvalidScope,
            "the client answers with a session and never with tokens: ask for the scope website",
        ),
        PolicyError::AudienceNotAllowed => bad(ErrorCode::InvalidTarget, "the audience is not allowed for the client"),
        PolicyError::ConnectionNotAllowed => {
            public(StatusCode::FORBIDDEN, ErrorCode::AccessDenied, "the connection is not allowed here")
        }
        PolicyError::ConnectionAmbiguous { .. } => bad(ErrorCode::InvalidRequest, "name a connection, one of"),
    }
}

fn refresh(error: &RefreshError) -> Public {
    match error {
        RefreshError::Refused(_) | RefreshError::OtherUser | RefreshError::LoggedOut | RefreshError::NoRefreshToken => {
            NO_SESSION
        }
        RefreshError::Lost(error) | RefreshError::Upstream(error) => upstream(error),
        RefreshError::IdToken(_) => OPERATOR,
        RefreshError::Busy => later(StatusCode::SERVICE_UNAVAILABLE, "another refresh of this token is under way", 1),
        RefreshError::Store(_) => STORE_DOWN,
    }
}

fn session(error: &SessionError) -> Public {
    match error {
        SessionError::Missing | SessionError::Foreign | SessionError::Environment(_) | SessionError::Ended(_) => {
            NO_SESSION
        }
        SessionError::Unconfirmed(error) => refresh(error),
        SessionError::Store(_) => STORE_DOWN,
    }
}

fn userinfo(error: &UserinfoError) -> Public {
    match error {
        UserinfoError::Session(error) => session(error),
        UserinfoError::KnownBad
        | UserinfoError::Signature(_)
        | UserinfoError::Policy(_)
        | UserinfoError::Environment(_)
        | UserinfoError::Opaque
        | UserinfoError::RefusedByAuth0 => {
            bearer("the access token is expired, revoked, or not for this client and host")
        }
        UserinfoError::RateLimited { retry_after } => Public {
            retry_after: Some(retry_after.unwrap_or(60)),
            ..public(
                StatusCode::TOO_MANY_REQUESTS,
                ErrorCode::TemporarilyUnavailable,
                "the identity provider asks to come back later",
            )
        },
        UserinfoError::Keys(error) => keys(error),
        UserinfoError::Upstream(error) => upstream(error),
    }
}

/// No answer of Auth0 that counts: a time-out is 504, the rest 502 or 503 (contract §4).
fn upstream(error: &UpstreamError) -> Public {
    match error.blame() {
        Blame::Operator => OPERATOR,
        Blame::Slow => Public {
            status: StatusCode::GATEWAY_TIMEOUT,
            code: ErrorCode::TemporarilyUnavailable,
            text: "the identity provider did not answer in time",
            retry_after: None,
        },
        Blame::Unreachable => {
            later(StatusCode::SERVICE_UNAVAILABLE, "the identity provider cannot be reached at the moment", 5)
        }
        Blame::Auth0 => public(StatusCode::BAD_GATEWAY, ErrorCode::ServerError, "the identity provider failed"),
    }
}

fn keys(_: &KeysError) -> Public {
    later(StatusCode::SERVICE_UNAVAILABLE, "the identity provider's keys cannot be had at the moment", 5)
}
