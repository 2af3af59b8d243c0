//! The names that the gateway decides by, each parsed once at the border.
//!
//! A value of these types is proof that the text was well formed and canonical: the inside never
//! compares raw header bytes.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// Why a text is not such a name. Names the rule, never the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NameError(pub &'static str);

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $rule:expr, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// What the text must look like, for messages.
            pub const RULE: &'static str = $rule;

            /// Parses the text; the error names the rule.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) { Ok(Self(text.into())) } else { Err(NameError(Self::RULE)) }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// A tenant's name: its file's stem.
    TenantName, "1 to 63 of a-z, 0-9 and -",
    |text| of(text, 63, |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

name! {
    /// A client type: what the header `client-type` says. Case counts.
    ClientType, "1 to 64 of A-Z, a-z, 0-9, `.`, `_` and -", |text| of(text, 64, is_word)
}

name! {
    /// The name of an Auth0 connection, such as `Username-Password-Production`. Case counts.
    ConnectionName, "1 to 128 of A-Z, a-z, 0-9, `.`, `_` and -", |text| of(text, 128, is_word)
}

name! {
    /// An `iss`, compared byte by byte: Auth0's ends in a slash (auth0-facts 6.1).
    Issuer, "an http or https URL without query and fragment",
    |text| {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        rest.is_some_and(|rest| {
            !rest.is_empty()
                && text.len() <= 256
                && rest.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'"' | b'\\'))
        })
    }
}

fn of(text: &str, most: usize, valid: fn(u8) -> bool) -> bool {
    (1..=most).contains(&text.len()) && text.bytes().all(valid)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

/// The public host of a request, canonical: lower case, punycode, no default port, no trailing dot.
///
/// A tenant is found by [`Host::name`] alone; a port that is not a scheme's default is kept, since
/// `{host}` in a redirect URL must lead back to where the visitor is.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Host {
    text: Arc<str>,
    name_length: usize,
}

impl Host {
    const RULE: NameError = NameError("a host name or address, with an optional port");

    /// From a `Host` header, an `:authority` or an `X-Forwarded-Host` value.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let (name, port) = split_port(text).ok_or(Self::RULE)?;
        let name = canonical_name(name).ok_or(Self::RULE)?;
        let name_length = name.len();
        let text = match port {
            Some(port) if port != 80 && port != 443 => format!("{name}:{port}").into(),
            _ => name.into(),
        };
        Ok(Self { text, name_length })
    }

    /// Without the port: `app.acme.com`, `127.0.0.1`, `[::1]`.
    pub fn name(&self) -> &str {
        self.text.get(..self.name_length).unwrap_or(&self.text)
    }

    /// With the port where it is not the default: `app.acme.localhost:8080`.
    pub fn with_port(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.text, f)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A host as a tenant file names it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostPattern {
    /// `app.acme.com`: this name alone.
    Exact(Arc<str>),
    /// `*.acme.com`, held as `acme.com`: one or more labels before it, never the name itself.
    Suffix(Arc<str>),
    /// `*`: any host.
    Any,
}

impl HostPattern {
    const RULE: NameError = NameError("a host name without a port, `*.` and a host name, or `*`");

    /// Parses and canonicalises what a file says.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let (name, is_suffix) = match text.strip_prefix("*.") {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        if split_port(name).is_none_or(|(_, port)| port.is_some()) {
            return Err(Self::RULE);
        }
        let name: Arc<str> = canonical_name(name).ok_or(Self::RULE)?.into();
        Ok(if is_suffix { Self::Suffix(name) } else { Self::Exact(name) })
    }

    /// Whether the pattern covers the host.
    pub fn covers(&self, host: &Host) -> bool {
        match self {
            Self::Exact(name) => **name == *host.name(),
            Self::Suffix(suffix) => {
                host.name().strip_suffix(&**suffix).is_some_and(|head| head.len() > 1 && head.ends_with('.'))
            }
            Self::Any => true,
        }
    }

    /// Whether every host that `other` covers is covered by this one too.
    pub fn contains(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (Self::Exact(a), Self::Exact(b)) => a == b,
            (Self::Suffix(a), Self::Suffix(b) | Self::Exact(b)) => {
                a == b && matches!(other, Self::Suffix(_))
                    || b.strip_suffix(&**a).is_some_and(|head| head.ends_with('.'))
            }
            _ => false,
        }
    }
}

