//! A string that never shows itself.

use std::fmt;

use zeroize::Zeroizing;

use super::digest::{Digest, equal_in_constant_time};

/// A client secret, refresh token, password or key. `Debug` says `[redacted]`, there is no
/// `Display`, no `Serialize`, and the memory is wiped when the last copy goes.
#[derive(Clone, Default)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the string over.
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// The string itself, for the one place that must send or compare it. Never for a log.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// SHA-256 of the value: its place in cache keys.
    pub fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }

    /// Whether a caller's string is this secret, in constant time.
    pub fn matches(&self, candidate: &str) -> bool {
        equal_in_constant_time(self.0.as_bytes(), candidate.as_bytes())
    }

    /// Whether nothing stands in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.matches(other.expose())
    }
}

impl Eq for Secret {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_nothing_of_itself() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "[redacted] Some([redacted])");
        assert!(secret.matches("hunter2") && !secret.matches("hunter"));
    }
}
