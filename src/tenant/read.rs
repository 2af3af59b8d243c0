//! Reading one file: everything that its meaning depends on beside its text, and all that can go
//! wrong with it at once.

mod kept;

use std::sync::Arc;

use ipnet::IpNet;
use serde_yaml::{Mapping, Value};

use super::compile;
use super::file::TenantFile;
use super::locate::Index;
use super::problem::{Problem, Severity};
use super::reading::{Claims, Outcome, Reading};
use super::schema;
use super::secrets::SecretSource;
use super::text::{Finding, Source, Typed, merge, typed};
use crate::base::digest::Digest;
use crate::base::id::{ClientType, HostPattern, TenantName};

/// What the meaning of every file depends on.
#[derive(Debug, Clone)]
pub struct ReaderOptions {
    /// Where texts are taken from.
    pub secrets: SecretSource,
    /// What an unset secret is.
    pub unset: Unset,
    /// Where tenants may be beside public addresses.
    pub allow_upstream: Vec<IpNet>,
    /// `dev`: every tenant is at the emulator.
    pub emulator: Option<EmulatorOverride>,
}

/// What a secret that is not there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unset {
    /// An error: the file cannot be served (`serve`, `check --secrets`).
    Error,
    /// A note: whoever checks files need not have the secrets (`check`).
    Note,
}

/// Puts every tenant at `BASE/NAME` and fills unset texts.
#[derive(Debug, Clone)]
pub struct EmulatorOverride {
    /// `http://127.0.0.1:4400`.
    pub base: String,
    /// The secret of a tenant's client, by the tenant's name and the client's id.
    pub secret: fn(&str, &str) -> String,
}

/// Reads files over one defaults file.
#[derive(Debug, Clone)]
pub struct Reader {
    options: Arc<ReaderOptions>,
    defaults: Arc<Defaults>,
}

#[derive(Debug, Default)]
struct Defaults {
    value: Mapping,
    digest: Option<Digest>,
    source: Option<(String, String)>,
}

/// Keys that must stand in the tenant's own file: what names it, and what opens it.
const NEVER_BY_DEFAULT: [&str; 2] = ["name", "hosts"];

impl Reader {
    /// Over no defaults.
    pub fn new(options: ReaderOptions) -> Self {
        Self { options: Arc::new(options), defaults: Arc::default() }
    }

    /// The same over a defaults file. One that is broken changes nobody: the caller keeps the reader
    /// it has.
    pub fn with_defaults(&self, file: &str, bytes: &[u8]) -> Result<Self, Vec<Problem>> {
        let source = Source::of(file, bytes).map_err(|problem| vec![problem])?;
        let value = source.value()?;
        let Typed { mut problems, .. } = typed::<TenantFile>(&value, &schema::vocabulary);
        problems.extend(forbidden_by_default(&value));
        if problems.iter().any(|finding| finding.severity == Severity::Error) {
            return Err(locate(source, problems));
        }
        let defaults = Defaults {
            value,
            digest: Some(Digest::of(bytes)),
            source: Some((file.to_owned(), source.text.to_owned())),
        };
        Ok(Self { options: Arc::clone(&self.options), defaults: Arc::new(defaults) })
    }

    /// The same without defaults.
    #[must_use]
    pub fn without_defaults(&self) -> Self {
        Self { options: Arc::clone(&self.options), defaults: Arc::default() }
    }

    /// Over the text and the defaults: equal digests, and [`still_holds`](Self::still_holds), mean
    /// that there is nothing to read.
    pub fn digest(&self, bytes: &[u8]) -> Digest {
        let defaults = self.defaults.digest.map_or([0; 32], |digest| *digest.as_bytes());
        Digest::of_parts([bytes, &defaults])
    }

    /// Whether what a reading took from elsewhere is still the same.
    pub fn still_holds(&self, reading: &Reading) -> bool {
        self.options.secrets.still_holds(&reading.uses)
    }

    /// Reads a file. `file` is its name for problems, `stem` the name its tenant must have.
    pub fn read(&self, file: &str, bytes: &[u8], stem: &str) -> Reading {
        let digest = self.digest(bytes);
        let (outcome, uses) = self.outcome(file, bytes, stem, digest);
        Reading { file: file.into(), digest, uses, outcome }
    }

