//! Counts every request that reached a tenant, and keeps the last ones for tests to look at.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// The endpoints that are counted and can be broken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndpointName {
    /// `GET /authorize`.
    Authorize,
    /// `/u/login`, the page.
    Login,
    /// `POST /oauth/token`.
    Token,
    /// `GET|POST /userinfo`.
    Userinfo,
    /// `POST /oauth/revoke`.
    Revoke,
    /// `GET /.well-known/jwks.json`.
    Jwks,
    /// `GET /.well-known/openid-configuration`.
    Discovery,
    /// `GET /v2/logout`.
    Logout,
    /// `/oidc/logout`.
    OidcLogout,
    /// `POST /oauth/device/code`.
    DeviceCode,
    /// `/activate`, the page of a device's user.
    Activate,
    /// `POST /oauth/par`.
    Par,
    /// `POST /passwordless/start`.
    PasswordlessStart,
    /// `POST /dbconnections/signup`.
    Signup,
    /// `POST /dbconnections/change_password`.
    ChangePassword,
    /// `POST /mfa/associate`.
    MfaAssociate,
    /// `POST /mfa/challenge`.
    MfaChallenge,
    /// `/mfa/authenticators` and `/mfa/authenticators/{id}`.
    MfaAuthenticators,
    /// Everything else below the tenant, answered with 404.
    Unknown,
}

impl EndpointName {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::Authorize,
        Self::Login,
        Self::Token,
        Self::Userinfo,
        Self::Revoke,
        Self::Jwks,
        Self::Discovery,
        Self::Logout,
        Self::OidcLogout,
        Self::DeviceCode,
        Self::Activate,
        Self::Par,
        Self::PasswordlessStart,
        Self::Signup,
        Self::ChangePassword,
        Self::MfaAssociate,
        Self::MfaChallenge,
        Self::MfaAuthenticators,
        Self::Unknown,
    ];

    /// The word of the control endpoints.
    pub fn name(self) -> &'static str {
        match self {
            Self::Authorize => "authorize",
            Self::Login => "login",
            Self::Token => "token",
            Self::Userinfo => "userinfo",
            Self::Revoke => "revoke",
            Self::Jwks => "jwks",
            Self::Discovery => "discovery",
            Self::Logout => "logout",
            Self::OidcLogout => "oidc_logout",
            Self::DeviceCode => "device_code",
            Self::Activate => "activate",
            Self::Par => "par",
            Self::PasswordlessStart => "passwordless_start",
            Self::Signup => "signup",
            Self::ChangePassword => "change_password",
            Self::MfaAssociate => "mfa_associate",
            Self::MfaChallenge => "mfa_challenge",
            Self::MfaAuthenticators => "mfa_authenticators",
            Self::Unknown => "unknown",
        }
    }

    /// From that word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|endpoint| endpoint.name() == name)
    }

    /// By the path below the tenant, with its slash.
    pub(super) fn of_path(path: &str) -> Self {
        match path {
            "/authorize" => Self::Authorize,
            "/u/login" => Self::Login,
            "/oauth/token" => Self::Token,
            "/userinfo" => Self::Userinfo,
            "/oauth/revoke" => Self::Revoke,
            "/.well-known/jwks.json" => Self::Jwks,
            "/.well-known/openid-configuration" | "/.well-known/oauth-authorization-server" => Self::Discovery,
            "/v2/logout" => Self::Logout,
            "/oidc/logout" => Self::OidcLogout,
            "/oauth/device/code" => Self::DeviceCode,
            "/activate" => Self::Activate,
            "/oauth/par" => Self::Par,
            "/passwordless/start" => Self::PasswordlessStart,
            "/dbconnections/signup" => Self::Signup,
            "/dbconnections/change_password" => Self::ChangePassword,
            "/mfa/associate" => Self::MfaAssociate,
            "/mfa/challenge" => Self::MfaChallenge,
            "/mfa/authenticators" => Self::MfaAuthenticators,
            _ if path.starts_with("/mfa/authenticators/") => Self::MfaAuthenticators,
            _ => Self::Unknown,
        }
    }
}

/// One value for each endpoint.
#[derive(Debug, Default)]
pub(super) struct PerEndpoint<T>([T; EndpointName::ALL.len()]);

impl<T> PerEndpoint<T> {
    /// The endpoint's own.
    pub(super) fn of(&mut self, endpoint: EndpointName) -> &mut T {
        &mut self.0[endpoint as usize]
    }

