//! Files beside the tenants' that are read again when they change: the session keys and the certificates.

use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::task::TaskTracker;

use super::sessions::SessionKeys;
use super::{Ambient, StartError};
use crate::server::tls::{CertificateFiles, Certificates};
use crate::settings::ServeSettings;

/// What is read again.
#[derive(Debug, Clone)]
pub(super) struct Reread {
    pub(super) keys: SessionKeys,
    /// Where TLS ends at the public listener.
    pub(super) certificates: Option<Arc<Certificates>>,
    /// One reading at a time: an older text never comes after a newer one.
    one: Arc<tokio::sync::Mutex<()>>,
}

impl Reread {
    /// Reads them for the first time: now a bad one is an error.
    pub(super) fn open(settings: &ServeSettings, (clock, random, metrics): Ambient<'_>) -> Result<Self, StartError> {
        let keys = SessionKeys::open(settings.session_keys.as_deref(), &**random)?;
        let files = certificate_files(&settings.tls_cert, &settings.tls_key)?;
        if files.is_empty() {
            return Ok(Self { keys, certificates: None, one: Arc::default() });
        }
        let certificates = Certificates::load(files, Arc::clone(metrics), Arc::clone(clock)).map_err(|error| {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            StartError::Configuration(format!("TLS: {error}{cause}"))
        })?;
        Ok(Self { keys, certificates: Some(Arc::new(certificates)), one: Arc::default() })
    }

    /// Reads them again, on a thread that may wait for a disk. What is bad now stays as it was.
    pub(super) async fn read_again(&self, tasks: &TaskTracker) {
        let _one = self.one.lock().await;
        let files = self.clone();
        let read = tasks.spawn_blocking(move || {
            files.keys.read_again();
            if let Some(certificates) = &files.certificates {
                certificates.read_again();
            }
        });
        if let Err(error) = read.await {
            tracing::error!(%error, "session keys and certificates were not read again; those in force stay");
        }
    }
}

/// Each certificate with its key.
pub(crate) fn certificate_files(
    certificates: &[PathBuf],
    keys: &[PathBuf],
) -> Result<Vec<CertificateFiles>, StartError> {
    if certificates.len() != keys.len() {
        let (given, missing) = (certificates.len(), keys.len());
        return Err(StartError::Configuration(format!(
            "{given} --tls-cert and {missing} --tls-key were given: each certificate has its key, in the same order"
        )));
    }
    let pairs = certificates.iter().cloned().zip(keys.iter().cloned());
    Ok(pairs.map(|(certificates, key)| CertificateFiles { certificates, key }).collect())
}
