//! What was measured: a histogram an operation and round, statuses, failures, the schedule's own lateness.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::clock;

/// The finest difference that is kept, in nanoseconds.
const FINEST: u64 = 1_000;
/// What is longer counts as this, in nanoseconds.
const LONGEST: u64 = 120_000_000_000;

/// A histogram of nanoseconds from 1 us to two minutes, to three digits.
///
/// # Panics
/// Never: the bounds are right.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(FINEST, LONGEST, 3).expect("2 * FINEST <= LONGEST, and 3 <= 5")
}

/// One operation in one round.
#[derive(Debug, Clone)]
pub struct Operation {
    /// Nanoseconds: from when it was due (open loop) or sent (closed loop) to the last byte of its answer. Those
    /// that never came stand with the time that was waited for them.
    pub latency: Histogram<u64>,
    /// How many answers had each status.
    pub statuses: BTreeMap<u16, u64>,
    /// Answers that were wrong, by status; those that never came, by what happened.
    pub failures: BTreeMap<String, u64>,
}

impl Default for Operation {
    fn default() -> Self {
        Self { latency: histogram(), statuses: BTreeMap::new(), failures: BTreeMap::new() }
    }
}

impl Operation {
    /// All that failed.
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    /// Takes another's figures in.
    pub fn add(&mut self, other: &Self) {
        // Both have the bounds of `histogram`.
        let _ = self.latency.add(&other.latency);
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        for (failure, count) in &other.failures {
            *self.failures.entry(failure.clone()).or_default() += count;
        }
    }
}

/// One round.
#[derive(Debug, Clone)]
pub struct Round {
    /// In the order of [`Recorder::names`].
    pub operations: Vec<Operation>,
    /// Open loop: how late requests were sent for which a connection was free, in nanoseconds. What this side adds.
    pub lag: Histogram<u64>,
}

impl Round {
    /// Everything in this round that was answered or given up.
    pub fn count(&self) -> u64 {
        self.operations.iter().map(|operation| operation.latency.len()).sum()
    }
}

/// All rounds.
#[derive(Debug, Clone)]
pub struct Recorder {
    /// The operations' names.
    pub names: Vec<String>,
    /// The rounds.
    pub rounds: Vec<Round>,
}

impl Recorder {
    /// Nothing yet.
    pub fn new(names: Vec<String>, rounds: usize) -> Self {
        let operations = names.iter().map(|_| Operation::default()).collect();
        let rounds = vec![Round { operations, lag: histogram() }; rounds];
        Self { names, rounds }
    }

    pub(super) fn operation(&mut self, round: Option<usize>, operation: usize) -> Option<&mut Operation> {
        self.rounds.get_mut(round?)?.operations.get_mut(operation)
    }

    pub(super) fn lag(&mut self, round: Option<usize>, late: Duration) {
        if let Some(round) = round.and_then(|round| self.rounds.get_mut(round)) {
            round.lag.saturating_record(clock::nanoseconds(late));
        }
    }

    /// Takes another thread's figures in.
    pub fn add(&mut self, other: Self) {
        for (mine, theirs) in self.rounds.iter_mut().zip(&other.rounds) {
            let _ = mine.lag.add(&theirs.lag);
            for (mine, theirs) in mine.operations.iter_mut().zip(&theirs.operations) {
                mine.add(theirs);
            }
        }
    }

    /// An operation over all rounds.
    pub fn over_all(&self, operation: usize) -> Operation {
        let mut all = Operation::default();
        for round in &self.rounds {
            if let Some(one) = round.operations.get(operation) {
                all.add(one);
            }
        }
        all
    }

    /// The schedule's lateness over all rounds.
    pub fn lag_over_all(&self) -> Histogram<u64> {
        let mut all = histogram();
        for round in &self.rounds {
            let _ = all.add(&round.lag);
        }
        all
    }
}
