//! Every metric: its name, its labels, and one method per event.
//!
//! No method takes a string from a caller, so no caller's value can become a label. The `tenant`
//! label holds the first [`Metrics::new`]'s `tenant_cap` tenants; later ones count as `other`.

mod labels;
mod registration;
mod tenant_info;

#[cfg(test)]
mod golden;

pub use labels::{
    Api, BackchannelResult, BreakerState, CacheName, CacheResult, Endpoint, FetchResult, LoginResult,
    OperatorErrorKind, RefreshResult, ReloadResult, ResolutionReason, ShedReason, StoreBackend, StoreErrorKind,
    StoreOperation, TenantState, WatchMode,
};

use std::sync::Arc;
use std::time::Duration;

use ahash::{AHashMap, AHashSet};
use arc_swap::ArcSwap;
use prometheus::{Encoder, TextEncoder};

use crate::base::digest::Digest;
use crate::base::id::TenantName;
use registration::Families;
use tenant_info::Labelled;

/// The label of every tenant beyond the cap.
const OTHER: &str = "other";

/// All metrics of one gateway, in a registry of their own.
pub struct Metrics {
    families: Families,
    tenant_cap: usize,
    /// Tenants that have a label of their own. Written at a reload, read at every request.
    labelled: Arc<Labelled>,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    /// A fresh set, all at zero. `tenant_cap` is `--metrics-tenants`.
    pub fn new(tenant_cap: usize) -> Result<Self, prometheus::Error> {
        let labelled = Arc::new(ArcSwap::from_pointee(AHashMap::new()));
        Ok(Self { families: Families::register(labelled.clone())?, tenant_cap, labelled })
    }

    /// The exposition in Prometheus' text format (version 0.0.4).
    pub fn render(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::with_capacity(16 * 1024);
        TextEncoder::new().encode(&self.families.registry.gather(), &mut text)?;
        Ok(text)
    }

