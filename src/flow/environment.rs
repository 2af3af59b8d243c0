//! Environments: a login that belongs to one connection is refused on a host bound to another.
//!
//! Pure policy. It runs at a login and again on every later use of what the login gave: session,
//! bearer, refresh token.

use serde_json::{Map, Value};

use crate::base::id::{ConnectionName, Host};
use crate::tenant::model::{Client, Connection, Environments, Tenant};

/// Why a login does not count on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnvironmentError {
    /// It belongs to a connection that the host is not bound to.
    #[error("the login belongs to another environment")]
    OtherEnvironment,
    /// Nothing proves its connection, and the tenant is strict.
    #[error("nothing proves which environment the login belongs to")]
    Unproven,
    /// What was sent and what the claim says differ.
    #[error("the login's connection claim is not the connection that was used")]
    Contradiction,
}

/// Which connection a login belongs to, as far as that is proven (contract §1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// By the realm that was sent, by a claim, or because the application has no other.
    Proven(ConnectionName),
    /// By nothing.
    None,
}

impl Proof {
    /// `sent`: the realm, where the gateway sent one. `claims`: of the ID or access token.
    pub fn of(
        tenant: &Tenant,
        client: &Client,
        sent: Option<&ConnectionName>,
        claims: Option<&Map<String, Value>>,
    ) -> Result<Self, EnvironmentError> {
        let claimed = tenant.claims.connection.as_deref().and_then(|name| claims?.get(name)?.as_str());
        let Ok(claimed) = claimed.map(ConnectionName::parse).transpose() else {
            return Err(EnvironmentError::Contradiction);
        };
        match (sent, claimed) {
            (Some(sent), Some(claimed)) if *sent != claimed => Err(EnvironmentError::Contradiction),
            (Some(connection), _) => Ok(Self::Proven(connection.clone())),
            (None, Some(claimed)) => Ok(Self::Proven(claimed)),
            (None, None) => match client.connections.as_slice() {
                [only] => Ok(Self::Proven(only.clone())),
                _ => Ok(Self::None),
            },
        }
    }

    /// The connection, where it is proven.
    pub fn connection(&self) -> Option<&ConnectionName> {
        match self {
            Self::Proven(connection) => Some(connection),
            Self::None => None,
        }
    }

    /// Whether the login counts on the host.
    pub fn admit(&self, tenant: &Tenant, host: &Host) -> Result<(), EnvironmentError> {
        let is_bound = |connection: &Connection| connection.is_bound_to(host);
        if !tenant.connections.iter().any(is_bound) {
            // Nobody's host: any login counts, but for those that are bound elsewhere.
            let bound_elsewhere = self
                .connection()
                .and_then(|name| tenant.connection(name.as_str()))
                .is_some_and(|connection| !connection.serves(host));
            return if bound_elsewhere { Err(EnvironmentError::OtherEnvironment) } else { Ok(()) };
        }
        match self {
            Self::Proven(name) if tenant.connection(name.as_str()).is_some_and(is_bound) => Ok(()),
            Self::Proven(_) => Err(EnvironmentError::OtherEnvironment),
            Self::None => match tenant.environments {
                Environments::Strict => Err(EnvironmentError::Unproven),
                Environments::Advisory => Ok(()),
            },
        }
    }
}
