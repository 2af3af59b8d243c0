//! What a record keeps, and what it refuses.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;

use super::*;
use crate::base::random::{SeededRandom, SystemRandom};
use crate::session::conformance::sample;

const OLD: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const NEW: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

fn ring(keys: &str) -> KeyRing {
    KeyRing::parse(keys).expect("is a ring")
}

fn session() -> Session {
    sample(Timestamp::constant(1_800_000_000, 7), "auth0|user-of-the-record")
}

fn sealed(ring: &KeyRing, id: &Digest, session: &Session) -> Record {
    Record::seal((ring, &SystemRandom), id, session, 1).expect("seals")
}

/// A place of that number.
fn place(number: u8) -> Digest {
    Digest::of([number])
}

#[test]
fn a_bit_flipped_anywhere_is_refused_or_moves_the_idle_time_alone() {
    let ring = ring(OLD);
    let session = session();
    let bytes = sealed(&ring, &place(1), &session).to_bytes();
    for index in 0..bytes.len() * 8 {
        let mut bytes = bytes.clone();
        bytes[index / 8] ^= 1 << (index % 8);
        let Ok(record) = Record::from_bytes(&bytes) else { continue };
        let Ok(opened) = record.open(&ring, &place(1)) else { continue };
        assert!(index / 8 < Record::IDLE_LENGTH, "bit {index} is not bound");
        let Session { idle_until, .. } = opened.session;
        assert_eq!(opened.session, Session { idle_until, ..session.clone() });
        assert!(opened.session.is_over(session.ends), "bit {index} lengthens the session");
        assert!(record.is_over(session.ends));
    }
}

#[test]
fn a_record_cut_short_or_with_more_behind_it_is_refused() {
    let ring = ring(OLD);
    let bytes = sealed(&ring, &place(1), &session()).to_bytes();
    let opens = |bytes: &[u8]| Record::from_bytes(bytes).and_then(|record| record.open(&ring, &place(1))).is_ok();
    assert!(opens(&bytes));
    assert!((0..bytes.len()).all(|length| !opens(&bytes[..length])));
    assert!(!opens(&[bytes.as_slice(), b"x"].concat()));
}

#[test]
fn two_records_swapped_are_refused() {
    let ring = ring(OLD);
    let other = Session { subject: "auth0|another".into(), ..session() };
    let (one, two) = (sealed(&ring, &place(1), &session()), sealed(&ring, &place(2), &other));
    assert!(one.open(&ring, &place(1)).is_ok() && two.open(&ring, &place(2)).is_ok());
    assert!(one.open(&ring, &place(2)).is_err() && two.open(&ring, &place(1)).is_err());
    let halves = Record { sealed: two.sealed, ..one };
    assert!(halves.open(&ring, &place(1)).is_err() && halves.open(&ring, &place(2)).is_err());
}

/// The sealed body of `session` under the head and the plain parts of `elsewhere`.
fn moved(ring: &KeyRing, elsewhere: &Session) -> Record {
    let (ours, theirs) = (sealed(ring, &place(1), &session()), sealed(ring, &place(1), elsewhere));
    let head_end = |record: &Record| {
        let length: [u8; 4] = record.sealed[1..5].try_into().expect("is a length");
        5 + u32::from_be_bytes(length) as usize
    };
    let (head, body) = (&theirs.sealed[..head_end(&theirs)], &ours.sealed[head_end(&ours)..]);
    Record { sealed: [head, body].concat(), ..theirs.clone() }
}

#[test]
fn a_record_moved_to_another_tenant_client_host_or_connection_is_refused() {
    let ring = ring(OLD);
    assert!(moved(&ring, &session()).open(&ring, &place(1)).is_ok());
    let name = "name-elsewhere";
    for elsewhere in [
        Session { tenant: TenantName::parse(name).expect("is one"), ..session() },
        Session { issuer: Issuer::parse("https://other.example/").expect("is one"), ..session() },
        Session { client_type: ClientType::parse(name).expect("is one"), ..session() },
        Session { client_id: name.into(), ..session() },
        Session { host: name.into(), ..session() },
        Session { connection: Some(ConnectionName::parse(name).expect("is one")), ..session() },
        Session { subject: name.into(), ..session() },
        Session { sid: None, ..session() },
        Session { ends: Timestamp::MAX, ..session() },
        Session { opened: Timestamp::MIN, ..session() },
    ] {
        assert!(moved(&ring, &elsewhere).open(&ring, &place(1)).is_err(), "moved to {elsewhere:?}");
    }
    let later = Record { version: 2, ..sealed(&ring, &place(1), &session()) };
    assert!(later.open(&ring, &place(1)).is_err(), "another version");
}

#[test]
fn a_record_of_a_later_release_is_unreadable() {
    let ring = ring(OLD);
    let mut record = sealed(&ring, &place(1), &session());
    record.sealed[0] = RECORD_VERSION + 1;
    assert!(matches!(record.open(&ring, &place(1)), Err(StoreError::Unreadable)));
}

#[test]
fn a_rotated_key_opens_and_finds_what_it_wrote_until_it_leaves_the_ring() {
    let old = ring(OLD);
    let id = SessionId::generate(&SystemRandom);
    let before = super::id(&old, &id).current;
    let record = sealed(&old, &before, &session());
    let both = ring(&format!("{NEW}\n{OLD}"));
    assert!(super::id(&both, &id).iter().any(|name| *name == before));
    assert_eq!(record.open(&both, &before).expect("opens").session, session());
    let Session { issuer, subject, tenant, sid, .. } = session();
    let found = |whose: &Whose, by: Digest| found_by(&both, whose).older == [by];
    let user = Whose::User { issuer: issuer.clone(), subject, opened_before: None };
    assert!(found(&user, record.found_by.user));
    assert!(found(&Whose::Sid { issuer, sid: sid.expect("has one") }, record.found_by.sid.expect("has one")));
    assert!(found(&Whose::Tenant { tenant, opened_before: Timestamp::MAX }, record.found_by.tenant));
    assert!(matches!(record.open(&ring(NEW), &before), Err(StoreError::Unreadable)), "its key has gone");
}

