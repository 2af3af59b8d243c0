//! The commands, one file each, and their exit codes.

pub mod check;
#[cfg(feature = "emulator")]
pub mod dev;
#[cfg(feature = "emulator")]
pub mod emulator;
pub mod explain;
pub mod healthcheck;
pub mod serve;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::tenant::schema;

/// A multi-tenant gateway in front of many Auth0 tenants.
///
/// Exit codes: 0 good; 1 findings (check, explain without a match, healthcheck down); 2 usage;
/// 70 failed while running; 78 configuration.
#[derive(Debug, Parser)]
#[command(name = "auth0-gateway", version, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve tenants until a signal says otherwise.
    Serve(Box<serve::Serve>),
    /// Serve the sample world on loopback with an emulated Auth0: nothing to configure.
    #[cfg(feature = "emulator")]
    Dev(Box<dev::Dev>),
    /// Run the emulated Auth0 of `dev` alone, for tests of your own.
    #[cfg(feature = "emulator")]
    Emulator(emulator::EmulatorCommand),
    /// Read tenant files as `serve` does and show everything that is wrong with them.
    Check(check::Check),
    /// Say which tenant, client and connection a request gets, by which rule, and who lost.
    Explain(explain::Explain),
    /// Print the JSON Schema of a tenant file.
    Schema,
    /// Ask a running gateway whether it is ready: for containers without curl.
    Healthcheck(healthcheck::Healthcheck),
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0.
    Good,
    /// 1.
    Findings,
    /// 70, `EX_SOFTWARE`.
    Failed,
    /// 78, `EX_CONFIG`.
    Configuration,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Good => 0,
            Exit::Findings => 1,
            Exit::Failed => 70,
            Exit::Configuration => 78,
        })
    }
}

/// Runs a command.
pub fn run(cli: Cli) -> Exit {
    match cli.command {
        Command::Serve(serve) => serve::run(*serve),
        #[cfg(feature = "emulator")]
        Command::Dev(dev) => dev::run(*dev),
        #[cfg(feature = "emulator")]
        Command::Emulator(emulator) => emulator::run(&emulator),
        Command::Check(check) => check::run(&check),
        Command::Explain(explain) => explain::run(&explain),
        Command::Schema => say(&schema::schema_text(), Exit::Good),
        Command::Healthcheck(healthcheck) => healthcheck::run(&healthcheck),
    }
}

/// Writes to standard output. A reader that went away (`| head`) is no failure.
pub(crate) fn say(text: &str, exit: Exit) -> Exit {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Exit::Failed,
        _ => exit,
    }
}

/// Writes a line to standard error.
pub(crate) fn complain(text: &str, exit: Exit) -> Exit {
    // Nothing is left to tell it to if this fails.
    let _ = writeln!(io::stderr().lock(), "auth0-gateway: {text}");
    exit
}

/// The runtime of a serving command: as many workers as cores, since more triple the slowest answers.
pub(crate) fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}
