//! What the gateway's own functions cost, counted in instructions: the same figure on every run.
//!
//! `cargo run -p bench -- instructions` runs them and holds them against the committed baseline; `../README.md` says
//! what each counts. One program for all of them: each more is a link of a minute.

#![expect(unused_qualifications, reason = "what the attribute makes of a bench has them")]
#![expect(clippy::disallowed_methods, reason = "the `main` that the macro makes ends by `exit`")]

mod files;
mod lookup;
mod requests;
mod route;
mod sessions;
mod tokens;
mod world;

use gungraun::main;

use files::of_files;
use lookup::of_lookups;
use requests::of_requests;
use route::of_routes;
use sessions::of_sessions;
use tokens::of_tokens;

main!(library_benchmark_groups = [of_routes, of_lookups, of_tokens, of_sessions, of_requests, of_files]);
