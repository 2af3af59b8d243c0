//! Which connection a login uses (contract §2, "Connection for a request").

use super::model::{Client, Connection, Tenant};
use crate::base::id::{ConnectionName, Host};

/// Why no connection can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectionError {
    /// Unknown, not the client's, or not the host's: these look the same.
    NotAllowed,
    /// Several could be meant.
    Ambiguous {
        /// The ones to choose from.
        allowed: Vec<ConnectionName>,
    },
}

/// The connection that was chosen, and by which rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chosen<'a> {
    /// The connection.
    pub connection: &'a Connection,
    /// Why this one.
    pub rule: Rule,
}

/// The rules, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The request names it.
    Requested,
    /// The one that is bound to the host.
    BoundToHost,
    /// The client's `default_connection`.
    Default,
    /// The only one.
    Only,
}

/// Chooses. `Ok(None)`: a client without connections sends none, and Auth0 uses its default directory.
pub fn choose<'a>(
    tenant: &'a Tenant,
    client: &Client,
    host: &Host,
    requested: Option<&str>,
) -> Result<Option<Chosen<'a>>, ConnectionError> {
    let is_bound = tenant.connections.iter().any(|connection| connection.is_bound_to(host));
    // On a bound host nothing but what is bound to it may be used; elsewhere, what is bound nowhere.
    let may_use = |connection: &&Connection| {
        let fits_host = if is_bound { connection.is_bound_to(host) } else { connection.hosts.is_empty() };
        fits_host && client.connections.contains(&connection.name)
    };
    let allowed: Vec<&Connection> = tenant.connections.iter().filter(may_use).collect();
    let chosen = |connection, rule| Ok(Some(Chosen { connection, rule }));
    if let Some(requested) = requested {
        let found = allowed.iter().find(|connection| connection.name.as_str() == requested);
        return found.map_or(Err(ConnectionError::NotAllowed), |connection| chosen(*connection, Rule::Requested));
    }
    if client.connections.is_empty() {
        return Ok(None);
    }
    let default = client.default_connection.as_ref();
    match allowed.as_slice() {
        [] => Err(ConnectionError::NotAllowed),
        [only] => chosen(*only, if is_bound { Rule::BoundToHost } else { Rule::Only }),
        several => match several.iter().find(|connection| Some(&connection.name) == default) {
            Some(connection) => chosen(*connection, Rule::Default),
            None => Err(ConnectionError::Ambiguous {
                allowed: several.iter().map(|connection| connection.name.clone()).collect(),
            }),
        },
    }
}
