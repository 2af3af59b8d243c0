//! What the emulated Auth0 holds when it starts: tenants, clients, connections, APIs, users.
//!
//! Data alone. The sample world here and the sample tenant files tell the same story; a tenant that
//! nobody described is made by [`WorldTenant::unknown`] when its name is first asked for.

use std::time::Duration;

use serde_json::{Value, json};

use crate::base::digest::Digest;
use crate::base::secret::Secret;
use crate::oauth::grant::GrantType;

/// All tenants described at the start.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// In any order; a name twice: the later one counts.
    pub tenants: Vec<WorldTenant>,
}

/// One Auth0 tenant.
#[derive(Debug, Clone)]
pub struct WorldTenant {
    /// The path it is served under.
    pub name: String,
    /// What happens to client ids and audiences that are not listed.
    pub strangers: Strangers,
    /// Its applications.
    pub clients: Vec<WorldClient>,
    /// The names of its connections.
    pub connections: Vec<String>,
    /// The connection of a password grant that names no realm. Without one such a grant is refused,
    /// so that a forgotten realm shows at once.
    pub default_directory: Option<String>,
    /// Its APIs beside `/userinfo` and the Management API.
    pub apis: Vec<WorldApi>,
    /// Its users.
    pub users: Vec<WorldUser>,
    /// Claims that an Action sets in ID tokens, JWT access tokens and so in `/userinfo`.
    pub claims: Vec<ActionClaim>,
}

/// Whether what the world does not list exists all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strangers {
    /// An unknown client is 401, an unknown audience 403.
    Refused,
    /// Every client id with any secret or none, and every audience, exists.
    Welcome,
}

/// An application of a tenant.
#[derive(Debug, Clone)]
pub struct WorldClient {
    /// Its `client_id`.
    pub id: String,
    /// How it proves itself.
    pub credential: ClientCredential,
    /// The grants it may use; [`GrantType::Password`] is both password and password-realm.
    pub grants: Vec<GrantType>,
    /// What its refresh tokens do when used.
    pub rotation: RotationMode,
    /// "Trust Token Endpoint IP Header" (auth0-facts §2).
    pub trusts_forwarded_for: bool,
    /// Connections enabled for it; none listed: all of the tenant's.
    pub connections: Vec<String>,
    /// Allowed Callback URLs.
    pub callbacks: Vec<WorldUrl>,
    /// Back-Channel Logout URI: `http://` alone.
    pub backchannel_logout: Option<String>,
    /// What it may have by `client_credentials`.
    pub machine_grants: Vec<MachineGrant>,
}

/// URLs that a client may be called back at: any scheme and port, which is the emulator's liberty, since a
/// test's gateway is at a port that nobody knows before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorldUrl {
    /// A host, `*.` and its end, or `*`.
    pub host: &'static str,
    /// How the path begins.
    pub path: &'static str,
}

impl WorldUrl {
    /// Every URL.
    pub const ANY: Self = Self { host: "*", path: "" };

    /// Whether the URL is one of them.
    pub fn covers(&self, url: &str) -> bool {
        let parsed = url::Url::parse(url);
        self.covers_host(url) && parsed.is_ok_and(|url| url.path().starts_with(self.path) && url.fragment().is_none())
    }

    /// Whether the URL is on one of the hosts.
    pub fn covers_host(&self, url: &str) -> bool {
        let Ok(url) = url::Url::parse(url) else { return false };
        let host = url.host_str().unwrap_or_default();
        match self.host.strip_prefix('*') {
            Some(end) => host.ends_with(end),
            None => host == self.host,
        }
    }
}

/// How a client proves itself.
#[derive(Debug, Clone)]
pub enum ClientCredential {
    /// A public client: no secret is asked for.
    Public,
    /// One of these secrets, or an unexpired `private_key_jwt` assertion in its name.
    Secrets(Vec<Secret>),
    /// Anything, also nothing: a client of a tenant made on first use.
    Anything,
}

/// What a refresh token does when it is used (auth0-facts 1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RotationMode {
    /// It stays the same.
    Reusable,
    /// It is replaced; the replaced one works for `leeway` more and kills its family afterwards.
    Rotating {
        /// Auth0's "Rotation Overlap Period".
        leeway: Duration,
    },
}

/// A client grant for machines.
#[derive(Debug, Clone)]
pub struct MachineGrant {
    /// Which API.
    pub api: MachineApi,
    /// The granted scopes, joined by spaces.
    pub scope: String,
}

/// The API of a [`MachineGrant`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MachineApi {
    /// The tenant's own `BASE/NAME/api/v2/`.
    Management,
    /// One of [`WorldTenant::apis`], by its identifier.
    Identifier(String),
}

/// An API: its tokens are JWTs.
#[derive(Debug, Clone)]
pub struct WorldApi {
    /// The `audience`.
    pub identifier: String,
    /// All its scopes: a password grant that asks for none of them gets them all.
    pub scopes: Vec<String>,
}

