//! Tenants: from the text of a file to the registry that every request is looked up in.
//!
//! What was typed (`file`) is not nameable outside this module; the request path sees only the
//! immutable [`Tenant`](model::Tenant).

pub mod apply;
mod compile;
pub mod connection;
mod effective;
pub mod explain;
mod file;
pub mod last_good;
pub mod load;
mod locate;
pub mod lookup;
pub mod model;
pub mod problem;
pub mod read;
pub mod reading;
pub mod registry;
pub mod reload;
pub mod schema;
pub mod secrets;
pub mod status;
mod text;
