//! The registry: an immutable snapshot of who serves which (client type, host).
//!
//! Built by `apply` from tenants that are known not to conflict. A request takes one and uses that
//! one to the end.

use std::sync::Arc;

use ahash::AHashMap;

use super::lookup::Slot;
use super::model::{Client, Tenant};
use super::reading::Claims;
use crate::base::digest::Digest;
use crate::base::id::{ClientType, HostPattern, Issuer, TenantName};

/// What answers a pair that cannot be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blocked {
    /// The file that claims it was never good.
    Broken {
        /// Which.
        file: Arc<str>,
    },
    /// `enabled: false`.
    Disabled {
        /// Whose it is.
        tenant: TenantName,
    },
    /// Two files claim it and neither holds it.
    Disputed {
        /// Which, sorted.
        files: Vec<Arc<str>>,
    },
}

/// A snapshot of everything that serves. Keyed maps: hosts are strangers' input.
#[derive(Debug, Default)]
pub struct Registry {
    pub(super) exact: AHashMap<Arc<str>, Slot>,
    pub(super) suffix: AHashMap<Arc<str>, Slot>,
    pub(super) any: Slot,
    tenants: Vec<Arc<Tenant>>,
    /// For logout tokens, which name no host: strangers send them, so that nobody walks over all tenants for one.
    issuers: AHashMap<Issuer, Vec<Arc<Tenant>>>,
    hash: Digest,
}

/// What one client alone may answer: a client type on a host; `None` is the request that names no client.
pub type Pair = (Option<ClientType>, HostPattern);

/// What a registry is built from.
#[derive(Debug, Default)]
pub struct Parts {
    /// Tenants that serve, each with the pairs that are disputed taken out below.
    pub tenants: Vec<Arc<Tenant>>,
    /// Files that were never good, with what they would claim.
    pub broken: Vec<(Arc<str>, Claims)>,
    /// Pairs that two files claim.
    pub disputed: Vec<(Pair, Vec<Arc<str>>)>,
}

impl Registry {
    /// Builds the snapshot.
    pub fn build(parts: Parts) -> Self {
        let Parts { mut tenants, broken, disputed } = parts;
        tenants.sort_by(|a, b| a.name.cmp(&b.name));
        let mut registry = Self { hash: hash_of(&tenants), ..Self::default() };
        for (pair, files) in disputed {
            registry.slot(&pair.1).block(pair.0, Blocked::Disputed { files });
        }
        for tenant in &tenants {
            for pattern in &tenant.hosts {
                let slot = registry.slot(pattern);
                for client in &tenant.clients {
                    slot.serve(tenant, client);
                }
                if let Some(default) = &tenant.default_client {
                    slot.serve_default(tenant, default);
                }
            }
        }
        for (file, claims) in broken {
            for pattern in &claims.hosts {
                registry.slot(pattern).break_in(&file, claims.client_types.as_deref());
            }
        }
        for tenant in &tenants {
            registry.issuers.entry(tenant.auth0.issuer.clone()).or_default().push(Arc::clone(tenant));
        }
        registry.tenants = tenants;
        registry
    }

    /// Everything that serves, by name.
    pub fn tenants(&self) -> &[Arc<Tenant>] {
        &self.tenants
    }

    /// A tenant by name.
    pub fn tenant(&self, name: &str) -> Option<&Arc<Tenant>> {
        let place = self.tenants.binary_search_by(|tenant| tenant.name.as_str().cmp(name)).ok()?;
        self.tenants.get(place)
    }

    /// The client of that id at that issuer, with its tenant; of several tenants the first by name. Also one that is
    /// switched off: its sessions are kept, and end like all others.
    pub fn client_of_issuer(&self, issuer: &str, client_ids: &[Box<str>]) -> Option<(&Arc<Tenant>, &Arc<Client>)> {
        let tenants = self.issuers.get(issuer)?.iter();
        let mut clients = tenants.flat_map(|tenant| tenant.clients.iter().map(move |client| (tenant, client)));
        clients.find(|(_, client)| client_ids.contains(&client.client_id))
    }

    /// Whether a tenant has that issuer.
    pub fn knows_issuer(&self, issuer: &str) -> bool {
        self.issuers.contains_key(issuer)
    }

    /// Over every tenant that serves: replicas that serve the same have the same.
    pub fn hash(&self) -> Digest {
        self.hash
    }

    fn slot(&mut self, pattern: &HostPattern) -> &mut Slot {
        match pattern {
            HostPattern::Exact(name) => self.exact.entry(Arc::clone(name)).or_default(),
            HostPattern::Suffix(name) => self.suffix.entry(Arc::clone(name)).or_default(),
            HostPattern::Any => &mut self.any,
        }
    }
}

/// Which pairs a tenant claims: each client on each host, and the client of no name.
pub(super) fn pairs(tenant: &Tenant) -> impl Iterator<Item = Pair> + '_ {
    let types = tenant.clients.iter().map(|client| Some(client.client_type.clone()));
    let types: Vec<Option<ClientType>> = types.chain(tenant.default_client.is_some().then_some(None)).collect();
    tenant
        .hosts
        .iter()
        .flat_map(move |host| types.clone().into_iter().map(move |client_type| (client_type, host.clone())))
}

/// Whether two clients would send one browser two cookies of one name.
pub(super) fn share_a_cookie(one: &Client, other: &Client) -> bool {
    one.is_cookie_client() && other.is_cookie_client() && one.session.cookie == other.session.cookie
}

fn hash_of(tenants: &[Arc<Tenant>]) -> Digest {
    let parts: Vec<&[u8]> = tenants
        .iter()
        .flat_map(|tenant| [tenant.name.as_str().as_bytes(), tenant.digest.as_bytes().as_slice()])
        .collect();
    Digest::of_parts(parts)
}
