//! The table of now beside the baseline, and what it means.

use super::figures::{Baseline, Counts, Figures};
use super::machine::Machine;

/// How much more a bench may cost, in hundredths. The noise is far below (`bench/benches/README.md`).
const MORE: u64 = 2;

/// How much was run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Everything: what is missing is gone.
    All,
    /// What a filter left.
    Some,
}

/// What came of a comparison.
#[derive(Debug)]
pub(super) struct Verdict {
    /// For whoever ran it.
    pub(super) text: String,
    /// The exit code.
    pub(super) code: u8,
}

impl Verdict {
    pub(super) fn of(baseline: &Baseline, machine: &Machine, now: &Figures, scope: Scope) -> Self {
        let mut text = format!("{:<44} {:>12} {:>12} {:>7}\n", "instructions", "now", "baseline", "ratio");
        let (mut more, mut less, mut unknown) = (Vec::new(), Vec::new(), 0);
        for (name, counts) in now {
            let Some(before) = baseline.benches.get(name) else {
                unknown += 1;
                text += &format!("{name:<44} {:>12} {:>12} {:>7}  new\n", counts.instructions, "-", "-");
                continue;
            };
            let word = match judge(*counts, *before) {
                Change::More => {
                    more.push(name.as_str());
                    "  MORE"
                }
                Change::Less => {
                    less.push(name.as_str());
                    "  less"
                }
                Change::Same => "",
            };
            let (now, before) = (counts.instructions, before.instructions);
            text += &format!("{name:<44} {now:>12} {before:>12} {:>7}{word}\n", ratio(now, before));
        }
        let gone = baseline.benches.keys().filter(|name| !now.contains_key(*name));
        let gone: Vec<&str> = if scope == Scope::All { gone.map(String::as_str).collect() } else { Vec::new() };
        let differences = baseline.machine.differences(machine);
        let (last, code) = conclusion(&differences, &more, &gone);
        text += &last;
        if !less.is_empty() && differences.is_empty() {
            text += &format!("less than before, to be kept with --save: {}\n", less.join(", "));
        }
        if unknown > 0 {
            text += &format!("not in the baseline: {unknown}; --save writes it anew\n");
        }
        Self { text, code }
    }
}

fn conclusion(differences: &[String], more: &[&str], gone: &[&str]) -> (String, u8) {
    if !differences.is_empty() {
        let text = format!(
            "no verdict: the baseline was counted on another machine, and counts of two machines cannot be compared\n  \
             {}\nto compare two commits here: `bench instructions --save --baseline target/here.json` on the one, and \
             `bench instructions --baseline target/here.json` on the other\n",
            differences.join("\n  ")
        );
        return (text, 2);
    }
    match (more, gone) {
        ([], []) => (format!("none costs over {MORE} % more than before\n"), 0),
        // Whoever takes a bench out says so by a new baseline.
        ([], gone) => (format!("no verdict: in the baseline and not run: {}\n", gone.join(", ")), 2),
        (more, _) => (format!("over {MORE} % more than before: {}\n", more.join(", ")), 1),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Change {
    More,
    Less,
    Same,
}

fn judge(now: Counts, before: Counts) -> Change {
    let (now, before) = (u128::from(now.instructions) * 100, u128::from(before.instructions));
    if now > before * u128::from(100 + MORE) {
        Change::More
    } else if now < before * u128::from(100 - MORE) {
        Change::Less
    } else {
        Change::Same
    }
}

#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
fn ratio(now: u64, before: u64) -> String {
    format!("{:.3}", now as f64 / before as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(counts: &[(&str, u64)]) -> Figures {
        let counts = counts.iter().map(|(name, instructions)| {
            ((*name).to_owned(), Counts { instructions: *instructions, l1_hits: 1, estimated_cycles: 1 })
        });
        counts.collect()
    }

    fn verdict(rustc: &str, now: &[(&str, u64)], scope: Scope) -> Verdict {
        let baseline = Baseline { machine: Machine::sample("rustc 1"), benches: figures(&[("a", 1000), ("b", 1000)]) };
        Verdict::of(&baseline, &Machine::sample(rustc), &figures(now), scope)
    }

    #[test]
    fn two_hundredths_more_are_let_pass_and_the_next_instruction_is_not() {
        assert_eq!(verdict("rustc 1", &[("a", 1020), ("b", 1000)], Scope::All).code, 0);
        let red = verdict("rustc 1", &[("a", 1021), ("b", 1000)], Scope::All);
        assert_eq!(red.code, 1);
        assert!(red.text.contains("over 2 % more than before: a\n"), "{}", red.text);
    }

    #[test]
    fn another_machine_is_no_alarm_and_no_pass() {
        let verdict = verdict("rustc 2", &[("a", 5000), ("b", 1000)], Scope::All);
        assert_eq!(verdict.code, 2);
        assert!(verdict.text.contains("rustc: rustc 2, and rustc 1 in the baseline"), "{}", verdict.text);
    }

    #[test]
    fn what_is_gone_is_no_pass_where_everything_was_run() {
        let all = verdict("rustc 1", &[("a", 1000), ("c", 7)], Scope::All);
        assert_eq!(all.code, 2);
        assert!(all.text.contains("not run: b\nnot in the baseline: 1;"), "{}", all.text);
        assert_eq!(verdict("rustc 1", &[("a", 1000)], Scope::Some).code, 0);
    }

    #[test]
    fn the_runner_asked_for_is_of_the_benches_version() {
        let pinned = format!("gungraun = \"={}\"", super::super::machine::VERSION);
        assert!(include_str!("../../Cargo.toml").contains(&pinned));
    }
}
