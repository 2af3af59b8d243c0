//! Sockets: listeners, connections, shutdown. Generic over the service that answers.
//!
//! Owns what an HTTP server owes its callers before a request exists: addresses, the cap on
//! connections, time-outs, sizes of heads, one panic for one request, and an orderly end. What a
//! request means is `edge`'s.

pub mod connection;
pub mod listener;
pub mod notify;
pub mod shutdown;
pub mod tls;

mod activity;
mod address;
mod isolate;

#[cfg(test)]
mod tests;

pub use address::{ListenAddr, ListenAddrError};
