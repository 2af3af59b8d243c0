//! The rules, as data, and what of a tree breaks them.

use std::fs;
use std::path::Path;

use crate::documents;
use crate::source::Source;

/// Which floors each floor may import.
const FLOORS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("oauth", &["base"]),
    ("jwt", &["base"]),
    ("telemetry", &["base"]),
    ("watch", &["base", "telemetry"]),
    ("server", &["base", "telemetry", "watch"]),
    ("tenant", &["base", "oauth", "jwt", "telemetry", "watch"]),
    ("auth0", &["base", "oauth", "jwt", "telemetry", "tenant"]),
    ("session", &["base", "telemetry", "watch"]),
    ("sync", &["base", "telemetry"]),
    ("cache", &["base", "oauth", "jwt", "telemetry", "tenant", "auth0"]),
    ("flow", &["base", "oauth", "jwt", "telemetry", "tenant", "auth0", "session", "sync", "cache"]),
    ("edge", &["base", "oauth", "telemetry", "tenant", "flow"]),
    ("emulator", &["base", "oauth", "jwt", "server"]),
    ("cli", &["app", "base", "edge", "emulator", "flow", "server", "settings", "telemetry", "tenant"]),
];

/// The composition, which wires all floors together. What is neither here nor above has no place in the house yet.
const COMPOSITION: &[&str] = &["app", "settings", "main", "lib"];

/// Where a crate may be named: it is an implementation of that floor, and of no other.
const CRATES: &[(&str, &[&str])] = &[
    ("hyper", &["server/", "edge/", "emulator/", "auth0/transport", "app.rs"]),
    ("hyper_util", &["server/", "edge/", "emulator/", "auth0/transport"]),
    ("hyper_rustls", &["auth0/transport"]),
    ("reqwest", &["auth0/transport"]),
    ("notify", &["watch/"]),
    ("redis", &["session/"]),
    ("redb", &["session/"]),
    ("prometheus", &["telemetry/metrics"]),
    ("clap", &["cli/", "settings.rs", "main.rs"]),
];

/// What may not stay behind, outside of tests.
const MARKS: &[&str] = &[
    "todo!(",
    "unimplemented!(",
    "dbg!(",
    ".unwrap()",
    "#[allow(",
    "#![allow(",
    "print!(",
    "println!(",
    "eprintln!(",
    "panic!(",
    "use crate as ",
    "extern crate self",
];

/// What may not stay behind anywhere.
const MARKS_ANYWHERE: &[&str] = &["#[ignore", ", ignore)", ", ignore =", "thread::sleep"];

/// Words of work left over, in comments too. Put together here, so that this file is not its own finding.
fn left_overs() -> [String; 4] {
    ["TO-DO", "FIX-ME", "XX-X", "HA-CK"].map(|word| word.replace('-', ""))
}

/// A file is read in one sitting.
const LONGEST: usize = 400;

/// The one place where tests wait: it asks again until a condition holds or a deadline passes.
const WAITS: &str = "tests/it/support/mod.rs";

/// Everything that breaks a rule, as `path:line: what`.
pub(crate) fn findings(root: &Path) -> Vec<String> {
    let mut findings = Vec::new();
    let sources = read_floor_by_floor(root);
    assert!(!sources.is_empty(), "no source was read: that is no check");
    for source in &sources {
        findings.extend(imports(source));
        findings.extend(crates(source));
        findings.extend(form(source));
        findings.extend(marks(source, MARKS, |line| !source.is_test(line)));
    }
    for source in sources.iter().chain(&read(root, "tests")).chain(&read(root, "bench")) {
        if !source.path.starts_with("tests/tidy/") {
            findings.extend(marks(source, MARKS_ANYWHERE, |_| true));
            findings.extend(words(source));
            findings.extend(sleeps(source));
        }
    }
    findings.extend(documents::findings(root));
    findings.sort();
    findings
}

/// What is below `src`, with the files known that are tests as a whole.
fn read_floor_by_floor(root: &Path) -> Vec<Source> {
    let mut sources = read(root, "src");
    let children: Vec<String> = sources.iter().flat_map(Source::test_children).collect();
    for source in &mut sources {
        let is_child = |child: &String| {
            source.path.strip_prefix(child.as_str()).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        };
        if children.iter().any(is_child) {
            source.make_a_test();
        }
    }
    sources
}

