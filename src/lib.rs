//! auth0-gateway: a multi-tenant gateway in front of many Auth0 tenants.
pub mod app;
pub mod auth0;
pub mod base;
pub mod cache;
pub mod cli;
pub mod edge;
#[cfg(feature = "emulator")]
pub mod emulator;
pub mod flow;
pub mod jwt;
pub mod oauth;
pub mod server;
pub mod session;
pub mod settings;
pub mod telemetry;
pub mod tenant;
pub mod watch;
