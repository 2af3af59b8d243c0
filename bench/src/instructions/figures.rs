//! What was counted, and the baseline that it is held against.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Failure;
use super::machine::Machine;

/// The counts of every bench, by name.
pub(super) type Figures = BTreeMap<String, Counts>;

/// What one bench costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts {
    /// Instructions carried out: the figure that is judged.
    pub(super) instructions: u64,
    /// Reads and writes that a simulated first-level cache answers.
    pub(super) l1_hits: u64,
    /// Instructions and cache misses, weighed.
    pub(super) estimated_cycles: u64,
}

/// The committed figures and where they were counted.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Baseline {
    pub(super) machine: Machine,
    pub(super) benches: Figures,
}

impl Baseline {
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let failure = |why: String| Failure::Baseline { path: path.to_owned(), why };
        let text = fs::read_to_string(path).map_err(|error| failure(error.to_string()))?;
        serde_json::from_str(&text).map_err(|error| failure(error.to_string()))
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(self).map_err(std::io::Error::other)?;
        Ok(fs::write(path, text + "\n")?)
    }
}

/// From what the runner writes with `--output-format=json`: a summary a line.
pub(super) fn parse(text: &str) -> Result<Figures, String> {
    text.lines().filter(|line| line.starts_with('{')).map(one).collect()
}

fn one(line: &str) -> Result<(String, Counts), String> {
    let summary: Value = serde_json::from_str(line).map_err(|error| format!("the runner's summary: {error}"))?;
    let function = summary["function_name"].as_str().ok_or("the runner's summary names no function")?;
    let name = match summary["id"].as_str() {
        Some(id) => format!("{function}.{id}"),
        None => function.to_owned(),
    };
    let metrics = summary.pointer("/profiles/0/data/total/metrics");
    let metric = |event: &str| {
        let value = metrics.and_then(|metrics| metrics.pointer(&format!("/{event}/values/new")));
        let count = value.and_then(|value| value.get("Int").unwrap_or(value).as_u64());
        count.ok_or_else(|| format!("the runner's summary of {name} has no {event}"))
    };
    let counts = Counts {
        instructions: metric("Ir")?,
        l1_hits: metric("L1hits")?,
        estimated_cycles: metric("EstimatedCycles")?,
    };
    Ok((name, counts))
}
