//! What a visitor sees: the login page, and Auth0's own error pages in the emulator's words.

use askama::Template;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};

use super::answer::Answer;

/// What the page asks for.
#[derive(Debug)]
pub(super) enum Step {
    /// E-mail and password, in one of these connections.
    Password {
        /// At least one.
        connections: Vec<String>,
    },
    /// The second factor.
    OneTimePassword,
}

/// The login page.
#[derive(Template)]
#[template(path = "login.html")]
pub(super) struct LoginPage<'a> {
    pub(super) tenant: &'a str,
    pub(super) client: &'a str,
    pub(super) username: &'a str,
    pub(super) step: Step,
    pub(super) error: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "message.html")]
struct MessagePage<'a> {
    tenant: &'a str,
    title: &'a str,
    text: &'a str,
}

/// A page that says something and goes nowhere: what Auth0 shows instead of redirecting.
pub(super) fn message(status: StatusCode, tenant: &str, title: &str, text: &str) -> Answer {
    html(status, &MessagePage { tenant, title, text })
}

/// No script, nothing from elsewhere. No `form-action`: browsers apply it to where the login leads, too.
const POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'");

/// A template as an answer.
pub(super) fn html(status: StatusCode, page: &impl Template) -> Answer {
    let Ok(text) = page.render() else { return Answer::empty(StatusCode::INTERNAL_SERVER_ERROR) };
    let mut answer = Answer::empty(status)
        .with(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))
        .with(CACHE_CONTROL, HeaderValue::from_static("no-store"))
        .with(CONTENT_SECURITY_POLICY, POLICY);
    answer.body = Bytes::from(text);
    answer
}
