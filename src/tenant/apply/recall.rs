//! What is known of files from before this process began, as if it had served them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::last_good::LastGood;
use super::super::model::Tenant;
use super::super::reading::Reading;
use super::{FileState, State};

/// A record, and the tenant that can be made of it now.
#[derive(Debug, Clone)]
pub struct Recalled {
    /// What was kept.
    pub record: Arc<LastGood>,
    /// `None` where it cannot serve.
    pub tenant: Option<Arc<Tenant>>,
}

/// By file.
pub type Records = BTreeMap<Arc<str>, Recalled>;

/// The state before, with what the records tell of files that are there and serve nothing yet. A file that is gone
/// is not brought back: whoever took it away while nothing served meant it.
pub(super) fn recall<'a>(previous: &'a State, readings: &[Reading], records: &Records) -> Cow<'a, State> {
    if records.is_empty() {
        return Cow::Borrowed(previous);
    }
    let mut state = previous.clone();
    for reading in readings {
        let Some(Recalled { record, tenant }) = records.get(&reading.file) else { continue };
        if previous.files.get(&reading.file).is_some_and(|known| known.serving.is_some()) {
            continue;
        }
        let known = FileState {
            reading: reading.clone(),
            serving: tenant.clone(),
            serving_since: Some(record.since),
            conflicts: Vec::new(),
            disputes: Vec::new(),
            recalled: Some(Arc::clone(record)),
        };
        state.files.insert(Arc::clone(&reading.file), known);
    }
    Cow::Owned(state)
}