/// A user of one connection.
#[derive(Debug, Clone)]
pub struct WorldUser {
    /// The connection it lives in.
    pub connection: String,
    /// Its e-mail, which is also what it logs in with; case does not count.
    pub email: String,
    /// Its password.
    pub password: Secret,
    /// The `sub`, such as `auth0|…`.
    pub subject: String,
    /// Whether a password alone answers `mfa_required`.
    pub mfa: bool,
    /// Whether an administrator blocked it.
    pub blocked: bool,
    /// `{}` if it has none.
    pub app_metadata: Value,
    /// `{}` if it has none.
    pub user_metadata: Value,
}

/// A claim that an Action sets.
#[derive(Debug, Clone)]
pub struct ActionClaim {
    /// The namespaced name.
    pub name: String,
    /// Where its value comes from.
    pub value: ClaimValue,
}

/// Where an Action takes a claim's value from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimValue {
    /// The name of the connection the user logged in with.
    ConnectionName,
    /// The user's `app_metadata`.
    AppMetadata,
    /// The user's `user_metadata`.
    UserMetadata,
}

/// The secret that the sample world's clients accept, and that `dev` fills in for an unset one.
///
/// It is no secret at all: anybody can compute it. It is there so that the sample files need none.
pub fn sample_secret(tenant: &str, client_id: &str) -> String {
    format!("sample-{}", Digest::of_parts([b"sample secret".as_slice(), tenant.as_bytes(), client_id.as_bytes()]))
}

impl World {
    /// The world of the sample tenant files: acme, globex, initech.
    pub fn sample() -> Self {
        Self { tenants: vec![acme(), globex(), initech()] }
    }
}

impl WorldTenant {
    /// A tenant with nothing in it that refuses strangers.
    pub fn empty(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            strangers: Strangers::Refused,
            clients: Vec::new(),
            connections: Vec::new(),
            default_directory: None,
            apis: Vec::new(),
            users: Vec::new(),
            claims: Vec::new(),
        }
    }

    /// What a name nobody described means: any client, any audience, one directory with
    /// `user@NAME.example` / `Passw0rd-1` in it.
    pub fn unknown(name: &str) -> Self {
        let directory = DIRECTORY.to_owned();
        Self {
            strangers: Strangers::Welcome,
            users: vec![WorldUser::new(name, DIRECTORY, &format!("user@{name}.example"), "Passw0rd-1")],
            connections: vec![directory.clone(), "email".to_owned(), "sms".to_owned()],
            default_directory: Some(directory),
            ..Self::empty(name)
        }
    }
}

impl WorldClient {
    /// A confidential client of the sample world: its sample secret, the interactive grants,
    /// reusable refresh tokens, the forwarded address trusted.
    pub fn confidential(tenant: &str, id: &str) -> Self {
        Self {
            id: id.to_owned(),
            credential: ClientCredential::Secrets(vec![Secret::new(sample_secret(tenant, id))]),
            grants: vec![
                GrantType::AuthorizationCode,
                GrantType::RefreshToken,
                GrantType::Password,
                GrantType::MfaOtp,
                GrantType::MfaOob,
                GrantType::MfaRecoveryCode,
            ],
            rotation: RotationMode::Reusable,
            trusts_forwarded_for: true,
            connections: Vec::new(),
            callbacks: Vec::new(),
            backchannel_logout: None,
            machine_grants: Vec::new(),
        }
    }

    /// A client that may be called back there.
    #[must_use]
    pub fn called_back_at(self, host: &'static str) -> Self {
        Self { callbacks: vec![WorldUrl { host, path: "/callback" }], ..self }
    }

    /// A public client: no secret, rotating refresh tokens, no forwarded address.
    pub fn public(id: &str) -> Self {
        Self {
            credential: ClientCredential::Public,
            rotation: RotationMode::Rotating { leeway: Duration::ZERO },
            trusts_forwarded_for: false,
            ..Self::confidential("", id)
        }
    }

    /// A client of a tenant that welcomes strangers.
    pub fn stranger(id: &str) -> Self {
        Self {
            credential: ClientCredential::Anything,
            grants: GrantType::ALL.to_vec(),
            callbacks: vec![WorldUrl::ANY],
            ..Self::confidential("", id)
        }
    }

    /// A machine client that may use the Management API.
    pub fn management(tenant: &str, id: &str) -> Self {
        let scope = "read:users update:users create:users delete:users read:users_app_metadata \
                     update:users_app_metadata create:users_app_metadata read:connections";
        Self {
            grants: vec![GrantType::ClientCredentials],
            machine_grants: vec![MachineGrant { api: MachineApi::Management, scope: scope.to_owned() }],
            ..Self::confidential(tenant, id)
        }
    }
}

