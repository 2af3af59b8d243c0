//! Scope lists (RFC 6749 §3.3): ordered, each word once.

use std::fmt;

/// A list of scope words, each once, in the order first seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scopes(Vec<Box<str>>);

/// A text that is no scope list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a scope is printable ASCII without spaces, quotes and backslashes")]
pub struct ScopeError;

impl Scopes {
    /// From the parameter `scope`: words between single or repeated spaces. Repeated words fold.
    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        Self::from_words(text.split(' ').filter(|word| !word.is_empty()))
    }

    /// From words already apart.
    pub fn from_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, ScopeError> {
        let mut scopes = Self::default();
        for word in words {
            if word.is_empty() || !word.bytes().all(is_scope_byte) {
                return Err(ScopeError);
            }
            if !scopes.contains(word) {
                scopes.0.push(word.into());
            }
        }
        Ok(scopes)
    }

    /// Whether the word is in the list.
    pub fn contains(&self, word: &str) -> bool {
        self.0.iter().any(|have| &**have == word)
    }

    /// Whether every word of this list is in `allowed`.
    pub fn is_within(&self, allowed: &Self) -> bool {
        self.0.iter().all(|word| allowed.contains(word))
    }

    /// The list with `word` at its head if it was nowhere in it.
    #[must_use]
    pub fn with_first(mut self, word: &str) -> Self {
        if !self.contains(word) {
            self.0.insert(0, word.into());
        }
        self
    }

    /// The list without `word`.
    #[must_use]
    pub fn without(mut self, word: &str) -> Self {
        self.0.retain(|have| &**have != word);
        self
    }

    /// The words in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|word| &**word)
    }

    /// Whether there is no word.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Scopes {
    /// The words joined by single spaces, as sent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, word) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(word)?;
        }
        Ok(())
    }
}

/// `%x21 / %x23-5B / %x5D-7E` (RFC 6749 §3.3).
fn is_scope_byte(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_once_and_in_order() {
        let scopes = Scopes::parse("openid  email openid profile").expect("is a list");
        assert_eq!(scopes.to_string(), "openid email profile");
        assert_eq!(scopes.clone().with_first("openid").to_string(), "openid email profile");
        assert_eq!(scopes.without("openid").with_first("openid").to_string(), "openid email profile");
    }

    #[test]
    fn what_no_scope_may_hold_is_refused() {
        for text in ["a\"b", "a\\b", "a\tb", "é", "a\nb"] {
            assert_eq!(Scopes::parse(text), Err(ScopeError), "{text:?}");
        }
    }
}
