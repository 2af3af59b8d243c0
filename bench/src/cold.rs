//! Tenant files read for the first time: the gateway's own way, and the plain loop that lists, reads and parses.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::ensure;
use auth0_gateway::tenant::apply::{self, RemovalGuard, State};
use auth0_gateway::tenant::load::{Sources, load};
use auth0_gateway::tenant::read::{Reader, ReaderOptions, Unset};
use auth0_gateway::tenant::secrets::SecretSource;
use bench::population;
use bench::report::{Spread, table};
use clap::Args;

/// The bench of a cold start's reading.
#[derive(Debug, Args)]
pub(crate) struct Cold {
    /// How many tenant files.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    tenants: usize,
    /// How many rounds; the first is not counted.
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
    /// One line of JSON: milliseconds of each round, `plain` and `gateway`.
    #[arg(long)]
    json: bool,
}

impl Cold {
    /// Writes the files and reads them, in turn.
    pub(crate) fn run(&self) -> anyhow::Result<String> {
        let folder = tempfile::tempdir()?;
        population::write(folder.path(), self.tenants)?;
        let (mut plain, mut gateway) = (Vec::new(), Vec::new());
        for round in 0..=self.rounds {
            let (a, b) = (timed(|| read_plainly(folder.path()))?, timed(|| read_as_the_gateway(folder.path()))?);
            ensure!(a.1 == self.tenants && b.1 == self.tenants, "{} and {} of {} tenants", a.1, b.1, self.tenants);
            if round > 0 {
                plain.push(a.0);
                gateway.push(b.0);
            }
        }
        if self.json {
            return Ok(format!("{}\n", serde_json::json!({ "plain": plain, "gateway": gateway })));
        }
        let ratios = gateway.iter().zip(&plain).map(|(gateway, plain)| gateway / plain);
        let mut text = format!("{} tenant files, {} rounds (min / median / max)\n", self.tenants, self.rounds);
        for (name, spread) in [
            ("list, read and parse, one thread, ms", Spread::of(plain.iter().copied())),
            ("the gateway: to a registry that serves, ms", Spread::of(gateway.iter().copied())),
            ("ratio", Spread::of(ratios)),
        ] {
            text += &format!("{name:<44} {}\n", spread.map(table::spread).unwrap_or_default());
        }
        Ok(text)
    }
}

/// Milliseconds, and what was counted.
fn timed(read: impl FnOnce() -> anyhow::Result<usize>) -> anyhow::Result<(f64, usize)> {
    let began = clock();
    let count = read()?;
    Ok((began.elapsed().as_secs_f64() * 1_000.0, count))
}

#[expect(clippy::disallowed_methods, reason = "a bench measures with the machine's own clock")]
fn clock() -> Instant {
    Instant::now()
}

/// Every text is dropped once it is parsed; the values stay, as tenants do.
fn read_plainly(folder: &Path) -> anyhow::Result<usize> {
    let mut files = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    files.sort();
    let parse = |file| -> anyhow::Result<serde_yaml::Value> { Ok(serde_yaml::from_str(&fs::read_to_string(file)?)?) };
    let values = files.into_iter().map(parse).collect::<anyhow::Result<Vec<_>>>()?;
    Ok(values.len())
}

/// Read, checked, compiled, held against each other, and made into the registry that requests are looked up in.
fn read_as_the_gateway(folder: &Path) -> anyhow::Result<usize> {
    let sources = Sources { directories: vec![folder.to_owned()], defaults: None };
    // As in production: every secret is set, and there is nothing to tell of any file.
    let secrets =
        SecretSource { directory: None, prefixes: Vec::new(), environment: Arc::new(|_| Some("s".to_owned())) };
    let reader =
        Reader::new(ReaderOptions { secrets, unset: Unset::Error, allow_upstream: Vec::new(), emulator: None });
    let loaded = load(&sources, &reader, &State::default());
    let guard = RemovalGuard { at_most: 100, at_least: 0, accepted: true };
    let (state, diff) = apply::apply(&State::default(), loaded.listing, guard, jiff::Timestamp::UNIX_EPOCH);
    ensure!(diff.rejected.is_empty(), "a generated tenant is good");
    Ok(state.registry().tenants().len())
}
