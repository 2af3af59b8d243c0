//! A tenant file as typed: every key optional, nothing checked but its type.
//!
//! Not nameable outside of `tenant`. The doc comments are the descriptions in
//! `schemas/tenant.schema.json`: they are written for whoever edits a file.

mod scalars;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

pub(super) use scalars::{DurationText, Entries, OneOrTwo, Text, TimeText};

/// One Auth0 tenant and the applications of it that the gateway fronts.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Tenant")]
pub(super) struct TenantFile {
    /// The version of this format: 1.
    #[schemars(range(min = 1, max = 1))]
    pub(super) version: Option<u64>,
    /// The file's stem, if given.
    pub(super) name: Option<String>,
    /// `false`: its hosts answer 503. Default: true.
    pub(super) enabled: Option<bool>,
    /// At most five; in logs, `/tenants` and `tenant_info`.
    #[schemars(extend("maxProperties" = 5))]
    pub(super) labels: Option<BTreeMap<String, String>>,
    /// Where the Auth0 tenant is.
    pub(super) auth0: Option<Auth0File>,
    /// The public hosts: `app.acme.com`, `*.acme.com` for one or more labels, `*` for any.
    #[schemars(length(min = 1))]
    pub(super) hosts: Option<Vec<Text>>,
    /// The client type of a request that names no client.
    pub(super) default_client: Option<String>,
    /// Auth0's connections, and the environment each is bound to.
    pub(super) connections: Option<Entries<ConnectionFile>>,
    /// What to do with a login that proves no connection on a bound host. Default: advisory.
    pub(super) environments: Option<EnvironmentsFile>,
    /// Which claims prove a connection, and how claims are shown at `/userinfo`.
    pub(super) claims: Option<ClaimsFile>,
    /// The applications, by client type.
    #[schemars(extend("minProperties" = 1))]
    pub(super) clients: Option<Entries<ClientFile>>,
    /// Credentials for the Management API.
    pub(super) management: Option<ManagementFile>,
    /// Bounds towards this tenant's Auth0.
    pub(super) limits: Option<LimitsFile>,
    /// What ends sessions of this tenant.
    pub(super) sessions: Option<SessionsFile>,
}

/// Where the Auth0 tenant is: `domain`, or `base_url` of an emulator.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Auth0")]
pub(super) struct Auth0File {
    /// The tenant's or its custom domain: `login.acme.com`.
    pub(super) domain: Option<Text>,
    /// The canonical domain, where `domain` is a custom one: `acme.eu.auth0.com`.
    pub(super) management_domain: Option<Text>,
    /// An emulator in place of a domain, at an address given by `--allow-upstream`.
    pub(super) base_url: Option<Text>,
    /// What `iss` says. Default: `https://DOMAIN/`.
    pub(super) issuer: Option<Text>,
}

/// A connection and its environment.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Connection")]
pub(super) struct ConnectionFile {
    /// Auth0's `con_…`, needed by bulk import alone.
    pub(super) id: Option<Text>,
    /// Requests to these hosts use it, and only they may.
    pub(super) hosts: Option<Vec<Text>>,
}

/// What to do with a login that proves no connection on a bound host.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[schemars(rename = "Environments")]
#[serde(rename_all = "lowercase")]
pub(super) enum EnvironmentsFile {
    /// Refuse it.
    Strict,
    /// Let it pass.
    Advisory,
}

/// Which claims prove a connection, and how claims are shown.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Claims")]
pub(super) struct ClaimsFile {
    /// The claim that an Action sets to the connection's name, in ID and access tokens.
    pub(super) connection: Option<Text>,
    /// Claims that are shown by the last segment of their name.
    pub(super) namespaces: Option<Vec<Text>>,
    /// Members of `app_metadata` copied to the top. Default: groups, permissions.
    pub(super) lift: Option<Vec<String>>,
}

