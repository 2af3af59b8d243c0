//! Reloads: look, read, apply, swap, tell. One at a time, on a blocking thread, never in the way of a
//! request.

mod keeping;

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use serde::Serialize;
use tokio::sync::{Mutex as AsyncMutex, watch};

use super::apply::{self, Diff, FileState, RemovalGuard, State};
use super::load::{self, Sources};
use super::problem::{Problem, Severity};
use super::read::Reader;
use super::registry::Registry;
use super::status::{FileStatus, Status, state_of};
use crate::base::clock::Clock;
use crate::telemetry::metrics::{Metrics, ReloadResult, TenantState};
use keeping::Keeping;
pub use keeping::ToKeep;

/// The registry of the moment: one atomic load a request.
#[derive(Debug, Clone, Default)]
pub struct RegistryHandle(Arc<ArcSwap<Registry>>);

impl RegistryHandle {
    /// The snapshot that serves now. A request takes one and uses it to the end.
    pub fn load(&self) -> Arc<Registry> {
        self.0.load_full()
    }
}

/// What a reload did, as `POST /-/reload` answers.
#[derive(Debug, Clone, Serialize)]
pub struct ReloadReport {
    /// What changed.
    #[serde(flatten)]
    pub diff: Diff,
    /// Why the directory is not believed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
    /// How many files there are, and how many of them say what serves.
    #[serde(skip)]
    pub files: usize,
    /// How many of them are valid.
    #[serde(skip)]
    pub valid: usize,
    /// How many of them are valid or serve their last good version.
    #[serde(skip)]
    pub usable: usize,
    /// What is wrong with the defaults file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub defaults: Vec<Problem>,
}

impl ReloadReport {
    /// Whether everything that was found is in service.
    pub fn is_clean(&self) -> bool {
        self.diff.rejected.is_empty()
            && self.diff.held.is_empty()
            && self.unreadable.is_none()
            && self.defaults.is_empty()
    }
}

/// Whether a reload may take away what the guard would hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removals {
    /// The guard decides.
    Guarded,
    /// The operator has said that they may go.
    Accepted,
}

/// How reloads are done.
#[derive(Debug, Clone)]
pub struct ReloadOptions {
    /// Where tenants come from.
    pub sources: Sources,
    /// `--max-removed`, percent.
    pub max_removed: u8,
    /// How many files have a metric of their own while they are valid.
    pub metrics_tenants: usize,
}

/// Owns what is known of the files.
#[derive(Debug)]
pub struct Reloader {
    options: ReloadOptions,
    handle: RegistryHandle,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    /// One reload at a time.
    turn: AsyncMutex<Reader>,
    known: Mutex<Known>,
    keeping: Mutex<Keeping>,
    /// How many there were.
    reloads: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Known {
    state: State,
    defaults: Vec<Problem>,
    is_suspect: bool,
}

/// Fewer tenants than this are never a mass (contract §3).
const MASS_BEGINS_AT: usize = 5;

impl Reloader {
    /// Nothing is loaded yet.
    pub fn new(options: ReloadOptions, reader: Reader, metrics: Arc<Metrics>, clock: Arc<dyn Clock>) -> Self {
        Self {
            options,
            handle: RegistryHandle::default(),
            metrics,
            clock,
            turn: AsyncMutex::new(reader),
            known: Mutex::default(),
            keeping: Mutex::default(),
            reloads: watch::Sender::new(0),
        }
    }

    /// Where requests find the registry.
    pub fn handle(&self) -> RegistryHandle {
        self.handle.clone()
    }

    /// Looks at the files and puts what they say in service. When this returns, it serves.
    pub async fn reload(self: &Arc<Self>, removals: Removals) -> ReloadReport {
        let mut turn = self.turn.lock().await;
        let (this, reader) = (Arc::clone(self), turn.clone());
        let done = tokio::task::spawn_blocking(move || this.reload_blocking(&reader, removals)).await;
        match done {
            Ok((report, reader)) => {
                *turn = reader;
                report
            }
            Err(error) => {
                self.metrics.reload(ReloadResult::Failed, self.clock.now().as_second());
                tracing::error!(%error, "a reload was torn apart; what served before serves on");
                let unreadable = Some("the reload was torn apart".to_owned());
                ReloadReport { diff: Diff::default(), unreadable, files: 0, valid: 0, usable: 0, defaults: Vec::new() }
            }
        }
    }

