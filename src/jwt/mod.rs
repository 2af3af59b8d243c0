//! JSON Web Tokens: key sets, signatures, claims. Pure: no IO, no clock of its own, no tenant.

pub mod alg;
