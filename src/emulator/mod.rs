//! An in-memory Auth0 for `dev`, tests and bench.
