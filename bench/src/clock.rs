//! The machine's own clock: a bench measures with it.

use std::time::{Duration, Instant};

/// Now.
#[expect(clippy::disallowed_methods, reason = "a bench measures with the machine's own clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The wall clock, for the head of a report.
#[expect(clippy::disallowed_methods, reason = "a report says when it was made")]
pub(crate) fn wall() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// Nanoseconds, which for 584 years fit.
pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
