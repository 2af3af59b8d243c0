//! Sessions that were read a moment ago, opened: a hit costs no round trip.
//!
//! Owns when such a copy may still be believed: while changes are heard of (`follow.rs`), nothing was heard of
//! this session since before it was read, and for seconds at the most.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::base::clock::Clock;
use crate::base::digest::Digest;
use crate::session::Stored;

/// How long a copy is believed where changes are not heard of and nobody notices (contract §4: a logout holds
/// within 5 s with the channel cut). What hears of that earlier empties the cache at once.
const BELIEVED_FOR: Duration = Duration::from_secs(5);

/// When a copy that nobody asks for goes. Longer than any test waits, whose clock stands still: only what is heard
/// may make it pass.
const KEPT_FOR: Duration = Duration::from_mins(2);

/// What the copies may take, by the size of their records.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// An opened session is larger than its record.
const OPENED_PER_SEALED: usize = 3;

/// A change is counted in one of so many places; whoever shares a place with a session that changed is read
/// once more.
const PLACES: usize = 1024;

/// How often something had been heard of when a read began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    all: u64,
    place: u64,
}

struct Copy {
    stored: Stored,
    stamp: Stamp,
    read: Instant,
    weight: u32,
}

/// The copies, by the names their sessions have in Redis.
pub(super) struct Cache {
    copies: moka::sync::Cache<Digest, Arc<Copy>>,
    clock: Arc<dyn Clock>,
    /// Grows when everything must be read anew.
    all: AtomicU64,
    /// Grow when a session of the place changed.
    places: Box<[AtomicU64]>,
    hears: AtomicBool,
}

impl Cache {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let copies = moka::sync::Cache::builder()
            .max_capacity(MOST_BYTES)
            .weigher(|_, copy: &Arc<Copy>| copy.weight)
            .time_to_live(KEPT_FOR)
            .build();
        let places = (0..PLACES).map(|_| AtomicU64::new(0)).collect();
        Self { copies, clock, all: AtomicU64::new(0), places, hears: AtomicBool::new(false) }
    }

    /// Changes are heard of from now on.
    pub(super) fn begin(&self) {
        self.all.fetch_add(1, Ordering::SeqCst);
        self.hears.store(true, Ordering::SeqCst);
    }

    /// They are not any more: nothing is believed.
    pub(super) fn cease(&self) {
        self.hears.store(false, Ordering::SeqCst);
        self.all.fetch_add(1, Ordering::SeqCst);
        self.copies.invalidate_all();
    }

    /// The session changed, or is about to.
    pub(super) fn forget(&self, name: &Digest) {
        self.place(name).fetch_add(1, Ordering::SeqCst);
        self.copies.invalidate(name);
    }

    /// Taken before Redis is asked: what it answers is kept only if nothing is heard in between. `None` while
    /// nothing may be kept.
    pub(super) fn stamp(&self, name: &Digest) -> Option<Stamp> {
        let hears = self.hears.load(Ordering::SeqCst);
        hears.then(|| self.stamp_now(name))
    }

    /// Keeps what was read.
    pub(super) fn put(&self, name: Digest, stored: Stored, stamp: Stamp, sealed_length: usize) {
        let weight = u32::try_from(sealed_length * OPENED_PER_SEALED).unwrap_or(u32::MAX);
        self.copies.insert(name, Arc::new(Copy { stored, stamp, read: self.clock.instant(), weight }));
    }

    /// The session, if it can be believed and is not over. One that is over here may have been touched at
    /// another replica.
    pub(super) fn get(&self, name: &Digest) -> Option<Stored> {
        let copy = self.copies.get(name)?;
        let is_recent = self.clock.instant().saturating_duration_since(copy.read) < BELIEVED_FOR;
        let is_believed = is_recent && self.stamp(name) == Some(copy.stamp);
        (is_believed && !copy.stored.session.is_over(self.clock.now())).then(|| copy.stored.clone())
    }

    fn stamp_now(&self, name: &Digest) -> Stamp {
        Stamp { all: self.all.load(Ordering::SeqCst), place: self.place(name).load(Ordering::SeqCst) }
    }

    fn place(&self, name: &Digest) -> &AtomicU64 {
        let bytes = name.as_bytes();
        &self.places[usize::from(u16::from_be_bytes([bytes[0], bytes[1]])) % PLACES]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::ManualClock;
    use crate::session::conformance::sample;

    struct World {
        clock: Arc<ManualClock>,
        cache: Cache,
        name: Digest,
    }

    impl World {
        /// A cache that hears, and has read one session.
        fn new() -> Self {
            let clock = Arc::new(ManualClock::default());
            let world = Self { cache: Cache::new(clock.clone()), clock, name: Digest::of("a") };
            world.cache.begin();
            world.read(world.cache.stamp(&world.name).expect("hears"));
            world
        }

        fn read(&self, stamp: Stamp) {
            let stored = Stored { session: sample(self.clock.now(), "auth0|1"), version: 1 };
            self.cache.put(self.name, stored, stamp, 1000);
        }

        fn check(&self, hits: bool) {
            assert_eq!(self.cache.get(&self.name).is_some(), hits);
        }
    }

    #[test]
    fn a_copy_is_believed_for_seconds() {
        let world = World::new();
        world.clock.advance(Duration::from_secs(3));
        world.check(true);
        world.clock.advance(Duration::from_secs(2));
        world.check(false);
    }

    #[test]
    fn a_session_that_is_over_is_read_anew() {
        let world = World::new();
        let mut stored = world.cache.get(&world.name).expect("is there");
        stored.session.idle_until = world.clock.now() + Duration::from_secs(1);
        world.cache.put(world.name, stored, world.cache.stamp(&world.name).expect("hears"), 1000);
        world.check(true);
        world.clock.advance(Duration::from_secs(2));
        world.check(false);
    }

    #[test]
    fn a_change_that_is_heard_during_a_read_wins() {
        let world = World::new();
        let stamp = world.cache.stamp(&world.name).expect("hears");
        world.cache.forget(&world.name);
        world.check(false);
        world.read(stamp);
        world.check(false);
        world.read(world.cache.stamp(&world.name).expect("hears"));
        world.check(true);
        world.cache.forget(&Digest::of("another"));
        world.check(true);
    }

    #[test]
    fn nothing_is_believed_while_changes_are_not_heard_of_nor_from_before() {
        let world = World::new();
        let stamp = world.cache.stamp(&world.name).expect("hears");
        world.cache.cease();
        world.check(false);
        assert_eq!(world.cache.stamp(&world.name), None);
        world.read(stamp);
        world.check(false);
        world.cache.begin();
        world.check(false);
        world.read(stamp);
        world.check(false);
    }
}
