//! Plants one of each violation and demands that it is found, and that a tidy tree gives nothing.

use std::fs;

use crate::rules::findings;

/// A tidy tree with these files over it.
fn check(files: &[(&str, &str)], expected: &[&str]) {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in [("src/lib.rs", "//! All.\n"), ("docs/decisions/0001-x.md", "## Context\n## Choice\n## Cost\n")]
        .iter()
        .chain(files)
    {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let found = findings(root.path());
    assert_eq!(found, expected, "{files:?}");
}

#[test]
fn a_tidy_tree_gives_nothing() {
    check(
        &[(
            "src/flow/mod.rs",
            "//! Flows.\nuse crate::auth0::Auth0Client;\n// hyper::Body, crate::edge\nconst X: &str = \"crate::edge::x todo!()\";\n",
        )],
        &[],
    );
}

#[test]
fn a_forbidden_import_is_found_wherever_it_stands() {
    check(
        &[("src/auth0/x.rs", "//! X.\nuse crate::flow::Call;\n")],
        &["src/auth0/x.rs:2: `auth0` may not import `flow`"],
    );
    let grouped = "//! X.\nuse crate::{\n    base::clock,\n    edge::{reply, route::Route},\n};\n";
    check(
        &[("src/flow/x.rs", grouped)],
        &["src/flow/x.rs:2: `flow` may not import `edge`", "src/flow/x.rs:2: `flow` may not import `edge`"],
    );
    check(
        &[("src/base/x.rs", "//! X.\nfn f() { crate::telemetry::metrics::x() }\n")],
        &["src/base/x.rs:2: `base` may not import `telemetry`"],
    );
    check(
        &[("src/emulator/x.rs", "//! X.\nuse crate::tenant::model;\n")],
        &["src/emulator/x.rs:2: `emulator` may not import `tenant`"],
    );
    let leak = "//! X.\nuse crate::tenant::file::TenantFile;\n";
    check(&[("src/edge/x.rs", leak)], &["src/edge/x.rs:2: `tenant::file` is nameable inside `tenant` alone"]);
}

#[test]
fn a_crate_named_on_the_wrong_floor_is_found() {
    check(
        &[("src/flow/x.rs", "//! X.\nuse hyper::Request;\n")],
        &["src/flow/x.rs:2: `hyper` is named in server/, edge/, emulator/, auth0/transport, app.rs alone"],
    );
    check(
        &[("src/flow/y.rs", "//! Y.\nfn f() { reqwest::get() }\n")],
        &["src/flow/y.rs:2: `reqwest` is named in auth0/transport alone"],
    );
    check(&[("src/server/z.rs", "//! Z.\nuse super::notify::tell;\nuse hyper_util::rt;\n")], &[]);
}

#[test]
fn a_long_file_and_a_missing_doc_are_found() {
    let long = format!("//! X.\n{}", "fn f() {}\n".repeat(400));
    check(&[("src/base/x.rs", &long)], &["src/base/x.rs:401: 401 lines before its tests; 400 at the most"]);
    let with_tests = format!("//! X.\n{}#[cfg(test)]\n{}", "fn f() {}\n".repeat(399), "fn t() {}\n".repeat(100));
    check(&[("src/base/x.rs", &with_tests)], &[]);
    check(&[("src/base/x.rs", "fn f() {}\n")], &["src/base/x.rs:1: a file begins by saying what it owns (`//!`)"]);
    check(&[("src/base/x.rs", "//! X.\n\tfn f() {} \n")], &["src/base/x.rs:2: a tab, or a blank at the end"]);
}

#[test]
fn marks_that_stay_behind_are_found() {
    check(&[("src/base/x.rs", "//! X.\nfn f() { x().unwrap() }\n")], &["src/base/x.rs:2: `.unwrap()` stays behind"]);
    check(&[("src/base/x.rs", "//! X.\n#[allow(unused)]\nfn f() {}\n")], &["src/base/x.rs:2: `#[allow(` stays behind"]);
    check(&[("src/base/x.rs", "//! X.\nfn f() {}\n#[cfg(test)]\nmod tests { fn t() { x().unwrap() } }\n")], &[]);
    let word = ["TO", "DO"].concat();
    check(&[("src/base/x.rs", &format!("//! X.\n// {word}: later\n"))], &["src/base/x.rs:2: work is left over"]);
    check(&[("tests/x.rs", "//! X.\n#[ignore]\nfn f() {}\n")], &["tests/x.rs:2: `#[ignore` stays behind"]);
    check(
        &[("tests/x.rs", "//! X.\nfn f() { tokio::time::sleep(x) }\n")],
        &["tests/x.rs:2: a test that sleeps; wait for a condition"],
    );
    check(&[("docs/decisions/0002-y.md", "## Context\n## Choice\n")], &["docs/decisions/0002-y.md:1: no `## Cost`"]);
}
