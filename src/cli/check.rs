//! `check`: the reader of `serve`, with every problem of every file at once.

use std::io::{IsTerminal, stdout};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use clap::{Args, ValueEnum};
use ipnet::IpNet;
use jiff::Timestamp;
use serde::Serialize;

use super::{Exit, complain, say};
use crate::settings::environment;
use crate::tenant::apply::{self, Listing, RemovalGuard, State};
use crate::tenant::load::{self, DEFAULTS};
use crate::tenant::problem::{Problem, Severity};
use crate::tenant::read::{Reader, ReaderOptions, Unset};
use crate::tenant::secrets::SecretSource;

/// Check tenant files.
#[derive(Debug, Args)]
pub struct Check {
    /// Files or directories.
    #[arg(default_value = "tenants.d")]
    paths: Vec<PathBuf>,
    /// The file that lies under every tenant file.
    #[arg(long, value_name = "FILE")]
    defaults: Option<PathBuf>,
    /// Demand that every secret can be had, as `serve` does.
    #[arg(long)]
    secrets: bool,
    /// Where `{ file: NAME }` is looked up.
    #[arg(long, env = "AUTH0_GATEWAY_SECRETS_DIR", value_name = "DIR")]
    secrets_dir: Option<PathBuf>,
    /// Prefixes that `{ env: NAME }` may begin with, beside the tenant's own name.
    #[arg(
        long = "secrets-env-prefix",
        env = "AUTH0_GATEWAY_SECRETS_ENV_PREFIX",
        value_name = "PREFIX",
        value_delimiter = ','
    )]
    secrets_env_prefixes: Vec<String>,
    /// Networks in which an Auth0 tenant may be.
    #[arg(long = "allow-upstream", env = "AUTH0_GATEWAY_ALLOW_UPSTREAM", value_name = "CIDR", value_delimiter = ',')]
    allow_upstream: Vec<IpNet>,
    /// Print this tenant's file merged with the defaults, with the origin of each value.
    #[arg(long, value_name = "NAME")]
    effective: Option<String>,
    /// For people, or for programs.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// How findings are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A line for editors, with a picture of the place at a terminal.
    Text,
    /// One object.
    Json,
}

#[derive(Serialize)]
struct Report<'a> {
    files: usize,
    errors: usize,
    problems: &'a [Problem],
}

/// Checks.
pub fn run(check: &Check) -> Exit {
    let files = match files(&check.paths) {
        Ok(files) => files,
        Err(error) => return complain(&error, Exit::Configuration),
    };
    let (reader, mut problems) = reader(check, &files);
    if let Some(name) = &check.effective {
        return effective(&reader, &files, name);
    }
    let mut readings = Vec::new();
    for path in &files {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        match std::fs::read(path) {
            Ok(bytes) => readings.push(reader.read(&path.display().to_string(), &bytes, &stem)),
            Err(error) => return complain(&format!("{}: {error}", path.display()), Exit::Configuration),
        }
    }
    let guard = RemovalGuard { at_most: 100, at_least: 0, accepted: true };
    let (state, _) = apply::apply(&State::default(), Listing::Files(readings), guard, Timestamp::UNIX_EPOCH);
    problems.extend(state.files.values().flat_map(|known| known.problems().cloned()));
    report(check, files.len(), &problems)
}

/// Every tenant file that the paths name or hold.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.extend(load::list(path).map_err(|error| format!("{}: {error}", path.display()))?);
        } else {
            files.push(path.clone());
        }
    }
    if files.is_empty() { Err("no tenant file is there to check".to_owned()) } else { Ok(files) }
}

