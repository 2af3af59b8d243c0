//! The parameters of a request: a form, a JSON object or a query string. Each name once.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};
use zeroize::Zeroize;

use crate::base::secret::Secret;

/// More than any request of ours has; a bound on what a stranger makes us keep.
const MOST: usize = 64;

/// Why a body is no set of parameters. None of these shows a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParametersError {
    /// RFC 6749 §3.2: "parameters MUST NOT be included more than once".
    #[error("a parameter is given more than once")]
    Repeated,
    /// More than 64.
    #[error("there are too many parameters")]
    TooMany,
    /// Not JSON, or not an object.
    #[error("the body is not a JSON object")]
    NotAnObject,
    /// A member that is a list or an object.
    #[error("a parameter is neither a string, a number nor a boolean")]
    NotText,
}

/// Named texts, each name once, in the order given. Wiped when dropped: passwords stand in it.
#[derive(Default)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// From `application/x-www-form-urlencoded`, in a body or a query.
    pub fn from_form(bytes: &[u8]) -> Result<Self, ParametersError> {
        let mut parameters = Self::default();
        for (name, value) in form_urlencoded::parse(bytes) {
            parameters.insert(name.into_owned(), value.into_owned())?;
        }
        Ok(parameters)
    }

    /// From a JSON object of strings, numbers and booleans. `null` is absent.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ParametersError> {
        let members: Members = serde_json::from_slice(bytes).map_err(|_| ParametersError::NotAnObject)?;
        let mut parameters = Self::default();
        for (name, value) in members.0 {
            match value {
                Value::Null => {}
                Value::String(text) => parameters.insert(name, text)?,
                Value::Number(number) => parameters.insert(name, number.to_string())?,
                Value::Bool(truth) => parameters.insert(name, truth.to_string())?,
                Value::Array(_) | Value::Object(_) => return Err(ParametersError::NotText),
            }
        }
        Ok(parameters)
    }

    /// The value, taken out. RFC 6749 §3.2: a parameter without a value is absent.
    pub fn take(&mut self, name: &str) -> Option<String> {
        let place = self.0.iter().position(|(have, _)| have == name)?;
        let (_, value) = self.0.swap_remove(place);
        Some(value).filter(|value| !value.is_empty())
    }

    /// The value, taken out as a secret.
    pub fn take_secret(&mut self, name: &str) -> Option<Secret> {
        self.take(name).map(Secret::new)
    }

    /// The value, left in.
    pub fn peek(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(have, value)| have == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// All of them, as texts.
    pub fn into_object(mut self) -> Map<String, Value> {
        std::mem::take(&mut self.0).into_iter().map(|(name, value)| (name, Value::String(value))).collect()
    }

    /// Whether it is there, also without a value.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(have, _)| have == name)
    }

    fn insert(&mut self, name: String, value: String) -> Result<(), ParametersError> {
        if self.0.iter().any(|(have, _)| *have == name) {
            return Err(ParametersError::Repeated);
        }
        if self.0.len() == MOST {
            return Err(ParametersError::TooMany);
        }
        self.0.push((name, value));
        Ok(())
    }
}

/// A JSON object whose members may be of any kind; a name twice is refused.
pub fn object(bytes: &[u8]) -> Result<Map<String, Value>, ParametersError> {
    let members: Members = serde_json::from_slice(bytes).map_err(|_| ParametersError::NotAnObject)?;
    if members.0.len() > MOST {
        return Err(ParametersError::TooMany);
    }
    let mut object = Map::new();
    for (name, value) in members.0 {
        if object.insert(name, value).is_some() {
            return Err(ParametersError::Repeated);
        }
    }
    Ok(object)
}

impl Drop for Parameters {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(|(_, value)| value.zeroize());
    }
}

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Parameters({} redacted)", self.0.len())
    }
}

/// A JSON object that keeps a repeated member, which `serde_json`'s own map would fold.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    // One more than may stand, so that `insert` says which limit was passed.
                    if members.len() > MOST {
                        return Err(A::Error::custom("too many members"));
                    }
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visit)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_form_and_a_json_object_say_the_same() {
        let mut form =
            Parameters::from_form(b"grant_type=password&username=a%40b.example&password=p+w%26").expect("is a form");
        let mut json =
            Parameters::from_json(br#"{"grant_type":"password","username":"a@b.example","password":"p w&"}"#)
                .expect("is an object");
        for name in ["grant_type", "username", "password"] {
            assert_eq!(form.take(name), json.take(name), "{name}");
        }
        assert_eq!(form.take("grant_type"), None, "taken is gone");
    }

    #[test]
    fn a_repeated_name_is_refused_and_never_folded() {
        assert_eq!(Parameters::from_form(b"a=1&a=2").unwrap_err(), ParametersError::Repeated);
        assert_eq!(Parameters::from_form(b"a=1&%61=2").unwrap_err(), ParametersError::Repeated);
        assert_eq!(Parameters::from_json(br#"{"a":"1","\u0061":"2"}"#).unwrap_err(), ParametersError::Repeated);
    }

    #[test]
    fn what_is_no_text_is_refused_and_null_is_absent() {
        assert_eq!(Parameters::from_json(br#"{"a":["1"]}"#).unwrap_err(), ParametersError::NotText);
        assert_eq!(Parameters::from_json(b"[]").unwrap_err(), ParametersError::NotAnObject);
        assert_eq!(Parameters::from_json(br#"{"a":null,"b":7}"#).expect("is an object").peek("a"), None);
        assert_eq!(Parameters::from_form(b"a=").expect("is a form").peek("a"), None);
    }

    #[test]
    fn a_stranger_does_not_make_us_keep_much() {
        let many: String = (0..200).map(|n| format!("p{n}=1&")).collect();
        assert_eq!(Parameters::from_form(many.as_bytes()).unwrap_err(), ParametersError::TooMany);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Parameters::from_form(&bytes);
            let _ = Parameters::from_json(&bytes);
        }
    }
}
