//! Refreshes over replicas, as a model: a seed makes the gateways, the sessions and what goes wrong in between, and
//! after every run it is asked whether a token was presented against the rules, whether a logout was undone, and
//! whether a session is gone to which nothing had happened.
//!
//! A run is that of its seed as far as what is done goes; which of two callers is first, the machine decides. A seed
//! that fails says so; `REFRESH_MODEL_SEED=N` runs it alone, `REFRESH_MODEL_SEEDS=N` as many.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so by panicking")]
#![expect(clippy::disallowed_methods, reason = "tests spawn tasks of their own and read their own variables")]
#![expect(unreachable_pub, reason = "a test binary exports nothing; `pub` says what a module gives to the others")]

mod gateway;
mod plan;
mod run;
#[path = "../it/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "made for tests/it, which uses all of it")]
mod support;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use run::{Stage, Tally};
use support::redis::Server;

/// So many runs go on at once: most of each is waiting.
const AT_ONCE: u64 = 8;

/// A run takes well under a second.
const STUCK: Duration = Duration::from_secs(120);

/// What fits into every run of the tests; `scripts/refresh-model 1000` is for a change of the flow.
const SEEDS: u64 = 100;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

fn seeds() -> std::ops::Range<u64> {
    match number("REFRESH_MODEL_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("REFRESH_MODEL_SEEDS").unwrap_or(SEEDS),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_breaks_no_token_is_presented_twice_no_logout_is_undone_and_no_session_is_lost_without_need() {
    let server = Server::start(&[]).await;
    let seeds = seeds();
    let (next, tally, wrong) = (Arc::new(AtomicU64::new(seeds.start)), Arc::new(Tally::default()), Arc::default());
    let workers: Vec<_> = (0..AT_ONCE.min(seeds.end - seeds.start))
        .map(|_| {
            let (next, tally, wrong) = (Arc::clone(&next), Arc::clone(&tally), Arc::clone(&wrong));
            tokio::spawn(work(server.url(), (next, seeds.end), tally, wrong))
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    let wrong: Vec<String> = std::mem::take(&mut *wrong.lock().unwrap());
    assert!(wrong.is_empty(), "{} of {seeds:?}; REFRESH_MODEL_SEED runs one:\n{}", wrong.len(), wrong.join("\n"));
    if seeds.end - seeds.start >= 100 {
        let counts = [&tally.crashes, &tally.logouts, &tally.cuts, &tally.refused, &tally.ended, &tally.alive];
        assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) > 0), "something never happened: {tally:?}");
    }
}

async fn work(redis: String, (next, end): (Arc<AtomicU64>, u64), tally: Arc<Tally>, wrong: Arc<Mutex<Vec<String>>>) {
    let stage = Stage::set(redis).await;
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            return;
        }
        let run = tokio::time::timeout(STUCK, stage.run(seed, &tally)).await;
        if let Err(why) = run.unwrap_or_else(|_| Err("it does not come to an end".to_owned())) {
            wrong.lock().unwrap().push(format!("seed {seed}: {why}"));
        }
    }
}
