//! A map whose entries have an end, and which can drop what is over a slice at a time.

use std::collections::BTreeSet;

use ahash::AHashMap;

use crate::base::digest::Digest;

/// Values by key, each until a time. `T` is wall or monotonic time.
#[derive(Debug)]
pub(super) struct Expiring<V, T> {
    values: AHashMap<Digest, (V, T)>,
    /// The same keys by their end, so that a sweep looks at what is over and at nothing else.
    by_end: BTreeSet<(T, Digest)>,
}

impl<V, T> Default for Expiring<V, T> {
    fn default() -> Self {
        Self { values: AHashMap::new(), by_end: BTreeSet::new() }
    }
}

impl<V, T: Ord + Copy> Expiring<V, T> {
    /// Puts a value in, in place of an earlier one.
    pub(super) fn insert(&mut self, key: Digest, value: V, until: T) {
        if let Some((_, before)) = self.values.insert(key, (value, until)) {
            self.by_end.remove(&(before, key));
        }
        self.by_end.insert((until, key));
    }

    /// The value, over or not.
    pub(super) fn get(&self, key: &Digest) -> Option<&V> {
        self.values.get(key).map(|(value, _)| value)
    }

    /// The value, unless it is over.
    pub(super) fn live(&self, key: &Digest, now: T) -> Option<&V> {
        self.values.get(key).filter(|(_, until)| now < *until).map(|(value, _)| value)
    }

    /// The value to change, over or not. Its end stays: see [`move_end`](Self::move_end).
    pub(super) fn get_mut(&mut self, key: &Digest) -> Option<&mut V> {
        self.values.get_mut(key).map(|(value, _)| value)
    }

    /// Gives an entry another end.
    pub(super) fn move_end(&mut self, key: &Digest, until: T) {
        if let Some((_, end)) = self.values.get_mut(key) {
            self.by_end.remove(&(*end, *key));
            *end = until;
            self.by_end.insert((until, *key));
        }
    }

    /// Takes an entry out, over or not; with its end.
    pub(super) fn remove(&mut self, key: &Digest) -> Option<(V, T)> {
        let (value, until) = self.values.remove(key)?;
        self.by_end.remove(&(until, *key));
        Some((value, until))
    }

    /// A key whose end has come, the longest over first.
    pub(super) fn first_over(&self, now: T) -> Option<Digest> {
        self.by_end.first().filter(|(until, _)| *until <= now).map(|(_, key)| *key)
    }

    /// Drops at most `at_most` that are over; whether some are left.
    pub(super) fn sweep(&mut self, now: T, at_most: usize) -> bool {
        for _ in 0..at_most {
            match self.first_over(now) {
                Some(key) => self.remove(&key),
                None => return false,
            };
        }
        self.first_over(now).is_some()
    }

    /// How many are not over. Costs as much as there is to sweep.
    pub(super) fn live_count(&self, now: T) -> usize {
        self.values.len() - self.by_end.iter().take_while(|(until, _)| *until <= now).count()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty() && self.by_end.is_empty()
    }
}
