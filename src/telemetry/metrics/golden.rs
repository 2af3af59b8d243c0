//! The list of every family, and the rules that each keeps.
//!
//! A family is added here in the same change as in `registration`: dashboards and alerts of strangers go by
//! these names, so that a renamed one is a broken promise and not a detail.

use std::time::Duration;

use prometheus::proto::MetricType;

use super::*;
use crate::telemetry::GrantLabel;

/// Name, type and labels of every family, without the namespace.
const FAMILIES: &str = "\
backchannel_logouts_total counter result
breaker_state gauge api,tenant
build_info gauge version
cache_requests_total counter cache,result
client_secret_fallback_total counter tenant
config_directory_suspect gauge
config_file_hosts_unknown gauge
config_file_valid gauge file
config_hash gauge
config_last_reload_success_timestamp_seconds gauge
config_last_reload_successful gauge
config_reloads_total counter result
config_watch_mode gauge mode
connections gauge
http_request_duration_seconds histogram endpoint
http_requests_in_flight gauge
http_requests_total counter code,endpoint,tenant
jwks_age_seconds gauge tenant
jwks_fetches_total counter result,tenant
log_lines_dropped_total counter
logins_total counter grant,result,tenant
operator_errors_total counter kind,tenant
refresh_total counter result
session_store_errors_total counter kind
session_store_operation_duration_seconds histogram backend,op
session_store_up gauge
sessions gauge
shed_total counter api,reason,tenant
tenant_info gauge label_team,tenant
tenant_resolution_total counter reason
tenants gauge state
tls_certificate_not_after_seconds gauge
upstream_ratelimit_remaining gauge api,tenant
upstream_request_duration_seconds histogram api
upstream_requests_total counter api,code,tenant
";

/// Every family with at least one series.
fn touched() -> Metrics {
    let metrics = Metrics::new(10).expect("registers");
    let acme = TenantName::parse("acme").expect("is a name");
    metrics.set_tenants([&acme]);
    metrics.set_tenant_info(&acme, &[("team".into(), "a".into())]);
    metrics.request(Some(&acme), Endpoint::Token, 200, Duration::from_millis(3));
    metrics.login(&acme, GrantLabel::of("password"), LoginResult::Ok);
    metrics.upstream(&acme, Api::Token, 200, Duration::from_millis(3));
    metrics.ratelimit_remaining(&acme, Api::Token, 9);
    metrics.certificate_not_after(1);
    metrics.shed(&acme, Api::Token, ShedReason::QueueFull);
    metrics.breaker(&acme, Api::Token, BreakerState::Open);
    metrics.operator_error(&acme, OperatorErrorKind::Grant);
    metrics.secret_fallback(&acme);
    metrics.jwks_fetch(&acme, FetchResult::Ok);
    metrics.jwks_age(&acme, Duration::from_secs(1));
    metrics.store_operation(StoreBackend::Memory, StoreOperation::Read, Duration::from_micros(1));
    metrics.file_valid("acme.yaml", true, true);
    metrics.watch_mode(WatchMode::Notify);
    metrics
}

fn families() -> Vec<prometheus::proto::MetricFamily> {
    let mut families = touched().families.registry.gather();
    families.retain(|family| !family.name().starts_with("process_"));
    families
}

fn labels(family: &prometheus::proto::MetricFamily) -> Vec<&str> {
    let first = family.get_metric().first().expect("every family was touched");
    first.get_label().iter().map(prometheus::proto::LabelPair::name).collect()
}

#[test]
fn names_types_and_labels_are_these() {
    let mut found = String::new();
    for family in families() {
        let kind = format!("{:?}", family.get_field_type()).to_lowercase();
        let name = family.name().strip_prefix("auth0_gateway_").expect("is of our namespace");
        let line = format!("{name} {kind} {}", labels(&family).join(","));
        found.extend([line.trim_end(), "\n"]);
    }
    assert_eq!(found, FAMILIES);
}

#[test]
fn every_family_keeps_prometheus_rules() {
    for family in families() {
        let name = family.name();
        assert!(family.help().ends_with('.') && family.help().len() > 10, "{name}: {:?}", family.help());
        let kind = family.get_field_type();
        assert_eq!(kind == MetricType::COUNTER, name.ends_with("_total"), "{name}");
        if kind == MetricType::HISTOGRAM {
            assert!(name.ends_with("_seconds"), "{name}: base units");
            assert!(!labels(&family).contains(&"tenant"), "{name}: buckets times tenants");
        }
        for wrong in ["_ms", "_milliseconds", "_count", "_sum", "_bucket", "_percent"] {
            assert!(!name.ends_with(wrong), "{name}");
        }
    }
}

#[test]
fn what_is_counted_once_a_start_is_there_from_the_start() {
    let text = Metrics::new(10).expect("registers").render().expect("renders");
    let text = String::from_utf8(text).expect("is text");
    for series in [
        r#"auth0_gateway_refresh_total{result="lost"} 0"#,
        r#"auth0_gateway_backchannel_logouts_total{result="rejected"} 0"#,
        r#"auth0_gateway_tenant_resolution_total{reason="disputed"} 0"#,
        r#"auth0_gateway_session_store_errors_total{kind="unavailable"} 0"#,
        r#"auth0_gateway_config_reloads_total{result="failed"} 0"#,
        "auth0_gateway_log_lines_dropped_total 0",
    ] {
        // An alert on a rate sees no rise from nothing to 1.
        assert!(text.contains(series), "{series}");
    }
}

#[test]
fn a_tenant_that_went_leaves_no_series() {
    let metrics = touched();
    metrics.set_tenants([]);
    let text = String::from_utf8(metrics.render().expect("renders")).expect("is text");
    assert!(!text.contains(r#"tenant="acme""#), "{text}");
}

#[test]
fn dropped_lines_are_counted_up_to_the_total_given() {
    let metrics = Metrics::new(0).expect("registers");
    for (total, shown) in [(3, 3), (3, 3), (10, 10), (7, 10)] {
        metrics.log_lines_dropped(total);
        assert_eq!(metrics.families.log_lines_dropped.get(), shown);
    }
}
