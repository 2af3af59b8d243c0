//! From what was read to what serves: pure, per file all or nothing.
//!
//! Every file has at most two versions that could serve: the one just read, and the last good one.
//! All files start with the newest they have; where two claim one thing, whoever serves it keeps it,
//! and the other falls back to its last good version, or to nothing. Each round takes at least one
//! file a step back and no file has more than two steps, so that the rounds end.

mod conflicts;
mod recall;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::last_good::LastGood;
use super::model::Tenant;
use super::problem::Problem;
use super::reading::{Claims, Outcome, Reading};
use super::registry::{Parts, Registry};
pub use recall::{Recalled, Records};

/// What is known of one file.
#[derive(Debug, Clone)]
pub struct FileState {
    /// As last read.
    pub reading: Reading,
    /// What serves: the version just read, or the last good one.
    pub serving: Option<Arc<Tenant>>,
    /// Since when that serves.
    pub serving_since: Option<Timestamp>,
    /// Rules across files that the version just read breaks; it does not serve.
    pub conflicts: Vec<Problem>,
    /// Pairs that are disputed: the rest of the file serves.
    pub disputes: Vec<Problem>,
    /// What was known of it before this process began, until what it says serves.
    pub recalled: Option<Arc<LastGood>>,
}

impl FileState {
    /// Whether what the file says is what serves.
    pub fn is_active(&self) -> bool {
        match (&self.reading.outcome, &self.serving) {
            (Outcome::Good { tenant, .. }, Some(serving)) => tenant.digest == serving.digest,
            _ => false,
        }
    }

    /// Everything there is to say about the file, errors and advice.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        let own = match &self.reading.outcome {
            Outcome::Good { findings, .. } => findings,
            Outcome::Bad { problems, .. } => problems,
        };
        own.iter().chain(&self.conflicts).chain(&self.disputes)
    }
}

/// Everything that is known of all files. A file that is gone from the directory and held by the
/// removal guard is still in it.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// By file name.
    pub files: BTreeMap<Arc<str>, FileState>,
    /// Files that are gone and still serve.
    pub held: Vec<Arc<str>>,
}

/// What a reload did.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Diff {
    /// Files whose tenant serves now and did not before.
    pub added: Vec<Arc<str>>,
    /// Files whose tenant serves in another version.
    pub changed: Vec<Arc<str>>,
    /// Files whose tenant no longer serves.
    pub removed: Vec<Arc<str>>,
    /// Files that say something that does not serve.
    pub rejected: Vec<Arc<str>>,
    /// Files that are gone and whose tenants serve until the removal is accepted.
    pub held: Vec<Arc<str>>,
}

/// Bounds on what one reload may take away.
#[derive(Debug, Clone, Copy)]
pub struct RemovalGuard {
    /// Percent of the tenants.
    pub at_most: u8,
    /// Fewer than this many are never held.
    pub at_least: usize,
    /// The operator has said that they may go.
    pub accepted: bool,
}

/// What the directory gave.
#[derive(Debug)]
pub enum Listing {
    /// Every file that is there.
    Files(Vec<Reading>),
    /// What could be read of a directory that is not believed: it cannot be read whole, or is empty where it was not. Additions and
    /// changes count; what is missing keeps serving until its removal is accepted.
    Doubtful(Vec<Reading>),
}

impl Listing {
    /// What was read.
    pub fn readings(&self) -> &[Reading] {
        match self {
            Self::Files(readings) | Self::Doubtful(readings) => readings,
        }
    }
}

/// Applies what was read to what was known.
pub fn apply(previous: &State, listing: Listing, guard: RemovalGuard, now: Timestamp) -> (State, Diff) {
    apply_recalled(previous, listing, &Records::new(), guard, now)
}

/// The same, with what is known of the files from before this process began.
pub fn apply_recalled(
    previous: &State,
    listing: Listing,
    records: &Records,
    guard: RemovalGuard,
    now: Timestamp,
) -> (State, Diff) {
    let (readings, is_doubtful) = match listing {
        Listing::Files(readings) => (readings, false),
        Listing::Doubtful(readings) => (readings, true),
    };
    let before = recall::recall(previous, &readings, records);
    let (mut files, gone) = merge(&before, readings);
    let held = hold(previous, &gone, is_doubtful, guard);
    for file in &held {
        if let Some(known) = previous.files.get(file) {
            files.insert(Arc::clone(file), known.clone());
        }
    }
    let state = conflicts::settle(&before, files, now);
    let state = State { held, ..state };
    let diff = diff(previous, &state);
    (state, diff)
}

