//! Files and directories that change: notification, debounce, and a slow poll beside it.
//!
//! Knows nothing of what is in them: it says "look again", and whoever asked looks.

mod fingerprint;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::telemetry::metrics::{Metrics, WatchMode};
use fingerprint::Fingerprint;

/// How patient the watcher is (contract §9).
#[derive(Debug, Clone, Copy)]
pub struct WatchTimes {
    /// Quiet for so long means that a change is complete.
    pub quiet: Duration,
    /// At most so long after the first event.
    pub at_most: Duration,
    /// The slow poll beside notification.
    pub poll: Duration,
    /// The poll where notification fails.
    pub poll_alone: Duration,
}

impl Default for WatchTimes {
    fn default() -> Self {
        Self {
            quiet: Duration::from_millis(250),
            at_most: Duration::from_secs(2),
            poll: Duration::from_secs(30),
            poll_alone: Duration::from_secs(10),
        }
    }
}

/// What is watched, and by whom it is told.
#[derive(Debug)]
pub struct Watch {
    /// Directories, and single files (by their directory).
    pub paths: Vec<PathBuf>,
    /// How patient.
    pub times: WatchTimes,
    /// Where the mode is shown.
    pub metrics: Arc<Metrics>,
}

/// Starts watching. The receiver sees a new number for every "look again"; numbers may be skipped.
/// Armed when this returns: what changes from now on is seen.
pub fn start(watch: Watch, tasks: &TaskTracker, stop: CancellationToken) -> watch::Receiver<u64> {
    let (sender, receiver) = watch::channel(0);
    let events = Arc::new(Notify::new());
    let mut task =
        Watching { events, watcher: None, mode: WatchMode::Poll, seen: Fingerprint::of(&watch.paths), watch, sender };
    task.arm();
    tasks.spawn(async move {
        tokio::select! {
            () = task.run() => {}
            () = stop.cancelled() => {}
        }
    });
    receiver
}

struct Watching {
    watch: Watch,
    events: Arc<Notify>,
    watcher: Option<RecommendedWatcher>,
    mode: WatchMode,
    seen: Fingerprint,
    sender: watch::Sender<u64>,
}

impl Watching {
    async fn run(&mut self) {
        loop {
            let WatchTimes { poll, poll_alone, .. } = self.watch.times;
            let pause = if self.mode == WatchMode::Notify { poll } else { poll_alone };
            if tokio::time::timeout(pause, self.events.notified()).await.is_ok() {
                self.settle().await;
                self.look_again();
            } else {
                self.poll().await;
            }
        }
    }

    /// Waits until it is quiet, or until it has waited long enough: an editor writes in several steps,
    /// and an in-place write is told before its content is there.
    async fn settle(&self) {
        let WatchTimes { quiet, at_most, .. } = self.watch.times;
        let deadline = Instant::now() + at_most;
        loop {
            let until = (Instant::now() + quiet).min(deadline);
            if tokio::time::timeout_at(until, self.events.notified()).await.is_err() {
                return;
            }
        }
    }

    fn look_again(&mut self) {
        self.seen = Fingerprint::of(&self.watch.paths);
        // A directory that was swapped or made anew is another one: what was armed watches the old.
        self.arm();
        self.sender.send_modify(|count| *count += 1);
    }

    /// What no event told: a network file system, a lost event, a swapped link far up.
    async fn poll(&mut self) {
        let paths = self.watch.paths.clone();
        let Ok(now) = tokio::task::spawn_blocking(move || Fingerprint::of(&paths)).await else { return };
        if now != self.seen {
            self.look_again();
        } else if self.mode == WatchMode::Poll {
            self.arm();
        }
    }

    fn arm(&mut self) {
        let events = Arc::clone(&self.events);
        let interest = Interest::of(&self.watch.paths);
        let told = move |event: notify::Result<notify::Event>| {
            // Reading is no change, and neither is what happens beside what is watched; everything else
            // means "look again", an error too.
            if event.map_or(true, |event| !event.kind.is_access() && interest.includes(&event.paths)) {
                events.notify_one();
            }
        };
        let armed = notify::recommended_watcher(told).and_then(|mut watcher| {
            for folder in folders(&self.watch.paths) {
                match watcher.watch(&folder, RecursiveMode::NonRecursive) {
                    // What is not there yet is seen by the folder above it, or by the poll.
                    Err(error) if matches!(error.kind, notify::ErrorKind::PathNotFound) || !folder.exists() => {}
                    other => other?,
                }
            }
            Ok(watcher)
        });
        let mode = match armed {
            Ok(watcher) => {
                self.watcher = Some(watcher);
                WatchMode::Notify
            }
            Err(error) => {
                if self.mode == WatchMode::Notify || self.watcher.is_none() {
                    tracing::warn!(%error, "changes cannot be notified of; polling instead");
                }
                self.watcher = None;
                WatchMode::Poll
            }
        };
        self.mode = mode;
        self.watch.metrics.watch_mode(mode);
    }
}

/// Which of the events are about what is watched: the folder above a directory has neighbours in it.
struct Interest {
    within: Vec<PathBuf>,
    named: Vec<PathBuf>,
}

impl Interest {
    fn of(paths: &[PathBuf]) -> Self {
        let within = paths.iter().filter_map(|path| path.canonicalize().ok()).collect();
        let named = paths.iter().filter_map(|path| {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            Some(parent.canonicalize().ok()?.join(path.file_name()?))
        });
        Self { within, named: named.collect() }
    }

    /// An event that names no path may be about anything.
    fn includes(&self, changed: &[PathBuf]) -> bool {
        let is_ours = |changed: &PathBuf| {
            // The folder's own path is as it was given when it was armed, links and all.
            let real = changed.parent().and_then(|parent| Some(parent.canonicalize().ok()?.join(changed.file_name()?)));
            let real = real.as_ref().unwrap_or(changed);
            self.within.iter().any(|folder| real.starts_with(folder) || changed.starts_with(folder))
                || self.named.contains(real)
        };
        changed.is_empty() || changed.iter().any(is_ours)
    }
}

/// The folders whose entries tell of a change: each directory, what its link leads to, and the folder
/// that each stands in (where a link of that name is swapped).
fn folders(paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    let mut add = |path: &Path| {
        if !folders.iter().any(|have| have == path) {
            folders.push(path.to_owned());
        }
    };
    for path in paths {
        if let Ok(real) = path.canonicalize() {
            add(if real.is_dir() { &real } else { real.parent().unwrap_or(&real) });
        }
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        add(parent);
    }
    folders
}

#[cfg(test)]
mod tests;
