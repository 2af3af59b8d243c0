//! Stores that each break one promise: the suite must name the sentence.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use super::failures;
use crate::base::clock::{Clock, ManualClock};
use crate::base::digest::{Digest, MacKey};
use crate::base::id::TenantName;
use crate::session::memory::MemoryStore;
use crate::session::{Lease, Replaced, Session, SessionId, SessionStore, StoreError, StoreFuture, Stored, Whose};

/// What the store does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// A late rolling write puts the session back (lessons 2.4).
    TouchResurrects,
    /// A write after a logout puts the session back.
    ReplaceResurrects,
    /// The last writer wins (lessons 2.3).
    ReplaceIgnoresTheVersion,
    /// Every lease has the same fence.
    FencesStandStill,
    /// A late holder's result is shown.
    ShareIgnoresTheFence,
    /// A value is given out as often as it is asked for.
    TakeTwice,
    /// Looked up and then put, with a gap between.
    FirstTimeRaces,
    /// The idle time is not looked at.
    ReadsWhatIsOver,
    /// A touch sets the idle time, whatever it was.
    TouchMovesBack,
    /// `per_user` is not looked at.
    PerUserUnbounded,
    /// The issuer of a `sub` is not looked at.
    EndAllIgnoresTheIssuer,
    /// Whoever calls last has the lease.
    LeaseIsStolen,
}

