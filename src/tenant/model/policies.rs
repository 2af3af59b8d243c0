//! How a client's refreshes are shared and its sessions live.

use std::time::Duration;

use crate::base::id::HostPattern;

/// How refreshes are shared and repeated (contract §4, Refresh).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshPolicy {
    /// A session's access token is renewed when it has less than this to live.
    pub margin: Duration,
    /// How long callers with the same token get the same answer.
    pub sharing: Duration,
    /// Auth0's rotation overlap as configured there: how long an unknown outcome may be tried once more.
    pub leeway: Duration,
    /// How long one refresh may take; it outlives its callers.
    pub timeout: Duration,
}

/// How a cookie client's sessions live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionPolicy {
    /// The cookie's `SameSite`.
    pub same_site: SameSite,
    /// A session not used for this long is over.
    pub idle: Duration,
    /// A session is over after this, used or not; also the cookie's `Max-Age`.
    pub lifetime: Duration,
    /// The cookie's name.
    pub cookie: Box<str>,
    /// Whether the login's body tells the session id (`{"cookie_sid":…}`) or is `{}`.
    pub expose_sid: bool,
    /// Whether a caller may ask for tokens instead, with a `scope` without `website`.
    pub tokens_on_request: bool,
    /// The most sessions a user has at this client; the oldest goes.
    pub per_user: u32,
    /// Within this, Auth0 has confirmed a session that can be refreshed.
    pub recheck: Duration,
    /// What becomes of a session while the store does not answer.
    pub on_store_error: OnStoreError,
    /// Further hosts a session counts on; it always counts on the one it was opened on.
    pub hosts: Vec<HostPattern>,
}

/// What `/userinfo` and `/verify` say of a session while the store does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnStoreError {
    /// Nothing: 503.
    #[default]
    FailClosed,
    /// What was read within the last minute.
    ServeStale,
}

/// RFC 6265bis `SameSite`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SameSite {
    /// Never sent across sites.
    Strict,
    /// Sent on top-level navigations.
    #[default]
    Lax,
    /// Sent everywhere.
    None,
}

/// The member names of a token answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TokenResponse {
    /// RFC 6749 §5.1.
    #[default]
    OAuth,
    /// `accessToken`, `refreshToken`, `idToken`, `expireAt`.
    CamelCase,
}
