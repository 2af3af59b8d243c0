//! The key ring: what seals texts and records that leave the process and come back, and names what must be
//! found again without saying what it is. The first key seals and names, all open and find.
//!
//! AES-256-GCM-SIV: a nonce drawn twice would not give the key away. Knows nothing of what is sealed; the
//! caller's associated data ties it to its place.

use std::fmt;

use arc_swap::ArcSwap;
use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::base::digest::{Digest, MacKey};
use crate::base::random::Random;

/// The first byte of everything sealed: how the rest is to be read.
const VERSION: u8 = 1;

const KEY_ID_LENGTH: usize = 4;
const HEAD_LENGTH: usize = 1 + KEY_ID_LENGTH + NONCE_LEN;

/// Keys that a file may hold. A rotation needs two or three.
const MOST_KEYS: usize = 16;

/// Why a file is no key ring. Names the line, never what stands in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyRingError {
    /// Not 32 bytes.
    #[error("line {line}: not a key: 32 random bytes in base64, as `openssl rand -base64 32` prints them")]
    NotAKey {
        /// From 1.
        line: usize,
    },
    /// No line holds one.
    #[error("there is no key: one a line, 32 random bytes in base64, the first one seals")]
    Empty,
    /// More than 16.
    #[error("more than 16 keys")]
    TooMany,
}

/// A text that cannot be opened: of an unknown key or version, changed, or sealed for another place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sealed text cannot be opened")]
pub struct Unopened;

/// One thing's digest under every key of a ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digests {
    /// Under the first key: what is written from now on has this one.
    pub current: Digest,
    /// Under the others, in their order: what was written before may have one of these.
    pub older: Vec<Digest>,
}

impl Digests {
    /// All of them, the current one first.
    pub fn iter(&self) -> impl Iterator<Item = &Digest> {
        std::iter::once(&self.current).chain(&self.older)
    }
}

struct Key {
    id: [u8; KEY_ID_LENGTH],
    cipher: LessSafeKey,
    /// For digests. Derived, so that the key of the cipher is a key of the cipher alone.
    mac: MacKey,
}

impl Key {
    fn new(bytes: &[u8]) -> Option<Self> {
        let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, bytes).ok()?);
        let digest = Digest::of_parts([b"auth0-gateway key id".as_slice(), bytes]);
        let mut id = [0u8; KEY_ID_LENGTH];
        id.copy_from_slice(&digest.as_bytes()[..KEY_ID_LENGTH]);
        let mac = MacKey::new(MacKey::new(bytes).tag(b"auth0-gateway digests").as_bytes());
        Some(Self { id, cipher, mac })
    }
}

/// At least one key.
struct Keys {
    first: Key,
    older: Vec<Key>,
}

impl Keys {
    fn iter(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.first).chain(&self.older)
    }
}

/// The keys in force. Replaced while it is used; a text is opened by the key that sealed it as long as
/// that key is on the ring.
pub struct KeyRing(ArcSwap<Keys>);

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing([redacted; {}])", self.0.load().iter().count())
    }
}

impl KeyRing {
    /// One key that nobody else has: for one process, until it ends.
    pub fn generate(random: &dyn Random) -> Self {
        let mut bytes = Zeroizing::new([0u8; 32]);
        random.fill(bytes.as_mut());
        let first = Key::new(bytes.as_ref()).expect("32 bytes are a key of AES-256");
        Self(ArcSwap::from_pointee(Keys { first, older: Vec::new() }))
    }

    /// From a key file: one key a line, 32 bytes in base64; empty lines and `#` comments are skipped.
    pub fn parse(text: &str) -> Result<Self, KeyRingError> {
        keys(text).map(|keys| Self(ArcSwap::from_pointee(keys)))
    }

    /// Takes the keys of a changed file. A bad file changes nothing.
    pub fn replace(&self, text: &str) -> Result<(), KeyRingError> {
        self.0.store(keys(text)?.into());
        Ok(())
    }

    /// The digests of a list of parts. Labels keep uses apart: one list under two labels has two digests.
    pub fn digests(&self, label: &str, parts: &[&[u8]]) -> Digests {
        let keys = self.0.load();
        let digest = |key: &Key| key.mac.tag_parts(std::iter::once(label.as_bytes()).chain(parts.iter().copied()));
        Digests { current: digest(&keys.first), older: keys.older.iter().map(digest).collect() }
    }

    /// As [`seal_bytes`](Self::seal_bytes), in base64url.
    pub fn seal(&self, random: &dyn Random, associated: &[&[u8]], plain: &[u8]) -> Result<String, Unopened> {
        self.seal_bytes(random, associated, plain).map(|sealed| URL_SAFE_NO_PAD.encode(sealed))
    }

