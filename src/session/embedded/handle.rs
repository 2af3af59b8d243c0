//! The open file, and how it is opened anew.
//!
//! After a write that failed the library refuses every further call until the file is opened again: only what
//! is on the disk can then be believed. A disk that was full for a while must not need a restart.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock, TryLockError};
use std::time::{Duration, Instant};

use redb::Database;

use super::Ambient;
use super::file::{self, OpenError, Wanted};
use super::tables::Halt;
use crate::session::ring::KeyRing;

/// Between two attempts: each reads the whole file.
const PAUSE: Duration = Duration::from_secs(1);

/// The open file.
pub(super) struct Handle {
    path: PathBuf,
    ambient: Ambient,
    /// `None` while it cannot be opened.
    database: RwLock<Option<Database>>,
    health: Mutex<Health>,
}

#[derive(Debug, Clone, Copy)]
enum Health {
    Good,
    /// It failed; not before that time is it opened again.
    Failed(Instant),
}

impl Handle {
    pub(super) fn open(path: &Path, ambient: Ambient) -> Result<Self, OpenError> {
        let mut database = file::open(path, Wanted::NewOrOld, &ambient.ring, &*ambient.random)?;
        file::compact(&mut database, path);
        let database = RwLock::new(Some(database));
        Ok(Self { path: path.to_owned(), ambient, database, health: Mutex::new(Health::Good) })
    }

    /// Does something with it. Never waits: while it is opened anew, it is not there.
    pub(super) fn with<T>(&self, call: impl FnOnce(&Database) -> Result<T, Halt>) -> Result<T, Halt> {
        let database = match self.database.try_read() {
            Ok(database) => database,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(Halt::Storage(redb::Error::DatabaseClosed)),
        };
        let done = database.as_ref().ok_or(Halt::Storage(redb::Error::DatabaseClosed)).and_then(call);
        if let Err(Halt::Storage(redb::Error::Io(_) | redb::Error::PreviousIo)) = &done {
            let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
            if matches!(*health, Health::Good) {
                *health = Health::Failed(self.ambient.clock.instant());
            }
        }
        done
    }

    pub(super) fn ring(&self) -> &KeyRing {
        &self.ambient.ring
    }

    /// Fails where the last write did. Reads go on then; what watches the store must see it all the same.
    pub(super) fn is_good(&self) -> Result<(), Halt> {
        match *self.health.lock().unwrap_or_else(PoisonError::into_inner) {
            Health::Good => Ok(()),
            Health::Failed(_) => Err(Halt::Storage(redb::Error::PreviousIo)),
        }
    }

    /// Opens it again if it failed. Blocks; the writer's alone to call, which then holds no transaction.
    pub(super) fn heal(&self) {
        let now = self.ambient.clock.instant();
        let health = *self.health.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(health, Health::Failed(not_before) if not_before <= now) {
            return;
        }
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        // Closed first: it holds the lock of the file.
        *database = None;
        let health = match file::open(&self.path, Wanted::Old, &self.ambient.ring, &*self.ambient.random) {
            Ok(opened) => {
                *database = Some(opened);
                tracing::info!(file = %self.path.display(), "the session file was opened again");
                Health::Good
            }
            Err(error) => {
                tracing::error!(%error, "the session file cannot be opened again");
                Health::Failed(now + PAUSE)
            }
        };
        *self.health.lock().unwrap_or_else(PoisonError::into_inner) = health;
    }
}
