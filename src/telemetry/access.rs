//! The access line: one a request, written by hand, since an event of twelve fields costs fifteen times as much.
//!
//! Owns its fields, their order and what is hidden. Nothing that a caller sent stands in it but the request id and
//! the e-mail address, and that only as a keyed hash unless asked: no query string, no body, no token.

use std::cell::RefCell;
use std::fmt;
use std::io::Write;
use std::net::IpAddr;
use std::num::NonZeroU64;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

use super::log::Lines;
use super::metrics::{Endpoint, ResolutionReason};
use crate::base::digest::MacKey;

/// `--access-log`: which requests leave a line. Probes never do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AccessPolicy {
    /// Every one.
    #[default]
    All,
    /// Those answered with 400 and above.
    Errors,
    /// None.
    Off,
    /// Every Nth, whatever the answer.
    Sampled(NonZeroU64),
}

/// A text that is no such policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is none of all, errors, off, 1/N")]
pub struct AccessPolicyError(String);

impl FromStr for AccessPolicy {
    type Err = AccessPolicyError;

    fn from_str(text: &str) -> Result<Self, AccessPolicyError> {
        match text {
            "all" => Ok(Self::All),
            "errors" => Ok(Self::Errors),
            "off" => Ok(Self::Off),
            _ => {
                let digits = text.strip_prefix("1/").filter(|it| it.bytes().all(|byte| byte.is_ascii_digit()));
                let every = digits.and_then(|digits| digits.parse().ok());
                every.map(Self::Sampled).ok_or_else(|| AccessPolicyError(text.to_owned()))
            }
        }
    }
}

impl fmt::Display for AccessPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Errors => f.write_str("errors"),
            Self::Off => f.write_str("off"),
            Self::Sampled(every) => write!(f, "1/{every}"),
        }
    }
}

/// What stands for a person: addresses and e-mails.
#[derive(Debug)]
pub enum PersonalData {
    /// 16 hexadecimal digits of a keyed hash: equal ones are equal, and none can be looked up.
    Hashed(Arc<MacKey>),
    /// As they are, for whoever has asked for it.
    Plain,
}

/// What is said of one request.
#[derive(Debug, Clone, Copy)]
pub struct AccessLine<'a> {
    /// When it came in.
    pub time: Timestamp,
    /// Also in the answer's `x-request-id`.
    pub request_id: &'a str,
    /// The trace of a `traceparent`, if one came.
    pub trace_id: Option<&'a str>,
    /// The tenant's name, if one was found.
    pub tenant: Option<&'a str>,
    /// Why that tenant, or why none. `None` where none was looked for.
    pub reason: Option<ResolutionReason>,
    /// The client's type, if one was found.
    pub client_type: Option<&'a str>,
    /// The row of the route table.
    pub endpoint: Endpoint,
    /// The answer's status.
    pub status: u16,
    /// What came of it: `ok`, or the `error` that the caller was answered with.
    pub outcome: &'a str,
    /// Why, with what caused it: the one place where the whole chain is told.
    pub cause: Option<&'a str>,
    /// From the head's last byte to the answer's head.
    pub took: Duration,
    /// Of that, in calls to Auth0.
    pub upstream: Option<Duration>,
    /// The user's address as far as trusted proxies tell it.
    pub peer: Option<IpAddr>,
    /// Who tried to log in.
    pub email: Option<&'a str>,
    /// The tenant file's labels.
    pub labels: &'a [(Box<str>, Box<str>)],
}

/// Writes access lines.
#[derive(Debug)]
pub struct AccessLog {
    policy: AccessPolicy,
    personal: PersonalData,
    lines: Lines,
    /// Requests that might have left a line, for sampling.
    seen: AtomicU64,
}

