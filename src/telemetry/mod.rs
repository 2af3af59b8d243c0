//! The name of every metric and log field stands here and nowhere else.

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
