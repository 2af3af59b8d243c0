//! The name of every metric and log field stands here and nowhere else.
//!
//! Owns how events and access lines are written; when one is worth writing is the caller's to know.

pub mod access;
pub mod log;
pub mod metrics;

/// The `grant` label of a login: a short name of a grant. Made by [`GrantLabel::of`] from a static
/// name alone, so that no caller's text can become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrantLabel(&'static str);

impl GrantLabel {
    /// From a grant's short name.
    pub fn of(name: &'static str) -> Self {
        Self(name)
    }
}