fn reader(check: &Check, files: &[PathBuf]) -> (Reader, Vec<Problem>) {
    let secrets = SecretSource {
        directory: check.secrets_dir.clone(),
        prefixes: check.secrets_env_prefixes.clone(),
        environment: Arc::new(environment),
    };
    let unset = if check.secrets { Unset::Error } else { Unset::Note };
    let reader =
        Reader::new(ReaderOptions { secrets, unset, allow_upstream: check.allow_upstream.clone(), emulator: None });
    let beside =
        files.first().and_then(|file| file.parent()).map(|folder| folder.join(DEFAULTS)).filter(|path| path.exists());
    let Some(path) = check.defaults.clone().or(beside) else { return (reader, Vec::new()) };
    let name = path.display().to_string();
    let read = std::fs::read(&path)
        .map_err(|error| vec![Problem::of_file(&name, &format!("the file cannot be read: {error}"))]);
    match read.and_then(|bytes| reader.with_defaults(&name, &bytes)) {
        Ok(reader) => (reader, Vec::new()),
        Err(problems) => (reader, problems),
    }
}

fn effective(reader: &Reader, files: &[PathBuf], name: &str) -> Exit {
    let found = files.iter().find(|path| path.file_stem().is_some_and(|stem| stem == name));
    let Some(path) = found else { return complain(&format!("no file of a tenant `{name}`"), Exit::Configuration) };
    match std::fs::read(path) {
        Ok(bytes) => match reader.effective(&path.display().to_string(), &bytes) {
            Ok(text) => say(&text, Exit::Good),
            Err(problems) => say(&lines(&problems), Exit::Findings),
        },
        Err(error) => complain(&format!("{}: {error}", path.display()), Exit::Configuration),
    }
}

fn report(check: &Check, files: usize, problems: &[Problem]) -> Exit {
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    let exit = if errors == 0 { Exit::Good } else { Exit::Findings };
    if check.format == Format::Json {
        let report = Report { files, errors, problems };
        let text = serde_json::to_string_pretty(&report).unwrap_or_default();
        return say(&(text + "\n"), exit);
    }
    let is_terminal = stdout().is_terminal();
    let is_coloured = is_terminal && environment("NO_COLOR").is_none_or(|value| value.is_empty());
    let mut text = String::new();
    for problem in problems {
        text += &lines(std::slice::from_ref(problem));
        if is_terminal && let Some(picture) = picture(problem, is_coloured) {
            text.push_str(&picture);
        }
    }
    let verdict = if errors == 0 { "good".to_owned() } else { format!("{errors} errors") };
    say(&format!("{text}{files} files: {verdict}\n"), exit)
}

/// One line a problem.
fn lines(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).map(|line| line + "\n").collect()
}

/// The place in the file. Only the key is shown of its line: what stands behind it may be a secret.
fn picture(problem: &Problem, is_coloured: bool) -> Option<String> {
    let place = problem.place?;
    let text = std::fs::read_to_string(Path::new(&*problem.file)).ok()?;
    let shown = key_of(text.lines().nth(place.line as usize - 1)?)?;
    let column = (place.column as usize - 1).min(shown.chars().count());
    let start = shown.char_indices().nth(column).map_or(shown.len(), |(at, _)| at);
    let snippet = Snippet::source(shown)
        .line_start(place.line as usize)
        .annotation(AnnotationKind::Primary.span(start..shown.len()).label(&*problem.message));
    let group = Level::ERROR.primary_title(&*problem.path).element(snippet);
    let renderer = if is_coloured { Renderer::styled() } else { Renderer::plain() };
    Some(renderer.render(&[group]) + "\n")
}

/// `client_secret:` of `client_secret: hunter2`, `-` of `- hunter2`, and nothing of `hunter2`.
fn key_of(line: &str) -> Option<&str> {
    let is_item = line.trim_start().starts_with('-');
    let end = if is_item { line.find('-') } else { line.find(':') };
    line.get(..=end?)
}

#[cfg(test)]
mod tests {
    use super::key_of;

    #[test]
    fn a_picture_shows_keys_and_never_a_value() {
        for (line, shown) in [
            ("  client_secret: hunter2", Some("  client_secret:")),
            ("  - hunter2", Some("  -")),
            ("hunter2", None),
            ("a: { b: hunter2 }", Some("a:")),
        ] {
            assert_eq!(key_of(line), shown, "{line}");
        }
    }
}
