//! A tenant as the request path sees it: parsed, checked, immutable.
//!
//! Built by `compile` alone. Everything a request would otherwise work out again (endpoint URIs,
//! host patterns, secrets read from files) stands here ready.

mod policies;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;

use crate::base::digest::Digest;
use crate::base::id::{ClientType, ConnectionName, Host, HostPattern, Issuer, TenantName};
use crate::base::secret::Secret;
use crate::jwt::alg::SigningAlg;
use crate::oauth::grant::GrantType;
use crate::oauth::scope::Scopes;

pub use policies::{OnStoreError, RefreshPolicy, SameSite, SessionPolicy, TokenResponse};

/// One Auth0 tenant and the applications of it that the gateway fronts.
#[derive(Debug)]
pub struct Tenant {
    /// The file's stem.
    pub name: TenantName,
    /// `false`: its hosts answer 503, nothing falls through to a wider pattern.
    pub enabled: bool,
    /// For logs, `/tenants` and `tenant_info`; at most five.
    pub labels: Vec<(Box<str>, Box<str>)>,
    /// Where this tenant lives.
    pub auth0: Arc<Auth0>,
    /// The public hosts, in the file's order, each once.
    pub hosts: Vec<HostPattern>,
    /// The client of a request that names none.
    pub default_client: Option<ClientType>,
    /// In the file's order.
    pub connections: Vec<Connection>,
    /// What to do with a login that proves no connection on a bound host.
    pub environments: Environments,
    /// Which claims prove and which are shown.
    pub claims: ClaimRules,
    /// In the file's order.
    pub clients: Vec<Arc<Client>>,
    /// Credentials for the Management API.
    pub management: Option<Management>,
    /// Towards this tenant's Auth0.
    pub limits: Limits,
    /// Sessions opened, and bearers issued, before this are dead.
    pub revoke_before: Option<Timestamp>,
    /// Over the file, the defaults under it and the secrets it names: equal digests, equal tenants.
    pub digest: Digest,
}

impl Tenant {
    /// The client of that type.
    pub fn client(&self, client_type: &str) -> Option<&Arc<Client>> {
        self.clients.iter().find(|client| client.client_type.as_str() == client_type)
    }

    /// The connection of that name.
    pub fn connection(&self, name: &str) -> Option<&Connection> {
        self.connections.iter().find(|connection| connection.name.as_str() == name)
    }

    /// Whether one of the tenant's patterns covers the host.
    pub fn lists(&self, host: &Host) -> bool {
        self.hosts.iter().any(|pattern| pattern.covers(host))
    }
}

/// Where an Auth0 tenant is, with its endpoints ready to call. Paths are Auth0's fixed ones, never
/// taken from discovery.
#[derive(Debug, PartialEq, Eq)]
pub struct Auth0 {
    /// What `iss` must say, byte by byte.
    pub issuer: Issuer,
    /// Scheme, authority and path prefix without a trailing slash: `https://login.acme.com`.
    pub base: Box<str>,
    /// `GET /authorize`, for a visitor's browser.
    pub authorize: Box<str>,
    /// `GET /v2/logout`, for a visitor's browser.
    pub v2_logout: Box<str>,
    /// `GET /oidc/logout`, for a visitor's browser.
    pub oidc_logout: Box<str>,
    /// `POST /oauth/token`.
    pub token: http::Uri,
    /// `GET /userinfo`.
    pub userinfo: http::Uri,
    /// `POST /oauth/revoke`.
    pub revoke: http::Uri,
    /// `GET /.well-known/jwks.json`.
    pub jwks: Box<str>,
    /// `GET /.well-known/openid-configuration`: shown to callers, never followed.
    pub discovery: Box<str>,
    /// What `aud` says of a token that `/userinfo` takes: by the domain and by the canonical one
    /// (auth0-facts 1.15).
    pub userinfo_audiences: Vec<Box<str>>,
    /// The base of the canonical domain: Management API calls go there.
    pub management_base: Box<str>,
    /// `https://CANONICAL/api/v2/`, with its slash (auth0-facts 4.1).
    pub management_audience: Box<str>,
}

