//! Tenant files: one compiled, and what a reload decides when one of many has changed.

use std::hint::black_box;

use auth0_gateway::tenant::apply::{self, Diff, Listing, RemovalGuard, State};
use auth0_gateway::tenant::read::Reader;
use auth0_gateway::tenant::reading::Reading;
use auth0_gateway::tenant::registry::Registry;
use bench::population;
use gungraun::{library_benchmark, library_benchmark_group};
use jiff::Timestamp;

/// Valgrind reads a few of them a second; what is counted grows with their number.
const TENANTS: usize = 200;

const GUARD: RemovalGuard = RemovalGuard { at_most: 20, at_least: 5, accepted: false };

fn read(reader: &Reader, n: usize, text: &str) -> Reading {
    reader.read(&format!("{}.yaml", population::name(n)), text.as_bytes(), &population::name(n))
}

#[library_benchmark]
#[bench::three_clients(population::reader(), population::file(7))]
fn compile_file(reader: Reader, text: String) -> (Reading, Reader, String) {
    (read(&reader, 7, black_box(&text)), reader, text)
}

type Reload = (State, Vec<Reading>);

/// What serves, and what is read next: the same, but for one file that has a host more.
fn one_of_many_changed() -> Reload {
    let reader = population::reader();
    let mut readings: Vec<Reading> = (0..TENANTS).map(|n| read(&reader, n, &population::file(n))).collect();
    let listing = Listing::Files(readings.clone());
    let (state, _) = apply::apply(&State::default(), listing, GUARD, Timestamp::UNIX_EPOCH);
    let changed = population::file_with_hosts(7, &["new.t7.example".to_owned()]);
    readings[7] = read(&reader, 7, &changed);
    (state, readings)
}

#[library_benchmark]
#[bench::one_of_two_hundred_changed(one_of_many_changed())]
fn reload_decision((before, readings): Reload) -> (State, Diff, Registry, State) {
    let (state, diff) = apply::apply(&before, Listing::Files(readings), GUARD, Timestamp::UNIX_EPOCH);
    let registry = state.registry();
    (state, diff, registry, before)
}

library_benchmark_group!(name = of_files, benchmarks = [compile_file, reload_decision]);
