//! Tenants: from the text of a file to the registry that every request is looked up in.
//!
//! What was typed (`file`) is not nameable outside this module; the request path sees only the
//! immutable [`Tenant`](model::Tenant).

mod compile;
mod effective;
mod file;
mod locate;
pub mod model;
pub mod problem;
pub mod read;
pub mod reading;
pub mod schema;
pub mod secrets;
mod text;
