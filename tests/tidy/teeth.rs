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

/// One file of `src` with this code below its docs, so that the code's first line is line 2.
fn check_code(path: &str, code: &str, expected: &[&str]) {
    let expected: Vec<String> = expected.iter().map(|finding| format!("src/{path}:{finding}")).collect();
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    check(&[(&format!("src/{path}"), &format!("//! X.\n{code}\n"))], &expected);
}

#[test]
fn a_tidy_tree_gives_nothing() {
    check_code(
        "flow/mod.rs",
        "use crate::auth0::Auth0Client;\n// hyper::Body, crate::edge\nconst X: &str = \"crate::edge::x todo!()\";",
        &[],
    );
    check_code("flow/x.rs", "/* /* nested */ use crate::edge::x; */\nconst Q: char = '\"';\nuse crate::base::id;", &[]);
    check_code("flow/x.rs", "const R: &str = r#\"\" crate::edge \"#;\nfn f<'a>(it: &'a str) -> &'a str { it }", &[]);
}

#[test]
fn a_forbidden_import_is_found_wherever_it_stands() {
    check_code("auth0/x.rs", "use crate::flow::Call;", &["2: `auth0` may not import `flow`"]);
    check_code("auth0/x.rs", "use crate::flow;", &["2: `auth0` may not import `flow`"]);
    check_code("base/x.rs", "fn f() { crate::telemetry::x() }", &["2: `base` may not import `telemetry`"]);
    check_code("emulator/x.rs", "use crate::tenant::model;", &["2: `emulator` may not import `tenant`"]);
    check_code("oauth/x.rs", "pub(in crate::jwt) struct X;", &["2: `oauth` may not import `jwt`"]);
    check_code(
        "oauth/x.rs",
        "macro_rules! x { () => { $crate::edge::reply() } }",
        &["2: `oauth` may not import `edge`"],
    );
    check_code(
        "oauth/x.rs",
        "/* */ const S: &str = \"\\\"\"; use crate::edge::x;",
        &["2: `oauth` may not import `edge`"],
    );
    check_code(
        "oauth/x.rs",
        "#[cfg(test)]\nmod tests {\n    use crate::edge::x;\n}",
        &["4: `oauth` may not import `edge`"],
    );
}

#[test]
fn every_member_of_a_group_is_read_in_its_line() {
    let grouped = "use crate::{\n    base::clock as time,\n    edge::{self, reply,\n        route::Route},\n    flow::*, server::x,\n};";
    check_code(
        "flow/x.rs",
        grouped,
        &[
            "4: `flow` may not import `edge`",
            "4: `flow` may not import `edge`",
            "5: `flow` may not import `edge`",
            "6: `flow` may not import `server`",
        ],
    );
    check_code("flow/x.rs", "use crate::{self as root};", &["2: `flow` may not import `self`"]);
    check_code("flow/x.rs", "use crate as root;", &["2: `use crate as ` stays behind"]);
    check_code("flow/x.rs", "extern crate self as root;", &["2: `extern crate self` stays behind"]);
}

#[test]
fn a_chain_of_super_is_followed_to_the_root() {
    let found = &["2: `flow` may not import `edge`"];
    check_code("flow/x.rs", "use super::super::edge::route;", found);
    check_code("flow/mod.rs", "use super::edge::route;", found);
    check_code("flow/token/mod.rs", "use super::super::edge::route;", found);
    check_code("flow/x.rs", "mod y { use super::super::super::{edge::route}; }", found);
    check_code("flow/token/x.rs", "use super::super::edge::route;", &[]);
    check_code("flow/x.rs", "mod y { use super::super::edge::route; }", &[]);
}

#[test]
fn a_floor_that_the_table_does_not_know_is_found() {
    check_code("helpers/x.rs", "use crate::edge;", &["1: `helpers` is no floor of the table"]);
    check_code("helpers.rs", "", &["1: `helpers` is no floor of the table"]);
    check_code("app.rs", "use crate::{edge, flow};", &[]);
}

#[test]
fn a_file_type_outside_tenant_is_found() {
    let leak = "use crate::tenant::file::TenantFile;";
    check_code("edge/x.rs", leak, &["2: `tenant::file` is nameable inside `tenant` alone"]);
    check_code(
        "edge/x.rs",
        "use crate::tenant::{model::Tenant,\n    file};",
        &["3: `tenant::file` is nameable inside `tenant` alone"],
    );
    check_code("tenant/x.rs", leak, &[]);
}

