//! auth0-gateway: a multi-tenant gateway in front of many Auth0 tenants.
pub mod auth0;
pub mod base;
pub mod cache;
pub mod cli;
#[cfg(feature = "emulator")]
pub mod emulator;
pub mod jwt;
pub mod oauth;
pub mod server;
pub mod session;
pub mod telemetry;
pub mod tenant;
pub mod watch;
