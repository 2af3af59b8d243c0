//! Reloads as a sequence of states: who keeps what, who is refused, and what nobody may notice.

use proptest::prelude::*;

use super::*;
use crate::base::id::Host;
use crate::tenant::lookup::{Query, Unresolved};
use crate::tenant::read::{Reader, ReaderOptions, Unset};
use crate::tenant::secrets::SecretSource;

const GUARD: RemovalGuard = RemovalGuard { at_most: 25, at_least: 5, accepted: false };

fn reader() -> Reader {
    let secrets = SecretSource { directory: None, prefixes: Vec::new(), environment: Arc::new(|_| None) };
    Reader::new(ReaderOptions { secrets, unset: Unset::Error, allow_upstream: Vec::new(), emulator: None })
}

/// A file of one cookieless client `web` on these hosts. `mark` makes versions differ.
fn text(hosts: &str, mark: &str) -> String {
    format!("auth0: {{ domain: a.eu.auth0.com }}\nhosts: [{hosts}]\nclients: {{ web: {{ client_id: \"{mark}\" }} }}\n")
}

/// Applies a whole directory: file names and texts.
fn step(state: &State, files: &[(&str, String)]) -> (State, Diff) {
    let reader = reader();
    let readings =
        files.iter().map(|(file, text)| reader.read(file, text.as_bytes(), file.split('.').next().unwrap_or_default()));
    apply(state, Listing::Files(readings.collect()), GUARD, Timestamp::UNIX_EPOCH)
}

/// Who answers `web` on a host: the client id, or why nobody.
fn who(state: &State, host: &str) -> Result<String, Unresolved> {
    let host = Host::parse(host).expect("is a host");
    let query = Query { host: &host, client_type: Some("web"), client_id: None };
    state.registry().resolve(&query).map(|resolved| resolved.client.client_id.to_string())
}

fn names(files: &[Arc<str>]) -> Vec<&str> {
    files.iter().map(|file| &**file).collect()
}

#[test]
fn a_file_that_breaks_keeps_its_last_good_version_in_service() {
    let (state, diff) =
        step(&State::default(), &[("a.yaml", text("a.example", "1")), ("b.yaml", text("b.example", "1"))]);
    assert_eq!(names(&diff.added), ["a.yaml", "b.yaml"]);
    let b = Arc::clone(state.files["b.yaml"].serving.as_ref().expect("serves"));
    let (state, diff) = step(&state, &[("a.yaml", "hosts: [".into()), ("b.yaml", text("b.example", "1"))]);
    assert_eq!((names(&diff.rejected), names(&diff.changed)), (vec!["a.yaml"], vec![]));
    assert_eq!(who(&state, "a.example").as_deref(), Ok("1"));
    assert!(Arc::ptr_eq(&b, state.files["b.yaml"].serving.as_ref().expect("serves")), "the other is the very same");
    let (state, diff) = step(&state, &[("a.yaml", text("a.example", "2")), ("b.yaml", text("b.example", "1"))]);
    assert_eq!((names(&diff.changed), who(&state, "a.example").as_deref()), (vec!["a.yaml"], Ok("2")));
}

#[test]
fn a_file_that_was_never_good_blocks_its_hosts_and_nothing_falls_through() {
    let broken = text("a.example", "1").replace("client_id", "client_idd");
    let (state, _) = step(&State::default(), &[("a.yaml", broken), ("z.yaml", text("\"*\"", "any"))]);
    assert_eq!(who(&state, "a.example"), Err(Unresolved::Broken { file: "a.yaml".into() }));
    assert_eq!(who(&state, "b.example").as_deref(), Ok("any"));
    assert_eq!(state.hosts_unknown(), 0);
    let (state, _) = step(&State::default(), &[("a.yaml", "{".into())]);
    assert_eq!(state.hosts_unknown(), 1);
}

#[test]
fn a_new_file_cannot_take_a_pair_in_service() {
    let (state, _) = step(&State::default(), &[("b.yaml", text("x.example", "b"))]);
    let both = [("a.yaml", text("x.example, y.example", "a")), ("b.yaml", text("x.example", "b"))];
    let (state, diff) = step(&state, &both);
    assert_eq!((names(&diff.rejected), who(&state, "x.example").as_deref()), (vec!["a.yaml"], Ok("b")));
    assert_eq!(who(&state, "y.example"), Err(Unresolved::Broken { file: "a.yaml".into() }), "it is refused as a whole");
    let problem = state.files["a.yaml"].problems().next().expect("says why").to_string();
    assert!(problem.contains("client type `web` on host `x.example` is served by b.yaml"), "{problem}");
    // The conflict is mended in the other file: this one is free without a change of its own.
    let (state, diff) = step(&state, &[both[0].clone(), ("b.yaml", text("z.example", "b"))]);
    assert_eq!((names(&diff.added), who(&state, "x.example").as_deref()), (vec!["a.yaml"], Ok("a")));
}

