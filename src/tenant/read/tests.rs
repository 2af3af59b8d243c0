//! Whole files, good and broken: what is found, where, and that no value ever shows.

use proptest::prelude::*;

use super::*;
use crate::tenant::model::{ClientKind, Tenant};

const SAMPLES: [(&str, &str); 3] = [
    ("acme", include_str!("../../../tenants.d/acme.yaml")),
    ("globex", include_str!("../../../tenants.d/globex.yaml")),
    ("initech", include_str!("../../../tenants.d/initech.yaml")),
];

fn options(unset: Unset) -> ReaderOptions {
    let environment = |name: &str| (name == "ACME_SECRET").then(|| "s3cret".to_owned());
    let secrets =
        SecretSource { directory: None, prefixes: vec!["SHARED_".to_owned()], environment: Arc::new(environment) };
    ReaderOptions { secrets, unset, allow_upstream: vec!["127.0.0.0/8".parse().expect("is a network")], emulator: None }
}

fn reader() -> Reader {
    Reader::new(options(Unset::Note))
}

/// A file that is good but for what a test does to it.
const GOOD: &str = "\
auth0: { domain: acme.eu.auth0.com }
hosts: [app.acme.com, test.acme.com]
connections:
  Prod: { hosts: [app.acme.com] }
  Test: { hosts: [test.acme.com] }
clients:
  web:
    client_id: abc
    client_secret: { env: ACME_SECRET }
";

fn tenant(text: &str) -> Arc<Tenant> {
    match reader().read("acme.yaml", text.as_bytes(), "acme").outcome {
        Outcome::Good { tenant, .. } => tenant,
        Outcome::Bad { problems, .. } => panic!("not good: {problems:#?}"),
    }
}

fn errors(text: &str) -> Vec<String> {
    match reader().read("acme.yaml", text.as_bytes(), "acme").outcome {
        Outcome::Good { .. } => Vec::new(),
        Outcome::Bad { problems, .. } => {
            problems.iter().filter(|problem| problem.severity == Severity::Error).map(ToString::to_string).collect()
        }
    }
}

/// Exactly these errors, in the order of the file, without the file's name.
fn check(text: &str, expected: &[&str]) {
    let expected: Vec<String> = expected.iter().map(|line| format!("acme.yaml:{line}")).collect();
    assert_eq!(errors(text), expected, "\n{text}");
}

/// `GOOD` with one line put behind another, or in its place.
fn with(line: &str, change: &str) -> String {
    assert!(GOOD.contains(line), "{line}");
    GOOD.replacen(line, change, 1)
}

#[test]
fn the_sample_world_is_good() {
    for (stem, text) in SAMPLES {
        match reader().read(&format!("{stem}.yaml"), text.as_bytes(), stem).outcome {
            Outcome::Good { tenant, findings } => {
                assert_eq!(tenant.name.as_str(), stem);
                assert!(findings.iter().all(|finding| finding.severity == Severity::Note), "{findings:#?}");
            }
            Outcome::Bad { problems, .. } => panic!("{stem}: {problems:#?}"),
        }
    }
}

#[test]
fn a_good_file_is_what_it_says() {
    let tenant = tenant(
        &GOOD.replace("client_id: abc", "client_id: abc\n    scopes: [profile, website]\n    session: { idle: 1h30m }"),
    );
    let client = tenant.client("web").expect("is there");
    assert_eq!((client.kind, client.scopes.to_string().as_str()), (ClientKind::Cookie, "openid profile"));
    assert_eq!(client.session.idle.as_secs(), 5400);
    assert_eq!(tenant.auth0.issuer.as_str(), "https://acme.eu.auth0.com/");
    assert_eq!(tenant.auth0.token.to_string(), "https://acme.eu.auth0.com/oauth/token");
    assert_eq!(&*tenant.auth0.management_audience, "https://acme.eu.auth0.com/api/v2/");
    assert_eq!(client.connections.len(), 2);
}