    fn reload_blocking(&self, reader: &Reader, removals: Removals) -> (ReloadReport, Reader) {
        let previous = self.known().state.clone();
        let loaded = load::load(&self.options.sources, reader, &previous);
        let guard = RemovalGuard {
            at_most: self.options.max_removed,
            at_least: MASS_BEGINS_AT,
            accepted: removals == Removals::Accepted,
        };
        let records = self.recalled(&loaded);
        let (state, diff) = apply::apply_recalled(&previous, loaded.listing, &records, guard, self.clock.now());
        let registry = Arc::new(state.registry());
        self.handle.0.store(Arc::clone(&registry));
        let valid = state.files.values().filter(|known| FileStatus::is_valid(known)).count();
        let is_usable = |known: &&FileState| known.serving.is_some() || FileStatus::is_valid(known);
        let usable = state.files.values().filter(is_usable).count();
        let report = ReloadReport {
            diff,
            unreadable: loaded.unreadable,
            files: state.files.len(),
            valid,
            usable,
            defaults: loaded.defaults,
        };
        self.count(&state, &registry, &report);
        log(&previous, &state, &report);
        self.log_recalled(&previous, &state);
        let is_suspect = report.unreadable.is_some() || !report.diff.held.is_empty();
        *self.known() = Known { state, defaults: report.defaults.clone(), is_suspect };
        self.reloads.send_modify(|count| *count += 1);
        (report, loaded.reader)
    }

    /// What `/tenants` shows.
    pub fn status(&self) -> Status {
        let known = self.known();
        let hash = self.handle.load().hash().to_string();
        Status::of(&known.state, hash, known.defaults.clone(), known.is_suspect, self.clock.now())
    }

    fn count(&self, state: &State, registry: &Registry, report: &ReloadReport) {
        let metrics = &self.metrics;
        let result = match (&report.unreadable, report.is_clean()) {
            (Some(_), _) => ReloadResult::Failed,
            (None, true) => ReloadResult::Applied,
            (None, false) => ReloadResult::Partial,
        };
        metrics.reload(result, self.clock.now().as_second());
        metrics.directory_suspect(report.unreadable.is_some() || !report.diff.held.is_empty());
        metrics.hosts_unknown(state.hosts_unknown());
        metrics.config_hash(registry.hash());
        metrics.set_tenants(registry.tenants().iter().map(|tenant| &tenant.name));
        for tenant in registry.tenants() {
            metrics.set_tenant_info(&tenant.name, &tenant.labels);
        }
        for each in TenantState::ALL {
            metrics.tenants(*each, state.files.values().filter(|known| state_of(known) == *each).count());
        }
        for (place, (file, known)) in state.files.iter().enumerate() {
            metrics.file_valid(file, FileStatus::is_valid(known), place < self.options.metrics_tenants);
        }
        let before = self.known();
        before
            .state
            .files
            .keys()
            .filter(|file| !state.files.contains_key(*file))
            .for_each(|file| metrics.forget_file(file));
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One line a changed tenant, one a new problem.
fn log(previous: &State, state: &State, report: &ReloadReport) {
    let Diff { added, changed, removed, held, .. } = &report.diff;
    for (files, what) in [(added, "added"), (changed, "changed"), (removed, "removed")] {
        for file in files {
            tracing::info!(%file, "tenant {what}");
        }
    }
    for (file, known) in &state.files {
        let before: Vec<&Problem> =
            previous.files.get(file).map(|known| known.problems().collect()).unwrap_or_default();
        let state = state_of(known).name();
        for problem in
            known.problems().filter(|problem| problem.severity == Severity::Error && !before.contains(problem))
        {
            tracing::error!(%file, state, %problem, "tenant file rejected");
        }
    }
    report
        .defaults
        .iter()
        .for_each(|problem| tracing::error!(%problem, "defaults file rejected; the ones before stay"));
    if let Some(reason) = &report.unreadable {
        tracing::error!(reason, "the tenant directory is not believed; what served before serves on");
    }
    if !held.is_empty() {
        tracing::error!(files = ?held, "so many tenants are gone that their removal is held; POST /-/reload?accept=removals lets them go");
    }
}
