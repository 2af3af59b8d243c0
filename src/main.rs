//! The command `auth0-gateway`.

use std::process::ExitCode;

use auth0_gateway::cli::{self, Cli};
use clap::Parser;

fn main() -> ExitCode {
    cli::run(Cli::parse()).into()
}
