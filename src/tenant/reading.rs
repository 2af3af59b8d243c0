//! What reading one file gave: a tenant, or all that is wrong with it and what can still be told.

use std::sync::Arc;

use super::model::Tenant;
use super::problem::Problem;
use crate::base::digest::Digest;
use crate::base::id::{ClientType, HostPattern, TenantName};

/// One file as read at one moment.
#[derive(Debug, Clone)]
pub struct Reading {
    /// Its name in its directory: `acme.yaml`. Unique within a registry.
    pub file: Arc<str>,
    /// Over the text and the defaults under it. With `uses` it says whether there is anything to do.
    pub digest: Digest,
    /// What it took from elsewhere: a change there is a change of this file.
    pub uses: Vec<SecretUse>,
    /// What came of it.
    pub outcome: Outcome,
}

/// A text that a file takes from an environment variable or from a file below `--secrets-dir`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretUse {
    /// Where it is.
    pub place: SecretPlace,
    /// Over what was there; `None`: nothing was.
    pub digest: Option<Digest>,
}

/// Where a text is taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretPlace {
    /// An environment variable.
    Env(Box<str>),
    /// A file below `--secrets-dir`.
    File(Box<str>),
}

/// What came of a file.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// It can serve.
    Good {
        /// The tenant.
        tenant: Arc<Tenant>,
        /// Warnings and notes, in the order of the file.
        findings: Vec<Problem>,
    },
    /// It cannot.
    Bad {
        /// All of them, in the order of the file; at least one is an error.
        problems: Vec<Problem>,
        /// What a lenient reading of its text says that it claims. `None`: not even its hosts.
        claims: Option<Claims>,
    },
}

/// What a broken file would claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The stem, where it is a name.
    pub name: Option<TenantName>,
    /// At least one.
    pub hosts: Vec<HostPattern>,
    /// `None` where they cannot be told: then every client type on those hosts.
    pub client_types: Option<Vec<ClientType>>,
}
