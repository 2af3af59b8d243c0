//! Measures auth0-gateway: load over sockets, parts of it in this process, instructions counted.
//!
//! ```text
//! command      what was asked for, put together
//! scenario     operations, their requests and credentials        report   figures, table, plot, verdict
//! load         the engine: schedule, connections, recording      own      a gateway and an emulated Auth0 of its own
//! callers, population                                            who calls; tenants by the thousand
//! ```

pub mod callers;
mod clock;
pub mod command;
pub mod load;
pub mod own;
pub mod population;
pub mod report;
pub mod scenario;
