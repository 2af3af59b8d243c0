//! What a test does to a tenant, and what it asks of it afterwards.

use std::sync::Arc;
use std::time::Duration;

use super::backchannel::{self, LogoutDelivery};
use super::calls::{EndpointName, Recorded};
use super::faults::Fault;
use super::limits::RateLimit;
use super::mint::{self, MintSpec};
use super::refresh_tokens::RefreshEvent;
use super::tenant::TenantState;
use super::world::{ClientCredential, RotationMode};
use crate::base::secret::Secret;

/// The controls of one tenant. Cheap to clone.
#[derive(Clone)]
pub struct TenantHandle(Arc<TenantState>);

impl std::fmt::Debug for TenantHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TenantHandle({})", self.0.name)
    }
}

impl TenantHandle {
    pub(super) fn new(state: Arc<TenantState>) -> Self {
        Self(state)
    }

    /// `BASE/NAME/`.
    pub fn issuer(&self) -> String {
        self.0.issuer.clone()
    }

    /// How many requests reached the endpoint, those that failed too.
    pub fn calls(&self, endpoint: EndpointName) -> u64 {
        self.0.calls.calls(endpoint)
    }

    /// How many requests reached any endpoint.
    pub fn calls_total(&self) -> u64 {
        EndpointName::ALL.iter().map(|endpoint| self.calls(*endpoint)).sum()
    }

    /// How many requests of the token endpoint had this `grant_type`.
    pub fn grant_calls(&self, grant_type: &str) -> u64 {
        self.0.calls.grant_calls(grant_type)
    }

    /// The last request of the endpoint.
    pub fn last_request(&self, endpoint: EndpointName) -> Option<Recorded> {
        self.0.calls.last(endpoint)
    }

    /// The last requests of the endpoint, oldest first.
    pub fn recorded(&self, endpoint: EndpointName) -> Vec<Recorded> {
        self.0.calls.recorded(endpoint)
    }

    /// From now on this goes wrong at the endpoint.
    pub fn set_fault(&self, endpoint: EndpointName, fault: Fault) {
        self.0.faults.set(endpoint, fault);
    }

    /// Nothing goes wrong any more.
    pub fn clear_faults(&self) {
        self.0.faults.clear();
    }

    /// The next key signs from now on. Makes a key: not for an async thread.
    pub fn rotate_keys(&self) {
        self.0.keys.rotate();
    }

    /// The previous key counts no more.
    pub fn revoke_previous_key(&self) {
        self.0.keys.revoke_previous();
    }

    /// Whether the key set is served without any key.
    pub fn set_keys_gone(&self, gone: bool) {
        self.0.settings_mut().keys_gone = gone;
    }

    /// What `prompt=none` answers from now on, such as `consent_required` or `interaction_required`; `None`: a code
    /// where the browser has a session, else `login_required`.
    pub fn set_silent_error(&self, error: Option<&'static str>) {
        self.0.settings_mut().silent_error = error;
    }

    /// How long access tokens live from now on.
    pub fn set_access_token_lifetime(&self, lifetime: Duration) {
        self.0.settings_mut().lifetimes.access = lifetime;
    }

    /// What the client's refresh tokens do when used.
    pub fn set_rotation(&self, client_id: &str, rotation: RotationMode) {
        self.0.settings_mut().change_client(client_id, |client| client.rotation = rotation);
    }

    /// The secrets that the client may show.
    pub fn set_client_secrets(&self, client_id: &str, secrets: &[&str]) {
        let secrets = secrets.iter().map(|secret| Secret::new(*secret)).collect();
        self.0.settings_mut().change_client(client_id, |client| client.credential = ClientCredential::Secrets(secrets));
    }

    /// One user's limit of `/userinfo`; `None`: none.
    pub fn set_userinfo_limit(&self, limit: Option<RateLimit>) {
        self.0.settings_mut().userinfo_limit = limit;
    }

    /// Failures after which an address is blocked for an identifier; `None`: never.
    pub fn set_brute_force_threshold(&self, threshold: Option<u32>) {
        self.0.settings_mut().brute_force_threshold = threshold;
    }

    /// Blocks or unblocks a user, by `sub` or e-mail; how many that were.
    pub fn set_blocked(&self, user: &str, blocked: bool) -> usize {
        self.0.settings_mut().users.set_blocked(user, blocked)
    }

    /// Deletes a user, by `sub` or e-mail; how many that were.
    pub fn delete_user(&self, user: &str) -> usize {
        self.0.settings_mut().users.delete(user)
    }

    /// How often a rotating refresh token was presented against the rules.
    pub fn refresh_violations(&self) -> u64 {
        self.0.refresh_tokens.violations()
    }

    /// Every presented refresh token, oldest first.
    pub fn refresh_log(&self) -> Vec<RefreshEvent> {
        self.0.refresh_tokens.log()
    }

    /// How many families of refresh tokens are alive.
    pub fn refresh_families(&self) -> usize {
        self.0.refresh_tokens.families()
    }

    /// Lifts every brute-force block of an identifier.
    pub fn unblock(&self, identifier: &str) {
        self.0.failed_logins.unblock(identifier);
    }

    /// Whom to tell when a session of the client's ends; `None`: nobody.
    pub fn set_backchannel_logout(&self, client_id: &str, url: Option<String>) {
        self.0.settings_mut().change_client(client_id, |client| client.backchannel_logout = url);
    }

    /// The `sid` of the session that the client last got tokens in.
    pub fn last_sid(&self, client_id: &str) -> Option<String> {
        self.0.sessions.last(client_id)
    }

    /// Ends a session, as an administrator does; how many applications are told.
    pub fn end_session(&self, sid: &str) -> usize {
        backchannel::end(&self.0, sid)
    }

    /// What became of each logout token, oldest first.
    pub fn logout_deliveries(&self) -> Vec<LogoutDelivery> {
        self.0.sessions.deliveries()
    }

    /// The user of this e-mail says yes to the device that shows this code.
    pub fn confirm_device(&self, user_code: &str, email: &str) -> bool {
        let subject = self.0.settings().users.subject_of(email);
        subject.is_some_and(|subject| self.0.pending.confirm_device(user_code, &subject))
    }

    /// The one-time password that was sent last to an e-mail address or a phone number.
    pub fn last_one_time_password(&self, to: &str) -> Option<String> {
        self.0.pending.password(to)
    }

    /// The user says yes to the message of a second channel.
    pub fn confirm_oob(&self, oob_code: &str) -> bool {
        self.0.pending.confirm_channel(oob_code)
    }

    /// Makes a token for an attack. May make keys: not for an async thread.
    pub fn mint(&self, spec: &MintSpec) -> String {
        mint::mint(&self.0, spec)
    }
}
