//! The schema is the one in `schemas/`, and says what the loader says.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::tenant::problem::Severity;
use crate::tenant::read::{Reader, ReaderOptions, Unset};
use crate::tenant::reading::Outcome;
use crate::tenant::secrets::SecretSource;

const SAMPLES: [(&str, &str); 3] = [
    ("acme", include_str!("../../../tenants.d/acme.yaml")),
    ("globex", include_str!("../../../tenants.d/globex.yaml")),
    ("initech", include_str!("../../../tenants.d/initech.yaml")),
];

/// Rules that a schema cannot say, by what the loader says: the two differ here on purpose.
const BEYOND_A_SCHEMA: [(&str, &str); 14] = [
    ("not a domain", "what a domain is"),
    ("not a public domain", "what a domain is"),
    ("not an https URL", "what a URL is"),
    ("not an origin", "what an origin is"),
    ("not a host", "what a host is"),
    ("not one of", "what another key names"),
    ("must be the file's name", "the file's name"),
    ("the host is not one of the tenant's", "what another key names"),
    ("a label's name", "the characters of a key"),
    ("required", "which of several keys must be there, with the defaults under the file"),
    ("at least one", "whether the defaults under the file have it"),
    ("needs a `client_secret`", "which of several keys must be there"),
    ("not a scope", "the characters of a scope"),
    ("the name of the variable must begin", "the file's name"),
];

fn loader() -> Reader {
    let secrets = SecretSource { directory: None, prefixes: Vec::new(), environment: Arc::new(|_| None) };
    Reader::new(ReaderOptions { secrets, unset: Unset::Note, allow_upstream: Vec::new(), emulator: None })
}

#[test]
fn the_committed_schema_is_the_one_of_the_code() {
    let committed = include_str!("../../../schemas/tenant.schema.json");
    assert!(committed == schema_text(), "it is stale: cargo run -- schema > schemas/tenant.schema.json");
}

#[test]
fn the_keys_below_a_path_are_known() {
    assert!(vocabulary("").contains(&"clients".to_owned()));
    assert!(vocabulary("clients.web").contains(&"require_state".to_owned()));
    assert!(vocabulary("clients.web.session").contains(&"same_site".to_owned()));
    assert!(vocabulary("connections.Prod").contains(&"hosts".to_owned()));
    assert_eq!(vocabulary("nothing.of.this"), Vec::<String>::new());
}

/// Every key of a document removed, renamed, and its value replaced by one of each kind.
fn mutations(document: &Value) -> Vec<(String, Value)> {
    let mut mutated = Vec::new();
    for pointer in pointers(document, String::new()) {
        let (parent, key) = pointer.rsplit_once('/').expect("has a parent");
        let key = key.replace("~1", "/").replace("~0", "~");
        for value in [
            json!(null),
            json!(true),
            json!(7),
            json!("x y"),
            json!(""),
            json!("30"),
            json!([]),
            json!(["x y"]),
            json!({}),
            json!({"env": "ACME_X"}),
            json!({"zzz": 1}),
            json!(-1),
            json!([[1]]),
        ] {
            let mut changed = document.clone();
            *changed.pointer_mut(&pointer).expect("is there") = value.clone();
            mutated.push((format!("{pointer} = {value}"), changed));
        }
        let mut removed = document.clone();
        let mut renamed = document.clone();
        if let Some(Value::Object(map)) = removed.pointer_mut(parent) {
            map.shift_remove(&key);
            mutated.push((format!("{pointer} removed"), removed));
        }
        if let Some(Value::Object(map)) = renamed.pointer_mut(parent)
            && let Some(value) = map.shift_remove(&key)
        {
            map.insert(format!("{key}z"), value.clone());
            mutated.push((format!("{pointer} renamed"), renamed.clone()));
            let Some(Value::Object(map)) = renamed.pointer_mut(parent) else { continue };
            map.insert(key.clone(), value);
            map.insert("x-own".to_owned(), json!([1]));
            mutated.push((format!("{pointer} beside an x- key"), renamed));
        }
    }
    mutated
}

fn pointers(value: &Value, at: String) -> Vec<String> {
    let escape = |key: &str| key.replace('~', "~0").replace('/', "~1");
    let below: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, value)| (format!("{at}/{}", escape(key)), value)).collect(),
        Value::Array(list) => list.iter().enumerate().map(|(index, value)| (format!("{at}/{index}"), value)).collect(),
        _ => Vec::new(),
    };
    below.into_iter().flat_map(|(pointer, value)| [vec![pointer.clone()], pointers(value, pointer)].concat()).collect()
}

#[test]
fn schema_and_loader_give_the_same_verdict() {
    let validator = jsonschema::validator_for(&schema()).expect("is a schema");
    let (mut both, mut beyond, mut disagreements) = (0, 0, Vec::new());
    for (stem, text) in SAMPLES {
        let document: Value = serde_yaml::from_str(text).expect("is YAML");
        assert!(
            validator.is_valid(&document),
            "{stem}: {:?}",
            validator.iter_errors(&document).map(|it| it.to_string()).collect::<Vec<_>>()
        );
        for (what, changed) in mutations(&document) {
            let text = serde_yaml::to_string(&changed).expect("is YAML");
            let by_schema = validator.is_valid(&changed);
            let problems = match loader().read("x.yaml", text.as_bytes(), stem).outcome {
                Outcome::Good { .. } => Vec::new(),
                Outcome::Bad { problems, .. } => problems,
            };
            let errors: Vec<_> =
                problems.iter().filter(|it| it.severity == Severity::Error).map(|it| it.message.clone()).collect();
            let is_beyond = |message: &str| BEYOND_A_SCHEMA.iter().any(|(part, _)| message.contains(part));
            let beyond_alone = errors.iter().all(|message| is_beyond(message));
            // What the schema refuses the loader refuses; what it takes the loader refuses only for
            // a reason that a schema cannot give.
            let agree = if by_schema { beyond_alone } else { !errors.is_empty() };
            if !agree {
                disagreements.push(format!("{stem}{what}: schema {by_schema}, loader {errors:?}"));
            }
            both += 1;
            beyond += usize::from(by_schema && !errors.is_empty());
        }
    }
    assert!(disagreements.is_empty(), "{disagreements:#?}");
    assert!(both > 1_000 && beyond < both / 3, "{both} files, {beyond} beyond a schema");
}
