//! Digests: what stands in cache keys and indexes in place of a token.

use std::fmt;

use aws_lc_rs::{constant_time, digest, hmac};

/// A SHA-256 digest, or an HMAC-SHA-256 tag.
///
/// Tokens stand in keys only in this form: a dump of a cache holds nothing that can be replayed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Digest([u8; 32]);

impl Digest {
    /// SHA-256 of `bytes`.
    pub fn of(bytes: impl AsRef<[u8]>) -> Self {
        Self::from_output(digest::digest(&digest::SHA256, bytes.as_ref()).as_ref())
    }

    /// SHA-256 over several parts, each preceded by its length, so that no two lists collide.
    pub fn of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        Self::from_output(context.finish().as_ref())
    }

    /// A digest that was kept as its 32 bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first 8 bytes as a number below 2^53, for a gauge that only tells "same" from "other".
    #[expect(clippy::cast_precision_loss, reason = "cut to 53 bits, which f64 holds exactly")]
    pub fn as_gauge(&self) -> f64 {
        let mut head = [0u8; 8];
        head.copy_from_slice(&self.0[..8]);
        (u64::from_be_bytes(head) >> 11) as f64
    }

    fn from_output(output: &[u8]) -> Self {
        let mut bytes = [0u8; 32];
        bytes.copy_from_slice(output);
        Self(bytes)
    }
}

impl fmt::Debug for Digest {
    /// The first four bytes: enough to tell two apart in a log, too little to look one up by.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({:08x}…)", u32::from_be_bytes([self.0[0], self.0[1], self.0[2], self.0[3]]))
    }
}

impl fmt::Display for Digest {
    /// All 64 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A key for HMAC-SHA-256: makes session ids, addresses and e-mails comparable without telling them.
pub struct MacKey(hmac::Key);

impl MacKey {
    /// From at least 32 random bytes.
    pub fn new(bytes: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// The tag of `bytes`.
    pub fn tag(&self, bytes: &[u8]) -> Digest {
        Digest::from_output(hmac::sign(&self.0, bytes).as_ref())
    }

    /// The tag of several parts, each preceded by its length, so that no two lists collide.
    pub fn tag_parts<'a>(&self, parts: impl IntoIterator<Item = &'a [u8]>) -> Digest {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        Digest::from_output(context.sign().as_ref())
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey(…)")
    }
}

/// Compares without telling by the time taken where the two differ. Lengths are not secret.
pub fn equal_in_constant_time(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_told_apart_from_their_concatenation() {
        let ab_c = Digest::of_parts([b"ab".as_slice(), b"c"]);
        let a_bc = Digest::of_parts([b"a".as_slice(), b"bc"]);
        assert_ne!(ab_c, a_bc);
        let key = MacKey::new(&[7; 32]);
        assert_ne!(key.tag_parts([b"ab".as_slice(), b"c"]), key.tag_parts([b"a".as_slice(), b"bc"]));
    }

    #[test]
    fn a_digest_shows_its_published_value() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of("").to_string(), empty);
        assert_eq!(format!("{:?}", Digest::of("")), "Digest(e3b0c442…)");
    }
}
