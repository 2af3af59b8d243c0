//! The house rules that no compiler knows: which floor may reach which, how long a file may be, what every
//! file says of itself, which marks may not stay behind, and that the documents name what is there.
//!
//! The rules are data (`rules.rs`, `documents.rs`), the reader of sources is `source.rs` over `lexer.rs`, and
//! `teeth.rs` plants one of each violation in a tree of its own and demands that it is found: a check that cannot
//! fail is none.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod documents;
mod lexer;
mod rules;
mod source;
mod teeth;

use std::path::Path;

#[test]
fn the_house_is_tidy() {
    let findings = rules::findings(Path::new(env!("CARGO_MANIFEST_DIR")));
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}