fn read(root: &Path, folder: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    let Ok(entries) = fs::read_dir(root.join(folder)) else { return sources };
    for entry in entries {
        let path = entry.unwrap().path();
        let below = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
        if path.is_dir() {
            sources.extend(read(root, &below));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            sources.push(Source::new(below, fs::read_to_string(&path).unwrap()));
        }
    }
    sources
}

fn floor(path: &str) -> &str {
    path.strip_prefix("src/").unwrap_or(path).split(['/', '.']).next().unwrap_or_default()
}

/// Tests inside a file count too: a unit that needs an upper floor to be tested belongs there, or into `tests/it`.
fn imports(source: &Source) -> Vec<String> {
    let own = floor(&source.path);
    let allowed = FLOORS.iter().find(|(name, _)| *name == own).map(|(_, allowed)| *allowed);
    let Some(allowed) = allowed else {
        let is_known = COMPOSITION.contains(&own);
        return (!is_known)
            .then(|| format!("{}:1: `{own}` is no floor of the table", source.path))
            .into_iter()
            .collect();
    };
    let mut findings = Vec::new();
    for (line, path) in source.crate_paths() {
        let target = path.split("::").next().unwrap_or_default();
        if path.starts_with("tenant::file") && own != "tenant" {
            findings.push(format!("{}:{line}: `tenant::file` is nameable inside `tenant` alone", source.path));
        }
        if target != own && !allowed.contains(&target) {
            findings.push(format!("{}:{line}: `{own}` may not import `{target}`", source.path));
        }
    }
    findings
}

fn crates(source: &Source) -> Vec<String> {
    let below = source.path.strip_prefix("src/").unwrap_or(&source.path);
    let mut findings = Vec::new();
    for (name, places) in CRATES.iter().filter(|(_, places)| !places.iter().any(|place| below.starts_with(place))) {
        for line in source.lines_naming_crate(name).into_iter().filter(|line| !source.is_test(*line)) {
            findings.push(format!("{}:{line}: `{name}` is named in {} alone", source.path, places.join(", ")));
        }
    }
    findings
}

fn form(source: &Source) -> Vec<String> {
    let mut findings = Vec::new();
    let first = source.text.lines().next().unwrap_or_default();
    if !first.starts_with("//!") && !first.starts_with("#![doc") {
        findings.push(format!("{}:1: a file begins by saying what it owns (`//!`)", source.path));
    }
    let mut own = source.lines().filter(|(line, _)| !source.is_test(*line));
    if let Some((line, _)) = own.nth(LONGEST) {
        let lines = LONGEST + 1 + own.count();
        findings.push(format!("{}:{line}: {lines} lines without its tests; {LONGEST} at the most", source.path));
    }
    for (number, line) in source.text.lines().enumerate() {
        if line.contains('\t') || line.ends_with(' ') {
            findings.push(format!("{}:{}: a tab, or a blank at the end", source.path, number + 1));
        }
    }
    findings
}

fn marks(source: &Source, marks: &[&str], counts: impl Fn(usize) -> bool) -> Vec<String> {
    let lines = source.lines().filter(|(number, _)| counts(*number));
    let found = lines.flat_map(|(number, line)| {
        marks.iter().filter(move |mark| stands_in(line, mark)).map(move |mark| (number, mark))
    });
    found.map(|(number, mark)| format!("{}:{number}: `{mark}` stays behind", source.path)).collect()
}

/// Whether the mark stands in the line, and not as the end of a longer word.
fn stands_in(line: &str, mark: &str) -> bool {
    let mut places = line.match_indices(mark).map(|(at, _)| &line[..at]);
    places.any(|before| !mark.starts_with(char::is_alphabetic) || !before.ends_with(char::is_alphanumeric))
}

fn words(source: &Source) -> Vec<String> {
    let words = left_overs();
    let lines = source.text.lines().enumerate();
    lines
        .filter(|(_, line)| words.iter().any(|word| line.contains(word.as_str())))
        .map(|(number, _)| format!("{}:{}: work is left over", source.path, number + 1))
        .collect()
}

/// Tests wait for a condition, in one place. Only tokio's paused clock may be slept on: it jumps.
fn sleeps(source: &Source) -> Vec<String> {
    let is_integration = source.path.starts_with("tests/");
    let is_paused = source.text.contains("start_paused = true");
    let may_sleep = usize::from(source.path == WAITS);
    let lines = source
        .lines()
        .filter(|(number, line)| line.contains("sleep(") && (is_integration || source.is_test(*number) && !is_paused));
    lines
        .skip(may_sleep)
        .map(|(number, _)| format!("{}:{number}: a test that sleeps; wait for a condition", source.path))
        .collect()
}