thread_local! {
    /// A line is put together here: no allocation a line but the queue's own.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl AccessLog {
    /// To that queue, by that policy.
    pub fn new(policy: AccessPolicy, personal: PersonalData, lines: Lines) -> Self {
        Self { policy, personal, lines, seen: AtomicU64::new(0) }
    }

    /// Writes the line, if the policy wants it.
    pub fn write(&self, line: &AccessLine<'_>) {
        if !self.wants(line.endpoint, line.status) {
            return;
        }
        BUFFER.with_borrow_mut(|buffer| {
            buffer.clear();
            self.format(line, buffer);
            self.lines.push(buffer);
        });
    }

    fn wants(&self, endpoint: Endpoint, status: u16) -> bool {
        if endpoint == Endpoint::Health {
            return false;
        }
        match self.policy {
            AccessPolicy::All => true,
            AccessPolicy::Errors => status >= 400,
            AccessPolicy::Off => false,
            AccessPolicy::Sampled(every) => self.seen.fetch_add(1, Ordering::Relaxed).is_multiple_of(every.get()),
        }
    }

    /// Begins as an event's line does, so that one query finds both.
    fn format(&self, line: &AccessLine<'_>, out: &mut Vec<u8>) {
        // Writing to memory cannot fail.
        let _ = write!(out, r#"{{"timestamp":"{:.6}","level":"INFO","target":"access""#, line.time);
        text(out, "request_id", line.request_id);
        optional(out, "trace_id", line.trace_id);
        optional(out, "tenant", line.tenant);
        optional(out, "reason", line.reason.map(ResolutionReason::name));
        optional(out, "client_type", line.client_type);
        text(out, "endpoint", line.endpoint.name());
        name(out, "status");
        out.extend_from_slice(itoa::Buffer::new().format(line.status).as_bytes());
        text(out, "outcome", line.outcome);
        optional(out, "cause", line.cause);
        milliseconds(out, "ms", line.took);
        if let Some(upstream) = line.upstream {
            milliseconds(out, "upstream_ms", upstream);
        }
        if let Some(peer) = line.peer {
            // An address fits without an allocation that outlives this line; it is not escaped twice.
            self.person(out, "peer", &peer.to_string());
        }
        if let Some(email) = line.email {
            self.person(out, "email", email);
        }
        labels(out, line.labels);
        out.extend_from_slice(b"}\n");
    }

    fn person(&self, out: &mut Vec<u8>, field: &str, value: &str) {
        match &self.personal {
            PersonalData::Plain => text(out, field, value),
            PersonalData::Hashed(key) => {
                name(out, field);
                out.push(b'"');
                for byte in &key.tag(value.as_bytes()).as_bytes()[..8] {
                    out.extend_from_slice(&[hex_digit(byte >> 4), hex_digit(byte & 15)]);
                }
                out.push(b'"');
            }
        }
    }
}

fn labels(out: &mut Vec<u8>, labels: &[(Box<str>, Box<str>)]) {
    if labels.is_empty() {
        return;
    }
    name(out, "labels");
    for (place, (key, value)) in labels.iter().enumerate() {
        out.push(if place == 0 { b'{' } else { b',' });
        quoted(out, key);
        out.push(b':');
        quoted(out, value);
    }
    out.push(b'}');
}

fn optional(out: &mut Vec<u8>, field: &str, value: Option<&str>) {
    if let Some(value) = value {
        text(out, field, value);
    }
}

fn text(out: &mut Vec<u8>, field: &str, value: &str) {
    name(out, field);
    quoted(out, value);
}

/// `,"field":`; the field is a name of ours and needs no escape.
fn name(out: &mut Vec<u8>, field: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(field.as_bytes());
    out.extend_from_slice(b"\":");
}

/// To the microsecond: `1.205`.
fn milliseconds(out: &mut Vec<u8>, field: &str, time: Duration) {
    name(out, field);
    out.extend_from_slice(itoa::Buffer::new().format(time.as_millis()).as_bytes());
    let rest = time.subsec_micros() % 1000;
    let digit = |ten: u32| b"0123456789"[(rest / ten % 10) as usize];
    out.extend_from_slice(&[b'.', digit(100), digit(10), digit(1)]);
}

/// A JSON string (RFC 8259 §7). What could end a line, for whoever splits lines, is escaped.
fn quoted(out: &mut Vec<u8>, value: &str) {
    out.push(b'"');
    let mut plain_from = 0;
    for (at, byte) in value.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' && byte != 0x7f {
            continue;
        }
        out.extend_from_slice(&value.as_bytes()[plain_from..at]);
        plain_from = at + 1;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            _ => out.extend_from_slice(&[b'\\', b'u', b'0', b'0', hex_digit(byte >> 4), hex_digit(byte & 15)]),
        }
    }
    out.extend_from_slice(&value.as_bytes()[plain_from..]);
    out.push(b'"');
}

