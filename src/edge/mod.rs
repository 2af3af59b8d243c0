//! All that knows HTTP towards callers: routes, parsing, replies, the error table.

pub mod body;
pub mod client_addr;
pub mod cookie;
pub mod cors;
pub mod cross_site;
mod endpoint;
pub mod error;
pub mod exchange;
pub mod ops;
pub mod reply;
pub mod request;
pub mod route;
pub mod service;
pub mod transaction_cookie;
