//! Proof Key for Code Exchange (RFC 7636), by S256 alone: `plain` shows the verifier to whoever sees the
//! request (RFC 9700 §2.1.1).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::base::digest::Digest;
use crate::base::random::Random;
use crate::base::secret::Secret;

/// `code_challenge_method`.
pub const METHOD: &str = "S256";

/// A fresh verifier: 256 random bits, 43 characters (RFC 7636 §4.1).
pub fn verifier(random: &dyn Random) -> Secret {
    let mut bytes = [0u8; 32];
    random.fill(&mut bytes);
    Secret::new(URL_SAFE_NO_PAD.encode(bytes))
}

/// The challenge of a verifier (RFC 7636 §4.2).
pub fn challenge(verifier: &Secret) -> String {
    URL_SAFE_NO_PAD.encode(Digest::of(verifier.expose()).as_bytes())
}

/// Whether a text can be a verifier: 43 to 128 unreserved characters (RFC 7636 §4.1).
pub fn is_verifier(text: &str) -> bool {
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    (43..=128).contains(&text.len()) && text.bytes().all(is_unreserved)
}

/// Whether a text can be an S256 challenge: a SHA-256 digest, base64url.
pub fn is_challenge(text: &str) -> bool {
    let mut bytes = [0u8; 32];
    text.len() == 43 && URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) == Ok(32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::SeededRandom;

    #[test]
    fn the_challenge_is_the_one_of_the_rfc() {
        // RFC 7636, Appendix B.
        let verifier = Secret::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(challenge(&verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn what_is_made_here_is_well_formed() {
        let verifier = verifier(&SeededRandom::new(1));
        assert!(is_verifier(verifier.expose()) && is_challenge(&challenge(&verifier)));
        for text in ["", "short", &"a".repeat(129), &"ä".repeat(43), &format!("{}=", "a".repeat(43))] {
            assert!(!is_verifier(text) && !is_challenge(text), "{text}");
        }
        // 43 characters whose last one carries bits that no digest has.
        assert!(!is_challenge(&"_".repeat(43)));
    }
}
