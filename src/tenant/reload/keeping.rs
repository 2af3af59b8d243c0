//! What of the files is to outlive this process, and what outlived the one before.
//!
//! Where it lies is not known here: the composition hands in what it found and takes out what is to be written.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::Path;
use std::sync::{Arc, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::watch;

use super::super::apply::{FileState, Recalled, Records, State, claims_of};
use super::super::last_good::LastGood;
use super::super::load::{self, Loaded};
use super::super::read::Reader;
use super::super::reading::Outcome;
use super::super::registry::{Pair, pairs};
use super::Reloader;
use crate::base::digest::Digest;

/// What was kept.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    /// What the process before left, until a reload has seen it.
    recalled: BTreeMap<Arc<str>, Arc<LastGood>>,
    /// What lies there now of the files that this process knows.
    marks: BTreeMap<Arc<str>, Digest>,
}

/// What is to be written and removed.
#[derive(Debug, Default)]
pub struct ToKeep {
    /// By file, in bytes without secrets.
    pub put: Vec<(Arc<str>, Vec<u8>)>,
    /// Files that are gone.
    pub remove: Vec<Arc<str>>,
    marks: Vec<(Arc<str>, Digest)>,
}

impl Reloader {
    /// Takes what an earlier process left: the next reload serves of it what is there and not good. Gives back the
    /// names of those that this release cannot read.
    pub fn remember(&self, records: Vec<(Box<str>, Vec<u8>)>) -> Vec<Box<str>> {
        let mut unreadable = Vec::new();
        let mut keeping = self.keeping();
        for (file, bytes) in records {
            match LastGood::decode(&bytes) {
                Some(record) => drop(keeping.recalled.insert(file.into(), Arc::new(record))),
                None => unreadable.push(file),
            }
        }
        unreadable
    }

    /// How many reloads there were: changes with each.
    pub fn reloads(&self) -> watch::Receiver<u64> {
        self.reloads.subscribe()
    }

    /// What is not kept yet as it serves now.
    pub async fn to_keep(self: &Arc<Self>) -> ToKeep {
        let reader = self.turn.lock().await.clone();
        let this = Arc::clone(self);
        tokio::task::spawn_blocking(move || this.to_keep_blocking(&reader)).await.unwrap_or_default()
    }

    /// Notes that it is written.
    pub fn kept(&self, done: ToKeep) {
        let mut keeping = self.keeping();
        for file in &done.remove {
            keeping.marks.remove(file);
        }
        keeping.marks.extend(done.marks);
    }

    /// The records of the files that were listed, each with the tenant that can be made of it. Once: what a later
    /// reload finds in service is newer.
    pub(super) fn recalled(&self, loaded: &Loaded) -> Records {
        let mut keeping = self.keeping();
        let mut recalled = std::mem::take(&mut keeping.recalled);
        let mut records = Records::new();
        for reading in loaded.listing.readings() {
            let Some(record) = recalled.remove(&reading.file) else { continue };
            let digest = record.version.as_ref().map(|version| version.digest);
            keeping.marks.insert(Arc::clone(&reading.file), mark(record.since, &record.holds, digest));
            let tenant = match (&reading.outcome, &record.version) {
                (_, None) => None,
                (Outcome::Good { tenant, .. }, Some(version)) if version.digest == reading.digest => {
                    Some(Arc::clone(tenant))
                }
                (_, Some(version)) => loaded.reader.read_kept(stem(&reading.file), version),
            };
            records.insert(Arc::clone(&reading.file), Recalled { record, tenant });
        }
        records
    }

    /// Says of each file that serves from its record, or that cannot, how old that is.
    pub(super) fn log_recalled(&self, previous: &State, state: &State) {
        for (file, known) in &state.files {
            let Some(record) = &known.recalled else { continue };
            if previous.files.get(file).is_some_and(|known| known.recalled.is_some()) {
                continue;
            }
            let (since, age) = (record.since, self.clock.now().as_second() - record.since.as_second());
            match (&known.serving, &record.version) {
                (Some(_), _) => tracing::error!(
                    %file, %since, age_seconds = age,
                    "the file cannot serve as it is at this start: its last good version does, which was kept with the sessions"
                ),
                (None, Some(_)) => tracing::error!(
                    %file, %since, age_seconds = age,
                    "the file cannot serve as it is at this start, nor can its last good version: its hosts answer 503"
                ),
                (None, None) => tracing::error!(
                    %file, %since, age_seconds = age,
                    "the file cannot serve as it is at this start, and what it said before was not kept, since a secret stood in it: its hosts answer 503"
                ),
            }
        }
    }

    fn to_keep_blocking(&self, reader: &Reader) -> ToKeep {
        let state = self.known().state.clone();
        let marks = self.keeping().marks.clone();
        let mut to_keep = ToKeep::default();
        for (file, known) in &state.files {
            let Some((record, digest)) = unwritten(known) else { continue };
            let mark = mark(record.since, &record.holds, Some(digest));
            if marks.get(file) == Some(&mark) {
                continue;
            }
            // A text that is not the one that serves will be looked at again.
            let Some(text) = self.text(file, digest, reader) else { continue };
            let version = reader.keepable(file, &text);
            match (LastGood { version, ..record }).encode() {
                Ok(bytes) => to_keep.put.push((Arc::clone(file), bytes)),
                Err(error) => tracing::error!(%file, %error, "the last good version cannot be kept"),
            }
            to_keep.marks.push((Arc::clone(file), mark));
        }
        let known: BTreeSet<&Arc<str>> = state.files.keys().collect();
        to_keep.remove = marks.into_keys().filter(|file| !known.contains(file)).collect();
        to_keep
    }

    /// The file's text, read again: it is not held in memory.
    fn text(&self, file: &str, digest: Digest, reader: &Reader) -> Option<Vec<u8>> {
        let paths = self.options.sources.directories.iter().map(|directory| directory.join(file));
        let mut texts = paths.filter_map(|path| load::read_bounded(&path).ok());
        texts.find(|text| reader.digest(text) == digest)
    }

    fn keeping(&self) -> MutexGuard<'_, Keeping> {
        self.keeping.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The record of a file that serves as it is, but for its version. `None` where something of it is disputed: whose
/// that was before must not be forgotten.
fn unwritten(known: &FileState) -> Option<(LastGood, Digest)> {
    let tenant = known.serving.as_ref().filter(|_| known.is_active() && known.disputes.is_empty())?;
    let record = LastGood {
        since: known.serving_since?,
        claims: claims_of(tenant),
        holds: pairs(tenant).collect(),
        version: None,
    };
    Some((record, known.reading.digest))
}

/// Equal where there is nothing to write.
fn mark(since: Timestamp, holds: &[Pair], digest: Option<Digest>) -> Digest {
    let holds: Vec<String> =
        holds.iter().map(|(of, host)| format!("{}\n{host}", of.as_ref().map_or("", |of| of.as_str()))).collect();
    let (since, digest) = (since.to_string(), digest.unwrap_or_default());
    let parts = [since.as_bytes(), digest.as_bytes().as_slice()];
    Digest::of_parts(parts.into_iter().chain(holds.iter().map(String::as_bytes)))
}

/// The name that the file's tenant must have.
fn stem(file: &str) -> &str {
    Path::new(file).file_stem().and_then(OsStr::to_str).unwrap_or_default()
}
