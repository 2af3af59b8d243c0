//! Measures parts of the gateway. `cargo run --release -p bench -- lookup`

mod instructions;
mod lookup;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "bench", about = "Measures parts of auth0-gateway")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// How long it takes to find the tenant and client of a request among many, in random order.
    Lookup(lookup::Lookup),
    /// What the gateway's functions cost in instructions, beside the committed baseline (bench/benches/README.md).
    Instructions(instructions::Instructions),
}

fn main() -> io::Result<ExitCode> {
    match Cli::parse().command {
        Command::Lookup(lookup) => io::stdout().write_all(lookup.run().as_bytes()).map(|()| ExitCode::SUCCESS),
        Command::Instructions(instructions) => instructions.run(),
    }
}
