//! A cheap picture of what is there: names, sizes, times, and where links lead.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Equal pictures, nothing to look at. Not a digest of contents: those are compared by who looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint(u64);

impl Fingerprint {
    /// Of directories and files.
    pub(super) fn of(paths: &[PathBuf]) -> Self {
        let mut hasher = DefaultHasher::new();
        for path in paths {
            path.canonicalize().ok().hash(&mut hasher);
            entry(path, &mut hasher);
            let Ok(entries) = std::fs::read_dir(path) else { continue };
            let mut entries: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
            entries.sort();
            for path in &entries {
                entry(path, &mut hasher);
            }
        }
        Self(hasher.finish())
    }
}

fn entry(path: &Path, hasher: &mut DefaultHasher) {
    path.hash(hasher);
    if let Ok(metadata) = path.metadata() {
        (
            metadata.ino(),
            metadata.dev(),
            metadata.len(),
            metadata.mtime(),
            metadata.mtime_nsec(),
            metadata.ctime_nsec(),
        )
            .hash(hasher);
    }
}
