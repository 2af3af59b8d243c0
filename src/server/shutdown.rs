//! From the first signal to the last answer.
//!
//! Running → draining (not ready any more, still accepting, so that load balancers can turn away) →
//! closing (listeners closed, what is in flight finishes) → ended. A second stop skips to the end.
//! Owns the order and the times; what each phase means is up to those who watch it.

use std::future::{Future, pending};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::{Interval, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::notify::{self, ServiceState};

/// How long each phase lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShutdownTimes {
    /// From the stop to the closing of the listeners: `DELAY_SHUTDOWN_SECONDS`.
    pub delay: Duration,
    /// From there to the end, at most: what is in flight may take so long.
    pub grace: Duration,
}

impl Default for ShutdownTimes {
    /// 10 s for load balancers to notice, 15 s for what is in flight.
    fn default() -> Self {
        Self { delay: Duration::from_secs(10), grace: Duration::from_secs(15) }
    }
}

/// Where the process is on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Serving.
    Running,
    /// Serving, but not ready: whoever asks is told to go elsewhere.
    Draining,
    /// Listeners are closed; what is in flight finishes.
    Closing,
    /// Over: connections still open are dropped.
    Ended,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Everything in flight finished.
    Finished,
    /// The grace passed, or a second stop came, with so many tasks under way.
    CutOff(usize),
}

/// The process's way out. A handle: clones are of one shutdown.
///
/// Tasks that must finish before the process ends are spawned on [`tracker`](Self::tracker). Those that
/// would never end by themselves (watchers, sweeps, listeners) stop when [`closing`](Self::closing) is
/// cancelled.
#[derive(Debug, Clone)]
pub struct Shutdown {
    times: ShutdownTimes,
    /// How often a stop was asked for.
    stops: Arc<watch::Sender<u32>>,
    draining: CancellationToken,
    closing: CancellationToken,
    ended: CancellationToken,
    tracker: TaskTracker,
}

impl Shutdown {
    /// A running process.
    pub fn new(times: ShutdownTimes) -> Self {
        Self {
            times,
            stops: Arc::new(watch::Sender::new(0)),
            draining: CancellationToken::new(),
            closing: CancellationToken::new(),
            ended: CancellationToken::new(),
            tracker: TaskTracker::new(),
        }
    }

    /// Where it is. Readiness is [`Phase::Running`].
    pub fn phase(&self) -> Phase {
        if self.ended.is_cancelled() {
            Phase::Ended
        } else if self.closing.is_cancelled() {
            Phase::Closing
        } else if self.draining.is_cancelled() {
            Phase::Draining
        } else {
            Phase::Running
        }
    }

    /// Asks for the end, as `TERM` does: the first time in order, the second time at once.
    pub fn stop(&self) {
        self.stops.send_modify(|stops| *stops = stops.saturating_add(1));
    }

    /// Cancelled when listeners close.
    pub fn closing(&self) -> &CancellationToken {
        &self.closing
    }

    /// Cancelled when whatever is still under way is dropped.
    pub fn ended(&self) -> &CancellationToken {
        &self.ended
    }

    /// Waited for before the process ends.
    pub fn tracker(&self) -> &TaskTracker {
        &self.tracker
    }

    /// Runs until the end: forwards signals, tells systemd, walks through the phases.
    ///
    /// The state `Ready` is the caller's to tell, when its listeners are bound.
    pub async fn run(&self, signals: Signals) -> Outcome {
        tokio::select! {
            outcome = self.walk() => outcome,
            never = self.forward(signals) => match never {},
        }
    }

    async fn walk(&self) -> Outcome {
        self.stopped(1).await;
        tracing::info!(delay = ?self.times.delay, "stopping: not ready any more");
        notify::tell(ServiceState::Stopping);
        self.draining.cancel();
        let second = self.until_second_stop(sleep(self.times.delay)).await.is_none();
        self.closing.cancel();
        self.tracker.close();
        if !second {
            tracing::info!(grace = ?self.times.grace, "stopping: listeners close");
            let finished = timeout(self.times.grace, self.tracker.wait());
            // A second stop and a time-out are one: what is under way is cut off.
            let _ = self.until_second_stop(finished).await;
        }
        let left = self.tracker.len();
        self.ended.cancel();
        if left == 0 { Outcome::Finished } else { Outcome::CutOff(left) }
    }

    /// What the future gives, or `None` if a second stop comes first.
    async fn until_second_stop<F: Future>(&self, future: F) -> Option<F::Output> {
        tokio::select! {
            output = future => Some(output),
            () = self.stopped(2) => None,
        }
    }

    /// Until so many stops were asked for.
    async fn stopped(&self, times: u32) {
        // The sender is ours: waiting cannot fail while `self` lives.
        let _ = self.stops.subscribe().wait_for(|stops| *stops >= times).await;
    }

    async fn forward(&self, mut signals: Signals) -> std::convert::Infallible {
        let mut watchdog = watchdog();
        loop {
            tokio::select! {
                () = next(signals.terminate.as_mut()) => self.stop(),
                () = next(signals.interrupt.as_mut()) => self.stop(),
                () = next(signals.hangup.as_mut()) => {
                    // Full: a reload is asked for already, and it will see what there is by then.
                    let _ = signals.reload.try_send(());
                }
                () = tick(watchdog.as_mut()) => notify::tell(ServiceState::Alive),
            }
        }
    }
}

