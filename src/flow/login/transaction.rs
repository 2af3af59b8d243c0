//! One login under way: what was asked, and what only the browser that asked may finish.
//!
//! Sealed into a cookie of its own per `state`, so that two tabs do not overwrite one another (trap 10). Opened
//! on its host alone, used once over all replicas.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::{Call, Services, session};
use crate::base::digest::Digest;
use crate::base::id::Host;
use crate::base::secret::Secret;
use crate::oauth::pkce;
use crate::session::StoreError;

/// How long a visitor may take at Auth0's page (contract §4).
pub const LIFETIME: Duration = Duration::from_secs(600);

/// Browsers take 4,096 bytes with name and attributes.
const LONGEST: usize = 3_800;

/// What the login goes back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// The gateway's own callback: flow (a).
    Gateway,
    /// A page of the application: flow (b).
    Page,
}

/// A login under way. Whose it is stands in it: the headers of the callback only must agree.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Transaction {
    /// 128 random bits: what makes it this login.
    id: Box<str>,
    /// What it goes back to.
    pub kind: Kind,
    tenant: Box<str>,
    issuer: Box<str>,
    client_type: Box<str>,
    client_id: Box<str>,
    /// As it was sent to Auth0; sent again with the code.
    pub redirect_uri: String,
    /// The caller's own `state`, for the final redirect of flow (a).
    pub caller_state: Option<String>,
    /// Where the visitor goes afterwards: admitted when the login began.
    pub redirect: Option<String>,
    /// In the ID token.
    pub nonce: Box<str>,
    verifier: Box<str>,
    /// The scope that was asked for.
    pub scope: String,
    /// Whether the login opens a session.
    pub wants_session: bool,
    max_age_seconds: Option<u64>,
    /// `acr` must be one of them.
    pub acr_values: Option<Vec<Box<str>>>,
    ends: Timestamp,
}

impl fmt::Debug for Transaction {
    /// Its nonce and verifier are for Auth0 alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("kind", &self.kind).field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

/// What a new transaction is made of; the rest is random or the call's.
#[derive(Debug)]
pub struct Asked {
    /// What it goes back to.
    pub kind: Kind,
    /// As sent to Auth0.
    pub redirect_uri: String,
    /// The caller's own `state` in flow (a).
    pub caller_state: Option<String>,
    /// Where the visitor goes afterwards.
    pub redirect: Option<String>,
    /// The scope sent to Auth0.
    pub scope: String,
    /// Whether the login opens a session.
    pub wants_session: bool,
    /// `max_age`.
    pub max_age: Option<Duration>,
    /// `acr_values`.
    pub acr_values: Option<Vec<Box<str>>>,
}

/// A transaction for a cookie.
pub struct SealedTransaction {
    /// The cookie's name, without a prefix.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl fmt::Debug for SealedTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedTransaction({}, [redacted])", self.name)
    }
}

/// Why a transaction finishes no login.
#[derive(Debug, thiserror::Error)]
pub enum TransactionError {
    /// There is none, it was changed, or it is over.
    #[error("the login was not begun in this browser, or is over")]
    Missing,
    /// It was used before.
    #[error("the login was finished before")]
    Used,
    /// This replica knows its tenant otherwise, or not at all. It stays.
    #[error("the login was begun for a client that is configured otherwise here")]
    OtherTenant,
    /// The store cannot say whether it was used. It stays.
    #[error("the session store did not answer")]
    Store(#[source] StoreError),
}

/// A cookie that no browser would keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("state and redirect are too long together")]
pub struct TooLong;

/// The name of the cookie of a `state`.
pub fn cookie_name(state: &str) -> String {
    let digest = Digest::of_parts([b"transaction cookie".as_slice(), state.as_bytes()]);
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(&digest.as_bytes()[..12]))
}

/// How the names of all transaction cookies begin.
pub const PREFIX: &str = "txn-";

impl Transaction {
    /// Begins a login.
    pub fn begin(services: &Services, call: &Call, asked: Asked) -> Self {
        let text = || random_text(services);
        Self {
            id: text(),
            kind: asked.kind,
            tenant: call.tenant.name.as_str().into(),
            issuer: call.tenant.auth0.issuer.as_str().into(),
            client_type: call.client.client_type.as_str().into(),
            client_id: call.client.client_id.clone(),
            redirect_uri: asked.redirect_uri,
            caller_state: asked.caller_state,
            redirect: asked.redirect,
            nonce: text(),
            verifier: pkce::verifier(&*services.random).expose().into(),
            scope: asked.scope,
            wants_session: asked.wants_session,
            max_age_seconds: asked.max_age.map(|max_age| max_age.as_secs()),
            acr_values: asked.acr_values,
            ends: session::after(services.now(), LIFETIME),
        }
    }

    /// Seals it for the browser on that host.
    pub fn seal(&self, services: &Services, host: &Host, state: &str) -> Result<SealedTransaction, TooLong> {
        let name = cookie_name(state);
        let plain = serde_json::to_vec(self).map_err(|_| TooLong)?;
        let value = services.ring.seal(&*services.random, &associated(&name, host), &plain).map_err(|_| TooLong)?;
        if value.len() > LONGEST { Err(TooLong) } else { Ok(SealedTransaction { name, value }) }
    }

    /// Opens the cookie of that name on that host.
    pub fn open(services: &Services, host: &Host, name: &str, value: &str) -> Result<Self, TransactionError> {
        let plain = services.ring.open(&associated(name, host), value).map_err(|_| TransactionError::Missing)?;
        let transaction: Self = serde_json::from_slice(&plain).map_err(|_| TransactionError::Missing)?;
        if services.now() >= transaction.ends { Err(TransactionError::Missing) } else { Ok(transaction) }
    }

    /// The client type that began it.
    pub fn client_type(&self) -> &str {
        &self.client_type
    }

    /// The S256 challenge of its verifier.
    pub fn challenge(&self) -> String {
        pkce::challenge(&self.verifier())
    }

    /// Goes to Auth0 with the code.
    pub fn verifier(&self) -> Secret {
        Secret::new(&*self.verifier)
    }

    /// How old the login may be.
    pub fn max_age(&self) -> Option<Duration> {
        self.max_age_seconds.map(Duration::from_secs)
    }

    /// When it is over: of several, the oldest gives way.
    pub fn ends(&self) -> Timestamp {
        self.ends
    }

    /// Whether this replica knows the client as it was when the login began.
    pub fn check(&self, call: &Call) -> Result<(), TransactionError> {
        let is_known = *self.tenant == *call.tenant.name.as_str()
            && *self.issuer == *call.tenant.auth0.issuer.as_str()
            && *self.client_type == *call.client.client_type.as_str()
            && self.client_id == call.client.client_id;
        if is_known { Ok(()) } else { Err(TransactionError::OtherTenant) }
    }

    /// Uses it up, over all replicas.
    pub async fn spend(&self, services: &Services) -> Result<(), TransactionError> {
        let key = Digest::of_parts([b"transaction".as_slice(), self.id.as_bytes()]);
        match services.sessions.first_time(key, self.ends).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(TransactionError::Used),
            Err(error) => Err(TransactionError::Store(error)),
        }
    }
}

/// A sealed transaction opens under its name and on its host alone.
fn associated<'a>(name: &'a str, host: &'a Host) -> [&'a [u8]; 3] {
    [b"transaction", name.as_bytes(), host.name().as_bytes()]
}

/// 256 random bits: an id, a `state`, a `nonce`.
pub(super) fn random_text(services: &Services) -> Box<str> {
    let mut bytes = [0u8; 32];
    services.random.fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes).into()
}
