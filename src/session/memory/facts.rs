//! First times, values given out once, leases and shared results.

use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;

use super::expiring::Expiring;
use crate::base::digest::Digest;
use crate::session::{FENCE_MEMORY, Lease};

#[derive(Debug, Default)]
pub(super) struct Facts {
    firsts: Expiring<(), Timestamp>,
    values: Expiring<Bytes, Timestamp>,
    shared: Expiring<Bytes, Timestamp>,
    /// By monotonic time: a wall clock that jumps must not hand a lease to a second holder.
    /// An entry outlives its lease by [`FENCE_MEMORY`].
    leases: Expiring<Held, Instant>,
    /// One counter for all keys, so that a key that was swept cannot begin anew.
    last_fence: u64,
}

#[derive(Debug)]
struct Held {
    fence: u64,
    until: Instant,
}

impl Facts {
    pub(super) fn first_time(&mut self, key: Digest, until: Timestamp, now: Timestamp) -> bool {
        if self.firsts.live(&key, now).is_some() {
            return false;
        }
        self.firsts.insert(key, (), until);
        true
    }

    pub(super) fn put(&mut self, key: Digest, value: Bytes, until: Timestamp) {
        self.values.insert(key, value, until);
    }

    pub(super) fn take(&mut self, key: &Digest, now: Timestamp) -> Option<Bytes> {
        self.values.remove(key).filter(|(_, until)| now < *until).map(|(value, _)| value)
    }

    pub(super) fn lease(&mut self, key: Digest, ttl: Duration, now: Instant) -> Option<Lease> {
        if self.leases.get(&key).is_some_and(|held| now < held.until) {
            return None;
        }
        self.last_fence += 1;
        let held = Held { fence: self.last_fence, until: now + ttl };
        let forget_at = held.until + FENCE_MEMORY;
        self.leases.insert(key, held, forget_at);
        Some(Lease { fence: self.last_fence })
    }

    pub(super) fn renew(&mut self, key: Digest, lease: Lease, ttl: Duration, now: Instant) -> bool {
        self.hold_until(key, lease, now, now + ttl)
    }

    pub(super) fn release(&mut self, key: Digest, lease: Lease, now: Instant) {
        self.hold_until(key, lease, now, now);
    }

    pub(super) fn share(&mut self, key: Digest, lease: Lease, value: Bytes, until: Timestamp) -> bool {
        if self.leases.get(&key).is_some_and(|held| held.fence > lease.fence) {
            return false;
        }
        self.shared.insert(key, value, until);
        true
    }

    pub(super) fn shared(&self, key: &Digest, now: Timestamp) -> Option<Bytes> {
        self.shared.live(key, now).cloned()
    }

    /// Drops at most `at_most` of each kind; whether some are left.
    pub(super) fn sweep(&mut self, now: Timestamp, instant: Instant, at_most: usize) -> bool {
        let left = [
            self.firsts.sweep(now, at_most),
            self.values.sweep(now, at_most),
            self.shared.sweep(now, at_most),
            self.leases.sweep(instant, at_most),
        ];
        left.contains(&true)
    }

    /// Whether the lease is still ours; if so it ends at `until`.
    fn hold_until(&mut self, key: Digest, lease: Lease, now: Instant, until: Instant) -> bool {
        let Some(held) = self.leases.get_mut(&key).filter(|held| held.fence == lease.fence && now < held.until) else {
            return false;
        };
        held.until = until;
        self.leases.move_end(&key, until + FENCE_MEMORY);
        true
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.firsts.is_empty() && self.values.is_empty() && self.shared.is_empty() && self.leases.is_empty()
    }
}
