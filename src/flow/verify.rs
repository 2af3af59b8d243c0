//! Forward authentication: whether a visitor may pass, and who it is, for a proxy that stands before an application.
//!
//! Judges as `/userinfo` does, by the same session or bearer. Does not know proxies or their headers.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::login::authorize;
use super::return_url;
use super::session::SessionError;
use super::userinfo::{self, Credential, UserinfoError};
use super::{Call, Services};
use crate::jwt::verify::looks_like_jwt;
use crate::oauth::grant::GrantType;

/// `/authorize` takes no longer a `redirect`; a visitor who comes from further down starts at the default.
const LONGEST_REDIRECT: usize = 1024;

/// Who passes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visitor {
    /// `sub`.
    pub subject: String,
    /// The e-mail, and only one that is verified: an application may take it for a name.
    pub email: Option<String>,
    /// Whether it is verified; `None` where there is none.
    pub email_verified: Option<bool>,
    /// `groups` as `/userinfo` shows them.
    pub groups: Vec<String>,
}

/// Who the credential is, or why it does not pass.
pub async fn run(services: &Arc<Services>, call: &Call, credential: Credential<'_>) -> Result<Visitor, UserinfoError> {
    if let Credential::Bearer(token) = &credential
        && !looks_like_jwt(token)
        && !call.client.verify_opaque
    {
        // Each new one would cost a call of Auth0's, at every page of the application.
        return Err(UserinfoError::Opaque);
    }
    Ok(visitor(&userinfo::shown(services, call, credential).await?))
}

fn visitor(shown: &Map<String, Value>) -> Visitor {
    let text = |name: &str| shown.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let email = text("email");
    let is_verified = shown.get("email_verified").and_then(Value::as_bool).unwrap_or(false);
    let groups = match shown.get("groups") {
        Some(Value::Array(groups)) => groups.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(Value::String(group)) => vec![group.clone()],
        _ => Vec::new(),
    };
    Visitor {
        subject: text("sub").unwrap_or_default().to_owned(),
        email: email.filter(|_| is_verified).map(str::to_owned),
        email_verified: email.map(|_| is_verified),
        groups,
    }
}

/// Whether a new login may mend it: there is no session that counts here. A bearer is a program's, which reads 401.
pub fn asks_for_a_login(error: &UserinfoError) -> bool {
    match error {
        UserinfoError::Session(error) => match error {
            SessionError::Missing | SessionError::Foreign | SessionError::Ended(_) | SessionError::Environment(_) => {
                true
            }
            SessionError::Unconfirmed(_) | SessionError::Store(_) => false,
        },
        _ => false,
    }
}

/// The gateway's own page that begins a login on the visitor's host and leads back to where the visitor wanted to go, a
/// path with its query, as far as `login_urls` allow. `None`: the client has no callback of the gateway's there.
///
/// Scheme and host are the callback's, as the file has it: no header decides where a visitor is sent.
pub fn login_page(call: &Call, prefix: &str, original: Option<&str>) -> Option<String> {
    let client = &*call.client;
    if !client.is_cookie_client() || !client.grants.contains(&GrantType::AuthorizationCode) {
        return None;
    }
    let callback = url::Url::parse(&authorize::own_callback(call)?).ok()?;
    let base = format!("{}{prefix}/authorize?", &callback[..url::Position::BeforePath]);
    let back = original.and_then(|wanted| return_url::admit(&client.login_urls, &call.host, wanted));
    let back = back.filter(|url| url.as_str().len() <= LONGEST_REDIRECT);
    let start = base.len();
    let mut page = form_urlencoded::Serializer::for_suffix(base, start);
    // The visitor's browser sends no client-type.
    page.append_pair("client_id", &client.client_id);
    page.extend_pairs(back.iter().map(|url| ("redirect", url.as_str())));
    Some(page.finish())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(shown: Value, expected: (Option<&str>, Option<bool>, &[&str])) {
        let Value::Object(shown) = shown else { unreachable!("an object") };
        let visitor = visitor(&shown);
        let groups: Vec<&str> = visitor.groups.iter().map(String::as_str).collect();
        assert_eq!((visitor.email.as_deref(), visitor.email_verified, &*groups), expected);
    }

    #[test]
    fn an_email_counts_once_it_is_verified() {
        check(json!({"sub": "s", "email": "a@b", "email_verified": true}), (Some("a@b"), Some(true), &[]));
        check(json!({"sub": "s", "email": "a@b", "email_verified": false}), (None, Some(false), &[]));
        check(json!({"sub": "s", "email": "a@b", "email_verified": "true"}), (None, Some(false), &[]));
        check(json!({"sub": "s", "email": "a@b"}), (None, Some(false), &[]));
        check(json!({"sub": "s", "email_verified": true}), (None, None, &[]));
    }

    #[test]
    fn groups_are_texts() {
        check(json!({"sub": "s", "groups": ["a", 1, "b,c", null]}), (None, None, &["a", "b,c"]));
        check(json!({"sub": "s", "groups": "a"}), (None, None, &["a"]));
        check(json!({"sub": "s", "groups": {"a": true}}), (None, None, &[]));
    }
}
