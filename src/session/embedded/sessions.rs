//! Sessions in the tables. What is over, and what is found, is as in `memory/sessions.rs`.

use std::collections::BTreeSet;

use jiff::Timestamp;
use redb::{ReadOnlyTable, ReadableTable};

use super::tables::{Halt, Kind, Name, Tables};
use crate::base::digest::Digest;
use crate::session::record::Record;
use crate::session::ring::{Digests, KeyRing};
use crate::session::{Replaced, Session, Stored};

/// A record with its place in the order of opening: of two sessions opened in the same instant the earlier
/// call is the older.
pub(super) struct Entry {
    order: u64,
    record: Record,
}

impl Entry {
    fn read(bytes: &[u8]) -> Result<Self, Halt> {
        let (order, record) = bytes.split_first_chunk::<8>().ok_or(Halt::Unreadable)?;
        Ok(Self { order: u64::from_be_bytes(*order), record: Record::from_bytes(record)? })
    }

    fn to_bytes(&self) -> Vec<u8> {
        [self.order.to_be_bytes().as_slice(), &self.record.to_bytes()].concat()
    }
}

/// The session of that id, whichever key it was named by.
fn find(sessions: &impl ReadableTable<Name, &'static [u8]>, id: &Digests) -> Result<Option<(Digest, Entry)>, Halt> {
    for name in id.iter() {
        if let Some(entry) = at(sessions, name)? {
            return Ok(Some((*name, entry)));
        }
    }
    Ok(None)
}

fn at(sessions: &impl ReadableTable<Name, &'static [u8]>, name: &Digest) -> Result<Option<Entry>, Halt> {
    sessions.get(name.as_bytes())?.map(|bytes| Entry::read(bytes.value())).transpose()
}

/// The ids that are found by a name.
fn ids(names: &impl ReadableTable<&'static [u8; 64], ()>, found_by: &Digests) -> Result<Vec<Digest>, Halt> {
    let mut ids = Vec::new();
    for name in found_by.iter() {
        let (first, last) = (pair(name.as_bytes(), &[0; 32]), pair(name.as_bytes(), &[0xff; 32]));
        for entry in names.range::<&[u8; 64]>(&first..=&last)? {
            let mut id = [0; 32];
            id.copy_from_slice(&entry?.0.value()[32..]);
            ids.push(Digest::from_bytes(id));
        }
    }
    Ok(ids)
}

fn pair(name: &[u8; 32], id: &[u8; 32]) -> [u8; 64] {
    let mut pair = [0; 64];
    pair[..32].copy_from_slice(name);
    pair[32..].copy_from_slice(id);
    pair
}

/// A session to be opened or written.
pub(super) struct Sealed {
    /// The names of its id; the record was sealed for the current one.
    pub(super) id: Digests,
    pub(super) record: Record,
}

