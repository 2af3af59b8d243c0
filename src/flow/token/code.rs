//! `authorization_code`: with what a code is redeemed, by the flow that it came from.

use super::super::login::transaction::{Kind, Transaction, TransactionError, cookie_name};
use super::super::{Call, Services, policy};
use super::TokenError;
use crate::base::secret::Secret;
use crate::flow::login::authorize::is_listed;
use crate::oauth::pkce;
use crate::oauth::request::CodeRequest;

/// A code, and what its login asked for.
#[derive(Debug)]
pub struct CodeLogin {
    pub(super) code: Secret,
    pub(super) verifier: Secret,
    pub(super) redirect_uri: Option<String>,
    /// What was asked for, where the gateway began the login, and whether the answer is a session.
    pub(super) scope: Option<String>,
    pub(super) wants_session: bool,
    /// Flows (a) and (b); spent before the code goes to Auth0.
    pub(super) transaction: Option<Transaction>,
}

impl CodeLogin {
    /// With what the gateway began the login.
    pub fn of(transaction: Transaction, code: Secret) -> Self {
        Self {
            code,
            verifier: transaction.verifier(),
            redirect_uri: Some(transaction.redirect_uri.clone()),
            scope: Some(transaction.scope.clone()),
            wants_session: transaction.wants_session,
            transaction: Some(transaction),
        }
    }
}

/// Which flow the code is of: a caller's verifier makes it (c), a `state` makes it (b). Without either it
/// would be anybody's (RFC 9700 §2.1.1).
pub(super) fn settle(
    services: &Services,
    call: &Call,
    request: CodeRequest,
    sealed: Option<&Secret>,
) -> Result<CodeLogin, TokenError> {
    let CodeRequest { code, state, code_verifier, redirect_uri } = request;
    if let Some(verifier) = code_verifier {
        policy::tokens(&call.client)?;
        if !pkce::is_verifier(verifier.expose()) {
            return Err(TokenError::Verifier);
        }
        let is_ours = |uri: &String| is_listed(&call.client.app_redirect_urls, call, uri);
        if redirect_uri.as_ref().is_some_and(|uri| !is_ours(uri)) {
            return Err(TokenError::RedirectUri);
        }
        return Ok(CodeLogin { code, verifier, redirect_uri, scope: None, wants_session: false, transaction: None });
    }
    let state = state.ok_or(TokenError::NoVerifier)?;
    let missing = || TokenError::Transaction(TransactionError::Missing);
    let sealed = sealed.ok_or_else(missing)?;
    let transaction = Transaction::open(services, &call.host, &cookie_name(&state), sealed.expose())?;
    transaction.check(call)?;
    if transaction.kind != Kind::Page || redirect_uri.is_some_and(|uri| uri != transaction.redirect_uri) {
        return Err(missing());
    }
    if !transaction.wants_session {
        // The file may have changed since.
        policy::tokens(&call.client)?;
    }
    Ok(CodeLogin::of(transaction, code))
}
