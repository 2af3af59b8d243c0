//! One sending thread: a runtime of its own, its share of the connections, its own figures.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::sync::Mutex;

use super::connection::{Sender, connect};
use super::pacer::{Schedule, Ticket, Tickets, pace};
use super::record::Recorder;
use super::{Answer, Job, Pace, Plan, Progress, Work};
use crate::clock;

/// How long answers are waited for after the last request was due.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two attempts to connect.
const RECONNECT: Duration = Duration::from_millis(20);

/// What the tasks of a thread share.
struct Thread<'a> {
    plan: &'a Plan,
    start: Instant,
    work: &'a dyn Work,
    progress: &'a Progress,
    random: RefCell<SmallRng>,
    recorder: RefCell<Recorder>,
    /// Requests under way: when they count from, and what they are.
    under_way: RefCell<Vec<Option<(Instant, usize)>>>,
    /// Whether the work came to its own end, before the schedule's.
    is_exhausted: Cell<bool>,
}

/// A connection that several workers may use. Whoever finds it gone connects anew.
type Shared = Rc<Mutex<Option<Sender>>>;

pub(super) fn thread(
    plan: &Plan,
    thread: usize,
    start: Instant,
    (work, progress): (&dyn Work, &Progress),
) -> io::Result<Recorder> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let seed = plan.seed.wrapping_add(thread as u64);
    let connections = (plan.connections / plan.threads.max(1)).max(1);
    let workers = connections * plan.streams.max(1);
    let this = Thread {
        plan,
        start,
        work,
        progress,
        random: RefCell::new(SmallRng::seed_from_u64(seed)),
        recorder: RefCell::new(Recorder::new(work.operations(), plan.rounds)),
        under_way: RefCell::new(vec![None; workers]),
        is_exhausted: Cell::new(false),
    };
    let tickets = Tickets::default();
    runtime.block_on(async {
        let shared: Vec<Shared> = (0..connections).map(|_| Shared::default()).collect();
        let workers = (0..workers).map(|worker| this.worker(worker, &shared[worker % connections], &tickets));
        let all = futures_util::future::join_all(workers);
        let end = start + plan.duration();
        let pacing = async {
            if let Pace::Open { per_second } = plan.pace {
                pace(&tickets, Schedule { start, end, per_second, thread, threads: plan.threads.max(1) }).await?;
            }
            std::future::pending::<io::Result<()>>().await
        };
        let by = tokio::time::Instant::from_std(end + PATIENCE);
        // The workers end when the schedule does, or when there is nothing left to do.
        tokio::select! {
            _ = all => Ok(()),
            failed = pacing => failed,
            () = tokio::time::sleep_until(by) => Ok(()),
        }
    })?;
    if !this.is_exhausted.get() {
        this.charge(&tickets.drain());
    }
    Ok(this.recorder.into_inner())
}

