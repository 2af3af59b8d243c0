//! Sessions in one file, for one gateway: they are there after a restart and a crash.
//!
//! Owns the store; the library (redb) is named here and below alone. Every answer that says that something was
//! written comes after an fsync: `kill -9` loses nothing that was answered, and neither does a power cut on a
//! disk that keeps its word. Reads are lock-free snapshots, done where they are asked for: a page that is not in
//! memory costs them one read of the disk.

mod facts;
mod file;
mod handle;
mod records;
mod sessions;
mod tables;
mod writer;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use redb::{ReadTransaction, ReadableDatabase, ReadableTableMetadata};
use tokio_util::task::TaskTracker;

use super::record::{self, Record, seal_value};
use super::ring::KeyRing;
use super::{Lease, Replaced, Session, SessionId, SessionStore, StoreError, StoreFuture, Stored, Whose};
use crate::base::clock::Clock;
use crate::base::digest::Digest;
use crate::base::id::TenantName;
use crate::base::random::Random;
pub use file::{OpenError, ensure_key_file, key_file, session_file};
use handle::Handle;
use sessions::{Sealed, Snapshot};
use tables::{ABOUT, ENDS, FACTS, Halt, Kind, NAMES, SESSIONS, over_count};
use writer::Writer;

/// How many of a kind a sweep drops in one call: others write between two of them.
const SWEPT_AT_ONCE: usize = 256;

/// What a store works with.
#[derive(Debug, Clone)]
pub struct Ambient {
    /// Seals and names.
    pub ring: Arc<KeyRing>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// For nonces.
    pub random: Arc<dyn Random>,
}

impl Ambient {
    fn sealer(&self) -> (&KeyRing, &dyn Random) {
        (&self.ring, &*self.random)
    }
}

/// Keeps everything in a file.
pub struct EmbeddedStore {
    ambient: Ambient,
    handle: Arc<Handle>,
    writer: Writer,
    tasks: TaskTracker,
}

impl EmbeddedStore {
    /// Opens the file, or makes it where its directory exists. Blocks while the file is checked.
    pub fn open(path: &Path, ambient: Ambient, tasks: TaskTracker) -> Result<Self, OpenError> {
        let handle = Arc::new(Handle::open(path, ambient.clone())?);
        let writer = Writer::new(Arc::clone(&handle), tasks.clone());
        Ok(Self { ambient, handle, writer, tasks })
    }

    /// A call that only reads.
    fn read_now<T>(&self, read: impl FnOnce(&ReadTransaction) -> Result<T, Halt>) -> Result<T, StoreError> {
        snapshot(&self.handle, read)
    }

    /// A call that reads so much that it must not hold up a worker.
    async fn read_aside<T: Send + 'static>(
        &self,
        read: impl FnOnce(&ReadTransaction) -> Result<T, Halt> + Send + 'static,
    ) -> Result<T, StoreError> {
        let handle = Arc::clone(&self.handle);
        let read = self.tasks.spawn_blocking(move || snapshot(&handle, read)).await;
        read.unwrap_or_else(|error| Err(StoreError::Unavailable(Box::new(error))))
    }
}

fn snapshot<T>(handle: &Handle, read: impl FnOnce(&ReadTransaction) -> Result<T, Halt>) -> Result<T, StoreError> {
    let read = handle.with(|database| read(&database.begin_read()?));
    read.map_err(|halt| match halt {
        Halt::Unreadable => StoreError::Unreadable,
        Halt::Storage(error) => StoreError::Unavailable(Box::new(error)),
    })
}

impl fmt::Debug for EmbeddedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmbeddedStore")
    }
}

