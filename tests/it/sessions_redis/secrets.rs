//! Keys that change, TLS and passwords, and what a dump tells.

use std::sync::Arc;

use auth0_gateway::base::clock::{Clock, ManualClock};
use auth0_gateway::base::digest::Digest;
use auth0_gateway::base::random::SystemRandom;
use auth0_gateway::base::secret::Secret;
use auth0_gateway::session::redis::{Address, Deadlines, RedisParts, RedisStore};
use auth0_gateway::session::ring::KeyRing;
use auth0_gateway::session::{Replaced, Session, SessionStore, Whose, conformance};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::{KEYS, Stores, fresh, opened};
use crate::support::redis::{Cluster, Server};
use crate::tls::{certificate, put};

const NEWER: &str = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";

/// A ring whose first key is new finds, counts, changes and ends what the one before wrote.
async fn keys_may_change(url: String) {
    let (stores, clock) = (Stores::patient(url), Arc::new(ManualClock::default()));
    let ring = Arc::new(KeyRing::parse(KEYS).unwrap());
    let store = stores.open_with(clock.clone(), "a:", Arc::clone(&ring));
    let ids = [opened(&store, &*clock).await, opened(&store, &*clock).await, opened(&store, &*clock).await];
    let (another, newest) = (fresh(), fresh());
    store.open(&another, conformance::sample(clock.now(), "auth0|2"), 1).await.unwrap();
    ring.replace(&format!("{NEWER}\n{KEYS}")).unwrap();
    let session = conformance::sample(clock.now(), "auth0|1");
    store.open(&newest, session.clone(), 3).await.unwrap();
    assert!(store.read(&ids[0]).await.unwrap().is_none(), "per_user did not count what an older key had named");
    let read = store.read(&ids[1]).await.unwrap().unwrap();
    let changed = Session { access_token: Secret::new("another"), ..read.session };
    assert_eq!(store.replace(&ids[1], read.version, changed.clone()).await.unwrap(), Replaced::Done(2));
    assert_eq!(store.active_subjects(&session.tenant, None, 10).await.unwrap(), ["auth0|1", "auth0|2"].map(Box::from));
    ring.replace(NEWER).unwrap();
    assert_eq!(store.read(&ids[1]).await.unwrap().unwrap().session, changed, "it was not moved to the new key");
    ring.replace(&format!("{NEWER}\n{KEYS}")).unwrap();
    assert!(store.end(&another).await.unwrap().is_some());
    let whose = Whose::User { issuer: session.issuer, subject: session.subject, opened_before: None };
    assert_eq!(store.end_all(&whose).await.unwrap(), 3, "what an older key named was not found");
    assert_eq!(store.count().await.unwrap(), 0);
}

#[tokio::test]
async fn keys_may_change_on_one_server() {
    let server = Server::start(&[]).await;
    keys_may_change(server.url()).await;
}

#[tokio::test]
async fn keys_may_change_in_a_cluster() {
    let cluster = Cluster::start().await;
    keys_may_change(cluster.url()).await;
}

#[tokio::test]
async fn a_dump_tells_no_token_user_or_session_id() {
    let server = Server::start(&["--rdbcompression", "no"]).await;
    let (stores, clock) = (Stores::patient(server.url()), Arc::new(ManualClock::default()));
    let store = stores.open(clock.clone(), "a:");
    let id = opened(&store, &*clock).await;
    let session = store.read(&id).await.unwrap().unwrap().session;
    let key = Digest::of("key");
    store.put(key, "a value kept".into(), session.ends).await.unwrap();
    let lease = store.lease(key, std::time::Duration::from_secs(10)).await.unwrap().unwrap();
    store.share(key, lease, "a shared result".into(), session.ends).await.unwrap();
    assert_eq!(server.cli(&["SAVE"]).trim(), "OK");
    let dump = std::fs::read(server.file_path("dump.rdb")).unwrap();
    let stands = |text: &[u8]| dump.windows(text.len()).any(|window| window == text);
    assert!(stands(b"app.acme.localhost"), "a record's head is plain: the dump was not read");
    let sid = session.sid.unwrap();
    let secrets =
        ["a value kept", "a shared result", "an access token", "a refresh token", "auth0|1", &sid, id.expose()];
    for secret in secrets {
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        let forms = [secret.to_owned(), STANDARD_NO_PAD.encode(secret), URL_SAFE_NO_PAD.encode(secret), hex];
        for form in forms {
            assert!(!stands(form.as_bytes()), "{form} stands in the dump");
        }
    }
}

#[tokio::test]
async fn tls_is_spoken_with_the_authorities_of_the_file_and_a_login() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "ours", &certificate(&["localhost"]));
    put(folder.path(), "other", &certificate(&["localhost"]));
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (pem, key, other) = (path("ours.crt"), path("ours.key"), path("other.crt"));
    let server =
        Server::start_tls(&["--tls-cert-file", &pem, "--tls-key-file", &key, "--tls-auth-clients", "no"]).await;
    server.cli(&["ACL", "SETUSER", "gateway", "on", ">s3cret", "~*", "&*", "+@all"]);
    let store = |login: &str, authorities: &str| {
        let ring = Arc::new(KeyRing::parse(KEYS).unwrap());
        let parts = RedisParts {
            clock: Arc::new(ManualClock::default()),
            random: Arc::new(SystemRandom),
            ring,
            deadlines: Deadlines::default(),
        };
        let url = format!("rediss://{login}@localhost:{}", server.tls_port());
        RedisStore::new(Address::parse(&url).unwrap(), Some(authorities.as_ref()), parts).unwrap()
    };
    assert_eq!(store("gateway:s3cret", &pem).count().await.unwrap(), 0);
    assert!(store("gateway:wrong", &pem).count().await.is_err());
    assert!(store("gateway:s3cret", &other).count().await.is_err());
}
