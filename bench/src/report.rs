//! What a run says: figures as JSON, a table, a plot, and a verdict against an earlier run.

pub mod compare;
mod machine;
pub mod plot;
pub mod table;

use std::collections::BTreeMap;

use anyhow::Context as _;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use serde::{Deserialize, Serialize};

pub use machine::Machine;

use crate::load::Recorder;

/// The format's number. A release reads no other.
const FORMAT: u32 = 1;

/// A run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// 1.
    pub format: u32,
    /// The scenario.
    pub scenario: String,
    /// When it ended.
    pub finished: jiff::Timestamp,
    /// Where it ran.
    pub machine: Machine,
    /// What was asked for: two runs are compared only where all of it is equal.
    pub options: BTreeMap<String, String>,
    /// The operations.
    pub operations: Vec<OperationReport>,
    /// Open loop: how late this side itself sent, where a connection was free.
    pub lag: Option<Latency>,
    /// Microseconds on a core that the gateway used for an answer, of each round.
    pub gateway_cpu_us: Option<Spread>,
    /// The gateway's resident memory at the end, in bytes.
    pub gateway_resident: Option<u64>,
    /// What the scenario measured beside.
    pub figures: Vec<Figure>,
    /// What whoever reads this must know.
    pub notes: Vec<String>,
}

/// One operation over all rounds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OperationReport {
    /// Its name.
    pub name: String,
    /// Answers, wrong ones and those that never came among them.
    pub count: u64,
    /// Answers in the round that had fewest.
    pub least_in_a_round: u64,
    /// Answers a second, of each round.
    pub per_second: Spread,
    /// Its latency over all rounds.
    pub latency: Latency,
    /// The median latency of each round, in microseconds.
    pub p50_us: Spread,
    /// The 99th percentile of each round, in microseconds.
    pub p99_us: Spread,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// What was wrong or never came.
    pub failures: BTreeMap<String, u64>,
    /// The whole distribution of nanoseconds: `HdrHistogram` V2, compressed, base64.
    pub histogram: String,
}

/// A distribution, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Half is at most this.
    pub p50: f64,
    /// 90 of 100.
    pub p90: f64,
    /// 99 of 100.
    pub p99: f64,
    /// 999 of 1,000.
    pub p999: f64,
    /// All.
    pub max: f64,
}

/// The least, the middle and the greatest of some rounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The least.
    pub min: f64,
    /// The middle.
    pub median: f64,
    /// The greatest.
    pub max: f64,
}

/// A figure of a scenario's own.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Figure {
    /// What it is.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// Its values.
    pub values: Spread,
}

impl Spread {
    /// Of values in any order; `None` of none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let upper = *sorted.get(middle)?;
        let median = if sorted.len() % 2 == 1 { upper } else { f64::midpoint(*sorted.get(middle - 1)?, upper) };
        Some(Self { min, median, max })
    }

    const NOTHING: Self = Self { min: 0.0, median: 0.0, max: 0.0 };
}

impl Latency {
    /// `None` of nothing.
    pub fn of(histogram: &Histogram<u64>) -> Option<Self> {
        if histogram.is_empty() {
            return None;
        }
        let at = |quantile| microseconds(histogram.value_at_quantile(quantile));
        Some(Self { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: microseconds(histogram.max()) })
    }
}

#[expect(clippy::cast_precision_loss, reason = "two minutes are far fewer than 2^53 ns")]
fn microseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1_000.0
}

#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^53 answers")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

/// The operations of a run with rounds of so many seconds. Those that never happened are left out.
pub fn operations(recorder: &Recorder, round_seconds: f64) -> Vec<OperationReport> {
    let reports = recorder.names.iter().enumerate().filter_map(|(place, name)| {
        let all = recorder.over_all(place);
        let latency = Latency::of(&all.latency)?;
        let rounds: Vec<_> = recorder.rounds.iter().filter_map(|round| round.operations.get(place)).collect();
        let quantile = |quantile: f64| {
            let counted = rounds.iter().filter(|round| !round.latency.is_empty());
            Spread::of(counted.map(|round| microseconds(round.latency.value_at_quantile(quantile))))
        };
        let rates = rounds.iter().map(|round| float(round.latency.len()) / round_seconds);
        Some(OperationReport {
            name: name.clone(),
            count: all.latency.len(),
            least_in_a_round: rounds.iter().map(|round| round.latency.len()).min().unwrap_or_default(),
            per_second: Spread::of(rates).unwrap_or(Spread::NOTHING),
            latency,
            p50_us: quantile(0.5).unwrap_or(Spread::NOTHING),
            p99_us: quantile(0.99).unwrap_or(Spread::NOTHING),
            statuses: all.statuses,
            failures: all.failures,
            histogram: encode(&all.latency),
        })
    });
    reports.collect()
}

