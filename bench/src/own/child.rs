//! What runs in the child processes.

use std::io::{Read, Write, stdout};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use auth0_gateway::app::{Gateway, Parts, StartError};
use auth0_gateway::base::clock::SystemClock;
use auth0_gateway::base::random::SystemRandom;
use auth0_gateway::emulator::{Emulator, EmulatorOptions, sample_secret};
use auth0_gateway::server::shutdown::{Shutdown, ShutdownTimes};
use auth0_gateway::settings::ServeSettings;
use auth0_gateway::telemetry::log::{Log, LogFormat, LogLevel};
use auth0_gateway::tenant::read::EmulatorOverride;
use clap::Args;
use rustix::thread::{CpuSet, sched_setaffinity};

use super::Serving;
use super::world::{registry_of, world_of};

/// The emulated Auth0.
#[derive(Debug, Args)]
pub struct ChildEmulator {
    #[arg(long)]
    tenants: PathBuf,
    #[arg(long, value_parser = cores)]
    cores: Option<Cores>,
}

/// The gateway.
#[derive(Debug, Args)]
pub struct ChildGateway {
    #[arg(long)]
    emulator: String,
    #[arg(long, value_parser = cores)]
    cores: Option<Cores>,
    #[command(flatten)]
    settings: ServeSettings,
}

/// The first core, or all others.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cores {
    First,
    Others,
}

fn cores(text: &str) -> Result<Cores, String> {
    match text {
        "0" => Ok(Cores::First),
        "1-" => Ok(Cores::Others),
        _ => Err("`0` or `1-`".to_owned()),
    }
}

impl Cores {
    /// Binds this thread, and so all that it starts from now on.
    pub(crate) fn bind(self) -> anyhow::Result<()> {
        let all = std::thread::available_parallelism()?.get();
        if all < 2 {
            bail!("--pin needs two cores");
        }
        let mut set = CpuSet::new();
        match self {
            Self::First => set.set(0),
            Self::Others => (1..all).for_each(|core| set.set(core)),
        }
        Ok(sched_setaffinity(None, &set)?)
    }
}

/// Keeps this process off the first core, which is the gateway's.
///
/// # Errors
/// Where there is no second.
pub fn leave_the_first_core() -> anyhow::Result<()> {
    Cores::Others.bind()
}

impl ChildEmulator {
    /// Serves until the parent is gone.
    ///
    /// # Errors
    /// Where it cannot.
    pub fn run(self) -> anyhow::Result<()> {
        self.cores.map_or(Ok(()), Cores::bind)?;
        let world = world_of(&registry_of(&self.tenants)?);
        runtime()?.block_on(async {
            let own = Shutdown::new(ShutdownTimes { delay: Duration::ZERO, grace: Duration::ZERO });
            let options = EmulatorOptions {
                listen: SocketAddr::from(([127, 0, 0, 1], 0)),
                clock: Arc::new(SystemClock),
                random: Arc::new(SystemRandom),
                certificates: None,
                world,
            };
            let emulator = Emulator::start(options, own.tracker(), own.closing().clone()).await?;
            say(emulator.address(), None)?;
            parent_gone().await
        })
    }
}

impl ChildGateway {
    /// Serves until the parent is gone.
    ///
    /// # Errors
    /// Where it cannot, with the reason.
    pub fn run(self) -> anyhow::Result<()> {
        self.cores.map_or(Ok(()), Cores::bind)?;
        let log = Log::to(stdout());
        log.install("warn".parse::<LogLevel>().map_err(anyhow::Error::msg)?, LogFormat::Json)?;
        let emulator = Some(EmulatorOverride { base: self.emulator, secret: sample_secret });
        let parts = Parts { emulator, ..Parts::real(log.lines()) };
        runtime()?.block_on(async {
            let gateway = Gateway::start(&self.settings, parts).await.map_err(|error| match error {
                StartError::Configuration(why) => anyhow::Error::msg(why),
                StartError::Failed(error) => error,
            })?;
            say(gateway.public.context("listens on TCP")?, gateway.ops)?;
            parent_gone().await
        })
    }
}

/// As many workers as cores, as `auth0-gateway serve` has.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

fn say(public: SocketAddr, ops: Option<SocketAddr>) -> anyhow::Result<()> {
    let serving = Serving { bench_child: "serving".to_owned(), public, ops };
    let mut out = stdout().lock();
    writeln!(out, "{}", serde_json::to_string(&serving)?)?;
    Ok(out.flush()?)
}

/// Standard input ends with the parent, however that ended.
async fn parent_gone() -> anyhow::Result<()> {
    let reading = tokio::task::spawn_blocking(|| std::io::stdin().lock().read_to_end(&mut Vec::new()));
    reading.await??;
    Ok(())
}
