//! Two runs side by side, and whether the later one is slower.
//!
//! A difference counts where the ratio of the medians passes the tolerance **and** the rounds of one run lie wholly on
//! one side of the other's: one noisy round is no verdict. The gateway's time on a core comes first, since it moves
//! least with what else the machine does. A percentile of a handful of answers is none, and where this side itself was
//! late, latencies say nothing of the gateway.

use comfy_table::Table;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;

use super::table::spread;
use super::{Report, Spread};

/// What a comparison says of one figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Worse than the baseline, in all rounds.
    Slower,
    /// Better, in all rounds.
    Faster,
    /// Within the tolerance.
    Same,
    /// Beyond it, and yet no verdict: why.
    Unclear(&'static str),
}

const OVERLAP: &str = "unclear: the rounds overlap";
const FEW: &str = "unclear: too few answers a round";
const LATE: &str = "unclear: this side was late";

/// Answers a round from which a median, and a 99th percentile, means something.
const ENOUGH: [u64; 2] = [50, 500];
/// How late this side may be, in microseconds (p99).
const PUNCTUAL: f64 = 1_000.0;

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Slower => "SLOWER",
            Self::Faster => "faster",
            Self::Same => "same",
            Self::Unclear(why) => why,
        }
    }
}

/// A figure in both runs.
#[derive(Debug, Clone)]
pub struct Row {
    /// What it is.
    pub name: String,
    /// Then.
    pub baseline: Spread,
    /// Now.
    pub now: Spread,
    /// The ratio of the medians.
    pub ratio: f64,
    /// What that means.
    pub verdict: Verdict,
}

/// All figures that both runs have.
///
/// # Errors
/// Where the runs did not do the same: what differs.
pub fn compare(baseline: &Report, now: &Report, tolerance: f64) -> Result<Vec<Row>, String> {
    if baseline.scenario != now.scenario {
        return Err(format!("the baseline is of `{}`, this run of `{}`", baseline.scenario, now.scenario));
    }
    let differing: Vec<_> = now
        .options
        .iter()
        .filter(|(name, value)| baseline.options.get(*name) != Some(value))
        .map(|(name, value)| {
            let then = baseline.options.get(name).map_or("nothing", String::as_str);
            format!("{name} was {then} and is {value}")
        })
        .collect();
    if !differing.is_empty() {
        return Err(format!("the runs were not asked for the same: {}", differing.join("; ")));
    }
    let is_closed = now.options.get("pace").is_some_and(|pace| pace == "closed");
    let mut rows = Vec::new();
    if let (Some(then), Some(is)) = (baseline.gateway_cpu_us, now.gateway_cpu_us) {
        rows.push(row("gateway, µs on a core for an answer".to_owned(), (then, is), tolerance, false));
    }
    let was_late = [baseline, now].iter().any(|report| report.lag.is_some_and(|lag| lag.p99 > PUNCTUAL));
    let pairs: Vec<_> = now
        .operations
        .iter()
        .filter_map(|is| Some((baseline.operations.iter().find(|then| then.name == is.name)?, is)))
        .collect();
    for (then, is) in &pairs {
        let least = then.least_in_a_round.min(is.least_in_a_round);
        let latencies = [("p50", (then.p50_us, is.p50_us)), ("p99", (then.p99_us, is.p99_us))];
        for ((name, spreads), enough) in latencies.into_iter().zip(ENOUGH) {
            let row = row(format!("{}, {name} µs", is.name), spreads, tolerance, false);
            rows.push(if least < enough {
                row.unclear(FEW)
            } else if was_late {
                row.unclear(LATE)
            } else {
                row
            });
        }
    }
    for (then, is) in pairs.iter().filter(|_| is_closed) {
        // In an open loop the rate is what was asked for.
        rows.push(row(format!("{}, answers a second", is.name), (then.per_second, is.per_second), tolerance, true));
    }
    Ok(rows)
}

fn row(name: String, (baseline, now): (Spread, Spread), tolerance: f64, higher_is_better: bool) -> Row {
    let ratio = if baseline.median > 0.0 { now.median / baseline.median } else { f64::NAN };
    let (is_above, is_below) = (now.min > baseline.max, now.max < baseline.min);
    let verdict = match (ratio > 1.0 + tolerance, ratio < 1.0 / (1.0 + tolerance)) {
        (true, _) if is_above => {
            if higher_is_better {
                Verdict::Faster
            } else {
                Verdict::Slower
            }
        }
        (_, true) if is_below => {
            if higher_is_better {
                Verdict::Slower
            } else {
                Verdict::Faster
            }
        }
        (false, false) => Verdict::Same,
        _ => Verdict::Unclear(OVERLAP),
    };
    Row { name, baseline, now, ratio, verdict }
}