fn hex_digit(nibble: u8) -> u8 {
    b"0123456789abcdef"[usize::from(nibble & 15)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::telemetry::log::Log;
    use crate::telemetry::log::tests::Sink;

    fn line() -> AccessLine<'static> {
        AccessLine {
            time: "2026-11-24T08:00:00.123456Z".parse().expect("is a time"),
            request_id: "0123abcd",
            trace_id: None,
            tenant: Some("acme"),
            reason: Some(ResolutionReason::Exact),
            client_type: Some("web"),
            endpoint: Endpoint::Token,
            status: 200,
            outcome: "ok",
            cause: None,
            took: Duration::from_micros(12_034),
            upstream: Some(Duration::from_micros(900)),
            peer: Some([192, 0, 2, 1].into()),
            email: None,
            labels: &[],
        }
    }

    fn written(policy: AccessPolicy, personal: PersonalData, lines: &[AccessLine<'_>]) -> String {
        let sink = Sink::default();
        let log = Log::to(sink.clone());
        let access = AccessLog::new(policy, personal, log.lines());
        for line in lines {
            access.write(line);
        }
        drop(log);
        sink.text()
    }

    #[test]
    fn a_line_holds_the_fields_in_this_order() {
        let labels = [("team".into(), "checkout".into())];
        let full = AccessLine { trace_id: Some("4bf9"), email: Some("a@b.example"), labels: &labels, ..line() };
        let wanted = concat!(
            r#"{"timestamp":"2026-11-24T08:00:00.123456Z","level":"INFO","target":"access","request_id":"0123abcd","#,
            r#""trace_id":"4bf9","tenant":"acme","reason":"exact","client_type":"web","endpoint":"token","#,
            r#""status":200,"outcome":"ok","ms":12.034,"upstream_ms":0.900,"peer":"192.0.2.1","#,
            r#""email":"a@b.example","labels":{"team":"checkout"}}"#,
            "\n"
        );
        assert_eq!(written(AccessPolicy::All, PersonalData::Plain, &[full]), wanted);
    }

    #[test]
    fn what_is_absent_has_no_field() {
        let bare = AccessLine { tenant: None, reason: None, client_type: None, upstream: None, peer: None, ..line() };
        let text = written(AccessPolicy::All, PersonalData::Plain, &[bare]);
        for field in ["tenant", "reason", "client_type", "upstream_ms", "peer", "email", "labels", "null"] {
            assert!(!text.contains(field), "{text}");
        }
    }

    #[test]
    fn people_are_keyed_hashes_unless_asked() {
        let hashed = |key: u8, email| {
            let personal = PersonalData::Hashed(Arc::new(MacKey::new(&[key; 32])));
            let line = AccessLine { email: Some(email), ..line() };
            let text = written(AccessPolicy::All, personal, &[line]);
            assert!(!text.contains("192.0.2.1") && !text.contains(email), "{text}");
            let value: Value = serde_json::from_str(&text).expect("is JSON");
            value["email"].as_str().expect("is text").to_owned()
        };
        let one = hashed(1, "a@b.example");
        assert_eq!(one.len(), 16);
        assert_eq!(hashed(1, "a@b.example"), one);
        assert_ne!(hashed(1, "c@b.example"), one);
        assert_ne!(hashed(2, "a@b.example"), one);
    }

    #[test]
    fn policies_choose_lines_and_probes_leave_none() {
        let statuses = [200, 302, 400, 401, 503, 200];
        let mut lines: Vec<_> = statuses.iter().map(|status| AccessLine { status: *status, ..line() }).collect();
        lines.push(AccessLine { endpoint: Endpoint::Health, status: 503, ..line() });
        let count = |policy: &str| {
            let policy = policy.parse().expect("is a policy");
            written(policy, PersonalData::Plain, &lines).lines().count()
        };
        let counts = ["all", "errors", "off", "1/1", "1/2", "1/4", "1/1000"].map(count);
        assert_eq!(counts, [6, 3, 0, 6, 3, 2, 1]);
    }

    #[test]
    fn policies_are_read_and_written_back() {
        for text in ["all", "errors", "off", "1/100"] {
            assert_eq!(text.parse::<AccessPolicy>().expect("is a policy").to_string(), text);
        }
        for text in ["", "none", "1/0", "2/3", "1/", "1/-1", "1/+1", "1/99999999999999999999", "ALL"] {
            assert!(text.parse::<AccessPolicy>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_stands_in_it_a_line_is_one_json_object(
            id in any::<String>(), email in any::<String>(), key in any::<String>(), value in any::<String>(),
            micros in any::<u32>(), status in any::<u16>(),
        ) {
            let sink = Sink::default();
            let log = Log::to(sink.clone());
            let access = AccessLog::new(AccessPolicy::All, PersonalData::Plain, log.lines());
            let labels = [(key.clone().into(), value.clone().into())];
            let took = Duration::from_micros(micros.into());
            access.write(&AccessLine { request_id: &id, email: Some(&email), labels: &labels, took, status, ..line() });
            drop(log);
            let text = sink.text();
            let object = text.strip_suffix('\n').expect("ends its line");
            prop_assert!(!object.contains(|it: char| it.is_ascii_control()));
            let read: Value = serde_json::from_str(object).expect("is JSON");
            prop_assert_eq!(&read["request_id"], &id);
            prop_assert_eq!(&read["email"], &email);
            prop_assert_eq!(&read["labels"][&key], &value);
            prop_assert_eq!(&read["status"], status);
            let micros_read = read["ms"].as_f64().expect("is a number") * 1000.0;
            prop_assert!((micros_read - f64::from(micros)).abs() < 0.5);
        }
    }
}
