//! Why this tenant and this connection: the decision with everyone who could have won.

use std::fmt;

use serde::Serialize;

use super::connection::{self, ConnectionError, Rule};
use super::lookup::{NamedBy, Query, Unresolved};
use super::registry::Registry;
use crate::base::id::Host;

/// A decision.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    /// The host as compared.
    pub host: String,
    /// The client type asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_type: Option<String>,
    /// Who serves, or why nobody.
    pub verdict: String,
    /// Whether a client was found, and a connection where one is needed.
    pub found: bool,
    /// The tenant that serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Its client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The connection a login by password would use, and by which rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
    /// Every tenant with a pattern that covers the host, and what came of it.
    pub candidates: Vec<Candidate>,
    /// What to look at.
    pub hints: Vec<String>,
}

/// A tenant with a pattern that covers the host.
#[derive(Debug, Clone, Serialize)]
pub struct Candidate {
    /// The tenant.
    pub tenant: String,
    /// Its most particular pattern that covers the host.
    pub pattern: String,
    /// Its client types.
    pub clients: Vec<String>,
    /// `serves`, or why not.
    pub outcome: String,
}

/// Explains a request that says this of itself.
pub fn explain(registry: &Registry, host: &Host, client_type: Option<&str>, requested: Option<&str>) -> Explanation {
    let resolved = registry.resolve(&Query { host, client_type, client_id: None });
    let winner = resolved.as_ref().ok().map(|resolved| resolved.tenant.name.clone());
    let mut explanation = Explanation {
        host: host.name().to_owned(),
        client_type: client_type.map(str::to_owned),
        verdict: String::new(),
        found: resolved.is_ok(),
        tenant: None,
        client: None,
        connection: None,
        candidates: candidates(registry, host, client_type, winner.as_ref().map(crate::base::id::TenantName::as_str)),
        hints: Vec::new(),
    };
    match resolved {
        Ok(resolved) => {
            let by = match resolved.by {
                NamedBy::Header => "named by client-type",
                NamedBy::ClientId => "named by client_id",
                NamedBy::Default => "the tenant's default_client, since no client-type was given",
            };
            explanation.verdict = format!(
                "served by tenant {}, client {} ({by}; {} pattern)",
                resolved.tenant.name,
                resolved.client.client_type,
                resolved.reason.name()
            );
            explanation.tenant = Some(resolved.tenant.name.to_string());
            explanation.client = Some(resolved.client.client_type.to_string());
            let chosen = connection::choose(&resolved.tenant, &resolved.client, host, requested);
            explanation.found = chosen.is_ok();
            explanation.connection = Some(describe(chosen));
        }
        Err(unresolved) => explanation.unresolved(&unresolved),
    }
    explanation
}

impl Explanation {
    fn unresolved(&mut self, unresolved: &Unresolved) {
        self.verdict = match unresolved {
            Unresolved::NoMatch => "nobody: no tenant claims this client type on this host (401)".to_owned(),
            Unresolved::Disagreement => "nobody: client-type and client_id name different clients (401)".to_owned(),
            Unresolved::Disabled { tenant } => {
                format!("nobody: tenant {tenant} is switched off by `enabled: false` (503)")
            }
            Unresolved::Broken { file } => format!("nobody: {file} claims it and was never good (503)"),
            Unresolved::Disputed { files } => format!("nobody: {} all claim it (503)", files.join(", ")),
        };
        if *unresolved == Unresolved::NoMatch {
            self.hints.push(if self.candidates.is_empty() {
                "no tenant lists the host; behind a proxy the gateway believes X-Forwarded-Host only of --trusted-proxy"
                    .to_owned()
            } else if self.client_type.is_none() {
                "the request names no client and no candidate has a default_client".to_owned()
            } else {
                "the host is listed, and none of the candidates has a client of that type".to_owned()
            });
        }
    }
}

fn describe(chosen: Result<Option<connection::Chosen<'_>>, ConnectionError>) -> String {
    match chosen {
        Ok(None) => "none is sent: Auth0's default directory decides".to_owned(),
        Ok(Some(chosen)) => {
            let rule = match chosen.rule {
                Rule::Requested => "the request names it",
                Rule::BoundToHost => "it is bound to the host",
                Rule::Default => "the client's default_connection",
                Rule::Only => "the only one",
            };
            format!("{} ({rule})", chosen.connection.name)
        }
        Err(ConnectionError::NotAllowed) => {
            "none: the connection is not allowed for this client on this host (403)".to_owned()
        }
        Err(ConnectionError::Ambiguous { allowed }) => {
            let names: Vec<&str> = allowed.iter().map(crate::base::id::ConnectionName::as_str).collect();
            format!("none: several could be meant, {} (400)", names.join(", "))
        }
    }
}

fn candidates(registry: &Registry, host: &Host, client_type: Option<&str>, winner: Option<&str>) -> Vec<Candidate> {
    let mut candidates: Vec<(usize, Candidate)> = Vec::new();
    for tenant in registry.tenants() {
        let covering = tenant.hosts.iter().filter(|pattern| pattern.covers(host));
        let Some(pattern) = covering.max_by_key(|pattern| weight(pattern)) else { continue };
        let clients: Vec<String> = tenant.clients.iter().map(|client| client.client_type.to_string()).collect();
        let has_client = client_type.map_or(tenant.default_client.is_some(), |name| tenant.client(name).is_some());
        let outcome = match (winner, has_client) {
            (Some(winner), _) if winner == tenant.name.as_str() => "serves",
            (_, false) if client_type.is_none() => "lost: it has no default_client",
            (_, false) => "lost: it has no client of that type",
            (Some(_), true) => "lost: a more particular pattern wins",
            (None, true) => "blocked",
        };
        candidates.push((
            weight(pattern),
            Candidate {
                tenant: tenant.name.to_string(),
                pattern: pattern.to_string(),
                clients,
                outcome: outcome.to_owned(),
            },
        ));
    }
    candidates.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    candidates.into_iter().map(|(_, candidate)| candidate).collect()
}

/// The host itself beats the longest suffix, which beats `*`.
fn weight(pattern: &crate::base::id::HostPattern) -> usize {
    match pattern {
        crate::base::id::HostPattern::Exact(_) => usize::MAX,
        crate::base::id::HostPattern::Suffix(suffix) => suffix.len(),
        crate::base::id::HostPattern::Any => 0,
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "host         {}", self.host)?;
        writeln!(f, "client type  {}", self.client_type.as_deref().unwrap_or("(none given)"))?;
        writeln!(f, "verdict      {}", self.verdict)?;
        if let Some(connection) = &self.connection {
            writeln!(f, "connection   {connection}")?;
        }
        for candidate in &self.candidates {
            let Candidate { tenant, pattern, clients, outcome } = candidate;
            writeln!(f, "candidate    {tenant} by \"{pattern}\" with {}: {outcome}", clients.join(", "))?;
        }
        self.hints.iter().try_for_each(|hint| writeln!(f, "hint         {hint}"))
    }
}
