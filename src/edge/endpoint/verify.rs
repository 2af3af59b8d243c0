//! `/verify`: forward authentication for nginx `auth_request`, Traefik `ForwardAuth`, Envoy `ext_authz`.
//!
//! Whose application it is stands in the proxy's configuration, in the path; nothing that a visitor sends names it
//! (lessons 2.11). Every `x-auth-*` is in every 200, empty where there is nothing, so that a proxy which copies them
//! overwrites whatever the visitor sent under these names.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::super::error::Failure;
use super::super::exchange::Exchange;
use super::super::reply::{self, Reply};
use super::super::request::RequestError;
use super::super::route;
use super::super::service::Incoming;
use super::{session_cookie, userinfo};
use crate::flow::userinfo::Credential;
use crate::flow::verify::{self, Visitor};
use crate::flow::{Call, SessionId};

/// What stands for itself: RFC 3986 §2.3, and `@`, so that an e-mail can be read.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@');

/// What a visitor who may not pass is to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Login {
    /// 401 alone.
    Unsaid,
    /// `?login=redirect`: 302 to the login, for a proxy that hands the answer on as it is.
    Redirect,
    /// `?login=location`: 401 with the login's `Location`, for nginx, which takes nothing but 401.
    Location,
}

/// Answers 200 with who the visitor is, or 401. The body is not read.
pub(in super::super) async fn answer(incoming: &Incoming<'_>, exchange: &mut Exchange<'_>) -> Result<Reply, Failure> {
    let place = route::verified(incoming.path());
    let call = match place.whose {
        Some((tenant, client)) => incoming.call_in(tenant, client, exchange)?,
        None => incoming.call(None, exchange)?,
    };
    let failure = match pass(incoming, &call).await {
        Ok(visitor) => return passed(&call, &visitor),
        Err(failure) => failure,
    };
    let may_log_in = match &failure {
        Failure::NoCredential => true,
        Failure::Userinfo(error) => verify::asks_for_a_login(error),
        _ => false,
    };
    let wished = wished(incoming.parts.uri.query().unwrap_or_default());
    if !may_log_in || wished == Login::Unsaid || !is_page(incoming) {
        return Err(failure);
    }
    let original = original(incoming, place.rest);
    let page = verify::login_page(&call, &incoming.service.options.prefix, original.as_deref());
    let Some(location) = page.and_then(|page| HeaderValue::try_from(page).ok()) else { return Err(failure) };
    exchange.failed(&failure);
    let mut reply = match wished {
        Login::Redirect => reply::empty(StatusCode::FOUND),
        Login::Location | Login::Unsaid => failure.reply(),
    };
    reply.headers_mut().insert(header::LOCATION, location);
    Ok(reply)
}

/// `Authorization` beats the cookie. What cannot be told apart does not pass: a proxy takes 401 for an answer and 400
/// for a fault of its own.
async fn pass(incoming: &Incoming<'_>, call: &Call) -> Result<Visitor, Failure> {
    let ambiguous = |failure| match failure {
        Failure::TwoCookies | Failure::TwoCredentials | Failure::Request(RequestError::Authorization) => {
            Failure::AmbiguousCredential
        }
        other => other,
    };
    let services = &incoming.service.services;
    let id: SessionId;
    let credential = if let Some(token) = userinfo::bearer(incoming, None, None).map_err(ambiguous)? {
        Credential::Bearer(token)
    } else {
        id = session_cookie(incoming, call).map_err(ambiguous)?.ok_or(Failure::NoCredential)?;
        Credential::Session(&id)
    };
    verify::run(services, call, credential).await.map_err(Failure::Userinfo)
}

fn passed(call: &Call, visitor: &Visitor) -> Result<Reply, Failure> {
    let mut reply = reply::empty(StatusCode::OK);
    for (name, value) in told(call.tenant.name.as_str(), visitor) {
        let value = HeaderValue::try_from(value).map_err(|_| Failure::Internal)?;
        reply.headers_mut().insert(HeaderName::from_static(name), value);
    }
    Ok(reply)
}

