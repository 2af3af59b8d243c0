//! Servers that go away, freeze, change places or refuse to write.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use auth0_gateway::base::clock::{Clock, ManualClock};
use auth0_gateway::base::digest::Digest;
use auth0_gateway::session::redis::RedisStore;
use auth0_gateway::session::{SessionStore, StoreError, conformance};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::copies::copied;
use super::{Still, Stores, fresh, opened};
use crate::support::eventually;
use crate::support::redis::{Cluster, Sentinels, Server};

/// Fails as a store fails that is out of reach, and not otherwise.
async fn is_out_of_reach(store: &RedisStore) -> bool {
    match store.count().await {
        Ok(_) => false,
        Err(StoreError::Unavailable(_)) => true,
        Err(other) => panic!("{other:?}"),
    }
}

/// Takes one lease after the other, whatever happens.
struct Writer {
    answered: Arc<AtomicUsize>,
    stop: CancellationToken,
    task: JoinHandle<Vec<u64>>,
}

impl Writer {
    fn start(store: Arc<RedisStore>) -> Self {
        let (answered, stop) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
        let (count, stopped) = (Arc::clone(&answered), stop.clone());
        let task = tokio::spawn(async move {
            let mut fences = Vec::new();
            while !stopped.is_cancelled() {
                match store.lease(Digest::of("key"), Duration::from_millis(100)).await {
                    Ok(Some(lease)) => {
                        fences.push(lease.fence);
                        count.fetch_add(1, Ordering::Relaxed);
                        let _ = store.release(Digest::of("key"), lease).await;
                    }
                    // The release before was lost.
                    Ok(None) | Err(StoreError::Unavailable(_)) => {}
                    Err(other) => panic!("{other:?}"),
                }
                tokio::task::yield_now().await;
            }
            fences
        });
        Self { answered, stop, task }
    }

    /// Waits until it has been answered again.
    async fn goes_on(&self) {
        let before = self.answered.load(Ordering::Relaxed);
        eventually("answers", || async { self.answered.load(Ordering::Relaxed) > before + 20 }).await;
    }

    /// Every fence that it got, each higher than the one before.
    async fn end(self) {
        self.stop.cancel();
        let fences = self.task.await.unwrap();
        assert!(fences.windows(2).all(|pair| pair[0] < pair[1]), "a fence did not grow");
    }
}

#[tokio::test]
async fn a_server_that_goes_away_is_found_again_and_knows_no_script() {
    let mut server = Server::start(&[]).await;
    let (stores, clock) = (Stores::impatient(server.url()), Arc::new(ManualClock::default()));
    let store = stores.open(clock.clone(), "a:");
    opened(&store, &*clock).await;
    server.kill();
    assert!(is_out_of_reach(&store).await);
    server.start_again().await;
    eventually("a server that is found again", || async { !is_out_of_reach(&store).await }).await;
    let id = opened(&store, &*clock).await;
    assert!(store.read(&id).await.unwrap().is_some());
}

#[tokio::test]
async fn a_frozen_server_is_an_error_and_no_wait_without_end() {
    let server = Server::start(&[]).await;
    let (stores, clock) = (Stores::impatient(server.url()), Arc::new(Still::default()));
    let store = stores.open(clock.clone(), "a:");
    let id = opened(&store, &*clock).await;
    copied(&store, &id, &[&server]).await;
    server.signal("STOP");
    assert!(store.lease(Digest::of("key"), Duration::from_secs(10)).await.is_err());
    // Also where it was read a moment ago: nobody can say that it has not ended meanwhile.
    eventually("a copy that is believed no more", || async { store.read(&id).await.is_err() }).await;
    server.signal("CONT");
    eventually("a server that goes on", || async { !is_out_of_reach(&store).await }).await;
    assert!(store.read(&id).await.unwrap().is_some());
}