#[test]
fn a_value_opens_at_its_place_with_its_end_alone() {
    let ring = ring(OLD);
    let until = Timestamp::constant(1_800_000_000, 0);
    let sealed = seal_value((&ring, &SystemRandom), ("value", &place(1)), until, b"text").expect("seals");
    let opens = |kind, key: &Digest, until| open_value(&ring, (kind, key), until, &sealed).ok();
    assert_eq!(opens("value", &place(1), until).as_deref(), Some(b"text".as_slice()));
    assert_eq!(opens("shared", &place(1), until), None);
    assert_eq!(opens("value", &place(2), until), None);
    assert_eq!(opens("value", &place(1), Timestamp::MAX), None);
}

/// A text as a dump might hold it.
fn forms(text: &str) -> Vec<String> {
    let bytes = text.as_bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![text.to_owned(), hex.to_uppercase(), hex, text.replace('|', "\\u007c")];
    forms.push(utf8_percent_encode(text, NON_ALPHANUMERIC).to_string());
    // In base64 a text looks one of three ways, by where it begins; its edges depend on the neighbours.
    for skipped in 0..3 {
        let whole = bytes.get(skipped..).unwrap_or_default();
        let whole = &whole[..whole.len() / 3 * 3];
        forms.extend([STANDARD_NO_PAD.encode(whole), URL_SAFE_NO_PAD.encode(whole)]);
    }
    forms
}

#[test]
fn a_dump_holds_no_token_no_email_no_sub_and_no_session_id() {
    let ring = ring(OLD);
    let id = SessionId::generate(&SystemRandom);
    let mut session = session();
    session.access_token = Secret::new("access-token-of-the-record");
    session.refresh_token = Some(Secret::new("refresh-token-of-the-record"));
    session.claims.insert("email".to_owned(), "user@record.example".into());
    let name = super::id(&ring, &id).current;
    let record = sealed(&ring, &name, &session).to_bytes();
    let mut dump = [name.as_bytes().as_slice(), &record].concat();
    let value = b"shared-access-token-of-the-record";
    dump.extend(seal_value((&ring, &SystemRandom), ("value", &name), session.ends, value).expect("seals"));
    let secrets = ["access-token-of-the-record", "user@record.example", &session.subject, id.expose()];
    let holds = |form: &str| dump.windows(form.len()).any(|window| window == form.as_bytes());
    assert!(holds("acme"), "the head is plain, so that this test can see");
    for form in secrets.into_iter().chain(session.sid.as_deref()).flat_map(forms) {
        assert!(!holds(&form), "{form}");
    }
    let raw = URL_SAFE_NO_PAD.decode(id.expose()).expect("is base64");
    assert!(!dump.windows(raw.len()).any(|window| window == raw));
}

prop_compose! {
    fn times()(seconds in prop::array::uniform5(-377_000_000_000i64..253_000_000_000), nanos in 0i32..1_000_000_000)
        -> [Timestamp; 5] {
        seconds.map(|seconds| Timestamp::new(seconds, nanos).expect("is within jiff's bounds"))
    }
}

proptest! {
    #[test]
    fn a_session_comes_back_as_it_was(
        texts in prop::array::uniform8(".{0,40}"),
        optional in prop::option::of("[a-zA-Z0-9._-]{1,128}"),
        rotates in prop::option::of(any::<bool>()),
        proven in any::<bool>(),
        number in any::<i64>(),
        version in any::<u64>(),
        [access_expires, opened, confirmed, idle_until, ends] in times(),
    ) {
        let [client_id, host, subject, sid, claim, access_token, refresh_token, scope] = texts;
        let session = Session {
            client_id: client_id.into(),
            host: host.into(),
            connection: optional.as_deref().map(|name| ConnectionName::parse(name).expect("is one")),
            connection_proven: proven,
            subject: subject.into(),
            sid: optional.as_ref().map(|_| sid.into()),
            claims: [(claim.clone(), claim.into()), ("number".to_owned(), number.into())].into_iter().collect(),
            access_token: Secret::new(access_token),
            refresh_token: optional.as_ref().map(|_| Secret::new(refresh_token)),
            refresh_token_rotates: rotates,
            scope: scope.into(),
            access_expires, opened, confirmed, idle_until, ends,
            ..session()
        };
        let ring = KeyRing::generate(&SeededRandom::new(1));
        let record = Record::seal((&ring, &SystemRandom), &place(1), &session, version).expect("seals");
        let read = Record::from_bytes(&record.to_bytes()).expect("reads");
        prop_assert_eq!(&read, &record);
        prop_assert_eq!(read.over_at(), ends.min(idle_until));
        let opened = read.open(&ring, &place(1)).expect("opens");
        prop_assert_eq!((opened.session, opened.version), (session, version));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let ring = KeyRing::generate(&SeededRandom::new(1));
        if let Ok(record) = Record::from_bytes(&bytes) {
            prop_assert!(record.open(&ring, &place(1)).is_err());
        }
        let record = Record { sealed: bytes, ..sealed(&ring, &place(1), &session()) };
        prop_assert!(record.open(&ring, &place(1)).is_err());
    }
}