#[test]
fn a_changed_file_that_claims_anothers_pair_stays_as_it_was() {
    let (state, _) =
        step(&State::default(), &[("a.yaml", text("a.example", "a1")), ("b.yaml", text("b.example", "b1"))]);
    let (state, diff) =
        step(&state, &[("a.yaml", text("a.example, b.example", "a2")), ("b.yaml", text("b.example", "b1"))]);
    assert_eq!(names(&diff.rejected), ["a.yaml"]);
    assert_eq!((who(&state, "a.example").as_deref(), who(&state, "b.example").as_deref()), (Ok("a1"), Ok("b1")));
}

#[test]
fn two_files_swap_a_host_in_one_reload() {
    let (state, _) = step(&State::default(), &[("a.yaml", text("a.example", "a")), ("b.yaml", text("b.example", "b"))]);
    let (state, diff) = step(&state, &[("a.yaml", text("b.example", "a")), ("b.yaml", text("a.example", "b"))]);
    assert_eq!(names(&diff.changed), ["a.yaml", "b.yaml"]);
    assert_eq!((who(&state, "a.example").as_deref(), who(&state, "b.example").as_deref()), (Ok("b"), Ok("a")));
}

#[test]
fn a_file_is_renamed_in_one_reload() {
    let (state, _) = step(&State::default(), &[("a.yaml", text("a.example", "1"))]);
    let (state, diff) = step(&state, &[("b.yaml", text("a.example", "1"))]);
    assert_eq!((names(&diff.added), names(&diff.removed)), (vec!["b.yaml"], vec!["a.yaml"]));
    assert_eq!(who(&state, "a.example").as_deref(), Ok("1"));
}

#[test]
fn two_newcomers_dispute_one_pair_alone() {
    let files = [("a.yaml", text("x.example, a.example", "a")), ("b.yaml", text("x.example, b.example", "b"))];
    let (state, diff) = step(&State::default(), &files);
    assert_eq!(names(&diff.rejected), Vec::<&str>::new());
    assert_eq!(who(&state, "x.example"), Err(Unresolved::Disputed { files: vec!["a.yaml".into(), "b.yaml".into()] }));
    assert_eq!((who(&state, "a.example").as_deref(), who(&state, "b.example").as_deref()), (Ok("a"), Ok("b")));
    assert_eq!(state.files["a.yaml"].disputes.len() + state.files["b.yaml"].disputes.len(), 2);
    let (state, _) = step(&state, &[files[0].clone(), ("b.yaml", text("b.example", "b"))]);
    assert_eq!(who(&state, "x.example").as_deref(), Ok("a"));
}

#[test]
fn one_stem_is_one_tenant() {
    let (state, diff) =
        step(&State::default(), &[("a.yaml", text("a.example", "1")), ("a.yml", text("b.example", "2"))]);
    assert_eq!((names(&diff.rejected), who(&state, "a.example").as_deref()), (vec!["a.yml"], Ok("1")));
}

#[test]
fn two_cookie_clients_do_not_share_a_cookie_on_a_host() {
    let cookie = |client_type: &str| {
        format!(
            "auth0: {{ domain: a.eu.auth0.com }}\nhosts: [x.example]\nclients: {{ {client_type}: {{ client_id: i, scopes: [website] }} }}\n"
        )
    };
    let (state, diff) = step(&State::default(), &[("a.yaml", cookie("one"))]);
    assert_eq!(names(&diff.added), ["a.yaml"]);
    let (state, diff) = step(&state, &[("0.yaml", cookie("two")), ("a.yaml", cookie("one"))]);
    assert_eq!(names(&diff.rejected), ["0.yaml"], "{:?}", state.files["0.yaml"].conflicts);
}

