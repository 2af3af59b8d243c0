//! Requests that another site's page made the browser send (contract §4, Cross-site).
//!
//! Asked only of requests that bring a session cookie or whose answer would set one. Programs that
//! are no browsers send neither header and are not affected.

use http::HeaderMap;

use crate::base::id::Host;

/// What a request is held against.
#[derive(Debug, Clone, Copy)]
pub struct OwnSite<'a> {
    /// The request's host.
    pub host: &'a Host,
    /// Whether the visitor used TLS, where that is known.
    pub is_https: Option<bool>,
    /// The client's `allowed_origins`.
    pub allowed_origins: &'a [Box<str>],
}

/// Whether a page of another site is behind the request.
pub fn is_cross_site(headers: &HeaderMap, own: OwnSite<'_>) -> bool {
    let origin = match Origin::of(headers, own) {
        Ok(origin) => origin,
        Err(Foreign) => return true,
    };
    match headers.get("sec-fetch-site").map(http::HeaderValue::as_bytes) {
        None | Some(b"same-origin" | b"none") => false,
        Some(b"same-site") => origin != Origin::Listed && origin != Origin::Own,
        Some(_) => true,
    }
}

/// Whose page sent the request, by `Origin`.
#[derive(Debug, PartialEq, Eq)]
enum Origin {
    Absent,
    Own,
    Listed,
}

/// Another site's, `null`, or more than one.
struct Foreign;

impl Origin {
    fn of(headers: &HeaderMap, own: OwnSite<'_>) -> Result<Self, Foreign> {
        let mut values = headers.get_all("origin").iter();
        let (Some(origin), None) = (values.next(), values.next()) else {
            return if headers.contains_key("origin") { Err(Foreign) } else { Ok(Self::Absent) };
        };
        let origin = origin.to_str().map_err(|_| Foreign)?;
        if is_own(origin, own) {
            Ok(Self::Own)
        } else if own.allowed_origins.iter().any(|allowed| **allowed == *origin) {
            Ok(Self::Listed)
        } else {
            Err(Foreign)
        }
    }
}

/// Scheme and host both count where the scheme is known: a page of `http://` is another origin.
fn is_own(origin: &str, own: OwnSite<'_>) -> bool {
    let Some((scheme, host)) = origin.split_once("://") else { return false };
    let scheme_fits = match own.is_https {
        Some(true) => scheme == "https",
        Some(false) => scheme == "http",
        None => scheme == "https" || scheme == "http",
    };
    scheme_fits && Host::parse(host).is_ok_and(|host| host == *own.host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pairs: &[(&'static str, &str)], expected: bool) {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().expect("is a value"));
        }
        let host = Host::parse("app.acme.com").expect("is a host");
        let allowed = ["https://portal.acme.com".into()];
        let own = OwnSite { host: &host, is_https: Some(true), allowed_origins: &allowed };
        assert_eq!(is_cross_site(&headers, own), expected, "{pairs:?}");
    }

    #[test]
    fn a_program_that_is_no_browser_is_not_affected() {
        check(&[], false);
    }

    #[test]
    fn own_and_listed_pages_pass() {
        check(&[("origin", "https://app.acme.com")], false);
        check(&[("origin", "https://app.acme.com"), ("sec-fetch-site", "same-origin")], false);
        check(&[("origin", "https://portal.acme.com"), ("sec-fetch-site", "same-site")], false);
        check(&[("sec-fetch-site", "none")], false);
    }

    #[test]
    fn everything_else_is_another_site() {
        for origin in [
            "https://evil.example",
            "null",
            "http://app.acme.com",
            "https://app.acme.com.evil.example",
            "https://app.acme.com@evil.example",
        ] {
            check(&[("origin", origin)], true);
        }
        check(&[("sec-fetch-site", "cross-site")], true);
        check(&[("sec-fetch-site", "same-site")], true);
        check(&[("origin", "https://portal.acme.com"), ("sec-fetch-site", "cross-site")], true);
        check(&[("origin", "https://app.acme.com"), ("origin", "https://evil.example")], true);
    }
}
