//! What a replica has read and keeps: how long it may be believed.

use std::sync::Arc;
use std::time::Duration;

use auth0_gateway::session::redis::RedisStore;
use auth0_gateway::session::{SessionId, SessionStore, Whose, conformance};

use super::{Still, Stores, opened};
use crate::support::eventually;
use crate::support::redis::{Cluster, Server};

/// Two replicas, and a session that the first opened.
struct Pair {
    clock: Arc<Still>,
    here: Arc<RedisStore>,
    there: Arc<RedisStore>,
    id: SessionId,
}

impl Pair {
    async fn on(stores: &Stores) -> Self {
        let clock = Arc::new(Still::default());
        let (here, there) = (stores.open(clock.clone(), "a:"), stores.open(clock.clone(), "a:"));
        let id = opened(&here, &*clock).await;
        Self { clock, here, there, id }
    }

    /// Whether the second replica reads the session.
    async fn is_there(&self) -> bool {
        self.there.read(&self.id).await.unwrap().is_some()
    }

    /// Reads until the second replica has a copy, which it keeps once it hears of changes.
    async fn copied(&self, servers: &[Server]) {
        copied(&self.there, &self.id, &servers.iter().collect::<Vec<_>>()).await;
    }

    async fn end_holds_there(&self) {
        eventually("an end that holds at the other replica", || async { !self.is_there().await }).await;
    }
}

/// Reads until a read asks nobody.
pub(super) async fn copied(store: &RedisStore, id: &SessionId, servers: &[&Server]) {
    eventually("a copy", || async {
        assert!(store.read(id).await.unwrap().is_some());
        let before = reads(servers.iter().copied());
        assert!(store.read(id).await.unwrap().is_some());
        reads(servers.iter().copied()) == before
    })
    .await;
}

/// How many sessions the servers were asked for, by whom ever.
fn reads<'a>(servers: impl IntoIterator<Item = &'a Server>) -> u64 {
    let calls = |server: &Server| {
        let said = server.cli(&["INFO", "commandstats"]);
        let line = said.lines().find_map(|line| line.strip_prefix("cmdstat_hmget:calls="));
        line.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
    };
    servers.into_iter().map(calls).sum()
}

#[tokio::test]
async fn a_second_read_asks_nobody_and_an_end_elsewhere_is_heard_of() {
    let servers = [Server::start(&[]).await];
    let stores = Stores::patient(servers[0].url());
    let pair = Pair::on(&stores).await;
    pair.copied(&servers).await;
    assert!(pair.here.end(&pair.id).await.unwrap().is_some());
    pair.end_holds_there().await;
}

#[tokio::test]
async fn an_end_of_all_and_a_place_made_for_another_session_are_heard_of_too() {
    let servers = [Server::start(&[]).await];
    let stores = Stores::patient(servers[0].url());
    let pair = Pair::on(&stores).await;
    pair.copied(&servers).await;
    let session = conformance::sample(pair.there.read(&pair.id).await.unwrap().unwrap().session.opened, "auth0|1");
    pair.here.open(&super::fresh(), session.clone(), 1).await.unwrap();
    pair.end_holds_there().await;
    let pair = Pair::on(&stores).await;
    pair.copied(&servers).await;
    let whose = Whose::User { issuer: session.issuer, subject: session.subject, opened_before: None };
    assert_eq!(pair.here.end_all(&whose).await.unwrap(), 2);
    pair.end_holds_there().await;
}

#[tokio::test]
async fn what_a_replica_changes_it_reads_back_itself() {
    let server = Server::start(&[]).await;
    let stores = Stores::patient(server.url());
    let pair = Pair::on(&stores).await;
    let servers = [server];
    pair.copied(&servers).await;
    let before = pair.there.read(&pair.id).await.unwrap().unwrap();
    pair.there.replace(&pair.id, before.version, before.session.clone()).await.unwrap();
    let after = pair.there.read(&pair.id).await.unwrap().unwrap();
    assert!(after.version > before.version);
    let idle_until = after.session.idle_until + Duration::from_secs(500);
    assert!(pair.there.touch(&pair.id, idle_until).await.unwrap());
    assert_eq!(pair.there.read(&pair.id).await.unwrap().unwrap().session.idle_until, idle_until);
    pair.there.end(&pair.id).await.unwrap();
    assert!(!pair.is_there().await);
}

#[tokio::test]
async fn a_replica_whose_channel_is_cut_believes_nothing_from_before() {
    let servers = [Server::start(&[]).await];
    let stores = Stores::patient(servers[0].url());
    let pair = Pair::on(&stores).await;
    pair.copied(&servers).await;
    // Nobody can come back: the channel stays cut.
    servers[0].cli(&["ACL", "SETUSER", "default", "-subscribe"]);
    servers[0].cli(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    eventually("reads that ask Redis", || async {
        let before = reads(&servers);
        pair.is_there().await && reads(&servers) > before
    })
    .await;
    pair.here.end(&pair.id).await.unwrap();
    assert!(!pair.is_there().await);
    servers[0].cli(&["ACL", "SETUSER", "default", "+subscribe"]);
    let pair = Pair::on(&stores).await;
    pair.copied(&servers).await;
}

#[tokio::test]
async fn a_change_that_nobody_tells_of_is_found_after_five_seconds() {
    let servers = [Server::start(&[]).await];
    let stores = Stores::patient(servers[0].url());
    let pair = Pair::on(&stores).await;
    pair.copied(&servers).await;
    servers[0].cli(&["FLUSHALL"]);
    pair.clock.pass(Duration::from_secs(5));
    assert!(!pair.is_there().await);
}

#[tokio::test]
async fn an_end_is_heard_of_across_the_nodes_of_a_cluster() {
    let cluster = Cluster::start().await;
    let stores = Stores::patient(cluster.url());
    for _ in 0..3 {
        let pair = Pair::on(&stores).await;
        pair.copied(&cluster.nodes).await;
        assert!(pair.here.end(&pair.id).await.unwrap().is_some());
        pair.end_holds_there().await;
    }
}