    /// The endpoint's own, to read.
    pub(super) fn at(&self, endpoint: EndpointName) -> &T {
        &self.0[endpoint as usize]
    }
}

/// A request as it arrived.
#[derive(Clone, PartialEq, Eq)]
pub struct Recorded {
    /// `GET`, `POST`, ….
    pub method: String,
    /// The path below the tenant, without its query.
    pub path: String,
    /// The query as sent; empty if there was none.
    pub query: String,
    /// Names in lower case, in the order sent.
    pub headers: Vec<(String, String)>,
    /// The members of a form or JSON body, in the order sent; a JSON member that is no string as JSON.
    pub form: Vec<(String, String)>,
}

impl Recorded {
    /// The first header of this lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    /// The first form member of this name.
    pub fn form_value(&self, name: &str) -> Option<&str> {
        self.form.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for Recorded {
    /// Names alone: values hold passwords, secrets and tokens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |pairs: &[(String, String)]| pairs.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        f.debug_struct("Recorded")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("headers", &names(&self.headers))
            .field("form", &names(&self.form))
            .finish_non_exhaustive()
    }
}

/// The counters and recordings of one tenant.
#[derive(Default)]
pub(super) struct Calls {
    counts: PerEndpoint<AtomicU64>,
    grants: Mutex<BTreeMap<String, u64>>,
    recorded: Mutex<PerEndpoint<VecDeque<Recorded>>>,
}

/// So many requests of an endpoint are kept; the oldest go first.
const KEPT: usize = 256;

/// So many grant types are told apart; a caller's invention is not one of them for long.
const MOST_GRANTS: usize = 32;

impl Calls {
    /// Counts a request, before anything can fail.
    pub(super) fn count(&self, endpoint: EndpointName) {
        self.counts.at(endpoint).fetch_add(1, Ordering::SeqCst);
    }

    /// Counts what `grant_type` said at the token endpoint.
    pub(super) fn count_grant(&self, grant: &str) {
        let mut grants = self.grants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = grants.get_mut(grant) {
            *count += 1;
        } else if grants.len() < MOST_GRANTS {
            grants.insert(grant.to_owned(), 1);
        }
    }

    /// Keeps a request.
    pub(super) fn record(&self, endpoint: EndpointName, request: Recorded) {
        let mut recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = recorded.of(endpoint);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(request);
    }

    /// How many requests reached the endpoint.
    pub(super) fn calls(&self, endpoint: EndpointName) -> u64 {
        self.counts.at(endpoint).load(Ordering::SeqCst)
    }

    /// How many of the token endpoint's had this `grant_type`.
    pub(super) fn grant_calls(&self, grant: &str) -> u64 {
        self.grants.lock().unwrap_or_else(PoisonError::into_inner).get(grant).copied().unwrap_or(0)
    }

    /// The last requests of the endpoint, oldest first.
    pub(super) fn recorded(&self, endpoint: EndpointName) -> Vec<Recorded> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner).at(endpoint).iter().cloned().collect()
    }

    /// The last request of the endpoint.
    pub(super) fn last(&self, endpoint: EndpointName) -> Option<Recorded> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner).at(endpoint).back().cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_has_its_own_place_and_word() {
        let calls = Calls::default();
        for (count, endpoint) in EndpointName::ALL.into_iter().enumerate() {
            (0..count).for_each(|_| calls.count(endpoint));
        }
        for (count, endpoint) in EndpointName::ALL.into_iter().enumerate() {
            assert_eq!(calls.calls(endpoint), count as u64, "{endpoint:?}");
            assert_eq!(EndpointName::from_name(endpoint.name()), Some(endpoint));
        }
    }

    #[test]
    fn a_recording_keeps_the_newest_and_shows_no_value() {
        let calls = Calls::default();
        for index in 0..=KEPT {
            let form = vec![("password".to_owned(), format!("hunter{index}"))];
            let headers = vec![("authorization".to_owned(), "Basic hunter".to_owned())];
            let request =
                Recorded { method: "POST".to_owned(), path: "/".to_owned(), query: String::new(), headers, form };
            calls.record(EndpointName::Token, request);
        }
        let recorded = calls.recorded(EndpointName::Token);
        assert_eq!((recorded.len(), recorded[0].form_value("password")), (KEPT, Some("hunter1")));
        assert!(!format!("{recorded:?}").contains("hunter"));
    }
}
