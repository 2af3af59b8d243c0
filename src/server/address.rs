//! Where to listen, as a flag says it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A `--listen` value: `host:port`, `[::]:port`, `unix:PATH` or `fd:N`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddr {
    /// A host name or address, and a port; port 0 takes a free one.
    Tcp {
        /// A name or an address: `app.example`, `0.0.0.0`, `::` (without its brackets).
        host: Box<str>,
        /// The port.
        port: u16,
    },
    /// A socket in the file system.
    Unix(PathBuf),
    /// A listening socket inherited under this number (systemd's begin at 3).
    Inherited(i32),
}

/// Why a text is no such address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListenAddrError {
    /// No port, or none that is one.
    #[error("`{0}` has no port: write HOST:PORT, [::]:PORT, unix:PATH or fd:N")]
    Port(String),
    /// No host before the port.
    #[error("`{0}` has no host: write 0.0.0.0{0} for all IPv4 addresses, [::]{0} for all")]
    Host(String),
    /// `::1` without brackets, or something else with several colons.
    #[error("`{0}` has too many colons: an IPv6 address stands in brackets, as in [::1]:8080")]
    Brackets(String),
    /// `unix:` without a path.
    #[error("`unix:` needs a path behind it")]
    Path,
    /// `fd:` without a number from 3 on.
    #[error("`fd:` needs a number from 3 on behind it: 0 to 2 are standard input, output and error")]
    Descriptor,
}

impl ListenAddr {
    /// Whether nobody but this machine can reach it. A host name counts only if it is `localhost`.
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Tcp { host, .. } => match host.parse::<std::net::IpAddr>() {
                Ok(address) => address.is_loopback(),
                Err(_) => &**host == "localhost",
            },
            Self::Unix(_) => true,
            Self::Inherited(_) => false,
        }
    }
}

impl FromStr for ListenAddr {
    type Err = ListenAddrError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() { Err(ListenAddrError::Path) } else { Ok(Self::Unix(path.into())) };
        }
        if let Some(number) = text.strip_prefix("fd:") {
            let number = number.parse().ok().filter(|number| *number >= 3);
            return number.map(Self::Inherited).ok_or(ListenAddrError::Descriptor);
        }
        let bad_port = || ListenAddrError::Port(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(bad_port)?;
        if host.is_empty() {
            return Err(ListenAddrError::Host(text.to_owned()));
        }
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if bare.is_none() && host.contains([':', '[', ']'])
            || bare.is_some_and(|bare| bare.parse::<std::net::Ipv6Addr>().is_err())
        {
            return Err(ListenAddrError::Brackets(text.to_owned()));
        }
        // `parse` alone would take "+80".
        if !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(bad_port());
        }
        Ok(Self::Tcp { host: bare.unwrap_or(host).into(), port: port.parse().map_err(|_| bad_port())? })
    }
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Inherited(number) => write!(f, "fd:{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, wanted: Result<ListenAddr, ListenAddrError>) {
        assert_eq!(text.parse(), wanted, "{text}");
        if let Ok(address) = wanted {
            assert_eq!(address.to_string(), text);
        }
    }

    fn tcp(host: &str, port: u16) -> ListenAddr {
        ListenAddr::Tcp { host: host.into(), port }
    }

    #[test]
    fn the_four_forms_are_read_and_written_back() {
        check("0.0.0.0:8080", Ok(tcp("0.0.0.0", 8080)));
        check("localhost:0", Ok(tcp("localhost", 0)));
        check("[::]:8080", Ok(tcp("::", 8080)));
        check("unix:/run/gateway.sock", Ok(ListenAddr::Unix("/run/gateway.sock".into())));
        check("fd:3", Ok(ListenAddr::Inherited(3)));
    }

    #[test]
    fn what_is_no_address_says_what_to_write() {
        let owned = str::to_owned;
        check("8080", Err(ListenAddrError::Port(owned("8080"))));
        check("localhost:http", Err(ListenAddrError::Port(owned("localhost:http"))));
        check("localhost:+80", Err(ListenAddrError::Port(owned("localhost:+80"))));
        check("localhost:70000", Err(ListenAddrError::Port(owned("localhost:70000"))));
        check("localhost:", Err(ListenAddrError::Port(owned("localhost:"))));
        check(":8080", Err(ListenAddrError::Host(owned(":8080"))));
        check("::1:8080", Err(ListenAddrError::Brackets(owned("::1:8080"))));
        check("[localhost]:80", Err(ListenAddrError::Brackets(owned("[localhost]:80"))));
        check("unix:", Err(ListenAddrError::Path));
        check("fd:2", Err(ListenAddrError::Descriptor));
        check("fd:x", Err(ListenAddrError::Descriptor));
    }

    #[test]
    fn loopback_is_told_from_the_rest() {
        for (text, wanted) in [
            ("127.0.0.1:1", true),
            ("127.9.9.9:1", true),
            ("[::1]:1", true),
            ("localhost:1", true),
            ("unix:/a", true),
            ("0.0.0.0:1", false),
            ("[::]:1", false),
            ("example.com:1", false),
            ("fd:3", false),
        ] {
            let address: ListenAddr = text.parse().expect("is an address");
            assert_eq!(address.is_loopback(), wanted, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_read_again_as_the_same(text in "\\PC{0,20}|[a-z0-9.:\\[\\]]{0,20}") {
            if let Ok(address) = text.parse::<ListenAddr>() {
                prop_assert_eq!(address.to_string().parse(), Ok(address));
            }
        }
    }
}
