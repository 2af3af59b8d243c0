//! The JSON Schema of a tenant file, from the file's own types.

use std::sync::OnceLock;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::file::TenantFile;

/// The schema, draft 2020-12: what editors check by, and the list of keys for "did you mean".
pub fn schema() -> Value {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<TenantFile>().to_value();
    allow_extensions(&mut schema);
    if let Value::Object(root) = &mut schema {
        root.insert("title".into(), json!("A tenant of auth0-gateway"));
    }
    schema
}

/// The schema as it stands in `schemas/tenant.schema.json`.
pub fn schema_text() -> String {
    // A value of text keys always serialises.
    serde_json::to_string_pretty(&schema()).unwrap_or_default() + "\n"
}

/// `x-…` keys are the operator's own, and a key with nothing behind it is absent.
fn allow_extensions(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if object.get("additionalProperties") == Some(&Value::Bool(false)) && object.get("required").is_none() {
                object.insert("patternProperties".into(), json!({ "^x-": true }));
            }
            object.values_mut().for_each(allow_extensions);
        }
        Value::Array(items) => items.iter_mut().for_each(allow_extensions),
        _ => {}
    }
}

/// The keys that may stand below a path, read from the schema.
pub(super) fn vocabulary(path: &str) -> Vec<String> {
    // Made once: a file may have thousands of unknown keys.
    static ROOT: OnceLock<Value> = OnceLock::new();
    let root = ROOT.get_or_init(schema);
    let mut at = root;
    for part in path.split('.').filter(|part| !part.is_empty()) {
        let key = part.split('[').next().unwrap_or(part);
        let object = resolve(root, at);
        let next =
            object.and_then(|object| object.get("properties")?.get(key).or_else(|| object.get("additionalProperties")));
        match object
            .and_then(|object| object.get("properties")?.get(key))
            .or_else(|| object.and_then(|it| it.get("additionalProperties")))
            .or(next)
        {
            Some(next) => at = next,
            None => return Vec::new(),
        }
    }
    let properties = resolve(root, at).and_then(|object| object.get("properties")).and_then(Value::as_object);
    properties.map(|properties| properties.keys().cloned().collect()).unwrap_or_default()
}

/// Follows `$ref`, and the first member of `anyOf` that is more than `null`.
fn resolve<'a>(root: &'a Value, at: &'a Value) -> Option<&'a Map<String, Value>> {
    let mut at = at.as_object()?;
    for _ in 0..8 {
        if let Some(reference) = at.get("$ref").and_then(Value::as_str) {
            at = root.pointer(reference.strip_prefix('#')?)?.as_object()?;
        } else if let Some(Value::Array(any)) = at.get("anyOf") {
            at = any
                .iter()
                .filter_map(Value::as_object)
                .find(|it| it.get("type").and_then(Value::as_str) != Some("null"))?;
        } else {
            return Some(at);
        }
    }
    Some(at)
}

#[cfg(test)]
mod tests;