#[tokio::test]
async fn a_server_that_became_a_replica_is_left_and_asked_for_anew() {
    let server = Server::start(&[]).await;
    let (stores, clock) = (Stores::impatient(server.url()), Arc::new(ManualClock::default()));
    let store = stores.open(clock.clone(), "a:");
    let id = opened(&store, &*clock).await;
    let connections = || {
        let said = server.cli(&["INFO", "stats"]);
        let line = said.lines().find_map(|line| line.strip_prefix("total_connections_received:")).unwrap();
        line.trim().parse::<u64>().unwrap()
    };
    let idle_until = clock.now() + Duration::from_secs(2000);
    for stale_data in ["yes", "no"] {
        server.cli(&["CONFIG", "SET", "replica-serve-stale-data", stale_data]);
        server.cli(&["REPLICAOF", "127.0.0.1", "1"]);
        let before = connections();
        assert!(matches!(store.touch(&id, idle_until).await, Err(StoreError::Unavailable(_))));
        // One is the tool's that counts.
        assert!(connections() > before + 1, "the connection was kept");
        server.cli(&["REPLICAOF", "NO", "ONE"]);
        assert!(store.touch(&id, idle_until).await.unwrap());
    }
    // Nor is anything read of it, though it would answer.
    server.cli(&["CONFIG", "SET", "replica-serve-stale-data", "yes"]);
    assert!(store.count().await.is_ok());
    server.cli(&["REPLICAOF", "127.0.0.1", "1"]);
    eventually("a replica that is not believed", || async { is_out_of_reach(&store).await }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_and_then_the_loss_of_the_primary_are_survived() {
    let mut trio = Sentinels::start().await;
    let (stores, clock) = (Stores::impatient(trio.url()), Arc::new(ManualClock::default()));
    let store = stores.open(clock.clone(), "a:");
    let id = opened(&store, &*clock).await;
    let first = trio.primary();
    let is_copied =
        || trio.servers.iter().all(|server| server.cli(&["DBSIZE"]) == trio.servers[first].cli(&["DBSIZE"]));
    eventually("replicas that have it all", || async { is_copied() }).await;
    let writer = Writer::start(Arc::clone(&store));
    writer.goes_on().await;
    assert_eq!(trio.sentinels[0].cli(&["SENTINEL", "FAILOVER", crate::support::redis::PRIMARY]).trim(), "OK");
    eventually("another primary", || async { trio.primary() != first }).await;
    writer.goes_on().await;
    eventually("a trio that is whole again", || async { trio.is_complete() }).await;
    let second = trio.primary();
    trio.servers[second].kill();
    eventually("a third primary", || async { trio.primary() != second }).await;
    writer.goes_on().await;
    writer.end().await;
    assert!(store.read(&id).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_that_move_to_another_node_are_followed() {
    let cluster = Cluster::start().await;
    let (stores, clock) = (Stores::impatient(cluster.url()), Arc::new(ManualClock::default()));
    let store = stores.open(clock.clone(), "a:");
    let mut ids = Vec::new();
    for number in 0..32 {
        let id = fresh();
        store.open(&id, conformance::sample(clock.now(), &format!("auth0|{number}")), 1).await.unwrap();
        ids.push(id);
    }
    cluster.move_all_slots(0, 1);
    for id in &ids {
        assert!(store.touch(id, clock.now() + Duration::from_secs(2000)).await.unwrap());
        assert!(store.end(id).await.unwrap().is_some());
    }
    assert_eq!(store.count().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_lost_takes_along_its_own_partitions_alone() {
    let mut cluster = Cluster::start().await;
    let (stores, clock) = (Stores::impatient(cluster.url()), Arc::new(ManualClock::default()));
    let store = stores.open(clock.clone(), "a:");
    let mut ids = Vec::new();
    for number in 0..32 {
        let session = conformance::sample(clock.now(), &format!("auth0|{number}"));
        let id = fresh();
        store.open(&id, session, 1).await.unwrap();
        ids.push(id);
    }
    cluster.nodes[0].kill();
    let (mut read, mut failed) = (0, 0);
    for id in &ids {
        match store.read(id).await {
            Ok(Some(_)) => read += 1,
            Ok(None) => panic!("a session is said to be gone"),
            Err(_) => failed += 1,
        }
    }
    assert!(read > 0 && failed > 0, "{read} read, {failed} failed");
    cluster.nodes[0].start_again().await;
    eventually("a Cluster that is whole again", || async { !is_out_of_reach(&store).await }).await;
}
