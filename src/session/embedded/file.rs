//! The file: made, locked, checked, and never deleted.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use redb::backends::FileBackend;
use redb::{Builder, Database, DatabaseError, ReadableTable};
use zeroize::Zeroizing;

use super::tables::{Halt, Tables};
use crate::base::random::Random;
use crate::session::ring::KeyRing;

/// How much of the file is held in memory. Sessions take about 2 KiB each with their indexes.
const CACHE_BYTES: usize = 64 * 1024 * 1024;

/// The form of the tables.
const FORMAT: u8 = 1;

/// A smaller file is not worth a compaction.
const COMPACTED_FROM: u64 = 16 * 1024 * 1024;

/// Whoever may read the file may read the plain heads; nobody but the gateway needs to.
const OWNER_ALONE: u32 = 0o600;

/// Why the file is not opened. It is left as it was.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory is missing, or we may not.
    #[error("{}: {source}; the directory must exist and be writable, and the file ours", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process serves from it.
    #[error(
        "{}: another process has it open; a file is for one gateway, several share their sessions through Redis",
        path.display()
    )]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// No database, another program's, or broken.
    #[error(
        "{}: {why}; it is left as it is: put a backup in its place, or move it away to begin anew, which logs everybody out",
        path.display()
    )]
    NotOurs {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// It is there, and the keys that were made for it are not.
    #[error(
        "{}: its keys are gone: put {} back, or give --session-keys, or move it away to begin anew, which logs everybody out",
        path.display(), keys.display()
    )]
    NoKeys {
        /// The file.
        path: PathBuf,
        /// Where its keys were.
        keys: PathBuf,
    },
    /// None of the keys opens what it holds.
    #[error(
        "{}: none of the session keys opens it; give the keys it was written with (a further line in the key file), \
         or move it away to begin anew, which logs everybody out",
        path.display()
    )]
    OtherKeys {
        /// The file.
        path: PathBuf,
    },
}

/// Where sessions lie when that path is given: in a directory, in `sessions.redb`.
pub fn session_file(path: &Path) -> PathBuf {
    if path.is_dir() { path.join("sessions.redb") } else { path.to_owned() }
}

/// Where its keys are, if none are given: beside it.
pub fn key_file(sessions: &Path) -> PathBuf {
    sessions.with_extension("keys")
}

/// Makes the key file of a session file that does not exist yet, with one key, readable for its owner alone.
/// A session file whose keys have gone gets no others: that would log everybody out.
pub fn ensure_key_file(sessions: &Path, random: &dyn Random) -> Result<PathBuf, OpenError> {
    let keys = key_file(sessions);
    if !keys.exists() {
        if std::fs::metadata(sessions).is_ok_and(|file| file.len() > 0) {
            return Err(OpenError::NoKeys { path: sessions.to_owned(), keys });
        }
        let mut key = Zeroizing::new([0u8; 32]);
        random.fill(key.as_mut());
        let text = Zeroizing::new(format!("{}\n", STANDARD.encode(key.as_ref())));
        write_whole(&keys, text.as_bytes()).map_err(|source| OpenError::Io { path: keys.clone(), source })?;
    }
    Ok(keys)
}

/// Writes a file so that it is there whole or not at all, also after a power cut.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(OWNER_ALONE).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    sync_folder(path)
}

/// A new file is lost in a power cut unless its directory is on the disk too.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Which file will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// One that is made, if there is none.
    NewOrOld,
    /// One that is there: while it serves, a file that has gone must not turn into an empty one.
    Old,
}

/// Opens the file, or makes it.
pub(super) fn open(path: &Path, wanted: Wanted, ring: &KeyRing, random: &dyn Random) -> Result<Database, OpenError> {
    let io_error = |source| OpenError::Io { path: path.to_owned(), source };
    let file = options(wanted).open(path).map_err(io_error)?;
    let metadata = file.metadata().map_err(io_error)?;
    if metadata.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(OWNER_ALONE)).map_err(io_error)?;
    }
    let is_new = metadata.len() == 0;
    if is_new && wanted == Wanted::Old {
        return Err(OpenError::NotOurs { path: path.to_owned(), why: "somebody emptied this file".to_owned() });
    }
    let database = database(path, file)?;
    check(&database, ring, random).map_err(|why| match why {
        Refused::Keys => OpenError::OtherKeys { path: path.to_owned() },
        Refused::File(why) => OpenError::NotOurs { path: path.to_owned(), why },
    })?;
    if is_new {
        sync_folder(path).map_err(io_error)?;
    }
    Ok(database)
}

