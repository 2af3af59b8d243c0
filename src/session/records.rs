//! Small records that lie where sessions are kept and are of no session: a store beside the store.
//!
//! Owns the contract and what seals a record. Whose records they are, and what stands in them, is the caller's:
//! [`app`](crate::app) keeps the last good versions of tenant files here.

use std::fmt;

use super::ring::KeyRing;
use super::{StoreError, StoreFuture};
use crate::base::random::Random;

/// A name and what is kept under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedRecord {
    /// Stands in plain in the store.
    pub name: Box<str>,
    /// Sealed in the store.
    pub value: Vec<u8>,
}

/// Everything that was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundRecords {
    /// In no order.
    pub records: Vec<NamedRecord>,
    /// Names whose record no key opens, or that was changed or moved to another name. They are left as they are.
    pub unreadable: Vec<Box<str>>,
}

/// Keeps records until they are removed.
///
/// Sealed though no secret stands in them: what is read of a record decides where a tenant's secrets are sent, so
/// that somebody who can write to the store must not be able to write one. Replicas share them; the last writer of
/// a name wins.
pub trait RecordStore: Send + Sync + fmt::Debug {
    /// Keeps all of them, each in place of an earlier one of its name.
    fn put_records<'a>(&'a self, records: &'a [NamedRecord]) -> StoreFuture<'a, ()>;

    /// Removes those of these names; one that is not there is no error.
    fn remove_records<'a>(&'a self, names: &'a [Box<str>]) -> StoreFuture<'a, ()>;

    /// All there are.
    fn records(&self) -> StoreFuture<'_, FoundRecords>;
}

impl FoundRecords {
    /// Opens a record and puts it where it belongs.
    pub(super) fn add(&mut self, ring: &KeyRing, name: &str, sealed: &[u8]) {
        match ring.open_bytes(&place(name), sealed) {
            Ok(value) => self.records.push(NamedRecord { name: name.into(), value: value.to_vec() }),
            Err(_) => self.unreadable.push(name.into()),
        }
    }
}

/// Seals a record under its name.
pub(super) fn seal(ring: &KeyRing, random: &dyn Random, record: &NamedRecord) -> Result<Vec<u8>, StoreError> {
    ring.seal_bytes(random, &place(&record.name), &record.value).map_err(|_| StoreError::Unreadable)
}

fn place(name: &str) -> [&[u8]; 2] {
    [b"record", name.as_bytes()]
}
