//! A file as it can be kept: merged with its defaults and without its secrets; and read again.

use std::sync::Arc;

use serde_yaml::{Mapping, Value};

use super::super::compile;
use super::super::effective::SECRETS;
use super::super::file::TenantFile;
use super::super::last_good::Version;
use super::super::model::Tenant;
use super::super::problem::Severity;
use super::super::schema;
use super::super::text::{Source, Typed, typed};
use super::{Reader, lay_over};

impl Reader {
    /// What the file says, defaults and all. `None` where a secret stands in it, or where it is no tenant file.
    ///
    /// Not the text: comments and `x-…` keys may hold anything, and another defaults file would change what it means.
    pub(in super::super) fn keepable(&self, file: &str, bytes: &[u8]) -> Option<Version> {
        let value = Source::of(file, bytes).ok()?.value().ok()?;
        let mut value = lay_over(&self.defaults.value, &value);
        drop_extensions(&mut value);
        if holds_a_secret(&value) {
            return None;
        }
        let text = serde_json::to_string(&value).ok()?;
        Some(Version { digest: self.digest(bytes), text: text.into() })
    }

    /// The tenant that was kept, with the secrets of now. `None` where it cannot serve any more.
    pub(in super::super) fn read_kept(&self, stem: &str, version: &Version) -> Option<Arc<Tenant>> {
        let value: Mapping = serde_json::from_str(&version.text).ok()?;
        let Typed { file, problems } = typed::<TenantFile>(&value, &schema::vocabulary);
        let compiled = compile::compile(file?, &self.options, stem, version.digest);
        let is_good = !problems.iter().chain(&compiled.findings).any(|finding| finding.severity == Severity::Error);
        compiled.tenant.filter(|_| is_good).map(Arc::new)
    }
}

/// `x-…` keys mean nothing to the gateway.
fn drop_extensions(value: &mut Mapping) {
    value.retain(|key, _| !key.as_str().is_some_and(|key| key.starts_with("x-")));
    for (_, value) in value.iter_mut() {
        each_map(value, &mut drop_extensions);
    }
}

fn each_map(value: &mut Value, act: &mut dyn FnMut(&mut Mapping)) {
    match value {
        Value::Mapping(map) => act(map),
        Value::Sequence(list) => list.iter_mut().for_each(|item| each_map(item, act)),
        _ => {}
    }
}

/// Whether a text stands where a secret belongs, and not a reference to one.
fn holds_a_secret(value: &Mapping) -> bool {
    value.iter().any(|(key, value)| {
        let is_secret = key.as_str().is_some_and(|key| SECRETS.contains(&key));
        if is_secret { is_literal(value) } else { below(value) }
    })
}

fn below(value: &Value) -> bool {
    match value {
        Value::Mapping(map) => holds_a_secret(map),
        Value::Sequence(list) => list.iter().any(below),
        _ => false,
    }
}

fn is_literal(value: &Value) -> bool {
    match value {
        // `{ env: NAME }` and `{ file: NAME }`; `file` and `env` take a text and nothing else.
        Value::Mapping(map) => !map.keys().all(|key| matches!(key.as_str(), Some("env" | "file"))),
        Value::Sequence(list) => list.iter().any(is_literal),
        Value::Null => false,
        _ => true,
    }
}