    fn outcome(
        &self,
        file: &str,
        bytes: &[u8],
        stem: &str,
        digest: Digest,
    ) -> (Outcome, Vec<super::reading::SecretUse>) {
        let source = match Source::of(file, bytes) {
            Ok(source) => source,
            Err(problem) => return (Outcome::Bad { problems: vec![problem], claims: None }, Vec::new()),
        };
        let value = match source.value() {
            Ok(value) => value,
            Err(problems) => return (Outcome::Bad { problems, claims: lenient(source, stem) }, Vec::new()),
        };
        let value = lay_over(&self.defaults.value, &value);
        let Typed { file: typed, mut problems } = typed::<TenantFile>(&value, &schema::vocabulary);
        let compiled = match typed {
            Some(typed) => compile::compile(typed, &self.options, stem, digest),
            None => compile::Compiled::default(),
        };
        let is_consequence = |finding: &Finding| problems.iter().any(|problem| is_above(&finding.path, problem));
        let further: Vec<Finding> = compiled.findings.into_iter().filter(|finding| !is_consequence(finding)).collect();
        problems.extend(further);
        let is_good = !problems.iter().any(|finding| finding.severity == Severity::Error);
        let findings = if problems.is_empty() { Vec::new() } else { locate(source, problems) };
        let outcome = match compiled.tenant {
            Some(tenant) if is_good => Outcome::Good { tenant: Arc::new(tenant), findings },
            _ => Outcome::Bad { problems: findings, claims: lenient(source, stem) },
        };
        (outcome, compiled.uses)
    }

    /// The merged file with the origin of each value.
    pub fn effective(&self, file: &str, bytes: &[u8]) -> Result<String, Vec<Problem>> {
        let source = Source::of(file, bytes).map_err(|problem| vec![problem])?;
        let value = lay_over(&self.defaults.value, &source.value()?);
        let defaults = self.defaults.source.as_ref().map(|(file, text)| Source { file, text });
        Ok(super::effective::render(&value, source, defaults))
    }
}

/// Whether a finding is of what a type error took out: that a list is empty whose only item was of
/// the wrong type is no news.
fn is_above(path: &str, problem: &Finding) -> bool {
    let rest = problem.path.strip_prefix(path);
    !problem.is_key && !path.is_empty() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// The file over the defaults; `clients."*"` lies under every client.
fn lay_over(defaults: &Mapping, file: &Mapping) -> Mapping {
    let mut merged = merge(defaults, file);
    let star = defaults.get("clients").and_then(|clients| clients.get("*")).and_then(Value::as_mapping).cloned();
    if let Some(Value::Mapping(clients)) = merged.get_mut("clients") {
        if !file.get("clients").and_then(Value::as_mapping).is_some_and(|own| own.contains_key("*")) {
            clients.shift_remove("*");
        }
        for (_, client) in clients.iter_mut() {
            match (client, &star) {
                (Value::Mapping(client), Some(star)) => *client = merge(star, client),
                (client @ Value::Null, Some(star)) => *client = Value::Mapping(star.clone()),
                _ => {}
            }
        }
    }
    merged
}

/// What names a tenant and what opens it never comes from the defaults.
fn forbidden_by_default(value: &Mapping) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut forbid = |path: String| {
        findings.push(Finding::error(path, "this never comes from the defaults; write it in each tenant's file"));
    };
    for (key, value) in value {
        let Some(key) = key.as_str() else { continue };
        if NEVER_BY_DEFAULT.contains(&key) {
            forbid(key.to_owned());
        }
        let groups: Vec<(String, &Value)> = match (key, value) {
            ("management", value) => vec![("management".to_owned(), value)],
            ("clients", Value::Mapping(clients)) => clients
                .iter()
                .filter_map(|(name, client)| Some((format!("clients.{}", name.as_str()?), client)))
                .collect(),
            _ => Vec::new(),
        };
        for (path, group) in groups {
            for secret in ["client_id", "client_secret", "private_key", "callers"] {
                if group.get(secret).is_some() {
                    forbid(format!("{path}.{secret}"));
                }
            }
        }
    }
    findings
}

/// Gives every finding its place and puts them in the order of the file.
fn locate(source: Source<'_>, findings: Vec<Finding>) -> Vec<Problem> {
    let index = Index::of(source.text);
    let place = |finding: &Finding| if finding.is_key { index.key(&finding.path) } else { index.value(&finding.path) };
    let mut problems: Vec<Problem> = findings
        .into_iter()
        .map(|finding| Problem {
            file: source.file.into(),
            place: Some(place(&finding)),
            path: finding.path.into(),
            severity: finding.severity,
            message: finding.message.into(),
            hint: finding.hint.map(Into::into),
        })
        .collect();
    problems.sort_by_key(|problem| problem.place);
    problems
}

/// What a broken file would claim, as far as its text can be read.
fn lenient(source: Source<'_>, stem: &str) -> Option<Claims> {
    let index = Index::of(source.text);
    let hosts: Vec<HostPattern> = index
        .scalars
        .iter()
        .filter(|(path, _)| path.strip_prefix("hosts[").is_some_and(|rest| rest.ends_with(']') && !rest.contains('.')))
        .filter_map(|(_, text)| HostPattern::parse(text).ok())
        .collect();
    if hosts.is_empty() {
        return None;
    }
    // Client types count only where the text was read to its end: what is cut off may hold more.
    let client_types = index.broken_at.is_none().then(|| index.children("clients")).filter(|types| !types.is_empty());
    let client_types = client_types.map(|types| types.iter().filter_map(|text| ClientType::parse(text).ok()).collect());
    Some(Claims { name: TenantName::parse(stem).ok(), hosts, client_types })
}

#[cfg(test)]
mod tests;