#[test]
fn a_mass_removal_is_held_until_it_is_accepted() {
    let ten: Vec<(String, String)> =
        (0..10).map(|n| (format!("t{n}.yaml"), text(&format!("t{n}.example"), "x"))).collect();
    let ten: Vec<(&str, String)> = ten.iter().map(|(file, text)| (file.as_str(), text.clone())).collect();
    let (state, _) = step(&State::default(), &ten);
    let mut rest = ten[..4].to_vec();
    rest.push(("new.yaml", text("new.example", "n")));
    let (state, diff) = step(&state, &rest);
    assert_eq!((diff.held.len(), names(&diff.added)), (6, vec!["new.yaml"]));
    assert_eq!(who(&state, "t9.example").as_deref(), Ok("x"));
    let (state, diff) = apply(&state, Listing::Doubtful(Vec::new()), GUARD, Timestamp::UNIX_EPOCH);
    assert_eq!((diff.removed.len(), diff.held.len()), (0, 11), "nobody goes while the directory is not believed");
    assert_eq!(who(&state, "t9.example").as_deref(), Ok("x"));
    let readings = rest
        .iter()
        .map(|(file, text)| reader().read(file, text.as_bytes(), file.split('.').next().unwrap_or_default()));
    let accepted = RemovalGuard { accepted: true, ..GUARD };
    let (state, diff) = apply(&state, Listing::Files(readings.collect()), accepted, Timestamp::UNIX_EPOCH);
    assert_eq!((diff.removed.len(), who(&state, "t9.example")), (6, Err(Unresolved::NoMatch)));
    let (_, diff) =
        step(&state, &[("new.yaml", text("new.example", "n")), ten[0].clone(), ten[1].clone(), ten[2].clone()]);
    assert_eq!(names(&diff.removed), ["t3.yaml"], "few may go at any time");
    let (state, diff) = apply(&state, Listing::Doubtful(Vec::new()), accepted, Timestamp::UNIX_EPOCH);
    assert_eq!(
        (diff.removed.len(), diff.held.len(), state.registry().tenants().len()),
        (5, 0, 0),
        "and all, where they said so"
    );
}

/// A record of the file as it served: with its version, or without where a secret stood in it.
fn record(text: &str, file: &str, with_version: bool) -> (Arc<str>, Recalled) {
    let stem = file.split('.').next().unwrap_or_default();
    let reading = reader().read(file, text.as_bytes(), stem);
    let Outcome::Good { tenant, .. } = &reading.outcome else { panic!("{reading:?}") };
    let version = reader().keepable(file, text.as_bytes());
    let record = LastGood {
        since: Timestamp::UNIX_EPOCH,
        claims: claims_of(tenant),
        holds: crate::tenant::registry::pairs(tenant).collect(),
        version: version.clone().filter(|_| with_version),
    };
    let bytes = record.encode().expect("is JSON");
    let record = Arc::new(LastGood::decode(&bytes).expect("is a record"));
    let tenant = record.version.as_ref().map(|version| reader().read_kept(stem, version).expect("serves"));
    (file.into(), Recalled { record, tenant })
}

/// The first look of a process that finds these records.
fn start(files: &[(&str, String)], records: &[(Arc<str>, Recalled)]) -> (State, Diff) {
    let readings = files
        .iter()
        .map(|(file, text)| reader().read(file, text.as_bytes(), file.split('.').next().unwrap_or_default()));
    let (listing, records) = (Listing::Files(readings.collect()), records.iter().cloned().collect());
    apply_recalled(&State::default(), listing, &records, GUARD, Timestamp::UNIX_EPOCH)
}

#[test]
fn a_file_that_is_broken_at_a_start_serves_from_its_record() {
    let (broken, records) = ("hosts: [".to_owned(), [record(&text("a.example", "1"), "a.yaml", true)]);
    let (state, diff) = start(&[("a.yaml", broken.clone())], &records);
    assert_eq!((names(&diff.added), names(&diff.rejected)), (vec!["a.yaml"], vec!["a.yaml"]));
    assert_eq!(who(&state, "a.example").as_deref(), Ok("1"));
    assert!(state.files["a.yaml"].recalled.is_some());
    // It stays so while the file is broken, and no longer.
    let (state, diff) = step(&state, &[("a.yaml", broken.clone())]);
    assert_eq!((names(&diff.changed), who(&state, "a.example").as_deref()), (vec![], Ok("1")));
    let (state, _) = step(&state, &[("a.yaml", text("a.example", "2"))]);
    assert_eq!(who(&state, "a.example").as_deref(), Ok("2"));
    assert!(state.files["a.yaml"].recalled.is_none());
    // A record of a file that is gone brings nothing back.
    let (state, _) = start(&[("b.yaml", text("b.example", "1"))], &records);
    assert_eq!(who(&state, "a.example"), Err(Unresolved::NoMatch));
}

#[test]
fn a_file_that_is_good_at_a_start_serves_as_it_is_now() {
    let records = [record(&text("a.example", "1"), "a.yaml", true)];
    for now in ["1", "2"] {
        let (state, diff) = start(&[("a.yaml", text("a.example", now))], &records);
        assert_eq!((names(&diff.added), names(&diff.rejected)), (vec!["a.yaml"], vec![]));
        assert_eq!(who(&state, "a.example").as_deref(), Ok(now));
        assert!(state.files["a.yaml"].is_active() && state.files["a.yaml"].recalled.is_none());
    }
}

