//! A request as an endpoint sees it: path below the tenant, headers, body members.

use std::net::IpAddr;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method};
use serde_json::{Map, Value};

use super::calls::Recorded;

/// A request, read whole.
pub(super) struct Arrival {
    /// Its method.
    pub(super) method: Method,
    /// Below the tenant, with its slash.
    pub(super) path: String,
    /// As sent, without the question mark.
    pub(super) query: String,
    /// Its headers.
    pub(super) headers: HeaderMap,
    /// Who sent it.
    pub(super) peer: IpAddr,
    /// Its body, if that is a form or a JSON object.
    pub(super) form: Form,
    /// Its body as it came.
    pub(super) body: Bytes,
}

impl Arrival {
    /// From head and body; `path` is what follows the tenant's name.
    pub(super) fn new(parts: &Parts, path: &str, peer: IpAddr, body: Bytes) -> Self {
        Self {
            method: parts.method.clone(),
            path: path.to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            form: Form::read(&parts.headers, &body),
            headers: parts.headers.clone(),
            peer,
            body,
        }
    }

    /// The same with another query.
    pub(super) fn with_query(&self, query: String) -> Self {
        Self {
            method: self.method.clone(),
            path: self.path.clone(),
            query,
            headers: self.headers.clone(),
            peer: self.peer,
            form: Form::default(),
            body: Bytes::new(),
        }
    }

    /// A header that is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The first member of the query of this name.
    pub(super) fn query_value(&self, name: &str) -> Option<String> {
        let mut members = form_urlencoded::parse(self.query.as_bytes());
        members.find(|(have, _)| have == name).map(|(_, value)| value.into_owned())
    }

    /// What tests look at afterwards.
    pub(super) fn recorded(&self) -> Recorded {
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        Recorded {
            method: self.method.to_string(),
            path: self.path.clone(),
            query: self.query.clone(),
            headers: self.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect(),
            form: self.form.members.clone(),
        }
    }
}

/// The members of a body.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Form {
    members: Vec<(String, String)>,
    fault: Option<&'static str>,
}

impl Form {
    /// By content type; a body of another type has no members, as at Auth0.
    fn read(headers: &HeaderMap, body: &[u8]) -> Self {
        let content_type = headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            Self::of(form_urlencoded::parse(body).into_owned().collect())
        } else if essence.eq_ignore_ascii_case("application/json") {
            match serde_json::from_slice::<Map<String, Value>>(body) {
                Ok(members) => Self::of(members.into_iter().map(|(name, value)| (name, text(value))).collect()),
                Err(_) => Self { members: Vec::new(), fault: Some("Invalid request payload JSON format") },
            }
        } else {
            Self::default()
        }
    }

    fn of(members: Vec<(String, String)>) -> Self {
        let repeated =
            members.iter().enumerate().any(|(at, (name, _))| members[..at].iter().any(|(have, _)| have == name));
        Self { members, fault: repeated.then_some("Duplicate parameter") }
    }

    /// What is wrong with the body as a whole.
    pub(super) fn fault(&self) -> Option<&'static str> {
        self.fault
    }

    /// All of them, in the order sent.
    pub(super) fn members(&self) -> impl Iterator<Item = (&str, &str)> {
        self.members.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The member of this name, unless it is empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.members.iter().find(|(have, _)| have == name)?;
        (!value.is_empty()).then_some(value)
    }
}

fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(content_type: &str, body: &[u8]) -> Form {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", content_type.parse().expect("is a header"));
        Form::read(&headers, body)
    }

    #[test]
    fn a_form_and_a_json_object_say_the_same() {
        let form = read("application/x-www-form-urlencoded; charset=utf-8", b"username=a%40b&password=x+y&scope=");
        let json = read("application/json", br#"{"username":"a@b","password":"x y","scope":null}"#);
        assert_eq!(form, json);
        assert_eq!((form.get("username"), form.get("password"), form.get("scope")), (Some("a@b"), Some("x y"), None));
    }

    #[test]
    fn a_repeated_member_and_a_broken_json_are_faults() {
        assert!(read("application/x-www-form-urlencoded", b"a=1&b=2&a=1").fault().is_some());
        assert!(read("application/json", b"[]").fault().is_some());
        assert_eq!(read("text/plain", b"a=1"), Form::default());
    }

    proptest! {
        #[test]
        fn no_body_breaks_the_reader(body in proptest::collection::vec(any::<u8>(), 0..200), json: bool) {
            let form = read(if json { "application/json" } else { "application/x-www-form-urlencoded" }, &body);
            prop_assert!(form.get("no such member at all").is_none());
        }
    }
}
