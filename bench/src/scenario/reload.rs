//! Tenant files that change while a gateway is under load, and how soon each change is in service.
//!
//! Rounds take turns: quiet, one file after another, every file at once. Every changed file gets a host that no file
//! had before; the change is in service when a request for that host finds its tenant.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use http::Method;

use crate::clock;
use crate::load::{Call, Endpoint, Recorder, Sender, connect, histogram};
use crate::own::Own;
use crate::population;
use crate::report::{Figure, Latency, Spread};

/// Between two looks for a change.
const LOOK: Duration = Duration::from_millis(1);
/// A change that is not in service by then never will be.
const PATIENCE: Duration = Duration::from_mins(1);

/// What happens in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Quiet,
    One,
    All,
}

impl Phase {
    const NAMES: [(Self, &'static str); 3] = [
        (Self::Quiet, "p99 in quiet rounds"),
        (Self::One, "p99 in rounds with one change after another"),
        (Self::All, "p99 in rounds in which every file changed"),
    ];

    fn of(round: usize) -> Self {
        [Self::Quiet, Self::One, Self::All][round % 3]
    }
}

/// Changes files while the load runs.
#[derive(Debug)]
pub struct Changes {
    directory: PathBuf,
    tenants: usize,
    every: Duration,
    endpoint: Endpoint,
    ops: SocketAddr,
    /// `None`: not begun, or over.
    round: Mutex<Option<usize>>,
    is_over: std::sync::atomic::AtomicBool,
    measured: Mutex<Measured>,
}

/// Milliseconds.
#[derive(Debug, Default)]
struct Measured {
    noticed: Vec<f64>,
    asked: Vec<f64>,
    all: Vec<f64>,
}

impl Changes {
    /// For a gateway of generated tenants.
    ///
    /// # Errors
    /// Where the files are not the bench's own: it will not change a user's.
    pub fn prepare(own: Option<&Own>, tenants: usize, every: Duration) -> anyhow::Result<Self> {
        let own = own.context("`reload` changes tenant files: it starts a gateway of its own, without --url")?;
        ensure!(own.has_generated_tenants, "`reload` changes tenant files: it generates them, without --tenants-dir");
        ensure!(!own.speaks_tls, "`reload` looks for its changes without TLS");
        Ok(Self {
            directory: own.tenants_dir.clone(),
            tenants,
            every,
            endpoint: Endpoint { address: own.gateway.public, tls: None, http2: false },
            ops: own.gateway.ops.context("an operations listener")?,
            round: Mutex::new(None),
            is_over: false.into(),
            measured: Mutex::default(),
        })
    }

    /// The load is in that round now; `None`: it is over, or has not begun.
    pub fn enter(&self, round: Option<usize>) {
        if round.is_none() {
            self.is_over.store(true, std::sync::atomic::Ordering::Relaxed);
        }
        *self.round.lock().unwrap_or_else(PoisonError::into_inner) = round;
    }

