//! Loads a gateway, and measures parts of one. `cargo run --release -p bench -- mixed`

mod cold;
mod instructions;
mod limit;
mod lookup;

use std::io::{self, Write};
use std::process::ExitCode;

use bench::callers;
use bench::command::{self, Request, Scenario};
use bench::own::child::{ChildEmulator, ChildGateway};
use bench::own::registry_of;
use clap::{Parser, Subcommand};

/// Loads a gateway as its callers do: yours, or one that the bench starts with an emulated Auth0.
///
/// Exit codes: 0 good; 1 slower than the baseline; 2 usage; 70 could not be measured.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Scenario(Box<Scenario>),
    /// Write a file of callers for tenant files, to be edited: which of them call, how often, with which passwords.
    Callers {
        /// Your tenant files.
        #[arg(long, value_name = "DIR", default_value = "tenants.d")]
        tenants_dir: std::path::PathBuf,
    },
    /// One request over and over, to any server.
    Request(Box<Request>),
    /// The bare servers that a side-by-side holds the gateway against.
    Limit(limit::Limit),
    /// How long it takes to find the tenant and client of a request among many, in random order.
    Lookup(lookup::Lookup),
    /// How long it takes to read many tenant files for the first time, beside a plain loop over them.
    Cold(cold::Cold),
    /// What the gateway's functions cost in instructions, beside the committed baseline (bench/benches/README.md).
    Instructions(instructions::Instructions),
    #[command(hide = true)]
    ChildEmulator(ChildEmulator),
    #[command(hide = true)]
    ChildGateway(Box<ChildGateway>),
}

fn main() -> ExitCode {
    let ran = match Cli::parse().command {
        Command::Scenario(scenario) => command::run(&scenario, &environment),
        Command::Request(request) => request.run(),
        Command::Callers { tenants_dir } => registry_of(&tenants_dir)
            .and_then(|registry| callers::to_yaml(&callers::of_registry(&registry)))
            .and_then(say),
        Command::Limit(limit) => limit.run().map_err(anyhow::Error::from).and_then(say),
        Command::Lookup(lookup) => say(lookup.run()),
        Command::Cold(cold) => cold.run().and_then(say),
        Command::Instructions(instructions) => return instructions.run(),
        Command::ChildEmulator(child) => child.run().map(|()| true),
        Command::ChildGateway(child) => child.run().map(|()| true),
    };
    match ran {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            // Nothing is left to tell it to if this fails.
            let _ = writeln!(io::stderr().lock(), "bench: {error:#}");
            ExitCode::from(70)
        }
    }
}

fn say(text: String) -> anyhow::Result<bool> {
    io::stdout().write_all(text.as_bytes())?;
    Ok(true)
}

#[expect(clippy::disallowed_methods, reason = "passwords of callers may stand in variables")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
