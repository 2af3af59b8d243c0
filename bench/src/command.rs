//! What was asked for: flags, the gateway to load, the run, and what becomes of its figures.

mod options;
mod run;
mod target;

pub use options::Scenario;
pub use run::run;
