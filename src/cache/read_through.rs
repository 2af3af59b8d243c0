//! Single flight: many askers, one fetch, which no asker's leaving tears apart.

use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ahash::AHashMap;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

/// How long a request waits for something fresh while there is something stale; the fetch goes on.
pub const PATIENCE_WITH_STALE: Duration = Duration::from_secs(1);

/// What is under way, by key. A value is handed to those who asked while it was under way, and then
/// forgotten: keeping it is a cache's matter.
pub struct SingleFlight<K, V> {
    under_way: Arc<Mutex<AHashMap<K, watch::Receiver<Option<V>>>>>,
}

impl<K, V> Default for SingleFlight<K, V> {
    fn default() -> Self {
        Self { under_way: Arc::default() }
    }
}

/// A flight under way, boarded.
#[derive(Debug)]
pub struct Boarded<V>(watch::Receiver<Option<V>>);

impl<V: Clone> Boarded<V> {
    /// What came of it; `None` where its work panicked.
    pub async fn wait(mut self) -> Option<V> {
        self.0.wait_for(Option::is_some).await.ok().and_then(|value| value.clone())
    }
}

impl<K, V> fmt::Debug for SingleFlight<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SingleFlight")
    }
}

/// Takes the key out when the flight ends, also when it panics: the next asker starts anew.
struct Landing<K: Eq + Hash, V> {
    under_way: Arc<Mutex<AHashMap<K, watch::Receiver<Option<V>>>>>,
    key: K,
}

impl<K: Eq + Hash, V> Drop for Landing<K, V> {
    fn drop(&mut self) {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

impl<K, V> SingleFlight<K, V>
where
    K: Eq + Hash + Clone + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// What is under way for the key, to wait for; `None` where nothing is.
    pub fn running(&self, key: &K) -> Option<Boarded<V>> {
        let under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.get(key).cloned().map(Boarded)
    }

    /// Begins the work, or boards what is under way. The work is on its way when this returns.
    pub fn start<F, W>(&self, key: &K, tasks: &TaskTracker, work: W) -> Boarded<V>
    where
        F: Future<Output = V> + Send + 'static,
        W: FnOnce() -> F,
    {
        Boarded(self.join(key, tasks, &mut Some(work)).0)
    }

    /// The value, and whether this asker's `work` made it. The work runs on `tasks` and goes on when
    /// its asker leaves. Work that panics is begun anew by whoever waits for it; the one whose work
    /// it was panics too, in its own request.
    pub async fn run<F, W>(&self, key: K, tasks: &TaskTracker, work: W) -> (V, bool)
    where
        F: Future<Output = V> + Send + 'static,
        W: FnOnce() -> F,
    {
        let mut work = Some(work);
        loop {
            let (mut receiver, led) = self.join(&key, tasks, &mut work);
            // Cloned out before the next await: the guard must not be held.
            let landed = receiver.wait_for(Option::is_some).await.ok().and_then(|value| value.clone());
            match landed {
                Some(value) => return (value, led),
                // The leader's task was torn apart. `work` is still here unless it was ours.
                None if work.is_some() => {}
                None => std::panic::resume_unwind(Box::new("the work of a single flight panicked")),
            }
        }
    }

    /// The flight under way for the key, or a new one with this asker's work.
    fn join<F, W>(&self, key: &K, tasks: &TaskTracker, work: &mut Option<W>) -> (watch::Receiver<Option<V>>, bool)
    where
        F: Future<Output = V> + Send + 'static,
        W: FnOnce() -> F,
    {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(receiver) = under_way.get(key) {
            return (receiver.clone(), false);
        }
        let (sender, receiver) = watch::channel(None);
        under_way.insert(key.clone(), receiver.clone());
        drop(under_way);
        let landing = Landing { under_way: Arc::clone(&self.under_way), key: key.clone() };
        if let Some(work) = work.take() {
            let work = work();
            tasks.spawn(async move {
                let landing = landing;
                let value = work.await;
                // Out of the map first: who asks from now on gets a fresh answer.
                drop(landing);
                sender.send_replace(Some(value));
            });
        }
        (receiver, true)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    struct Counted {
        flight: SingleFlight<u8, usize>,
        tasks: TaskTracker,
        runs: AtomicUsize,
        gate: Notify,
    }

    fn counted() -> Arc<Counted> {
        Arc::new(Counted {
            flight: SingleFlight::default(),
            tasks: TaskTracker::new(),
            runs: AtomicUsize::new(0),
            gate: Notify::new(),
        })
    }

    async fn ask(counted: Arc<Counted>) -> (usize, bool) {
        let inner = Arc::clone(&counted);
        let work = || async move {
            let run = inner.runs.fetch_add(1, Ordering::SeqCst);
            inner.gate.notified().await;
            run
        };
        counted.flight.run(7, &counted.tasks, work).await
    }

    #[tokio::test]
    async fn fifty_askers_are_one_run_and_the_next_is_another() {
        let counted = counted();
        let askers: Vec<_> = (0..50).map(|_| counted.tasks.spawn(ask(Arc::clone(&counted)))).collect();
        while counted.runs.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        counted.gate.notify_one();
        let mut led = 0;
        for asker in askers {
            let (run, is_leader) = asker.await.expect("answers");
            assert_eq!(run, 0);
            led += usize::from(is_leader);
        }
        assert_eq!((led, counted.runs.load(Ordering::SeqCst)), (1, 1));
        counted.gate.notify_one();
        assert_eq!(ask(Arc::clone(&counted)).await, (1, true));
    }

    #[tokio::test]
    async fn a_leader_that_leaves_tears_nothing_apart() {
        let counted = counted();
        let leader = counted.tasks.spawn(ask(Arc::clone(&counted)));
        while counted.runs.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        let follower = counted.tasks.spawn(ask(Arc::clone(&counted)));
        tokio::task::yield_now().await;
        leader.abort();
        counted.gate.notify_one();
        assert_eq!(follower.await.expect("answers"), (0, false));
    }

    #[tokio::test]
    async fn work_that_panics_is_begun_anew_by_who_waits() {
        let flight: Arc<SingleFlight<u8, u8>> = Arc::default();
        let tasks = TaskTracker::new();
        let gate = Arc::new(Notify::new());
        let (flight_2, tasks_2, gate_2) = (Arc::clone(&flight), tasks.clone(), Arc::clone(&gate));
        let leader = tasks.spawn(async move {
            flight_2
                .run(1, &tasks_2, || async move {
                    gate_2.notified().await;
                    panic!("planted")
                })
                .await
        });
        tokio::task::yield_now().await;
        let (flight_3, tasks_3) = (Arc::clone(&flight), tasks.clone());
        let follower = tasks.spawn(async move { flight_3.run(1, &tasks_3, || async { 9 }).await });
        tokio::task::yield_now().await;
        gate.notify_one();
        assert!(leader.await.is_err());
        assert_eq!(follower.await.expect("answers"), (9, true));
    }
}