#[test]
fn all_problems_are_found_at_once_each_at_its_place() {
    let text = "\
# é
auth0: { domain: https://acme.eu.auth0.com }
hosts: [app.acme.com, [x]]
clients:
  web:
    client_id: 007x
    redirect_urls: [\"ftp://app.acme.com/cb\"]
    require_stat: true
    require_state: maybe
    grants: [pasword]
    session: { idle: 30 }
  api:
    client_id: {}
limits: { timeot: 3s }
";
    check(
        text,
        &[
            "2:18: auth0.domain: not a domain: a name without scheme, port and path, such as acme.eu.auth0.com",
            "3:23: hosts[1]: a list, expected a text, `{ env: NAME }` or `{ file: NAME }`",
            "7:21: clients.web.redirect_urls[0]: not an https URL; http is for localhost and names below it",
            "8:5: clients.web.require_stat: unknown key (did you mean `require_state`?)",
            "9:20: clients.web.require_state: this text, expected a boolean",
            "10:14: clients.web.grants[0]: this text, expected one of `authorization_code`, `refresh_token`, `password`, `client_credentials`, `device_code`, `passwordless_otp`, `mfa_otp`, `mfa_oob`, `mfa_recovery_code`, `token_exchange` (did you mean `password`?)",
            "11:22: clients.web.session.idle: a bare number has no unit (write it such as 30s, 5m, 24h or 7d)",
            "13:16: clients.api.client_id: a map, expected exactly one of `env` and `file`",
            "14:11: limits.timeot: unknown key (did you mean `timeout`?)",
        ],
    );
}

#[test]
fn keys_given_twice_are_told_with_both_lines() {
    check(&with("  Test:", "  Prod:"), &["5:3: connections.Prod: given twice (first on line 4)"]);
    check(&(GOOD.to_owned() + "hosts: [a.example]\n"), &["10:1: hosts: given twice (first on line 2)"]);
}

#[test]
fn what_is_no_yaml_is_told_where() {
    check(
        "hosts: [a\n",
        &["2:1: this is not YAML: something is missing, often a bracket, a `-` or the right indentation"],
    );
    check(
        "a: b: c\n",
        &["1:5: this is not YAML: a `:` stands where none may, often a missing quote or a wrong indentation"],
    );
    check("- a\n", &["1:1: the file is not a map of keys"]);
    let tab = errors("hosts:\n\t- a\n");
    assert!(tab.len() == 1 && tab[0].contains("a tab"), "{tab:?}");
    let two = errors("hosts: [a]\n---\nhosts: [b]\n");
    assert!(two.len() == 1 && two[0].contains("more than one YAML document"), "{two:?}");
}

#[test]
fn a_byte_order_mark_and_an_empty_file_are_no_riddle() {
    let _ = tenant(&format!("\u{feff}{GOOD}"));
    let empty = errors("");
    assert!(empty.iter().any(|line| line.ends_with("hosts: at least one host is required")), "{empty:?}");
    assert!(empty.iter().any(|line| line.ends_with("clients: at least one client is required")), "{empty:?}");
}

#[test]
fn what_would_keep_the_parser_busy_is_refused_at_once() {
    for text in ["[".repeat(5_000), "a: ".to_owned() + &"{".repeat(2_000), "x".repeat(300 * 1024)] {
        assert_eq!(errors(&text).len(), 1);
    }
    let bomb: String = (1..20).fold("x-a0: &a0 [x, x, x, x]\n".to_owned(), |text, n| {
        let before = n - 1;
        format!("{text}x-a{n}: &a{n} [*a{before}, *a{before}, *a{before}, *a{before}]\n")
    });
    assert_eq!(errors(&bomb), ["acme.yaml:1:1: aliases repeat too much"]);
}

#[test]
fn anchors_merges_and_extensions_work() {
    let text = "\
x-common: &common { scopes: [openid, email], require_state: true }
auth0: { domain: acme.eu.auth0.com, x-note: hello }
hosts: [app.acme.com]
clients:
  web: { <<: *common, client_id: abc }
  api: { <<: *common, client_id: def, require_state: false }
";
    let tenant = tenant(text);
    let state = |name| tenant.client(name).map(|client| client.require_state);
    assert_eq!((state("web"), state("api")), (Some(true), Some(false)));
}

/// A line of `GOOD`, what stands in its place, and the one error that this is.
const RULES: &[(&str, &str, &str)] = &[
    ("hosts: [app.acme.com, test.acme.com]", "hosts: []", "hosts: at least one host is required"),
    (
        "hosts: [app.acme.com, test.acme.com]",
        "hosts: [app.acme.com]",
        "connections.Test.hosts[0]: the host is not one of the tenant's `hosts`",
    ),
    (
        "hosts: [app.acme.com, test.acme.com]",
        "name: other\nhosts: [app.acme.com, test.acme.com]",
        "name: must be the file's name without its ending",
    ),
    (
        "hosts: [app.acme.com, test.acme.com]",
        "version: 2\nhosts: [app.acme.com, test.acme.com]",
        "version: this gateway reads version 1",
    ),
    (
        "hosts: [app.acme.com, test.acme.com]",
        "default_client: wep\nhosts: [app.acme.com, test.acme.com]",
        "default_client: not one of `clients` (did you mean `web`?)",
    ),
    ("auth0: { domain: acme.eu.auth0.com }", "", "auth0: required: the tenant's `domain`"),
    (
        "auth0: { domain: acme.eu.auth0.com }",
        "auth0: { domain: localhost }",
        "auth0.domain: not a public domain; an emulator is given by `base_url` and --allow-upstream",
    ),
    (
        "auth0: { domain: acme.eu.auth0.com }",
        "auth0: { domain: 10.0.0.1 }",
        "auth0.domain: not a public domain; an emulator is given by `base_url` and --allow-upstream",
    ),
    (
        "auth0: { domain: acme.eu.auth0.com }",
        "auth0: { base_url: \"http://10.0.0.1/a\" }",
        "auth0.base_url: the address is not allowed; start the gateway with --allow-upstream and its network",
    ),
    (
        "auth0: { domain: acme.eu.auth0.com }",
        "auth0: { domain: a.example, base_url: \"http://127.0.0.1/a\" }",
        "auth0.base_url: give `domain` or `base_url`, not both",
    ),
    ("client_id: abc", "client_id: \"\"", "clients.web.client_id: must not be empty"),
    ("client_id: abc", "client_id:", "clients.web.client_id: required"),
    (
        "client_id: abc",
        "client_id: 7",
        "clients.web.client_id: a number, expected a text, `{ env: NAME }` or `{ file: NAME }`",
    ),
    (
        "client_id: abc",
        "client_id: abc\n    connections: [Prot]",
        "clients.web.connections[0]: not one of the tenant's `connections` (did you mean `Prod`?)",
    ),
    (
        "client_id: abc",
        "client_id: abc\n    connections: [Prod]\n    default_connection: Test",
        "clients.web.default_connection: not one of this client's `connections`",
    ),
    (
        "client_id: abc",
        "client_id: abc\n    allowed_origins: [\"*\"]",
        "clients.web.allowed_origins[0]: not an origin: scheme, host and port as browsers send them, such as https://app.acme.com; no `*`, no `null`",
    ),
    (
        "client_id: abc",
        "client_id: abc\n    allowed_origins: [\"https://a.example/x\"]",
        "clients.web.allowed_origins[0]: not an origin: scheme, host and port as browsers send them, such as https://app.acme.com; no `*`, no `null`",
    ),
    (
        "client_id: abc",
        "client_id: abc\n    scopes: [\"a b\"]",
        "clients.web.scopes[0]: not a scope: printable ASCII without spaces, quotes and backslashes",
    ),
    (
        "client_id: abc",
        "client_id: abc\n    session: { idle: 8d }",
        "clients.web.session.idle: longer than `lifetime`, which ends a session in any case",
    ),
    (
        "client_id: abc",
        "client_id: abc\n    session: { cookie: \"a b\" }",
        "clients.web.session.cookie: not a cookie's name: letters, digits, `_`, `-` and `.`",
    ),
    (
        "client_id: abc",
        "client_id: abc\n    session: { per_user: 0 }",
        "clients.web.session.per_user: expected 1 to 10000",
    ),
    (
        "client_id: abc",
        "client_id: abc\n    refresh: { sharing: 5m }",
        "clients.web.refresh.sharing: expected at most 60s: for so long a stolen token would be answered too",
    ),
    (
        "client_id: abc",
        "client_id: abc\n    signing_algs: [HS256]",
        "clients.web.signing_algs[0]: this text, expected one of `RS256`, `RS384`, `RS512`, `PS256`, `ES256` (did you mean `RS256`?)",
    ),
    (
        "client_id: abc",
        "client_id: abc\n    private_key: { env: ACME_SECRET }",
        "clients.web.private_key: give `client_secret` or `private_key`, not both",
    ),
    (
        "client_secret: { env: ACME_SECRET }",
        "grants: [client_credentials]",
        "clients.web.grants: client_credentials needs a `client_secret`, which its callers must show",
    ),
    (
        "client_secret: { env: ACME_SECRET }",
        "client_secret: { env: PATH }",
        "clients.web.client_secret: the name of the variable must begin with ACME_ or a --secrets-env-prefix",
    ),
    (
        "client_secret: { env: ACME_SECRET }",
        "client_secret: []",
        "clients.web.client_secret: a list, expected one or two",
    ),
    (
        "client_secret: { env: ACME_SECRET }",
        "client_secret: { envv: ACME_SECRET }",
        "clients.web.client_secret: a map, expected exactly one of `env` and `file`",
    ),
    (
        "  Prod: { hosts: [app.acme.com] }",
        "  Pr od: { hosts: [app.acme.com] }",
        "connections.Pr od: not a connection's name: 1 to 128 of A-Z, a-z, 0-9, `.`, `_` and -",
    ),
];

#[test]
fn rules_between_keys_are_kept() {
    for (line, change, expected) in RULES {
        let found = errors(&with(line, change));
        assert!(found.len() == 1 && found[0].ends_with(expected), "{change}: {found:?}");
    }
}

#[test]
fn two_clients_are_told_apart() {
    let two = |change: &str| GOOD.to_owned() + "  cms:\n" + change;
    let same_cookie = two("    client_id: def\n    scopes: [website]\n")
        .replace("client_id: abc", "client_id: abc\n    scopes: [website]");
    let found = errors(&same_cookie);
    assert!(found.len() == 1 && found[0].contains("clients.cms.session.cookie: another cookie client"), "{found:?}");
    let found = errors(&two("    client_id: abc\n"));
    assert!(found.len() == 1 && found[0].ends_with("clients.cms.client_id: `web` has the same client_id"), "{found:?}");
}

#[test]
fn an_unset_secret_is_an_error_in_service_and_a_note_in_a_check() {
    let text = with("ACME_SECRET", "ACME_OTHER");
    assert_eq!(errors(&text), Vec::<String>::new());
    let reading = Reader::new(options(Unset::Error)).read("acme.yaml", text.as_bytes(), "acme");
    let Outcome::Bad { problems, .. } = reading.outcome else { panic!("is good") };
    assert_eq!(
        problems[0].to_string(),
        "acme.yaml:9:20: clients.web.client_secret: the environment variable is not set"
    );
}

#[test]
fn secret_files_are_read_below_one_directory_alone() {
    let directory = tempfile::tempdir().expect("makes a directory");
    let outside = tempfile::NamedTempFile::new().expect("makes a file");
    std::fs::write(outside.path(), "outside").expect("writes");
    std::fs::write(directory.path().join("web"), "s3cret\n").expect("writes");
    std::fs::write(directory.path().join("void"), "\n").expect("writes");
    std::os::unix::fs::symlink(outside.path(), directory.path().join("link")).expect("links");
    let mut options = options(Unset::Error);
    options.secrets.directory = Some(directory.path().to_owned());
    let reader = Reader::new(options);
    let check = |name: &str, expected: Option<&str>| {
        let text = with("{ env: ACME_SECRET }", &format!("{{ file: \"{name}\" }}"));
        let outcome = reader.read("acme.yaml", text.as_bytes(), "acme").outcome;
        let found = match &outcome {
            Outcome::Good { .. } => None,
            Outcome::Bad { problems, .. } => problems.first().map(|problem| &*problem.message),
        };
        assert_eq!(found, expected, "{name}");
    };
    check("web", None);
    check("void", Some("the file is empty"));
    check("missing", Some("there is no such file below --secrets-dir"));
    check("link", Some("the file is not below --secrets-dir"));
    check("../x", Some("there is no such file below --secrets-dir"));
    check(&outside.path().display().to_string(), Some("the file must be named by a path below --secrets-dir"));
}

#[test]
fn a_changed_secret_is_a_changed_file() {
    let directory = tempfile::tempdir().expect("makes a directory");
    let path = directory.path().join("web");
    std::fs::write(&path, "one").expect("writes");
    let mut options = options(Unset::Error);
    options.secrets.directory = Some(directory.path().to_owned());
    let reader = Reader::new(options);
    let text = with("{ env: ACME_SECRET }", "{ file: web }");
    let first = reader.read("acme.yaml", text.as_bytes(), "acme");
    assert!(reader.still_holds(&first));
    std::fs::write(&path, "two").expect("writes");
    assert!(!reader.still_holds(&first));
    let digest = |reading: &Reading| match &reading.outcome {
        Outcome::Good { tenant, .. } => tenant.digest,
        Outcome::Bad { .. } => panic!("is bad"),
    };
    assert_ne!(digest(&first), digest(&reader.read("acme.yaml", text.as_bytes(), "acme")));
}

#[test]
fn defaults_lie_under_every_file() {
    let defaults = "limits: { concurrency: 5, queue: 6 }\nclaims: { lift: [a] }\nclients:\n  \"*\": { require_state: true, scopes: [openid, email] }\n";
    let reader = reader().with_defaults("_defaults.yaml", defaults.as_bytes()).expect("is good");
    let text = GOOD.to_owned() + "limits: { queue: 7 }\nclaims: { lift: [b, c] }\n";
    let Outcome::Good { tenant, .. } = reader.read("acme.yaml", text.as_bytes(), "acme").outcome else {
        panic!("is bad")
    };
    assert_eq!((tenant.limits.concurrency, tenant.limits.queue, tenant.claims.lift.len()), (5, 7, 2));
    let client = tenant.client("web").expect("is there");
    assert_eq!(
        (client.require_state, client.scopes.to_string().as_str(), tenant.clients.len()),
        (true, "openid email", 1)
    );
    let effective = reader.effective("acme.yaml", text.as_bytes()).expect("renders");
    for line in [
        "  concurrency: 5  # _defaults.yaml:1",
        "  queue: 7  # acme.yaml:10",
        "    require_state: true  # _defaults.yaml:4",
        "    client_id: \"abc\"  # acme.yaml:8",
    ] {
        assert!(effective.lines().any(|have| have == line), "{line}\n{effective}");
    }
}

#[test]
fn defaults_that_name_or_open_a_tenant_are_refused() {
    let bad =
        "name: x\nhosts: [a.example]\nclients:\n  \"*\": { client_id: a, client_secret: b }\nlimits: { timeot: 1s }\n";
    let problems = reader().with_defaults("_defaults.yaml", bad.as_bytes()).expect_err("is bad");
    let paths: Vec<&str> = problems.iter().map(|problem| &*problem.path).collect();
    assert_eq!(paths, ["name", "hosts", "clients.*.client_id", "clients.*.client_secret", "limits.timeot"]);
}

#[test]
fn a_broken_file_still_says_whose_hosts_it_has() {
    let claims = |text: &str| match reader().read("acme.yaml", text.as_bytes(), "acme").outcome {
        Outcome::Bad { claims, .. } => claims,
        Outcome::Good { .. } => panic!("is good"),
    };
    let typo = claims(&with("client_id: abc", "client_idd: abc")).expect("has hosts");
    assert_eq!(typo.hosts.len(), 2);
    assert_eq!(typo.client_types.map(|types| types.len()), Some(1));
    let cut = claims("hosts: [app.acme.com]\nclients:\n  web: [\n").expect("has hosts");
    assert_eq!((cut.hosts.len(), cut.client_types), (1, None));
    assert_eq!(claims("clients: { web: { client_id: [ }"), None);
}

/// Wherever a secret stands in a broken file, no problem shows it.
#[test]
fn no_problem_ever_shows_a_value() {
    const MARK: &str = "m4rked-s3cret";
    let places = [
        format!("client_id: {MARK}"),
        format!("client_id: [{MARK}]"),
        format!("client_id: {{ env: {MARK} }}"),
        format!("client_id: {{ {MARK}: x }}"),
        format!("client_secret: {MARK}"),
        format!("client_secret: [{MARK}, {MARK}, {MARK}]"),
        format!("client_secret: {{ file: {MARK} }}"),
        format!("grants: [{MARK}]"),
        format!("grants: {MARK}"),
        format!("signing_algs: [{MARK}]"),
        format!("require_state: {MARK}"),
        format!("session: {{ idle: {MARK} }}"),
        format!("session: {{ same_site: {MARK} }}"),
        format!("session: {{ per_user: {MARK} }}"),
        format!("refresh: {MARK}"),
        format!("redirect_urls: [\"https://{MARK}@x/\"]"),
        format!("allowed_origins: [{MARK}]"),
        format!("token_response: {MARK}"),
        format!("connections: [{MARK}]"),
        format!("default_connection: {MARK}"),
        format!("client_id: a: {MARK}"),
        format!("client_id: \"{MARK}"),
        format!("client_id: *{MARK}"),
        format!("callers: {MARK}"),
        format!("scopes: [\"{MARK} \\\"\"]"),
    ];
    for place in places {
        let text = GOOD
            .replace("client_id: abc", &format!("client_id: abc\n    {place}"))
            .replace("client_id: abc\n    client_id", "client_id");
        let outcome = reader().read("acme.yaml", text.as_bytes(), "acme").outcome;
        let shown = format!("{outcome:?}");
        let problems = match outcome {
            Outcome::Good { findings, .. } => findings,
            Outcome::Bad { problems, .. } => problems,
        };
        let shown = if problems.is_empty() { shown } else { problems.iter().map(ToString::to_string).collect() };
        // A client id is no secret and is part of a good tenant; a problem shows nothing at all.
        assert!(!shown.contains(MARK) || place == format!("client_id: {MARK}"), "{place}: {shown}");
    }
}

proptest! {
    /// Whatever is done to a sample file, it is good, or bad with a reason that has a place.
    #[test]
    fn a_damaged_file_is_good_or_says_where_it_is_not(sample in 0usize..3, at in 0usize..4000, remove in 0usize..12, insert in "[ \\-:a-z{}\\[\\]\"'#&*!|>%@\n\t0-9]{0,6}") {
        let (stem, text) = SAMPLES[sample];
        let at = at % text.len();
        prop_assume!(text.is_char_boundary(at) && text.is_char_boundary((at + remove).min(text.len())));
        let damaged = format!("{}{insert}{}", &text[..at], &text[(at + remove).min(text.len())..]);
        match reader().read("x.yaml", damaged.as_bytes(), stem).outcome {
            Outcome::Good { findings, .. } => prop_assert!(findings.iter().all(|it| it.severity != Severity::Error)),
            Outcome::Bad { problems, .. } => {
                prop_assert!(problems.iter().any(|it| it.severity == Severity::Error), "{:?}", problems);
                prop_assert!(problems.iter().all(|it| it.place.is_some()), "{:?}", problems);
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = reader().read("x.yaml", &bytes, "x");
        let _ = reader().with_defaults("x.yaml", &bytes);
    }
}

#[test]
fn what_is_kept_of_a_file_holds_no_secret_and_needs_no_defaults() {
    let text = "# was: hunter2-comment\nx-old: &old hunter2-extension\nauth0: { domain: a.eu.auth0.com }\nhosts: [a.example]\n\
                clients: { web: { client_id: i, client_secret: { env: A_WEB }, x-note: *old } }\n";
    let keep = |reader: &Reader, text: &str| reader.keepable("a.yaml", text.as_bytes());
    let secrets = SecretSource {
        directory: None,
        prefixes: Vec::new(),
        environment: Arc::new(|name| (name == "A_WEB").then(|| "hunter2-value".to_owned())),
    };
    let options = ReaderOptions { secrets, unset: Unset::Error, allow_upstream: Vec::new(), emulator: None };
    let bare = Reader::new(options);
    let reader =
        bare.with_defaults("_defaults.yaml", b"clients: { \"*\": { session: { idle: 8h } } }").expect("is good");
    let kept = keep(&reader, text).expect("no secret stands in it");
    assert!(!kept.text.contains("hunter2") && kept.text.contains("A_WEB"), "{}", kept.text);
    let Outcome::Good { tenant, .. } = reader.read("a.yaml", text.as_bytes(), "a").outcome else { panic!("is good") };
    // Without the defaults of then it is the same tenant, secret and all.
    let again = bare.read_kept("a", &kept).expect("serves");
    assert_eq!(again.digest, tenant.digest);
    assert_eq!(format!("{:?}", again.clients), format!("{:?}", tenant.clients));
    for literal in [
        "client_secret: hunter2",
        "client_secret: [{ env: A_WEB }, hunter2]",
        "client_secret: *old",
        "private_key: \"-----BEGIN\"",
        "callers: { secret: hunter2 }",
    ] {
        let text = text.replace("client_secret: { env: A_WEB }", literal);
        assert_eq!(keep(&reader, &text), None, "{literal}");
    }
    assert!(bare.read_kept("b", &kept).is_none(), "another tenant may not read that variable");
}