#[test]
fn a_crate_named_on_the_wrong_floor_is_found() {
    let hyper = "`hyper` is named in server/, edge/, emulator/, auth0/transport, app.rs alone";
    for code in ["use hyper::Request;", "use ::hyper::Request;", "use hyper as http1;", "use {hyper as http1};"] {
        check_code("flow/x.rs", code, &[&format!("2: {hyper}")]);
    }
    for code in ["use {hyper, http};", "use {http::{Method, Uri}, hyper};", "pub use {\nhyper\n};"] {
        let line = if code.contains('\n') { 3 } else { 2 };
        check_code("flow/x.rs", code, &[&format!("{line}: {hyper}")]);
    }
    check_code("flow/x.rs", "use {http::{hyper, Uri}, bytes};", &[]);
    check_code("flow/x.rs", "extern crate hyper;", &[&format!("2: {hyper}")]);
    check_code("flow/x.rs", "fn f() { hyper::body::f() }", &[&format!("2: {hyper}")]);
    check_code("flow/x.rs", "fn f() { reqwest::get() }", &["2: `reqwest` is named in auth0/transport alone"]);
    check_code("edge/x.rs", "use hyper::Request;", &[]);
    check_code("flow/x.rs", "fn f(hyper: u8) -> u8 { my_hyper::f(); hyper }", &[]);
    check_code("server/z.rs", "use super::notify::{self};\nfn f() { notify::tell() }", &[]);
    check_code("server/z.rs", "use crate::server::notify;\nfn f() { notify::tell() }", &[]);
    check_code("server/z.rs", "fn f() { notify::tell() }", &["2: `notify` is named in watch/ alone"]);
}

#[test]
fn a_long_file_and_a_missing_doc_are_found() {
    let lines = |count: usize| "fn f() {}\n".repeat(count);
    check(
        &[("src/base/x.rs", &format!("//! X.\n{}", lines(402)))],
        &["src/base/x.rs:401: 403 lines without its tests; 400 at the most"],
    );
    let with_tests = format!("//! X.\n{}#[cfg(test)]\nmod tests {{\n{}}}\n", lines(399), lines(100));
    check(&[("src/base/x.rs", &with_tests)], &[]);
    let below = format!("//! X.\n#[cfg(test)]\nmod tests;\n{}", lines(400));
    check(&[("src/base/x.rs", &below)], &["src/base/x.rs:403: 401 lines without its tests; 400 at the most"]);
    for path in ["src/base/x.rs", "src/base/mod.rs"] {
        check(&[(path, "fn f() {}\n")], &[&format!("{path}:1: a file begins by saying what it owns (`//!`)")]);
    }
    check(
        &[("src/base/x.rs", "//! X.\n\tfn f() {}\nfn g() {} \n")],
        &["src/base/x.rs:2: a tab, or a blank at the end", "src/base/x.rs:3: a tab, or a blank at the end"],
    );
}

#[test]
fn marks_that_stay_behind_are_found() {
    for mark in ["todo!(", "unimplemented!(", "dbg!(", "panic!(", "print!(", "println!(", "eprintln!("] {
        check_code("base/x.rs", &format!("fn f() {{ {mark}) }}"), &[&format!("2: `{mark}` stays behind")]);
    }
    check_code("base/x.rs", "fn f() { x().unwrap() }", &["2: `.unwrap()` stays behind"]);
    check_code("base/x.rs", "#[allow(unused)]\nfn f() {}", &["2: `#[allow(` stays behind"]);
    let word = ["TO", "DO"].concat();
    check_code("base/x.rs", &format!("// {word}: later"), &["2: work is left over"]);
    for (ignored, mark) in [
        ("#[ignore]", "#[ignore"),
        ("#[cfg_attr(unix, ignore)]", ", ignore)"),
        ("#[cfg_attr(unix, ignore = \"slow\")]", ", ignore ="),
    ] {
        let text = format!("//! X.\n{ignored}\nfn f() {{}}\n");
        check(&[("tests/x.rs", &text)], &[&format!("tests/x.rs:2: `{mark}` stays behind")]);
    }
    check_code("base/x.rs", "fn f() { std::thread::sleep(x) }", &["2: `thread::sleep` stays behind"]);
}

