//! Who the user is: from the session, or from a bearer.
//!
//! A bearer's facts (signature, claims) are cached; whether they count is asked again on every hit.
//! Where a token may be used at Auth0's `/userinfo`, its profile comes from there and is cached,
//! since Auth0 allows a user five calls a minute (auth0-facts 1.9).

mod bearer;
mod profile;

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value};

pub use bearer::{Bearers, end_bearer};
pub use profile::Profiles;

use super::environment::EnvironmentError;
use super::session::{self, SessionError};
use super::{Call, Services, claims};
use crate::auth0::error::UpstreamError;
use crate::base::clock::Clock;
use crate::cache::keyset::KeysError;
use crate::jwt::policy::Rejection;
use crate::jwt::verify::JwtError;
use crate::session::SessionId;

/// What `/userinfo` remembers between requests.
#[derive(Debug)]
pub struct Caches {
    /// Verified bearers, and those that were refused or logged out.
    pub bearers: Bearers,
    /// What Auth0's `/userinfo` said.
    pub profiles: Profiles,
}

impl Caches {
    /// Empty.
    pub fn new(clock: &Arc<dyn Clock>) -> Self {
        Self { bearers: Bearers::new(Arc::clone(clock)), profiles: Profiles::new(Arc::clone(clock)) }
    }
}

/// What a caller brings to show who they are.
#[derive(Debug)]
pub enum Credential<'a> {
    /// A session cookie.
    Session(&'a SessionId),
    /// An access token.
    Bearer(&'a str),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum UserinfoError {
    /// The session does not count.
    #[error("the session does not count")]
    Session(#[source] SessionError),
    /// The token was refused or logged out a moment ago.
    #[error("the token is known to be refused")]
    KnownBad,
    /// No signature of this tenant's.
    #[error("the token does not verify")]
    Signature(#[source] JwtError),
    /// Issuer, audience, client, times or kind are not this client's.
    #[error("the token is not for this client")]
    Policy(#[source] Rejection),
    /// It belongs to another environment.
    #[error("the token belongs to another environment")]
    Environment(#[source] EnvironmentError),
    /// The client has an audience, so that its tokens are JWTs, and this is none.
    #[error("the token is opaque, and this client's are not")]
    Opaque,
    /// Auth0 does not take the token.
    #[error("Auth0 refused the token")]
    RefusedByAuth0,
    /// Auth0 asks to come back later.
    #[error("Auth0's rate limit is reached")]
    RateLimited {
        /// Seconds.
        retry_after: Option<u64>,
    },
    /// The tenant's keys cannot be had.
    #[error("the tenant's keys cannot be had")]
    Keys(#[source] KeysError),
    /// Auth0 gave no answer.
    #[error("Auth0 gave no answer")]
    Upstream(#[source] Arc<UpstreamError>),
}

/// The JSON object to answer with.
pub async fn run(services: &Arc<Services>, call: &Call, credential: Credential<'_>) -> Result<Bytes, UserinfoError> {
    match credential {
        Credential::Session(_) => Ok(to_json(&shown(services, call, credential).await?)),
        Credential::Bearer(token) => bearer::userinfo(services, call, token).await,
    }
}

/// The same as an object.
pub(super) async fn shown(
    services: &Arc<Services>,
    call: &Call,
    credential: Credential<'_>,
) -> Result<Map<String, Value>, UserinfoError> {
    match credential {
        Credential::Session(id) => {
            let stored = session::load_or_recent(services, call, id).await.map_err(UserinfoError::Session)?;
            Ok(claims::present(&stored.session.claims, &call.tenant.claims))
        }
        // What was made a body of a moment ago, or is one in the cache, is an object.
        Credential::Bearer(token) => {
            let body = bearer::userinfo(services, call, token).await?;
            Ok(serde_json::from_slice(&body).unwrap_or_default())
        }
    }
}

fn to_json(shown: &Map<String, Value>) -> Bytes {
    // A map of JSON values with text keys always serialises.
    serde_json::to_vec(shown).unwrap_or_default().into()
}
