//! Last good versions as they outlive the process: plain data, and no secret.
//!
//! Owns what stands in a record and its form in bytes. Where records lie is the composition's; which version of a
//! file serves is [`apply`](super::apply)'s.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::reading::Claims;
use super::registry::Pair;
use crate::base::digest::Digest;
use crate::base::id::{ClientType, HostPattern, TenantName};

/// How the bytes are to be read. A record of another form is one that is not there.
const FORM: u8 = 1;

/// A file as it last served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastGood {
    /// Since when it served so.
    pub since: Timestamp,
    /// What it claimed.
    pub claims: Claims,
    /// What was its own then: what it claimed and nobody disputed.
    pub holds: Vec<Pair>,
    /// What it said. `None` where a secret stood in it: then it is known whose its hosts are, and no more.
    pub version: Option<Version>,
}

/// What a file said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// [`Reading::digest`](super::reading::Reading::digest).
    pub digest: Digest,
    /// The file merged with the defaults, as JSON. Secrets stand in it by reference.
    pub text: Box<str>,
}

#[derive(Serialize, Deserialize)]
struct Written<'a> {
    form: u8,
    since: Timestamp,
    name: Option<String>,
    hosts: Vec<String>,
    client_types: Option<Vec<String>>,
    holds: Vec<(Option<String>, String)>,
    digest: Option<String>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
}

impl LastGood {
    /// In bytes.
    pub fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        let Self { since, claims: Claims { name, hosts, client_types }, holds, version } = self;
        let text = version.as_ref().map(|version| serde_json::from_str(&version.text)).transpose()?;
        serde_json::to_vec(&Written {
            form: FORM,
            since: *since,
            name: name.as_ref().map(ToString::to_string),
            hosts: hosts.iter().map(ToString::to_string).collect(),
            client_types: client_types.as_ref().map(|types| types.iter().map(ToString::to_string).collect()),
            holds: holds.iter().map(|(of, host)| (of.as_ref().map(ToString::to_string), host.to_string())).collect(),
            digest: version.as_ref().map(|version| URL_SAFE_NO_PAD.encode(version.digest.as_bytes())),
            text,
        })
    }

    /// From bytes. `None` for what another release wrote and this one cannot read.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let Written { form, since, name, hosts, client_types, holds, digest, text } =
            serde_json::from_slice(bytes).ok()?;
        let host = |text: String| HostPattern::parse(&text).ok();
        let client_type = |text: String| ClientType::parse(&text).ok();
        let name = name.map(|name| TenantName::parse(&name).ok().ok_or(())).transpose().ok()?;
        let client_types = match client_types {
            Some(types) => Some(types.into_iter().map(client_type).collect::<Option<_>>()?),
            None => None,
        };
        let claims = Claims { name, hosts: hosts.into_iter().map(host).collect::<Option<_>>()?, client_types };
        let pair = |(of, on): (Option<String>, String)| match of {
            Some(of) => Some((Some(client_type(of)?), host(on)?)),
            None => Some((None, host(on)?)),
        };
        let holds = holds.into_iter().map(pair).collect::<Option<_>>()?;
        let version = match (digest, text) {
            (Some(digest), Some(text)) => {
                let digest: [u8; 32] = URL_SAFE_NO_PAD.decode(digest).ok()?.try_into().ok()?;
                Some(Version { digest: Digest::from_bytes(digest), text: text.get().into() })
            }
            _ => None,
        };
        (form == FORM).then_some(Self { since, claims, holds, version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> LastGood {
        let host = HostPattern::parse("*.a.example").expect("is a host");
        let of = ClientType::parse("web").expect("is a client type");
        let claims = Claims {
            name: TenantName::parse("acme").ok(),
            hosts: vec![host.clone(), HostPattern::Any],
            client_types: Some(vec![of.clone()]),
        };
        let version = Version { digest: Digest::of("text"), text: r#"{"hosts":["*.a.example","*"]}"#.into() };
        let holds = vec![(Some(of), host), (None, HostPattern::Any)];
        LastGood { since: Timestamp::UNIX_EPOCH, claims, holds, version: Some(version) }
    }

    #[test]
    fn a_record_comes_back_as_it_went() {
        for record in [sample(), LastGood { version: None, ..sample() }] {
            let bytes = record.encode().expect("is JSON");
            assert_eq!(LastGood::decode(&bytes), Some(record));
        }
    }

    #[test]
    fn what_is_no_record_of_this_form_is_none() {
        let text = String::from_utf8(sample().encode().expect("is JSON")).expect("is UTF-8");
        for other in [
            text.replace("\"form\":1", "\"form\":2"),
            text.replace("*.a.example", "a b"),
            text.replace("\"web\"", "\"w w\""),
            text.replace("\"digest\":\"", "\"digest\":\"AA"),
            String::new(),
            "{}".to_owned(),
        ] {
            assert_eq!(LastGood::decode(other.as_bytes()), None, "{other}");
        }
    }
}
