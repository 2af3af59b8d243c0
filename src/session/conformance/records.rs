//! What every store of records that lasts promises.

use std::sync::Arc;

use crate::session::records::{FoundRecords, NamedRecord, RecordStore};

/// Tries the contract on an empty store and panics where it is not kept. `reopen` gives the store as a gateway finds
/// it after a restart.
pub async fn check_records(reopen: impl AsyncFn() -> Arc<dyn RecordStore>) {
    let record = |name: &str, value: &[u8]| NamedRecord { name: name.into(), value: value.to_vec() };
    let found = async || {
        let mut found: FoundRecords = reopen().await.records().await.expect("the store answers");
        found.records.sort_by(|one, other| one.name.cmp(&other.name));
        found
    };
    assert_eq!(found().await, FoundRecords::default(), "an empty store has no records");
    let (one, two) = (record("a.yaml", b"one"), record("b.yaml", &vec![0; 70_000]));
    reopen().await.put_records(&[one.clone(), two.clone()]).await.expect("the store answers");
    assert_eq!(found().await.records, [one, two.clone()], "what was put is there after a restart");
    let one = record("a.yaml", b"another");
    reopen().await.put_records(std::slice::from_ref(&one)).await.expect("the store answers");
    assert_eq!(found().await.records, [one.clone(), two], "a later one of a name takes its place");
    let gone: [Box<str>; 2] = ["b.yaml".into(), "never.yaml".into()];
    reopen().await.remove_records(&gone).await.expect("the store answers");
    assert_eq!(found().await.records, [one], "what was removed is gone, and nothing else");
    reopen().await.put_records(&[]).await.expect("nothing is no error");
    reopen().await.remove_records(&[]).await.expect("nothing is no error");
}
