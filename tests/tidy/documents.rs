//! What the documents name must be there: files, commands, headings.

use std::fs;
use std::path::Path;

/// Headings that a document must have.
const HEADINGS: &[(&str, &str)] = &[("CHANGELOG.md", "## [Unreleased]"), ("README.md", "## Tests")];

/// Documents that tell where things are.
const MAPS: &[&str] = &["README.md", "docs/architecture.md", "docs/crate.md", "docs/tenants.md"];

/// What a decision says, in this order.
const DECISION: [&str; 3] = ["## Context", "## Choice", "## Cost"];

/// What of the documents is not true of the tree. A document that is not there says nothing false.
pub(crate) fn findings(root: &Path) -> Vec<String> {
    let mut findings = decisions(root);
    findings.extend(invariants(root));
    for (document, heading) in HEADINGS {
        if let Ok(text) = fs::read_to_string(root.join(document))
            && !text.lines().any(|line| line == *heading)
        {
            findings.push(format!("{document}:1: no `{heading}`"));
        }
    }
    let mut files = Vec::new();
    for folder in ["src", "bench", "tests", "scripts", ".ci", "docs", "schemas", "tenants.d", "deploy"] {
        list(root, folder, &mut files);
    }
    for document in MAPS {
        let Ok(text) = fs::read_to_string(root.join(document)) else { continue };
        for (number, line) in text.lines().enumerate() {
            let absent = named(document, line).into_iter().filter(|name| !is_there(root, &files, name));
            findings.extend(absent.map(|name| format!("{document}:{}: there is no `{name}`", number + 1)));
        }
    }
    findings
}

/// The paths that a line of a document names: in backticks, behind a link, as a command.
fn named(document: &str, line: &str) -> Vec<String> {
    let folder = document.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
    let quoted = line.split('`').skip(1).step_by(2).filter(|it| it.strip_suffix(".rs").is_some() || it.ends_with('/'));
    let quoted =
        quoted.filter(|it| it.contains(|letter: char| letter.is_alphanumeric()) && !it.contains([':', '*', ' ']));
    let linked = line.split("](").skip(1).filter_map(|it| it.split([')', '#']).next());
    let linked = linked.filter(|it| !it.is_empty() && !it.contains("://"));
    let commands =
        line.split_whitespace().map(|word| word.trim_start_matches('`').trim_end_matches(['`', '.', ',', ';']));
    let commands = commands.filter(|it| it.starts_with("scripts/") || it.starts_with(".ci/"));
    let bench = line.split_once("-p bench -- ").and_then(|(_, rest)| rest.split([' ', '`']).next());
    // `x` stands for what someone is about to add.
    quoted
        .filter(|it| !it.ends_with("/x.rs"))
        .flat_map(expanded)
        .chain(linked.map(|it| format!("/{folder}{it}")))
        .chain(commands.map(|it| format!("/{it}")))
        .chain(bench.map(|it| format!("{BENCH}{it}")))
        .collect()
}

/// `a/{b,c}.rs` names two files.
fn expanded(name: &str) -> Vec<String> {
    let braces =
        name.split_once('{').and_then(|(head, rest)| rest.split_once('}').map(|(inner, tail)| (head, inner, tail)));
    match braces {
        Some((head, inner, tail)) => inner.split(',').map(|each| format!("{head}{each}{tail}")).collect(),
        None => vec![name.to_owned()],
    }
}

/// How a command of the bench begins, and where its commands are variants.
const BENCH: &str = "bench ";
const BENCH_COMMANDS: [&str; 2] = ["bench/src/main.rs", "bench/src/command/options.rs"];

fn is_bench_command(root: &Path, name: &str) -> bool {
    let words = name.split('-').map(|word| word.split_at(usize::from(!word.is_empty())));
    let variant: String = words.map(|(first, rest)| first.to_uppercase() + rest).collect();
    let files = BENCH_COMMANDS.iter().filter_map(|file| fs::read_to_string(root.join(file)).ok());
    files.into_iter().any(|text| {
        let mut lines = text.lines().filter_map(|line| line.trim_start().strip_prefix(&variant));
        lines.any(|rest| rest.starts_with(" {") || rest.starts_with('('))
    })
}

/// A leading `/` is the root; anything else may be the end of a path.
fn is_there(root: &Path, files: &[String], name: &str) -> bool {
    if let Some(command) = name.strip_prefix(BENCH) {
        return is_bench_command(root, command);
    }
    match name.strip_prefix('/') {
        Some(exact) => root.join(exact).exists(),
        None if name.ends_with('/') => {
            files.iter().any(|file| file.starts_with(name) || file.contains(&format!("/{name}")))
        }
        None => files.iter().any(|file| file == name || file.ends_with(&format!("/{name}"))),
    }
}

fn list(root: &Path, folder: &str, files: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(root.join(folder)) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        let below = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
        if path.is_dir() {
            list(root, &below, files);
        } else {
            files.push(below);
        }
    }
}

/// An invariant that nothing keeps is a wish: each ends by naming its test, lint or visibility in brackets.
fn invariants(root: &Path) -> Vec<String> {
    let text = fs::read_to_string(root.join("docs/crate.md")).unwrap_or_default();
    let below = text.lines().enumerate().skip_while(|(_, line)| *line != "# Invariants").skip(1);
    let mut items: Vec<(usize, &str)> = Vec::new();
    for (number, line) in below {
        match items.last_mut() {
            _ if line.starts_with(|it: char| it.is_ascii_digit()) => items.push((number + 1, line)),
            // An item may go on over indented lines; its last one names the keeper.
            Some((_, last)) if line.starts_with("   ") => *last = line,
            _ => {}
        }
    }
    let kept_by_nobody = items.into_iter().filter(|(_, last)| !last.ends_with(')'));
    kept_by_nobody.map(|(number, _)| format!("docs/crate.md:{number}: nothing keeps this invariant")).collect()
}

/// A decision has a number of its own and says what was at stake, what was chosen and what it costs.
fn decisions(root: &Path) -> Vec<String> {
    let mut files = Vec::new();
    list(root, "docs/decisions", &mut files);
    files.sort();
    let mut findings = Vec::new();
    let mut last = "";
    for file in &files {
        let name = file.trim_start_matches("docs/decisions/");
        let number = name.split('-').next().unwrap_or_default();
        if number.len() != 4 || number.parse::<u16>().is_err() || number == last {
            findings.push(format!("{file}:1: a decision is named NNNN-title.md, with a number of its own"));
        }
        last = number;
        let text = fs::read_to_string(root.join(file)).unwrap();
        let mut rest = text.as_str();
        for heading in DECISION {
            match rest.split_once(heading) {
                Some((_, after)) => rest = after,
                None => findings.push(format!("{file}:1: no `{heading}` in its place")),
            }
        }
    }
    findings
}