impl Row {
    fn unclear(self, why: &'static str) -> Self {
        Self { verdict: Verdict::Unclear(why), ..self }
    }
}

/// The rows as a table, and one sentence.
pub fn text(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY);
    table.set_header(["min / median / max of the rounds", "baseline", "now", "ratio", "verdict"]);
    for row in rows {
        let cells = [spread(row.baseline), spread(row.now), format!("{:.3}", row.ratio), row.verdict.word().to_owned()];
        table.add_row(std::iter::once(row.name.clone()).chain(cells));
    }
    let slower = rows.iter().filter(|row| row.verdict == Verdict::Slower).count();
    let sentence = if slower == 0 {
        "nothing is slower".to_owned()
    } else {
        format!("{slower} of {} figures are slower", rows.len())
    };
    format!("{table}\n{sentence}\n")
}

#[cfg(test)]
mod tests {
    use super::super::Latency;
    use super::super::tests::report;
    use super::*;

    fn verdicts(then: &Report, now: &Report) -> Vec<Verdict> {
        compare(then, now, 0.1).expect("comparable").into_iter().map(|row| row.verdict).collect()
    }

    #[test]
    fn slower_is_what_is_slower_in_every_round() {
        let then = report([100.0, 101.0, 102.0], [900.0, 910.0, 990.0], Some([9.0, 9.1, 9.2]));
        let now = report([120.0, 121.0, 122.0], [700.0, 710.0, 720.0], Some([9.2, 9.3, 9.4]));
        assert_eq!(verdicts(&then, &now), [Verdict::Same, Verdict::Slower, Verdict::Faster]);
    }

    #[test]
    fn rounds_that_overlap_give_no_verdict() {
        let then = report([100.0, 101.0, 140.0], [900.0; 3], None);
        let now = report([120.0, 130.0, 150.0], [900.0; 3], None);
        assert_eq!(verdicts(&then, &now), [Verdict::Unclear(OVERLAP), Verdict::Same]);
    }

    #[test]
    fn a_handful_of_answers_gives_no_percentile() {
        let then = report([100.0; 3], [900.0; 3], Some([9.0; 3]));
        let mut now = report([200.0; 3], [1_900.0; 3], Some([18.0; 3]));
        now.operations[0].least_in_a_round = 60;
        assert_eq!(verdicts(&then, &now), [Verdict::Slower, Verdict::Slower, Verdict::Unclear(FEW)]);
    }

    #[test]
    fn where_this_side_was_late_only_the_time_on_a_core_counts() {
        let then = report([100.0; 3], [900.0; 3], Some([9.0; 3]));
        let mut now = report([200.0; 3], [1_900.0; 3], Some([18.0; 3]));
        now.lag = Some(Latency { p50: 10.0, p90: 900.0, p99: 1_500.0, p999: 2_000.0, max: 2_000.0 });
        assert_eq!(verdicts(&then, &now), [Verdict::Slower, Verdict::Unclear(LATE), Verdict::Unclear(LATE)]);
    }

    #[test]
    fn a_higher_rate_is_better_where_the_loop_is_closed() {
        let closed = |rate: f64| {
            let mut report = report([100.0; 3], [900.0; 3], None);
            report.options.insert("pace".to_owned(), "closed".to_owned());
            report.operations[0].per_second = Spread { min: rate, median: rate, max: rate };
            report
        };
        assert_eq!(verdicts(&closed(1_000.0), &closed(800.0))[2], Verdict::Slower);
        assert_eq!(verdicts(&closed(800.0), &closed(1_000.0))[2], Verdict::Faster);
    }

    #[test]
    fn runs_that_did_not_do_the_same_are_not_compared() {
        let then = report([100.0; 3], [900.0; 3], None);
        let mut now = then.clone();
        now.options.insert("rate".to_owned(), "2000".to_owned());
        let said = compare(&then, &now, 0.1).expect_err("is refused");
        assert_eq!(said, "the runs were not asked for the same: rate was 1000 and is 2000");
        now.scenario = "authorize".to_owned();
        assert!(compare(&then, &now, 0.1).expect_err("is refused").contains("`authorize`"));
    }
}