/// One Auth0 application of a tenant.
#[derive(Debug)]
pub struct Client {
    /// What `client-type` says.
    pub client_type: ClientType,
    /// Auth0's id of the application.
    pub client_id: Box<str>,
    /// How the gateway authenticates itself as this application.
    pub credential: Credential,
    /// Cookie or tokens.
    pub kind: ClientKind,
    /// What may be asked for, without `website`; always with `openid`.
    pub scopes: Scopes,
    /// The first is sent where the caller names none. Empty: Auth0's default, opaque tokens.
    pub audiences: Vec<Box<str>>,
    /// Which algorithms a token of this client may be signed with.
    pub signing_algs: Vec<SigningAlg>,
    /// Which grants a caller may use.
    pub grants: BTreeSet<GrantType>,
    /// Which of Auth0's further endpoints are let through.
    pub passthrough: BTreeSet<Passthrough>,
    /// Which of the tenant's connections a login may use; in the file's order.
    pub connections: Vec<ConnectionName>,
    /// Used where neither the request nor its host says.
    pub default_connection: Option<ConnectionName>,
    /// Sent to Auth0 and checked in the ID token.
    pub organization: Option<Box<str>>,
    /// The gateway's own callbacks.
    pub redirect_urls: Vec<UrlTemplate>,
    /// Pages or apps that take the code themselves.
    pub app_redirect_urls: Vec<UrlTemplate>,
    /// Where `redirect` may lead after a login.
    pub login_urls: Vec<UrlTemplate>,
    /// Where `redirect` may lead after a logout; the first is the default.
    pub logout_urls: Vec<UrlTemplate>,
    /// Origins of pages that may call with a cookie or read the answer, canonical.
    pub allowed_origins: Vec<Box<str>>,
    /// Whether `/authorize` demands the caller's `state`.
    pub require_state: bool,
    /// What callers of token, refresh and pass-through must show.
    pub callers: Option<SecretRing>,
    /// The member names of a token answer.
    pub token_response: TokenResponse,
    /// Whether a bearer in the query is taken (RFC 6750 §2.3).
    pub token_in_query: bool,
    /// Whether `/verify` takes opaque bearers: each new one costs a call of Auth0's `/userinfo`.
    pub verify_opaque: bool,
    /// Further parameters that go to Auth0 for an Action to see.
    pub extra_params: Vec<Box<str>>,
    /// How refreshes are shared and repeated.
    pub refresh: RefreshPolicy,
    /// How sessions live; without meaning for a token client.
    pub session: SessionPolicy,
}

impl Client {
    /// The audience that is sent where the caller names none.
    pub fn default_audience(&self) -> Option<&str> {
        self.audiences.first().map(|audience| &**audience)
    }

    /// Whether the client answers with a session cookie.
    pub fn is_cookie_client(&self) -> bool {
        self.kind == ClientKind::Cookie
    }
}

/// What a login answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientKind {
    /// `scopes` hold `website`: a session on this side, a cookie on that.
    Cookie,
    /// The tokens themselves.
    Token,
}

/// How the gateway shows Auth0 that it is the application (auth0-facts 1.1).
#[derive(Debug)]
pub enum Credential {
    /// `client_secret_post`.
    Secret(SecretRing),
    /// `private_key_jwt`: a PEM of PKCS#8 or PKCS#1 (auth0-facts 1.14).
    PrivateKey(Secret),
    /// A public client.
    None,
}

/// One secret, or two while rotating. What Auth0 accepted last leads.
pub struct SecretRing {
    secrets: Vec<Secret>,
    leading: AtomicUsize,
}

impl SecretRing {
    /// One or two secrets, the first leads.
    pub fn new(secrets: Vec<Secret>) -> Self {
        Self { secrets, leading: AtomicUsize::new(0) }
    }

    /// The leading secret and its place. `None` only for a ring of no secret, which `compile` refuses.
    pub fn leading(&self) -> Option<(usize, &Secret)> {
        let place = self.leading.load(Ordering::Relaxed);
        self.secrets.get(place).map(|secret| (place, secret))
    }