    fn round(&self) -> Option<usize> {
        *self.round.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes files until the load is over. Blocking.
    ///
    /// # Errors
    /// Where a file cannot be written or a change never comes into service.
    pub fn run(&self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut gateway = connect(&self.endpoint).await?;
            let (mut changes, mut all_in) = (0, None);
            while !self.is_over.load(std::sync::atomic::Ordering::Relaxed) {
                let round = self.round();
                match round.map(Phase::of) {
                    Some(Phase::One) => {
                        changes += 1;
                        let began = clock::now();
                        self.one(&mut gateway, changes).await?;
                        tokio::time::sleep(self.every.saturating_sub(began.elapsed())).await;
                    }
                    Some(Phase::All) if all_in != round => {
                        all_in = round;
                        changes += 1;
                        self.all(&mut gateway, changes).await?;
                    }
                    _ => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
            Ok(())
        })
    }

    /// One file; every second time the gateway is asked to look again, and not left to notice.
    async fn one(&self, gateway: &mut Sender, change: usize) -> anyhow::Result<()> {
        let tenant = change * 7 % self.tenants;
        let began = self.write(tenant, change)?;
        if change.is_multiple_of(2) {
            self.ask().await?;
        }
        let taken = self.until_served(gateway, &host(tenant, change), began).await?;
        let mut measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        let place = if change.is_multiple_of(2) { &mut measured.asked } else { &mut measured.noticed };
        place.push(taken);
        Ok(())
    }

    async fn all(&self, gateway: &mut Sender, change: usize) -> anyhow::Result<()> {
        let mut last = clock::now();
        for tenant in 0..self.tenants {
            last = self.write(tenant, change)?;
        }
        let taken = self.until_served(gateway, &host(self.tenants - 1, change), last).await?;
        self.measured.lock().unwrap_or_else(PoisonError::into_inner).all.push(taken);
        Ok(())
    }

    /// Beside it and then in its place, as operators are told to; when that was done.
    fn write(&self, tenant: usize, change: usize) -> anyhow::Result<Instant> {
        let text = population::file_with_hosts(tenant, &[host(tenant, change)]);
        let beside = self.directory.join(format!(".{}.tmp", population::name(tenant)));
        fs::write(&beside, text)?;
        fs::rename(beside, self.directory.join(format!("{}.yaml", population::name(tenant))))?;
        Ok(clock::now())
    }

    async fn ask(&self) -> anyhow::Result<()> {
        let endpoint = Endpoint { address: self.ops, tls: None, http2: false };
        let mut sender = connect(&endpoint).await?;
        let call = Call { method: Method::POST, ..super::calls::get("/-/reload", &self.ops.to_string()) };
        let answer = sender.send(call, false, true).await?;
        ensure!(answer.status.is_success(), "POST /-/reload: {}", answer.status);
        Ok(())
    }

    async fn until_served(&self, gateway: &mut Sender, host: &str, began: Instant) -> anyhow::Result<f64> {
        loop {
            let answer = gateway.send(super::calls::get("/userinfo", host), false, true).await?;
            let taken = began.elapsed();
            // Unknown hosts are told apart from callers who show nothing.
            if !String::from_utf8_lossy(&answer.body).contains("unauthorized_client") {
                return Ok(taken.as_secs_f64() * 1_000.0);
            }
            ensure!(taken < PATIENCE, "a changed file was not in service within {PATIENCE:?}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// How soon changes were in service, and what the load felt of them.
    pub fn figures(&self, recorder: &Recorder) -> Vec<Figure> {
        let measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        let served = [
            ("one file, from its rename to service, noticed by the watcher", &measured.noticed),
            ("one file, from its rename to service, after POST /-/reload", &measured.asked),
            ("every file, from the last rename to service, noticed by the watcher", &measured.all),
        ];
        let served = served.into_iter().filter_map(|(name, values)| {
            let values = Spread::of(values.iter().copied())?;
            Some(Figure { name: name.to_owned(), unit: "ms".to_owned(), values })
        });
        let felt = Phase::NAMES.into_iter().filter_map(|(phase, name)| {
            let values = Spread::of(p99_of(recorder, phase))?;
            Some(Figure { name: name.to_owned(), unit: "µs".to_owned(), values })
        });
        served.chain(felt).collect()
    }

    /// How the figures are to be read.
    pub fn note(&self) -> String {
        "the watcher waits for 250 ms without a further event before it looks; that is in its figures".to_owned()
    }
}

fn host(tenant: usize, change: usize) -> String {
    format!("v{change}.new-{tenant}.example")
}

/// Over all operations, of each round of the phase.
fn p99_of(recorder: &Recorder, phase: Phase) -> Vec<f64> {
    let rounds = recorder.rounds.iter().enumerate().filter(|(round, _)| Phase::of(*round) == phase);
    let merged = rounds.map(|(_, round)| {
        let mut all = histogram();
        for operation in &round.operations {
            // All histograms have the same bounds.
            let _ = all.add(&operation.latency);
        }
        all
    });
    merged.filter_map(|all| Some(Latency::of(&all)?.p99)).collect()
}