/// Every fault with the sentence it must be caught by.
const CAUGHT_BY: [(Fault, &str); 12] = [
    (Fault::TouchResurrects, "a touch makes no ended session anew"),
    (Fault::ReplaceResurrects, "a replace makes no ended session anew"),
    (Fault::ReplaceIgnoresTheVersion, "a replace at any other version writes nothing"),
    (Fault::FencesStandStill, "a lease lapses at its time, and the next fence is higher"),
    (Fault::ShareIgnoresTheFence, "a share is refused once a higher fence was handed out"),
    (Fault::TakeTwice, "a value is given out once"),
    (Fault::FirstTimeRaces, "of many first callers one is the first"),
    (Fault::ReadsWhatIsOver, "a session is not read once its idle time has passed"),
    (Fault::TouchMovesBack, "a touch never moves the idle time back"),
    (Fault::PerUserUnbounded, "beyond per_user the user's oldest sessions at the client end"),
    (Fault::EndAllIgnoresTheIssuer, "end_all of a user ends that user's sessions of that issuer and no other"),
    (Fault::LeaseIsStolen, "a lease is held by one at a time"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_suite_names_the_sentence_that_a_store_breaks() {
    for (fault, sentence) in CAUGHT_BY {
        let failures = failures(async |clock| Arc::new(Wrong::new(fault, clock)) as Arc<dyn SessionStore>).await;
        let named: Vec<_> = failures.iter().map(|failure| failure.sentence).collect();
        assert!(named.contains(&sentence), "{fault:?} was caught by {named:?}");
    }
}

/// A good store with one fault in front of it.
#[derive(Debug)]
struct Wrong {
    fault: Fault,
    clock: Arc<ManualClock>,
    inner: MemoryStore,
    seen: Mutex<HashMap<String, Session>>,
    kept: Mutex<HashMap<Digest, Bytes>>,
    firsts: Mutex<HashMap<Digest, Timestamp>>,
    fence: AtomicU64,
}

impl Wrong {
    fn new(fault: Fault, clock: Arc<ManualClock>) -> Self {
        let inner = MemoryStore::new(clock.clone(), MacKey::new(&[7; 32]));
        Self {
            fault,
            clock,
            inner,
            seen: Mutex::default(),
            kept: Mutex::default(),
            firsts: Mutex::default(),
            fence: AtomicU64::new(u64::MAX),
        }
    }

    fn seen(&self, id: &SessionId) -> Option<Session> {
        self.seen.lock().expect("no test panics with it").get(id.expose()).cloned()
    }

    /// The inner store's lease, for a fence that the suite was told wrongly.
    fn real(&self, lease: Lease) -> Lease {
        match self.fault {
            Fault::FencesStandStill => Lease { fence: self.fence.load(Ordering::SeqCst) },
            _ => lease,
        }
    }

    async fn first_time_with_a_gap(&self, key: Digest, until: Timestamp) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let known = self.firsts.lock().expect("no test panics with it").get(&key).is_some_and(|end| now < *end);
        tokio::task::yield_now().await;
        if !known {
            self.firsts.lock().expect("no test panics with it").insert(key, until);
        }
        Ok(!known)
    }
}

impl SessionStore for Wrong {
    fn open<'a>(&'a self, id: &'a SessionId, session: Session, per_user: u32) -> StoreFuture<'a, ()> {
        self.seen.lock().expect("no test panics with it").insert(id.expose().to_owned(), session.clone());
        self.inner.open(id, session, if self.fault == Fault::PerUserUnbounded { u32::MAX } else { per_user })
    }

    fn read<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<Stored>> {
        Box::pin(async move {
            let read = self.inner.read(id).await?;
            match self.seen(id) {
                Some(session) if self.fault == Fault::ReadsWhatIsOver && read.is_none() => {
                    Ok(Some(Stored { session, version: 1 }))
                }
                _ => Ok(read),
            }
        })
    }

    fn touch<'a>(&'a self, id: &'a SessionId, idle_until: Timestamp) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            match (self.fault, self.inner.read(id).await?, self.seen(id)) {
                (Fault::TouchResurrects, None, Some(session)) => {
                    self.inner.open(id, Session { idle_until, ..session }, u32::MAX).await?;
                    Ok(true)
                }
                (Fault::TouchMovesBack, Some(stored), _) => {
                    self.inner.open(id, Session { idle_until, ..stored.session }, u32::MAX).await?;
                    Ok(true)
                }
                _ => self.inner.touch(id, idle_until).await,
            }
        })
    }

    fn replace<'a>(&'a self, id: &'a SessionId, version: u64, session: Session) -> StoreFuture<'a, Replaced> {
        Box::pin(async move {
            match (self.fault, self.inner.read(id).await?) {
                (Fault::ReplaceResurrects, None) => {
                    self.inner.open(id, session, u32::MAX).await?;
                    Ok(Replaced::Done(1))
                }
                (Fault::ReplaceIgnoresTheVersion, Some(stored)) => {
                    self.inner.replace(id, stored.version, session).await
                }
                _ => self.inner.replace(id, version, session).await,
            }
        })
    }

    fn end<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<Session>> {
        self.inner.end(id)
    }

    fn end_all<'a>(&'a self, whose: &'a Whose) -> StoreFuture<'a, u64> {
        let Whose::User { subject, opened_before, .. } = whose else { return self.inner.end_all(whose) };
        if self.fault != Fault::EndAllIgnoresTheIssuer {
            return self.inner.end_all(whose);
        }
        Box::pin(async move {
            let mut issuers: Vec<_> =
                self.seen.lock().expect("no test panics with it").values().map(|it| it.issuer.clone()).collect();
            issuers.sort_unstable();
            issuers.dedup();
            let mut ended = 0;
            for issuer in issuers {
                let whose = Whose::User { issuer, subject: subject.clone(), opened_before: *opened_before };
                ended += self.inner.end_all(&whose).await?;
            }
            Ok(ended)
        })
    }

    fn active_subjects<'a>(
        &'a self,
        tenant: &'a TenantName,
        after: Option<&'a str>,
        limit: usize,
    ) -> StoreFuture<'a, Vec<Box<str>>> {
        self.inner.active_subjects(tenant, after, limit)
    }

    fn count(&self) -> StoreFuture<'_, u64> {
        self.inner.count()
    }

    fn first_time(&self, key: Digest, until: Timestamp) -> StoreFuture<'_, bool> {
        match self.fault {
            Fault::FirstTimeRaces => Box::pin(self.first_time_with_a_gap(key, until)),
            _ => self.inner.first_time(key, until),
        }
    }

    fn put(&self, key: Digest, value: Bytes, until: Timestamp) -> StoreFuture<'_, ()> {
        self.kept.lock().expect("no test panics with it").insert(key, value.clone());
        self.inner.put(key, value, until)
    }

    fn take(&self, key: Digest) -> StoreFuture<'_, Option<Bytes>> {
        Box::pin(async move {
            let taken = self.inner.take(key).await?;
            match self.fault {
                Fault::TakeTwice => Ok(self.kept.lock().expect("no test panics with it").get(&key).cloned()),
                _ => Ok(taken),
            }
        })
    }

    fn lease(&self, key: Digest, ttl: Duration) -> StoreFuture<'_, Option<Lease>> {
        Box::pin(async move {
            let lease = self.inner.lease(key, ttl).await?;
            if let (Fault::FencesStandStill, Some(real)) = (self.fault, lease) {
                self.fence.store(real.fence, Ordering::SeqCst);
                return Ok(Some(Lease { fence: 1 }));
            }
            match (self.fault, lease) {
                (Fault::LeaseIsStolen, None) => Ok(Some(Lease { fence: u64::MAX })),
                _ => Ok(lease),
            }
        })
    }

    fn renew(&self, key: Digest, lease: Lease, ttl: Duration) -> StoreFuture<'_, bool> {
        self.inner.renew(key, self.real(lease), ttl)
    }

    fn release(&self, key: Digest, lease: Lease) -> StoreFuture<'_, ()> {
        self.inner.release(key, self.real(lease))
    }

    fn share(&self, key: Digest, lease: Lease, value: Bytes, until: Timestamp) -> StoreFuture<'_, bool> {
        let fence = if self.fault == Fault::ShareIgnoresTheFence { u64::MAX } else { self.real(lease).fence };
        self.inner.share(key, Lease { fence }, value, until)
    }

    fn shared(&self, key: Digest) -> StoreFuture<'_, Option<Bytes>> {
        self.inner.shared(key)
    }

    fn sweep(&self) -> StoreFuture<'_, ()> {
        self.inner.sweep()
    }
}
