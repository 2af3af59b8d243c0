//! What `/tenants` shows: every file, its state, and what is wrong. No secret, and no value of a file
//! but hosts, names and labels.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::apply::{FileState, State};
use super::model::Tenant;
use super::problem::Problem;
use super::reading::Outcome;
use crate::telemetry::metrics::TenantState;

/// Everything.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// Over what serves.
    pub config_hash: String,
    /// Whether removals are held back.
    pub directory_suspect: bool,
    /// Files that are gone and still serve.
    pub held: Vec<Arc<str>>,
    /// What is wrong with the defaults file.
    pub defaults: Vec<Problem>,
    /// Every file.
    pub files: Vec<FileStatus>,
}

/// One file.
#[derive(Debug, Clone, Serialize)]
pub struct FileStatus {
    /// Its name.
    pub file: Arc<str>,
    /// `active`, `last_good`, `broken` or `disabled`.
    pub state: &'static str,
    /// Since when this version serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serving_since: Option<String>,
    /// How long it has served, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serving_for_seconds: Option<i64>,
    /// Whether this process has never read that version as good: it was kept with the sessions.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub recalled: bool,
    /// The tenant that serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantStatus>,
    /// Errors, warnings and notes of the file as it is now.
    pub problems: Vec<Problem>,
}

/// A tenant that serves.
#[derive(Debug, Clone, Serialize)]
pub struct TenantStatus {
    /// Its name.
    pub name: String,
    /// `iss`.
    pub issuer: String,
    /// Its hosts.
    pub hosts: Vec<String>,
    /// Its client types.
    pub clients: Vec<String>,
    /// Connections and the hosts each is bound to.
    pub connections: BTreeMap<String, Vec<String>>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// The state of a file.
pub fn state_of(known: &FileState) -> TenantState {
    match (&known.serving, known.is_active()) {
        (None, _) => TenantState::Broken,
        (Some(_), false) => TenantState::LastGood,
        (Some(tenant), true) if !tenant.enabled => TenantState::Disabled,
        (Some(_), true) => TenantState::Active,
    }
}

impl Status {
    /// From what is known.
    pub fn of(state: &State, hash: String, defaults: Vec<Problem>, is_suspect: bool, now: Timestamp) -> Self {
        let files = state.files.iter().map(|(file, known)| FileStatus::of(file, known, now)).collect();
        Self { config_hash: hash, directory_suspect: is_suspect, held: state.held.clone(), defaults, files }
    }

    /// Whether every file is as it should be.
    pub fn is_well(&self) -> bool {
        !self.directory_suspect
            && self.defaults.is_empty()
            && self.files.iter().all(|file| matches!(file.state, "active" | "disabled"))
    }
}

impl FileStatus {
    fn of(file: &Arc<str>, known: &FileState, now: Timestamp) -> Self {
        let since = known.serving_since;
        Self {
            file: Arc::clone(file),
            state: state_of(known).name(),
            serving_since: since.map(|since| since.to_string()),
            serving_for_seconds: since.map(|since| now.as_second() - since.as_second()),
            recalled: known.recalled.is_some() && known.serving.is_some(),
            tenant: known.serving.as_deref().map(TenantStatus::of),
            problems: known.problems().cloned().collect(),
        }
    }

    /// Whether what the file says now is good.
    pub fn is_valid(known: &FileState) -> bool {
        matches!(known.reading.outcome, Outcome::Good { .. }) && known.conflicts.is_empty()
    }
}

impl TenantStatus {
    fn of(tenant: &Tenant) -> Self {
        let texts = |hosts: &[crate::base::id::HostPattern]| hosts.iter().map(ToString::to_string).collect::<Vec<_>>();
        Self {
            name: tenant.name.to_string(),
            issuer: tenant.auth0.issuer.to_string(),
            hosts: texts(&tenant.hosts),
            clients: tenant.clients.iter().map(|client| client.client_type.to_string()).collect(),
            connections: tenant.connections.iter().map(|it| (it.name.to_string(), texts(&it.hosts))).collect(),
            labels: tenant.labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
        }
    }
}
