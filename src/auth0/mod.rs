//! Outbound calls to Auth0: one transport, one function an endpoint, errors that say who is to blame.
