//! `emulator`: the emulated Auth0 alone.

use std::net::SocketAddr;
use std::sync::Arc;

use clap::Args;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Exit, complain, runtime, say};
use crate::base::clock::SystemClock;
use crate::base::random::SystemRandom;
use crate::emulator::{Emulator, EmulatorOptions, World};

/// Run the emulated Auth0.
#[derive(Debug, Args)]
pub struct EmulatorCommand {
    /// Where it listens.
    #[arg(long, env = "AUTH0_GATEWAY_EMULATOR_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:4400")]
    listen: SocketAddr,
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
    runtime.block_on(async {
        let tasks = TaskTracker::new();
        match Emulator::start(options(command.listen), &tasks, CancellationToken::new()).await {
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
    EmulatorOptions { listen, clock: Arc::new(SystemClock), random: Arc::new(SystemRandom), world: World::sample() }
}
