//! A gateway below HTTP: the flows over a store of its own, which can be stopped at a point.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use auth0_gateway::base::clock::{Clock, ManualClock};
use auth0_gateway::base::digest::Digest;
use auth0_gateway::base::id::TenantName;
use auth0_gateway::base::random::SystemRandom;
use auth0_gateway::cache::discovery::Documents;
use auth0_gateway::cache::keyset::KeySets;
use auth0_gateway::flow::{Services, refresh, userinfo};
use auth0_gateway::session::kept_ends::KeptEnds;
use auth0_gateway::session::redis::{Address, Deadlines, RedisParts, RedisStore};
use auth0_gateway::session::ring::KeyRing;
use auth0_gateway::session::{Lease, Replaced, Session, SessionId, SessionStore, StoreFuture, Stored, Whose};
use bytes::Bytes;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::plan::{Operation, Point, Side};

const KEYS: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

/// A slow machine is no fault of the store's.
const PATIENT: Duration = Duration::from_secs(60);

/// One process, as far as the others can tell.
pub struct Gateway {
    pub services: Arc<Services>,
    pub life: Arc<Life>,
    closing: CancellationToken,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}

impl Gateway {
    /// One with its own connections to Redis, and with the Auth0 and the clock of `model`.
    pub fn start(model: &Services, clock: &Arc<ManualClock>, redis: &str) -> Self {
        let (tasks, closing) = (TaskTracker::new(), CancellationToken::new());
        let clock = Arc::clone(clock) as Arc<dyn Clock>;
        let ring = Arc::new(KeyRing::parse(KEYS).unwrap());
        let parts = RedisParts {
            clock: Arc::clone(&clock),
            random: Arc::new(SystemRandom),
            ring: Arc::clone(&ring),
            deadlines: Deadlines { command: PATIENT, open: PATIENT },
        };
        let store = Arc::new(RedisStore::new(Address::parse(redis).unwrap(), None, parts).unwrap());
        tokio::spawn(Arc::clone(&store).follow(closing.clone()));
        let life = Arc::new(Life::default());
        let mortal = Arc::new(MortalStore { inner: store, life: Arc::clone(&life) });
        let kept_ends = Arc::new(KeptEnds::new(mortal, Arc::clone(&clock)));
        tokio::spawn(Arc::clone(&kept_ends).follow(closing.clone()));
        let (auth0, metrics) = (model.auth0.clone(), Arc::clone(&model.metrics));
        let services = Services {
            keys: KeySets::new(auth0.clone(), Arc::clone(&metrics), Arc::clone(&clock), tasks.clone()),
            discovery: Documents::new(auth0.clone(), Arc::clone(&metrics), Arc::clone(&clock), tasks.clone()),
            auth0,
            userinfo: userinfo::Caches::new(&clock),
            ring,
            sessions: kept_ends.clone(),
            kept_ends,
            refreshes: refresh::Refreshes::default(),
            clock,
            random: Arc::new(SystemRandom),
            metrics,
            tasks,
        };
        Self { services: Arc::new(services), life, closing }
    }
}

/// What happens at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing goes on any more.
    Die,
    /// It goes on when it is let go on.
    Stand,
}

/// Whether a gateway lives, and what lies before it.
#[derive(Debug, Default)]
pub struct Life {
    /// Set when it died.
    pub died: CancellationToken,
    armed: Mutex<Option<Armed>>,
}

#[derive(Debug)]
struct Armed {
    at: Point,
    effect: Effect,
    passed: AtomicUsize,
    /// Set when the point is reached, and when it may go on.
    reached: CancellationToken,
    resumed: CancellationToken,
}

impl Life {
    /// From now on something happens at a point; what tells that it is reached, and what lets it go on.
    pub fn arm(&self, at: Point, effect: Effect) -> (CancellationToken, CancellationToken) {
        let (reached, resumed) = (CancellationToken::new(), CancellationToken::new());
        let passed = AtomicUsize::new(0);
        *self.armed.lock().unwrap() =
            Some(Armed { at, effect, passed, reached: reached.clone(), resumed: resumed.clone() });
        (reached, resumed)
    }

    pub fn disarm(&self) {
        *self.armed.lock().unwrap() = None;
    }

    async fn pass(&self, operation: Option<Operation>, side: Side) {
        let resumed = operation.and_then(|operation| self.meet(operation, side));
        if self.died.is_cancelled() {
            std::future::pending::<()>().await;
        }
        if let Some(resumed) = resumed {
            resumed.cancelled().await;
        }
    }