impl WorldUser {
    /// A user whose `sub` follows from tenant, connection and e-mail: the same at every start, and
    /// another one for the same e-mail in another connection.
    pub fn new(tenant: &str, connection: &str, email: &str, password: &str) -> Self {
        let digest = Digest::of_parts([tenant.as_bytes(), connection.as_bytes(), email.as_bytes()]).to_string();
        Self {
            connection: connection.to_owned(),
            email: email.to_owned(),
            password: Secret::new(password),
            subject: format!("auth0|{}", &digest[..24]),
            mfa: false,
            blocked: false,
            app_metadata: json!({}),
            user_metadata: json!({}),
        }
    }
}

const DIRECTORY: &str = "Username-Password-Authentication";
const PRODUCTION: &str = "Username-Password-Production";
const TESTING: &str = "Username-Password-Testing";

fn acme() -> WorldTenant {
    const API: &str = "https://api.acme.example";
    let rotating = RotationMode::Rotating { leeway: Duration::ZERO };
    let mut api = WorldClient::confidential("acme", "acme-api");
    api.grants.push(GrantType::ClientCredentials);
    api.machine_grants = vec![MachineGrant {
        api: MachineApi::Identifier(API.to_owned()),
        scope: "read:orders write:orders".to_owned(),
    }];
    WorldTenant {
        clients: vec![
            WorldClient {
                rotation: rotating,
                ..WorldClient::confidential("acme", "acme-web").called_back_at("*.acme.localhost")
            },
            api,
            WorldClient::management("acme", "acme-mgmt"),
        ],
        connections: vec![PRODUCTION.to_owned(), TESTING.to_owned()],
        apis: vec![WorldApi {
            identifier: API.to_owned(),
            scopes: vec!["read:orders".to_owned(), "write:orders".to_owned()],
        }],
        users: vec![
            WorldUser::new("acme", PRODUCTION, "user@acme.example", "Passw0rd-prod"),
            WorldUser::new("acme", TESTING, "user@acme.example", "Passw0rd-test"),
            WorldUser { mfa: true, ..WorldUser::new("acme", PRODUCTION, "mfa@acme.example", "Passw0rd-prod") },
        ],
        claims: vec![ActionClaim {
            name: "https://acme.example/connection".to_owned(),
            value: ClaimValue::ConnectionName,
        }],
        ..WorldTenant::empty("acme")
    }
}

fn globex() -> WorldTenant {
    WorldTenant {
        clients: vec![
            WorldClient::confidential("globex", "globex-portal").called_back_at("*.globex.localhost"),
            WorldClient::public("globex-spa").called_back_at("*.globex.localhost"),
        ],
        connections: vec![DIRECTORY.to_owned()],
        default_directory: Some(DIRECTORY.to_owned()),
        apis: vec![WorldApi { identifier: "https://api.globex.example".to_owned(), scopes: Vec::new() }],
        users: vec![WorldUser::new("globex", DIRECTORY, "user@globex.example", "Passw0rd-1")],
        ..WorldTenant::empty("globex")
    }
}

fn initech() -> WorldTenant {
    WorldTenant {
        clients: vec![
            WorldClient::confidential("initech", "initech-cms").called_back_at("*"),
            WorldClient::management("initech", "initech-mgmt"),
        ],
        connections: vec![DIRECTORY.to_owned()],
        default_directory: Some(DIRECTORY.to_owned()),
        apis: vec![WorldApi { identifier: "https://api.initech.example".to_owned(), scopes: Vec::new() }],
        users: vec![WorldUser {
            app_metadata: json!({"groups": ["admin"]}),
            ..WorldUser::new("initech", DIRECTORY, "user@initech.example", "Passw0rd-1")
        }],
        claims: vec![ActionClaim {
            name: "https://initech.example/app_metadata".to_owned(),
            value: ClaimValue::AppMetadata,
        }],
        ..WorldTenant::empty("initech")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_email_in_two_connections_is_two_users() {
        let acme = acme();
        assert_eq!(acme.users[0].email, acme.users[1].email);
        assert_ne!(acme.users[0].subject, acme.users[1].subject);
        assert!(acme.users[0].subject.starts_with("auth0|"));
    }

    #[test]
    fn a_sample_secret_belongs_to_one_client_of_one_tenant() {
        assert_eq!(sample_secret("acme", "acme-web"), sample_secret("acme", "acme-web"));
        assert_ne!(sample_secret("acme", "acme-web"), sample_secret("acme", "acme-api"));
        assert_ne!(sample_secret("acme", "web"), sample_secret("globex", "web"));
    }

    #[test]
    fn an_unknown_name_has_its_own_user_and_welcomes_strangers() {
        let tenant = WorldTenant::unknown("umbrella");
        assert_eq!(tenant.strangers, Strangers::Welcome);
        assert_eq!(tenant.users[0].email, "user@umbrella.example");
        assert_eq!(tenant.default_directory.as_deref(), Some(DIRECTORY));
    }
}
