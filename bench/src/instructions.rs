//! The benches of `bench/benches/instructions`, run and held against the committed baseline.
//!
//! Exit code 0: nothing costs more than before. 1: something does. 2: there is no verdict, since a tool is missing,
//! a bench was not run or the baseline was counted on another machine; what to do is said then.

mod figures;
mod machine;
mod verdict;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use clap::Args;

use figures::{Baseline, Figures};
use machine::{Machine, VERSION};
use verdict::{Scope, Verdict};

/// The instruction benches.
#[derive(Debug, Args)]
pub(crate) struct Instructions {
    /// Only benches whose name holds this.
    filter: Option<String>,
    /// What to hold the figures against.
    #[arg(long, default_value_os_t = root().join("bench/benches/baseline.json"))]
    baseline: PathBuf,
    /// Writes the figures there instead of comparing them.
    #[arg(long, conflicts_with = "filter")]
    save: bool,
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("valgrind is missing: apt-get install --no-install-recommends valgrind")]
    NoValgrind,
    #[error(
        "gungraun-runner {VERSION} is missing (found: {found}): cargo install gungraun-runner --version ={VERSION} --locked --root {}",
        root().join("target/tools").display()
    )]
    NoRunner { found: String },
    #[error("{0}")]
    Tool(String),
    #[error("the benches failed: {0}")]
    Benches(std::process::ExitStatus),
    #[error("no bench was run: that is no check")]
    Nothing,
    #[error("{}: {why}; `cargo run -p bench -- instructions --save` writes one", path.display())]
    Baseline { path: PathBuf, why: String },
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Instructions {
    /// Runs the benches and says what came of them.
    pub(crate) fn run(&self) -> ExitCode {
        let (told, code) = match self.report() {
            Ok((text, code)) => (io::stdout().write_all(text.as_bytes()), code),
            Err(failure) => (writeln!(io::stderr(), "bench instructions: {failure}"), ExitCode::from(2)),
        };
        // A verdict that nobody was told is none.
        if told.is_ok() { code } else { ExitCode::from(2) }
    }

    fn report(&self) -> Result<(String, ExitCode), Failure> {
        let machine = Machine::here()?;
        // Read before the benches are: they take a minute.
        let baseline = if self.save { None } else { Some(Baseline::read(&self.baseline)?) };
        let figures = count(&runner()?, self.filter.as_deref())?;
        let Some(baseline) = baseline else {
            let text = format!("{} benches written to {}\n", figures.len(), self.baseline.display());
            Baseline { machine, benches: figures }.write(&self.baseline)?;
            return Ok((text, ExitCode::SUCCESS));
        };
        let scope = if self.filter.is_some() { Scope::Some } else { Scope::All };
        let verdict = Verdict::of(&baseline, &machine, &figures, scope);
        Ok((verdict.text, ExitCode::from(verdict.code)))
    }
}

/// The workspace.
fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package)
}

/// The runner of the benches' own version: below `target/tools`, or on the path.
fn runner() -> Result<PathBuf, Failure> {
    let mut found = Vec::new();
    for place in [root().join("target/tools/bin/gungraun-runner"), "gungraun-runner".into()] {
        let Some(version) = machine::first_line(&place, &["--version"]) else { continue };
        if version.split_whitespace().last() == Some(VERSION) {
            return Ok(place);
        }
        found.push(version);
    }
    Err(Failure::NoRunner { found: if found.is_empty() { "none".to_owned() } else { found.join(", ") } })
}

/// The path with the runner's folder first.
#[expect(clippy::disallowed_methods, reason = "a child's path is this process' own and one folder")]
fn path_from(runner: &Path) -> Result<OsString, Failure> {
    let before = std::env::var_os("PATH").unwrap_or_default();
    let folder = runner.parent().map(Path::to_owned);
    let folders = folder.into_iter().chain(std::env::split_paths(&before));
    std::env::join_paths(folders).map_err(|error| Failure::Tool(error.to_string()))
}

/// Builds the benches and runs each in a process of its own under valgrind.
fn count(runner: &Path, filter: Option<&str>) -> Result<Figures, Failure> {
    let mut cargo = Command::new("cargo");
    cargo.args(["bench", "--package", "bench", "--bench", "instructions", "--locked", "--"]);
    cargo.args(["--output-format=json"]).args(filter.map(|filter| format!("*{filter}*")));
    // By the path: a runner named by `GUNGRAUN_RUNNER` is built in, and a minute's link is due whenever that changes.
    cargo.current_dir(root()).env("PATH", path_from(runner)?).stderr(Stdio::inherit());
    let output = cargo.output()?;
    if !output.status.success() {
        return Err(Failure::Benches(output.status));
    }
    let figures = figures::parse(&String::from_utf8_lossy(&output.stdout)).map_err(Failure::Tool)?;
    if figures.is_empty() { Err(Failure::Nothing) } else { Ok(figures) }
}