/// All of them, always. Percent-encoded, groups each on its own: neither a comma nor a line break in a name makes two.
fn told(tenant: &str, visitor: &Visitor) -> [(&'static str, String); 5] {
    let encode = |text: &str| utf8_percent_encode(text, ENCODED).to_string();
    let groups: Vec<String> = visitor.groups.iter().map(|group| encode(group)).collect();
    let verified = match visitor.email_verified {
        Some(true) => "true",
        Some(false) => "false",
        None => "",
    };
    [
        ("x-auth-user", encode(&visitor.subject)),
        ("x-auth-tenant", tenant.to_owned()),
        ("x-auth-email", encode(visitor.email.as_deref().unwrap_or_default())),
        ("x-auth-email-verified", verified.to_owned()),
        ("x-auth-groups", groups.join(",")),
    ]
}

/// The proxy's wish, in the query. Where a proxy appends the visitor's own query, the visitor chooses between these
/// three, and passes by none.
fn wished(query: &str) -> Login {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    match pairs.find(|(name, _)| name == "login").as_ref().map(|(_, value)| &**value) {
        Some("redirect") => Login::Redirect,
        Some("location") => Login::Location,
        _ => Login::Unsaid,
    }
}

/// Whether a browser is on its way to a page: what a script asks for reads 401, and a form would lose its body.
fn is_page(incoming: &Incoming<'_>) -> bool {
    let method = match forwarded(incoming, &["x-forwarded-method", "x-original-method"]) {
        Ok(forwarded) => forwarded.unwrap_or(incoming.parts.method.as_str()),
        Err(Ambiguous) => return false,
    };
    let mode = incoming.parts.headers.get("sec-fetch-mode");
    (method == Method::GET.as_str() || method == Method::HEAD.as_str()) && mode.is_none_or(|it| it == "navigate")
}

/// Where the visitor wanted to go, as a path with its query: what the proxy says, or what it appended to its own path.
fn original(incoming: &Incoming<'_>, rest: &str) -> Option<String> {
    if let Some(uri) = forwarded(incoming, &["x-forwarded-uri", "x-original-uri"]).ok()? {
        return Some(uri.to_owned());
    }
    if let Some(url) = forwarded(incoming, &["x-original-url"]).ok()? {
        let url = url::Url::parse(url).ok()?;
        return Some(url[url::Position::BeforePath..url::Position::AfterQuery].to_owned());
    }
    (incoming.facts.is_peer_trusted && !rest.is_empty()).then(|| rest.to_owned())
}

/// Two values, or none that is text.
struct Ambiguous;

/// The one value of the first of these headers that a trusted proxy sent.
fn forwarded<'a>(incoming: &'a Incoming<'_>, names: &[&str]) -> Result<Option<&'a str>, Ambiguous> {
    let headers: &HeaderMap = &incoming.parts.headers;
    let sent = |name: &&&str| incoming.facts.is_peer_trusted && headers.contains_key(**name);
    let Some(name) = names.iter().find(sent) else { return Ok(None) };
    let mut values = headers.get_all(*name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().map(Some).map_err(|_| Ambiguous),
        _ => Err(Ambiguous),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(visitor: Visitor, expected: [&str; 5]) {
        assert_eq!(told("acme", &visitor).map(|(_, value)| value), expected.map(str::to_owned));
    }

    #[test]
    fn every_value_is_encoded_and_every_header_there() {
        let nothing = Visitor { subject: "s".into(), email: None, email_verified: None, groups: Vec::new() };
        check(nothing, ["s", "acme", "", "", ""]);
        let visitor = Visitor {
            subject: "auth0|1\r\nx-auth-groups: admin".into(),
            email: Some("a+b@acme.example".into()),
            email_verified: Some(true),
            groups: vec!["a,b".into(), "Käufer %".into(), String::new()],
        };
        let groups = "a%2Cb,K%C3%A4ufer%20%25,";
        check(visitor, ["auth0%7C1%0D%0Ax-auth-groups%3A%20admin", "acme", "a%2Bb@acme.example", "true", groups]);
    }
}
