//! Measures parts of the gateway. `cargo run --release -p bench -- lookup`

mod limit;
mod lookup;

use std::io::{self, Write};

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "bench", about = "Measures parts of auth0-gateway")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The bare servers that a side-by-side holds the gateway against.
    Limit(limit::Limit),
    /// How long it takes to find the tenant and client of a request among many, in random order.
    Lookup(lookup::Lookup),
}

fn main() -> io::Result<()> {
    let text = match Cli::parse().command {
        Command::Limit(limit) => limit.run()?,
        Command::Lookup(lookup) => lookup.run(),
    };
    io::stdout().write_all(text.as_bytes())
}
