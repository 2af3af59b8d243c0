//! `emulator`: the emulated Auth0 alone.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Exit, complain, runtime, say};
use crate::app::reread::certificate_files;
use crate::base::clock::SystemClock;
use crate::base::random::SystemRandom;
use crate::emulator::{Emulator, EmulatorOptions, World};
use crate::server::tls::Certificates;
use crate::telemetry::metrics::Metrics;

/// Run the emulated Auth0.
#[derive(Debug, Args)]
pub struct EmulatorCommand {
    /// Where it listens.
    #[arg(long, env = "AUTH0_GATEWAY_EMULATOR_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:4400")]
    listen: SocketAddr,
    /// A certificate, PEM: it speaks TLS then. Each has its `--tls-key`.
    #[arg(long, env = "AUTH0_GATEWAY_EMULATOR_TLS_CERT", value_name = "FILE", value_delimiter = ',')]
    tls_cert: Vec<PathBuf>,
    /// The certificate's private key, PEM.
    #[arg(long, env = "AUTH0_GATEWAY_EMULATOR_TLS_KEY", value_name = "FILE", value_delimiter = ',')]
    tls_key: Vec<PathBuf>,
    /// Let it listen beyond loopback: whoever reaches it logs in as anybody.
    #[arg(long)]
    allow_public_dev: bool,
}

/// Serves until interrupted.
pub fn run(command: &EmulatorCommand) -> Exit {
    if !command.listen.ip().is_loopback() && !command.allow_public_dev {
        return complain(
            "the emulator listens on loopback alone, unless --allow-public-dev is given",
            Exit::Configuration,
        );
    }
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&format!("no runtime: {error}"), Exit::Failed),
    };
    let certificates = match certificates(command) {
        Ok(certificates) => certificates,
        Err(error) => return complain(&format!("{error:#}"), Exit::Configuration),
    };
    runtime.block_on(async {
        let tasks = TaskTracker::new();
        match Emulator::start(
            EmulatorOptions { certificates, ..options(command.listen) },
            &tasks,
            CancellationToken::new(),
        )
        .await
        {
            Ok(emulator) => {
                say(&format!("an emulated Auth0, one tenant a path: {}/NAME\n", emulator.base()), Exit::Good);
                let _ = tokio::signal::ctrl_c().await;
                Exit::Good
            }
            Err(error) => complain(&format!("{}: {error}", command.listen), Exit::Failed),
        }
    })
}

pub(super) fn options(listen: SocketAddr) -> EmulatorOptions {
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    EmulatorOptions { listen, clock, random, certificates: None, world: World::sample() }
}

fn certificates(command: &EmulatorCommand) -> anyhow::Result<Option<Arc<Certificates>>> {
    let files = certificate_files(&command.tls_cert, &command.tls_key)?;
    if files.is_empty() {
        return Ok(None);
    }
    let metrics = Arc::new(Metrics::new(0)?);
    Ok(Some(Arc::new(Certificates::load(files, metrics, Arc::new(SystemClock))?)))
}
