//! Who serves which pair, and which connection a login there uses.

use super::*;
use crate::tenant::apply::{self, Listing, RemovalGuard, State};
use crate::tenant::connection::{self, ConnectionError, Rule};
use crate::tenant::read::{Reader, ReaderOptions, Unset};
use crate::tenant::secrets::SecretSource;

fn registry(files: &[(&str, &str)]) -> Registry {
    let secrets = SecretSource { directory: None, prefixes: Vec::new(), environment: Arc::new(|_| None) };
    let reader =
        Reader::new(ReaderOptions { secrets, unset: Unset::Error, allow_upstream: Vec::new(), emulator: None });
    let readings = files.iter().map(|(name, text)| {
        let text = format!("auth0: {{ domain: a.eu.auth0.com }}\n{text}\n");
        reader.read(&format!("{name}.yaml"), text.as_bytes(), name)
    });
    let guard = RemovalGuard { at_most: 100, at_least: 0, accepted: true };
    let (state, diff) =
        apply::apply(&State::default(), Listing::Files(readings.collect()), guard, jiff::Timestamp::UNIX_EPOCH);
    assert!(diff.rejected.is_empty(), "{:#?}", state.files);
    state.registry()
}

fn world() -> Registry {
    registry(&[
        ("exact", "hosts: [a.b.example]\nclients: { web: { client_id: e-web } }"),
        (
            "long",
            "hosts: [\"*.b.example\"]\nclients: { web: { client_id: l-web }, api: { client_id: l-api } }\ndefault_client: api",
        ),
        ("short", "hosts: [\"*.example\"]\nclients: { api: { client_id: s-api }, cms: { client_id: s-cms } }"),
        (
            "any",
            "hosts: [\"*\"]\nclients: { cms: { client_id: a-cms }, web: { client_id: a-web } }\ndefault_client: cms",
        ),
    ])
}

fn check(
    host: &str,
    client_type: Option<&str>,
    client_id: Option<&str>,
    expected: Result<(&str, ResolutionReason), Unresolved>,
) {
    let host = Host::parse(host).expect("is a host");
    let found = world().resolve(&Query { host: &host, client_type, client_id });
    let found = found.map(|found| (found.client.client_id.to_string(), found.reason));
    assert_eq!(found, expected.map(|(id, reason)| (id.to_owned(), reason)), "{host} {client_type:?} {client_id:?}");
}

#[test]
fn the_host_itself_beats_the_longest_suffix_which_beats_any() {
    use ResolutionReason::{Any, Exact, Suffix};
    check("a.b.example", Some("web"), None, Ok(("e-web", Exact)));
    check("A.B.EXAMPLE:8443", Some("web"), None, Ok(("e-web", Exact)));
    check("x.b.example", Some("web"), None, Ok(("l-web", Suffix)));
    check("x.y.b.example", Some("web"), None, Ok(("l-web", Suffix)));
    check("elsewhere.test", Some("web"), None, Ok(("a-web", Any)));
}

#[test]
fn a_pattern_that_does_not_claim_the_client_type_is_passed_by() {
    use ResolutionReason::{Any, Suffix};
    check("a.b.example", Some("api"), None, Ok(("l-api", Suffix)));
    check("a.b.example", Some("cms"), None, Ok(("s-cms", Suffix)));
    check("b.example", Some("web"), None, Ok(("a-web", Any)));
    check("a.b.example", Some("WEB"), None, Err(Unresolved::NoMatch));
}

#[test]
fn a_request_without_a_client_type_is_the_ids_or_the_defaults() {
    use ResolutionReason::{Any, Suffix};
    check("a.b.example", None, None, Ok(("l-api", Suffix)));
    check("z.test", None, None, Ok(("a-cms", Any)));
    check("a.b.example", None, Some("s-cms"), Ok(("s-cms", Suffix)));
    check("a.b.example", None, Some("unknown"), Err(Unresolved::NoMatch));
    check("a.b.example", Some("web"), Some("e-web"), Ok(("e-web", ResolutionReason::Exact)));
    check("a.b.example", Some("web"), Some("l-api"), Err(Unresolved::Disagreement));
}

#[test]
fn a_connection_is_the_requests_the_hosts_the_clients_or_the_only_one() {
    let registry = registry(&[(
        "t",
        "hosts: [app.example, test.example, free.example]\nconnections: { Prod: { hosts: [app.example] }, Test: { hosts: [test.example] }, One: {}, Two: {} }\n\
         clients:\n  all: { client_id: a }\n  fond: { client_id: b, default_connection: Two }\n  few: { client_id: c, connections: [Prod, One] }",
    )]);
    let tenant = registry.tenant("t").expect("serves");
    let choose = |client: &str, host: &str, requested: Option<&str>| {
        let host = Host::parse(host).expect("is a host");
        let client = tenant.client(client).expect("is there");
        connection::choose(tenant, client, &host, requested)
            .map(|chosen| chosen.map(|chosen| (chosen.connection.name.to_string(), chosen.rule)))
    };
    let ok = |name: &str, rule| Ok(Some((name.to_owned(), rule)));
    assert_eq!(choose("all", "app.example", None), ok("Prod", Rule::BoundToHost));
    assert_eq!(choose("all", "app.example", Some("Prod")), ok("Prod", Rule::Requested));
    for forbidden in ["Test", "One", "unknown"] {
        assert_eq!(choose("all", "app.example", Some(forbidden)), Err(ConnectionError::NotAllowed), "{forbidden}");
    }
    assert_eq!(choose("all", "free.example", Some("Prod")), Err(ConnectionError::NotAllowed), "bound elsewhere");
    assert_eq!(choose("fond", "free.example", None), ok("Two", Rule::Default));
    assert_eq!(choose("few", "free.example", None), ok("One", Rule::Only));
    assert_eq!(
        choose("few", "test.example", None),
        Err(ConnectionError::NotAllowed),
        "none of this client's is bound there"
    );
    let Err(ConnectionError::Ambiguous { allowed }) = choose("all", "free.example", None) else {
        unreachable!("several could be meant")
    };
    assert_eq!(allowed.iter().map(crate::base::id::ConnectionName::as_str).collect::<Vec<_>>(), ["One", "Two"]);
}
