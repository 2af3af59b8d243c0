//! Logins in a browser: the way to Auth0's page and back (contract §4, "Three code flows").
//!
//! (a) *Gateway*: the code comes back to the gateway's own callback, which opens a session. (b) *Page*: a page of
//! the application takes the code and posts it with its `state`. (c) *SDK*: the application has a verifier of
//! its own, and the gateway keeps nothing. In (a) and (b) what the login asked for travels in a sealed
//! [transaction] cookie, so that a code counts only in the browser that asked for it.

pub mod authorize;
pub mod callback;
pub mod transaction;

pub use transaction::{SealedTransaction, Transaction};
