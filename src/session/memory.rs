//! Sessions in this process's memory: for `dev` and tests.
//!
//! Owns the locking and the hashing of ids. What is kept stands in `memory/sessions.rs` and
//! `memory/facts.rs`, which take the time as an argument and know nothing of threads. Two locks, each
//! held for one look-up or write and never across an await.

mod expiring;
mod facts;
mod sessions;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use super::{Lease, Replaced, Session, SessionId, SessionStore, StoreFuture, Stored, Whose};
use crate::base::clock::Clock;
use crate::base::digest::{Digest, MacKey};
use crate::base::id::TenantName;
use facts::Facts;
use sessions::Sessions;

/// How many records a sweep drops before it lets others have the lock.
const SWEPT_AT_ONCE: usize = 1024;

/// Keeps everything in memory; all of it is gone when the process ends.
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    /// Ids are kept as keyed hashes even here: a core dump holds nothing that can be replayed.
    key: MacKey,
    sessions: Mutex<Sessions>,
    facts: Mutex<Facts>,
}

impl MemoryStore {
    /// An empty store. `key` need not outlive the process.
    pub fn new(clock: Arc<dyn Clock>, key: MacKey) -> Self {
        Self { clock, key, sessions: Mutex::default(), facts: Mutex::default() }
    }

    fn hashed(&self, id: &SessionId) -> Digest {
        self.key.tag(id.expose().as_bytes())
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryStore")
    }
}

/// A future that is done at once, and does nothing before it is polled.
fn at_once<'a, T>(answer: impl FnOnce() -> T + Send + 'a) -> StoreFuture<'a, T> {
    Box::pin(async move { Ok(answer()) })
}

impl SessionStore for MemoryStore {
    fn open<'a>(&'a self, id: &'a SessionId, session: Session, per_user: u32) -> StoreFuture<'a, ()> {
        at_once(move || {
            let id = self.hashed(id);
            self.sessions().open(id, session, per_user, self.clock.now());
        })
    }

    fn read<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<Stored>> {
        at_once(move || {
            let id = self.hashed(id);
            self.sessions().read(&id, self.clock.now())
        })
    }

    fn touch<'a>(&'a self, id: &'a SessionId, idle_until: Timestamp) -> StoreFuture<'a, bool> {
        at_once(move || {
            let id = self.hashed(id);
            self.sessions().touch(&id, idle_until, self.clock.now())
        })
    }

    fn replace<'a>(&'a self, id: &'a SessionId, version: u64, session: Session) -> StoreFuture<'a, Replaced> {
        at_once(move || {
            let id = self.hashed(id);
            self.sessions().replace(&id, version, session, self.clock.now())
        })
    }

    fn end<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<Session>> {
        at_once(move || {
            let id = self.hashed(id);
            self.sessions().end(&id)
        })
    }

    fn end_all<'a>(&'a self, whose: &'a Whose) -> StoreFuture<'a, u64> {
        at_once(move || self.sessions().end_all(whose, self.clock.now()))
    }

    fn active_subjects<'a>(
        &'a self,
        tenant: &'a TenantName,
        after: Option<&'a str>,
        limit: usize,
    ) -> StoreFuture<'a, Vec<Box<str>>> {
        at_once(move || self.sessions().active_subjects(tenant, after, limit, self.clock.now()))
    }

    fn count(&self) -> StoreFuture<'_, u64> {
        at_once(move || self.sessions().count(self.clock.now()))
    }

    fn first_time(&self, key: Digest, until: Timestamp) -> StoreFuture<'_, bool> {
        at_once(move || self.facts().first_time(key, until, self.clock.now()))
    }

    fn put(&self, key: Digest, value: Bytes, until: Timestamp) -> StoreFuture<'_, ()> {
        at_once(move || self.facts().put(key, value, until))
    }

    fn take(&self, key: Digest) -> StoreFuture<'_, Option<Bytes>> {
        at_once(move || self.facts().take(&key, self.clock.now()))
    }

    fn lease(&self, key: Digest, ttl: Duration) -> StoreFuture<'_, Option<Lease>> {
        at_once(move || self.facts().lease(key, ttl, self.clock.instant()))
    }

    fn renew(&self, key: Digest, lease: Lease, ttl: Duration) -> StoreFuture<'_, bool> {
        at_once(move || self.facts().renew(key, lease, ttl, self.clock.instant()))
    }

    fn release(&self, key: Digest, lease: Lease) -> StoreFuture<'_, ()> {
        at_once(move || self.facts().release(key, lease, self.clock.instant()))
    }

    fn share(&self, key: Digest, lease: Lease, value: Bytes, until: Timestamp) -> StoreFuture<'_, bool> {
        at_once(move || self.facts().share(key, lease, value, until))
    }

    fn shared(&self, key: Digest) -> StoreFuture<'_, Option<Bytes>> {
        at_once(move || self.facts().shared(&key, self.clock.now()))
    }

    fn sweep(&self) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            loop {
                let sessions = self.sessions().sweep(self.clock.now(), SWEPT_AT_ONCE);
                let facts = self.facts().sweep(self.clock.now(), self.clock.instant(), SWEPT_AT_ONCE);
                if !sessions && !facts {
                    return Ok(());
                }
                tokio::task::yield_now().await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::ManualClock;
    use crate::base::random::SystemRandom;
    use crate::session::conformance;

    fn store(clock: Arc<ManualClock>) -> MemoryStore {
        MemoryStore::new(clock, MacKey::new(&[7; 32]))
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn conforms() {
        conformance::check(async |clock| Arc::new(store(clock)) as Arc<dyn SessionStore>).await;
    }

    #[tokio::test]
    async fn a_sweep_leaves_nothing_of_what_is_over_however_much_it_is() {
        let clock = Arc::new(ManualClock::default());
        let store = store(clock.clone());
        let until = clock.now() + Duration::from_secs(1000);
        for number in 0..3 * SWEPT_AT_ONCE {
            let id = SessionId::generate(&SystemRandom);
            store.open(&id, conformance::sample(clock.now(), "auth0|1"), u32::MAX).await.expect("opens");
            let key = Digest::of(number.to_be_bytes());
            store.put(key, Bytes::new(), until).await.expect("puts");
            store.lease(key, Duration::from_secs(1)).await.expect("leases");
        }
        clock.advance(Duration::from_hours(100));
        store.sweep().await.expect("sweeps");
        assert!(store.sessions().is_empty() && store.facts().is_empty());
    }

    #[tokio::test]
    async fn a_future_that_is_not_polled_does_nothing() {
        let store = store(Arc::default());
        let key = Digest::of("key");
        drop(store.first_time(key, Timestamp::MAX));
        assert!(store.first_time(key, Timestamp::MAX).await.expect("answers"));
    }
}