impl SessionStore for EmbeddedStore {
    fn open<'a>(&'a self, id: &'a SessionId, session: Session, per_user: u32) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let ring = &*self.ambient.ring;
            let (id, client) = (record::id(ring, id), record::client_digests(ring, &session));
            let record = Record::seal(self.ambient.sealer(), &id.current, &session, 1)?;
            let clock = Arc::clone(&self.ambient.clock);
            let sealed = Sealed { id, record };
            self.writer.call(move |tables| tables.open_session(sealed, &client, per_user, clock.now())).await
        })
    }

    fn read<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<Stored>> {
        Box::pin(async move {
            let Ambient { ring, clock, .. } = &self.ambient;
            let id = record::id(ring, id);
            self.read_now(|transaction| {
                let stored = sessions::read(&transaction.open_table(SESSIONS)?, ring, &id, clock.now())?;
                if stored.is_none() {
                    file::has_keys(&transaction.open_table(ABOUT)?, ring)?;
                }
                Ok(stored)
            })
        })
    }

    fn touch<'a>(&'a self, id: &'a SessionId, idle_until: Timestamp) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let (id, clock) = (record::id(&self.ambient.ring, id), Arc::clone(&self.ambient.clock));
            self.writer.call(move |tables| tables.touch(&id, idle_until, clock.now())).await
        })
    }

    fn replace<'a>(&'a self, id: &'a SessionId, version: u64, session: Session) -> StoreFuture<'a, Replaced> {
        Box::pin(async move {
            let id = record::id(&self.ambient.ring, id);
            let record = Record::seal(self.ambient.sealer(), &id.current, &session, version.saturating_add(1))?;
            let clock = Arc::clone(&self.ambient.clock);
            let sealed = Sealed { id, record };
            self.writer.call(move |tables| tables.replace(sealed, version, clock.now())).await
        })
    }

    fn end<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<Session>> {
        Box::pin(async move {
            let ring = Arc::clone(&self.ambient.ring);
            let id = record::id(&ring, id);
            self.writer.call(move |tables| tables.end(&id, &ring)).await
        })
    }

    fn end_all<'a>(&'a self, whose: &'a Whose) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            let found_by = record::found_by(&self.ambient.ring, whose);
            let opened_before = match whose {
                Whose::User { opened_before, .. } => *opened_before,
                Whose::Sid { .. } => None,
                Whose::Tenant { opened_before, .. } => Some(*opened_before),
            };
            let clock = Arc::clone(&self.ambient.clock);
            self.writer.call(move |tables| tables.end_all(&found_by, opened_before, clock.now())).await
        })
    }

    fn active_subjects<'a>(
        &'a self,
        tenant: &'a TenantName,
        after: Option<&'a str>,
        limit: usize,
    ) -> StoreFuture<'a, Vec<Box<str>>> {
        Box::pin(async move {
            let Ambient { ring, clock, .. } = self.ambient.clone();
            let (tenant, after) = (record::tenant_digests(&ring, tenant), after.map(Box::<str>::from));
            self.read_aside(move |transaction| {
                file::has_keys(&transaction.open_table(ABOUT)?, &ring)?;
                let (sessions, names) = (transaction.open_table(SESSIONS)?, transaction.open_table(NAMES)?);
                let page = (after.as_deref(), limit);
                Snapshot { sessions, names }.active_subjects(&ring, &tenant, page, clock.now())
            })
            .await
        })
    }

    fn count(&self) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            let (now, handle) = (self.ambient.clock.now(), Arc::clone(&self.handle));
            self.read_aside(move |transaction| {
                handle.is_good()?;
                let over = over_count(&transaction.open_table(ENDS)?, Kind::Session, now)?;
                Ok(transaction.open_table(SESSIONS)?.len()?.saturating_sub(over))
            })
            .await
        })
    }

    fn first_time(&self, key: Digest, until: Timestamp) -> StoreFuture<'_, bool> {
        let clock = Arc::clone(&self.ambient.clock);
        Box::pin(self.writer.call(move |tables| tables.first_time(&key, until, clock.now())))
    }

    fn put(&self, key: Digest, value: Bytes, until: Timestamp) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            let sealed = seal_value(self.ambient.sealer(), (facts::VALUE, &key), until, &value)?;
            self.writer.call(move |tables| tables.put_value(&key, until, &sealed)).await
        })
    }

    fn take(&self, key: Digest) -> StoreFuture<'_, Option<Bytes>> {
        let Ambient { ring, clock, .. } = self.ambient.clone();
        Box::pin(self.writer.call(move |tables| tables.take(&ring, &key, clock.now())))
    }

    fn lease(&self, key: Digest, ttl: Duration) -> StoreFuture<'_, Option<Lease>> {
        let clock = Arc::clone(&self.ambient.clock);
        Box::pin(self.writer.call(move |tables| tables.lease(&key, ttl, clock.now())))
    }

    fn renew(&self, key: Digest, lease: Lease, ttl: Duration) -> StoreFuture<'_, bool> {
        let clock = Arc::clone(&self.ambient.clock);
        Box::pin(self.writer.call(move |tables| tables.renew(&key, lease, ttl, clock.now())))
    }

    fn release(&self, key: Digest, lease: Lease) -> StoreFuture<'_, ()> {
        let clock = Arc::clone(&self.ambient.clock);
        Box::pin(self.writer.call(move |tables| tables.release(&key, lease, clock.now())))
    }

    fn share(&self, key: Digest, lease: Lease, value: Bytes, until: Timestamp) -> StoreFuture<'_, bool> {
        Box::pin(async move {
            let sealed = seal_value(self.ambient.sealer(), (facts::SHARED, &key), until, &value)?;
            self.writer.call(move |tables| tables.share(&key, lease, until, &sealed)).await
        })
    }

    fn shared(&self, key: Digest) -> StoreFuture<'_, Option<Bytes>> {
        Box::pin(async move {
            let Ambient { ring, clock, .. } = &self.ambient;
            self.read_now(|transaction| facts::shared(&transaction.open_table(FACTS)?, ring, &key, clock.now()))
        })
    }

    fn sweep(&self) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            let Ambient { ring, random, .. } = self.ambient.clone();
            self.writer.call(move |tables| file::renew_proof(tables, &ring, &*random)).await?;
            for kind in Kind::ALL {
                loop {
                    let clock = Arc::clone(&self.ambient.clock);
                    let swept = self.writer.call(move |tables| match kind {
                        Kind::Session => tables.sweep_sessions(clock.now(), SWEPT_AT_ONCE),
                        _ => tables.sweep_facts(kind, clock.now(), SWEPT_AT_ONCE),
                    });
                    if !swept.await? {
                        break;
                    }
                }
            }
            Ok(())
        })
    }
}
