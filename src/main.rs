//! The command `auth0-gateway`.

fn main() {}
