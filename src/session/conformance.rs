//! The suite that every session store passes: each sentence of [`SessionStore`]'s documentation as a
//! check with a name.
//!
//! Public and not only for this crate's own tests, because the backends' integration tests in `tests/`
//! run it too; nothing of it is reachable from the command, so the linker leaves it out. A backend ends
//! in one line:
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use auth0_gateway::base::{clock::ManualClock, digest::MacKey};
//! # use auth0_gateway::session::{conformance, memory::MemoryStore, SessionStore};
//! # async fn conforms() {
//! conformance::check(async |clock: Arc<ManualClock>| {
//!     Arc::new(MemoryStore::new(clock, MacKey::new(&[7; 32]))) as Arc<dyn SessionStore>
//! })
//! .await;
//! # }
//! ```
//!
//! The races mean something on a runtime of several threads only.

mod facts;
mod leases;
mod races;
mod records;
mod sessions;
mod world;

#[cfg(test)]
mod mutants;

use std::pin::Pin;
use std::sync::Arc;

use crate::base::clock::ManualClock;
use crate::session::SessionStore;

pub use records::check_records;
pub use world::sample;
use world::{Verdict, World};

/// A sentence that a store does not keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The sentence.
    pub sentence: &'static str,
    /// What was found in its place.
    pub found: String,
}

/// Runs the whole suite and panics with every sentence that the store does not keep.
///
/// `open` gives an empty store that goes by the clock; it is called once a sentence.
pub async fn check(open: impl AsyncFn(Arc<ManualClock>) -> Arc<dyn SessionStore>) {
    let failures = failures(open).await;
    assert!(failures.is_empty(), "the store does not keep its contract: {failures:#?}");
}

/// Runs the whole suite; every sentence that the store does not keep.
pub async fn failures(open: impl AsyncFn(Arc<ManualClock>) -> Arc<dyn SessionStore>) -> Vec<Failure> {
    let mut failures = Vec::new();
    for Check { sentence, run } in [sessions::CHECKS, facts::CHECKS, leases::CHECKS, races::CHECKS].concat() {
        let clock = Arc::new(ManualClock::default());
        let store = open(clock.clone()).await;
        if let Err(found) = run(World::new(store, clock)).await {
            failures.push(Failure { sentence, found: found.0 });
        }
    }
    failures
}

/// One sentence and the code that tries it.
#[derive(Clone, Copy)]
struct Check {
    sentence: &'static str,
    run: fn(World) -> Pin<Box<dyn Future<Output = Verdict> + Send>>,
}

/// `"A sentence" => an_async_fn,` as the list of a file's checks.
macro_rules! checks {
    ($($sentence:literal => $check:ident,)+) => {
        pub(super) const CHECKS: &[super::Check] =
            &[$(super::Check { sentence: $sentence, run: |world| Box::pin($check(world)) }),+];
    };
}
use checks;
