//! Which client a request is for: by (client type, host), in the order of the contract.
//!
//! Among the patterns that match the host *and* claim the pair, the host itself beats the longest
//! `*.` suffix, which beats `*`. What is broken, disabled or disputed answers for its pairs and does
//! not fall through to a wider pattern.

use std::sync::Arc;

use super::model::{Client, Tenant};
use super::registry::{Blocked, Registry};
use crate::base::id::{ClientType, Host, TenantName};
use crate::telemetry::metrics::ResolutionReason;

/// What a request says of whose it is.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// The host the user asked for.
    pub host: &'a Host,
    /// The header `client-type`.
    pub client_type: Option<&'a str>,
    /// The client's id in query, body or Basic.
    pub client_id: Option<&'a str>,
}

/// Whose a request is.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The tenant.
    pub tenant: Arc<Tenant>,
    /// Its client.
    pub client: Arc<Client>,
    /// By which kind of pattern.
    pub reason: ResolutionReason,
    /// By what the client was named.
    pub by: NamedBy,
}

/// By what a client was named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedBy {
    /// The header `client-type`.
    Header,
    /// `client_id`.
    ClientId,
    /// Nothing: the tenant's `default_client`.
    Default,
}

/// Why a request is nobody's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unresolved {
    /// Nothing claims the pair.
    NoMatch,
    /// `client-type` and `client_id` name different clients.
    Disagreement,
    /// The tenant is switched off.
    Disabled {
        /// Which.
        tenant: TenantName,
    },
    /// The file that claims the pair was never good.
    Broken {
        /// Which.
        file: Arc<str>,
    },
    /// Two files claim the pair.
    Disputed {
        /// Which.
        files: Vec<Arc<str>>,
    },
}

impl Unresolved {
    /// As a metric label.
    pub fn reason(&self) -> ResolutionReason {
        match self {
            Self::NoMatch => ResolutionReason::NoMatch,
            Self::Disagreement => ResolutionReason::Disagreement,
            Self::Disabled { .. } => ResolutionReason::Disabled,
            Self::Broken { .. } => ResolutionReason::Broken,
            Self::Disputed { .. } => ResolutionReason::Disputed,
        }
    }
}

impl From<&Blocked> for Unresolved {
    fn from(blocked: &Blocked) -> Self {
        match blocked {
            Blocked::Broken { file } => Self::Broken { file: Arc::clone(file) },
            Blocked::Disabled { tenant } => Self::Disabled { tenant: tenant.clone() },
            Blocked::Disputed { files } => Self::Disputed { files: files.clone() },
        }
    }
}

/// What one pattern claims. A handful of client types: a scan beats a map.
#[derive(Debug, Default)]
pub(super) struct Slot {
    entries: Vec<(ClientType, Entry)>,
    /// The pair of a request that names no client.
    default: Option<Entry>,
    /// A broken file whose client types cannot be told claims what nobody else does.
    catch_all: Option<Blocked>,
}

#[derive(Debug)]
enum Entry {
    Serves(Arc<Tenant>, Arc<Client>),
    Blocked(Blocked),
}

impl Entry {
    fn of(tenant: &Arc<Tenant>, client: &Arc<Client>) -> Self {
        if tenant.enabled {
            Self::Serves(Arc::clone(tenant), Arc::clone(client))
        } else {
            Self::Blocked(Blocked::Disabled { tenant: tenant.name.clone() })
        }
    }
}

impl Slot {
    /// A pair that was blocked before (disputed) stays so.
    pub(super) fn serve(&mut self, tenant: &Arc<Tenant>, client: &Arc<Client>) {
        if !self.entries.iter().any(|(have, _)| *have == client.client_type) {
            self.entries.push((client.client_type.clone(), Entry::of(tenant, client)));
        }
    }

    pub(super) fn serve_default(&mut self, tenant: &Arc<Tenant>, default: &ClientType) {
        if let (None, Some(client)) = (&self.default, tenant.client(default.as_str())) {
            self.default = Some(Entry::of(tenant, client));
        }
    }

    pub(super) fn block(&mut self, client_type: Option<ClientType>, blocked: Blocked) {
        match client_type {
            Some(client_type) => self.entries.push((client_type, Entry::Blocked(blocked))),
            None => self.default = Some(Entry::Blocked(blocked)),
        }
    }