fn options(wanted: Wanted) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(wanted == Wanted::NewOrOld).truncate(false).mode(OWNER_ALONE);
    options
}

/// Checks the whole file: a damaged page is to be found now and not by a user. That costs what the repair after a
/// kill does, 0.4 s for 300 MiB when it was measured.
fn database(path: &Path, file: File) -> Result<Database, OpenError> {
    let not_ours = |why: String| OpenError::NotOurs { path: path.to_owned(), why };
    let opened = catch_unwind(AssertUnwindSafe(|| {
        let mut builder = Builder::new();
        builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
        builder.create_with_backend(FileBackend::new(file)?)
    }));
    // A file that was damaged by others may make the library panic; its own crashes do not damage it.
    match opened.unwrap_or_else(|_| Err(redb::StorageError::Corrupted("damaged".to_owned()).into())) {
        Ok(database) => Ok(database),
        Err(DatabaseError::DatabaseAlreadyOpen) => Err(OpenError::InUse { path: path.to_owned() }),
        Err(error) => Err(not_ours(format!("this is no session file, or a damaged one ({error})"))),
    }
}

enum Refused {
    Keys,
    File(String),
}

impl From<Halt> for Refused {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Storage(error) => Self::File(format!("this is no session file, or a damaged one ({error})")),
            Halt::Unreadable => Self::File("this is a damaged session file".to_owned()),
        }
    }
}

const KEYS: &str = "keys";
const KEYS_PLACE: [&[u8]; 1] = [b"session file keys"];

/// Whether it is a session file of a form we know, written with keys we have. A new one is made so.
fn check(database: &Database, ring: &KeyRing, random: &dyn Random) -> Result<(), Refused> {
    let transaction = database.begin_write().map_err(Halt::from)?;
    let is_empty = transaction.list_tables().map_err(Halt::from)?.next().is_none();
    let mut tables = Tables::open(&transaction)?;
    if is_empty {
        tables.set_about("format", &[FORMAT])?;
    }
    match tables.about("format")?.as_deref() {
        Some([FORMAT]) => {}
        Some(_) => return Err(Refused::File("a later release wrote it".to_owned())),
        None => return Err(Refused::File("this is another program's file".to_owned())),
    }
    if is_empty {
        tables.set_about(KEYS, &proof(ring, random)?)?;
    }
    if has_keys(&tables.about, ring).is_err() {
        return Err(Refused::Keys);
    }
    renew_proof(&mut tables, ring, random)?;
    drop(tables);
    transaction.commit().map_err(Halt::from)?;
    Ok(())
}

/// Something in the file that its keys open.
fn proof(ring: &KeyRing, random: &dyn Random) -> Result<Vec<u8>, Halt> {
    ring.seal_bytes(random, &KEYS_PLACE, &[]).map_err(|_| Halt::Unreadable)
}

/// Whether the ring has a key of this file. Without one nothing in it can be found by name, which must not be
/// taken for its being gone.
pub(super) fn has_keys(about: &impl ReadableTable<&'static str, &'static [u8]>, ring: &KeyRing) -> Result<(), Halt> {
    let opens = about.get(KEYS)?.is_some_and(|sealed| ring.open_bytes(&KEYS_PLACE, sealed.value()).is_ok());
    if opens { Ok(()) } else { Err(Halt::Unreadable) }
}

/// Keeps the proof under the first key: the others may leave the ring before the next start.
pub(super) fn renew_proof(tables: &mut Tables<'_>, ring: &KeyRing, random: &dyn Random) -> Result<(), Halt> {
    if !tables.about(KEYS)?.is_some_and(|sealed| ring.is_of_first_key(&sealed)) {
        tables.set_about(KEYS, &proof(ring, random)?)?;
    }
    Ok(())
}

/// A file does not shrink by itself. After a night's peak it may be far larger than what lives in it.
pub(super) fn compact(database: &mut Database, path: &Path) {
    let length = std::fs::metadata(path).map_or(0, |file| file.len());
    let live = database.begin_write().map_err(Halt::from).and_then(|transaction| {
        let stats = transaction.stats()?;
        transaction.abort()?;
        Ok(stats.stored_bytes() + stats.metadata_bytes())
    });
    if live.is_ok_and(|live| length > COMPACTED_FROM && length > 4 * live) {
        match database.compact() {
            Ok(_) => tracing::info!(file = %path.display(), "the session file was compacted"),
            Err(error) => tracing::warn!(file = %path.display(), %error, "the session file could not be compacted"),
        }
    }
}
