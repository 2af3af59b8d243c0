//! The token endpoint's use case: the same phases for every grant.
//!
//! Allowed for this client? → scope, audience, connection → what the grant sends → Auth0 → ID token
//! verified, environment admitted → tokens or a session.

mod admission;
mod code;
mod grant;

pub use code::CodeLogin;

use std::sync::Arc;

use jiff::Timestamp;

use super::environment::{EnvironmentError, Proof};
use super::id_token::{self, Asked, IdTokenError};
use super::login::transaction::TransactionError;
use super::logout;
use super::policy::PolicyError;
use super::refresh::{self, RefreshError};
use super::session::{self, Login};
use super::{Call, Services};
use crate::auth0::error::UpstreamError;
use crate::auth0::token::{Granted, Refusal, TokenAnswer, TokenCall};
use crate::base::id::ConnectionName;
use crate::base::secret::Secret;
use crate::jwt::claims::Claims;
use crate::jwt::policy::Nonce;
use crate::oauth::grant::GrantType;
use crate::oauth::request::{GrantRequest, TokenRequest};
use crate::oauth::scope::Scopes;
use crate::session::{SessionId, StoreError};
use crate::telemetry::GrantLabel;
use crate::telemetry::metrics::LoginResult;
use grant::Prepared;

/// Why there are no tokens.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The client's file does not allow it.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The client demands that its callers authenticate, and this one did not.
    #[error("the caller did not authenticate")]
    CallerRejected,
    /// A code with neither a verifier nor a `state`.
    #[error("a code comes with its code_verifier, or with the state of its login")]
    NoVerifier,
    /// The verifier cannot be one (RFC 7636 §4.1).
    #[error("the code_verifier is malformed")]
    Verifier,
    /// Not one of the client's.
    #[error("redirect_uri is not one of the client's on this host")]
    RedirectUri,
    /// The code is of no login of this browser.
    #[error("the code is of no login of this browser")]
    Transaction(#[from] TransactionError),
    /// The login does not count on this host.
    #[error("the login does not count on this host")]
    Environment(#[source] EnvironmentError),
    /// Auth0 refused, and the caller is told what it said.
    #[error("Auth0 refused")]
    Refused(Refusal),
    /// The refresh gave nothing.
    #[error("the refresh failed")]
    Refresh(#[source] RefreshError),
    /// The ID token is not believed.
    #[error("the ID token is not believed")]
    IdToken(#[source] IdTokenError),
    /// A session needs an ID token and none came.
    #[error("Auth0 sent no ID token")]
    NoIdToken,
    /// Auth0 gave no answer that counts.
    #[error("Auth0 gave no answer")]
    Upstream(#[source] UpstreamError),
    /// The session store did not answer.
    #[error("the session store did not answer")]
    Store(#[source] StoreError),
    /// The flow's task ended without an answer.
    #[error("the request was torn apart")]
    Aborted,
}

impl TokenError {
    /// For `logins_total`: refused is somebody's credentials or a policy; error is neither.
    fn result(&self) -> LoginResult {
        match self {
            Self::IdToken(error) if error.is_another_login() => LoginResult::Refused,
            Self::IdToken(_) | Self::NoIdToken | Self::Upstream(_) | Self::Store(_) | Self::Aborted => {
                LoginResult::Error
            }
            Self::Transaction(TransactionError::Store(_)) => LoginResult::Error,
            Self::Refresh(error) if !matches!(error, RefreshError::Refused(_)) => LoginResult::Error,
            _ => LoginResult::Refused,
        }
    }
}

/// Who the caller shows to be: `client_id` and `client_secret` of the body or of Basic.
#[derive(Debug, Default)]
pub struct Caller {
    /// The id.
    pub client_id: Option<String>,
    /// The secret. It never goes to Auth0.
    pub client_secret: Option<Secret>,
    /// The session that the browser brought: a new login ends it.
    pub brought: Option<SessionId>,
    /// The transaction cookie of the `state` that came with a code.
    pub transaction: Option<Secret>,
}

/// What a caller gets.
#[derive(Debug)]
pub enum Answer {
    /// The tokens themselves.
    Tokens(Tokens),
    /// A session was opened.
    Session(Opened),
}

/// A session that a login opened.
#[derive(Debug)]
pub struct Opened {
    /// Its id.
    pub id: SessionId,
    /// A fresh recovery code, where the login used the last one up: the user's to keep.
    pub recovery_code: Option<Secret>,
}

/// An answer, and where the login wanted to lead.
#[derive(Debug)]
pub struct Finished {
    /// What the caller gets.
    pub answer: Answer,
    /// The `redirect` that a login in a browser asked for.
    pub location: Option<String>,
}

impl From<Answer> for Finished {
    fn from(answer: Answer) -> Self {
        Self { answer, location: None }
    }
}

/// Tokens for a caller.
#[derive(Debug)]
pub struct Tokens {
    /// Auth0's answer.
    pub granted: Granted,
    /// What this request asked for: granted where Auth0 names no scope (RFC 6749 §5.1). `None`: it asked for none, or
    /// another request did, and only the caller knows for what.
    pub scope: Option<String>,
    /// When they came.
    pub at: Timestamp,
}

/// Runs the request to its end, also when the caller hangs up.
pub async fn run(
    services: &Arc<Services>,
    call: &Call,
    request: TokenRequest,
    caller: Caller,
) -> Result<Finished, TokenError> {
    let grant = request.grant.grant_type();
    let exchange = Exchange { services: Arc::clone(services), call: call.clone() };
    let result = finish(services, exchange.run(request, caller)).await;
    if grant != GrantType::RefreshToken {
        count(services, call, grant, &result);
    }
    result
}

/// Redeems the code of a login that the gateway began and finishes itself, and opens its session. Runs to its
/// end also when the visitor leaves.
pub(super) async fn finish_login(
    services: &Arc<Services>,
    call: &Call,
    login: CodeLogin,
    brought: Option<SessionId>,
) -> Result<SessionId, TokenError> {
    let exchange = Exchange { services: Arc::clone(services), call: call.clone() };
    let result = finish(services, exchange.redeem(login, brought)).await;
    count(services, call, GrantType::AuthorizationCode, &result);
    match result?.answer {
        Answer::Session(opened) => Ok(opened.id),
        // Such a login asks for a session, or it would not have begun.
        Answer::Tokens(_) => Err(PolicyError::TokensNotAllowed.into()),
    }
}

async fn finish<T: Send + 'static>(
    services: &Services,
    work: impl Future<Output = Result<T, TokenError>> + Send + 'static,
) -> Result<T, TokenError> {
    services.tasks.spawn(work).await.unwrap_or(Err(TokenError::Aborted))
}

fn count<T>(services: &Services, call: &Call, grant: GrantType, result: &Result<T, TokenError>) {
    let outcome = match result {
        Ok(_) => LoginResult::Ok,
        Err(error) => error.result(),
    };
    services.metrics.login(&call.tenant.name, GrantLabel::of(grant.name()), outcome);
}

/// What the policies allow a request to ask for.
#[derive(Debug)]
struct Wish {
    scope: Scopes,
    audience: Option<String>,
    connection: Option<ConnectionName>,
    /// Whether the answer is a session.
    wants_session: bool,
}

/// Whose tokens they are. A machine's belong to no user and so to no environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    User,
    Machine,
}

/// Auth0's answer, verified.
struct Believed {
    granted: Granted,
    claims: Option<Claims>,
    proof: Proof,
}

struct Exchange {
    services: Arc<Services>,
    call: Call,
}

impl Exchange {
    async fn run(self, request: TokenRequest, caller: Caller) -> Result<Finished, TokenError> {
        admission::admit(&self.call, request.grant.grant_type(), &caller)?;
        if let GrantRequest::AuthorizationCode(request) = request.grant {
            let login = code::settle(&self.services, &self.call, request, caller.transaction.as_ref())?;
            return self.redeem(login, caller.brought).await;
        }
        let wish = admission::wish(&self.call, &request)?;
        if let GrantRequest::RefreshToken { refresh_token } = request.grant {
            return self.refresh(refresh_token, request.scope.as_ref(), wish).await.map(Finished::from);
        }
        let prepared = grant::prepare(&self.call, &request.grant, &wish);
        let asked = prepared.parameters.iter().any(|(name, _)| *name == "scope");
        let scope = asked.then(|| wish.scope.to_string());
        let granted = self.exchange(prepared).await?;
        let holder = match request.grant {
            GrantRequest::ClientCredentials => Holder::Machine,
            _ => Holder::User,
        };
        let believed = self.believe(granted, wish.connection.as_ref(), Asked::default(), holder).await?;
        self.answer(believed, scope, wish.wants_session, caller.brought).await.map(Finished::from)
    }

    /// Redeems a code once: its transaction is spent before Auth0 hears of it.
    async fn redeem(self, login: CodeLogin, brought: Option<SessionId>) -> Result<Finished, TokenError> {
        if let Some(transaction) = &login.transaction {
            transaction.spend(&self.services).await?;
        }
        let granted = self.exchange(grant::by_code(&login)).await?;
        let unwanted = granted.refresh_token.clone();
        let redeemed = self.redeemed(granted, login, brought).await;
        if let (Err(_), Some(refresh_token)) = (&redeemed, unwanted) {
            // The login does not count here, and its token would live on at Auth0 for a month.
            logout::revoke_later(&self.services, &self.call, refresh_token);
        }
        redeemed
    }

    async fn redeemed(
        &self,
        granted: Granted,
        login: CodeLogin,
        brought: Option<SessionId>,
    ) -> Result<Finished, TokenError> {
        if granted.id_token.is_none() {
            // `openid` was asked for. A visitor who took it out on the way took out what the login is checked by.
            return Err(TokenError::IdToken(IdTokenError::Absent));
        }
        let asked = match &login.transaction {
            Some(transaction) => Asked {
                nonce: Nonce::Exactly(&transaction.nonce),
                max_age: transaction.max_age(),
                acr_values: transaction.acr_values.as_deref(),
            },
            // Flow (c): what was asked is the application's own to check.
            None => Asked { nonce: Nonce::Any, ..Asked::default() },
        };
        // The visitor may have edited `connection` on the way: only a claim or the client proves one.
        let believed = self.believe(granted, None, asked, Holder::User).await?;
        let location = login.transaction.and_then(|transaction| transaction.redirect);
        let answer = self.answer(believed, login.scope, login.wants_session, brought).await?;
        Ok(Finished { answer, location })
    }

    /// Sends what the grant needs; the client's own authentication is added below.
    async fn exchange(&self, prepared: Prepared<'_>) -> Result<Granted, TokenError> {
        let answer = self.services.auth0.token(TokenCall {
            tenant: &self.call.tenant,
            client: &self.call.client,
            parameters: &prepared.parameters,
            forwarded_for: prepared.forwarded_for,
            timeout: None,
        });
        match self.call.upstream.measure(&*self.services.clock, answer).await.map_err(TokenError::Upstream)? {
            TokenAnswer::Granted(granted) => Ok(granted),
            TokenAnswer::Refused(refusal) => Err(TokenError::Refused(refusal)),
        }
    }

    /// Verifies the ID token and admits the login's environment.
    async fn believe(
        &self,
        granted: Granted,
        sent: Option<&ConnectionName>,
        asked: Asked<'_>,
        holder: Holder,
    ) -> Result<Believed, TokenError> {
        let claims = match &granted.id_token {
            Some(token) => {
                let verified = id_token::verify(&self.services, &self.call, token, asked).await;
                Some(verified.map_err(TokenError::IdToken)?)
            }
            None => None,
        };
        let object = claims.as_ref().map(|claims| &claims.object);
        let proof = Proof::of(&self.call.tenant, &self.call.client, sent, object).map_err(TokenError::Environment)?;
        if holder == Holder::User {
            proof.admit(&self.call.tenant, &self.call.host).map_err(TokenError::Environment)?;
        }
        Ok(Believed { granted, claims, proof })
    }

    async fn answer(
        &self,
        believed: Believed,
        scope: Option<String>,
        wants_session: bool,
        brought: Option<SessionId>,
    ) -> Result<Answer, TokenError> {
        let Believed { granted, claims, proof } = believed;
        if !wants_session {
            return Ok(Answer::Tokens(Tokens { granted, scope, at: self.services.now() }));
        }
        let claims = claims.ok_or(TokenError::NoIdToken)?;
        let login = Login { granted: &granted, claims, proof: &proof, scope: scope.unwrap_or_default() };
        let opened = session::open(&self.services, &self.call, login, brought.as_ref()).await;
        let id = opened.map_err(TokenError::Store)?;
        Ok(Answer::Session(Opened { id, recovery_code: granted.recovery_code }))
    }

    async fn refresh(&self, token: Secret, asked: Option<&Scopes>, wish: Wish) -> Result<Answer, TokenError> {
        // Auth0 takes a subset; without one it grants what the login was granted.
        let scope = asked.map(|_| wish.scope.to_string());
        let presented = refresh::Presented {
            token,
            scope: scope.clone(),
            audience: wish.audience,
            repeatable: refresh::Repeatable::WithinLeeway,
            holder: refresh::Holder::Caller,
        };
        let redeemed = match refresh::redeem(&self.services, &self.call, presented).await {
            Ok(redeemed) => redeemed,
            Err(RefreshError::Refused(refusal)) => return Err(TokenError::Refused(refusal)),
            Err(error) => return Err(TokenError::Refresh(error)),
        };
        // The login that it goes back to may have sent a nonce; whoever sent it knows it.
        let asked = Asked { nonce: Nonce::Any, ..Asked::default() };
        let Believed { granted, .. } = self.believe(redeemed.granted, None, asked, Holder::User).await?;
        Ok(Answer::Tokens(Tokens { granted, scope, at: self.services.now() }))
    }
}
