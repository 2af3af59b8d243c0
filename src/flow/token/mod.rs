//! The token endpoint's use case: the same phases for every grant.
//!
//! Allowed for this client? → scope, audience, connection → what the grant sends → Auth0 → ID token
//! verified, environment admitted → tokens or a session.

mod admission;
mod grant;

use std::sync::Arc;

use jiff::Timestamp;

use super::environment::{EnvironmentError, Proof};
use super::id_token::{self, Asked, IdTokenError};
use super::policy::PolicyError;
use super::refresh::{self, RefreshError};
use super::session::{self, Login};
use super::{Call, Services};
use crate::auth0::error::UpstreamError;
use crate::auth0::token::{Granted, Refusal, TokenAnswer, TokenCall};
use crate::base::id::ConnectionName;
use crate::base::secret::Secret;
use crate::jwt::claims::Claims;
use crate::oauth::grant::GrantType;
use crate::oauth::request::{GrantRequest, TokenRequest};
use crate::oauth::scope::Scopes;
use crate::session::{SessionId, StoreError};
use crate::telemetry::GrantLabel;
use crate::telemetry::metrics::LoginResult;

/// Why there are no tokens.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The client's file does not allow it.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The client demands that its callers authenticate, and this one did not.
    #[error("the caller did not authenticate")]
    CallerRejected,
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
            Self::IdToken(_) | Self::NoIdToken | Self::Upstream(_) | Self::Store(_) | Self::Aborted => {
                LoginResult::Error
            }
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
}

/// What a caller gets.
#[derive(Debug)]
pub enum Answer {
    /// The tokens themselves.
    Tokens(Tokens),
    /// A session was opened.
    Session(SessionId),
}

/// Tokens for a caller.
#[derive(Debug)]
pub struct Tokens {
    /// Auth0's answer.
    pub granted: Granted,
    /// What to say where Auth0 does not say what it granted.
    pub scope: String,
    /// When they came.
    pub at: Timestamp,
}

/// Runs the request to its end, also when the caller hangs up.
pub async fn run(
    services: &Arc<Services>,
    call: &Call,
    request: TokenRequest,
    caller: Caller,
) -> Result<Answer, TokenError> {
    let grant = request.grant.grant_type();
    let exchange = Exchange { services: Arc::clone(services), call: call.clone() };
    let task = services.tasks.spawn(async move { exchange.run(request, caller).await });
    let result = task.await.unwrap_or(Err(TokenError::Aborted));
    let outcome = match &result {
        Ok(_) => LoginResult::Ok,
        Err(error) => error.result(),
    };
    if grant != GrantType::RefreshToken {
        services.metrics.login(&call.tenant.name, GrantLabel::of(grant.name()), outcome);
    }
    result
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
    async fn run(self, request: TokenRequest, caller: Caller) -> Result<Answer, TokenError> {
        admission::admit(&self.call, request.grant.grant_type(), &caller)?;
        let wish = admission::wish(&self.call, &request)?;
        if let GrantRequest::RefreshToken { refresh_token } = request.grant {
            return self.refresh(refresh_token, request.scope.as_ref(), wish).await;
        }
        let granted = self.exchange(&request.grant, &wish).await?;
        let (claims, proof) = self.believe(&granted, wish.connection.as_ref(), request.grant.grant_type()).await?;
        self.answer(Believed { granted, claims, proof }, wish, &caller).await
    }

    /// Sends what the grant needs; the client's own authentication is added below.
    async fn exchange(&self, request: &GrantRequest, wish: &Wish) -> Result<Granted, TokenError> {
        let prepared = grant::prepare(&self.call, request, wish);
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
        granted: &Granted,
        sent: Option<&ConnectionName>,
        grant: GrantType,
    ) -> Result<(Option<Claims>, Proof), TokenError> {
        let claims = match &granted.id_token {
            Some(token) => Some(
                id_token::verify(&self.services, &self.call, token, Asked::default())
                    .await
                    .map_err(TokenError::IdToken)?,
            ),
            None => None,
        };
        let object = claims.as_ref().map(|claims| &claims.object);
        let proof = Proof::of(&self.call.tenant, &self.call.client, sent, object).map_err(TokenError::Environment)?;
        if grant != GrantType::ClientCredentials {
            // A machine's token belongs to no user and so to no environment.
            proof.admit(&self.call.tenant, &self.call.host).map_err(TokenError::Environment)?;
        }
        Ok((claims, proof))
    }

    async fn answer(&self, believed: Believed, wish: Wish, caller: &Caller) -> Result<Answer, TokenError> {
        let Believed { granted, claims, proof } = believed;
        if !wish.wants_session {
            return Ok(Answer::Tokens(Tokens { granted, scope: wish.scope.to_string(), at: self.services.now() }));
        }
        let claims = claims.ok_or(TokenError::NoIdToken)?;
        let login = Login { granted: &granted, claims, proof: &proof, scope: wish.scope.to_string() };
        let opened = session::open(&self.services, &self.call, login, caller.brought.as_ref()).await;
        opened.map(Answer::Session).map_err(TokenError::Store)
    }

    async fn refresh(&self, token: Secret, asked: Option<&Scopes>, wish: Wish) -> Result<Answer, TokenError> {
        let presented = refresh::Presented {
            token,
            // Auth0 takes a subset; without one it grants what the login was granted.
            scope: asked.map(|_| wish.scope.to_string()),
            audience: wish.audience,
            repeatable: refresh::Repeatable::WithinLeeway,
        };
        let redeemed = match refresh::redeem(&self.services, &self.call, presented).await {
            Ok(redeemed) => redeemed,
            Err(RefreshError::Refused(refusal)) => return Err(TokenError::Refused(refusal)),
            Err(error) => return Err(TokenError::Refresh(error)),
        };
        self.believe(&redeemed.granted, None, GrantType::RefreshToken).await?;
        Ok(Answer::Tokens(Tokens { granted: redeemed.granted, scope: wish.scope.to_string(), at: self.services.now() }))
    }
}
