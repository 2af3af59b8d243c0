//! `tenant_info{tenant,label_*}`: a tenant file's labels, to join other series with.
//!
//! A collector of its own, since the label *names* come from the files: one series a tenant with just
//! the labels it has, as a missing label and an empty one are the same to Prometheus.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ahash::AHashMap;
use arc_swap::ArcSwap;
use prometheus::core::{Collector, Desc};
use prometheus::proto::{Gauge, LabelPair, Metric, MetricFamily, MetricType};

use crate::base::id::TenantName;

const NAME: &str = "auth0_gateway_tenant_info";
const HELP: &str = "The labels of a tenant's file, each as label_NAME.";
/// Labels of one tenant; a file with more is not valid.
const MOST_LABELS: usize = 5;

/// Tenants with a `tenant` label of their own, and that label.
pub(super) type Labelled = ArcSwap<AHashMap<TenantName, Arc<str>>>;

/// The family. A handle: clones are of one family.
#[derive(Clone)]
pub(super) struct TenantInfo {
    desc: Desc,
    labelled: Arc<Labelled>,
    rows: Arc<Mutex<Rows>>,
}

/// By tenant, in the order shown; label names as shown, sorted.
type Rows = BTreeMap<TenantName, BTreeMap<String, String>>;

impl TenantInfo {
    pub(super) fn new(labelled: Arc<Labelled>) -> Result<Self, prometheus::Error> {
        let desc =
            Desc::new(NAME.to_owned(), HELP.to_owned(), vec!["tenant".to_owned()], std::collections::HashMap::new())?;
        Ok(Self { desc, labelled, rows: Arc::default() })
    }

    /// The tenant's labels are these now.
    pub(super) fn set(&self, tenant: &TenantName, labels: &[(Box<str>, Box<str>)]) {
        let mut shown = BTreeMap::new();
        for (key, value) in labels.iter().take(MOST_LABELS) {
            // Of two keys that are one as a label name, the file's first counts.
            shown.entry(label_name(key)).or_insert_with(|| value.to_string());
        }
        self.rows().insert(tenant.clone(), shown);
    }

    /// Forgets every tenant but these.
    pub(super) fn keep(&self, is_kept: impl Fn(&TenantName) -> bool) {
        self.rows().retain(|tenant, _| is_kept(tenant));
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for TenantInfo {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let labelled = self.labelled.load();
        let rows = self.rows();
        let shown = rows.iter().filter(|(tenant, _)| labelled.contains_key(*tenant));
        let metrics = shown.map(|(tenant, labels)| series(tenant, labels)).collect();
        let mut family = MetricFamily::default();
        family.set_name(NAME.to_owned());
        family.set_help(HELP.to_owned());
        family.set_field_type(MetricType::GAUGE);
        family.set_metric(metrics);
        vec![family]
    }
}

fn series(tenant: &TenantName, labels: &BTreeMap<String, String>) -> Metric {
    let labels = labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let mut metric = Metric::from_label(labels.chain([("tenant", tenant.as_str())]).map(pair).collect());
    let mut one = Gauge::default();
    one.set_value(1.0);
    metric.set_gauge(one);
    metric
}

fn pair((name, value): (&str, &str)) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value.to_owned());
    pair
}

/// `cost-centre` as `label_cost_centre`: what Prometheus takes for a name.
fn label_name(key: &str) -> String {
    let sane = |it: char| if it.is_ascii_alphanumeric() { it.to_ascii_lowercase() } else { '_' };
    "label_".chars().chain(key.chars().map(sane)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics::Metrics;

    fn name(text: &str) -> TenantName {
        TenantName::parse(text).expect("is a name")
    }

    fn labels<'a>(labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<(Box<str>, Box<str>)> {
        labels.into_iter().map(|(key, value)| (key.into(), value.into())).collect()
    }

    fn shown(metrics: &Metrics) -> Vec<String> {
        let text = String::from_utf8(metrics.render().expect("renders")).expect("is text");
        text.lines().filter(|line| line.starts_with(NAME)).map(str::to_owned).collect()
    }

    #[test]
    fn each_tenant_shows_the_labels_it_has() {
        let metrics = Metrics::new(2).expect("registers");
        let (acme, globex, beyond) = (name("acme"), name("globex"), name("initech"));
        metrics.set_tenant_info(&acme, &labels([("team", "check\"out"), ("Cost-Centre", "7")]));
        metrics.set_tenant_info(&globex, &[]);
        metrics.set_tenant_info(&beyond, &labels([("team", "x")]));
        metrics.set_tenants([&acme, &globex, &beyond]);
        let wanted = [
            r#"auth0_gateway_tenant_info{tenant="globex"} 1"#,
            r#"auth0_gateway_tenant_info{label_cost_centre="7",label_team="check\"out",tenant="acme"} 1"#,
        ];
        assert_eq!(shown(&metrics), wanted);
        metrics.set_tenant_info(&acme, &labels([("team", "b")]));
        metrics.set_tenants([&acme]);
        assert_eq!(shown(&metrics), [r#"auth0_gateway_tenant_info{label_team="b",tenant="acme"} 1"#]);
        metrics.set_tenants([&acme, &globex]);
        assert_eq!(shown(&metrics).len(), 1, "what went is forgotten");
    }

    #[test]
    fn names_that_collide_and_names_too_many_are_left_out() {
        let metrics = Metrics::new(1).expect("registers");
        let acme = name("acme");
        metrics.set_tenants([&acme]);
        let seven = ["a-b", "a_b", "c", "d", "é", "f", "g"];
        metrics.set_tenant_info(&acme, &labels(seven.map(|key| (key, key))));
        let wanted = concat!(
            r#"auth0_gateway_tenant_info{label__="é",label_a_b="a-b",label_c="c",label_d="d","#,
            r#"tenant="acme"} 1"#
        );
        assert_eq!(shown(&metrics), [wanted]);
    }
}