/// The signals that the process goes by. `HUP` never kills it: from here on it asks for a reload.
#[derive(Debug)]
pub struct Signals {
    terminate: Option<Signal>,
    interrupt: Option<Signal>,
    hangup: Option<Signal>,
    reload: mpsc::Sender<()>,
}

/// One item for each time that `HUP` came; several at once are one.
pub type Reloads = mpsc::Receiver<()>;

impl Signals {
    /// Takes `TERM`, `INT` and `HUP` over from the operating system, for the rest of the process's life.
    pub fn install() -> io::Result<(Self, Reloads)> {
        let (mut signals, reloads) = Self::none();
        signals.terminate = Some(signal(SignalKind::terminate())?);
        signals.interrupt = Some(signal(SignalKind::interrupt())?);
        signals.hangup = Some(signal(SignalKind::hangup())?);
        Ok((signals, reloads))
    }

    /// No signal ever comes: for a gateway inside another process.
    pub fn none() -> (Self, Reloads) {
        let (reload, reloads) = mpsc::channel(1);
        (Self { terminate: None, interrupt: None, hangup: None, reload }, reloads)
    }
}

async fn next(signal: Option<&mut Signal>) {
    if let Some(signal) = signal
        && signal.recv().await.is_some()
    {
        return;
    }
    // No signal is listened for, or the runtime's signal driver is gone: none ever comes.
    pending::<()>().await;
}

/// Twice within systemd's time, where it watches.
fn watchdog() -> Option<Interval> {
    let mut ticks = interval(notify::watchdog_time()? / 2);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Some(ticks)
}

async fn tick(interval: Option<&mut Interval>) {
    match interval {
        Some(interval) => drop(interval.tick().await),
        None => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    /// A shutdown of 10 s delay and 15 s grace that runs on a clock which jumps to the next timer.
    fn running() -> (Shutdown, tokio::task::JoinSet<Outcome>) {
        let shutdown = Shutdown::new(ShutdownTimes::default());
        let mut runs = tokio::task::JoinSet::new();
        let run = shutdown.clone();
        runs.spawn(async move { run.run(Signals::none().0).await });
        (shutdown, runs)
    }

    async fn outcome(mut runs: tokio::task::JoinSet<Outcome>) -> Outcome {
        runs.join_next().await.expect("one was spawned").expect("does not panic")
    }

    #[tokio::test(start_paused = true)]
    async fn phases_follow_each_other_and_what_is_in_flight_finishes() {
        let (shutdown, runs) = running();
        let began = Instant::now();
        shutdown.tracker().spawn(sleep(Duration::from_secs(22)));
        assert_eq!(shutdown.phase(), Phase::Running);
        shutdown.stop();
        shutdown.draining.cancelled().await;
        assert_eq!((shutdown.phase(), began.elapsed().as_secs()), (Phase::Draining, 0));
        shutdown.closing().cancelled().await;
        assert_eq!((shutdown.phase(), began.elapsed().as_secs()), (Phase::Closing, 10));
        assert_eq!(outcome(runs).await, Outcome::Finished);
        assert_eq!((shutdown.phase(), began.elapsed().as_secs()), (Phase::Ended, 22));
    }

    #[tokio::test(start_paused = true)]
    async fn what_outlasts_the_grace_is_cut_off() {
        let (shutdown, runs) = running();
        let began = Instant::now();
        shutdown.tracker().spawn(pending::<()>());
        shutdown.stop();
        assert_eq!(outcome(runs).await, Outcome::CutOff(1));
        assert_eq!(began.elapsed().as_secs(), 25);
        assert!(shutdown.ended().is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_stop_ends_at_once_in_either_phase() {
        for wait in [Duration::ZERO, Duration::from_secs(12)] {
            let (shutdown, runs) = running();
            let began = Instant::now();
            shutdown.tracker().spawn(pending::<()>());
            shutdown.stop();
            sleep(wait).await;
            shutdown.stop();
            assert_eq!(outcome(runs).await, Outcome::CutOff(1));
            assert_eq!(began.elapsed(), wait);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn two_stops_at_once_are_two() {
        let (shutdown, runs) = running();
        let began = Instant::now();
        shutdown.stop();
        shutdown.stop();
        assert_eq!(outcome(runs).await, Outcome::Finished);
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test]
    async fn a_hangup_asks_for_a_reload_and_a_term_for_the_end() {
        let (signals, mut reloads) = Signals::install().expect("installs");
        let shutdown = Shutdown::new(ShutdownTimes { delay: Duration::ZERO, grace: Duration::ZERO });
        let running = shutdown.clone();
        let mut runs = tokio::task::JoinSet::new();
        runs.spawn(async move { running.run(signals).await });
        kill("-HUP").await;
        assert_eq!(reloads.recv().await, Some(()));
        assert_eq!(shutdown.phase(), Phase::Running);
        kill("-TERM").await;
        assert_eq!(outcome(runs).await, Outcome::Finished);
    }

    async fn kill(signal: &str) {
        let this = std::process::id().to_string();
        let killed = tokio::process::Command::new("kill").args([signal, &this]).status().await;
        assert!(killed.expect("runs").success());
    }
}