#[test]
fn at_a_cold_start_the_record_says_whose_a_pair_is() {
    let files = [("a.yaml", text("x.example", "a")), ("b.yaml", text("x.example, b.example", "b"))];
    let held_by_b = record(&text("x.example", "b"), "b.yaml", true);
    let (state, diff) = start(&files, std::slice::from_ref(&held_by_b));
    assert_eq!((names(&diff.rejected), who(&state, "x.example").as_deref()), (vec!["a.yaml"], Ok("b")));
    // The one that lost has a record too: it serves from it.
    let (state, _) = start(&files, &[held_by_b, record(&text("a.example", "old"), "a.yaml", true)]);
    assert_eq!((who(&state, "x.example").as_deref(), who(&state, "a.example").as_deref()), (Ok("b"), Ok("old")));
    // Two records that say the same of one pair decide nothing.
    let both = [record(&files[0].1, "a.yaml", true), record(&files[1].1, "b.yaml", true)];
    let (state, _) = start(&files, &both);
    assert!(matches!(who(&state, "x.example"), Err(Unresolved::Disputed { .. })));
    assert_eq!(who(&state, "b.example").as_deref(), Ok("b"));
}

#[test]
fn what_cannot_serve_from_its_record_keeps_its_pairs_from_others() {
    let records = [record(&text("x.example", "a"), "a.yaml", false)];
    let files = [("a.yaml", "{".to_owned()), ("b.yaml", text("x.example", "b")), ("z.yaml", text("\"*\"", "any"))];
    let (state, diff) = start(&files, &records);
    assert_eq!(names(&diff.rejected), ["a.yaml", "b.yaml"]);
    assert_eq!(who(&state, "x.example"), Err(Unresolved::Broken { file: "a.yaml".into() }));
    assert_eq!((who(&state, "y.example").as_deref(), state.hosts_unknown()), (Ok("any"), 0));
    // Mended, it has them again, and gives them up as any other.
    let (state, _) = step(&state, &[("a.yaml", text("x.example", "a2")), files[1].clone(), files[2].clone()]);
    assert_eq!(who(&state, "x.example").as_deref(), Ok("a2"));
    let (state, _) = step(&state, &[("a.yaml", text("a.example", "a2")), files[1].clone(), files[2].clone()]);
    assert_eq!(who(&state, "x.example").as_deref(), Ok("b"));
}

proptest! {
    /// Any sequence of directories, files good, broken, gone, hosts moving about. After each reload:
    /// a pair has one server at most; who served a pair and still claims it (now or in its last good
    /// version) serves it; a file that did not change is served by the very same value.
    #[test]
    fn no_sequence_of_edits_breaks_the_rules(edits in proptest::collection::vec(
        proptest::collection::vec((0usize..4, 0usize..3, any::<bool>(), any::<bool>()), 4), 1..7
    )) {
        let mut state = State::default();
        for (round, edit) in edits.into_iter().enumerate() {
            let files: Vec<(String, String)> = edit.into_iter().enumerate().filter(|(_, (.., there))| *there).map(|(n, (host, more, good, _))| {
                let hosts = if more == 0 { format!("h{host}.example") } else { format!("h{host}.example, h{more}.example") };
                let body = if good { text(&hosts, &format!("f{n}")) } else { text(&hosts, "x").replace("client_id", "nonsense") };
                (format!("f{n}.yaml"), body)
            }).collect();
            let files: Vec<(&str, String)> = files.iter().map(|(file, text)| (file.as_str(), text.clone())).collect();
            let (next, _) = step(&state, &files);
            for n in 0..4 {
                let host = format!("h{n}.example");
                let Ok(before) = who(&state, &host) else { continue };
                let Some(known) = next.files.get(&*format!("{before}.yaml")) else { continue };
                let claims = |tenant: &Arc<Tenant>| tenant.hosts.iter().any(|pattern| pattern.to_string() == host);
                let now = who(&next, &host);
                if known.serving.as_ref().is_some_and(claims) {
                    prop_assert_eq!(now, Ok(before), "round {}", round);
                }
            }
            for (file, known) in &next.files {
                if let (Some(before), Outcome::Good { tenant, .. }) = (state.files.get(file).and_then(|it| it.serving.as_ref()), &known.reading.outcome)
                    && before.digest == tenant.digest && known.is_active()
                {
                    prop_assert!(Arc::ptr_eq(before, known.serving.as_ref().expect("is active")));
                }
            }
            state = next;
        }
    }
}
