//! Which addresses an Auth0 tenant may have. Asked at connect time, of every address a name leads to:
//! a name checked earlier may lead elsewhere by now.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// An address that no tenant may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressRefused {
    /// Not a public address, and in no `--allow-upstream`.
    #[error("the address is not public; allow its network with --allow-upstream")]
    NotPublic,
    /// Plain http to an address that is in no `--allow-upstream`.
    #[error("plain http goes only to networks given by --allow-upstream")]
    PlainHttp,
}

/// Networks in which a tenant may be beside the public ones.
#[derive(Debug, Clone, Default)]
pub struct AddressRules(Vec<IpNet>);

impl AddressRules {
    /// From `--allow-upstream`.
    pub fn new(allowed: Vec<IpNet>) -> Self {
        Self(allowed)
    }

    /// Whether a connection to the address may be made.
    pub fn check(&self, address: IpAddr, is_plain: bool) -> Result<(), AddressRefused> {
        let address = address.to_canonical();
        if self.0.iter().any(|network| network.contains(&address)) {
            Ok(())
        } else if !is_public(address) {
            Err(AddressRefused::NotPublic)
        } else if is_plain {
            Err(AddressRefused::PlainHttp)
        } else {
            Ok(())
        }
    }
}

/// Globally reachable unicast, by the IANA special-purpose registries.
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_shared = a == 100 && (64..128).contains(&b); // RFC 6598
    let is_benchmark = a == 198 && (18..20).contains(&b); // RFC 2544
    let is_protocol = a == 192 && b == 0 && c == 0; // RFC 6890
    let is_reserved = a == 0 || a >= 240; // RFC 1122, RFC 1112
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || is_shared
        || is_benchmark
        || is_protocol
        || is_reserved)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    // Everything that is handed out for the Internet is in 2000::/3; what is carved out of it leads
    // back to IPv4 or nowhere.
    let [head, second, ..] = address.segments();
    let is_global = head & 0xe000 == 0x2000;
    let is_documentation = (head == 0x2001 && second == 0x0db8) || head & 0xfff0 == 0x3ff0;
    let is_transition = head == 0x2002 || (head == 0x2001 && second == 0);
    is_global && !is_documentation && !is_transition
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, expected: bool) {
        assert_eq!(is_public(address.parse().expect("is an address")), expected, "{address}");
    }

    #[test]
    fn only_public_addresses_are_public() {
        for address in ["1.1.1.1", "104.18.0.1", "2606:4700::1", "172.15.255.255", "172.32.0.0"] {
            check(address, true);
        }
        for address in [
            "127.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "198.18.0.1",
            "192.0.0.8",
            "203.0.113.7",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001:0:4136::1",
            "::7f00:1",
        ] {
            check(address, false);
        }
    }

    #[test]
    fn what_is_allowed_is_allowed_and_plain_http_goes_nowhere_else() {
        let rules = AddressRules::new(vec!["127.0.0.0/8".parse().expect("is a network")]);
        let check = |address: &str, is_plain| rules.check(address.parse().expect("is an address"), is_plain);
        assert_eq!(check("127.0.0.1", true), Ok(()));
        assert_eq!(check("::ffff:127.0.0.1", true), Ok(()));
        assert_eq!(check("10.0.0.1", false), Err(AddressRefused::NotPublic));
        assert_eq!(check("1.1.1.1", true), Err(AddressRefused::PlainHttp));
        assert_eq!(check("1.1.1.1", false), Ok(()));
    }
}
