//! What the file adds to the contract that every store keeps.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Mutex;

use redb::{Database, ReadableTable};
use tempfile::TempDir;

use super::*;
use crate::base::clock::ManualClock;
use crate::base::random::SystemRandom;
use crate::session::conformance::{self, sample};
use crate::session::records::{NamedRecord, RecordStore};

const OLD: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const NEW: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

struct Place {
    folder: TempDir,
    clock: Arc<ManualClock>,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("makes a directory"), clock: Arc::default() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("sessions.redb")
    }

    fn open(&self, keys: &str) -> Result<EmbeddedStore, OpenError> {
        self.open_on(keys, TaskTracker::new())
    }

    /// Its writer is on that tracker: until that is empty, it may hold the file.
    fn open_on(&self, keys: &str, tasks: TaskTracker) -> Result<EmbeddedStore, OpenError> {
        let ring = Arc::new(KeyRing::parse(keys).expect("is a ring"));
        let ambient = Ambient { ring, clock: self.clock.clone(), random: Arc::new(SystemRandom) };
        EmbeddedStore::open(&self.path(), ambient, tasks)
    }

    fn refused(&self, keys: &str) -> OpenError {
        self.open(keys).expect_err("is refused")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conforms() {
    let folders = Mutex::new(Vec::new());
    conformance::check(async |clock| {
        let place = Place { clock, ..Place::new() };
        let store = place.open(OLD).expect("opens");
        folders.lock().expect("is not poisoned").push(place);
        Arc::new(store) as Arc<dyn SessionStore>
    })
    .await;
}

/// A session of now, opened in the store.
async fn opened(store: &EmbeddedStore, session: &Session) -> SessionId {
    let id = SessionId::generate(&SystemRandom);
    store.open(&id, session.clone(), 50).await.expect("opens");
    id
}

/// Until what was begun is done: an answer comes a moment before its task ends, and that holds the file.
async fn close(store: EmbeddedStore) {
    let tasks = store.tasks.clone();
    drop(store);
    tasks.close();
    tasks.wait().await;
}

async fn read(store: &EmbeddedStore, id: &SessionId) -> Option<Session> {
    store.read(id).await.expect("answers").map(|stored| stored.session)
}

#[tokio::test]
async fn everything_is_there_after_the_file_is_opened_again() {
    let place = Place::new();
    let (key, until) = (Digest::of("key"), place.clock.now() + Duration::from_hours(1));
    let store = place.open(OLD).expect("opens");
    let session = sample(place.clock.now(), "auth0|1");
    let id = opened(&store, &session).await;
    let ended = opened(&store, &session).await;
    store.end(&ended).await.expect("ends");
    store.first_time(key, until).await.expect("answers");
    store.put(key, Bytes::from_static(b"put"), until).await.expect("puts");
    let lease = store.lease(key, Duration::from_hours(1)).await.expect("answers").expect("is free");
    store.share(key, lease, Bytes::from_static(b"shared"), until).await.expect("shares");
    close(store).await;
    let store = place.open(OLD).expect("opens again");
    assert_eq!(read(&store, &id).await, Some(session));
    assert_eq!(read(&store, &ended).await, None);
    assert!(!store.first_time(key, until).await.expect("answers"));
    assert_eq!(store.take(key).await.expect("answers").as_deref(), Some(b"put".as_slice()));
    assert_eq!(store.shared(key).await.expect("answers").as_deref(), Some(b"shared".as_slice()));
    assert_eq!(store.lease(key, Duration::from_hours(1)).await.expect("answers"), None, "it is still held");
    store.release(key, lease).await.expect("releases");
    let next = store.lease(key, Duration::from_secs(1)).await.expect("answers").expect("is free");
    assert!(next.fence > lease.fence, "a fence came twice");
}

#[tokio::test]
async fn a_sweep_leaves_nothing_of_what_is_over_however_much_it_is() {
    let place = Place::new();
    let store = place.open(OLD).expect("opens");
    let until = place.clock.now() + Duration::from_secs(1000);
    let sessions = (0..=2 * SWEPT_AT_ONCE).map(|number| {
        let store = &store;
        let session = sample(place.clock.now(), &format!("auth0|{number}"));
        async move {
            let key = Digest::of(number.to_be_bytes());
            opened(store, &session).await;
            store.put(key, Bytes::new(), until).await.expect("puts");
            store.lease(key, Duration::from_secs(1)).await.expect("leases");
        }
    });
    for session in sessions {
        session.await;
    }
    place.clock.advance(Duration::from_hours(100));
    store.sweep().await.expect("sweeps");
    let left = store.read_now(|transaction| {
        let names = transaction.open_table(NAMES)?.len()?;
        let ends = transaction.open_table(ENDS)?.len()?;
        Ok([transaction.open_table(SESSIONS)?.len()?, names, transaction.open_table(FACTS)?.len()?, ends])
    });
    assert_eq!(left.expect("reads"), [0; 4]);
}

#[tokio::test]
async fn a_second_gateway_is_refused_and_the_first_goes_on() {
    let place = Place::new();
    let store = place.open(OLD).expect("opens");
    assert!(matches!(place.refused(OLD), OpenError::InUse { .. }));
    let session = sample(place.clock.now(), "auth0|1");
    let id = opened(&store, &session).await;
    assert_eq!(read(&store, &id).await, Some(session));
}

#[tokio::test]
async fn other_keys_are_refused_and_a_rotation_is_not() {
    let place = Place::new();
    let session = sample(place.clock.now(), "auth0|1");
    let store = place.open(OLD).expect("opens");
    let id = opened(&store, &session).await;
    close(store).await;
    assert!(matches!(place.refused(NEW), OpenError::OtherKeys { .. }));
    let both = format!("{NEW}\n{OLD}\n");
    let store = place.open(&both).expect("opens");
    let stored = store.read(&id).await.expect("answers").expect("is found by its old name");
    let replaced = store.replace(&id, stored.version, stored.session).await.expect("answers");
    assert_eq!(replaced, Replaced::Done(2));
    close(store).await;
    let store = place.open(NEW).expect("opens: the first key was the new one already");
    assert_eq!(read(&store, &id).await, Some(session.clone()), "it took its names from the new key");
    let whose = Whose::User { issuer: session.issuer, subject: session.subject, opened_before: None };
    assert_eq!(store.end_all(&whose).await.expect("answers"), 1);
}

#[tokio::test]
async fn keys_that_are_rotated_while_it_serves_are_those_of_the_next_start() {
    let place = Place::new();
    let store = place.open(OLD).expect("opens");
    store.ambient.ring.replace(&format!("{NEW}\n{OLD}\n")).expect("is a ring");
    store.sweep().await.expect("sweeps");
    close(store).await;
    place.open(NEW).expect("opens");
}

#[tokio::test]
async fn keys_that_do_not_open_the_file_make_nothing_gone() {
    let place = Place::new();
    let store = place.open(OLD).expect("opens");
    let session = sample(place.clock.now(), "auth0|1");
    let id = opened(&store, &session).await;
    let unreadable = |error: StoreError| assert!(matches!(error, StoreError::Unreadable), "{error:?}");
    store.ambient.ring.replace(NEW).expect("is a ring");
    let whose = Whose::Tenant { tenant: session.tenant.clone(), opened_before: Timestamp::MAX };
    unreadable(store.read(&id).await.expect_err("it may be there"));
    unreadable(store.end(&id).await.expect_err("it may be there"));
    unreadable(store.end_all(&whose).await.expect_err("they may be there"));
    unreadable(store.active_subjects(&session.tenant, None, 10).await.expect_err("they may be there"));
    unreadable(store.open(&id, session.clone(), 1).await.expect_err("the next start would not read it"));
    unreadable(store.sweep().await.expect_err("the proof is of other keys"));
    store.ambient.ring.replace(OLD).expect("is a ring");
    assert_eq!(read(&store, &id).await, Some(session.clone()));
    close(store).await;
    assert_eq!(read(&place.open(OLD).expect("opens"), &id).await, Some(session));
}

#[test]
fn what_is_no_session_file_or_a_damaged_one_is_refused_and_left_as_it_is() {
    let place = Place::new();
    let refused = |bytes: &[u8]| {
        std::fs::write(place.path(), bytes).expect("writes");
        assert!(matches!(place.refused(OLD), OpenError::NotOurs { .. }), "{} bytes", bytes.len());
        assert_eq!(std::fs::read(place.path()).expect("reads"), bytes);
    };
    refused(b"hosts: [app.acme.com]\n");
    refused(&[0; 10_000]);
    drop({
        std::fs::remove_file(place.path()).expect("removes");
        place.open(OLD).expect("opens")
    });
    let whole = std::fs::read(place.path()).expect("reads");
    refused(&whole[..whole.len() / 2]);
}

#[test]
fn a_file_that_goes_while_it_serves_does_not_come_back_empty() {
    let place = Place::new();
    let ring = KeyRing::parse(OLD).expect("is a ring");
    let again = || file::open(&place.path(), file::Wanted::Old, &ring, &SystemRandom).expect_err("is refused");
    assert!(matches!(again(), OpenError::Io { .. }));
    assert!(!place.path().exists());
    std::fs::write(place.path(), "").expect("writes");
    assert!(matches!(again(), OpenError::NotOurs { .. }));
}

#[test]
fn another_programs_database_and_one_of_a_later_release_are_refused() {
    const OTHERS: redb::TableDefinition<'_, &str, &str> = redb::TableDefinition::new("others");
    let place = Place::new();
    let database = Database::create(place.path()).expect("creates");
    let transaction = database.begin_write().expect("begins");
    transaction.open_table(OTHERS).expect("opens").insert("a", "b").expect("inserts");
    transaction.commit().expect("commits");
    drop(database);
    assert!(place.refused(OLD).to_string().contains("another program's file"));
    std::fs::remove_file(place.path()).expect("removes");
    drop(place.open(OLD).expect("opens"));
    let database = Database::create(place.path()).expect("opens");
    let transaction = database.begin_write().expect("begins");
    transaction.open_table(ABOUT).expect("opens").insert("format", [2].as_slice()).expect("inserts");
    transaction.commit().expect("commits");
    drop(database);
    assert!(place.refused(OLD).to_string().contains("a later release"));
}

#[test]
fn file_and_keys_are_for_their_owner_alone_in_a_directory_that_exists() {
    let place = Place::new();
    let mode = |path: &Path| std::fs::metadata(path).expect("is there").permissions().mode() & 0o777;
    let keys = ensure_key_file(&place.path(), &SystemRandom).expect("makes the keys");
    let text = std::fs::read_to_string(&keys).expect("reads");
    drop(place.open(&text).expect("opens"));
    assert_eq!((mode(&place.path()), mode(&keys)), (0o600, 0o600));
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o664)).expect("sets");
    drop(place.open(&text).expect("opens"));
    assert_eq!(mode(&place.path()), 0o600);
    ensure_key_file(&place.path(), &SystemRandom).expect("finds the keys");
    assert_eq!(std::fs::read_to_string(&keys).expect("reads"), text, "they are made once");
    std::fs::remove_file(&keys).expect("removes");
    let refused = ensure_key_file(&place.path(), &SystemRandom).expect_err("is refused");
    assert!(matches!(refused, OpenError::NoKeys { .. }) && !keys.exists(), "it gets no other keys");
    let elsewhere = Place { folder: place.folder, clock: place.clock };
    std::fs::remove_dir_all(elsewhere.folder.path()).expect("removes");
    assert!(matches!(elsewhere.refused(OLD), OpenError::Io { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_there_after_a_restart() {
    let (place, last) = (Place::new(), Mutex::new(TaskTracker::new()));
    conformance::check_records(async || {
        let before = std::mem::take(&mut *last.lock().expect("is not poisoned"));
        before.close();
        before.wait().await;
        let tasks = last.lock().expect("is not poisoned").clone();
        Arc::new(place.open_on(OLD, tasks).expect("opens")) as Arc<dyn RecordStore>
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_was_moved_or_that_no_key_opens_is_left_out_and_told() {
    let place = Place::new();
    let tasks = TaskTracker::new();
    let store = place.open_on(OLD, tasks.clone()).expect("opens");
    let record = |name: &str| NamedRecord { name: name.into(), value: b"value".to_vec() };
    store.put_records(&[record("a.yaml"), record("b.yaml")]).await.expect("the store answers");
    drop(store);
    tasks.close();
    tasks.wait().await;
    let database = Database::open(place.path()).expect("opens");
    let transaction = database.begin_write().expect("begins");
    {
        let mut records = transaction.open_table(tables::RECORDS).expect("is there");
        let sealed = records.get("a.yaml").expect("reads").expect("is there").value().to_vec();
        records.insert("c.yaml", sealed.as_slice()).expect("writes");
    }
    transaction.commit().expect("commits");
    drop(database);
    let store = place.open(&format!("{NEW}\n{OLD}")).expect("opens");
    let found = store.records().await.expect("the store answers");
    assert_eq!(found.records, [record("a.yaml"), record("b.yaml")], "an older key opens them");
    assert_eq!(found.unreadable, [Box::<str>::from("c.yaml")]);
    let dump = std::fs::read(place.path()).expect("reads");
    assert!(!dump.windows(5).any(|bytes| bytes == b"value"), "they are sealed");
}
