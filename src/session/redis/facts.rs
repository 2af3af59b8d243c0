//! First times, values given out once, leases and shared results: a key or two each, wherever in a Cluster they
//! fall.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use redis::cmd;

use super::connection::Repeat;
use super::scripts::Call;
use super::{RedisStore, SPARED, keys};
use crate::base::digest::Digest;
use crate::session::{FENCE_MEMORY, Lease, StoreError, record};

/// Before the sealed part of a value stands its end, bound by the seal.
const END_LENGTH: usize = 21;

impl RedisStore {
    pub(super) async fn is_first_time(&self, key: Digest, until: Timestamp) -> Result<bool, StoreError> {
        let call = Call::new(&self.scripts.first_time, [self.keys.first_time(key)])
            .argument(keys::time(self.parts.clock.now()))
            .argument(keys::time(until))
            .argument(self.kept_for(until));
        self.run(call, Repeat::Never).await
    }

    pub(super) async fn put_value(&self, key: Digest, value: Bytes, until: Timestamp) -> Result<(), StoreError> {
        let value = self.sealed(("value", key), &value, until)?;
        let mut command = cmd("SET");
        command.arg(self.keys.value(key)).arg(value).arg("PX").arg(self.kept_for(until));
        self.command(&command, Repeat::Harmless).await
    }

    pub(super) async fn take_value(&self, key: Digest) -> Result<Option<Bytes>, StoreError> {
        let mut command = cmd("GETDEL");
        command.arg(self.keys.value(key));
        let value: Option<Vec<u8>> = self.command(&command, Repeat::Never).await?;
        self.opened(("value", key), value)
    }

    pub(super) async fn take_lease(&self, key: Digest, ttl: Duration) -> Result<Option<Lease>, StoreError> {
        let now = self.parts.clock.now();
        let call = Call::new(&self.scripts.lease, [self.keys.lease(key)])
            .argument(keys::time(now))
            .argument(keys::time(later(now, ttl)))
            .argument(remembered_for(ttl));
        let fence: Option<u64> = self.run(call, Repeat::Never).await?;
        Ok(fence.map(|fence| Lease { fence }))
    }

    /// Holds a lease that is ours for `ttl` from now.
    pub(super) async fn hold_lease(&self, key: Digest, lease: Lease, ttl: Duration) -> Result<bool, StoreError> {
        let now = self.parts.clock.now();
        let call = Call::new(&self.scripts.hold, [self.keys.lease(key)])
            .argument(keys::time(now))
            .argument(lease.fence)
            .argument(keys::time(later(now, ttl)))
            .argument(remembered_for(ttl));
        // Given back twice is given back; a renewal that follows itself holds as long.
        self.run(call, if ttl.is_zero() { Repeat::Never } else { Repeat::Harmless }).await
    }

    pub(super) async fn share_result(
        &self,
        key: Digest,
        lease: Lease,
        value: Bytes,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let value = self.sealed(("shared", key), &value, until)?;
        let call = Call::new(&self.scripts.share, [self.keys.lease(key), self.keys.shared(key)])
            .argument(lease.fence)
            .argument(value)
            .argument(self.kept_for(until));
        self.run(call, Repeat::Harmless).await
    }

    pub(super) async fn shared_result(&self, key: Digest) -> Result<Option<Bytes>, StoreError> {
        let mut command = cmd("GET");
        command.arg(self.keys.shared(key));
        let value: Option<Vec<u8>> = self.command(&command, Repeat::Harmless).await?;
        self.opened(("shared", key), value)
    }

    fn sealed(&self, (kind, key): (&str, Digest), value: &[u8], until: Timestamp) -> Result<Vec<u8>, StoreError> {
        let mut bytes = keys::time(until).into_bytes();
        let until = keys::time_of(&bytes).ok_or(StoreError::Unreadable)?;
        let with = (&*self.parts.ring, &*self.parts.random);
        bytes.extend(record::seal_value(with, (kind, &key), until, value)?);
        Ok(bytes)
    }

    /// A value, if there is one and it is not over.
    fn opened(&self, (kind, key): (&str, Digest), value: Option<Vec<u8>>) -> Result<Option<Bytes>, StoreError> {
        let Some(value) = value else { return Ok(None) };
        let (until, sealed) = value.split_at_checked(END_LENGTH).ok_or(StoreError::Unreadable)?;
        let until = keys::time_of(until).ok_or(StoreError::Unreadable)?;
        let value = record::open_value(&self.parts.ring, (kind, &key), until, sealed)?;
        Ok((self.parts.clock.now() < until).then_some(value))
    }
}

fn later(now: Timestamp, by: Duration) -> Timestamp {
    now.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// How long Redis keeps a lease of `ttl` with its fence, in milliseconds.
fn remembered_for(ttl: Duration) -> u64 {
    let kept = ttl.saturating_add(FENCE_MEMORY).saturating_add(SPARED);
    u64::try_from(kept.as_millis()).unwrap_or(u64::MAX)
}
