//! One emulated tenant: its settings, keys, refresh tokens, limits, counters and faults.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use super::answer::Refusal;
use super::backchannel::Sessions;
use super::calls::{Calls, EndpointName, PerEndpoint};
use super::faults::Faults;
use super::keys::{KeyRing, KeySource, Keys};
use super::limits::{BRUTE_FORCE_THRESHOLD, Buckets, FailedLogins, Moment, RateLimit, RateReading};
use super::logins::Logins;
use super::pending::Pending;
use super::refresh_tokens::RefreshTokens;
use super::tokens::OpaqueTokens;
use super::users::Users;
use super::world::{ActionClaim, Strangers, WorldApi, WorldClient, WorldTenant};
use crate::base::clock::Clock;
use crate::base::random::Random;
use tokio_util::task::TaskTracker;

/// A tenant while the emulator runs.
pub(super) struct TenantState {
    /// The path it is served under.
    pub(super) name: String,
    /// `BASE/NAME/`, with the slash.
    pub(super) issuer: String,
    /// Time.
    pub(super) clock: Arc<dyn Clock>,
    /// Randomness.
    pub(super) random: Arc<dyn Random>,
    /// Its signing keys.
    pub(super) keys: Keys,
    /// Its opaque access tokens.
    pub(super) opaque: OpaqueTokens,
    /// Its refresh tokens.
    pub(super) refresh_tokens: RefreshTokens,
    /// Its logins by browser.
    pub(super) logins: Logins,
    /// Sessions as its applications know them.
    pub(super) sessions: Sessions,
    /// What goes on after an answer.
    pub(super) tasks: TaskTracker,
    /// What it waits for.
    pub(super) pending: Pending,
    /// Its brute-force counter.
    pub(super) failed_logins: FailedLogins,
    /// Its counters.
    pub(super) calls: Calls,
    /// What goes wrong.
    pub(super) faults: Faults,
    userinfo_buckets: Buckets<String>,
    endpoint_buckets: Buckets<EndpointName>,
    settings: RwLock<Settings>,
}

/// What may be changed while it runs.
pub(super) struct Settings {
    /// Whether unlisted clients and audiences exist.
    pub(super) strangers: Strangers,
    /// The client listed first, for minted tokens.
    pub(super) first_client: Option<String>,
    /// By `client_id`.
    pub(super) clients: HashMap<String, Arc<WorldClient>>,
    /// Names.
    pub(super) connections: Vec<String>,
    /// For a password grant without a realm.
    pub(super) default_directory: Option<String>,
    /// Its APIs.
    pub(super) apis: Vec<WorldApi>,
    /// What its Actions set.
    pub(super) claims: Vec<ActionClaim>,
    /// Its users.
    pub(super) users: Users,
    /// How long tokens live.
    pub(super) lifetimes: Lifetimes,
    /// One user's limit of `/userinfo`.
    pub(super) userinfo_limit: Option<RateLimit>,
    /// The tenant's limits of whole endpoints.
    pub(super) endpoint_limits: PerEndpoint<Option<RateLimit>>,
    /// Failures after which an address is blocked for an identifier.
    pub(super) brute_force_threshold: Option<u32>,
    /// Live refresh tokens of one user at one client.
    pub(super) refresh_tokens_per_user: Option<usize>,
    /// Whether the key set is served without any key.
    pub(super) keys_gone: bool,
    /// What `prompt=none` answers in place of a code.
    pub(super) silent_error: Option<&'static str>,
}

/// How long what is issued lives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lifetimes {
    /// Access tokens, also opaque ones.
    pub(super) access: Duration,
    /// ID tokens.
    pub(super) id: Duration,
    /// Refresh tokens, from the login on.
    pub(super) refresh: Duration,
}

/// Auth0's defaults: a day, ten hours, thirty days.
const LIFETIMES: Lifetimes = Lifetimes {
    access: Duration::from_secs(86_400),
    id: Duration::from_secs(36_000),
    refresh: Duration::from_secs(2_592_000),
};

/// Auth0 keeps so many refresh tokens of a user for an application.
const REFRESH_TOKENS_PER_USER: usize = 200;

/// What the headers say where no limit is set: a full bucket.
const NO_LIMIT: u32 = 300;

/// What a tenant is made of besides its world.
pub(super) struct Environment {
    /// `http://127.0.0.1:PORT`.
    pub(super) base: String,
    /// Time.
    pub(super) clock: Arc<dyn Clock>,
    /// Randomness.
    pub(super) random: Arc<dyn Random>,
    /// What goes on after an answer.
    pub(super) tasks: TaskTracker,
}