    /// Which tenants there are now. Those that keep their label keep their series; the series of
    /// those that went are dropped.
    pub fn set_tenants<'a>(&self, tenants: impl IntoIterator<Item = &'a TenantName> + Clone) {
        let before = self.labelled.load_full();
        let all: AHashSet<&TenantName> = tenants.clone().into_iter().collect();
        self.families.tenant_info.keep(|name| all.contains(name));
        let mut now = AHashMap::new();
        let (kept, new): (Vec<_>, Vec<_>) = tenants.into_iter().partition(|name| before.contains_key(*name));
        for name in kept.into_iter().chain(new).take(self.tenant_cap) {
            now.insert(name.clone(), Arc::from(name.as_str()));
        }
        for gone in before.keys().filter(|name| !now.contains_key(*name)) {
            self.families.forget_tenant(gone.as_str());
        }
        self.labelled.store(Arc::new(now));
    }

    /// `tls_certificate_not_after_seconds`, unix seconds.
    pub fn certificate_not_after(&self, seconds: i64) {
        self.families.certificate_not_after.with_label_values::<&str>(&[]).set(seconds);
    }

    /// `tenant_info{tenant,label_*}`: the file's labels, for joins. Called at a reload; shown for the tenants
    /// that have a label of their own.
    pub fn set_tenant_info(&self, tenant: &TenantName, labels: &[(Box<str>, Box<str>)]) {
        self.families.tenant_info.set(tenant, labels);
    }

    /// A request was answered. `None`: no tenant was found for it.
    pub fn request(&self, tenant: Option<&TenantName>, endpoint: Endpoint, status: u16, took: Duration) {
        let labelled = self.labelled.load();
        let tenant = tenant.map_or("", |name| labelled.get(name).map_or(OTHER, |label| label));
        let mut code = itoa::Buffer::new();
        self.families.requests.with_label_values(&[tenant, endpoint.name(), code.format(status)]).inc();
        self.families.request_seconds[endpoint as usize].observe(took.as_secs_f64());
    }

    /// A request came in; `-1` when it is done.
    pub fn in_flight(&self, change: i64) {
        self.families.in_flight.add(change);
    }

    /// A connection was opened; `-1` when it is closed.
    pub fn connections(&self, change: i64) {
        self.families.connections.add(change);
    }

    /// How a tenant was found, or why none was.
    pub fn resolution(&self, reason: ResolutionReason) {
        self.families.resolutions[reason as usize].inc();
    }

    /// A login ended.
    pub fn login(&self, tenant: &TenantName, grant: crate::telemetry::GrantLabel, result: LoginResult) {
        self.with_tenant(tenant, |label| {
            self.families.logins.with_label_values(&[label, grant.0, result.name()]).inc();
        });
    }

    /// A refresh ended.
    pub fn refresh(&self, result: RefreshResult) {
        self.families.refreshes[result as usize].inc();
    }

    /// A logout token was taken or not.
    pub fn backchannel_logout(&self, result: BackchannelResult) {
        self.families.backchannel_logouts[result as usize].inc();
    }

    /// A call to Auth0 ended. `code` is a status, or 0 where none came.
    pub fn upstream(&self, tenant: &TenantName, api: Api, code: u16, took: Duration) {
        let mut buffer = itoa::Buffer::new();
        let code = if code == 0 { "none" } else { buffer.format(code) };
        self.with_tenant(tenant, |label| self.families.upstream.with_label_values(&[label, api.name(), code]).inc());
        self.families.upstream_seconds[api as usize].observe(took.as_secs_f64());
    }

    /// Auth0's `x-ratelimit-remaining`.
    pub fn ratelimit_remaining(&self, tenant: &TenantName, api: Api, remaining: i64) {
        self.with_tenant(tenant, |label| {
            self.families.ratelimit_remaining.with_label_values(&[label, api.name()]).set(remaining);
        });
    }

    /// A call to Auth0 was not made.
    pub fn shed(&self, tenant: &TenantName, api: Api, reason: ShedReason) {
        self.with_tenant(tenant, |label| {
            self.families.shed.with_label_values(&[label, api.name(), reason.name()]).inc();
        });
    }

    /// A breaker changed.
    pub fn breaker(&self, tenant: &TenantName, api: Api, state: BreakerState) {
        self.with_tenant(tenant, |label| {
            self.families.breaker_state.with_label_values(&[label, api.name()]).set(state as i64);
        });
    }

    /// Auth0 rejected something that only the operator can mend.
    pub fn operator_error(&self, tenant: &TenantName, kind: OperatorErrorKind) {
        self.with_tenant(tenant, |label| self.families.operator_errors.with_label_values(&[label, kind.name()]).inc());
    }

    /// The second of two secrets was accepted where the first was not.
    pub fn secret_fallback(&self, tenant: &TenantName) {
        self.with_tenant(tenant, |label| self.families.secret_fallbacks.with_label_values(&[label]).inc());
    }

    /// A key set was fetched, or not.
    pub fn jwks_fetch(&self, tenant: &TenantName, result: FetchResult) {
        self.with_tenant(tenant, |label| self.families.jwks_fetches.with_label_values(&[label, result.name()]).inc());
    }

    /// The age of the key set in use.
    pub fn jwks_age(&self, tenant: &TenantName, age: Duration) {
        self.with_tenant(tenant, |label| self.families.jwks_age.with_label_values(&[label]).set(age.as_secs_f64()));
    }

    /// A cache was asked.
    pub fn cache(&self, cache: CacheName, result: CacheResult) {
        self.families.caches[cache as usize][result as usize].inc();
    }

    /// How many sessions are live.
    pub fn sessions(&self, live: u64) {
        self.families.sessions.set(i64::try_from(live).unwrap_or(i64::MAX));
    }

    /// Whether the session store answers.
    pub fn session_store_up(&self, up: bool) {
        self.families.session_store_up.set(i64::from(up));
    }

    /// The session store was asked something.
    pub fn store_operation(&self, backend: StoreBackend, operation: StoreOperation, took: Duration) {
        let labels = [backend.name(), operation.name()];
        self.families.store_seconds.with_label_values(&labels).observe(took.as_secs_f64());
    }

    /// The session store did not answer.
    pub fn store_error(&self, kind: StoreErrorKind) {
        self.families.store_errors[kind as usize].inc();
    }

    /// A reload ended.
    pub fn reload(&self, result: ReloadResult, at_unix_seconds: i64) {
        self.families.reloads[result as usize].inc();
        self.families.last_reload_successful.set(i64::from(result == ReloadResult::Applied));
        if result == ReloadResult::Applied {
            self.families.last_reload_success_at.set(at_unix_seconds);
        }
    }

    /// Whether a file is valid. Every invalid file is shown; valid ones up to the cap.
    pub fn file_valid(&self, file: &str, valid: bool, within_cap: bool) {
        if valid && !within_cap {
            self.forget_file(file);
        } else {
            self.families.file_valid.with_label_values(&[file]).set(i64::from(valid));
        }
    }

    /// The file is gone.
    pub fn forget_file(&self, file: &str) {
        let _ = self.families.file_valid.remove_label_values(&[file]);
    }

    /// How many files are broken so that not even their hosts are known.
    pub fn hosts_unknown(&self, files: usize) {
        self.families.hosts_unknown.set(i64::try_from(files).unwrap_or(i64::MAX));
    }

    /// Whether removals are held back.
    pub fn directory_suspect(&self, suspect: bool) {
        self.families.directory_suspect.set(i64::from(suspect));
    }

    /// How changes are noticed.
    pub fn watch_mode(&self, mode: WatchMode) {
        for each in WatchMode::ALL {
            self.families.watch_mode.with_label_values(&[each.name()]).set(i64::from(*each == mode));
        }
    }

    /// The registry that serves, as a number: replicas that differ have different ones.
    pub fn config_hash(&self, hash: Digest) {
        self.families.config_hash.set(hash.as_gauge());
    }

    /// How many tenants are in a state.
    pub fn tenants(&self, state: TenantState, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.families.tenants.with_label_values(&[state.name()]).set(count);
    }

    /// How many log lines were dropped since the start.
    pub fn log_lines_dropped(&self, total: u64) {
        let counted = self.families.log_lines_dropped.get();
        self.families.log_lines_dropped.inc_by(total.saturating_sub(counted));
    }

    fn with_tenant(&self, tenant: &TenantName, record: impl FnOnce(&str)) {
        let labelled = self.labelled.load();
        record(labelled.get(tenant).map_or(OTHER, |label| label));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> TenantName {
        TenantName::parse(text).expect("is a name")
    }

    fn rendered(metrics: &Metrics) -> String {
        String::from_utf8(metrics.render().expect("renders")).expect("is text")
    }

    #[test]
    fn tenants_beyond_the_cap_are_other_and_gone_ones_leave() {
        let metrics = Metrics::new(1).expect("registers");
        let (a, b) = (name("a"), name("b"));
        metrics.set_tenants([&a, &b]);
        metrics.request(Some(&a), Endpoint::Token, 200, Duration::from_millis(3));
        metrics.request(Some(&b), Endpoint::Token, 200, Duration::from_millis(3));
        let text = rendered(&metrics);
        assert!(
            text.contains(r#"auth0_gateway_http_requests_total{code="200",endpoint="token",tenant="a"} 1"#),
            "{text}"
        );
        assert!(
            text.contains(r#"auth0_gateway_http_requests_total{code="200",endpoint="token",tenant="other"} 1"#),
            "{text}"
        );
        metrics.set_tenants([&b]);
        let text = rendered(&metrics);
        assert!(!text.contains(r#"tenant="a""#), "{text}");
    }
}
