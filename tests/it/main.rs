//! The gateway over real sockets: a gateway and an emulated Auth0 on port 0, one clock for both that
//! tests move ahead, and a client that knows which headers an answer may have.
//!
//! Nothing here sleeps: what happens in its own time is waited for by `support::eventually`.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so by panicking")]
#![expect(clippy::disallowed_methods, reason = "tests spawn tasks of their own and wait for them")]
#![expect(unreachable_pub, reason = "a test binary exports nothing; `pub` says what the support gives to the tests")]

mod attacks;
mod authorize;
mod backchannel;
mod bearers;
mod code_flows;
mod cors;
mod discovery;
mod environments;
mod faults;
mod foreign;
mod grants;
mod hygiene;
mod last_good;
mod login;
mod logout;
mod passthrough;
mod processes;
mod refresh;
mod reload;
mod sessions_file;
mod sessions_redis;
mod support;
mod tls;
mod verify;
