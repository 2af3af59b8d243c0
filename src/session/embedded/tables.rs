//! The tables of the file, and what a write does to them.
//!
//! | table | key | value |
//! |---|---|---|
//! | `sessions` | name of the id | order of opening, [`Record`] |
//! | `names` | what it is found by, name of the id | – |
//! | `facts` | kind, key | until, payload |
//! | `ends` | kind, until, name or key | –: what is over, the longest over first |
//! | `records` | name | sealed value |
//! | `about` | `format`, `keys`, `fence`, `opens` | the file's form, a proof of the keys, two counters |

use jiff::Timestamp;
use redb::{ReadableTable, Table, TableDefinition, WriteTransaction};

use crate::base::digest::Digest;
use crate::session::StoreError;
use crate::session::record::Record;

/// A digest.
pub(super) type Name = &'static [u8; 32];

pub(super) const SESSIONS: TableDefinition<'_, Name, &[u8]> = TableDefinition::new("sessions");
pub(super) const NAMES: TableDefinition<'_, &[u8; 64], ()> = TableDefinition::new("names");
pub(super) const FACTS: TableDefinition<'_, &[u8; 33], &[u8]> = TableDefinition::new("facts");
pub(super) const ENDS: TableDefinition<'_, &[u8; END_LENGTH], ()> = TableDefinition::new("ends");
pub(super) const RECORDS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("records");
pub(super) const ABOUT: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("about");

const END_LENGTH: usize = 1 + MOMENT_LENGTH + 32;
const MOMENT_LENGTH: usize = Record::IDLE_LENGTH;

/// What has an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Session = 0,
    First = 1,
    Value = 2,
    Shared = 3,
    Lease = 4,
}

impl Kind {
    pub(super) const ALL: [Self; 5] = [Self::Session, Self::First, Self::Value, Self::Shared, Self::Lease];
}

/// Why a call cannot be carried out.
#[derive(Debug)]
pub(super) enum Halt {
    /// It met a record that cannot be read. It has changed nothing, and the calls beside it go on.
    Unreadable,
    /// The file failed: nothing of what is in the same transaction has happened.
    Storage(redb::Error),
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unreadable => Self::Unreadable,
            StoreError::Unavailable(why) => Self::Storage(redb::Error::Io(std::io::Error::other(why))),
        }
    }
}

macro_rules! storage {
    ($($error:ident),+) => {
        $(impl From<redb::$error> for Halt {
            fn from(error: redb::$error) -> Self {
                Self::Storage(error.into())
            }
        })+
    };
}
storage!(StorageError, TableError, TransactionError, CommitError);

/// The tables, in a transaction that writes.
pub(super) struct Tables<'a> {
    pub(super) sessions: Table<'a, Name, &'static [u8]>,
    pub(super) names: Table<'a, &'static [u8; 64], ()>,
    pub(super) facts: Table<'a, &'static [u8; 33], &'static [u8]>,
    ends: Table<'a, &'static [u8; END_LENGTH], ()>,
    pub(super) records: Table<'a, &'static str, &'static [u8]>,
    pub(super) about: Table<'a, &'static str, &'static [u8]>,
    /// Whether there is something to commit.
    pub(super) changed: bool,
}

impl<'a> Tables<'a> {
    pub(super) fn open(transaction: &'a WriteTransaction) -> Result<Self, Halt> {
        Ok(Self {
            sessions: transaction.open_table(SESSIONS)?,
            names: transaction.open_table(NAMES)?,
            facts: transaction.open_table(FACTS)?,
            ends: transaction.open_table(ENDS)?,
            records: transaction.open_table(RECORDS)?,
            about: transaction.open_table(ABOUT)?,
            changed: false,
        })
    }

    /// What the file says of itself.
    pub(super) fn about(&self, what: &str) -> Result<Option<Vec<u8>>, Halt> {
        Ok(self.about.get(what)?.map(|value| value.value().to_vec()))
    }

    pub(super) fn set_about(&mut self, what: &str, value: &[u8]) -> Result<(), Halt> {
        self.changed = true;
        self.about.insert(what, value)?;
        Ok(())
    }

    /// The next number of a counter that never gives one twice.
    pub(super) fn next(&mut self, counter: &str) -> Result<u64, Halt> {
        let last = self.about(counter)?.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes);
        let next = last + 1;
        self.set_about(counter, &next.to_be_bytes())?;
        Ok(next)
    }

    /// Notes that something is over at a time.
    pub(super) fn add_end(&mut self, kind: Kind, until: Timestamp, key: &Digest) -> Result<(), Halt> {
        self.changed = true;
        self.ends.insert(&end(kind, until, key.as_bytes()), ())?;
        Ok(())
    }

    pub(super) fn remove_end(&mut self, kind: Kind, until: Timestamp, key: &Digest) -> Result<(), Halt> {
        self.changed = true;
        self.ends.remove(&end(kind, until, key.as_bytes()))?;
        Ok(())
    }

    /// At most `at_most` whose end has come, with their ends' notes taken out.
    pub(super) fn take_over(&mut self, kind: Kind, now: Timestamp, at_most: usize) -> Result<Vec<Digest>, Halt> {
        let (first, last) = over(kind, now);
        let mut taken = Vec::new();
        for entry in self.ends.range::<&[u8; END_LENGTH]>(&first..=&last)?.take(at_most) {
            taken.push(*entry?.0.value());
        }
        self.changed |= !taken.is_empty();
        for end in &taken {
            self.ends.remove(end)?;
        }
        Ok(taken.iter().map(|end| Digest::from_bytes(key_of(end))).collect())
    }
}

/// How many of a kind are over and not yet swept.
pub(super) fn over_count(
    ends: &impl ReadableTable<&'static [u8; END_LENGTH], ()>,
    kind: Kind,
    now: Timestamp,
) -> Result<u64, Halt> {
    let (first, last) = over(kind, now);
    ends.range::<&[u8; END_LENGTH]>(&first..=&last)?
        .try_fold(0, |count, entry| entry.map(|_| count + 1))
        .map_err(Halt::from)
}

/// The first and the last note of what is over.
fn over(kind: Kind, now: Timestamp) -> ([u8; END_LENGTH], [u8; END_LENGTH]) {
    (end(kind, Timestamp::MIN, &[0; 32]), end(kind, now, &[0xff; 32]))
}

fn end(kind: Kind, until: Timestamp, key: &[u8; 32]) -> [u8; END_LENGTH] {
    let mut bytes = [0; END_LENGTH];
    bytes[0] = kind as u8;
    bytes[1..=MOMENT_LENGTH].copy_from_slice(&Record::idle_bytes(until));
    bytes[1 + MOMENT_LENGTH..].copy_from_slice(key);
    bytes
}

fn key_of(end: &[u8; END_LENGTH]) -> [u8; 32] {
    let mut key = [0; 32];
    key.copy_from_slice(&end[1 + MOMENT_LENGTH..]);
    key
}
