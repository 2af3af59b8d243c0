//! Time, injected: nothing else in the crate asks the machine what time it is.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// Where time comes from.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Wall time: what token times (`exp`, `iat`) are compared with. May jump.
    fn now(&self) -> Timestamp;

    /// Monotonic time: what ages and pauses are measured with. Never goes back.
    fn instant(&self) -> Instant;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn instant(&self) -> Instant {
        Instant::now()
    }
}

/// A clock for tests: it runs with the machine's and can be moved ahead by hand.
///
/// Both faces move together, so that "an hour later" is one call. It is public, and not only for
/// this crate's own tests, because the integration tests and the emulator share one with a gateway.
#[derive(Debug, Default)]
pub struct ManualClock {
    ahead: Mutex<Duration>,
}

impl ManualClock {
    /// Moves both faces ahead.
    pub fn advance(&self, by: Duration) {
        let mut ahead = self.ahead.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *ahead += by;
    }

    fn ahead(&self) -> Duration {
        *self.ahead.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        SystemClock.now().saturating_add(self.ahead()).unwrap_or(Timestamp::MAX)
    }

    fn instant(&self) -> Instant {
        SystemClock.instant() + self.ahead()
    }
}