/// The files as they are now, each with what served before; and those that are gone.
fn merge(previous: &State, readings: Vec<Reading>) -> (BTreeMap<Arc<str>, FileState>, Vec<Arc<str>>) {
    let mut files = BTreeMap::new();
    for reading in readings {
        let known = previous.files.get(&reading.file);
        let serving = known.and_then(|known| known.serving.clone());
        let serving_since = known.and_then(|known| known.serving_since);
        let recalled = known.and_then(|known| known.recalled.clone());
        let (file, conflicts, disputes) = (Arc::clone(&reading.file), Vec::new(), Vec::new());
        files.insert(file, FileState { reading, serving, serving_since, conflicts, disputes, recalled });
    }
    let gone = previous.files.keys().filter(|file| !files.contains_key(*file)).cloned().collect();
    (files, gone)
}

/// Which of the files that are gone keep serving.
fn hold(previous: &State, gone: &[Arc<str>], is_doubtful: bool, guard: RemovalGuard) -> Vec<Arc<str>> {
    let serves = |file: &&Arc<str>| previous.files.get(*file).is_some_and(|known| known.serving.is_some());
    let serving = previous.files.values().filter(|known| known.serving.is_some()).count();
    let leaving: Vec<Arc<str>> = gone.iter().filter(serves).cloned().collect();
    let is_mass = leaving.len() >= guard.at_least && leaving.len() * 100 > serving * usize::from(guard.at_most);
    if (is_doubtful || is_mass) && !guard.accepted { leaving } else { Vec::new() }
}

fn diff(previous: &State, state: &State) -> Diff {
    let mut diff = Diff { held: state.held.clone(), ..Diff::default() };
    for (file, known) in &state.files {
        let before = previous.files.get(file).and_then(|known| known.serving.as_ref());
        match (before, &known.serving) {
            (None, Some(_)) => diff.added.push(Arc::clone(file)),
            (Some(before), Some(after)) if !Arc::ptr_eq(before, after) => diff.changed.push(Arc::clone(file)),
            (Some(_), None) => diff.removed.push(Arc::clone(file)),
            _ => {}
        }
        if !known.is_active() && !state.held.contains(file) {
            diff.rejected.push(Arc::clone(file));
        }
    }
    for (file, known) in &previous.files {
        if !state.files.contains_key(file) && known.serving.is_some() {
            diff.removed.push(Arc::clone(file));
        }
    }
    diff
}

impl State {
    /// The snapshot that serves this state.
    pub fn registry(&self) -> Registry {
        let tenants: Vec<Arc<Tenant>> = self.files.values().filter_map(|known| known.serving.clone()).collect();
        let broken = self.files.iter().filter(|(_, known)| known.serving.is_none());
        let broken: Vec<(Arc<str>, Claims)> =
            broken.flat_map(|(file, known)| claims_of_broken(known).map(|claims| (Arc::clone(file), claims))).collect();
        let disputed = conflicts::disputed_pairs(&self.files);
        Registry::build(Parts { tenants, broken, disputed })
    }

    /// How many broken files do not even say whose hosts they have.
    pub fn hosts_unknown(&self) -> usize {
        let is_unknown = |known: &&FileState| known.serving.is_none() && claims_of_broken(known).next().is_none();
        self.files.values().filter(is_unknown).count()
    }
}

/// What a file that serves nothing blocks, so that nothing falls through to a wider pattern: what its text claims, or
/// what it would serve had another file not had something first; and what it had when it last served.
fn claims_of_broken(known: &FileState) -> impl Iterator<Item = Claims> + use<> {
    let of_text = match &known.reading.outcome {
        Outcome::Bad { claims, .. } => claims.clone(),
        Outcome::Good { tenant, .. } => Some(claims_of(tenant)),
    };
    of_text.into_iter().chain(known.recalled.as_ref().map(|record| record.claims.clone()))
}

/// What a tenant claims.
pub(super) fn claims_of(tenant: &Tenant) -> Claims {
    Claims {
        name: Some(tenant.name.clone()),
        hosts: tenant.hosts.clone(),
        client_types: Some(tenant.clients.iter().map(|client| client.client_type.clone()).collect()),
    }
}

#[cfg(test)]
mod tests;
