//! A Redis that is away, and gateways that go on: what is served, what is refused, and whose logout wins.
//!
//! Each test prints how long what it is about took; none asserts a speed.

use std::time::{Duration, Instant};

use auth0_gateway::emulator::{EndpointName, MintSpec};
use serde_json::json;

use super::{APP, KEYS, logged_in, world};
use crate::support::redis::{Sentinels, Server};
use crate::support::{ACME, Answer, Replica, World, WorldOptions, eventually};

const CLOSED: &str = "";
const STALE: &str = "    session: { on_store_error: serve_stale }\n";

/// acme with its sessions there, `web` with a further line.
async fn acme(url: &str, keys: &std::path::Path, line: &str) -> World {
    std::fs::write(keys, KEYS).unwrap();
    let client = "    client_id: acme-web\n";
    assert!(ACME.contains(client));
    let file = ACME.replacen(client, &format!("{client}{line}"), 1);
    let flags = vec!["--sessions", url, "--session-keys", keys.to_str().unwrap()];
    World::with(WorldOptions { files: vec![("acme.yaml", file)], flags, as_dev: true }).await
}

#[expect(clippy::print_stdout, reason = "the bounds, for whoever runs the tests to know them")]
fn tell(what: &str, began: Instant) {
    println!("measured: {what}: {} ms", began.elapsed().as_millis());
}

/// Runs until it holds; tells how long that took.
async fn measured<F: Future<Output = bool>>(what: &str, holds: impl FnMut() -> F) {
    let began = Instant::now();
    eventually(what, holds).await;
    tell(what, began);
}

async fn status(world: &World, method: &str, path: &str, sid: &str) -> u16 {
    world.request(method, path, "web", APP).cookie(sid).send().await.status.as_u16()
}

async fn status_there(replica: &Replica, sid: &str) -> u16 {
    replica.request("GET", "/userinfo", "web", APP).cookie(sid).send().await.status.as_u16()
}

async fn open(world: &World) -> String {
    eventually("a login", || async { logged_in(world).await.status == 200 }).await;
    logged_in(world).await.sid()
}

/// A session that both have read; of each, once changes are heard of, a copy.
async fn open_at_both(world: &World, replica: &Replica) -> String {
    let sid = open(world).await;
    eventually("a session that both know", || async {
        status(world, "GET", "/userinfo", &sid).await == 200 && status_there(replica, &sid).await == 200
    })
    .await;
    sid
}

async fn is_up(world: &World) -> bool {
    world.metric("auth0_gateway_session_store_up").await == 1
}

fn is_cleared(answer: &Answer) -> bool {
    let cookie = answer.headers.get("set-cookie").map(|value| value.to_str().unwrap().to_owned());
    cookie.is_some_and(|cookie| cookie.starts_with("sid=;") && cookie.contains("Max-Age=0"))
}

