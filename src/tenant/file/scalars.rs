//! The scalars of a tenant file: texts from elsewhere, durations with a unit, times, one or two.
//!
//! Their errors say what is expected and never what was found.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A text: literal, from an environment variable, or from a file below `--secrets-dir`.
#[derive(Clone)]
pub(in super::super) enum Text {
    /// As it stands.
    Literal(String),
    /// `{ env: NAME }`
    Env(String),
    /// `{ file: NAME }`
    File(String),
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Text")
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, `{ env: NAME }` or `{ file: NAME }`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text::Literal(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
                let one = || A::Error::custom("expected exactly one of `env` and `file`");
                let (key, name): (String, String) = map.next_entry()?.ok_or_else(one)?;
                if map.next_entry::<String, serde::de::IgnoredAny>()?.is_some() {
                    return Err(one());
                }
                match key.as_str() {
                    "env" => Ok(Text::Env(name)),
                    "file" => Ok(Text::File(name)),
                    _ => Err(one()),
                }
            }
        }
        deserializer.deserialize_any(Visit)
    }
}

impl JsonSchema for Text {
    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A text, or where to find one: an environment variable, or a file below --secrets-dir.",
            "oneOf": [
                { "type": "string", "minLength": 1 },
                { "type": "object", "properties": { "env": { "type": "string", "minLength": 1 } }, "required": ["env"], "additionalProperties": false },
                { "type": "object", "properties": { "file": { "type": "string", "minLength": 1 } }, "required": ["file"], "additionalProperties": false },
            ],
        })
    }
}

/// A duration with its unit: `30s`, `1h30m`, `7d`.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct DurationText(pub(in super::super) Duration);

impl<'de> Deserialize<'de> for DurationText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;
        impl Visitor<'_> for Visit {
            type Value = DurationText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration with its unit, such as 30s, 5m, 24h or 7d")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<DurationText, E> {
                let parsed = humantime::parse_duration(text)
                    .ok()
                    .filter(|_| text.bytes().any(|byte| byte.is_ascii_alphabetic()));
                parsed
                    .map(DurationText)
                    .ok_or_else(|| E::custom("expected a duration with its unit, such as 30s, 5m, 24h or 7d"))
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<DurationText, E> {
                Err(E::custom("a bare number has no unit, expected such as 30s, 5m, 24h or 7d"))
            }
        }
        deserializer.deserialize_any(Visit)
    }
}

impl JsonSchema for DurationText {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A duration with its unit: 30s, 1h30m, 7d.",
            "type": "string",
            "pattern": "^([0-9]+(ms|s|m|h|d|w) ?)+$",
        })
    }
}

/// A time: RFC 3339 with its offset.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct TimeText(pub(in super::super) Timestamp);

impl<'de> Deserialize<'de> for TimeText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;
        impl Visitor<'_> for Visit {
            type Value = TimeText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time such as 2026-11-01T00:00:00Z")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<TimeText, E> {
                text.parse().map(TimeText).map_err(|_| E::custom("expected a time such as 2026-11-01T00:00:00Z"))
            }
        }
        deserializer.deserialize_any(Visit)
    }
}

impl JsonSchema for TimeText {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A time, RFC 3339: 2026-11-01T00:00:00Z.",
            "type": "string",
            "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?([Zz]|[+-][0-9]{2}:?[0-9]{2})$",
        })
    }
}

/// One value, or a list of one or two: a secret and the next one.
#[derive(Debug, Clone)]
pub(in super::super) struct OneOrTwo<T>(pub(in super::super) Vec<T>);

impl<'de> Deserialize<'de> for OneOrTwo<Text> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = OneOrTwo<Text>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, `{ env: NAME }`, `{ file: NAME }`, or a list of one or two of them")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(OneOrTwo(vec![Text::Literal(text.to_owned())]))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                Text::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(|text| OneOrTwo(vec![text]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = list.next_element()? {
                    texts.push(text);
                }
                if (1..=2).contains(&texts.len()) {
                    Ok(OneOrTwo(texts))
                } else {
                    Err(A::Error::custom("expected one or two"))
                }
            }
        }
        deserializer.deserialize_any(Visit)
    }
}

impl JsonSchema for OneOrTwo<Text> {
    fn schema_name() -> Cow<'static, str> {
        "OneOrTwoTexts".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let text = generator.subschema_for::<Text>();
        json_schema!({
            "description": "A secret, or two while rotating: the first is used, the other when Auth0 rejects it.",
            "anyOf": [text, { "type": "array", "items": text, "minItems": 1, "maxItems": 2 }],
        })
    }
}

/// A map in the file's order. A key with nothing behind it is an empty entry.
#[derive(Debug, Clone)]
pub(in super::super) struct Entries<T>(pub(in super::super) Vec<(String, T)>);

impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de> + Default> Visitor<'de> for Visit<T> {
            type Value = Entries<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, Option<T>>()? {
                    entries.push((key, value.unwrap_or_default()));
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Visit(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Entries<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}Map", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<T>();
        json_schema!({
            "type": "object",
            "propertyNames": { "pattern": "^[A-Za-z0-9._-]+$" },
            "additionalProperties": { "anyOf": [value, { "type": "null" }] },
        })
    }
}
