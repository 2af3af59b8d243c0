//! Reading one cookie out of `Cookie`, and writing `Set-Cookie`.

use cookie::{Cookie, SameSite as CookieSameSite};
use http::{HeaderMap, HeaderValue, header};

use crate::flow::SessionId;
use crate::tenant::model::{SameSite, SessionPolicy};

/// More pairs than this are not looked at: a stranger's header is scanned in bounded time.
const MOST_PAIRS: usize = 200;

/// What the request says under one name.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// No such cookie.
    None,
    /// One value; the same value twice counts as one.
    One(&'a str),
    /// Two values: somebody on a sibling host may have set one of them (cookie tossing).
    Several,
}

/// Looks the name up. Names compare byte by byte (RFC 6265 §5.4).
pub fn find<'a>(headers: &'a HeaderMap, name: &str) -> Found<'a> {
    let mut found = Found::None;
    for (key, value) in pairs(headers) {
        if key == name {
            match found {
                Found::None => found = Found::One(value),
                Found::One(before) if before == value => {}
                Found::One(_) | Found::Several => return Found::Several,
            }
        }
    }
    found
}

/// Names and values, in the order sent.
pub(super) fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let texts = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = texts.flat_map(|text| text.split(';')).take(MOST_PAIRS).filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.trim_ascii(), value.trim_ascii()))
}

/// Whether a cookie may go over plain http: in `dev` on loopback, nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// `Secure`.
    Secure,
    /// Without `Secure`.
    PlainLoopback,
}

/// `Set-Cookie` for a new session.
pub fn set(policy: &SessionPolicy, id: &SessionId, transport: Transport) -> Option<HeaderValue> {
    let max_age = cookie::time::Duration::try_from(policy.lifetime).unwrap_or(cookie::time::Duration::MAX);
    write(&policy.cookie, id.expose(), (same_site(policy), max_age), transport)
}

/// `Set-Cookie` that takes the cookie away.
pub fn clear(policy: &SessionPolicy, transport: Transport) -> Option<HeaderValue> {
    write(&policy.cookie, "", (same_site(policy), cookie::time::Duration::ZERO), transport)
}

fn same_site(policy: &SessionPolicy) -> CookieSameSite {
    match policy.same_site {
        SameSite::Strict => CookieSameSite::Strict,
        SameSite::Lax => CookieSameSite::Lax,
        SameSite::None => CookieSameSite::None,
    }
}

/// Every cookie of the gateway. `None` cannot be: names are checked when a file is read, or are the gateway's own, and
/// values are base64url.
pub(super) fn write(
    name: &str,
    value: &str,
    (same_site, max_age): (CookieSameSite, cookie::time::Duration),
    transport: Transport,
) -> Option<HeaderValue> {
    let cookie = Cookie::build((name, value))
        .http_only(true)
        .secure(transport == Transport::Secure)
        .path("/")
        .same_site(same_site)
        .max_age(max_age);
    HeaderValue::from_str(&cookie.to_string()).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::COOKIE, value.parse().expect("is a value"));
        }
        headers
    }

    #[test]
    fn one_name_is_found_among_others() {
        assert_eq!(find(&headers(&["a=1; sid=x; b=2"]), "sid"), Found::One("x"));
        assert_eq!(find(&headers(&["a=1", " sid = x "]), "sid"), Found::One("x"));
        assert_eq!(find(&headers(&["SID=x; xsid=y; sid2=z"]), "sid"), Found::None);
    }

    #[test]
    fn two_values_are_told_from_one_twice() {
        assert_eq!(find(&headers(&["sid=x; sid=x"]), "sid"), Found::One("x"));
        assert_eq!(find(&headers(&["sid=x", "sid=y"]), "sid"), Found::Several);
    }

    #[test]
    fn a_session_cookie_has_every_attribute_of_the_contract() {
        let policy = SessionPolicy {
            same_site: SameSite::Lax,
            idle: std::time::Duration::from_secs(60),
            lifetime: std::time::Duration::from_secs(3600),
            cookie: "sid".into(),
            expose_sid: true,
            tokens_on_request: false,
            per_user: 50,
            recheck: std::time::Duration::from_secs(60),
            on_store_error: crate::tenant::model::OnStoreError::FailClosed,
            hosts: Vec::new(),
        };
        let id = SessionId::generate(&crate::base::random::SeededRandom::new(1));
        let text = set(&policy, &id, Transport::Secure).expect("is a header");
        let expected = format!("sid={}; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=3600", id.expose());
        assert_eq!(text.to_str().expect("is text"), expected);
        let text = clear(&policy, Transport::PlainLoopback).expect("is a header");
        assert_eq!(text.to_str().expect("is text"), "sid=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0");
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(value in "[ -~]{0,200}") {
            let _ = find(&headers(&[&value]), "sid");
        }
    }
}
