//! The merged file, with the origin of each value: `check --effective NAME`.

use serde_yaml::{Mapping, Value};

use super::locate::{Index, join};
use super::text::Source;

/// Keys whose literal value is a secret.
pub(super) const SECRETS: [&str; 3] = ["client_secret", "private_key", "secret"];

/// YAML with a comment behind each value: the file and line it comes from.
pub(super) fn render(value: &Mapping, file: Source<'_>, defaults: Option<Source<'_>>) -> String {
    let own = Index::of(file.text);
    let below = defaults.map(|source| (source, Index::of(source.text)));
    let origin = |path: &str| -> String {
        if own.has(path) {
            return format!("{}:{}", file.file, own.value(path).line);
        }
        let starred = path
            .strip_prefix("clients.")
            .and_then(|rest| rest.split_once('.'))
            .map(|(_, rest)| format!("clients.*.{rest}"));
        match &below {
            Some((source, index)) if index.has(path) => format!("{}:{}", source.file, index.value(path).line),
            Some((source, index)) if starred.as_ref().is_some_and(|path| index.has(path)) => {
                format!("{}:{}", source.file, index.value(starred.as_deref().unwrap_or_default()).line)
            }
            // It came in by an anchor or by `<<`.
            _ => format!("{}:{}", file.file, own.value(path).line),
        }
    };
    let mut text = String::new();
    map(&mut text, value, "", 0, &origin);
    text
}

fn map(text: &mut String, value: &Mapping, path: &str, depth: usize, origin: &dyn Fn(&str) -> String) {
    for (key, value) in value {
        let Some(key) = key.as_str() else { continue };
        let path = join(path, key);
        let indent = "  ".repeat(depth);
        *text += &format!("{indent}{key}:");
        let is_secret = SECRETS.contains(&key) && !matches!(value, Value::Mapping(_));
        match value {
            _ if is_secret => *text += &format!(" \"[redacted]\"  # {}\n", origin(&path)),
            Value::Mapping(inner) if !inner.is_empty() => {
                text.push('\n');
                map(text, inner, &path, depth + 1, origin);
            }
            Value::Sequence(list) if !list.is_empty() => {
                text.push('\n');
                for (index, item) in list.iter().enumerate() {
                    text.push_str(&format!(
                        "{indent}  - {}  # {}\n",
                        scalar(item),
                        origin(&format!("{path}[{index}]"))
                    ));
                }
            }
            value => text.push_str(&format!(" {}  # {}\n", scalar(value), origin(&path))),
        }
    }
}

/// One line, in JSON's form, which is YAML too.
fn scalar(value: &Value) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}