impl TenantState {
    /// As the world describes it; no key is made yet.
    pub(super) fn new(world: WorldTenant, environment: &Environment, source: KeySource) -> Self {
        let issuer = format!("{}/{}/", environment.base, world.name);
        let random = environment.random.clone();
        Self {
            opaque: OpaqueTokens::new(&issuer, random.clone()),
            keys: Keys::new(source, random.clone()),
            refresh_tokens: RefreshTokens::new(random.clone()),
            logins: Logins::default(),
            sessions: Sessions::default(),
            tasks: environment.tasks.clone(),
            pending: Pending::default(),
            failed_logins: FailedLogins::default(),
            calls: Calls::default(),
            faults: Faults::default(),
            userinfo_buckets: Buckets::default(),
            endpoint_buckets: Buckets::default(),
            name: world.name.clone(),
            issuer,
            clock: environment.clock.clone(),
            random,
            settings: RwLock::new(Settings::new(world)),
        }
    }

    /// The settings, to read. Short: nothing may be awaited or locked for writing meanwhile.
    pub(super) fn settings(&self) -> RwLockReadGuard<'_, Settings> {
        self.settings.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The settings, to change.
    pub(super) fn settings_mut(&self) -> RwLockWriteGuard<'_, Settings> {
        self.settings.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Unix seconds.
    pub(super) fn now_seconds(&self) -> i64 {
        self.clock.now().as_second()
    }

    /// The audience that opens `/userinfo`.
    pub(super) fn userinfo_url(&self) -> String {
        format!("{}userinfo", self.issuer)
    }

    /// The audience of the Management API.
    pub(super) fn management_audience(&self) -> String {
        format!("{}api/v2/", self.issuer)
    }

    /// The client of this id; a stranger where those are welcome.
    pub(super) fn client(&self, id: &str) -> Option<Arc<WorldClient>> {
        let settings = self.settings();
        let stranger = || (settings.strangers == Strangers::Welcome).then(|| Arc::new(WorldClient::stranger(id)));
        settings.clients.get(id).cloned().or_else(stranger)
    }

    /// The keys, made on a blocking thread at first use.
    pub(super) async fn ring(self: &Arc<Self>) -> Result<KeyRing, Refusal> {
        if let Some(ring) = self.keys.ready() {
            return Ok(ring);
        }
        let tenant = self.clone();
        let made = tokio::task::spawn_blocking(move || tenant.keys.ring()).await;
        made.map_err(|_| Refusal::new(http::StatusCode::INTERNAL_SERVER_ERROR, "server_error", "No key could be made"))
    }

    /// Takes one request out of the endpoint's limit.
    pub(super) fn take_endpoint(&self, endpoint: EndpointName) -> Result<RateReading, RateReading> {
        let limit = *self.settings().endpoint_limits.at(endpoint);
        let unlimited =
            RateReading { limit: NO_LIMIT, remaining: NO_LIMIT - 1, reset: self.now_seconds().saturating_add(1) };
        limit.map_or(Ok(unlimited), |limit| self.endpoint_buckets.take(endpoint, limit, self.moment()))
    }

    /// Takes one `/userinfo` call out of this user's limit; `None` where none is set.
    pub(super) fn take_userinfo(&self, subject: &str) -> Option<Result<RateReading, RateReading>> {
        let limit = self.settings().userinfo_limit?;
        Some(self.userinfo_buckets.take(subject.to_owned(), limit, self.moment()))
    }

    fn moment(&self) -> Moment {
        Moment { instant: self.clock.instant(), now: self.clock.now() }
    }
}

impl Settings {
    fn new(world: WorldTenant) -> Self {
        Self {
            strangers: world.strangers,
            first_client: world.clients.first().map(|client| client.id.clone()),
            clients: world.clients.into_iter().map(|client| (client.id.clone(), Arc::new(client))).collect(),
            connections: world.connections,
            default_directory: world.default_directory,
            apis: world.apis,
            claims: world.claims,
            users: Users::new(world.users),
            lifetimes: LIFETIMES,
            userinfo_limit: Some(RateLimit::USERINFO),
            endpoint_limits: PerEndpoint::default(),
            brute_force_threshold: Some(BRUTE_FORCE_THRESHOLD),
            refresh_tokens_per_user: Some(REFRESH_TOKENS_PER_USER),
            keys_gone: false,
            silent_error: None,
        }
    }

    /// Changes a client; one that is not listed starts as a stranger.
    pub(super) fn change_client(&mut self, id: &str, change: impl FnOnce(&mut WorldClient)) {
        let client = self.clients.entry(id.to_owned()).or_insert_with(|| Arc::new(WorldClient::stranger(id)));
        change(Arc::make_mut(client));
    }
}
