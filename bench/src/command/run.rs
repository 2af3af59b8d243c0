//! A run: the gateway found or started, credentials made, the load, the report.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::options::{Grant, LoadOptions, Options, OutputOptions, Scenario};
use super::target::Target;
use crate::load::{self, Endpoint, Pace, Plan, Progress, Recorder, Watcher, Work};
use crate::own::Usage;
use crate::report::{self, Figure, Latency, Report, Spread, compare, float, plot, table};
use crate::scenario::{Mix, Operation, TokenUse, Uses, Weights, reload::Changes, storm};

/// Runs a scenario to its report. `true`: nothing is slower than the baseline, if there was one.
///
/// # Errors
/// What kept it from being measured.
pub fn run(scenario: &Scenario, environment: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<bool> {
    let Options { target, load, output } = scenario.options();
    let target = Target::open(target, load, environment)?;
    let plan = plan(target.endpoint.clone(), load);
    let mut report = Report::new(scenario.name(), options(scenario, &target, &plan));
    match scenario {
        Scenario::Storm { refreshes, storms, .. } => {
            let storm = storm::Storm { callers: *refreshes, storms: *storms, zipf: scenario.options().target.zipf };
            run_storm(storm, &target, &plan, &mut report)?;
        }
        Scenario::Reload { every, .. } => run_load(scenario, (&target, &plan), Some(*every), &mut report)?,
        _ => run_load(scenario, (&target, &plan), None, &mut report)?,
    }
    notes(&mut report, load);
    publish(&report, output)
}

pub(super) fn plan(endpoint: Endpoint, load: &LoadOptions) -> Plan {
    let rounds = u32::try_from(load.rounds).unwrap_or(u32::MAX);
    Plan {
        endpoint,
        pace: if load.closed { Pace::Closed } else { Pace::Open { per_second: load.rate } },
        connections: load.connections.max(load.threads),
        streams: load.h2.unwrap_or(1),
        threads: load.threads,
        warm_up: load.warm_up,
        round: load.duration / rounds,
        rounds: load.rounds,
        timeout: load.timeout,
        seed: load.seed,
    }
}

fn weights(scenario: &Scenario) -> Weights {
    match scenario {
        Scenario::Token { grant: Grant::Password, .. } => Weights::only(Operation::Password),
        Scenario::Token { grant: Grant::Refresh, .. } => Weights::only(Operation::Refresh),
        Scenario::Token { grant: Grant::ClientCredentials, .. } => Weights::only(Operation::ClientCredentials),
        Scenario::UserinfoBearer { .. } => Weights::only(Operation::UserinfoBearer),
        Scenario::Authorize { .. } => Weights::only(Operation::Authorize),
        Scenario::Logout { .. } => Weights::only(Operation::Logout),
        Scenario::Mixed { mix, .. } | Scenario::Reload { mix, .. } => mix.clone(),
        Scenario::UserinfoSession { .. } | Scenario::Storm { .. } => Weights::only(Operation::UserinfoSession),
    }
}

/// Everything on which the figures depend, so that only like runs are compared.
fn options(scenario: &Scenario, target: &Target, plan: &Plan) -> BTreeMap<String, String> {
    let Options { target: asked, load, .. } = scenario.options();
    let mut options = BTreeMap::from([
        ("pace".to_owned(), pace(plan)),
        ("connections".to_owned(), plan.connections.to_string()),
        ("tenants".to_owned(), target.said.clone()),
        ("zipf".to_owned(), asked.zipf.to_string()),
        ("threads".to_owned(), plan.threads.to_string()),
        ("round".to_owned(), humantime::format_duration(plan.round).to_string()),
        ("pool".to_owned(), load.pool.to_string()),
        ("tokens".to_owned(), format!("{:?}", load.tokens).to_lowercase()),
        ("pinned".to_owned(), asked.pin.to_string()),
        ("protocol".to_owned(), protocol(plan)),
        ("gateway flags".to_owned(), asked.gateway_flags.join(" ")),
    ]);
    match scenario {
        Scenario::Storm { refreshes, .. } => options.insert("refreshes".to_owned(), refreshes.to_string()),
        Scenario::Reload { every, .. } => {
            options.insert("every".to_owned(), humantime::format_duration(*every).to_string())
        }
        _ => None,
    };
    options.insert("mix".to_owned(), weights(scenario).to_string());
    options
}

pub(super) fn pace(plan: &Plan) -> String {
    match plan.pace {
        Pace::Open { per_second } => format!("{per_second} a second"),
        Pace::Closed => "closed".to_owned(),
    }
}

fn protocol(plan: &Plan) -> String {
    let version = if plan.endpoint.http2 { format!("h2, {} streams", plan.streams) } else { "http/1.1".to_owned() };
    if plan.endpoint.tls.is_some() { format!("{version}, TLS") } else { version }
}

fn run_load(
    scenario: &Scenario,
    (target, plan): (&Target, &Plan),
    every: Option<Duration>,
    report: &mut Report,
) -> anyhow::Result<()> {
    let Options { target: asked, load, output } = scenario.options();
    let uses = Uses { zipf: asked.zipf, tokens: load.tokens, pool: load.pool };
    let mix: Arc<dyn Work> = Arc::new(Mix::prepare(plan, &target.callers, &weights(scenario), uses)?);
    let changes = every.map(|every| Changes::prepare(target.own.as_ref(), target.tenants.len(), every)).transpose()?;
    let mut watch = Watch {
        target,
        bar: bar(plan, output.quiet),
        rounds: Vec::new(),
        halt: asked.halt.map(|halt| (plan.rounds / 2, halt)),
        changes: changes.as_ref(),
    };
    let recorder = std::thread::scope(|scope| {
        let changing = changes.as_ref().map(|changes| scope.spawn(|| changes.run()));
        let recorder = load::run(plan, &mix, &mut watch);
        if let Some(changes) = &changes {
            changes.enter(None);
        }
        match changing.map(std::thread::ScopedJoinHandle::join) {
            Some(Ok(Err(error))) => Err(error),
            Some(Err(_)) => Err(anyhow::anyhow!("the thread that changes files panicked")),
            _ => Ok(recorder?),
        }
    })?;
    watch.bar.finish_and_clear();
    report.operations = report::operations(&recorder, plan.round.as_secs_f64());
    report.lag = Latency::of(&recorder.lag_over_all());
    report.gateway_cpu_us = cpu(&watch.rounds, &recorder);
    report.gateway_resident = target.usage().map(|usage| usage.resident);
    if let Some(changes) = &changes {
        report.figures.extend(changes.figures(&recorder));
        report.notes.push(changes.note());
    }
    Ok(())
}

fn run_storm(storm: storm::Storm, target: &Target, plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let upstream = |own: &crate::own::Own| storm::refreshes_upstream(own.emulator.public, &target.tenants);
    let mut seen = target.own.as_ref().map(upstream).transpose()?;
    let mut a_storm = Vec::new();
    let mut failure = None;
    let recorder = storm.run(plan, &target.callers, &mut |_| match target.own.as_ref().map(upstream).transpose() {
        Ok(now) => {
            a_storm.extend(now.zip(seen).map(|(now, before)| float(now.saturating_sub(before))));
            seen = now;
        }
        Err(error) => failure = Some(error),
    })?;
    if let Some(error) = failure {
        return Err(error.context("the emulated Auth0's counts"));
    }
    report.operations = report::operations(&recorder, 1.0);
    report.figures.extend(Spread::of(a_storm).map(|values| Figure {
        name: format!("refreshes that reached Auth0, of {}", storm.callers),
        unit: "a storm".to_owned(),
        values,
    }));
    Ok(())
}

/// Microseconds an answer, of each round in which there was one.
pub(super) fn cpu(rounds: &[Option<Usage>], recorder: &Recorder) -> Option<Spread> {
    let used = rounds.iter().zip(rounds.iter().skip(1)).zip(&recorder.rounds);
    Spread::of(used.filter_map(|((before, after), round)| {
        let answers = round.count();
        let used = (*after)?.cpu.checked_sub((*before)?.cpu)?;
        (answers > 0).then(|| used.as_secs_f64() * 1e6 / float(answers))
    }))
}

/// Shows progress, looks at the gateway at the end of each round, and disturbs it where that was asked for.
struct Watch<'a> {
    target: &'a Target,
    bar: ProgressBar,
    rounds: Vec<Option<Usage>>,
    /// In which round, and for how long.
    halt: Option<(usize, Duration)>,
    changes: Option<&'a Changes>,
}

