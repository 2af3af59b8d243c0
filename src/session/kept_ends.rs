//! Any store, with the ends that it has not heard of, or may forget, kept until they hold.
//!
//! Owns what this process refuses meanwhile, and when an end is written again: a logout that was asked for while
//! the store was away, and one that was answered a moment before another server took its place, which need not
//! have it. Nothing is kept on disk: what is owed when the process dies is lost.

mod book;

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{Lease, Replaced, Session, SessionId, SessionStore, StoreError, StoreFuture, Stored, Whose};
use crate::base::clock::Clock;
use crate::base::digest::Digest;
use crate::base::id::TenantName;
use book::{Book, End};

/// How often what is due is looked for: with it a store that is back hears of every end well within a second.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How many ends may fail in one round before the others wait for the next: each may take as long as a command may.
const MOST_FAILURES: usize = 8;

type Owns = Box<dyn Fn(&Session) -> bool + Send + Sync>;
type Ended = Box<dyn Fn(Session) + Send + Sync>;

/// The end of a session.
pub struct Unheard {
    /// Which.
    pub id: SessionId,
    /// Whether it is for the one who asked to end it. `None`: that is known already.
    pub owns: Option<Owns>,
    /// Told what the session was, once it has ended.
    pub ended: Option<Ended>,
}

/// Keeps ends until they hold.
pub struct KeptEnds {
    inner: Arc<dyn SessionStore>,
    clock: Arc<dyn Clock>,
    book: Mutex<Book>,
    /// How many ends are kept: while there are none, nothing is locked.
    kept: AtomicUsize,
    /// One round at a time.
    round: tokio::sync::Mutex<()>,
}

impl fmt::Debug for KeptEnds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptEnds").field("inner", &self.inner).field("kept", &self.kept).finish_non_exhaustive()
    }
}

impl KeptEnds {
    /// Around that store. Something must [`follow`](Self::follow) it.
    pub fn new(inner: Arc<dyn SessionStore>, clock: Arc<dyn Clock>) -> Self {
        Self { inner, clock, book: Mutex::default(), kept: AtomicUsize::new(0), round: tokio::sync::Mutex::default() }
    }

    /// Ends the session when the store answers again, and refuses it here until then.
    pub fn owe(&self, unheard: Unheard) {
        self.change(|book| book.owe(End::Session(vec![Arc::new(unheard)])));
    }

    /// The same for all of them, as far as they were opened before now.
    pub fn owe_all(&self, whose: &Whose) {
        let whose = self.as_of_now(whose);
        self.change(|book| book.owe(End::All(whose)));
    }

