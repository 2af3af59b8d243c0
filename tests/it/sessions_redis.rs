//! Sessions in Redis: the store's contract on one server, behind Sentinels and in a Cluster.

mod copies;
mod failures;
mod secrets;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use auth0_gateway::base::clock::{Clock, ManualClock};
use auth0_gateway::base::random::SystemRandom;
use auth0_gateway::session::redis::{Address, Deadlines, RedisParts, RedisStore};
use auth0_gateway::session::ring::KeyRing;
use auth0_gateway::session::{SessionId, SessionStore, conformance};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::support::redis::{Cluster, Sentinels, Server};
use crate::support::{ACME, Answer, World, WorldOptions, eventually};

const KEYS: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

/// Stores on one Redis, which see each other if their prefix is the same.
struct Stores {
    url: String,
    deadlines: Deadlines,
    made: AtomicUsize,
    closing: CancellationToken,
}

impl Drop for Stores {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}

impl Stores {
    /// For tests in which no server fails: a slow machine is no fault of the store's.
    fn patient(url: String) -> Self {
        Self::waiting(url, Duration::from_secs(60))
    }

    /// For tests in which one does.
    fn impatient(url: String) -> Self {
        Self::waiting(url, Duration::from_secs(3))
    }

    fn waiting(url: String, deadline: Duration) -> Self {
        let deadlines = Deadlines { command: deadline, open: deadline };
        Self { url, deadlines, made: AtomicUsize::new(0), closing: CancellationToken::new() }
    }

    /// One that hears of changes.
    fn open(&self, clock: Arc<dyn Clock>, prefix: &str) -> Arc<RedisStore> {
        self.open_with(clock, prefix, Arc::new(KeyRing::parse(KEYS).unwrap()))
    }

    fn open_with(&self, clock: Arc<dyn Clock>, prefix: &str, ring: Arc<KeyRing>) -> Arc<RedisStore> {
        let parts = RedisParts { clock, random: Arc::new(SystemRandom), ring, deadlines: self.deadlines };
        let address = Address::parse(&format!("{}?prefix={prefix}", self.url)).unwrap();
        let store = Arc::new(RedisStore::new(address, None, parts).unwrap());
        tokio::spawn(Arc::clone(&store).follow(self.closing.clone()));
        store
    }

    /// One that nobody else has.
    fn empty(&self, clock: Arc<ManualClock>) -> Arc<dyn SessionStore> {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        self.open(clock, &format!("{number}:"))
    }

    async fn check(&self) {
        conformance::check(async |clock| self.empty(clock)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conforms_on_one_server() {
    let server = Server::start(&[]).await;
    Stores::patient(server.url()).check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conforms_behind_sentinels() {
    let trio = Sentinels::start().await;
    Stores::patient(trio.url()).check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conforms_in_a_cluster() {
    let cluster = Cluster::start().await;
    Stores::patient(cluster.url()).check().await;
}

/// Time that passes when a test says so: nothing holds merely because a copy's time has passed.
#[derive(Debug)]
struct Still {
    since: (Timestamp, Instant),
    passed: Mutex<Duration>,
}

impl Default for Still {
    fn default() -> Self {
        let running = ManualClock::default();
        Self { since: (running.now(), running.instant()), passed: Mutex::default() }
    }
}

impl Still {
    fn pass(&self, by: Duration) {
        *self.passed.lock().unwrap() += by;
    }
}

impl Clock for Still {
    fn now(&self) -> Timestamp {
        self.since.0 + *self.passed.lock().unwrap()
    }

    fn instant(&self) -> Instant {
        self.since.1 + *self.passed.lock().unwrap()
    }
}

fn fresh() -> SessionId {
    SessionId::generate(&SystemRandom)
}

async fn opened(store: &RedisStore, clock: &dyn Clock) -> SessionId {
    let id = fresh();
    store.open(&id, conformance::sample(clock.now(), "auth0|1"), 10).await.unwrap();
    id
}

const APP: &str = "app.acme.localhost";

/// A gateway with its sessions there, as `dev` serves acme.
async fn world(server: &Server) -> World {
    let (url, keys) = (server.url(), server.file_path("session.keys"));
    std::fs::write(&keys, KEYS).unwrap();
    let flags = vec!["--sessions", &url, "--session-keys", keys.to_str().unwrap()];
    World::with(WorldOptions { files: vec![("acme.yaml", ACME.to_owned())], flags, as_dev: true }).await
}

async fn logged_in(world: &World) -> Answer {
    world.login("web", APP, "user@acme.example", "Passw0rd-prod").send().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_of_one_gateway_is_one_of_the_other_and_so_is_its_end() {
    let server = Server::start(&[]).await;
    let world = world(&server).await;
    let replica = world.replica().await;
    // A slow machine may take longer than a gateway waits for Redis.
    eventually("a login", || async { logged_in(&world).await.status == 200 }).await;
    let sid = logged_in(&world).await.sid();
    let there = async || replica.request("GET", "/userinfo", "web", APP).cookie(&sid).send().await.status.as_u16();
    eventually("a session that is known at the other", || async { there().await == 200 }).await;
    let logout = world.request("POST", "/logout", "web", APP).cookie(&sid).send().await;
    assert_eq!(logout.status, 204, "{logout:?}");
    eventually("an end that holds at the other", || async { there().await == 401 }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_starts_without_its_store_is_ready_says_so_and_finds_it() {
    let mut server = Server::start(&[]).await;
    server.kill();
    let world = world(&server).await;
    let status = async |path| world.bare("GET", path).send().await.status.as_u16();
    assert_eq!((status("/-/ready").await, status("/-/check-up").await), (200, 503));
    assert_eq!(world.metric("auth0_gateway_session_store_up").await, 0);
    assert_eq!(logged_in(&world).await.status, 503);
    server.start_again().await;
    eventually("a login", || async { logged_in(&world).await.status == 200 }).await;
    eventually("a good check-up", || async { status("/-/check-up").await == 200 }).await;
    assert_eq!(world.metric("auth0_gateway_session_store_up").await, 1);
    let read = r#"auth0_gateway_session_store_operation_duration_seconds_count{backend="redis",op="open"}"#;
    assert!(world.metric(read).await > 0);
}
