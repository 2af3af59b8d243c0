//! Last good versions of tenant files, kept where sessions are kept: read at a start, written after each reload.

use std::sync::Arc;
use std::time::Duration;

use super::StartError;
use super::tenants::accept;
use crate::server::shutdown::Shutdown;
use crate::session::StoreError;
use crate::session::records::{FoundRecords, NamedRecord, RecordStore};
use crate::settings::ServeSettings;
use crate::tenant::reload::{Reloader, Removals};

/// How long a start waits for the records. Without them it serves what the files say.
const START_WAITS: Duration = Duration::from_secs(5);

/// Between two attempts at a store that does not answer.
const PAUSE: Duration = Duration::from_secs(5);

/// Records in one write: a few kilobytes each, and others write between two of them.
const WRITTEN_AT_ONCE: usize = 256;

/// Whether the records were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Recalled {
    Yes,
    No,
}

/// The records of this gateway's files.
#[derive(Debug)]
struct Records {
    reloader: Arc<Reloader>,
    store: Arc<dyn RecordStore>,
}

/// Loads the tenant files for the first time, over what an earlier process left; from now on keeps what serves. A
/// store that does not answer stops no start. Without a store nothing outlives the process.
pub(super) async fn first_load(
    settings: &ServeSettings,
    reloader: &Arc<Reloader>,
    store: Option<Arc<dyn RecordStore>>,
    shutdown: &Shutdown,
) -> Result<(), StartError> {
    let Some(store) = store else { return accept(settings, &reloader.reload(Removals::Guarded).await) };
    let records = Records { reloader: Arc::clone(reloader), store };
    let recalled = records.recall().await;
    accept(settings, &reloader.reload(Removals::Guarded).await)?;
    let closing = shutdown.closing().clone();
    shutdown.tracker().spawn(async move {
        tokio::select! {
            () = records.keep_on(recalled) => {}
            () = closing.cancelled() => {}
        }
    });
    Ok(())
}

impl Records {
    async fn recall(&self) -> Recalled {
        let why = match tokio::time::timeout(START_WAITS, self.store.records()).await {
            Ok(Ok(found)) => {
                self.remember(found);
                return Recalled::Yes;
            }
            Ok(Err(error)) => described(&error),
            Err(_) => "it did not answer in time".to_owned(),
        };
        tracing::error!(
            why,
            "the last good versions of tenant files cannot be read from the session store; files that are bad now \
             answer 503 until it is back"
        );
        Recalled::No
    }

    fn remember(&self, found: FoundRecords) {
        let records = found.records.into_iter().map(|record| (record.name, record.value)).collect();
        let mut unreadable = self.reloader.remember(records);
        unreadable.extend(found.unreadable);
        if !unreadable.is_empty() {
            tracing::error!(
                files = ?unreadable,
                "last good versions of tenant files cannot be opened with these session keys, or are of another release"
            );
        }
    }

    /// Keeps what serves. What was there is read before anything is written: whose a pair was must not be overwritten by a start that did
    /// not know.
    async fn keep_on(self, recalled: Recalled) {
        let mut reloads = self.reloader.reloads();
        if recalled == Recalled::No {
            self.remember(self.read_at_last().await);
            self.reloader.reload(Removals::Guarded).await;
        }
        let mut is_failing = false;
        loop {
            reloads.mark_unchanged();
            match self.write().await {
                Ok(()) if reloads.changed().await.is_err() => return,
                Ok(()) => is_failing = false,
                Err(error) => {
                    if !std::mem::replace(&mut is_failing, true) {
                        tracing::error!(why = described(&error), "last good versions of tenant files cannot be kept");
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn read_at_last(&self) -> FoundRecords {
        loop {
            tokio::time::sleep(PAUSE).await;
            if let Ok(found) = self.store.records().await {
                return found;
            }
        }
    }

    async fn write(&self) -> Result<(), StoreError> {
        let mut to_keep = self.reloader.to_keep().await;
        let put = std::mem::take(&mut to_keep.put).into_iter();
        let put: Vec<NamedRecord> = put.map(|(file, value)| NamedRecord { name: (&*file).into(), value }).collect();
        for some in put.chunks(WRITTEN_AT_ONCE) {
            self.store.put_records(some).await?;
        }
        if !to_keep.remove.is_empty() {
            let gone: Vec<Box<str>> = to_keep.remove.iter().map(|file| (&**file).into()).collect();
            self.store.remove_records(&gone).await?;
        }
        self.reloader.kept(to_keep);
        Ok(())
    }
}

fn described(error: &StoreError) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{error}{cause}")
}
