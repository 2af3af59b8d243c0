//! The cookies of logins under way: one per `state`, so that two tabs do not overwrite one another.
//!
//! Their names begin with `__Host-` wherever cookies are `Secure`: no sibling host can set one (RFC 6265bis
//! §4.1.3.2), so nobody plants a login of his own in a visitor's browser.

use cookie::SameSite as CookieSameSite;
use http::{HeaderMap, HeaderValue};

use super::cookie::{self as one_cookie, Found, Transport};
use crate::flow::login::SealedTransaction;
use crate::flow::login::transaction::{LIFETIME, PREFIX};
use crate::tenant::model::SameSite;

const HOST_PREFIX: &str = "__Host-";

fn prefix(transport: Transport) -> &'static str {
    match transport {
        Transport::Secure => HOST_PREFIX,
        Transport::PlainLoopback => "",
    }
}

/// The sealed transaction of that name. Two different ones are none: somebody planted one.
pub fn find<'a>(headers: &'a HeaderMap, name: &str, transport: Transport) -> Option<&'a str> {
    match one_cookie::find(headers, &format!("{}{name}", prefix(transport))) {
        Found::One(value) => Some(value),
        Found::None | Found::Several => None,
    }
}

/// Names, without their prefix, and values of all logins under way in this browser.
pub fn under_way(headers: &HeaderMap, transport: Transport) -> Vec<(&str, &str)> {
    let mut found: Vec<(&str, &str)> = Vec::new();
    for (name, value) in one_cookie::pairs(headers) {
        let name = name.strip_prefix(prefix(transport)).filter(|name| name.starts_with(PREFIX));
        if let Some(name) = name
            && !found.iter().any(|(have, _)| *have == name)
        {
            found.push((name, value));
        }
    }
    found
}

/// `Set-Cookie` for a login that begins.
pub fn set(transaction: &SealedTransaction, same_site: SameSite, transport: Transport) -> Option<HeaderValue> {
    let max_age = cookie::time::Duration::try_from(LIFETIME).unwrap_or(cookie::time::Duration::ZERO);
    let name = format!("{}{}", prefix(transport), transaction.name);
    one_cookie::write(&name, &transaction.value, (as_sent(same_site, transport), max_age), transport)
}

/// `Set-Cookie` that takes one away. In an answer to another site's page browsers heed it only as they took it.
pub fn clear(name: &str, same_site: SameSite, transport: Transport) -> Option<HeaderValue> {
    let name = format!("{}{name}", prefix(transport));
    one_cookie::write(&name, "", (as_sent(same_site, transport), cookie::time::Duration::ZERO), transport)
}

/// `Strict` would not come back from Auth0's page, and browsers keep `None` with `Secure` alone.
fn as_sent(same_site: SameSite, transport: Transport) -> CookieSameSite {
    match (same_site, transport) {
        (SameSite::None, Transport::Secure) => CookieSameSite::None,
        (SameSite::Strict | SameSite::Lax | SameSite::None, _) => CookieSameSite::Lax,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.append("cookie", value.parse().expect("is a value"));
        headers
    }

    #[test]
    fn a_cookie_that_a_sibling_host_could_set_is_not_looked_at() {
        let tossed = headers("txn-a=evil; sid=x");
        assert_eq!(find(&tossed, "txn-a", Transport::Secure), None);
        assert_eq!(find(&headers("__Host-txn-a=good; txn-a=evil"), "txn-a", Transport::Secure), Some("good"));
        assert_eq!(find(&headers("txn-a=one; txn-a=two"), "txn-a", Transport::PlainLoopback), None);
    }

    #[test]
    fn all_logins_under_way_are_found() {
        let headers = headers("__Host-txn-a=1; x=2; __Host-txn-b=3; txn-c=4");
        assert_eq!(under_way(&headers, Transport::Secure), [("txn-a", "1"), ("txn-b", "3")]);
    }

    #[test]
    fn a_transaction_cookie_comes_back_from_another_site_and_to_its_host_alone() {
        let transaction = SealedTransaction { name: "txn-a".to_owned(), value: "v".to_owned() };
        let text = set(&transaction, SameSite::Strict, Transport::Secure).expect("is a header");
        assert_eq!(text, "__Host-txn-a=v; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=600");
        let text = clear("txn-a", SameSite::None, Transport::Secure).expect("is a header");
        assert_eq!(text, "__Host-txn-a=; HttpOnly; SameSite=None; Secure; Path=/; Max-Age=0");
        let text = clear("txn-a", SameSite::None, Transport::PlainLoopback).expect("is a header");
        assert_eq!(text, "txn-a=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0");
    }
}
