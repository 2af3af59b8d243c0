//! The conformance suite around another store, and what the book says is due.

use super::*;
use crate::base::clock::ManualClock;
use crate::base::digest::MacKey;
use crate::base::random::SystemRandom;
use crate::session::conformance::{self, sample};
use crate::session::memory::MemoryStore;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conforms() {
    let store = async |clock: Arc<ManualClock>| {
        let inner = Arc::new(MemoryStore::new(clock.clone(), MacKey::new(&[7; 32])));
        Arc::new(KeptEnds::new(inner, clock)) as Arc<dyn SessionStore>
    };
    conformance::check(store).await;
}

fn ids(count: usize) -> Vec<SessionId> {
    (0..count).map(|_| SessionId::generate(&SystemRandom)).collect()
}

fn end(id: &SessionId, owns: Option<Owns>) -> End {
    End::Session(vec![Arc::new(Unheard { id: id.clone(), owns, ended: None })])
}

struct World {
    clock: ManualClock,
    book: Book,
    id: SessionId,
}

impl World {
    fn new() -> Self {
        let id = SessionId::generate(&SystemRandom);
        Self { clock: ManualClock::default(), book: Book::default(), id }
    }

    fn is_due(&self, server: u64) -> bool {
        !self.book.due(self.clock.instant(), Some(server)).is_empty()
    }

    /// Writes what is due.
    fn write(&mut self, server: u64) {
        let now = self.clock.instant();
        for (key, _) in self.book.due(now, Some(server)) {
            self.book.holds(&key, Some(server), now);
        }
    }

    fn covers(&self, subject: &str) -> bool {
        self.book.covers(&self.id, &sample(self.clock.now(), subject))
    }
}

#[test]
fn an_end_that_was_answered_is_due_at_another_server_and_then_ever_more_rarely() {
    let mut world = World::new();
    world.book.answered(end(&world.id.clone(), None), Some(1), world.clock.instant());
    assert!(!world.is_due(1) && world.is_due(2) && world.book.owed() == 0);
    world.write(2);
    assert!(!world.is_due(2));
    let mut times = 0;
    for _ in 0..120 {
        world.clock.advance(Duration::from_secs(1));
        times += usize::from(world.is_due(2));
        world.write(2);
    }
    assert_eq!((times, world.book.kept()), (7, 0), "after 1, 2, 4, 8, 16, 32 and 64 s");
}

#[test]
fn what_is_owed_stays_until_it_was_written_and_what_forgets_nothing_is_not_told_twice() {
    let mut world = World::new();
    world.book.owe(end(&world.id.clone(), None));
    world.clock.advance(Duration::from_hours(1));
    assert!(world.is_due(1) && world.book.owed() == 1 && world.covers("auth0|1"));
    let (key, _) = world.book.due(world.clock.instant(), None).remove(0);
    world.book.holds(&key, None, world.clock.instant());
    assert_eq!((world.book.kept(), world.book.owed()), (0, 0));
    world.book.answered(end(&world.id.clone(), None), None, world.clock.instant());
    assert_eq!(world.book.kept(), 0);
}

#[test]
fn who_asks_in_vain_does_not_stand_in_the_way_of_who_may() {
    let mut world = World::new();
    world.book.owe(end(&world.id.clone(), Some(Box::new(|_| false))));
    assert!(!world.covers("auth0|1"));
    let mine: Owns = Box::new(|session| &*session.subject == "auth0|1");
    world.book.owe(end(&world.id.clone(), Some(mine)));
    world.book.owe(end(&world.id.clone(), Some(Box::new(|_| false))));
    assert!(world.covers("auth0|1") && !world.covers("auth0|2"));
    assert_eq!(world.book.owed(), 1);
}

#[test]
fn an_end_of_all_is_about_what_was_opened_before_it() {
    let mut world = World::new();
    let before = sample(world.clock.now(), "auth0|1");
    world.clock.advance(Duration::from_secs(1));
    let (issuer, subject) = (before.issuer.clone(), before.subject.clone());
    let whose = |at| Whose::User { issuer: issuer.clone(), subject: subject.clone(), opened_before: Some(at) };
    world.book.owe(End::All(whose(world.clock.now())));
    world.book.owe(End::All(whose(Timestamp::UNIX_EPOCH)));
    assert!(world.book.covers(&world.id, &before));
    world.clock.advance(Duration::from_secs(1));
    assert!(!world.covers("auth0|1") && !world.covers("auth0|2"));
}

#[test]
fn there_are_so_many_at_the_most_and_answered_ones_give_way() {
    let mut world = World::new();
    let ids = ids(book::MOST + 1);
    world.book.answered(end(&ids[0], None), Some(1), world.clock.instant());
    for id in &ids[1..] {
        world.book.owe(end(id, None));
    }
    assert_eq!((world.book.owed(), world.book.has_overflowed()), (book::MOST, false));
    world.book.owe(end(&ids[0], None));
    assert_eq!((world.book.owed(), world.book.has_overflowed()), (book::MOST, true));
    world.write(1);
    assert_eq!((world.book.owed(), world.book.has_overflowed()), (0, false));
}