    /// A broken file takes what nobody serves here.
    pub(super) fn break_in(&mut self, file: &Arc<str>, client_types: Option<&[ClientType]>) {
        let blocked = || Blocked::Broken { file: Arc::clone(file) };
        let Some(client_types) = client_types else {
            self.catch_all.get_or_insert_with(blocked);
            return;
        };
        for client_type in client_types {
            if !self.entries.iter().any(|(have, _)| have == client_type) {
                self.entries.push((client_type.clone(), Entry::Blocked(blocked())));
            }
        }
        // Which of them is its default cannot be told for sure; a request that names none may be its.
        self.default.get_or_insert_with(|| Entry::Blocked(blocked()));
    }

    fn find(&self, named: Named<'_>) -> Option<Found<'_>> {
        let entry = match named {
            Named::Type(client_type) => {
                self.entries.iter().find(|(have, _)| have.as_str() == client_type).map(|(_, entry)| entry)
            }
            Named::Id(id) => self
                .entries
                .iter()
                .map(|(_, entry)| entry)
                .find(|entry| matches!(entry, Entry::Serves(_, client) if *client.client_id == *id)),
            Named::Nothing => self.default.as_ref(),
        };
        match entry {
            Some(Entry::Serves(tenant, client)) => Some(Ok((tenant, client))),
            Some(Entry::Blocked(blocked)) => Some(Err(blocked)),
            None => self.catch_all.as_ref().map(Err),
        }
    }
}

/// What a slot has for a request.
type Found<'a> = Result<(&'a Arc<Tenant>, &'a Arc<Client>), &'a Blocked>;

/// What names the client.
#[derive(Clone, Copy)]
enum Named<'a> {
    Type(&'a str),
    Id(&'a str),
    Nothing,
}

impl Registry {
    /// Finds the client of a request. Allocates nothing on success.
    pub fn resolve(&self, query: &Query<'_>) -> Result<Resolved, Unresolved> {
        let (named, by) = match (query.client_type, query.client_id) {
            (Some(client_type), _) => (Named::Type(client_type), NamedBy::Header),
            (None, Some(client_id)) => (Named::Id(client_id), NamedBy::ClientId),
            (None, None) => (Named::Nothing, NamedBy::Default),
        };
        let (found, reason) = self
            .slots(query.host)
            .find_map(|(slot, reason)| Some((slot.find(named)?, reason)))
            .ok_or(Unresolved::NoMatch)?;
        let (tenant, client) = found.map_err(Unresolved::from)?;
        if query.client_id.is_some_and(|id| *client.client_id != *id) {
            return Err(Unresolved::Disagreement);
        }
        Ok(Resolved { tenant: Arc::clone(tenant), client: Arc::clone(client), reason, by })
    }

    /// Every client that some request to the host gets, with its tenant; the most particular pattern first.
    pub fn clients_on<'a>(&'a self, host: &'a Host) -> impl Iterator<Item = (&'a Arc<Tenant>, &'a Arc<Client>)> {
        let entries = self.slots(host).flat_map(|(slot, _)| &slot.entries);
        let mut seen: Vec<&ClientType> = Vec::new();
        entries.filter_map(move |(client_type, entry)| {
            // A wider pattern's client of the same type gets nothing here, also where this one is blocked.
            let is_first = !seen.contains(&client_type);
            seen.push(client_type);
            match entry {
                Entry::Serves(tenant, client) if is_first => Some((tenant, client)),
                Entry::Serves(..) | Entry::Blocked(_) => None,
            }
        })
    }

    /// The slots of the patterns that match, the most particular first.
    fn slots<'a>(&'a self, host: &'a Host) -> impl Iterator<Item = (&'a Slot, ResolutionReason)> {
        let exact = self.exact.get(host.name()).map(|slot| (slot, ResolutionReason::Exact));
        let suffixes = host
            .name()
            .match_indices('.')
            .filter_map(|(dot, _)| host.name().get(dot + 1..))
            .filter_map(|suffix| self.suffix.get(suffix))
            .map(|slot| (slot, ResolutionReason::Suffix));
        exact.into_iter().chain(suffixes).chain(std::iter::once((&self.any, ResolutionReason::Any)))
    }
}

#[cfg(test)]
mod tests;
