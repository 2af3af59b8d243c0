//! The ends that are kept, which are due, and which sessions they are about.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::Unheard;
use crate::base::digest::Digest;
use crate::base::id::{Issuer, TenantName};
use crate::session::{Session, SessionId, Whose};

/// How many ends are kept at the most: some hundred bytes each. Whoever sends a cookie that looks like one takes a
/// place while the store is away, since nobody can say then what is behind it.
pub(super) const MOST: usize = 20_000;

/// When an answered end is written again, at twice its age each time: so a server that took over and never had it
/// hears of it in at most the time that the change took.
const FIRST_AGAIN: Duration = Duration::from_secs(1);

/// The last time is after `FIRST_AGAIN` doubled so often: 64 s, when any failover is over.
const LAST_ROUND: u32 = 6;

/// How many may have asked for the end of one session, each with an own idea of whose it is.
const MOST_ASKERS: usize = 4;

/// An end.
#[derive(Clone)]
pub(super) enum End {
    /// Of one session; all of one id, and never none.
    Session(Vec<Arc<Unheard>>),
    All(Whose),
}

#[derive(Clone, Copy)]
enum State {
    /// The store has not heard of it, after so many attempts.
    Owed(u32),
    /// This server has.
    Answered { server: u64, at: Instant, round: u32 },
}

struct Kept {
    end: End,
    state: State,
}

/// All that are kept.
#[derive(Default)]
pub(super) struct Book {
    ends: HashMap<Digest, Kept>,
    owed: usize,
    /// One found no place: nothing that was read before the store went away can be believed.
    overflowed: bool,
}

impl Book {
    pub(super) fn kept(&self) -> usize {
        self.ends.len().max(usize::from(self.overflowed))
    }

    pub(super) fn owed(&self) -> usize {
        self.owed
    }

    /// The store has not heard of it.
    pub(super) fn owe(&mut self, end: End) {
        self.put(end, State::Owed(0));
    }

    /// The store has; `None`: it forgets nothing.
    pub(super) fn answered(&mut self, end: End, server: Option<u64>, at: Instant) {
        match server {
            Some(server) => self.put(end, State::Answered { server, at, round: 0 }),
            None => self.forget(&key(&end)),
        }
    }

    /// One that was due has been written.
    pub(super) fn holds(&mut self, key: &Digest, server: Option<u64>, now: Instant) {
        let Some(kept) = self.ends.get(key) else { return };
        let state = match (kept.state, server) {
            (_, None) => return self.forget(key),
            (State::Owed(_), Some(server)) => State::Answered { server, at: now, round: 0 },
            (State::Answered { at, round, .. }, Some(server)) => {
                let passed = (round..=LAST_ROUND).take_while(|round| now >= again(at, *round)).count();
                let round = round + u32::try_from(passed).unwrap_or(LAST_ROUND);
                if round > LAST_ROUND {
                    return self.forget(key);
                }
                State::Answered { server, at, round }
            }
        };
        self.set(key, state);
    }

    /// One that was due has not been written.
    pub(super) fn failed(&mut self, key: &Digest) {
        if let Some(Kept { state: State::Owed(tries), .. }) = self.ends.get_mut(key) {
            *tries = tries.saturating_add(1);
        }
    }

    /// There is such a session again.
    pub(super) fn forget_session(&mut self, id: &SessionId) {
        self.forget(&of_id(id));
    }

    pub(super) fn forget(&mut self, key: &Digest) {
        if let Some(Kept { state: State::Owed(_), .. }) = self.ends.remove(key) {
            self.owed -= 1;
        }
        self.overflowed &= self.owed > 0;
    }

    /// What is to be written now: what was tried least first, so that one part of a store that is away does not hold
    /// up what the rest would take.
    pub(super) fn due(&self, now: Instant, server: Option<u64>) -> Vec<(Digest, End)> {
        let tries = |kept: &Kept| match kept.state {
            State::Owed(tries) => Some(tries),
            State::Answered { server: by, at, round } => {
                (server != Some(by) || now >= again(at, round)).then_some(u32::MAX)
            }
        };
        let mut due: Vec<_> =
            self.ends.iter().filter_map(|(key, kept)| Some((tries(kept)?, *key, kept.end.clone()))).collect();
        due.sort_unstable_by_key(|(tries, ..)| *tries);
        due.into_iter().map(|(_, key, end)| (key, end)).collect()
    }

