//! The public endpoints, one file each: from a request to its flow and from the flow to a reply.

pub(super) mod authorize;
pub(super) mod backchannel;
pub(super) mod callback;
pub(super) mod discovery;
pub(super) mod health;
pub(super) mod logout;
pub(super) mod passthrough;
pub(super) mod refresh;
pub(super) mod token;
pub(super) mod userinfo;
pub(super) mod verify;

use super::cookie::{self, Found};
use super::cross_site::{self, OwnSite};
use super::error::Failure;
use super::service::Incoming;
use crate::flow::{Call, SessionId};
use crate::oauth::parameters::{Parameters, ParametersError};

/// The session cookie of this client that the request brings.
fn session_cookie(incoming: &Incoming<'_>, call: &Call) -> Result<Option<SessionId>, Failure> {
    if !call.client.is_cookie_client() {
        return Ok(None);
    }
    match cookie::find(&incoming.parts.headers, &call.client.session.cookie) {
        Found::None => Ok(None),
        Found::Several => Err(Failure::TwoCookies),
        // A value that was never one of ours is no session, and no error.
        Found::One(value) => Ok(SessionId::parse(value)),
    }
}

/// Whether the request carries a cookie of the session's name, sound or not.
fn has_session_cookie(incoming: &Incoming<'_>, call: &Call) -> bool {
    call.client.is_cookie_client() && cookie::find(&incoming.parts.headers, &call.client.session.cookie) != Found::None
}

/// Refuses what a page of another site made the browser send.
fn refuse_cross_site(incoming: &Incoming<'_>, call: &Call) -> Result<(), Failure> {
    let own = OwnSite {
        host: &incoming.facts.host,
        is_https: incoming.facts.is_https,
        allowed_origins: &call.client.allowed_origins,
    };
    if cross_site::is_cross_site(&incoming.parts.headers, own) { Err(Failure::CrossSite) } else { Ok(()) }
}

/// Whether the browser goes to the page itself: not an image, a frame or a script of another page. Programs that
/// are no browsers do not say.
fn is_navigation(incoming: &Incoming<'_>) -> bool {
    let says = |name: &str, word: &str| incoming.parts.headers.get(name).is_none_or(|value| value == word);
    says("sec-fetch-mode", "navigate") && says("sec-fetch-dest", "document")
}

/// The parameters of the query.
fn query(incoming: &Incoming<'_>) -> Result<Parameters, ParametersError> {
    Parameters::from_form(incoming.parts.uri.query().unwrap_or_default().as_bytes())
}