impl Watcher for Watch<'_> {
    fn round(&mut self, round: Option<usize>, progress: &Progress) {
        self.rounds.push(self.target.usage());
        if let Some(changes) = self.changes {
            changes.enter(round);
        }
        self.tick(progress);
        if let Some((_, halt)) = self.halt.take_if(|(when, _)| round == Some(*when))
            && let Some(own) = &self.target.own
        {
            // A gateway that is gone shows in every answer that follows.
            let _ = own.gateway.halt(halt);
        }
    }

    fn tick(&mut self, progress: &Progress) {
        let (answered, failed) = progress.read();
        self.bar.set_position(u64::try_from(self.bar.elapsed().as_millis()).unwrap_or(u64::MAX));
        self.bar.set_message(format!("{answered} answers, {failed} failed"));
    }
}

fn bar(plan: &Plan, quiet: bool) -> ProgressBar {
    let length = u64::try_from(plan.duration().as_millis()).unwrap_or(u64::MAX);
    let bar = ProgressBar::new(length);
    if quiet {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    // The template is a constant; the default would do as well.
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {percent:>3} %  {msg}") {
        bar.set_style(style);
    }
    bar
}

pub(super) fn notes(report: &mut Report, load: &LoadOptions) {
    let mut notes = Vec::new();
    let mut note = |text: String| notes.push(text);
    if !report.machine.is_optimised {
        note("built without optimisations: these figures say nothing; use `cargo run --release`".to_owned());
    }
    if load.closed {
        note("a closed loop waits for answers: a stall holds it back, and its percentiles hide that".to_owned());
    }
    if load.tokens == TokenUse::Cold {
        note(format!("a run of cold tokens ends with the last of {}", load.pool));
    }
    if let Some(lag) = report.lag.filter(|lag| lag.p99 > 1_000.0) {
        note(format!(
            "this side itself was late by {} (p99): it has too little of the machine for this rate, and what it measured is too high by that",
            table::duration(lag.p99)
        ));
    }
    if report.failed() > 0 {
        note("some answers were wrong or never came: look there before at any latency".to_owned());
    }
    report.notes.extend(notes);
}

pub(super) fn publish(report: &Report, output: &OutputOptions) -> anyhow::Result<bool> {
    let mut out = std::io::stdout().lock();
    write!(out, "{}", table::text(report))?;
    if let Some(file) = &output.json {
        let text = serde_json::to_string_pretty(report)?;
        std::fs::write(file, text).with_context(|| file.display().to_string())?;
    }
    if let Some(file) = &output.svg {
        std::fs::write(file, plot::svg(report)?).with_context(|| file.display().to_string())?;
    }
    let Some(file) = &output.compare else { return Ok(true) };
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let baseline = Report::from_json(&text).with_context(|| file.display().to_string())?;
    let rows = compare::compare(&baseline, report, output.tolerance).map_err(anyhow::Error::msg)?;
    if baseline.machine != report.machine {
        writeln!(out, "note: the baseline was taken on another machine: the ratios say little")?;
    }
    write!(out, "\n{}", compare::text(&rows))?;
    Ok(rows.iter().all(|row| row.verdict != compare::Verdict::Slower))
}
