//! What was asked for: flags, the gateway to load, the run, and what becomes of its figures.

mod options;
mod request;
mod run;
mod target;

pub use options::Scenario;
pub use request::Request;
pub use run::run;
