//! All that knows HTTP towards callers: routes, parsing, replies, the error table.

pub mod body;
pub mod client_addr;
pub mod cookie;
pub mod cross_site;
pub mod request;
