//! Which hop to believe: the user's address, host and scheme behind trusted proxies.
//!
//! A forwarded header counts only from a peer that the operator trusts (lessons 2.11): from anyone
//! else it is dropped, and that is told once a peer.

use std::net::IpAddr;

use http::HeaderMap;
use ipnet::IpNet;

/// Which peers' forwarded headers count. Loopback always does; a peer on a unix socket too.
#[derive(Debug, Clone)]
pub struct TrustedProxies(Vec<IpNet>);

/// What `--trusted-proxy private` stands for: RFC 1918, RFC 4193, RFC 6598.
pub const PRIVATE: [&str; 5] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "100.64.0.0/10"];

impl TrustedProxies {
    /// Loopback and these.
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Whether the address is one of a trusted proxy.
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_loopback() || self.0.iter().any(|network| network.contains(&address))
    }
}

/// What a request says of its way here, as far as it is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop<'a> {
    /// The right-most hop that is no trusted proxy. `None` on a unix socket that names none.
    pub address: Option<IpAddr>,
    /// `X-Forwarded-Host` of a trusted peer.
    pub forwarded_host: ForwardedHost<'a>,
    /// `X-Forwarded-Proto` of a trusted peer: whether the visitor used TLS.
    pub is_https: Option<bool>,
    /// Whether the peer may speak for others.
    pub is_trusted: bool,
    /// Whether an untrusted peer sent forwarded headers, which were dropped.
    pub dropped: bool,
}

/// `X-Forwarded-Host` as far as it is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardedHost<'a> {
    /// None was sent, or the peer is not trusted.
    Absent,
    /// One value, not yet parsed.
    One(&'a str),
    /// Two, or one with a comma, or no text: who is right cannot be told.
    Ambiguous,
}

impl<'a> Hop<'a> {
    /// From the peer's address (`None`: a unix socket) and the headers.
    pub fn of(peer: Option<IpAddr>, headers: &'a HeaderMap, trusted: &TrustedProxies) -> Self {
        let peer = peer.map(|peer| peer.to_canonical());
        if peer.is_some_and(|peer| !trusted.trusts(peer)) {
            let names = ["x-forwarded-host", "x-forwarded-for", "x-forwarded-proto"];
            let dropped = names.iter().any(|name| headers.contains_key(*name));
            return Self {
                address: peer,
                forwarded_host: ForwardedHost::Absent,
                is_https: None,
                is_trusted: false,
                dropped,
            };
        }
        Self {
            address: user_address(headers, trusted).or(peer),
            forwarded_host: forwarded_host(headers),
            is_https: forwarded_scheme(headers),
            is_trusted: true,
            dropped: false,
        }
    }
}

/// Walks `X-Forwarded-For` from the right over trusted proxies. An entry that is no address ends
/// the walk: what stands left of it was written by who knows whom.
fn user_address(headers: &HeaderMap, trusted: &TrustedProxies) -> Option<IpAddr> {
    let mut found = None;
    for value in headers.get_all("x-forwarded-for").iter().rev() {
        for entry in value.to_str().ok()?.rsplit(',') {
            let Some(address) = parse_entry(entry.trim()) else { return found };
            found = Some(address);
            if !trusted.trusts(address) {
                return found;
            }
        }
    }
    found
}

/// `203.0.113.7`, `203.0.113.7:4711`, `2001:db8::1` or `[2001:db8::1]:4711`.
fn parse_entry(entry: &str) -> Option<IpAddr> {
    let address = entry.parse::<IpAddr>().or_else(|_| entry.parse::<std::net::SocketAddr>().map(|it| it.ip()));
    address.ok().map(|address| address.to_canonical())
}

fn forwarded_host(headers: &HeaderMap) -> ForwardedHost<'_> {
    let mut values = headers.get_all("x-forwarded-host").iter();
    match (values.next(), values.next()) {
        (None, _) => ForwardedHost::Absent,
        (Some(one), None) => match one.to_str() {
            Ok(text) if !text.contains(',') => ForwardedHost::One(text),
            _ => ForwardedHost::Ambiguous,
        },
        _ => ForwardedHost::Ambiguous,
    }
}

fn forwarded_scheme(headers: &HeaderMap) -> Option<bool> {
    match headers.get("x-forwarded-proto")?.to_str().ok()? {
        "https" | "wss" => Some(true),
        "http" | "ws" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn trusted() -> TrustedProxies {
        TrustedProxies::new(vec!["10.0.0.0/8".parse().expect("is a network")])
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().expect("is a value"));
        }
        headers
    }

    fn address(peer: &str, forwarded: &str) -> Option<String> {
        let headers = headers(&[("x-forwarded-for", forwarded)]);
        Hop::of(Some(peer.parse().expect("is an address")), &headers, &trusted()).address.map(|it| it.to_string())
    }

    #[test]
    fn the_user_is_the_right_most_untrusted_hop() {
        assert_eq!(address("10.0.0.1", "203.0.113.7, 198.51.100.2, 10.0.0.9").as_deref(), Some("198.51.100.2"));
        assert_eq!(address("127.0.0.1", "10.0.0.9").as_deref(), Some("10.0.0.9"));
        assert_eq!(address("10.0.0.1", "[2001:db8::1]:9").as_deref(), Some("2001:db8::1"));
    }

    #[test]
    fn what_is_left_of_rubbish_is_not_believed() {
        assert_eq!(address("10.0.0.1", "203.0.113.7, unknown, 10.0.0.9").as_deref(), Some("10.0.0.9"));
        assert_eq!(address("10.0.0.1", "unknown").as_deref(), Some("10.0.0.1"));
    }

    #[test]
    fn an_untrusted_peer_speaks_for_itself_alone() {
        let headers = headers(&[
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-proto", "https"),
        ]);
        let hop = Hop::of(Some("203.0.113.7".parse().expect("is an address")), &headers, &trusted());
        assert_eq!((hop.forwarded_host, hop.is_https, hop.dropped), (ForwardedHost::Absent, None, true));
        assert_eq!(hop.address.map(|it| it.to_string()).as_deref(), Some("203.0.113.7"));
    }

    #[test]
    fn two_forwarded_hosts_are_ambiguous() {
        for pairs in [
            &[("x-forwarded-host", "a.example"), ("x-forwarded-host", "b.example")][..],
            &[("x-forwarded-host", "a.example, b.example")][..],
        ] {
            let headers = headers(pairs);
            assert_eq!(Hop::of(None, &headers, &trusted()).forwarded_host, ForwardedHost::Ambiguous);
        }
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(value in "[ -~]{0,80}") {
            let headers = headers(&[("x-forwarded-for", &value), ("x-forwarded-host", &value), ("x-forwarded-proto", &value)]);
            let _ = Hop::of(None, &headers, &trusted());
        }
    }
}