impl Tables<'_> {
    pub(super) fn open_session(
        &mut self,
        Sealed { id, record }: Sealed,
        client: &Digests,
        per_user: u32,
        now: Timestamp,
    ) -> Result<(), Halt> {
        if let Some((name, before)) = find(&self.sessions, &id)? {
            self.remove_session(&name, &before)?;
        }
        self.end_oldest(client, per_user, now)?;
        let order = self.next("opens")?;
        self.put_session(&id.current, &Entry { order, record })
    }

    pub(super) fn touch(&mut self, id: &Digests, idle_until: Timestamp, now: Timestamp) -> Result<bool, Halt> {
        let Some((name, mut entry)) = self.live(id, now)? else { return Ok(false) };
        let over_at = entry.record.over_at();
        if idle_until > entry.record.idle_until {
            entry.record.idle_until = idle_until;
            self.update(&name, &entry, over_at)?;
        }
        Ok(true)
    }

    pub(super) fn replace(&mut self, new: Sealed, version: u64, now: Timestamp) -> Result<Replaced, Halt> {
        let Some((name, before)) = self.live(&new.id, now)? else { return Ok(Replaced::Gone) };
        if before.record.version != version {
            return Ok(Replaced::Changed);
        }
        let mut record = new.record;
        record.idle_until = record.idle_until.max(before.record.idle_until);
        let (order, written) = (before.order, record.version);
        let entry = Entry { order, record };
        if name == new.id.current && before.record.found_by == entry.record.found_by {
            self.update(&name, &entry, before.record.over_at())?;
        } else {
            // The ring has another first key since: the session takes its names from that one.
            self.remove_session(&name, &before)?;
            self.put_session(&new.id.current, &entry)?;
        }
        Ok(Replaced::Done(written))
    }

    /// Opened before it is taken out: one that cannot be read stays.
    pub(super) fn end(&mut self, id: &Digests, ring: &KeyRing) -> Result<Option<Session>, Halt> {
        let Some((name, entry)) = find(&self.sessions, id)? else { return Ok(None) };
        let session = entry.record.open(ring, &name)?.session;
        self.remove_session(&name, &entry)?;
        Ok(Some(session))
    }

    /// Needs no key: a session that cannot be read ends as well.
    pub(super) fn end_all(
        &mut self,
        found_by: &Digests,
        opened_before: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<u64, Halt> {
        let mut count = 0;
        for (name, entry) in self.found(found_by)? {
            if opened_before.is_none_or(|before| entry.record.opened < before) {
                self.remove_session(&name, &entry)?;
                count += u64::from(!entry.record.is_over(now));
            }
        }
        Ok(count)
    }

    /// Drops at most `at_most` that are over; whether some may be left.
    pub(super) fn sweep_sessions(&mut self, now: Timestamp, at_most: usize) -> Result<bool, Halt> {
        let over = self.take_over(Kind::Session, now, at_most)?;
        for name in &over {
            match at(&self.sessions, name) {
                Ok(Some(entry)) => self.remove_session(name, &entry)?,
                Ok(None) => {}
                // Its bytes are damaged, and it is over: what still leads to it leads nowhere.
                Err(Halt::Unreadable) => drop(self.sessions.remove(name.as_bytes())?),
                Err(error) => return Err(error),
            }
        }
        Ok(over.len() == at_most)
    }

    /// Makes room for one more of the same user at the same client.
    fn end_oldest(&mut self, client: &Digests, per_user: u32, now: Timestamp) -> Result<(), Halt> {
        let keep = per_user.max(1) as usize - 1;
        let mut live = self.found(client)?;
        live.retain(|(_, entry)| !entry.record.is_over(now));
        live.sort_unstable_by_key(|(name, entry)| (entry.record.opened, entry.order, *name));
        let too_many = live.len().saturating_sub(keep);
        for (name, entry) in live.into_iter().take(too_many) {
            self.remove_session(&name, &entry)?;
        }
        Ok(())
    }

    fn live(&self, id: &Digests, now: Timestamp) -> Result<Option<(Digest, Entry)>, Halt> {
        Ok(find(&self.sessions, id)?.filter(|(_, entry)| !entry.record.is_over(now)))
    }

    fn found(&self, by: &Digests) -> Result<Vec<(Digest, Entry)>, Halt> {
        let mut found = Vec::new();
        for id in ids(&self.names, by)? {
            match at(&self.sessions, &id) {
                Ok(Some(entry)) => found.push((id, entry)),
                // One damaged record must not keep a user from logging in or out.
                Ok(None) | Err(Halt::Unreadable) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    fn put_session(&mut self, name: &Digest, entry: &Entry) -> Result<(), Halt> {
        self.changed = true;
        self.sessions.insert(name.as_bytes(), entry.to_bytes().as_slice())?;
        for found_by in entry.record.found_by.iter() {
            self.names.insert(&pair(found_by.as_bytes(), name.as_bytes()), ())?;
        }
        self.add_end(Kind::Session, entry.record.over_at(), name)
    }

    /// Writes a session whose names are as they were.
    fn update(&mut self, name: &Digest, entry: &Entry, over_at: Timestamp) -> Result<(), Halt> {
        self.changed = true;
        self.sessions.insert(name.as_bytes(), entry.to_bytes().as_slice())?;
        self.remove_end(Kind::Session, over_at, name)?;
        self.add_end(Kind::Session, entry.record.over_at(), name)
    }

    fn remove_session(&mut self, name: &Digest, entry: &Entry) -> Result<(), Halt> {
        self.changed = true;
        self.sessions.remove(name.as_bytes())?;
        for found_by in entry.record.found_by.iter() {
            self.names.remove(&pair(found_by.as_bytes(), name.as_bytes()))?;
        }
        self.remove_end(Kind::Session, entry.record.over_at(), name)
    }
}

/// Sessions as a snapshot has them.
pub(super) struct Snapshot {
    pub(super) sessions: ReadOnlyTable<Name, &'static [u8]>,
    pub(super) names: ReadOnlyTable<&'static [u8; 64], ()>,
}

impl Snapshot {
    pub(super) fn active_subjects(
        &self,
        ring: &KeyRing,
        tenant: &Digests,
        (after, limit): (Option<&str>, usize),
        now: Timestamp,
    ) -> Result<Vec<Box<str>>, Halt> {
        let mut subjects = BTreeSet::new();
        for id in ids(&self.names, tenant)? {
            let Some(entry) = at(&self.sessions, &id)?.filter(|entry| !entry.record.is_over(now)) else { continue };
            let subject = entry.record.open(ring, &id)?.session.subject;
            if after.is_none_or(|after| *subject > *after) {
                subjects.insert(subject);
                if subjects.len() > limit {
                    subjects.pop_last();
                }
            }
        }
        Ok(subjects.into_iter().collect())
    }
}

/// The session of that id, opened.
pub(super) fn read(
    sessions: &impl ReadableTable<Name, &'static [u8]>,
    ring: &KeyRing,
    id: &Digests,
    now: Timestamp,
) -> Result<Option<Stored>, Halt> {
    let Some((name, entry)) = find(sessions, id)?.filter(|(_, entry)| !entry.record.is_over(now)) else {
        return Ok(None);
    };
    Ok(Some(entry.record.open(ring, &name)?))
}
