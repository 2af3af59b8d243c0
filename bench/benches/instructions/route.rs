//! From a method and a path to a row of the route table.

use std::hint::black_box;

use auth0_gateway::edge::route::{self, NoRoute, Route};
use gungraun::{library_benchmark, library_benchmark_group};
use http::Method;

#[library_benchmark]
#[bench::first_row(Method::POST, "/oauth/token")]
#[bench::last_row(Method::GET, "/-/check-up")]
#[bench::below_a_callback(Method::GET, "/callback/globex")]
#[bench::no_row(Method::GET, "/wp-login.php")]
fn resolve_route(method: Method, path: &str) -> Result<&'static Route, NoRoute> {
    route::resolve(black_box(&method), black_box(path), black_box(""))
}

library_benchmark_group!(name = of_routes, benchmarks = resolve_route);
