//! What callers are told of each reason, one function per flow. No `_` arm anywhere.

use http::StatusCode;

use super::super::body::BodyError;
use super::super::request::RequestError;
use crate::flow::backchannel::BackchannelError;
use crate::flow::login::authorize::AuthorizeError;
use crate::flow::login::callback::CallbackError;
use crate::flow::login::transaction::TransactionError;
use crate::flow::passthrough::PassthroughError;
use crate::flow::policy::PolicyError;
use crate::flow::refresh::RefreshError;
use crate::flow::session::SessionError;
use crate::flow::token::TokenError;
use crate::flow::userinfo::UserinfoError;
use crate::flow::{Blame, DiscoveryError, KeysError, UpstreamError};
use crate::oauth::authorize::AuthorizationRequestError;
use crate::oauth::error::ErrorCode;
use crate::oauth::request::TokenRequestError;
use crate::tenant::lookup::Unresolved;

/// What callers see.
pub(super) struct Public {
    pub(super) status: StatusCode,
    pub(super) code: ErrorCode,
    pub(super) text: &'static str,
    pub(super) retry_after: Option<u64>,
}

pub(super) const fn public(status: StatusCode, code: ErrorCode, text: &'static str) -> Public {
    Public { status, code, text, retry_after: None }
}

pub(super) const fn later(status: StatusCode, text: &'static str, seconds: u64) -> Public {
    Public { status, code: ErrorCode::TemporarilyUnavailable, text, retry_after: Some(seconds) }
}

/// A bearer answer: 401 with `WWW-Authenticate` (RFC 6750 §3).
pub(super) const fn bearer(text: &'static str) -> Public {
    public(StatusCode::UNAUTHORIZED, ErrorCode::InvalidToken, text)
}

pub(super) const NO_SESSION: Public =
    public(StatusCode::UNAUTHORIZED, ErrorCode::LoginRequired, "there is no such session; log in");
pub(super) const STORE_DOWN: Public =
    later(StatusCode::SERVICE_UNAVAILABLE, "sessions cannot be reached at the moment", 2);
pub(super) const NOT_FOUND: Public = public(StatusCode::NOT_FOUND, ErrorCode::NotFound, "there is no such endpoint");
pub(super) const ABORTED: Public =
    public(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::ServerError, "the request could not be finished");
pub(super) const OPERATOR: Public = public(
    StatusCode::BAD_GATEWAY,
    ErrorCode::ServerError,
    "the identity provider refused the gateway; its operator has been told",
);

pub(super) const REDIRECT_URI: Public =
    public(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest, "redirect_uri is not one of the client's on this host");

pub(super) fn request(error: RequestError) -> Public {
    let (status, text) = match error {
        RequestError::Host => (StatusCode::BAD_REQUEST, "the host is missing, ambiguous or malformed"),
        RequestError::Misdirected => (
            StatusCode::MISDIRECTED_REQUEST,
            "this connection's certificate is not for the host; ask over another connection",
        ),
        RequestError::ClientType => (StatusCode::BAD_REQUEST, "client-type is given twice or malformed"),
        RequestError::Authorization => {
            (StatusCode::BAD_REQUEST, "the Authorization header is given twice or malformed")
        }
    };
    public(status, ErrorCode::InvalidRequest, text)
}

