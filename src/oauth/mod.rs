//! The words of OAuth 2.0 and OpenID Connect: scopes, grants, requests, replies, error codes.
//!
//! Pure values and parsers. Nothing here knows a tenant, a socket or Auth0's habits.

pub mod authorize;
pub mod error;
pub mod grant;
pub mod parameters;
pub mod pkce;
pub mod relayed;
pub mod reply;
pub mod request;
pub mod scope;
