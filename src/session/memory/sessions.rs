//! The records and the one index by which they are found otherwise than by id.

use std::collections::BTreeSet;

use ahash::{AHashMap, AHashSet};
use jiff::Timestamp;

use super::expiring::Expiring;
use crate::base::digest::Digest;
use crate::base::id::TenantName;
use crate::session::{Replaced, Session, Stored, Whose};

#[derive(Debug, Default)]
pub(super) struct Sessions {
    /// By the id's keyed hash, until the session is over.
    records: Expiring<Record, Timestamp>,
    /// What a session is found by (see [`index_keys`]) → ids.
    index: AHashMap<Digest, AHashSet<Digest>>,
    /// Counts `open`s: of two sessions opened in the same instant the earlier call is the older.
    opens: u64,
}

#[derive(Debug)]
struct Record {
    stored: Stored,
    order: u64,
    /// Where the index holds it: as it was opened.
    keys: Vec<Digest>,
}

impl Sessions {
    pub(super) fn open(&mut self, id: Digest, session: Session, per_user: u32, now: Timestamp) {
        self.end(&id);
        self.end_oldest(&session, per_user, now);
        let keys: Vec<Digest> = index_keys(&session).collect();
        for key in &keys {
            self.index.entry(*key).or_default().insert(id);
        }
        self.opens += 1;
        let over_at = over_at(&session);
        self.records.insert(id, Record { stored: Stored { session, version: 1 }, order: self.opens, keys }, over_at);
    }

    pub(super) fn read(&self, id: &Digest, now: Timestamp) -> Option<Stored> {
        self.records.live(id, now).map(|record| record.stored.clone())
    }

    pub(super) fn touch(&mut self, id: &Digest, idle_until: Timestamp, now: Timestamp) -> bool {
        let Some(record) = self.live_mut(id, now) else { return false };
        let session = &mut record.stored.session;
        session.idle_until = session.idle_until.max(idle_until);
        let over_at = over_at(session);
        self.records.move_end(id, over_at);
        true
    }

    pub(super) fn replace(&mut self, id: &Digest, version: u64, session: Session, now: Timestamp) -> Replaced {
        let Some(record) = self.live_mut(id, now) else { return Replaced::Gone };
        let stored = &mut record.stored;
        if stored.version != version {
            return Replaced::Changed;
        }
        let idle_until = stored.session.idle_until.max(session.idle_until);
        let version = version + 1;
        *stored = Stored { session: Session { idle_until, ..session }, version };
        let over_at = over_at(&stored.session);
        self.records.move_end(id, over_at);
        Replaced::Done(version)
    }

    pub(super) fn end(&mut self, id: &Digest) -> Option<Session> {
        let (record, _) = self.records.remove(id)?;
        for key in record.keys {
            if let Some(ids) = self.index.get_mut(&key) {
                ids.remove(id);
                if ids.is_empty() {
                    self.index.remove(&key);
                }
            }
        }
        Some(record.stored.session)
    }

    pub(super) fn end_all(&mut self, whose: &Whose, now: Timestamp) -> u64 {
        let (key, opened_before) = match whose {
            Whose::User { issuer, subject, opened_before } => (subject_key(issuer.as_str(), subject), *opened_before),
            Whose::Sid { issuer, sid } => (sid_key(issuer.as_str(), sid), None),
            Whose::Tenant { tenant, opened_before } => (tenant_key(tenant), Some(*opened_before)),
        };
        let meant = |record: &Record| opened_before.is_none_or(|before| record.stored.session.opened < before);
        let ids: Vec<Digest> = self.found_by(&key).filter(|(_, record)| meant(record)).map(|(id, _)| *id).collect();
        let ended = ids.iter().filter_map(|id| self.end(id));
        ended.fold(0, |count, session| count + u64::from(!session.is_over(now)))
    }

    pub(super) fn active_subjects(
        &self,
        tenant: &TenantName,
        after: Option<&str>,
        limit: usize,
        now: Timestamp,
    ) -> Vec<Box<str>> {
        let live = self.found_by(&tenant_key(tenant)).map(|(_, record)| &record.stored.session);
        let subjects: BTreeSet<&str> =
            live.filter(|session| !session.is_over(now)).map(|session| &*session.subject).collect();
        subjects
            .into_iter()
            .filter(|subject| after.is_none_or(|after| *subject > after))
            .take(limit)
            .map(Box::from)
            .collect()
    }

    pub(super) fn count(&self, now: Timestamp) -> u64 {
        self.records.live_count(now) as u64
    }

    /// Drops at most `at_most` that are over; whether some are left.
    pub(super) fn sweep(&mut self, now: Timestamp, at_most: usize) -> bool {
        for _ in 0..at_most {
            match self.records.first_over(now) {
                Some(id) => self.end(&id),
                None => return false,
            };
        }
        self.records.first_over(now).is_some()
    }

    /// Makes room for one more of the same user at the same client.
    fn end_oldest(&mut self, session: &Session, per_user: u32, now: Timestamp) {
        let keep = per_user.max(1) as usize - 1;
        let mut live: Vec<(Timestamp, u64, Digest)> = self
            .found_by(&client_key(session))
            .filter(|(_, record)| !record.stored.session.is_over(now))
            .map(|(id, record)| (record.stored.session.opened, record.order, *id))
            .collect();
        live.sort_unstable();
        let too_many = live.len().saturating_sub(keep);
        for (_, _, id) in live.into_iter().take(too_many) {
            self.end(&id);
        }
    }

    fn live_mut(&mut self, id: &Digest, now: Timestamp) -> Option<&mut Record> {
        self.records.get_mut(id).filter(|record| !record.stored.session.is_over(now))
    }

    fn found_by<'a>(&'a self, key: &Digest) -> impl Iterator<Item = (&'a Digest, &'a Record)> + use<'a> {
        self.index.get(key).into_iter().flatten().filter_map(|id| self.records.get(id).map(|record| (id, record)))
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.index.is_empty()
    }
}

fn over_at(session: &Session) -> Timestamp {
    session.ends.min(session.idle_until)
}

fn index_keys(session: &Session) -> impl Iterator<Item = Digest> {
    let issuer = session.issuer.as_str();
    let sid = session.sid.as_ref().map(|sid| sid_key(issuer, sid));
    [subject_key(issuer, &session.subject), tenant_key(&session.tenant), client_key(session)].into_iter().chain(sid)
}

fn subject_key(issuer: &str, subject: &str) -> Digest {
    Digest::of_parts([b"subject".as_slice(), issuer.as_bytes(), subject.as_bytes()])
}

fn sid_key(issuer: &str, sid: &str) -> Digest {
    Digest::of_parts([b"sid".as_slice(), issuer.as_bytes(), sid.as_bytes()])
}

fn tenant_key(tenant: &TenantName) -> Digest {
    Digest::of_parts([b"tenant".as_slice(), tenant.as_str().as_bytes()])
}

fn client_key(session: &Session) -> Digest {
    let (tenant, client) = (session.tenant.as_str().as_bytes(), session.client_id.as_bytes());
    Digest::of_parts([b"client".as_slice(), tenant, client, session.subject.as_bytes()])
}
