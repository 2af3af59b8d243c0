//! An authorization request as parsed (RFC 6749 §4.1.1, OIDC Core §3.1.2.1, auth0-facts 1.2).
//!
//! Only what is named here can reach Auth0: `request`, `request_uri`, `response_mode` and whatever else a
//! caller adds has no place to stand in.

use std::time::Duration;

use super::parameters::Parameters;
use super::pkce;
use super::scope::Scopes;

/// Why a query is no authorization request. None of these shows a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthorizationRequestError {
    /// `response_type` is there and not `code` (RFC 9700 §2.1.2: no implicit flow).
    #[error("response_type is not code")]
    ResponseType,
    /// `response_mode` is there and not `query`.
    #[error("response_mode is not query")]
    ResponseMode,
    /// Not words between spaces.
    #[error("{0} is malformed")]
    Words(&'static str),
    /// The challenge is malformed, or its method is not S256.
    #[error("code_challenge is malformed, or not S256")]
    Challenge,
    /// `max_age` is no number of seconds.
    #[error("max_age is not a number of seconds")]
    MaxAge,
    /// `request` or `request_uri`: the gateway builds the request anew.
    #[error("request objects are not taken")]
    RequestObject,
    /// A parameter is longer than any that is meant well.
    #[error("{0} is too long")]
    TooLong(&'static str),
}

/// Parameters of a caller that go to Auth0 as they are.
const PASSED: [&str; 5] = ["prompt", "login_hint", "screen_hint", "invitation", "ui_locales"];

/// More than any `state` or hint needs, and little enough that four of them fit into a browser's cookies.
const LONGEST: usize = 1024;

/// What a caller asks of the authorization endpoint.
#[derive(Debug, Default)]
pub struct AuthorizationRequest {
    /// Who takes the code. Absent: the gateway itself.
    pub redirect_uri: Option<String>,
    /// Where the visitor goes after a login that the gateway finishes.
    pub redirect: Option<String>,
    /// Comes back with the code.
    pub state: Option<String>,
    /// Stands in the ID token.
    pub nonce: Option<String>,
    /// The caller's own S256 challenge.
    pub code_challenge: Option<String>,
    /// The scope asked for; absent: all of the client's.
    pub scope: Option<Scopes>,
    /// The audience asked for; absent: the client's first.
    pub audience: Option<String>,
    /// The connection asked for.
    pub connection: Option<String>,
    /// The organization asked for.
    pub organization: Option<String>,
    /// How old the login may be.
    pub max_age: Option<Duration>,
    /// One of these must be in the ID token's `acr`.
    pub acr_values: Option<Scopes>,
    /// `prompt`, `login_hint`, `screen_hint`, `invitation`, `ui_locales`, where given.
    pub passed: Vec<(&'static str, String)>,
}

impl AuthorizationRequest {
    /// Parses the query of `GET /authorize`. Takes out what it understands; what is left may be of the
    /// client's `extra_params`.
    pub fn parse(query: &mut Parameters) -> Result<Self, AuthorizationRequestError> {
        if query.take("response_type").is_some_and(|it| it != "code") {
            return Err(AuthorizationRequestError::ResponseType);
        }
        if query.take("response_mode").is_some_and(|it| it != "query") {
            return Err(AuthorizationRequestError::ResponseMode);
        }
        if query.take("request").or_else(|| query.take("request_uri")).is_some() {
            return Err(AuthorizationRequestError::RequestObject);
        }
        let mut passed = Vec::new();
        for name in PASSED {
            passed.extend(bounded(query, name)?.map(|value| (name, value)));
        }
        Ok(Self {
            redirect_uri: query.take("redirect_uri"),
            redirect: query.take("redirect"),
            state: bounded(query, "state")?,
            nonce: bounded(query, "nonce")?,
            code_challenge: challenge(query)?,
            scope: words(query, "scope")?,
            audience: query.take("audience"),
            connection: query.take("connection"),
            organization: query.take("organization"),
            max_age: max_age(query)?,
            acr_values: words(query, "acr_values")?,
            passed,
        })
    }
}

fn bounded(query: &mut Parameters, name: &'static str) -> Result<Option<String>, AuthorizationRequestError> {
    match query.take(name) {
        Some(value) if value.len() > LONGEST => Err(AuthorizationRequestError::TooLong(name)),
        value => Ok(value),
    }
}

/// Without a method it would be `plain` (RFC 7636 §4.3).
fn challenge(query: &mut Parameters) -> Result<Option<String>, AuthorizationRequestError> {
    let method = query.take("code_challenge_method");
    match query.take("code_challenge") {
        Some(text) if pkce::is_challenge(&text) && method.as_deref() == Some(pkce::METHOD) => Ok(Some(text)),
        None if method.is_none() => Ok(None),
        _ => Err(AuthorizationRequestError::Challenge),
    }
}

/// Space-separated words without quotes: a scope, or the class references of `acr_values`.
fn words(query: &mut Parameters, name: &'static str) -> Result<Option<Scopes>, AuthorizationRequestError> {
    let words = query.take(name).map(|text| Scopes::parse(&text)).transpose();
    words.map(|words| words.filter(|words| !words.is_empty())).map_err(|_| AuthorizationRequestError::Words(name))
}

/// Zero counts: it asks for a new login (trap 32).
fn max_age(query: &mut Parameters) -> Result<Option<Duration>, AuthorizationRequestError> {
    let seconds = query.take("max_age").map(|text| text.parse::<u32>()).transpose();
    let seconds = seconds.map_err(|_| AuthorizationRequestError::MaxAge)?;
    Ok(seconds.map(|seconds| Duration::from_secs(seconds.into())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(query: &str) -> Result<AuthorizationRequest, AuthorizationRequestError> {
        AuthorizationRequest::parse(&mut Parameters::from_form(query.as_bytes()).expect("is a query"))
    }

    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn a_request_of_an_sdk_is_understood() {
        let request = parse(&format!(
            "response_type=code&response_mode=query&redirect_uri=http%3A%2F%2Fspa%2Fcb&state=s&nonce=n&\
             code_challenge={CHALLENGE}&code_challenge_method=S256&scope=openid+email&max_age=0&prompt=login&auth0Client=e30"
        ))
        .expect("is a request");
        assert_eq!((request.state.as_deref(), request.nonce.as_deref()), (Some("s"), Some("n")));
        assert_eq!((request.code_challenge.as_deref(), request.max_age), (Some(CHALLENGE), Some(Duration::ZERO)));
        assert_eq!(request.passed, [("prompt", "login".to_owned())]);
    }

    #[test]
    fn what_weakens_a_login_is_refused() {
        for (query, expected) in [
            ("response_type=token", AuthorizationRequestError::ResponseType),
            ("response_type=code+id_token", AuthorizationRequestError::ResponseType),
            ("response_mode=fragment", AuthorizationRequestError::ResponseMode),
            ("code_challenge=short&code_challenge_method=S256", AuthorizationRequestError::Challenge),
            (&format!("code_challenge={CHALLENGE}"), AuthorizationRequestError::Challenge),
            (&format!("code_challenge={CHALLENGE}&code_challenge_method=plain"), AuthorizationRequestError::Challenge),
            ("code_challenge_method=S256", AuthorizationRequestError::Challenge),
            ("request=x", AuthorizationRequestError::RequestObject),
            ("request_uri=urn:x", AuthorizationRequestError::RequestObject),
            ("max_age=-1", AuthorizationRequestError::MaxAge),
            ("scope=a%22b", AuthorizationRequestError::Words("scope")),
            (&format!("state={}", "s".repeat(1025)), AuthorizationRequestError::TooLong("state")),
        ] {
            assert_eq!(parse(query).expect_err(query), expected, "{query}");
        }
    }

    proptest! {
        #[test]
        fn no_query_makes_it_panic(query in "[ -~]{0,200}") {
            if let Ok(mut parameters) = Parameters::from_form(query.as_bytes()) {
                let _ = AuthorizationRequest::parse(&mut parameters);
            }
        }
    }
}