#[test]
fn only_tests_may_unwrap_and_what_stands_below_them_is_no_test() {
    check_code("base/x.rs", "fn f() {}\n#[cfg(test)]\nmod tests { fn t() { x().unwrap() } }", &[]);
    let below = "#[cfg(test)]\nmod golden;\nfn f() { x().unwrap() }";
    check_code("base/x.rs", below, &["4: `.unwrap()` stays behind"]);
    let after = "#[cfg(test)]\n#[rustfmt::skip]\nfn t() -> [u8; 2] { x().unwrap() }\nfn f() { x().unwrap() }";
    check_code("base/x.rs", after, &["5: `.unwrap()` stays behind"]);
    let unwraps = "//! X.\nfn f() { x().unwrap() }\n";
    let parent = "//! X.\n#[cfg(test)]\nmod golden;\n#[cfg(test)]\npub(super) mod shared;\nmod own;\n";
    let children = |path: &'static str, folder: &str| {
        let files: Vec<(String, &str)> = vec![
            (path.to_owned(), parent),
            (format!("{folder}/golden.rs"), unwraps),
            (format!("{folder}/shared/mod.rs"), unwraps),
            (format!("{folder}/shared/deep.rs"), unwraps),
            (format!("{folder}/own.rs"), unwraps),
        ];
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        check(&files, &[&format!("{folder}/own.rs:2: `.unwrap()` stays behind")]);
    };
    children("src/base/mod.rs", "src/base");
    children("src/base/x.rs", "src/base/x");
}

#[test]
fn a_test_that_sleeps_is_found() {
    let sleeps = "//! X.\nfn f() { tokio::time::sleep(x) }\n";
    check(&[("tests/x.rs", sleeps)], &["tests/x.rs:2: a test that sleeps; wait for a condition"]);
    check(&[("tests/it/support/mod.rs", sleeps)], &[]);
    let twice = format!("{sleeps}fn g() {{ sleep(y) }}\n");
    check(
        &[("tests/it/support/mod.rs", &twice)],
        &["tests/it/support/mod.rs:3: a test that sleeps; wait for a condition"],
    );
    let unit = "fn own() { sleep(x) }\n#[cfg(test)]\nmod tests {\n    fn t() { sleep(x) }\n}";
    check_code("base/x.rs", unit, &["5: a test that sleeps; wait for a condition"]);
    check_code("base/x.rs", &unit.replace("fn t", "#[tokio::test(start_paused = true)] async fn t"), &[]);
}

#[test]
fn a_decision_without_its_parts_is_found() {
    let file = "docs/decisions/0002-y.md";
    check(&[(file, "## Context\n## Choice\n")], &["docs/decisions/0002-y.md:1: no `## Cost` in its place"]);
    check(&[(file, "## Choice\n## Context\n## Cost\n")], &["docs/decisions/0002-y.md:1: no `## Choice` in its place"]);
    let whole = "## Context\n## Choice\n## Cost\n";
    for name in ["docs/decisions/0001-y.md", "docs/decisions/why.md"] {
        check(&[(name, whole)], &[&format!("{name}:1: a decision is named NNNN-title.md, with a number of its own")]);
    }
}

#[test]
fn a_document_that_names_what_is_not_there_is_found() {
    check(&[("CHANGELOG.md", "# Changelog\n## [0.1.0]\n")], &["CHANGELOG.md:1: no `## [Unreleased]`"]);
    check(&[("README.md", "# X\n")], &["README.md:1: no `## Tests`"]);
    let readme =
        "## Tests\n`scripts/test`, [why](docs/why.md), https://x.example\n.ci/run\ncargo run -p bench -- look-up --x\n";
    check(
        &[("README.md", readme)],
        &[
            "README.md:2: there is no `/docs/why.md`",
            "README.md:2: there is no `/scripts/test`",
            "README.md:3: there is no `/.ci/run`",
            "README.md:4: there is no `bench look-up`",
        ],
    );
    let map = "`base/{gone,id}.rs`, `lib.rs`, `base/`, `flow/`, add `flow/x.rs`, [it](crate.md)\n";
    check(
        &[("docs/architecture.md", map), ("src/base/id.rs", "//! X.\n"), ("docs/crate.md", "")],
        &["docs/architecture.md:1: there is no `base/gone.rs`", "docs/architecture.md:1: there is no `flow/`"],
    );
    let there = [
        ("scripts/test", ""),
        ("docs/why.md", ""),
        (".ci/run", ""),
        ("bench/src/main.rs", "//! X.\nenum X {\n    LookUp(X),\n}\n"),
    ];
    check(&[&there[..], &[("README.md", readme)]].concat(), &[]);
}

#[test]
fn an_invariant_that_nothing_keeps_is_found() {
    let text = "1. A list.\n# Invariants\n\n1. Kept,\n   by (a test)\n2. Wished for.\n   Aloud.\n";
    check(&[("docs/crate.md", text)], &["docs/crate.md:6: nothing keeps this invariant"]);
}
