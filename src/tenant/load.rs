//! From directories to readings: which files count, what has not changed, several at a time.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::apply::{Listing, State};
use super::problem::Problem;
use super::read::Reader;
use super::reading::{Outcome, Reading};
use super::text::{LARGEST, problem};

/// The file that lies under all others, where no other is named.
pub const DEFAULTS: &str = "_defaults.yaml";

/// Where tenants come from.
#[derive(Debug, Clone)]
pub struct Sources {
    /// Directories of tenant files; the name of a file is unique over all of them.
    pub directories: Vec<PathBuf>,
    /// `--defaults`, or else `_defaults.yaml` of the first directory.
    pub defaults: Option<PathBuf>,
}

impl Sources {
    fn defaults_file(&self) -> Option<PathBuf> {
        self.defaults.clone().or_else(|| self.directories.first().map(|directory| directory.join(DEFAULTS)))
    }
}

/// What one look at the sources gave.
#[derive(Debug)]
pub struct Loaded {
    /// The files.
    pub listing: Listing,
    /// The reader with the defaults of now; the one before where they are broken.
    pub reader: Reader,
    /// What is wrong with the defaults.
    pub defaults: Vec<Problem>,
    /// Why a directory could not be read.
    pub unreadable: Option<String>,
}

/// Reads everything that has changed. Blocking.
pub fn load(sources: &Sources, reader: &Reader, previous: &State) -> Loaded {
    let (reader, defaults) = with_defaults(sources, reader);
    let mut files: BTreeMap<Arc<str>, PathBuf> = BTreeMap::new();
    let mut twice = Vec::new();
    let mut unreadable = None;
    for directory in &sources.directories {
        match list(directory) {
            Ok(found) => {
                for path in found {
                    let name: Arc<str> = path.file_name().unwrap_or_default().to_string_lossy().into();
                    if files.insert(Arc::clone(&name), path).is_some() {
                        twice.push(name);
                    }
                }
            }
            Err(error) => unreadable = Some(format!("{}: {error}", directory.display())),
        }
    }
    let is_emptied = files.is_empty() && !previous.files.is_empty();
    let files: Vec<(Arc<str>, PathBuf)> = files.into_iter().collect();
    let mut readings = read_all(&files, &reader, previous);
    for reading in readings.iter_mut().filter(|reading| twice.contains(&reading.file)) {
        let problems = vec![problem(&reading.file, None, "", "two directories have a file of this name")];
        reading.outcome = Outcome::Bad { problems, claims: None };
    }
    let is_doubtful = unreadable.is_some() || is_emptied;
    let listing = if is_doubtful { Listing::Doubtful(readings) } else { Listing::Files(readings) };
    Loaded { listing, reader, defaults, unreadable }
}

/// Broken defaults change nobody: the reader before goes on, with what is wrong said aloud.
fn with_defaults(sources: &Sources, reader: &Reader) -> (Reader, Vec<Problem>) {
    let Some(path) = sources.defaults_file() else { return (reader.clone(), Vec::new()) };
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match std::fs::read(&path) {
        Ok(bytes) => match reader.with_defaults(&name, &bytes) {
            Ok(reader) => (reader, Vec::new()),
            Err(problems) => (reader.clone(), problems),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && sources.defaults.is_none() => {
            // A directory that is not there says nothing about its defaults: without them, every other file would read anew.
            let is_there = path.parent().is_some_and(|directory| list(directory).is_ok());
            (if is_there { reader.without_defaults() } else { reader.clone() }, Vec::new())
        }
        Err(_) => (reader.clone(), vec![problem(&name, None, "", "the defaults file cannot be read")]),
    }
}

/// The tenant files of a directory, sorted.
pub fn list(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if is_tenant_file(&path) && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// `NAME.yaml`, `.yml` or `.json`; not what editors, `ConfigMap`s and the defaults leave beside it.
pub fn is_tenant_file(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    let is_yaml =
        path.extension().and_then(OsStr::to_str).is_some_and(|ending| matches!(ending, "yaml" | "yml" | "json"));
    is_yaml && !name.starts_with(['.', '_', '#', '~'])
}

/// Two threads for many files: parsing is what a cold start of ten thousand waits for.
fn read_all(files: &[(Arc<str>, PathBuf)], reader: &Reader, previous: &State) -> Vec<Reading> {
    let read = |files: &[(Arc<str>, PathBuf)]| -> Vec<Reading> {
        files.iter().filter_map(|(name, path)| read_one(name, path, reader, previous)).collect()
    };
    if files.len() < 64 {
        return read(files);
    }
    let (first, second) = files.split_at(files.len() / 2);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| read(second));
        let mut readings = read(first);
        match other.join() {
            Ok(rest) => readings.extend(rest),
            Err(panic) => std::panic::resume_unwind(panic),
        }
        readings
    })
}

/// A file that is gone again between the look and the read is gone.
fn read_one(name: &Arc<str>, path: &Path, reader: &Reader, previous: &State) -> Option<Reading> {
    let stem = path.file_stem().and_then(OsStr::to_str).unwrap_or_default();
    let bytes = match read_bounded(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(_) => {
            let problems = vec![problem(name, None, "", "the file cannot be read")];
            let outcome = Outcome::Bad { problems, claims: None };
            return Some(Reading {
                file: Arc::clone(name),
                digest: crate::base::digest::Digest::default(),
                uses: Vec::new(),
                outcome,
            });
        }
    };
    let unchanged = previous.files.get(name).map(|known| &known.reading);
    let unchanged = unchanged.filter(|reading| reading.digest == reader.digest(&bytes) && reader.still_holds(reading));
    Some(unchanged.cloned().unwrap_or_else(|| reader.read(name, &bytes, stem)))
}

/// One byte over the bound is enough to know.
pub(super) fn read_bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(LARGEST as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
