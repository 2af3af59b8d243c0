//! Token buckets and the brute-force counter (auth0-facts §2, §3).

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// A token bucket's size and refill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// How many at once.
    pub burst: u32,
    /// How many a minute afterwards.
    pub per_minute: u32,
}

impl RateLimit {
    /// Auth0's limit of `/userinfo` for one user, on all plans.
    pub const USERINFO: Self = Self { burst: 10, per_minute: 5 };
}

/// What the `x-ratelimit-*` headers say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RateReading {
    /// The bucket's size.
    pub(super) limit: u32,
    /// What is left in it.
    pub(super) remaining: u32,
    /// Unix seconds when more is in it.
    pub(super) reset: i64,
}

/// The time, both faces.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// For ages.
    pub(super) instant: Instant,
    /// For what headers say.
    pub(super) now: Timestamp,
}

/// One bucket for each key.
pub(super) struct Buckets<K>(Mutex<HashMap<K, Bucket>>);

struct Bucket {
    tokens: f64,
    at: Instant,
}

/// A bound for memory alone: beyond it all keys start anew.
const MOST_KEYS: usize = 100_000;

impl<K> Default for Buckets<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Hash + Eq> Buckets<K> {
    /// Takes one token out of the key's bucket; `Err` if there was none.
    pub(super) fn take(&self, key: K, limit: RateLimit, at: Moment) -> Result<RateReading, RateReading> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MOST_KEYS && !buckets.contains_key(&key) {
            buckets.clear();
        }
        let full = f64::from(limit.burst);
        let per_second = f64::from(limit.per_minute) / 60.0;
        let bucket = buckets.entry(key).or_insert(Bucket { tokens: full, at: at.instant });
        let waited = at.instant.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.tokens = (bucket.tokens + waited * per_second).min(full);
        bucket.at = at.instant;
        let taken = bucket.tokens >= 1.0;
        if taken {
            bucket.tokens -= 1.0;
        }
        let reading = reading(bucket.tokens, limit, at.now);
        if taken { Ok(reading) } else { Err(reading) }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and a burst, or bounded seconds"
)]
fn reading(tokens: f64, limit: RateLimit, now: Timestamp) -> RateReading {
    let per_second = (f64::from(limit.per_minute) / 60.0).max(1e-6);
    let wait = ((1.0 - tokens.fract()) / per_second).ceil() as i64;
    RateReading { limit: limit.burst, remaining: tokens as u32, reset: now.as_second() + wait }
}

/// Failed password logins by (address, identifier).
#[derive(Default)]
pub(super) struct FailedLogins(Mutex<HashMap<(IpAddr, String), Failures>>);

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    last: Timestamp,
}

/// Auth0's default: after so many failures the address is blocked for that identifier.
pub(super) const BRUTE_FORCE_THRESHOLD: u32 = 10;

/// A block ends so long after the last failure.
const BLOCK: Duration = Duration::from_secs(30 * 24 * 3600);

impl FailedLogins {
    /// Whether this address is blocked for this identifier.
    pub(super) fn blocked(&self, address: IpAddr, identifier: &str, threshold: u32, now: Timestamp) -> bool {
        let failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failures
            .get(&(address, identifier.to_lowercase()))
            .is_some_and(|have| have.count >= threshold && have.last.saturating_add(BLOCK).is_ok_and(|ends| now < ends))
    }

    /// Notes a failure.
    pub(super) fn failed(&self, address: IpAddr, identifier: &str, now: Timestamp) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= MOST_KEYS {
            failures.clear();
        }
        let have = failures.entry((address, identifier.to_lowercase())).or_insert(Failures { count: 0, last: now });
        *have = Failures { count: have.count + 1, last: now };
    }

    /// A login that succeeded clears the count.
    pub(super) fn succeeded(&self, address: IpAddr, identifier: &str) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !failures.is_empty() {
            failures.remove(&(address, identifier.to_lowercase()));
        }
    }

    /// Lifts all blocks of this identifier.
    pub(super) fn unblock(&self, identifier: &str) {
        let identifier = identifier.to_lowercase();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(_, have), _| *have != identifier);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::{Clock, SystemClock};

    fn start() -> Moment {
        Moment { instant: SystemClock.instant(), now: Timestamp::UNIX_EPOCH }
    }

    fn after(start: Moment, seconds: u64) -> Moment {
        let by = Duration::from_secs(seconds);
        Moment { instant: start.instant + by, now: start.now + by }
    }

    #[test]
    fn userinfo_gives_a_burst_of_ten_and_then_one_every_twelve_seconds() {
        let (buckets, start) = (Buckets::default(), start());
        for left in (0..10).rev() {
            assert_eq!(buckets.take("u", RateLimit::USERINFO, start).expect("within the burst").remaining, left);
        }
        let empty = buckets.take("u", RateLimit::USERINFO, start).expect_err("the burst is spent");
        assert_eq!(empty, RateReading { limit: 10, remaining: 0, reset: 12 });
        assert!(buckets.take("other", RateLimit::USERINFO, start).is_ok(), "another user has another bucket");
        assert!(buckets.take("u", RateLimit::USERINFO, after(start, 11)).is_err());
        assert!(buckets.take("u", RateLimit::USERINFO, after(start, 13)).is_ok());
        assert!(buckets.take("u", RateLimit::USERINFO, after(start, 13)).is_err());
    }

    #[test]
    fn a_block_holds_for_one_address_and_identifier_and_ends_thirty_days_later() {
        let (logins, now) = (FailedLogins::default(), Timestamp::UNIX_EPOCH);
        let (here, there) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        for _ in 0..10 {
            assert!(!logins.blocked(here, "a@x", 10, now));
            logins.failed(here, "A@x", now);
        }
        assert!(logins.blocked(here, "a@x", 10, now));
        assert!(!logins.blocked(there, "a@x", 10, now) && !logins.blocked(here, "b@x", 10, now));
        assert!(!logins.blocked(here, "a@x", 10, now + BLOCK));
        logins.unblock("a@X");
        assert!(!logins.blocked(here, "a@x", 10, now));
    }

    #[test]
    fn a_success_clears_the_count() {
        let (logins, now, here) = (FailedLogins::default(), Timestamp::UNIX_EPOCH, IpAddr::from([127, 0, 0, 1]));
        (0..9).for_each(|_| logins.failed(here, "a@x", now));
        logins.succeeded(here, "a@x");
        logins.failed(here, "a@x", now);
        assert!(!logins.blocked(here, "a@x", 10, now));
    }
}