impl Thread<'_> {
    async fn worker(&self, worker: usize, shared: &Shared, tickets: &Tickets) {
        let mut sender = None;
        let until_start = self.start.saturating_duration_since(clock::now());
        sender = self.connected(sender, shared).await;
        if matches!(self.plan.pace, Pace::Closed) {
            tokio::time::sleep(until_start).await;
        }
        loop {
            let ticket = match self.plan.pace {
                Pace::Open { .. } => match tickets.next().await {
                    Some(ticket) => ticket,
                    None => return,
                },
                Pace::Closed if clock::now() >= self.start + self.plan.duration() => return,
                Pace::Closed => Ticket { due: clock::now(), was_expected: false },
            };
            let Some(job) = self.work.next(&mut self.random.borrow_mut()) else {
                self.is_exhausted.set(true);
                return;
            };
            sender = self.one(worker, (ticket, job), sender, shared).await;
        }
    }

    /// Sends one request and writes down what came of it; the connection, if it is still one.
    async fn one(
        &self,
        worker: usize,
        (ticket, job): (Ticket, Job),
        sender: Option<Sender>,
        shared: &Shared,
    ) -> Option<Sender> {
        let Job { operation, call, is_right, keeps_body, then } = job;
        self.mark(worker, Some((ticket.due, operation)));
        let mut sender = self.connected(sender, shared).await;
        let sent = clock::now();
        let outcome = match &mut sender {
            None => Err("not connected".to_owned()),
            Some(sender) => {
                let sending = sender.send(call, self.plan.endpoint.tls.is_some(), keeps_body);
                match tokio::time::timeout(self.plan.timeout, sending).await {
                    Ok(Ok(answer)) => Ok(answer),
                    Ok(Err(_)) => Err("connection lost".to_owned()),
                    Err(_) => Err("timed out".to_owned()),
                }
            }
        };
        self.mark(worker, None);
        self.write_down((ticket, sent), operation, &outcome, is_right);
        if let Some(then) = then {
            then(outcome.as_ref().ok());
        }
        if outcome.is_err() {
            *shared.lock().await = None;
            return None;
        }
        sender
    }

    fn mark(&self, worker: usize, under_way: Option<(Instant, usize)>) {
        if let Some(place) = self.under_way.borrow_mut().get_mut(worker) {
            *place = under_way;
        }
    }

    fn write_down(
        &self,
        (Ticket { due, was_expected }, sent): (Ticket, Instant),
        operation: usize,
        outcome: &Result<Answer, String>,
        is_right: fn(&Answer) -> bool,
    ) {
        let taken = clock::now().saturating_duration_since(due);
        let round = self.plan.round_of(due.saturating_duration_since(self.start));
        let failure = match outcome {
            Ok(answer) if is_right(answer) => None,
            Ok(answer) => Some(format!("wrong answer {}", answer.status.as_u16())),
            Err(why) => Some(why.clone()),
        };
        self.progress.answered.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if failure.is_some() {
            self.progress.failed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
        let mut recorder = self.recorder.borrow_mut();
        if was_expected {
            recorder.lag(round, sent.saturating_duration_since(due));
        }
        let Some(figures) = recorder.operation(round, operation) else { return };
        figures.latency.saturating_record(clock::nanoseconds(taken));
        if let Ok(answer) = outcome {
            *figures.statuses.entry(answer.status.as_u16()).or_default() += 1;
        }
        if let Some(failure) = failure {
            *figures.failures.entry(failure).or_default() += 1;
        }
    }

    /// What was never sent or never answered counts with the time that was waited for it: leaving it out would hide
    /// the very worst.
    fn charge(&self, never_sent: &[Instant]) {
        let now = clock::now();
        let under_way = self.under_way.take();
        let under_way = under_way.into_iter().flatten().map(|(due, operation)| (due, operation, "no answer"));
        let never_sent = never_sent.iter().map(|due| (*due, 0, "never sent"));
        let mut recorder = self.recorder.borrow_mut();
        for (due, operation, why) in under_way.chain(never_sent) {
            let round = self.plan.round_of(due.saturating_duration_since(self.start));
            if let Some(figures) = recorder.operation(round, operation) {
                figures.latency.saturating_record(clock::nanoseconds(now.saturating_duration_since(due)));
                *figures.failures.entry(why.to_owned()).or_default() += 1;
            }
        }
    }

    /// The connection at hand, the shared one, or a new one. `None` where none came about in a while.
    async fn connected(&self, sender: Option<Sender>, shared: &Shared) -> Option<Sender> {
        if let Some(sender) = sender {
            return Some(sender);
        }
        let mut place = shared.lock().await;
        if let Some(sender) = place.as_ref().and_then(Sender::share) {
            return Some(sender);
        }
        let connecting = connect(&self.plan.endpoint);
        if let Ok(Ok(sender)) = tokio::time::timeout(self.plan.timeout, connecting).await {
            *place = sender.share();
            return Some(sender);
        }
        tokio::time::sleep(RECONNECT).await;
        None
    }
}
