//! Creates and registers every family. The only place where a metric's name stands.

use std::sync::Arc;

use prometheus::core::Collector;
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

use super::labels::{
    Api, BackchannelResult, CacheName, CacheResult, Endpoint, RefreshResult, ReloadResult, ResolutionReason,
    StoreErrorKind, TenantState,
};
use super::tenant_info::{Labelled, TenantInfo};

/// From a cached hit (tens of microseconds) to Auth0's time-out.
const SECONDS: &[f64] =
    &[0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Every family, and the children that the hot path counts on.
pub(super) struct Families {
    pub(super) registry: Registry,
    pub(super) requests: IntCounterVec,
    pub(super) request_seconds: Vec<Histogram>,
    pub(super) in_flight: IntGauge,
    pub(super) connections: IntGauge,
    pub(super) resolutions: Vec<IntCounter>,
    pub(super) logins: IntCounterVec,
    pub(super) refreshes: Vec<IntCounter>,
    pub(super) backchannel_logouts: Vec<IntCounter>,
    pub(super) upstream: IntCounterVec,
    pub(super) upstream_seconds: Vec<Histogram>,
    pub(super) ratelimit_remaining: IntGaugeVec,
    pub(super) operator_errors: IntCounterVec,
    pub(super) secret_fallbacks: IntCounterVec,
    pub(super) jwks_fetches: IntCounterVec,
    pub(super) jwks_age: GaugeVec,
    pub(super) caches: Vec<Vec<IntCounter>>,
    pub(super) sessions: IntGauge,
    pub(super) session_store_up: IntGauge,
    pub(super) reloads: Vec<IntCounter>,
    pub(super) last_reload_successful: IntGauge,
    pub(super) last_reload_success_at: IntGauge,
    pub(super) file_valid: IntGaugeVec,
    pub(super) hosts_unknown: IntGauge,
    pub(super) directory_suspect: IntGauge,
    pub(super) watch_mode: IntGaugeVec,
    /// Without labels: it has no value where there is no certificate.
    pub(super) certificate_not_after: IntGaugeVec,
    pub(super) config_hash: Gauge,
    pub(super) tenants: IntGaugeVec,
    pub(super) tenant_info: TenantInfo,
    pub(super) shed: IntCounterVec,
    pub(super) breaker_state: IntGaugeVec,
    pub(super) store_seconds: HistogramVec,
    pub(super) store_errors: Vec<IntCounter>,
    pub(super) log_lines_dropped: IntCounter,
}

impl Families {
    #[expect(clippy::too_many_lines, reason = "one entry a family: the list is the point")]
    pub(super) fn register(labelled: Arc<Labelled>) -> Result<Self, prometheus::Error> {
        let registry = Registry::new_custom(None, None)?;
        let to = &registry;
        process(to)?;
        build_info(to)?;
        let request_seconds =
            seconds(to, "http_request_duration_seconds", "Time to answer, by endpoint.", &["endpoint"])?;
        let upstream_seconds = seconds(to, "upstream_request_duration_seconds", "Time Auth0 took, by API.", &["api"])?;
        let resolutions = counters(to, "tenant_resolution_total", "How tenants were found, or why not.", &["reason"])?;
        let refreshes = counters(to, "refresh_total", "How refreshes ended.", &["result"])?;
        let backchannel = counters(to, "backchannel_logouts_total", "What came of logout tokens.", &["result"])?;
        let caches = counters(to, "cache_requests_total", "What caches said.", &["cache", "result"])?;
        let reloads = counters(to, "config_reloads_total", "How reloads ended.", &["result"])?;
        let store_errors =
            counters(to, "session_store_errors_total", "Times the session store did not answer.", &["kind"])?;
        let tenants = gauges(to, "tenants", "Tenant files by state.", &["state"])?;
        for state in TenantState::ALL {
            tenants.with_label_values(&[state.name()]).set(0);
        }
        Ok(Self {
            requests: counters(to, "http_requests_total", "Requests answered.", &["tenant", "endpoint", "code"])?,
            request_seconds: Endpoint::ALL.iter().map(|it| request_seconds.with_label_values(&[it.name()])).collect(),
            in_flight: gauge(to, "http_requests_in_flight", "Requests under way.")?,
            connections: gauge(to, "connections", "Connections open.")?,
            resolutions: ResolutionReason::ALL.iter().map(|it| resolutions.with_label_values(&[it.name()])).collect(),
            logins: counters(to, "logins_total", "How logins ended.", &["tenant", "grant", "result"])?,
            refreshes: RefreshResult::ALL.iter().map(|it| refreshes.with_label_values(&[it.name()])).collect(),
            backchannel_logouts: BackchannelResult::ALL
                .iter()
                .map(|it| backchannel.with_label_values(&[it.name()]))
                .collect(),
            upstream: counters(to, "upstream_requests_total", "Calls to Auth0.", &["tenant", "api", "code"])?,
            upstream_seconds: Api::ALL.iter().map(|it| upstream_seconds.with_label_values(&[it.name()])).collect(),
            ratelimit_remaining: gauges(
                to,
                "upstream_ratelimit_remaining",
                "Auth0's x-ratelimit-remaining.",
                &["tenant", "api"],
            )?,
            operator_errors: counters(
                to,
                "operator_errors_total",
                "Rejections that only the operator can mend.",
                &["tenant", "kind"],
            )?,
            secret_fallbacks: counters(
                to,
                "client_secret_fallback_total",
                "The second secret was accepted.",
                &["tenant"],
            )?,
            jwks_fetches: counters(to, "jwks_fetches_total", "Fetches of key sets.", &["tenant", "result"])?,
            jwks_age: registered(
                to,
                GaugeVec::new(opts("jwks_age_seconds", "Age of the key set in use."), &["tenant"])?,
            )?,
            caches: CacheName::ALL
                .iter()
                .map(|cache| {
                    CacheResult::ALL.iter().map(|it| caches.with_label_values(&[cache.name(), it.name()])).collect()
                })
                .collect(),
            sessions: gauge(to, "sessions", "Live sessions.")?,
            session_store_up: gauge(to, "session_store_up", "Whether the session store answers.")?,
            reloads: ReloadResult::ALL.iter().map(|it| reloads.with_label_values(&[it.name()])).collect(),
            last_reload_successful: gauge(
                to,
                "config_last_reload_successful",
                "Whether the last reload applied every file.",
            )?,
            last_reload_success_at: gauge(
                to,
                "config_last_reload_success_timestamp_seconds",
                "When a reload last applied every file.",
            )?,
            file_valid: gauges(to, "config_file_valid", "Whether a tenant file is valid.", &["file"])?,
            hosts_unknown: gauge(to, "config_file_hosts_unknown", "Broken files whose hosts cannot be told.")?,
            directory_suspect: gauge(to, "config_directory_suspect", "Whether removals are held back.")?,
            certificate_not_after: gauges(
                to,
                "tls_certificate_not_after_seconds",
                "When the first of the certificates in service ends, in unix seconds.",
                &[],
            )?,
            watch_mode: gauges(to, "config_watch_mode", "How changes are noticed.", &["mode"])?,
            config_hash: registered(
                to,
                Gauge::with_opts(opts("config_hash", "The registry that serves, as a number."))?,
            )?,
            tenants,
            tenant_info: registered(to, TenantInfo::new(labelled)?)?,
            shed: counters(to, "shed_total", "Calls to Auth0 not made.", &["tenant", "api", "reason"])?,
            breaker_state: gauges(
                to,
                "breaker_state",
                "A breaker: 0 closed, 1 half open, 2 open.",
                &["tenant", "api"],
            )?,
            store_seconds: seconds(
                to,
                "session_store_operation_duration_seconds",
                "Time the session store took.",
                &["backend", "op"],
            )?,
            store_errors: StoreErrorKind::ALL.iter().map(|it| store_errors.with_label_values(&[it.name()])).collect(),
            log_lines_dropped: registered(
                to,
                IntCounter::with_opts(opts("log_lines_dropped_total", "Log lines dropped."))?,
            )?,
            registry,
        })
    }

    /// Drops every series of a tenant.
    pub(super) fn forget_tenant(&self, tenant: &str) {
        forget(&self.requests, tenant, |labels| self.requests.remove_label_values(labels));
        forget(&self.logins, tenant, |labels| self.logins.remove_label_values(labels));
        forget(&self.upstream, tenant, |labels| self.upstream.remove_label_values(labels));
        forget(&self.ratelimit_remaining, tenant, |labels| self.ratelimit_remaining.remove_label_values(labels));
        forget(&self.operator_errors, tenant, |labels| self.operator_errors.remove_label_values(labels));
        forget(&self.secret_fallbacks, tenant, |labels| self.secret_fallbacks.remove_label_values(labels));
        forget(&self.jwks_fetches, tenant, |labels| self.jwks_fetches.remove_label_values(labels));
        forget(&self.jwks_age, tenant, |labels| self.jwks_age.remove_label_values(labels));
        forget(&self.shed, tenant, |labels| self.shed.remove_label_values(labels));
        forget(&self.breaker_state, tenant, |labels| self.breaker_state.remove_label_values(labels));
    }
}

/// Removes each child of `family` whose `tenant` is this one.
fn forget(family: &impl Collector, tenant: &str, remove: impl Fn(&[&str]) -> Result<(), prometheus::Error>) {
    let Some(names) = family.desc().first().map(|desc| desc.variable_labels.clone()) else { return };
    for metric in family.collect().iter().flat_map(prometheus::proto::MetricFamily::get_metric) {
        let value =
            |name: &String| metric.get_label().iter().find(|pair| pair.name() == name).map_or("", |pair| pair.value());
        let values: Vec<&str> = names.iter().map(value).collect();
        if names.iter().zip(&values).any(|(name, value)| name == "tenant" && *value == tenant) {
            let _ = remove(&values);
        }
    }
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("auth0_gateway")
}

#[expect(clippy::disallowed_methods, reason = "the one place that registers families")]
fn registered<C: Collector + Clone + 'static>(registry: &Registry, family: C) -> Result<C, prometheus::Error> {
    registry.register(Box::new(family.clone()))?;
    Ok(family)
}

fn counters(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
    registered(registry, IntCounterVec::new(opts(name, help), labels)?)
}

fn gauges(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, prometheus::Error> {
    registered(registry, IntGaugeVec::new(opts(name, help), labels)?)
}

fn gauge(registry: &Registry, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
    registered(registry, IntGauge::with_opts(opts(name, help))?)
}

fn seconds(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> Result<HistogramVec, prometheus::Error> {
    let opts = HistogramOpts::from(opts(name, help)).buckets(SECONDS.to_vec());
    registered(registry, HistogramVec::new(opts, labels)?)
}

fn build_info(registry: &Registry) -> Result<(), prometheus::Error> {
    let family = gauges(registry, "build_info", "The version that runs.", &["version"])?;
    family.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
    Ok(())
}

#[cfg(target_os = "linux")]
#[expect(clippy::disallowed_methods, reason = "the one place that registers families")]
fn process(registry: &Registry) -> Result<(), prometheus::Error> {
    registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))
}

#[cfg(not(target_os = "linux"))]
fn process(_: &Registry) -> Result<(), prometheus::Error> {
    Ok(())
}