    /// The other secret, to try once when Auth0 rejected the one at `place`.
    pub fn other_than(&self, place: usize) -> Option<(usize, &Secret)> {
        self.secrets.iter().enumerate().find(|(index, _)| *index != place)
    }

    /// What worked leads from now on.
    pub fn promote(&self, place: usize) {
        self.leading.store(place, Ordering::Relaxed);
    }

    /// Whether a caller's string is one of them; each is compared in constant time.
    pub fn accepts(&self, candidate: &str) -> bool {
        self.secrets.iter().fold(false, |found, secret| found | secret.matches(candidate))
    }

    /// Over all of them, for cache identities.
    pub fn digest(&self) -> Digest {
        Digest::of_parts(self.secrets.iter().map(|secret| secret.expose().as_bytes()))
    }
}

impl fmt::Debug for SecretRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[redacted; {}]", self.secrets.len())
    }
}

/// A connection and the environment it is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Auth0's name of it.
    pub name: ConnectionName,
    /// Auth0's `con_…`, needed by imports alone.
    pub id: Option<Box<str>>,
    /// Its environment: requests to these hosts use it, and only they may. Empty: any host.
    pub hosts: Vec<HostPattern>,
}

impl Connection {
    /// Whether a request to that host may use it.
    pub fn serves(&self, host: &Host) -> bool {
        self.hosts.is_empty() || self.is_bound_to(host)
    }

    /// Whether the host is of its environment.
    pub fn is_bound_to(&self, host: &Host) -> bool {
        self.hosts.iter().any(|pattern| pattern.covers(host))
    }
}

/// What to do with a login that proves no connection, on a host that one is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Environments {
    /// Refuse it.
    Strict,
    /// Let it pass.
    #[default]
    Advisory,
}

/// Which claims prove a connection, and how claims are shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClaimRules {
    /// The claim that an Action sets to the connection's name, in ID and access tokens.
    pub connection: Option<Box<str>>,
    /// Claims under these names are shown by their last path segment.
    pub namespaces: Vec<Box<str>>,
    /// Members of `app_metadata` copied to the top of a userinfo answer.
    pub lift: Vec<Box<str>>,
}

/// Credentials for the Management API.
#[derive(Debug)]
pub struct Management {
    /// Auth0's id of the machine-to-machine application.
    pub client_id: Box<str>,
    /// Its secrets.
    pub secrets: SecretRing,
    /// Where a request names none.
    pub default_connection: Option<ConnectionName>,
    /// Whether requests without an ACL are refused.
    pub require_acl: bool,
}

/// Bounds towards one tenant's Auth0, per API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Calls under way at once.
    pub concurrency: u32,
    /// Calls that may wait for a place.
    pub queue: u32,
    /// From the first byte sent to the last received.
    pub timeout: Duration,
}

/// Auth0's further endpoints that a client may be given (contract §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Passthrough {
    /// `POST /oauth/revoke`.
    Revoke,
    /// `POST /oauth/device/code`.
    Device,
    /// `POST /oauth/par`.
    Par,
    /// `/mfa/…`.
    Mfa,
    /// `POST /passwordless/start`.
    Passwordless,
    /// `POST /dbconnections/signup`.
    Signup,
    /// `POST /dbconnections/change_password`.
    ChangePassword,
}

impl Passthrough {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Revoke, Self::Device, Self::Par, Self::Mfa, Self::Passwordless, Self::Signup, Self::ChangePassword];

    /// The word of a tenant file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Revoke => "revoke",
            Self::Device => "device",
            Self::Par => "par",
            Self::Mfa => "mfa",
            Self::Passwordless => "passwordless",
            Self::Signup => "signup",
            Self::ChangePassword => "change_password",
        }
    }

    /// From a tenant file's word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|member| member.name() == name)
    }
}

/// A URL that may hold `{host}`: the request's host, with its port. Checked when the file is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlTemplate(Box<str>);

impl UrlTemplate {
    /// From a text that `compile` has checked.
    pub(crate) fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The URL for a request to that host.
    pub fn for_host(&self, host: &Host) -> String {
        self.0.replace("{host}", host.with_port())
    }
}