fn encode(histogram: &Histogram<u64>) -> String {
    let mut bytes = Vec::new();
    // A vector takes everything.
    let _ = V2DeflateSerializer::new().serialize(histogram, &mut bytes);
    STANDARD.encode(bytes)
}

impl OperationReport {
    /// The whole distribution.
    ///
    /// # Errors
    /// Where the text is none.
    pub fn distribution(&self) -> anyhow::Result<Histogram<u64>> {
        let bytes = STANDARD.decode(&self.histogram).context("the histogram is no base64")?;
        let read = Deserializer::new().deserialize(&mut bytes.as_slice());
        read.map_err(|error| anyhow::anyhow!("the histogram cannot be read: {error:?}"))
    }

    /// Answers that were wrong or never came.
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }
}

impl Report {
    /// A report with nothing measured yet.
    pub fn new(scenario: &str, options: BTreeMap<String, String>) -> Self {
        Self {
            format: FORMAT,
            scenario: scenario.to_owned(),
            finished: crate::clock::wall(),
            machine: Machine::this(),
            options,
            operations: Vec::new(),
            lag: None,
            gateway_cpu_us: None,
            gateway_resident: None,
            figures: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Reads a report that was saved.
    ///
    /// # Errors
    /// Where it is none, or of another release's format.
    pub fn from_json(text: &str) -> anyhow::Result<Self> {
        let report: Self = serde_json::from_str(text).context("no report of this bench")?;
        anyhow::ensure!(report.format == FORMAT, "format {} is not {FORMAT}: take the baseline anew", report.format);
        Ok(report)
    }

    /// Everything that failed.
    pub fn failed(&self) -> u64 {
        self.operations.iter().map(OperationReport::failed).sum()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A report of one operation whose rounds have these medians and 99th percentiles, in microseconds.
    pub(crate) fn report(p50: [f64; 3], p99: [f64; 3], cpu: Option<[f64; 3]>) -> Report {
        let mut histogram = crate::load::histogram();
        p50.iter().chain(&p99).for_each(|us| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a test's small figures")]
            histogram.saturating_record((us * 1_000.0) as u64);
        });
        let spread = |values: [f64; 3]| Spread::of(values).expect("three");
        let mut report = Report::new("userinfo-session", BTreeMap::from([("rate".to_owned(), "1000".to_owned())]));
        report.gateway_cpu_us = cpu.map(spread);
        report.operations.push(OperationReport {
            name: "userinfo-session".to_owned(),
            count: 6_000,
            least_in_a_round: 2_000,
            per_second: spread([1.0, 1.0, 1.0]),
            latency: Latency::of(&histogram).expect("six"),
            p50_us: spread(p50),
            p99_us: spread(p99),
            statuses: BTreeMap::from([(200, 6)]),
            failures: BTreeMap::new(),
            histogram: encode(&histogram),
        });
        report
    }

    #[test]
    fn a_spread_has_its_median_between() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Some(Spread { min: 1.0, median: 2.0, max: 3.0 }));
        assert_eq!(Spread::of([4.0, 1.0]).map(|spread| spread.median), Some(2.5));
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn a_report_comes_back_with_its_whole_distribution() {
        let report = report([100.0, 110.0, 120.0], [900.0, 950.0, 2_000.0], None);
        let text = serde_json::to_string(&report).expect("is JSON");
        let back = Report::from_json(&text).expect("is a report");
        let distribution = back.operations[0].distribution().expect("is one");
        assert_eq!(distribution.len(), 6);
        assert_eq!(Latency::of(&distribution), Some(back.operations[0].latency));
    }

    #[test]
    fn another_format_is_refused() {
        let text = serde_json::to_string(&Report { format: 2, ..report([1.0; 3], [1.0; 3], None) }).expect("is JSON");
        assert_eq!(
            Report::from_json(&text).expect_err("is refused").to_string(),
            "format 2 is not 1: take the baseline anew"
        );
    }
}
