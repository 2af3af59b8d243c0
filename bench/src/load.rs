//! The engine: sends what a [`Work`] gives it, at a rate or as fast as answers come, and measures.
//!
//! **Open loop**: request `i` is due at `start + i / rate`, whatever came of those before it, and its latency counts
//! from then. So a server that stalls is charged for every request that had to wait, not only for those that were
//! under way: the measure is free of coordinated omission. **Closed loop**: every connection sends its next request
//! when the last is answered, which finds the limit and hides stalls.
//!
//! Owns connections, schedule and recording. Knows nothing of tenants or endpoints.

mod connection;
mod pacer;
mod record;
mod worker;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use rand::rngs::SmallRng;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

pub use connection::{Sender, connect};
pub use record::{Operation, Recorder, Round, histogram};

use crate::clock;

/// How requests follow each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// So many a second, whatever the answers do.
    Open {
        /// Over all connections.
        per_second: f64,
    },
    /// The next when the last is answered.
    Closed,
}

/// Where to.
#[derive(Clone)]
pub struct Endpoint {
    /// The socket.
    pub address: SocketAddr,
    /// TLS, and the name to ask for.
    pub tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    /// HTTP/2: by ALPN, or by prior knowledge without TLS.
    pub http2: bool,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let protocol = if self.http2 { "h2" } else { "http/1.1" };
        write!(f, "{} {protocol}{}", self.address, if self.tls.is_some() { " TLS" } else { "" })
    }
}

/// How to load.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where to.
    pub endpoint: Endpoint,
    /// How fast.
    pub pace: Pace,
    /// Connections over all threads, at least one a thread.
    pub connections: usize,
    /// Requests at once on each; 1 without HTTP/2.
    pub streams: usize,
    /// Threads that send.
    pub threads: usize,
    /// What comes first and is not counted.
    pub warm_up: Duration,
    /// How long a round is.
    pub round: Duration,
    /// How many rounds follow each other without a pause.
    pub rounds: usize,
    /// When a request is given up.
    pub timeout: Duration,
    /// What choices are drawn from.
    pub seed: u64,
}

impl Plan {
    /// From the first request to the last that is due.
    pub fn duration(&self) -> Duration {
        self.warm_up + self.round * u32::try_from(self.rounds).unwrap_or(u32::MAX)
    }

    /// The round of an instant this long after the start; `None` in the warm-up and after the end.
    fn round_of(&self, since_start: Duration) -> Option<usize> {
        let counted = since_start.checked_sub(self.warm_up)?;
        let round = usize::try_from(counted.as_nanos() / self.round.as_nanos().max(1)).ok()?;
        (round < self.rounds).then_some(round)
    }
}

/// A request to be sent.
#[derive(Debug, Clone)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub target: Bytes,
    /// The host it is for, whatever the socket.
    pub host: Box<str>,
    /// Further headers.
    pub headers: HeaderMap,
    /// The body, possibly empty.
    pub body: Bytes,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, where the job keeps it.
    pub body: Bytes,
}

/// What follows from an answer. `None`: there was none.
pub type Then = Box<dyn FnOnce(Option<&Answer>) + Send>;

/// One request, how to judge its answer, and what follows from it.
pub struct Job {
    /// Its place in [`Work::operations`].
    pub operation: usize,
    /// What is sent.
    pub call: Call,
    /// Whether the answer is right.
    pub is_right: fn(&Answer) -> bool,
    /// Whether the body is needed to judge or to go on; it is read to its end in any case.
    pub keeps_body: bool,
    /// What follows.
    pub then: Option<Then>,
}

/// What is to be done. Asked from several threads.
pub trait Work: Send + Sync {
    /// The names of what [`Job::operation`] points at.
    fn operations(&self) -> Vec<String>;

    /// The next job, or `None` where nothing is left to do.
    fn next(&self, random: &mut SmallRng) -> Option<Job>;
}

/// How far a run is, while it runs.
#[derive(Debug, Default)]
pub struct Progress {
    /// Answers so far, in the warm-up too.
    pub answered: AtomicU64,
    /// Those that were wrong or never came.
    pub failed: AtomicU64,
}

impl Progress {
    /// Answers and failures so far.
    pub fn read(&self) -> (u64, u64) {
        (self.answered.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed))
    }
}

/// Called on its own thread from the start to the end of a run.
pub trait Watcher: Send {
    /// The run has begun or ended a round: `Some(0)` when the warm-up is over, `None` after the last.
    fn round(&mut self, round: Option<usize>, progress: &Progress);

    /// Now and then in between.
    fn tick(&mut self, progress: &Progress);
}

/// How often a watcher is asked.
const TICK: Duration = Duration::from_millis(100);

/// Runs the plan to its end. Blocking.
///
/// # Errors
/// Where no runtime can be had. A server that does not answer is no error: it is what is measured.
pub fn run(plan: &Plan, work: &Arc<dyn Work>, watcher: &mut dyn Watcher) -> std::io::Result<Recorder> {
    let progress = Progress::default();
    let start = clock::now() + Duration::from_millis(20);
    let threads = plan.threads.max(1);
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|thread| {
                let (work, progress) = (Arc::clone(work), &progress);
                scope.spawn(move || worker::thread(plan, thread, start, (work.as_ref(), progress)))
            })
            .collect();
        watch(plan, start, &progress, watcher, || handles.iter().all(std::thread::ScopedJoinHandle::is_finished));
        let mut all = Recorder::new(work.operations(), plan.rounds);
        for handle in handles {
            all.add(handle.join().map_err(|_| std::io::Error::other("a sending thread panicked"))??);
        }
        Ok(all)
    })
}

fn watch(plan: &Plan, start: Instant, progress: &Progress, watcher: &mut dyn Watcher, is_over: impl Fn() -> bool) {
    let ends = (0..=plan.rounds).map(|round| plan.warm_up + plan.round * u32::try_from(round).unwrap_or(u32::MAX));
    for (round, end) in ends.enumerate() {
        while let Some(left) = (start + end).checked_duration_since(clock::now()).filter(|left| !left.is_zero()) {
            pause(left.min(TICK));
            if is_over() {
                return watcher.round(None, progress);
            }
            if left > TICK {
                watcher.tick(progress);
            }
        }
        watcher.round((round < plan.rounds).then_some(round), progress);
    }
}

/// Holds a thread that has nothing else to do.
pub(crate) fn pause(duration: Duration) {
    let until = clock::now() + duration;
    while let Some(left) = until.checked_duration_since(clock::now()).filter(|left| !left.is_zero()) {
        std::thread::park_timeout(left);
    }
}
