//! Records that are of no session, in a table of their own.

use redb::ReadableTable;

use super::EmbeddedStore;
use super::file::has_keys;
use super::tables::{ABOUT, RECORDS};
use crate::session::StoreFuture;
use crate::session::records::{FoundRecords, NamedRecord, RecordStore, seal};

impl RecordStore for EmbeddedStore {
    fn put_records<'a>(&'a self, records: &'a [NamedRecord]) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let (ring, random) = self.ambient.sealer();
            let sealed = records.iter().map(|record| Ok((record.name.clone(), seal(ring, random, record)?)));
            let sealed: Vec<(Box<str>, Vec<u8>)> = sealed.collect::<Result<_, crate::session::StoreError>>()?;
            self.writer
                .call(move |tables| {
                    for (name, value) in &sealed {
                        tables.records.insert(&**name, value.as_slice())?;
                        tables.changed = true;
                    }
                    Ok(())
                })
                .await
        })
    }

    fn remove_records<'a>(&'a self, names: &'a [Box<str>]) -> StoreFuture<'a, ()> {
        let names = names.to_vec();
        Box::pin(self.writer.call(move |tables| {
            for name in &names {
                tables.changed |= tables.records.remove(&**name)?.is_some();
            }
            Ok(())
        }))
    }

    fn records(&self) -> StoreFuture<'_, FoundRecords> {
        let ring = std::sync::Arc::clone(&self.ambient.ring);
        Box::pin(self.read_aside(move |transaction| {
            has_keys(&transaction.open_table(ABOUT)?, &ring)?;
            let mut found = FoundRecords::default();
            for entry in transaction.open_table(RECORDS)?.iter()? {
                let (name, sealed) = entry?;
                found.add(&ring, name.value(), sealed.value());
            }
            Ok(found)
        }))
    }
}
