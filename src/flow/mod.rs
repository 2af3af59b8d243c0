//! Use cases: what a login, a refresh, a logout and a userinfo call do.

pub mod claims;
pub mod environment;