/// One Auth0 application.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Client")]
pub(super) struct ClientFile {
    /// Auth0's id of the application.
    pub(super) client_id: Option<Text>,
    /// Its secret; two while rotating.
    pub(super) client_secret: Option<OneOrTwo<Text>>,
    /// In place of a secret: the private key of `private_key_jwt`, PEM.
    pub(super) private_key: Option<Text>,
    /// The gateway's own callbacks: `https://{host}/callback`, where `{host}` is the request's host.
    pub(super) redirect_urls: Option<Vec<Text>>,
    /// Pages or apps that take the code themselves.
    pub(super) app_redirect_urls: Option<Vec<Text>>,
    /// What may be asked for. `website` makes it a cookie client.
    pub(super) scopes: Option<Vec<String>>,
    /// The API that access tokens are for.
    pub(super) audience: Option<Text>,
    /// Further ones that a caller may name.
    pub(super) audiences: Option<Vec<Text>>,
    /// Algorithms a token may be signed with. Default: RS256.
    pub(super) signing_algs: Option<Vec<SigningAlgFile>>,
    /// What a caller may use. Default: `authorization_code`, `refresh_token`.
    pub(super) grants: Option<Vec<GrantFile>>,
    /// Which of Auth0's further endpoints are let through. Default: none.
    pub(super) passthrough: Option<Vec<PassthroughFile>>,
    /// A subset of the tenant's connections. Default: all.
    pub(super) connections: Option<Vec<String>>,
    /// Used where neither the request nor its host says.
    pub(super) default_connection: Option<String>,
    /// Sent to Auth0 and checked in the ID token.
    pub(super) organization: Option<Text>,
    /// Whether `/authorize` demands the caller's `state`. Default: false.
    pub(super) require_state: Option<bool>,
    /// Where `redirect` may lead after a login: exact, or a prefix that ends in `/`.
    pub(super) login_urls: Option<Vec<Text>>,
    /// The same after a logout; the first is the default. An app's own scheme counts exactly: `com.acme.app://bye`.
    pub(super) logout_urls: Option<Vec<Text>>,
    /// Origins of pages that may call with a cookie or read the answer.
    pub(super) allowed_origins: Option<Vec<Text>>,
    /// What callers of token, refresh and pass-through must show.
    pub(super) callers: Option<CallersFile>,
    /// The member names of a token answer. Default: oauth.
    pub(super) token_response: Option<TokenResponseFile>,
    /// Whether a bearer in the query is taken. Default: false.
    pub(super) token_in_query: Option<bool>,
    /// Whether `/verify` takes opaque bearers, each new one by a call of Auth0's `/userinfo`. Default: false.
    pub(super) verify_opaque: Option<bool>,
    /// Further parameters that go to Auth0 for an Action to see.
    pub(super) extra_params: Option<Vec<String>>,
    /// How refreshes are shared and repeated.
    pub(super) refresh: Option<RefreshFile>,
    /// How sessions live; for cookie clients.
    pub(super) session: Option<SessionFile>,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident ($title:literal) { $($(#[$member_doc:meta])* $member:ident => $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
        #[schemars(rename = $title)]
        pub(super) enum $name {
            $($(#[$member_doc])* #[serde(rename = $word)] $member,)+
        }

        impl $name {
            /// The word in the file.
            pub(super) fn word(self) -> &'static str {
                match self { $(Self::$member => $word,)+ }
            }
        }
    };
}

words! {
    /// A grant that callers may use.
    GrantFile ("Grant") {
        /// RFC 6749 §4.1
        AuthorizationCode => "authorization_code",
        /// RFC 6749 §6
        RefreshToken => "refresh_token",
        /// RFC 6749 §4.3, with a connection Auth0's password-realm
        Password => "password",
        /// RFC 6749 §4.4, for callers that show the client's own id and secret
        ClientCredentials => "client_credentials",
        /// RFC 8628
        DeviceCode => "device_code",
        /// Auth0's passwordless one-time password
        PasswordlessOtp => "passwordless_otp",
        /// Auth0's MFA by one-time password
        MfaOtp => "mfa_otp",
        /// Auth0's MFA by a second channel
        MfaOob => "mfa_oob",
        /// Auth0's MFA by recovery code
        MfaRecoveryCode => "mfa_recovery_code",
        /// RFC 8693
        TokenExchange => "token_exchange",
    }
}

words! {
    /// One of Auth0's further endpoints.
    PassthroughFile ("Passthrough") {
        /// `POST /oauth/revoke`
        Revoke => "revoke",
        /// `POST /oauth/device/code`
        Device => "device",
        /// `POST /oauth/par`
        Par => "par",
        /// `/mfa/…`
        Mfa => "mfa",
        /// `POST /passwordless/start`
        Passwordless => "passwordless",
        /// `POST /dbconnections/signup`
        Signup => "signup",
        /// `POST /dbconnections/change_password`
        ChangePassword => "change_password",
    }
}

words! {
    /// An asymmetric signature algorithm.
    SigningAlgFile ("SigningAlg") {
        /// RSASSA-PKCS1-v1_5 with SHA-256
        Rs256 => "RS256",
        /// RSASSA-PKCS1-v1_5 with SHA-384
        Rs384 => "RS384",
        /// RSASSA-PKCS1-v1_5 with SHA-512
        Rs512 => "RS512",
        /// RSASSA-PSS with SHA-256
        Ps256 => "PS256",
        /// ECDSA on P-256 with SHA-256
        Es256 => "ES256",
    }
}

/// The member names of a token answer.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[schemars(rename = "TokenResponse")]
#[serde(rename_all = "snake_case")]
pub(super) enum TokenResponseFile {
    /// RFC 6749 §5.1
    #[serde(rename = "oauth")]
    OAuth,
    /// `accessToken`, `refreshToken`, `idToken`, `expireAt`
    CamelCase,
}

/// What callers must show.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Callers")]
pub(super) struct CallersFile {
    /// A secret that callers send as `client_secret`; two while rotating.
    pub(super) secret: Option<OneOrTwo<Text>>,
}

/// How refreshes are shared and repeated.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Refresh")]
pub(super) struct RefreshFile {
    /// A session's access token is renewed when it has less than this to live. Default: 60s.
    pub(super) margin: Option<DurationText>,
    /// How long callers with the same token get the same answer. Default: 10s.
    pub(super) sharing: Option<DurationText>,
    /// Auth0's rotation overlap as configured there. Default: 0s.
    pub(super) leeway: Option<DurationText>,
    /// How long one refresh may take. Default: 30s.
    pub(super) timeout: Option<DurationText>,
}

/// How sessions live.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Session")]
pub(super) struct SessionFile {
    /// The cookie's `SameSite`. Default: Lax.
    pub(super) same_site: Option<SameSiteFile>,
    /// A session not used for this long is over. Default: 24h.
    pub(super) idle: Option<DurationText>,
    /// A session is over after this. Default: 7d.
    pub(super) lifetime: Option<DurationText>,
    /// The cookie's name. Default: sid.
    pub(super) cookie: Option<String>,
    /// Whether a login's body tells the session id. Default: true.
    pub(super) expose_sid: Option<bool>,
    /// Whether a caller may ask for tokens instead. Default: never.
    pub(super) tokens: Option<SessionTokensFile>,
    /// The most sessions a user has at this client. Default: 50.
    #[schemars(range(min = 1, max = 10_000))]
    pub(super) per_user: Option<u32>,
    /// Within this, Auth0 has confirmed a session that can be refreshed. Default: 1h.
    pub(super) recheck: Option<DurationText>,
    /// What `/userinfo` and `/verify` say of a session while the session store does not answer. Default: `fail_closed`.
    pub(super) on_store_error: Option<OnStoreErrorFile>,
    /// Further hosts that a session counts on.
    pub(super) hosts: Option<Vec<Text>>,
}

/// What is said of a session while the store does not answer.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "OnStoreError")]
pub(super) enum OnStoreErrorFile {
    /// 503
    FailClosed,
    /// What was read within the last minute; a logout at another replica may go unnoticed for so long
    ServeStale,
}

/// RFC 6265bis `SameSite`.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[schemars(rename = "SameSite")]
pub(super) enum SameSiteFile {
    /// Never sent across sites
    Strict,
    /// Sent on top-level navigations
    Lax,
    /// Sent everywhere
    None,
}

/// Whether a caller may ask a cookie client for tokens.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[schemars(rename = "SessionTokens")]
#[serde(rename_all = "snake_case")]
pub(super) enum SessionTokensFile {
    /// Never
    Never,
    /// With a `scope` without `website`
    OnRequest,
}

/// Credentials for the Management API.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Management")]
pub(super) struct ManagementFile {
    /// Auth0's id of the machine-to-machine application.
    pub(super) client_id: Option<Text>,
    /// Its secret; two while rotating.
    pub(super) client_secret: Option<OneOrTwo<Text>>,
    /// Where a request names none.
    pub(super) default_connection: Option<String>,
    /// Whether requests without an ACL are refused. Default: false.
    pub(super) require_acl: Option<bool>,
}

/// Bounds towards this tenant's Auth0, per API.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Limits")]
pub(super) struct LimitsFile {
    /// Calls under way at once. Default: 64.
    #[schemars(range(min = 1, max = 10_000))]
    pub(super) concurrency: Option<u32>,
    /// Calls that may wait for a place. Default: 64.
    #[schemars(range(max = 10_000))]
    pub(super) queue: Option<u32>,
    /// From the first byte sent to the last received. Default: 10s.
    pub(super) timeout: Option<DurationText>,
}

/// What ends sessions.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Sessions")]
pub(super) struct SessionsFile {
    /// Sessions opened, and bearers issued, before this time are dead: `2026-11-01T00:00:00Z`.
    pub(super) revoke_before: Option<TimeText>,
}
