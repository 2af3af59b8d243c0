//! The schedule of one sending thread: when each request is due, and who sends it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::clock;

/// A request that is due.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket {
    /// Since when.
    pub(super) due: Instant,
    /// Whether a connection was free for it then: what it is late by is this side's doing.
    pub(super) was_expected: bool,
}

/// Requests that are due and not yet taken, oldest first.
#[derive(Debug, Default)]
pub(super) struct Tickets {
    due: RefCell<VecDeque<Ticket>>,
    waiting: Cell<usize>,
    arrived: Notify,
    is_closed: Cell<bool>,
}

impl Tickets {
    /// The next request's time, as soon as it has come. `None`: there will be no more.
    pub(super) async fn next(&self) -> Option<Ticket> {
        loop {
            if let Some(ticket) = self.due.borrow_mut().pop_front() {
                return Some(ticket);
            }
            if self.is_closed.get() {
                // Whoever waits as well must hear of it too.
                self.arrived.notify_one();
                return None;
            }
            self.waiting.set(self.waiting.get() + 1);
            self.arrived.notified().await;
            self.waiting.set(self.waiting.get() - 1);
        }
    }

    fn push(&self, due: Instant) {
        let was_expected = self.waiting.get() > self.due.borrow().len();
        self.due.borrow_mut().push_back(Ticket { due, was_expected });
        self.arrived.notify_one();
    }

    fn close(&self) {
        self.is_closed.set(true);
        self.arrived.notify_one();
    }

    /// Takes away what nobody will send any more.
    pub(super) fn drain(&self) -> Vec<Instant> {
        self.due.borrow_mut().drain(..).map(|ticket| ticket.due).collect()
    }
}

/// The times of this thread: every `step`, from `first` to `end`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    pub(super) start: Instant,
    pub(super) end: Instant,
    /// Requests a second over all threads.
    pub(super) per_second: f64,
    pub(super) thread: usize,
    pub(super) threads: usize,
}

impl Schedule {
    /// When this thread's request `k` is due. Computed from the start each time: steps would add up their errors.
    fn due(&self, k: u64) -> Instant {
        #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^53 requests")]
        let index = (k as f64).mul_add(self.threads as f64, self.thread as f64);
        self.start + Duration::from_secs_f64(index / self.per_second)
    }
}

/// Puts every request into `tickets` when it is due, until the end.
pub(super) async fn pace(tickets: &Tickets, schedule: Schedule) -> io::Result<()> {
    let mut timer = timer::Timer::new()?;
    let mut k = 0;
    loop {
        let due = schedule.due(k);
        if due >= schedule.end {
            break;
        }
        while let Some(left) = due.checked_duration_since(clock::now()).filter(|left| !left.is_zero()) {
            timer.wait(left).await?;
        }
        tickets.push(due);
        k += 1;
        // A thread that is behind still lets its connections run.
        if k % 64 == 0 {
            tokio::task::yield_now().await;
        }
    }
    tickets.close();
    Ok(())
}

/// The runtime's own timer counts milliseconds, which is ten times a fast answer: on Linux the kernel's is used.
#[cfg(target_os = "linux")]
mod timer {
    use std::io;
    use std::os::fd::OwnedFd;
    use std::time::Duration;

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
    };
    use tokio::io::unix::AsyncFd;

    pub(super) struct Timer(AsyncFd<OwnedFd>);

    impl Timer {
        #[expect(deprecated, reason = "its successor is unsafe; this descriptor is owned here and never leaves")]
        pub(super) fn new() -> io::Result<Self> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            Ok(Self(AsyncFd::new(timerfd_create(TimerfdClockId::Monotonic, flags)?)?))
        }

        pub(super) async fn wait(&mut self, left: Duration) -> io::Result<()> {
            let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
            let once = Itimerspec { it_interval: zero, it_value: Timespec::try_from(left).unwrap_or(zero) };
            timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &once)?;
            loop {
                let mut ready = self.0.readable().await?;
                let mut count = [0u8; 8];
                let read = ready.try_io(|timer| Ok(rustix::io::read(timer.get_ref(), &mut count)?));
                if let Ok(read) = read {
                    return read.map(|_| ());
                }
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod timer {
    use std::io;
    use std::time::Duration;

    pub(super) struct Timer;

    impl Timer {
        pub(super) fn new() -> io::Result<Self> {
            Ok(Self)
        }

        pub(super) async fn wait(&mut self, left: Duration) -> io::Result<()> {
            tokio::time::sleep(left).await;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_share_the_rate_and_never_a_place() {
        let start = clock::now();
        let of = |thread| Schedule { start, end: start, per_second: 1000.0, thread, threads: 2 };
        let mut due: Vec<_> = (0..3).flat_map(|k| [of(0).due(k), of(1).due(k)]).collect();
        due.sort();
        let micros: Vec<_> = due.into_iter().map(|at| at.duration_since(start).as_micros()).collect();
        assert_eq!(micros, [0, 1000, 2000, 3000, 4000, 5000]);
    }

    #[tokio::test]
    async fn every_waiting_worker_hears_the_end() {
        let tickets = Tickets::default();
        let ends = clock::now() + Duration::from_millis(5);
        let schedule = Schedule { start: clock::now(), end: ends, per_second: 1000.0, thread: 0, threads: 1 };
        let take = async || {
            let mut taken = 0;
            while tickets.next().await.is_some() {
                taken += 1;
            }
            taken
        };
        let (first, second, third, paced) = tokio::join!(take(), take(), take(), pace(&tickets, schedule));
        paced.unwrap();
        assert_eq!(first + second + third, 5);
    }
}