    /// Whether the session has ended, or has to.
    pub(super) fn covers(&self, id: &SessionId, session: &Session) -> bool {
        let one = self.ends.get(&of_id(id)).is_some_and(|kept| match &kept.end {
            End::Session(askers) => askers.iter().any(|asker| asker.is_about(session)),
            End::All(_) => false,
        });
        one || of_session(session).iter().flatten().any(|key| {
            let before = self.ends.get(key).map(|kept| match &kept.end {
                End::All(whose) => opened_before(whose),
                End::Session(_) => Some(Timestamp::MIN),
            });
            before.is_some_and(|before| before.is_none_or(|before| session.opened < before))
        })
    }

    /// Whether an end found no place since all was well.
    pub(super) fn has_overflowed(&self) -> bool {
        self.overflowed
    }

    fn put(&mut self, end: End, state: State) {
        let key = key(&end);
        if let Some(kept) = self.ends.get_mut(&key) {
            kept.end.extend(end);
            return self.set(&key, state);
        }
        if self.ends.len() >= MOST && !self.make_place() {
            self.overflowed |= matches!(state, State::Owed(_));
            return;
        }
        self.owed += usize::from(matches!(state, State::Owed(_)));
        self.ends.insert(key, Kept { end, state });
    }

    /// An end that was answered goes for one that was not; the oldest of them.
    fn make_place(&mut self) -> bool {
        let oldest = self.ends.iter().filter_map(|(key, kept)| match kept.state {
            State::Answered { at, .. } => Some((at, *key)),
            State::Owed(_) => None,
        });
        let Some((_, key)) = oldest.min_by_key(|(at, _)| *at) else { return false };
        self.ends.remove(&key).is_some()
    }

    fn set(&mut self, key: &Digest, state: State) {
        let Some(kept) = self.ends.get_mut(key) else { return };
        let (was, is) = (matches!(kept.state, State::Owed(_)), matches!(state, State::Owed(_)));
        kept.state = state;
        self.owed = self.owed + usize::from(is) - usize::from(was);
        self.overflowed &= self.owed > 0;
    }
}

impl End {
    /// Takes in another end of the same key.
    fn extend(&mut self, other: Self) {
        match (self, other) {
            (Self::Session(askers), Self::Session(others)) => {
                askers.extend(others);
                askers.truncate(MOST_ASKERS);
            }
            (
                Self::All(Whose::User { opened_before: before, .. }),
                Self::All(Whose::User { opened_before: later, .. }),
            ) => *before = if before.is_none() || later.is_none() { None } else { (*before).max(later) },
            (
                Self::All(Whose::Tenant { opened_before: before, .. }),
                Self::All(Whose::Tenant { opened_before: later, .. }),
            ) => *before = (*before).max(later),
            _ => {}
        }
    }
}

impl Unheard {
    /// Whether it is this session's end.
    pub(super) fn is_about(&self, session: &Session) -> bool {
        self.owns.as_ref().is_none_or(|owns| owns(session))
    }
}

fn again(at: Instant, round: u32) -> Instant {
    at + FIRST_AGAIN * 2u32.saturating_pow(round)
}

fn opened_before(whose: &Whose) -> Option<Timestamp> {
    match whose {
        Whose::User { opened_before, .. } => *opened_before,
        Whose::Tenant { opened_before, .. } => Some(*opened_before),
        Whose::Sid { .. } => None,
    }
}

fn of_id(id: &SessionId) -> Digest {
    Digest::of_parts([b"id".as_slice(), id.expose().as_bytes()])
}

fn of_user(issuer: &Issuer, subject: &str) -> Digest {
    Digest::of_parts([b"user".as_slice(), issuer.as_str().as_bytes(), subject.as_bytes()])
}

fn of_sid(issuer: &Issuer, sid: &str) -> Digest {
    Digest::of_parts([b"sid".as_slice(), issuer.as_str().as_bytes(), sid.as_bytes()])
}

fn of_tenant(tenant: &TenantName) -> Digest {
    Digest::of_parts([b"tenant".as_slice(), tenant.as_str().as_bytes()])
}

/// The keys under which an end of many may be kept that is this session's too.
fn of_session(session: &Session) -> [Option<Digest>; 3] {
    let sid = session.sid.as_ref().map(|sid| of_sid(&session.issuer, sid));
    [Some(of_user(&session.issuer, &session.subject)), Some(of_tenant(&session.tenant)), sid]
}

fn key(end: &End) -> Digest {
    match end {
        End::Session(askers) => askers.first().map(|asker| of_id(&asker.id)).unwrap_or_default(),
        End::All(Whose::User { issuer, subject, .. }) => of_user(issuer, subject),
        End::All(Whose::Sid { issuer, sid }) => of_sid(issuer, sid),
        End::All(Whose::Tenant { tenant, .. }) => of_tenant(tenant),
    }
}
