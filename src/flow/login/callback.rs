//! `GET /callback`: the end of flow (a). Whose the code is says the transaction; the headers only must agree
//! (trap 9, RFC 9700 §4.4).

use std::sync::Arc;

use url::Url;

use super::super::policy::PolicyError;
use super::super::return_url::{self, ReturnUrl, is_on};
use super::super::token::{self, TokenError};
use super::super::{Call, Services};
use super::transaction::{Kind, Transaction, TransactionError};
use crate::base::id::Host;
use crate::base::secret::Secret;
use crate::oauth::grant::GrantType;
use crate::session::SessionId;

/// What Auth0 sent the browser back with.
#[derive(Debug)]
pub struct Landing<'a> {
    /// The path that the browser came to.
    pub path: &'a str,
    /// `iss` (RFC 9207), where sent.
    pub iss: Option<String>,
    /// A code, or Auth0's reason why there is none.
    pub result: Result<Secret, String>,
}

/// Where the visitor goes now.
#[derive(Debug)]
pub struct Landed {
    /// The page.
    pub location: String,
    /// The session that was opened; none where Auth0 said no.
    pub session: Option<SessionId>,
}

/// Why a callback ends nowhere.
#[derive(Debug, thiserror::Error)]
pub enum CallbackError {
    /// The transaction finishes nothing.
    #[error("no such login")]
    Transaction(#[source] TransactionError),
    /// The code came to another URL than the login was sent with, or from another issuer (mix-up).
    #[error("the code is of another login")]
    MixUp,
    /// The code gave no session.
    #[error("the code gave no session")]
    Token(#[source] TokenError),
}

impl CallbackError {
    /// Whether the transaction is of no use any more.
    pub fn is_spent(&self) -> bool {
        match self {
            Self::Transaction(error) => matches!(error, TransactionError::Used),
            Self::MixUp => false,
            // Told before: another replica may know the client otherwise.
            Self::Token(error) => !matches!(error, TokenError::Policy(_)),
        }
    }
}

/// What a page may be told of Auth0's reasons (OIDC Core §3.1.2.6, RFC 6749 §4.1.2.1). Everything else is a
/// `server_error`, and a description is never passed on: it would be a stranger's text on the
/// application's page (lessons 2.11).
const TOLD: [&str; 10] = [
    "access_denied",
    "account_selection_required",
    "consent_required",
    "interaction_required",
    "invalid_request",
    "invalid_scope",
    "login_required",
    "server_error",
    "temporarily_unavailable",
    "unauthorized_client",
];

/// Finishes a login: exchanges the code and opens the session, or tells the page why not.
pub async fn finish(
    services: &Arc<Services>,
    call: &Call,
    transaction: Transaction,
    landing: Landing<'_>,
    brought: Option<SessionId>,
) -> Result<Landed, CallbackError> {
    transaction.check(call).map_err(CallbackError::Transaction)?;
    let is_issuer = landing.iss.as_deref().is_none_or(|iss| iss == call.tenant.auth0.issuer.as_str());
    let is_ours = transaction.kind == Kind::Gateway && leads_to(&transaction.redirect_uri, &call.host, landing.path);
    if !is_issuer || !is_ours {
        return Err(CallbackError::MixUp);
    }
    if !call.client.grants.contains(&GrantType::AuthorizationCode) {
        // The file may have changed since the login began.
        return Err(CallbackError::Token(PolicyError::GrantNotAllowed.into()));
    }
    let location = page(call, &transaction);
    let state = transaction.caller_state.clone();
    let mut parameters: Vec<(&str, &str)> = Vec::new();
    parameters.extend(state.as_deref().map(|state| ("state", state)));
    let session = match landing.result {
        Ok(code) => {
            let login = token::CodeLogin::of(transaction, code);
            Some(token::finish_login(services, call, login, brought).await.map_err(|error| match error {
                TokenError::Transaction(error) => CallbackError::Transaction(error),
                error => CallbackError::Token(error),
            })?)
        }
        Err(reason) => {
            transaction.spend(services).await.map_err(CallbackError::Transaction)?;
            let told = TOLD.iter().find(|told| **told == reason).copied().unwrap_or("server_error");
            parameters.push(("error", told));
            None
        }
    };
    Ok(Landed { location: location.with_parameters(&parameters), session })
}

/// What the login asked for, or the client's first page.
fn page(call: &Call, transaction: &Transaction) -> ReturnUrl {
    match &transaction.redirect {
        // Held against the list when the login began, and sealed since.
        Some(url) => ReturnUrl::sealed(url),
        None => return_url::first(&call.client.login_urls, &call.host).unwrap_or_else(ReturnUrl::root),
    }
}

/// Whether the gateway answers a URL as a callback: on this host, port included, at a path that ends in `/callback`
/// or lies below one.
pub(super) fn is_answered(url: &str, host: &Host) -> bool {
    let is_callback = |url: &Url| url.path_segments().is_some_and(|mut segments| segments.any(|it| it == "callback"));
    Url::parse(url).is_ok_and(|url| is_on(&url, host) && is_callback(&url))
}

/// Whether the redirect URI is where the browser came to. A proxy may have cut a prefix off the path, so its
/// end decides; the rest is the proxy's.
fn leads_to(redirect_uri: &str, host: &Host, path: &str) -> bool {
    Url::parse(redirect_uri).is_ok_and(|url| is_on(&url, host) && url.path().ends_with(path))
}