/// One that still has everything after `kill -9`.
async fn lasting() -> Server {
    Server::start(&["--appendonly", "yes"]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_while_the_store_is_away_wins_once_it_is_back() {
    let mut server = lasting().await;
    let world = world(&server).await;
    let replica = world.replica().await;
    let (ended, other) = (open_at_both(&world, &replica).await, open_at_both(&world, &replica).await);
    server.kill();
    let logout = world.request("POST", "/logout", "web", APP).cookie(&ended).send().await;
    assert_eq!(logout.status, 503, "{logout:?}");
    assert!(is_cleared(&logout), "{logout:?}");
    eventually("a store that is away", || async { !is_up(&world).await }).await;
    let revoked = world.auth0("acme").calls(EndpointName::Revoke);
    server.start_again().await;
    let refused = || async { status_there(&replica, &ended).await == 401 };
    measured("logout while Redis was down: refused at the other gateway, after Redis is back", refused).await;
    eventually("a store that is up", || async {
        status(&world, "GET", "/userinfo", &other).await == 200 && is_up(&world).await
    })
    .await;
    assert_eq!(status(&world, "GET", "/userinfo", &ended).await, 401);
    eventually("the session that nobody ended", || async { status_there(&replica, &other).await == 200 }).await;
    eventually("its refresh token, revoked", || async { world.auth0("acme").calls(EndpointName::Revoke) > revoked })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_of_another_clients_session_while_the_store_is_away_ends_nothing() {
    let mut server = lasting().await;
    let world = world(&server).await;
    let replica = world.replica().await;
    let sid = open_at_both(&world, &replica).await;
    server.kill();
    let elsewhere = world.request("POST", "/logout", "web", "test.acme.localhost").cookie(&sid).send().await;
    assert_eq!(elsewhere.status, 503, "{elsewhere:?}");
    server.start_again().await;
    eventually("a store that is up", || async {
        status(&world, "GET", "/userinfo", &sid).await == 200 && is_up(&world).await
    })
    .await;
    assert_eq!(status(&world, "GET", "/userinfo", &sid).await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn auth0s_logout_while_the_store_is_away_wins_once_it_is_back() {
    let mut server = lasting().await;
    let world = world(&server).await;
    let replica = world.replica().await;
    let ended = open_at_both(&world, &replica).await;
    let claims = world.request("GET", "/userinfo", "web", APP).cookie(&ended).send().await.json();
    let spec = MintSpec::id_token("acme-web").without("sub").claim("sub", claims["sub"].clone()).claim("jti", "1");
    let spec = spec.claim("events", json!({ "http://schemas.openid.net/event/backchannel-logout": {} }));
    world.clock.advance(Duration::from_secs(2));
    let tenant = world.auth0("acme");
    let token = tokio::task::spawn_blocking(move || tenant.mint(&spec)).await.unwrap();
    server.kill();
    let notice = world.bare("POST", "/backchannel-logout").form(&[("logout_token", &token)]).send().await;
    assert_eq!(notice.status, 503, "{notice:?}");
    server.start_again().await;
    let refused = || async { status_there(&replica, &ended).await == 401 };
    measured("end of a user's sessions while Redis was down: refused at the other, after Redis is back", refused).await;
    eventually("a login after it, which stands", || async { logged_in(&world).await.status == 200 }).await;
    let later = open_at_both(&world, &replica).await;
    eventually("a store that is up", || async { is_up(&world).await }).await;
    assert_eq!(status(&world, "GET", "/userinfo", &later).await, 200);
}

/// While Redis is frozen: what `/userinfo` and `/verify` say of a session that was read before.
async fn frozen(line: &str, expected: u16) {
    let server = Server::start(&[]).await;
    let world = acme(&server.url(), &server.file_path("session.keys"), line).await;
    let (kept, ended) = (open(&world).await, open(&world).await);
    // Copies are kept once changes are heard of, and only those read since.
    let line = "cmdstat_subscribe:calls=";
    eventually("a subscription", || async { server.cli(&["INFO", "commandstats"]).contains(line) }).await;
    eventually("sessions that are read", || async {
        status(&world, "GET", "/userinfo", &kept).await == 200
            && status(&world, "GET", "/userinfo", &ended).await == 200
    })
    .await;
    server.signal("STOP");
    // Not what is believed without asking, which is for seconds in any case.
    world.clock.advance(Duration::from_secs(6));
    let userinfo = async |sid: &str| status(&world, "GET", "/userinfo", sid).await;
    let began = Instant::now();
    assert_eq!(userinfo(&kept).await, expected);
    tell(&format!("{expected} of /userinfo while Redis is frozen"), began);
    assert_eq!(status(&world, "GET", "/verify/acme/web", &kept).await, expected);
    assert_eq!(status(&world, "POST", "/logout", &ended).await, 503);
    assert_eq!(userinfo(&ended).await, 503, "it logged out here");
    assert_eq!(status(&world, "POST", "/refreshtoken", &kept).await, 503, "only reads are served");
    assert_eq!(userinfo(&kept).await, expected);
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(userinfo(&kept).await, 503, "a minute and no longer");
    server.signal("CONT");
    let is_back = || async { userinfo(&kept).await == 200 && is_up(&world).await };
    measured("session_store_up and a session served, after Redis goes on", is_back).await;
    assert_eq!(userinfo(&ended).await, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fail_closed_serves_nothing_while_the_store_is_away() {
    frozen(CLOSED, 503).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serve_stale_serves_what_was_read_in_the_last_minute_and_did_not_log_out_here() {
    frozen(STALE, 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_that_a_failover_lost_wins() {
    let mut trio = Sentinels::start().await;
    let first = trio.primary();
    let world = acme(&trio.url(), &trio.servers[0].file_path("session.keys"), CLOSED).await;
    let replica = world.replica().await;
    let (ended, other) = (open_at_both(&world, &replica).await, open_at_both(&world, &replica).await);
    let size = |server: &Server| server.cli(&["DBSIZE"]);
    eventually("replicas that have it all", || async {
        trio.servers.iter().all(|server| size(server) == size(&trio.servers[first]))
    })
    .await;
    // From here on nothing is copied.
    trio.servers[first].cli(&["ACL", "SETUSER", "default", "-psync", "-sync"]);
    trio.servers[first].cli(&["CLIENT", "KILL", "TYPE", "replica"]);
    trio.servers[first].cli(&["SET", "lost", "1"]);
    eventually("a logout", || async { status(&world, "POST", "/logout", &ended).await == 204 }).await;
    eventually("a logout that holds at the other", || async { status_there(&replica, &ended).await == 401 }).await;
    trio.servers[first].kill();
    let began = Instant::now();
    eventually("another primary", || async { trio.primary() != first }).await;
    tell("failover by the Sentinels", began);
    assert_eq!(trio.servers[trio.primary()].cli(&["GET", "lost"]).trim(), "", "nothing was lost");
    // Alive again where the new primary is asked first, until this gateway has told it.
    measured("logout lost by a failover: refused at the other gateway, after the new primary is named", || async {
        status_there(&replica, &other).await == 200 && status_there(&replica, &ended).await == 401
    })
    .await;
    eventually("the new primary here", || async { status(&world, "GET", "/userinfo", &other).await == 200 }).await;
    assert_eq!(status(&world, "GET", "/userinfo", &ended).await, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_holds_at_the_other_gateway_while_the_channel_is_cut() {
    let server = Server::start(&[]).await;
    let world = world(&server).await;
    let replica = world.replica().await;
    for channel in ["heard", "killed", "cut"] {
        let sid = open_at_both(&world, &replica).await;
        if channel == "cut" {
            // Nobody can come back.
            server.cli(&["ACL", "SETUSER", "default", "-subscribe"]);
        }
        if channel != "heard" {
            server.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]);
        }
        eventually("a logout", || async { status(&world, "POST", "/logout", &sid).await == 204 }).await;
        let what = format!("logout, channel {channel}: refused at the other gateway");
        measured(&what, || async { status_there(&replica, &sid).await == 401 }).await;
    }
}
