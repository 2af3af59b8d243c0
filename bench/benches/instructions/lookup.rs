//! From the text of a host to the tenant and client that serve it, among ten thousand hosts.
//!
//! A hundred tenants of a hundred hosts each: the maps are as large as those of ten thousand tenants, and valgrind reads
//! the files in seconds and not in minutes.

use std::hint::black_box;

use auth0_gateway::base::id::Host;
use auth0_gateway::tenant::lookup::Query;
use auth0_gateway::tenant::reading::Outcome;
use auth0_gateway::tenant::registry::{Parts, Registry};
use bench::population;
use gungraun::{library_benchmark, library_benchmark_group};

/// How many look-ups a bench counts: one alone would hang on whether its place in the map was taken.
const LOOKUPS: usize = 1000;

const TENANTS: usize = 100;

/// Of each tenant: that many exact hosts, and as many suffixes.
const HOSTS: usize = 100;

/// A registry, and what it is asked.
type Asked = (&'static Registry, Vec<String>);

fn registry() -> Registry {
    let reader = population::reader();
    let tenant = |n: usize| {
        let further = (0..HOSTS).flat_map(|host| [exact(n, host), format!("\"*.{}\"", suffix(n, host))]);
        let text = population::file_with_hosts(n, &further.collect::<Vec<_>>());
        let name = population::name(n);
        match reader.read(&format!("{name}.yaml"), text.as_bytes(), &name).outcome {
            Outcome::Good { tenant, .. } => tenant,
            Outcome::Bad { problems, .. } => unreachable!("a generated tenant is good: {problems:?}"),
        }
    };
    Registry::build(Parts { tenants: (0..TENANTS).map(tenant).collect(), ..Parts::default() })
}

fn exact(tenant: usize, host: usize) -> String {
    format!("app{host}.t{tenant}.example")
}

fn suffix(tenant: usize, host: usize) -> String {
    format!("eu{host}.t{tenant}.example")
}

/// Spread over all hosts: 7,919 is a prime.
fn asked(text: impl Fn(usize, usize) -> String) -> Asked {
    let registry = Box::leak(Box::new(registry()));
    let places = (0..LOOKUPS).map(|n| n * 7919 % (TENANTS * HOSTS));
    (registry, places.map(|place| text(place / HOSTS, place % HOSTS)).collect())
}

fn all_found((found, _): (usize, Vec<String>)) {
    assert_eq!(found, LOOKUPS);
}

fn none_found((found, _): (usize, Vec<String>)) {
    assert_eq!(found, 0);
}

#[library_benchmark]
#[bench::exact(args = (asked(exact)), teardown = all_found)]
#[bench::by_suffix(args = (asked(|tenant, host| format!("shop.{}", suffix(tenant, host)))), teardown = all_found)]
#[bench::no_tenant(args = (asked(|tenant, host| format!("app{host}.t{tenant}.elsewhere"))), teardown = none_found)]
fn thousand_lookups((registry, asked): Asked) -> (usize, Vec<String>) {
    let found = asked.iter().filter(|text| {
        let host = Host::parse(black_box(text));
        host.is_ok_and(|host| {
            registry.resolve(&Query { host: &host, client_type: Some("web"), client_id: None }).is_ok()
        })
    });
    (found.count(), asked)
}

library_benchmark_group!(name = of_lookups, benchmarks = thousand_lookups);