    fn meet(&self, operation: Operation, side: Side) -> Option<CancellationToken> {
        let mut armed = self.armed.lock().unwrap();
        let met = armed.as_ref().filter(|armed| armed.at.operation == operation && armed.at.side == side)?;
        if met.passed.fetch_add(1, Ordering::SeqCst) != met.at.nth {
            return None;
        }
        let met = armed.take()?;
        met.reached.cancel();
        match met.effect {
            Effect::Die => self.died.cancel(),
            Effect::Stand => return Some(met.resumed),
        }
        None
    }
}

/// A store whose gateway may be gone: then nothing more is asked of it, and no answer arrives. What the store was
/// asked before, it does: that command was on its way.
#[derive(Debug)]
struct MortalStore {
    inner: Arc<dyn SessionStore>,
    life: Arc<Life>,
}

impl MortalStore {
    fn at<'a, T: Send + 'a>(&'a self, operation: Operation, call: StoreFuture<'a, T>) -> StoreFuture<'a, T> {
        self.pass(Some(operation), call)
    }

    fn alive<'a, T: Send + 'a>(&'a self, call: StoreFuture<'a, T>) -> StoreFuture<'a, T> {
        self.pass(None, call)
    }

    fn pass<'a, T: Send + 'a>(&'a self, operation: Option<Operation>, call: StoreFuture<'a, T>) -> StoreFuture<'a, T> {
        Box::pin(async move {
            self.life.pass(operation, Side::Before).await;
            let answer = call.await;
            self.life.pass(operation, Side::After).await;
            answer
        })
    }
}

impl SessionStore for MortalStore {
    fn open<'a>(&'a self, id: &'a SessionId, session: Session, per_user: u32) -> StoreFuture<'a, ()> {
        self.alive(self.inner.open(id, session, per_user))
    }

    fn read<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<Stored>> {
        self.alive(self.inner.read(id))
    }

    fn touch<'a>(&'a self, id: &'a SessionId, idle_until: Timestamp) -> StoreFuture<'a, bool> {
        self.alive(self.inner.touch(id, idle_until))
    }

    fn replace<'a>(&'a self, id: &'a SessionId, version: u64, session: Session) -> StoreFuture<'a, Replaced> {
        self.at(Operation::Replace, self.inner.replace(id, version, session))
    }

    fn end<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<Session>> {
        self.alive(self.inner.end(id))
    }

    fn end_all<'a>(&'a self, whose: &'a Whose) -> StoreFuture<'a, u64> {
        self.alive(self.inner.end_all(whose))
    }

    fn active_subjects<'a>(
        &'a self,
        tenant: &'a TenantName,
        after: Option<&'a str>,
        limit: usize,
    ) -> StoreFuture<'a, Vec<Box<str>>> {
        self.alive(self.inner.active_subjects(tenant, after, limit))
    }

    fn count(&self) -> StoreFuture<'_, u64> {
        self.alive(self.inner.count())
    }

    fn first_time(&self, key: Digest, until: Timestamp) -> StoreFuture<'_, bool> {
        self.alive(self.inner.first_time(key, until))
    }

    fn put(&self, key: Digest, value: Bytes, until: Timestamp) -> StoreFuture<'_, ()> {
        self.alive(self.inner.put(key, value, until))
    }

    fn take(&self, key: Digest) -> StoreFuture<'_, Option<Bytes>> {
        self.alive(self.inner.take(key))
    }

    fn lease(&self, key: Digest, ttl: Duration) -> StoreFuture<'_, Option<Lease>> {
        self.at(Operation::Lease, self.inner.lease(key, ttl))
    }

    fn renew(&self, key: Digest, lease: Lease, ttl: Duration) -> StoreFuture<'_, bool> {
        self.alive(self.inner.renew(key, lease, ttl))
    }

    fn release(&self, key: Digest, lease: Lease) -> StoreFuture<'_, ()> {
        self.at(Operation::Release, self.inner.release(key, lease))
    }

    fn share(&self, key: Digest, lease: Lease, value: Bytes, until: Timestamp) -> StoreFuture<'_, bool> {
        self.at(Operation::Share, self.inner.share(key, lease, value, until))
    }

    fn shared(&self, key: Digest) -> StoreFuture<'_, Option<Bytes>> {
        self.alive(self.inner.shared(key))
    }

    fn sweep(&self) -> StoreFuture<'_, ()> {
        self.alive(self.inner.sweep())
    }
}
