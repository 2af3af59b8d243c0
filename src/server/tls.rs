//! TLS that ends here: certificates chosen by SNI, read again while the server runs.
//!
//! A handshake takes the certificates of the moment; a connection keeps those it began with. A pair of files
//! that cannot be loaded leaves its last good pair in service.

mod chain;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use crate::base::clock::Clock;
use crate::telemetry::metrics::Metrics;
use chain::Chain;

pub use chain::{CertificateError, CertificateNames};

/// Where a certificate and its key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM: the certificate, then those that lead to its root.
    pub certificates: PathBuf,
    /// PEM: PKCS#8, PKCS#1 or SEC1.
    pub key: PathBuf,
}

/// The certificates in service. The first answers where no name fits.
pub struct Certificates {
    files: Vec<CertificateFiles>,
    /// One for each pair of files, in their order.
    current: ArcSwap<Vec<Arc<Chain>>>,
    /// One look at the files at a time: a slow one does not put older files over newer ones.
    reading: Mutex<()>,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificates").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Certificates {
    /// Loads all of them; one that is bad is an error.
    pub fn load(
        files: Vec<CertificateFiles>,
        metrics: Arc<Metrics>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, CertificateError> {
        let chains = files.iter().map(|files| Chain::load(files).map(Arc::new)).collect::<Result<Vec<_>, _>>()?;
        let loaded = Self { files, current: ArcSwap::from_pointee(chains), reading: Mutex::new(()), metrics, clock };
        loaded.tell();
        Ok(loaded)
    }

    /// Looks at the files again; reads from disk, so not on a thread that serves. What is the same stays the same,
    /// so that its sessions can be resumed.
    pub fn read_again(&self) {
        let _one = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.current.load_full();
        let now = self.files.iter().zip(before.iter()).map(|(files, before)| match Chain::load(files) {
            Ok(now) if now.is_same(before) => Arc::clone(before),
            Ok(now) => {
                tracing::info!(file = %files.certificates.display(), "a changed certificate is in service");
                Arc::new(now)
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                tracing::error!(%error, cause, "a certificate cannot be loaded; the one before stays in service");
                Arc::clone(before)
            }
        });
        let now: Vec<_> = now.collect();
        if now.iter().zip(before.iter()).any(|(now, before)| !Arc::ptr_eq(now, before)) {
            self.current.store(Arc::new(now));
        }
        // Also where nothing changed: who looks into the log at night finds what has expired since.
        self.tell();
    }

    /// The metric, and a line for each certificate whose time is over.
    fn tell(&self) {
        let chains = self.current.load();
        let now = self.clock.now().as_second();
        for (files, chain) in self.files.iter().zip(chains.iter()).filter(|(_, chain)| chain.not_after() <= now) {
            let not_after =
                jiff::Timestamp::from_second(chain.not_after()).map(|at| at.to_string()).unwrap_or_default();
            tracing::error!(file = %files.certificates.display(), not_after, "a certificate has expired");
        }
        if let Some(earliest) = chains.iter().map(|chain| chain.not_after()).min() {
            self.metrics.certificate_not_after(earliest);
        }
    }

    /// A handshake, and what the certificate covers that it was given. Who does not finish it in time is an error.
    pub async fn accept<I>(&self, socket: I, within: Duration) -> io::Result<(TlsStream<I>, Arc<CertificateNames>)>
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        let handshake = async {
            let begun = LazyConfigAcceptor::new(Acceptor::default(), socket).await?;
            let chain = self.choose(begun.client_hello().server_name());
            let stream = begun.into_stream(chain.config()).await?;
            Ok((stream, chain.names()))
        };
        tokio::time::timeout(within, handshake).await.unwrap_or(Err(io::ErrorKind::TimedOut.into()))
    }

    /// The name itself beats a wildcard, and among equals the one given first.
    fn choose(&self, server_name: Option<&str>) -> Arc<Chain> {
        let chains = self.current.load();
        let by = |fits: fn(&CertificateNames, &str) -> bool| {
            let name = server_name?;
            chains.iter().find(|chain| fits(&chain.names(), name))
        };
        let found = by(CertificateNames::has).or_else(|| by(CertificateNames::covers)).or_else(|| chains.first());
        Arc::clone(found.expect("settings give at least one pair of files, and each has its chain"))
    }
}
