//! `GET /authorize`: where the visitor's browser is sent, and what it must bring back.

use super::super::policy::{self, PolicyError};
use super::super::return_url;
use super::super::{Call, Services};
use super::transaction::{Asked, Kind, SealedTransaction, TooLong, Transaction, random_text};
use crate::oauth::authorize::AuthorizationRequest;
use crate::oauth::grant::GrantType;
use crate::oauth::pkce;
use crate::oauth::scope::Scopes;
use crate::tenant::model::{Passthrough, UrlTemplate};

/// Logins that one browser may have under way; the oldest gives way (contract §4, lessons 2.6).
const MOST_UNDER_WAY: usize = 4;

/// Why no login begins.
#[derive(Debug, thiserror::Error)]
pub enum AuthorizeError {
    /// The client's file does not allow it.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The gateway has no callback of the client on this host, and the caller named none.
    #[error("redirect_uri is missing: the gateway has no callback of this client on this host")]
    NoRedirectUri,
    /// Not one of the client's, character by character (RFC 9700 §2.1).
    #[error("redirect_uri is not one of the client's on this host")]
    RedirectUriNotAllowed,
    /// `redirect` leads where the client's `login_urls` do not.
    #[error("redirect is not within the client's login_urls")]
    ReturnUrlNotAllowed,
    /// A pushed request without a challenge of the caller's own.
    #[error("code_challenge is missing")]
    NoChallenge,
    /// The client demands a `state`.
    #[error("state is missing")]
    StateMissing,
    /// No browser would keep the transaction.
    #[error("the login does not fit into a cookie")]
    TooLong(#[from] TooLong),
}

/// A login that began.
#[derive(Debug)]
pub struct Begun {
    /// Auth0's page, with everything it is asked.
    pub location: String,
    /// The cookie that the browser must bring back; flow (c) has none.
    pub transaction: Option<SealedTransaction>,
    /// Names of older transaction cookies that give way.
    pub dropped: Vec<String>,
}

/// A request and what came beside it.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// As parsed.
    pub request: AuthorizationRequest,
    /// Of the client's `extra_params`.
    pub extra: Vec<(&'a str, String)>,
    /// Names and values of the transaction cookies that the browser has.
    pub under_way: Vec<(&'a str, &'a str)>,
}

/// Which way a login goes.
enum Flow {
    /// (a) and (b).
    Ours(Kind),
    /// (c): the caller's own challenge.
    Sdk { challenge: String },
}

/// What the policies allow of a request.
struct Admitted {
    flow: Flow,
    redirect_uri: String,
    scope: Scopes,
    wants_session: bool,
    redirect: Option<String>,
}

/// What a pushed authorization request says (RFC 9126): flow (c) alone, by the same rules, since nobody comes back to
/// the gateway with what it would have kept.
pub(in super::super) fn push<'a>(
    call: &'a Call,
    mut request: AuthorizationRequest,
    extra: Vec<(&'a str, String)>,
) -> Result<Vec<(&'a str, String)>, AuthorizeError> {
    if request.code_challenge.is_none() {
        return Err(AuthorizeError::NoChallenge);
    }
    let admitted = admit(call, &mut request)?;
    let mut parameters = common(call, &request, &admitted)?;
    parameters.extend(extra);
    Ok(parameters)
}

/// Where a visitor goes with what was pushed: nothing else stands beside it.
pub fn pushed(call: &Call, request_uri: &str) -> Option<String> {
    let is_pushed = request_uri.starts_with(REQUEST_URI)
        && request_uri.len() <= LONGEST_REQUEST_URI
        && call.client.passthrough.contains(&Passthrough::Par);
    let parameters = [("client_id", call.client.client_id.to_string()), ("request_uri", request_uri.to_owned())];
    is_pushed.then(|| location(call, &parameters))
}

/// How what Auth0 gives for a pushed request begins (auth0-facts 1.11), and how long it may be.
const REQUEST_URI: &str = "urn:ietf:params:oauth:request_uri:";
const LONGEST_REQUEST_URI: usize = 512;

/// Begins a login.
pub fn begin(services: &Services, call: &Call, wanted: Wanted<'_>) -> Result<Begun, AuthorizeError> {
    let Wanted { mut request, extra, under_way } = wanted;
    let admitted = admit(call, &mut request)?;
    let mut parameters = common(call, &request, &admitted)?;
    parameters.extend(extra);
    let Flow::Ours(kind) = admitted.flow else {
        return Ok(Begun { location: location(call, &parameters), transaction: None, dropped: Vec::new() });
    };
    let (state, caller_state) = match kind {
        Kind::Gateway => (random_text(services).into(), request.state),
        Kind::Page => (request.state.unwrap_or_else(|| random_text(services).into()), None),
    };
    let asked = Asked {
        kind,
        redirect_uri: admitted.redirect_uri,
        caller_state,
        redirect: admitted.redirect,
        scope: admitted.scope.to_string(),
        wants_session: admitted.wants_session,
        max_age: request.max_age,
        acr_values: request.acr_values.map(|values| values.iter().map(Into::into).collect()),
    };
    let transaction = Transaction::begin(services, call, asked);
    let sealed = transaction.seal(services, &call.host, &state)?;
    parameters.extend([
        ("state", state),
        ("nonce", transaction.nonce.to_string()),
        ("code_challenge", transaction.challenge()),
        ("code_challenge_method", pkce::METHOD.to_owned()),
    ]);
    let dropped = surplus(services, call, &under_way, &sealed.name);
    Ok(Begun { location: location(call, &parameters), transaction: Some(sealed), dropped })
}

fn admit(call: &Call, request: &mut AuthorizationRequest) -> Result<Admitted, AuthorizeError> {
    let client = &*call.client;
    if !client.grants.contains(&GrantType::AuthorizationCode) {
        return Err(PolicyError::GrantNotAllowed.into());
    }
    if client.require_state && request.state.is_none() {
        return Err(AuthorizeError::StateMissing);
    }
    policy::organization(client, request.organization.as_deref())?;
    let (flow, redirect_uri) = flow(call, request)?;
    let wants_session = match flow {
        Flow::Ours(Kind::Gateway) => {
            // The callback answers with a session and with nothing else.
            let wants = policy::wants_session(client, request.scope.as_ref())?;
            if wants { true } else { return Err(PolicyError::TokensNotAllowed.into()) }
        }
        Flow::Ours(Kind::Page) => policy::wants_session(client, request.scope.as_ref())?,
        Flow::Sdk { .. } => policy::tokens(client).map(|()| false)?,
    };
    let redirect = match request.redirect.take() {
        Some(wanted) => Some(
            return_url::admit(&client.login_urls, &call.host, &wanted).ok_or(AuthorizeError::ReturnUrlNotAllowed)?,
        ),
        None => None,
    };
    Ok(Admitted {
        flow,
        redirect_uri,
        scope: policy::scope(client, request.scope.take())?,
        wants_session,
        redirect: redirect.map(|url| url.as_str().to_owned()),
    })
}

/// Whose the redirect is decides the flow.
fn flow(call: &Call, request: &mut AuthorizationRequest) -> Result<(Flow, String), AuthorizeError> {
    let client = &*call.client;
    let own = own_callback(call);
    let Some(asked) = request.redirect_uri.take() else {
        let own = own.filter(|_| client.is_cookie_client()).ok_or(AuthorizeError::NoRedirectUri)?;
        return Ok((Flow::Ours(Kind::Gateway), own));
    };
    if is_listed(&client.app_redirect_urls, call, &asked) {
        let flow = match request.code_challenge.take() {
            Some(challenge) => Flow::Sdk { challenge },
            None => Flow::Ours(Kind::Page),
        };
        return Ok((flow, asked));
    }
    // Naming the gateway's own callback is asking for what happens without a name.
    if client.is_cookie_client() && request.code_challenge.is_none() && own.as_ref() == Some(&asked) {
        return Ok((Flow::Ours(Kind::Gateway), asked));
    }
    Err(AuthorizeError::RedirectUriNotAllowed)
}

/// The first of `redirect_urls` that leads back to a callback on the host the visitor is on: the cookie is there
/// alone.
pub(in super::super) fn own_callback(call: &Call) -> Option<String> {
    let urls = call.client.redirect_urls.iter().map(|template| template.for_host(&call.host));
    urls.into_iter().find(|url| super::callback::is_answered(url, &call.host))
}

/// Whether a redirect URI is one of these, character by character.
pub(in super::super) fn is_listed(templates: &[UrlTemplate], call: &Call, asked: &str) -> bool {
    templates.iter().any(|template| template.for_host(&call.host) == asked)
}

/// What every flow sends.
fn common<'a>(
    call: &'a Call,
    request: &AuthorizationRequest,
    admitted: &Admitted,
) -> Result<Vec<(&'a str, String)>, AuthorizeError> {
    let client = &*call.client;
    let mut parameters = vec![
        ("response_type", "code".to_owned()),
        ("client_id", client.client_id.to_string()),
        ("redirect_uri", admitted.redirect_uri.clone()),
        ("scope", admitted.scope.to_string()),
    ];
    let audience = policy::audience(client, request.audience.as_deref())?.or(client.default_audience());
    parameters.extend(audience.map(|audience| ("audience", audience.to_owned())));
    let connection = policy::connection(call, request.connection.as_deref())?;
    parameters.extend(connection.map(|connection| ("connection", connection.as_str().to_owned())));
    parameters.extend(client.organization.as_deref().map(|it| ("organization", it.to_owned())));
    parameters.extend(request.max_age.map(|max_age| ("max_age", max_age.as_secs().to_string())));
    parameters.extend(request.acr_values.as_ref().map(|values| ("acr_values", values.to_string())));
    parameters.extend(request.passed.iter().cloned());
    if let Flow::Sdk { challenge } = &admitted.flow {
        parameters.extend(request.state.clone().map(|state| ("state", state)));
        parameters.extend(request.nonce.clone().map(|nonce| ("nonce", nonce)));
        parameters.push(("code_challenge", challenge.clone()));
        parameters.push(("code_challenge_method", pkce::METHOD.to_owned()));
    }
    Ok(parameters)
}

fn location(call: &Call, parameters: &[(&str, String)]) -> String {
    let base = format!("{}?", call.tenant.auth0.authorize);
    let start = base.len();
    form_urlencoded::Serializer::for_suffix(base, start).extend_pairs(parameters).finish()
}

/// The cookies that give way where there are too many: those that open nothing, then the oldest.
fn surplus(services: &Services, call: &Call, under_way: &[(&str, &str)], new: &str) -> Vec<String> {
    let others = under_way.iter().filter(|(name, _)| *name != new);
    let mut ends: Vec<_> = others
        .map(|(name, value)| {
            let opened = Transaction::open(services, &call.host, name, value);
            (opened.ok().map(|transaction| transaction.ends()), *name)
        })
        .collect();
    ends.sort();
    let too_many = (ends.len() + 1).saturating_sub(MOST_UNDER_WAY);
    ends.into_iter().take(too_many).map(|(_, name)| name.to_owned()).collect()
}
