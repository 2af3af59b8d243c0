//! Writes, one transaction after another, each for all calls that wait.
//!
//! A commit costs an fsync, whatever is in it, so the calls that arrive while one is under way share the next.
//! No thread waits for calls: the first that finds nobody writing starts a blocking task, which goes on until
//! none is left. It is on the task tracker, so that a shutdown waits for what was begun.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::Database;
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use super::file::has_keys;
use super::handle::Handle;
use super::tables::{Halt, Tables};
use crate::session::StoreError;
use crate::session::ring::KeyRing;

/// How many calls share a commit. More would make the first of them wait for longer than an fsync.
const AT_ONCE: usize = 64;

/// Carries out calls that write.
pub(super) struct Writer {
    shared: Arc<Shared>,
    tasks: TaskTracker,
}

struct Shared {
    handle: Arc<Handle>,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    calls: VecDeque<Box<dyn Call>>,
    is_running: bool,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    pub(super) fn new(handle: Arc<Handle>, tasks: TaskTracker) -> Self {
        Self { shared: Arc::new(Shared { handle, queue: Mutex::default() }), tasks }
    }

    /// Does `work` in a transaction; answers once that is on the disk. A caller that leaves does not stop it.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tables<'_>) -> Result<T, Halt> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, receiver) = oneshot::channel();
        self.enqueue(Box::new(Job { work: Some(work), outcome: None, sender }));
        let gone = |_| Err(StoreError::Unavailable("the write was given up half way".into()));
        receiver.await.unwrap_or_else(gone)
    }

    fn enqueue(&self, call: Box<dyn Call>) {
        let mut queue = self.shared.queue();
        queue.calls.push_back(call);
        if !std::mem::replace(&mut queue.is_running, true) {
            let shared = Arc::clone(&self.shared);
            drop(self.tasks.spawn_blocking(move || run(&shared)));
        }
    }
}

fn run(shared: &Shared) {
    /// Should a transaction panic, whoever waits is told, and the next call starts anew.
    struct Guard<'a>(&'a Shared);
    impl Drop for Guard<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                *self.0.queue() = Queue::default();
            }
        }
    }
    let _guard = Guard(shared);
    loop {
        let mut calls = {
            let mut queue = shared.queue();
            if queue.calls.is_empty() {
                queue.is_running = false;
                return;
            }
            let count = queue.calls.len().min(AT_ONCE);
            queue.calls.drain(..count).collect::<Vec<_>>()
        };
        shared.handle.heal();
        let failed = transact(&shared.handle, &mut calls).err();
        for call in calls {
            call.answer(failed.as_ref());
        }
    }
}

/// Why a whole transaction did not happen.
#[derive(Clone)]
enum Failure {
    /// The ring has no key of this file.
    Keys,
    Storage(Arc<redb::Error>),
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Keys => Self::Unreadable,
            Failure::Storage(error) => Self::Unavailable(Box::new(error)),
        }
    }
}

/// All of them or, where it fails, none.
fn transact(handle: &Handle, calls: &mut [Box<dyn Call>]) -> Result<(), Failure> {
    handle.with(|database| commit(database, handle.ring(), calls)).map_err(|halt| match halt {
        Halt::Storage(error) => {
            tracing::error!(%error, "the session file cannot be written");
            Failure::Storage(Arc::new(error))
        }
        Halt::Unreadable => {
            tracing::error!("none of the session keys opens the session file: it is neither read nor written");
            Failure::Keys
        }
    })
}

fn commit(database: &Database, ring: &KeyRing, calls: &mut [Box<dyn Call>]) -> Result<(), Halt> {
    // Durability is `Immediate` unless another is asked for: a commit returns after its fsync.
    let transaction = database.begin_write()?;
    let mut tables = Tables::open(&transaction)?;
    has_keys(&tables.about, ring)?;
    for call in calls {
        call.work(&mut tables)?;
    }
    let changed = tables.changed;
    drop(tables);
    if changed {
        transaction.commit()?;
    } else {
        transaction.abort()?;
    }
    Ok(())
}

/// A call that waits for its transaction.
trait Call: Send {
    /// Carries it out. Fails where the whole transaction must.
    fn work(&mut self, tables: &mut Tables<'_>) -> Result<(), Halt>;

    /// Tells the caller, once it is known how the transaction ended.
    fn answer(self: Box<Self>, failed: Option<&Failure>);
}

struct Job<W, T> {
    work: Option<W>,
    outcome: Option<Result<T, StoreError>>,
    sender: oneshot::Sender<Result<T, StoreError>>,
}

impl<W, T> Call for Job<W, T>
where
    W: FnOnce(&mut Tables<'_>) -> Result<T, Halt> + Send,
    T: Send,
{
    fn work(&mut self, tables: &mut Tables<'_>) -> Result<(), Halt> {
        let Some(work) = self.work.take() else { return Ok(()) };
        self.outcome = match work(tables) {
            Ok(outcome) => Some(Ok(outcome)),
            Err(Halt::Unreadable) => Some(Err(StoreError::Unreadable)),
            Err(Halt::Storage(error)) => return Err(Halt::Storage(error)),
        };
        Ok(())
    }

    fn answer(self: Box<Self>, failed: Option<&Failure>) {
        let outcome = failed.map(|failure| Err(failure.clone().into())).or(self.outcome);
        if let Some(outcome) = outcome {
            // A caller that left needs no answer.
            let _ = self.sender.send(outcome);
        }
    }
}
