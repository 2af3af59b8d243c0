//! Measures auth0-gateway: load over sockets, parts of it in this process, instructions counted.

pub mod population;