pub(super) fn body(error: &BodyError) -> Public {
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
pub(super) fn unresolved(error: &Unresolved) -> Public {
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

pub(super) fn token_request(error: TokenRequestError) -> Public {
    let (code, text) = match error {
        TokenRequestError::NoGrantType => (ErrorCode::InvalidRequest, "grant_type is missing"),
        TokenRequestError::UnknownGrantType => (ErrorCode::UnsupportedGrantType, "the grant type is not supported"),
        // Behind the parameter's name.
        TokenRequestError::Missing(_) => (ErrorCode::InvalidRequest, "is missing"),
        TokenRequestError::Scope => (ErrorCode::InvalidScope, "scope is malformed"),
        TokenRequestError::TwoConnections => (ErrorCode::InvalidRequest, "connection and realm differ"),
    };
    public(StatusCode::BAD_REQUEST, code, text)
}

pub(super) fn authorization_request(error: AuthorizationRequestError) -> Public {
    let (code, text) = match error {
        AuthorizationRequestError::ResponseType => (ErrorCode::UnsupportedResponseType, "response_type is not code"),
        AuthorizationRequestError::ResponseMode => (ErrorCode::InvalidRequest, "response_mode is not query"),
        AuthorizationRequestError::Words("scope") => (ErrorCode::InvalidScope, "scope is malformed"),
        AuthorizationRequestError::Words(_) => (ErrorCode::InvalidRequest, "acr_values is malformed"),
        AuthorizationRequestError::Challenge => {
            (ErrorCode::InvalidRequest, "code_challenge is malformed, or code_challenge_method is not S256")
        }
        AuthorizationRequestError::MaxAge => (ErrorCode::InvalidRequest, "max_age is not a number of seconds"),
        AuthorizationRequestError::RequestObject => {
            (ErrorCode::InvalidRequest, "request and request_uri are not taken")
        }
        AuthorizationRequestError::TooLong(_) => (ErrorCode::InvalidRequest, "a parameter is too long"),
    };
    public(StatusCode::BAD_REQUEST, code, text)
}

pub(super) fn authorize(error: &AuthorizeError) -> Public {
    let bad = |text| public(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest, text);
    match error {
        AuthorizeError::Policy(error) => policy(error),
        AuthorizeError::NoRedirectUri => {
            bad("redirect_uri is missing, and the client has no callback of the gateway on this host")
        }
        AuthorizeError::RedirectUriNotAllowed => REDIRECT_URI,
        AuthorizeError::ReturnUrlNotAllowed => bad("redirect is not within the client's login_urls"),
        AuthorizeError::NoChallenge => bad("code_challenge is missing"),
        AuthorizeError::StateMissing => bad("state is missing"),
        AuthorizeError::TooLong(_) => bad("state and redirect are too long together"),
    }
}

/// A browser's page: its transaction is a plain 400 where there is none.
pub(super) fn callback(error: &CallbackError) -> Public {
    match error {
        CallbackError::Transaction(error) => transaction(error),
        CallbackError::MixUp => {
            public(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest, "the code is of another login; log in again")
        }
        CallbackError::Token(error) => token(error),
    }
}

pub(super) fn transaction(error: &TransactionError) -> Public {
    let gone = |text| public(StatusCode::BAD_REQUEST, ErrorCode::InvalidGrant, text);
    match error {
        TransactionError::Missing => gone("the login was not begun in this browser, or is over; log in again"),
        TransactionError::Used => gone("the login was finished before; log in again"),
        TransactionError::OtherTenant => {
            later(StatusCode::SERVICE_UNAVAILABLE, "the login cannot be finished here at the moment", 2)
        }
        TransactionError::Store(_) => STORE_DOWN,
    }
}

pub(super) fn token(error: &TokenError) -> Public {
    match error {
        TokenError::Policy(error) => policy(error),
        TokenError::CallerRejected => {
            public(StatusCode::UNAUTHORIZED, ErrorCode::InvalidClient, "the caller did not authenticate")
        }
        TokenError::NoVerifier | TokenError::Verifier => public(
            StatusCode::BAD_REQUEST,
            ErrorCode::InvalidRequest,
            "a code comes with its code_verifier, or with the state of its login",
        ),
        TokenError::RedirectUri => REDIRECT_URI,
        TokenError::Transaction(error) => match transaction(error) {
            // A page posts the code: RFC 6749's invalid_grant, with Auth0's status for it.
            Public { status: StatusCode::BAD_REQUEST, code, text, .. } => public(StatusCode::FORBIDDEN, code, text),
            other => other,
        },
        TokenError::Environment(_) => {
            public(StatusCode::UNAUTHORIZED, ErrorCode::AccessDenied, "the login does not count on this host")
        }
        // Told before with Auth0's own words.
        TokenError::Refused(_) => {
            public(StatusCode::FORBIDDEN, ErrorCode::InvalidGrant, "the identity provider refused")
        }
        TokenError::Refresh(error) => refresh(error),
        TokenError::IdToken(error) if error.is_another_login() => public(
            StatusCode::UNAUTHORIZED,
            ErrorCode::AccessDenied,
            "the login is not the one that was asked for; log in again",
        ),
        TokenError::IdToken(_) | TokenError::NoIdToken => OPERATOR,
        TokenError::Upstream(error) => upstream(error),
        TokenError::Store(_) => STORE_DOWN,
        TokenError::Aborted => ABORTED,
    }
}

pub(super) fn policy(error: &PolicyError) -> Public {
    let bad = |code, text| public(StatusCode::BAD_REQUEST, code, text);
    match error {
        PolicyError::GrantNotAllowed => bad(ErrorCode::UnauthorizedClient, "the client may not use this grant type"),
        PolicyError::ScopeNotAllowed => bad(ErrorCode::InvalidScope, "a scope is not allowed for the client"),
        PolicyError::TokensNotAllowed => bad(
            ErrorCode::InvalidScope,
            "the client answers with a session and never with tokens: ask for the scope website",
        ),
        PolicyError::AudienceNotAllowed => bad(ErrorCode::InvalidTarget, "the audience is not allowed for the client"),
        PolicyError::OrganizationNotAllowed => bad(ErrorCode::InvalidRequest, "the organization is not the client's"),
        PolicyError::ConnectionNotAllowed => {
            public(StatusCode::FORBIDDEN, ErrorCode::AccessDenied, "the connection is not allowed here")
        }
        PolicyError::ConnectionAmbiguous { .. } => bad(ErrorCode::InvalidRequest, "name a connection, one of"),
    }
}

pub(super) fn refresh(error: &RefreshError) -> Public {
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

pub(super) fn session(error: &SessionError) -> Public {
    match error {
        SessionError::Missing | SessionError::Foreign | SessionError::Environment(_) | SessionError::Ended(_) => {
            NO_SESSION
        }
        SessionError::Unconfirmed(error) => refresh(error),
        SessionError::Store(_) => STORE_DOWN,
    }
}

pub(super) fn userinfo(error: &UserinfoError) -> Public {
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
pub(super) fn upstream(error: &UpstreamError) -> Public {
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

pub(super) fn keys(_: &KeysError) -> Public {
    later(StatusCode::SERVICE_UNAVAILABLE, "the identity provider's keys cannot be had at the moment", 5)
}

pub(super) fn discovery(error: &DiscoveryError) -> Public {
    match error {
        DiscoveryError::Fetch(error) => upstream(error),
        DiscoveryError::Unusable => {
            public(StatusCode::BAD_GATEWAY, ErrorCode::ServerError, "the identity provider's document is not its own")
        }
        DiscoveryError::JustFailed => {
            later(StatusCode::SERVICE_UNAVAILABLE, "the identity provider cannot be reached at the moment", 2)
        }
    }
}

/// Auth0 is told as little as a stranger: who the issuer's tenants are shows in no answer.
pub(super) fn backchannel(error: &BackchannelError) -> Public {
    match error {
        BackchannelError::Absent => {
            public(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest, "logout_token is missing")
        }
        BackchannelError::Signature(_)
        | BackchannelError::UnknownIssuer
        | BackchannelError::UnknownClient
        | BackchannelError::Policy(_)
        | BackchannelError::Replayed => {
            public(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest, "the logout token does not count")
        }
        BackchannelError::Keys(error) => keys(error),
        BackchannelError::Store(_) => STORE_DOWN,
        BackchannelError::Aborted => ABORTED,
    }
}

/// An endpoint that the client's file does not list looks like one that is not there.
pub(super) fn passthrough(error: &PassthroughError) -> Public {
    let bad = |text| public(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest, text);
    match error {
        PassthroughError::NotListed => NOT_FOUND,
        PassthroughError::CallerRejected => {
            public(StatusCode::UNAUTHORIZED, ErrorCode::InvalidClient, "the caller did not authenticate")
        }
        // Behind the member's name.
        PassthroughError::Missing(_) => bad("is missing"),
        PassthroughError::Member(_) => bad("is malformed or not allowed"),
        PassthroughError::TooLarge => {
            public(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::InvalidRequest, "the request is too large")
        }
        PassthroughError::Policy(error) => policy(error),
        PassthroughError::Request(error) => authorization_request(*error),
        PassthroughError::Authorize(error) => authorize(error),
        PassthroughError::Upstream(error) => upstream(error),
        PassthroughError::Aborted => ABORTED,
    }
}