impl fmt::Debug for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Suffix(name) => write!(f, "*.{name}"),
            Self::Any => f.write_str("*"),
        }
    }
}

/// A name and perhaps a port; the brackets of an `IPv6` address stay with the name. `None` for anything else.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    let name_end = if text.starts_with('[') { text.find(']')? + 1 } else { text.find(':').unwrap_or(text.len()) };
    let (name, rest) = text.split_at_checked(name_end)?;
    match rest.strip_prefix(':') {
        None if rest.is_empty() => Some((name, None)),
        Some(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some((name, Some(digits.parse().ok()?)))
        }
        _ => None,
    }
}

/// Lower case, punycode, no trailing dot; `None` where it is no host name.
fn canonical_name(name: &str) -> Option<String> {
    if let Some(inner) = name.strip_prefix('[') {
        let address: std::net::Ipv6Addr = inner.strip_suffix(']')?.parse().ok()?;
        return Some(format!("[{address}]"));
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    let canonical = if name.is_ascii() && !name.contains("--") {
        name.to_ascii_lowercase()
    } else {
        // Only names with something to convert, or to check as punycode, pay for IDNA.
        idna::domain_to_ascii(name).ok()?
    };
    let valid = (1..=253).contains(&canonical.len()) && canonical.split('.').all(is_label);
    valid.then_some(canonical)
}

/// An underscore is no DNS host, yet container networks use it and browsers send it.
fn is_label(label: &str) -> bool {
    of(label, 63, |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn host(text: &str) -> Option<String> {
        Host::parse(text).ok().map(|host| host.to_string())
    }

    #[test]
    fn hosts_are_canonical() {
        let same = ["app.acme.com", "APP.Acme.Com", "app.acme.com.", "app.acme.com:443", "app.acme.com:80"];
        for text in same {
            assert_eq!(host(text).as_deref(), Some("app.acme.com"), "{text}");
        }
        assert_eq!(host("bücher.example").as_deref(), Some("xn--bcher-kva.example"));
        assert_eq!(host("app.acme.localhost:8080").as_deref(), Some("app.acme.localhost:8080"));
        assert_eq!(host("[0:0::1]:8080").as_deref(), Some("[::1]:8080"));
    }

    #[test]
    fn what_is_no_host_is_refused() {
        let bad = [
            "",
            ".",
            "a..b",
            "a b",
            "a/b",
            "a@b",
            "a,b",
            "a:b",
            "a:",
            "a:99999",
            "[::1",
            "::1",
            "a\\b",
            "a%2eb",
            "a.com..",
            "xn--\u{0}",
            "a?b",
            "a#b",
        ];
        for text in bad {
            assert_eq!(host(text), None, "{text}");
        }
    }

    #[test]
    fn a_suffix_covers_labels_and_not_itself() {
        let pattern = HostPattern::parse("*.acme.com").expect("is a pattern");
        let covered = |text| pattern.covers(&Host::parse(text).expect("is a host"));
        assert!(covered("a.acme.com") && covered("a.b.acme.com:8443"));
        assert!(!covered("acme.com") && !covered("badacme.com") && !covered("acme.com.evil.example"));
        assert!(pattern.contains(&HostPattern::parse("x.acme.com").expect("is a pattern")));
        assert!(!pattern.contains(&HostPattern::parse("acme.com").expect("is a pattern")));
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_is_idempotent(text in "\\PC{0,40}") {
            if let Ok(host) = Host::parse(&text) {
                let again = Host::parse(host.with_port()).expect("canonical text parses");
                prop_assert_eq!(again, host);
            }
            let _ = HostPattern::parse(&text);
        }
    }
}
