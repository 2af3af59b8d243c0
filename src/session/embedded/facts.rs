//! First times, values given out once, leases and shared results in the tables.
//!
//! Keys are the digests that callers give: they are of random tokens, so a dump says nothing by them, and a
//! rotated ring must not make a first time come twice. Values are sealed.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use redb::ReadableTable;

use super::tables::{Halt, Kind, Tables};
use crate::base::digest::Digest;
use crate::session::record::{Record, open_value};
use crate::session::ring::KeyRing;
use crate::session::{FENCE_MEMORY, Lease};

/// What values are sealed as.
pub(super) const VALUE: &str = "value";
/// What shared results are sealed as.
pub(super) const SHARED: &str = "shared";

/// A fact as it is kept.
struct Fact {
    until: Timestamp,
    payload: Vec<u8>,
}

/// Who has a lease.
struct Held {
    fence: u64,
    /// By the wall clock, since it must hold over a restart. Should that jump, `flow::refresh` still has one
    /// call under way for a token in this process, and there is no other.
    until: Timestamp,
}

fn place(kind: Kind, key: &Digest) -> [u8; 33] {
    let mut place = [kind as u8; 33];
    place[1..].copy_from_slice(key.as_bytes());
    place
}

fn fact(
    facts: &impl ReadableTable<&'static [u8; 33], &'static [u8]>,
    kind: Kind,
    key: &Digest,
) -> Result<Option<Fact>, Halt> {
    let Some(bytes) = facts.get(&place(kind, key))? else { return Ok(None) };
    let (until, payload) = bytes.value().split_first_chunk().ok_or(Halt::Unreadable)?;
    Ok(Some(Fact { until: Record::idle_of(*until)?, payload: payload.to_vec() }))
}

/// The shared result, until its time.
pub(super) fn shared(
    facts: &impl ReadableTable<&'static [u8; 33], &'static [u8]>,
    ring: &KeyRing,
    key: &Digest,
    now: Timestamp,
) -> Result<Option<Bytes>, Halt> {
    let fact = fact(facts, Kind::Shared, key)?.filter(|fact| now < fact.until);
    Ok(fact.map(|fact| open_value(ring, (SHARED, key), fact.until, &fact.payload)).transpose()?)
}

fn after(now: Timestamp, duration: Duration) -> Timestamp {
    now.saturating_add(duration).unwrap_or(Timestamp::MAX)
}

impl Tables<'_> {
    pub(super) fn first_time(&mut self, key: &Digest, until: Timestamp, now: Timestamp) -> Result<bool, Halt> {
        if fact(&self.facts, Kind::First, key)?.is_some_and(|fact| now < fact.until) {
            return Ok(false);
        }
        self.put_fact(Kind::First, key, until, &[])?;
        Ok(true)
    }

    pub(super) fn put_value(&mut self, key: &Digest, until: Timestamp, sealed: &[u8]) -> Result<(), Halt> {
        self.put_fact(Kind::Value, key, until, sealed)
    }

    /// Opened before it is taken out: one that cannot be read stays.
    pub(super) fn take(&mut self, ring: &KeyRing, key: &Digest, now: Timestamp) -> Result<Option<Bytes>, Halt> {
        let Some(fact) = fact(&self.facts, Kind::Value, key)?.filter(|fact| now < fact.until) else { return Ok(None) };
        let value = open_value(ring, (VALUE, key), fact.until, &fact.payload)?;
        self.remove_fact(Kind::Value, key)?;
        Ok(Some(value))
    }

    pub(super) fn lease(&mut self, key: &Digest, ttl: Duration, now: Timestamp) -> Result<Option<Lease>, Halt> {
        if self.held(key)?.is_some_and(|held| now < held.until) {
            return Ok(None);
        }
        let fence = self.next("fence")?;
        self.hold(key, &Held { fence, until: after(now, ttl) })?;
        Ok(Some(Lease { fence }))
    }

    pub(super) fn renew(&mut self, key: &Digest, lease: Lease, ttl: Duration, now: Timestamp) -> Result<bool, Halt> {
        self.hold_until(key, lease, now, after(now, ttl))
    }

    pub(super) fn release(&mut self, key: &Digest, lease: Lease, now: Timestamp) -> Result<(), Halt> {
        self.hold_until(key, lease, now, now).map(drop)
    }

    pub(super) fn share(&mut self, key: &Digest, lease: Lease, until: Timestamp, sealed: &[u8]) -> Result<bool, Halt> {
        if self.held(key)?.is_some_and(|held| held.fence > lease.fence) {
            return Ok(false);
        }
        self.put_fact(Kind::Shared, key, until, sealed)?;
        Ok(true)
    }

    /// Drops at most `at_most` of a kind that are over; whether some may be left.
    pub(super) fn sweep_facts(&mut self, kind: Kind, now: Timestamp, at_most: usize) -> Result<bool, Halt> {
        let over = self.take_over(kind, now, at_most)?;
        for key in &over {
            self.facts.remove(&place(kind, key))?;
        }
        Ok(over.len() == at_most)
    }

    fn held(&self, key: &Digest) -> Result<Option<Held>, Halt> {
        let Some(fact) = fact(&self.facts, Kind::Lease, key)? else { return Ok(None) };
        let (fence, until) = fact.payload.split_first_chunk().ok_or(Halt::Unreadable)?;
        let until = Record::idle_of(until.try_into().map_err(|_| Halt::Unreadable)?)?;
        Ok(Some(Held { fence: u64::from_be_bytes(*fence), until }))
    }

    fn hold(&mut self, key: &Digest, held: &Held) -> Result<(), Halt> {
        let payload = [held.fence.to_be_bytes().as_slice(), &Record::idle_bytes(held.until)].concat();
        self.put_fact(Kind::Lease, key, after(held.until, FENCE_MEMORY), &payload)
    }

    /// Whether the lease is still ours; if so it ends at `until`.
    fn hold_until(&mut self, key: &Digest, lease: Lease, now: Timestamp, until: Timestamp) -> Result<bool, Halt> {
        let Some(held) = self.held(key)?.filter(|held| held.fence == lease.fence && now < held.until) else {
            return Ok(false);
        };
        self.hold(key, &Held { until, ..held })?;
        Ok(true)
    }

    fn put_fact(&mut self, kind: Kind, key: &Digest, until: Timestamp, payload: &[u8]) -> Result<(), Halt> {
        self.remove_fact(kind, key)?;
        let value = [Record::idle_bytes(until).as_slice(), payload].concat();
        self.facts.insert(&place(kind, key), value.as_slice())?;
        self.add_end(kind, until, key)
    }

    fn remove_fact(&mut self, kind: Kind, key: &Digest) -> Result<(), Halt> {
        if let Some(before) = fact(&self.facts, kind, key)? {
            self.facts.remove(&place(kind, key))?;
            self.remove_end(kind, before.until, key)?;
        }
        Ok(())
    }
}
