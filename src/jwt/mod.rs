//! JSON Web Tokens: key sets, signatures, claims. Pure: no IO, no clock of its own, no tenant.
//!
//! `verify` gives facts (this issuer signed that), `policy` judges them (it counts here and now).
//! They are apart because facts are cached and judgement is passed again on every use.

pub mod alg;
pub mod claims;
pub mod keyset;
pub mod logout_token;
pub mod policy;
pub mod verify;
