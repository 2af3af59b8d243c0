//! The words of OAuth 2.0 and OpenID Connect: scopes, grants, requests, replies, error codes.
//!
//! Pure values and parsers. Nothing here knows a tenant, a socket or Auth0's habits.

pub mod grant;
pub mod scope;
