//! The rules, as data, and what of a tree breaks them.

use std::fs;
use std::path::Path;

use crate::source::Source;

/// Which floors each floor may import. The composition (`app`, `cli`, `settings`, `main`, `lib`) may
/// import all of them.
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
    ("cache", &["base", "oauth", "jwt", "telemetry", "tenant", "auth0"]),
    ("flow", &["base", "oauth", "jwt", "telemetry", "tenant", "auth0", "session", "sync", "cache"]),
    ("edge", &["base", "oauth", "telemetry", "tenant", "flow"]),
    ("emulator", &["base", "oauth", "jwt", "server"]),
    ("cli", &["app", "base", "edge", "emulator", "flow", "server", "settings", "telemetry", "tenant"]),
];

/// Where a crate may be named: it is an implementation of that floor, and of no other.
const CRATES: &[(&str, &[&str])] = &[
    ("hyper", &["server/", "edge/", "emulator/", "auth0/transport", "app.rs"]),
    ("hyper_util", &["server/", "edge/", "emulator/", "auth0/transport"]),
    ("hyper_rustls", &["auth0/transport"]),
    ("reqwest", &["auth0/transport"]),
    ("notify", &["watch/", "server/", "app.rs"]),
    ("redis", &["session/"]),
    ("redb", &["session/"]),
    ("prometheus", &["telemetry/metrics"]),
    ("clap", &["cli/", "settings.rs", "main.rs"]),
];

/// What may not stay behind, outside of tests.
const MARKS: &[&str] =
    &["todo!(", "unimplemented!(", "dbg!(", ".unwrap()", "#[allow(", "#![allow(", "println!(", "eprintln!(", "panic!("];

/// What may not stay behind anywhere.
const MARKS_ANYWHERE: &[&str] = &["#[ignore", "thread::sleep"];

/// Words of work left over, in comments too. Put together here, so that this file is not its own finding.
fn left_overs() -> [String; 4] {
    ["TO-DO", "FIX-ME", "XX-X", "HA-CK"].map(|word| word.replace('-', ""))
}

/// A file is read in one sitting.
const LONGEST: usize = 400;

/// Everything that breaks a rule, as `path:line: what`.
pub(crate) fn findings(root: &Path) -> Vec<String> {
    let mut findings = Vec::new();
    let sources = read(root, "src");
    assert!(!sources.is_empty(), "no source was read: that is no check");
    for source in &sources {
        findings.extend(imports(source));
        findings.extend(crates(source));
        findings.extend(form(source));
        findings.extend(marks(source, MARKS, source.lines_before_tests()));
    }
    for source in sources.iter().chain(&read(root, "tests")).chain(&read(root, "bench")) {
        if !source.path.starts_with("tests/tidy/") {
            findings.extend(marks(source, MARKS_ANYWHERE, usize::MAX));
            findings.extend(words(source));
            findings.extend(sleeps(source));
        }
    }
    findings.extend(decisions(root));
    findings.sort();
    findings
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

fn imports(source: &Source) -> Vec<String> {
    let own = floor(&source.path);
    let Some((_, allowed)) = FLOORS.iter().find(|(name, _)| *name == own) else { return Vec::new() };
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
        let named = format!("{name}::");
        for (number, line) in source.code.lines().enumerate().take(source.lines_before_tests()) {
            let is_named = line
                .match_indices(&named)
                .any(|(at, _)| !line[..at].ends_with(|it: char| it.is_alphanumeric() || it == '_' || it == ':'));
            if is_named {
                findings.push(format!(
                    "{}:{}: `{name}` is named in {} alone",
                    source.path,
                    number + 1,
                    places.join(", ")
                ));
            }
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
    let lines = source.lines_before_tests();
    if lines > LONGEST && !source.path.ends_with("/tests.rs") {
        findings.push(format!("{}:{lines}: {lines} lines before its tests; {LONGEST} at the most", source.path));
    }
    for (number, line) in source.text.lines().enumerate() {
        if line.contains('\t') || line.ends_with(' ') {
            findings.push(format!("{}:{}: a tab, or a blank at the end", source.path, number + 1));
        }
    }
    findings
}

fn marks(source: &Source, marks: &[&str], before: usize) -> Vec<String> {
    let is_test = source.path.ends_with("tests.rs") || source.path.contains("/tests/");
    let before = if is_test && before != usize::MAX { 0 } else { before };
    let lines = source.code.lines().enumerate().take(before);
    let found = lines
        .flat_map(|(number, line)| marks.iter().filter(|mark| line.contains(**mark)).map(move |mark| (number, mark)));
    found.map(|(number, mark)| format!("{}:{}: `{mark}` stays behind", source.path, number + 1)).collect()
}

fn words(source: &Source) -> Vec<String> {
    let words = left_overs();
    let lines = source.text.lines().enumerate();
    lines
        .filter(|(_, line)| words.iter().any(|word| line.contains(word.as_str())))
        .map(|(number, _)| format!("{}:{}: work is left over", source.path, number + 1))
        .collect()
}

/// Tests wait for a condition, in one place.
fn sleeps(source: &Source) -> Vec<String> {
    if !source.path.starts_with("tests/") || source.path == "tests/it/support/mod.rs" {
        return Vec::new();
    }
    let lines = source.code.lines().enumerate().filter(|(_, line)| line.contains("sleep("));
    lines
        .map(|(number, _)| format!("{}:{}: a test that sleeps; wait for a condition", source.path, number + 1))
        .collect()
}

/// A decision says what was at stake, what was chosen and what it costs.
fn decisions(root: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(root.join("docs/decisions")) else { return Vec::new() };
    let mut findings = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        for heading in ["## Context", "## Choice", "## Cost"] {
            if !text.contains(heading) {
                findings
                    .push(format!("docs/decisions/{}:1: no `{heading}`", path.file_name().unwrap().to_string_lossy()));
            }
        }
    }
    findings
}