    /// Opens what [`seal`](Self::seal) made for the same associated data.
    pub fn open(&self, associated: &[&[u8]], sealed: &str) -> Result<Zeroizing<Vec<u8>>, Unopened> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| Unopened)?;
        self.open_bytes(associated, &bytes)
    }

    /// Seals under the first key: version, key id, nonce, ciphertext and tag.
    pub fn seal_bytes(&self, random: &dyn Random, associated: &[&[u8]], plain: &[u8]) -> Result<Vec<u8>, Unopened> {
        let key = &self.0.load().first;
        let mut nonce = [0u8; NONCE_LEN];
        random.fill(&mut nonce);
        let mut sealed = Vec::with_capacity(HEAD_LENGTH + plain.len() + AES_256_GCM_SIV.tag_len());
        sealed.push(VERSION);
        sealed.extend(key.id);
        sealed.extend(nonce);
        let associated = Aad::from(associated_data(&sealed[..=KEY_ID_LENGTH], associated));
        let nonce = Nonce::assume_unique_for_key(nonce);
        let mut body = plain.to_vec();
        key.cipher.seal_in_place_append_tag(nonce, associated, &mut body).map_err(|_| Unopened)?;
        sealed.append(&mut body);
        Ok(sealed)
    }

    /// Whether the first key sealed this, by what it says of itself.
    pub fn is_of_first_key(&self, sealed: &[u8]) -> bool {
        sealed.get(1..=KEY_ID_LENGTH).is_some_and(|id| id == self.0.load().first.id)
    }

    /// Opens what any key of the ring sealed for the same associated data.
    pub fn open_bytes(&self, associated: &[&[u8]], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unopened> {
        if sealed.len() < HEAD_LENGTH || sealed[0] != VERSION {
            return Err(Unopened);
        }
        let (head, body) = sealed.split_at(HEAD_LENGTH);
        let (id, nonce) = head[1..].split_at(KEY_ID_LENGTH);
        let associated = associated_data(&head[..=KEY_ID_LENGTH], associated);
        let keys = self.0.load();
        for key in keys.iter().filter(|key| key.id == id) {
            let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Unopened)?;
            let mut plain = Zeroizing::new(body.to_vec());
            if let Ok(opened) = key.cipher.open_in_place(nonce, Aad::from(&associated), &mut plain) {
                let length = opened.len();
                plain.truncate(length);
                return Ok(plain);
            }
        }
        Err(Unopened)
    }
}

/// Each part behind its length, so that no two lists read alike.
fn associated_data(head: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut data = head.to_vec();
    for part in parts {
        data.extend((part.len() as u64).to_be_bytes());
        data.extend(*part);
    }
    data
}

fn keys(text: &str) -> Result<Keys, KeyRingError> {
    let mut keys = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line_text = line.trim();
        if line_text.is_empty() || line_text.starts_with('#') {
            continue;
        }
        if keys.len() == MOST_KEYS {
            return Err(KeyRingError::TooMany);
        }
        let decode = |text: &str| {
            let engines = [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE_NO_PAD];
            engines.into_iter().find_map(|engine| engine.decode(text).ok())
        };
        let key = decode(line_text).map(Zeroizing::new).filter(|bytes| bytes.len() == 32);
        let key = key.and_then(|bytes| Key::new(&bytes));
        keys.push(key.ok_or(KeyRingError::NotAKey { line: index + 1 })?);
    }
    let mut keys = keys.into_iter();
    let first = keys.next().ok_or(KeyRingError::Empty)?;
    Ok(Keys { first, older: keys.collect() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::random::SeededRandom;

    const OLD: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    const NEW: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";

    #[test]
    fn the_first_key_seals_and_all_open() {
        let random = SeededRandom::new(1);
        let ring = KeyRing::parse(OLD).expect("is a ring");
        let sealed = ring.seal(&random, &[b"here"], b"text").expect("seals");
        let bytes = ring.seal_bytes(&random, &[], b"text").expect("seals");
        assert!(ring.is_of_first_key(&bytes));
        ring.replace(&format!("# rotated\n{NEW}\n\n{OLD}\n")).expect("is a ring");
        assert!(!ring.is_of_first_key(&bytes) && ring.open_bytes(&[], &bytes).is_ok());
        assert_eq!(ring.open(&[b"here"], &sealed).as_deref().map(Vec::as_slice), Ok(b"text".as_slice()));
        ring.replace(NEW).expect("is a ring");
        assert_eq!(ring.open(&[b"here"], &sealed), Err(Unopened), "its key has gone");
    }

    #[test]
    fn digests_are_of_every_key_the_first_ones_first_and_labels_keep_them_apart() {
        let ring = KeyRing::parse(OLD).expect("is a ring");
        let old = ring.digests("id", &[b"a", b"b"]).current;
        assert_ne!(old, ring.digests("sid", &[b"a", b"b"]).current);
        assert_ne!(old, ring.digests("id", &[b"ab"]).current);
        ring.replace(&format!("{NEW}\n{OLD}\n")).expect("is a ring");
        let both = ring.digests("id", &[b"a", b"b"]);
        assert_eq!(both.older, [old]);
        assert_ne!(both.current, old);
    }

    #[test]
    fn a_text_opens_at_its_place_alone_and_unchanged() {
        let random = SeededRandom::new(1);
        let ring = KeyRing::generate(&random);
        let sealed = ring.seal(&random, &[b"ab", b"c"], b"text").expect("seals");
        assert_eq!(ring.open(&[b"a", b"bc"], &sealed), Err(Unopened));
        for index in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("is ASCII");
            assert_eq!(ring.open(&[b"ab", b"c"], &changed), Err(Unopened), "byte {index}");
        }
    }

    #[test]
    fn a_bad_file_is_told_by_line_and_changes_nothing() {
        let ring = KeyRing::parse(OLD).expect("is a ring");
        let sealed = ring.seal(&SeededRandom::new(1), &[], b"text").expect("seals");
        assert_eq!(ring.replace(&format!("{NEW}\nc2hvcnQ=\n")), Err(KeyRingError::NotAKey { line: 2 }));
        assert_eq!(ring.replace("# nothing\n"), Err(KeyRingError::Empty));
        assert_eq!(ring.replace(&format!("{NEW}\n").repeat(17)), Err(KeyRingError::TooMany));
        assert!(ring.open(&[], &sealed).is_ok());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[ -~]{0,200}") {
            let ring = KeyRing::generate(&SeededRandom::new(1));
            prop_assert_eq!(ring.open(&[], &text), Err(Unopened));
            let _ = KeyRing::parse(&text);
        }
    }
}