    /// Writes what is due until `closing`, and then once more.
    pub async fn follow(self: Arc<Self>, closing: CancellationToken) {
        while !closing.is_cancelled() {
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = closing.cancelled() => {}
            }
            self.settle().await;
        }
        let owed = self.book().owed();
        if owed > 0 {
            tracing::error!(owed, "the session store never heard of these logouts, and their sessions live on");
        }
    }

    async fn settle(&self) {
        if self.kept.load(Ordering::Acquire) == 0 {
            return;
        }
        let _alone = self.round.lock().await;
        let server = self.inner.server();
        let (due, owed) = {
            let book = self.book();
            (book.due(self.clock.instant(), server), book.owed())
        };
        let mut failures = 0;
        for (key, end) in due {
            match self.make_hold(&end).await {
                Ok(()) => self.change(|book| book.holds(&key, server, self.clock.instant())),
                Err(StoreError::Unavailable(_)) => {
                    self.change(|book| book.failed(&key));
                    failures += 1;
                }
                Err(StoreError::Unreadable) => {
                    tracing::error!("a logout is given up: no key opens its session");
                    self.change(|book| book.forget(&key));
                }
            }
            if failures == MOST_FAILURES {
                return;
            }
        }
        if owed > 0 && self.is_settled() {
            tracing::info!(owed, "the session store has heard of the logouts that it missed");
        }
    }

    async fn make_hold(&self, end: &End) -> Result<(), StoreError> {
        let askers = match end {
            End::Session(askers) => askers,
            End::All(whose) => return self.inner.end_all(whose).await.map(drop),
        };
        let Some(id) = askers.first().map(|asker| &asker.id) else { return Ok(()) };
        if askers.iter().all(|asker| asker.owns.is_some()) {
            match self.inner.read(id).await? {
                Some(stored) if askers.iter().any(|asker| asker.is_about(&stored.session)) => {}
                _ => return Ok(()),
            }
        }
        if let Some(was) = self.inner.end(id).await?
            && let Some(ended) =
                askers.iter().filter(|asker| asker.is_about(&was)).find_map(|asker| asker.ended.as_ref())
        {
            ended(was);
        }
        Ok(())
    }

    fn is_settled(&self) -> bool {
        self.kept.load(Ordering::Acquire) == 0 || self.book().owed() == 0
    }

    /// Whether an end is kept that is this session's.
    fn is_refused(&self, id: &SessionId, session: &Session) -> bool {
        self.kept.load(Ordering::Acquire) > 0 && self.book().covers(id, session)
    }

    /// What was opened after an end was asked for is none of its business, however late it is written.
    fn as_of_now(&self, whose: &Whose) -> Whose {
        let mut whose = whose.clone();
        if let Whose::User { opened_before, .. } = &mut whose {
            let now = self.clock.now();
            *opened_before = Some(opened_before.map_or(now, |before| before.min(now)));
        }
        whose
    }

    /// Keeps an end that was answered from `server`, or not at all.
    fn note<T>(&self, end: End, server: Option<u64>, answer: &Result<T, StoreError>) {
        match answer {
            Ok(_) => self.change(|book| book.answered(end, server, self.clock.instant())),
            Err(StoreError::Unavailable(_)) => self.change(|book| book.owe(end)),
            Err(StoreError::Unreadable) => {}
        }
    }

    fn change(&self, by: impl FnOnce(&mut Book)) {
        let mut book = self.book();
        by(&mut book);
        self.kept.store(book.kept(), Ordering::Release);
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SessionStore for KeptEnds {
    fn open<'a>(&'a self, id: &'a SessionId, session: Session, per_user: u32) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            if self.kept.load(Ordering::Acquire) > 0 {
                self.change(|book| book.forget_session(id));
            }
            self.inner.open(id, session, per_user).await
        })
    }

    fn read<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<Stored>> {
        Box::pin(async move {
            let stored = self.inner.read(id).await?;
            Ok(stored.filter(|stored| !self.is_refused(id, &stored.session)))
        })
    }

    fn recent(&self, id: &SessionId) -> Option<Stored> {
        let recent = self.inner.recent(id).filter(|stored| !self.is_refused(id, &stored.session))?;
        (!self.book().has_overflowed()).then_some(recent)
    }

    fn touch<'a>(&'a self, id: &'a SessionId, idle_until: Timestamp) -> StoreFuture<'a, bool> {
        self.inner.touch(id, idle_until)
    }

    fn replace<'a>(&'a self, id: &'a SessionId, version: u64, session: Session) -> StoreFuture<'a, Replaced> {
        Box::pin(async move {
            if self.is_refused(id, &session) {
                return Ok(Replaced::Gone);
            }
            self.inner.replace(id, version, session).await
        })
    }

    fn end<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<Session>> {
        Box::pin(async move {
            // Asked before: an answer of a server that came meanwhile is written once too often.
            let server = self.inner.server();
            let answer = self.inner.end(id).await;
            let end = End::Session(vec![Arc::new(Unheard { id: id.clone(), owns: None, ended: None })]);
            self.note(end, server, &answer);
            answer
        })
    }

    fn end_all<'a>(&'a self, whose: &'a Whose) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            let (end, server) = (End::All(self.as_of_now(whose)), self.inner.server());
            let answer = self.inner.end_all(whose).await;
            self.note(end, server, &answer);
            answer
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
        self.inner.first_time(key, until)
    }

    fn put(&self, key: Digest, value: Bytes, until: Timestamp) -> StoreFuture<'_, ()> {
        self.inner.put(key, value, until)
    }

    fn take(&self, key: Digest) -> StoreFuture<'_, Option<Bytes>> {
        self.inner.take(key)
    }

    fn lease(&self, key: Digest, ttl: Duration) -> StoreFuture<'_, Option<Lease>> {
        self.inner.lease(key, ttl)
    }

    fn renew(&self, key: Digest, lease: Lease, ttl: Duration) -> StoreFuture<'_, bool> {
        self.inner.renew(key, lease, ttl)
    }

    fn release(&self, key: Digest, lease: Lease) -> StoreFuture<'_, ()> {
        self.inner.release(key, lease)
    }

    fn share(&self, key: Digest, lease: Lease, value: Bytes, until: Timestamp) -> StoreFuture<'_, bool> {
        self.inner.share(key, lease, value, until)
    }

    fn shared(&self, key: Digest) -> StoreFuture<'_, Option<Bytes>> {
        self.inner.shared(key)
    }

    fn sweep(&self) -> StoreFuture<'_, ()> {
        self.inner.sweep()
    }

    fn server(&self) -> Option<u64> {
        self.inner.server()
    }

    fn is_whole(&self) -> bool {
        self.is_settled() && self.inner.is_whole()
    }
}

#[cfg(test)]
mod tests;
