//! Sessions in Redis: for many replicas.
//!
//! Owns the wiring of its parts and the [`SessionStore`] they make; what a key is called stands in `keys.rs`,
//! what must be atomic in `scripts/`, who is the primary in `primary.rs`, when a connection is replaced in
//! `connection.rs`, what is kept in this process in `cache.rs` and how that hears of changes in `follow.rs`.
//! Records are sealed before they leave, and found by keyed hashes ([`record`](super::record)).

mod address;
mod cache;
mod connection;
mod facts;
mod follow;
mod keys;
mod primary;
mod scripts;
mod sessions;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use redis::{Cmd, FromRedisValue};

use super::ring::KeyRing;
use super::{Lease, Replaced, Session, SessionId, SessionStore, StoreError, StoreFuture, Stored, Whose};
use crate::base::clock::Clock;
use crate::base::digest::Digest;
use crate::base::id::TenantName;
use crate::base::random::Random;
use cache::Cache;
use connection::{Connection, Repeat};
use keys::Keys;
use primary::Primary;
use scripts::{Call, Scripts};

pub use address::{Address, AddressError};
pub use connection::Deadlines;

/// How much longer than the store's own times Redis keeps what it will sweep: replicas' clocks may differ, and
/// only they say when something is over. `scripts/sessions.lua` has the same.
const SPARED: Duration = Duration::from_mins(10);

/// What the store works with.
#[derive(Debug, Clone)]
pub struct RedisParts {
    /// What time it is: for every end but Redis' own.
    pub clock: Arc<dyn Clock>,
    /// Nonces and pauses.
    pub random: Arc<dyn Random>,
    /// The keys that every replica has.
    pub ring: Arc<KeyRing>,
    /// How long a caller waits.
    pub deadlines: Deadlines,
}

/// Keeps everything in Redis, and for seconds in this process what it has read.
pub struct RedisStore {
    parts: RedisParts,
    keys: Keys,
    scripts: Scripts,
    primary: Primary,
    connection: Connection,
    cache: Cache,
}

impl RedisStore {
    /// A store at that address. Asks nobody yet: a gateway starts while Redis is down. Fails where the file of
    /// authorities, which counts only where TLS is spoken, cannot be read.
    pub fn new(address: Address, ca_file: Option<&Path>, parts: RedisParts) -> std::io::Result<Self> {
        let keys = Keys::new(address.prefix.clone(), address.is_cluster());
        let primary = Primary::new(address, ca_file)?;
        let connection = Connection::new(primary.clone(), &parts);
        let cache = Cache::new(Arc::clone(&parts.clock));
        Ok(Self { parts, keys, scripts: Scripts::new(), primary, connection, cache })
    }

    async fn run<T: FromRedisValue>(&self, call: Call<'_>, repeat: Repeat) -> Result<T, StoreError> {
        self.connection.ask(&call.by_digest(), || Some(call.by_text()), repeat).await
    }

    async fn command<T: FromRedisValue>(&self, command: &Cmd, repeat: Repeat) -> Result<T, StoreError> {
        self.connection.ask(command, || None, repeat).await
    }

    /// How long Redis keeps what is over at `until`, in milliseconds.
    fn kept_for(&self, until: Timestamp) -> u64 {
        let left = until.duration_since(self.parts.clock.now());
        let left = Duration::try_from(left).unwrap_or_default().saturating_add(SPARED);
        u64::try_from(left.as_millis()).unwrap_or(u64::MAX)
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisStore")
    }
}

impl SessionStore for RedisStore {
    fn open<'a>(&'a self, id: &'a SessionId, session: Session, per_user: u32) -> StoreFuture<'a, ()> {
        Box::pin(self.open_session(id, session, per_user))
    }

    fn read<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<Stored>> {
        Box::pin(self.read_session(id))
    }

    fn touch<'a>(&'a self, id: &'a SessionId, idle_until: Timestamp) -> StoreFuture<'a, bool> {
        Box::pin(self.touch_session(id, idle_until))
    }

    fn replace<'a>(&'a self, id: &'a SessionId, version: u64, session: Session) -> StoreFuture<'a, Replaced> {
        Box::pin(self.replace_session(id, version, session))
    }

    fn end<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<Session>> {
        Box::pin(self.end_session(id))
    }

    fn end_all<'a>(&'a self, whose: &'a Whose) -> StoreFuture<'a, u64> {
        Box::pin(self.end_sessions(whose))
    }

    fn active_subjects<'a>(
        &'a self,
        tenant: &'a TenantName,
        after: Option<&'a str>,
        limit: usize,
    ) -> StoreFuture<'a, Vec<Box<str>>> {
        Box::pin(self.list_subjects(tenant, after, limit))
    }

    fn count(&self) -> StoreFuture<'_, u64> {
        Box::pin(self.count_sessions())
    }

    fn first_time(&self, key: Digest, until: Timestamp) -> StoreFuture<'_, bool> {
        Box::pin(self.is_first_time(key, until))
    }

    fn put(&self, key: Digest, value: Bytes, until: Timestamp) -> StoreFuture<'_, ()> {
        Box::pin(self.put_value(key, value, until))
    }

    fn take(&self, key: Digest) -> StoreFuture<'_, Option<Bytes>> {
        Box::pin(self.take_value(key))
    }

    fn lease(&self, key: Digest, ttl: Duration) -> StoreFuture<'_, Option<Lease>> {
        Box::pin(self.take_lease(key, ttl))
    }

    fn renew(&self, key: Digest, lease: Lease, ttl: Duration) -> StoreFuture<'_, bool> {
        Box::pin(self.hold_lease(key, lease, ttl))
    }

    fn release(&self, key: Digest, lease: Lease) -> StoreFuture<'_, ()> {
        Box::pin(async move { self.hold_lease(key, lease, Duration::ZERO).await.map(drop) })
    }

    fn share(&self, key: Digest, lease: Lease, value: Bytes, until: Timestamp) -> StoreFuture<'_, bool> {
        Box::pin(self.share_result(key, lease, value, until))
    }

    fn shared(&self, key: Digest) -> StoreFuture<'_, Option<Bytes>> {
        Box::pin(self.shared_result(key))
    }

    fn sweep(&self) -> StoreFuture<'_, ()> {
        Box::pin(self.sweep_sessions())
    }
}
