//! Sessions in the memory store, through the checks of their flow, and the sealed transaction of a login.

use std::hint::black_box;

use auth0_gateway::auth0::token::Granted;
use auth0_gateway::base::secret::Secret;
use auth0_gateway::flow::Call;
use auth0_gateway::flow::environment::Proof;
use auth0_gateway::flow::login::transaction::{Asked, Kind, SealedTransaction, Transaction};
use auth0_gateway::flow::session::{self, Login};
use auth0_gateway::jwt::alg::SigningAlg;
use auth0_gateway::jwt::claims::Claims;
use auth0_gateway::jwt::keyset::KeySet;
use auth0_gateway::jwt::verify;
use auth0_gateway::session::SessionId;
use gungraun::{library_benchmark, library_benchmark_group};

use crate::world::{JWKS, TOKEN, World, at_once};

/// How many sessions are there before a bench begins, each of a user of its own.
const THERE: usize = 1000;

/// How many a bench opens or reads: one alone would hang on whether its place in the map was taken.
const SESSIONS: usize = 100;

const STATE: &str = "5f7c8ec7c33c6c004bbafe825f7c8ec7c33c6c004bba";

/// What a login gave, but for whose it is.
fn granted() -> Granted {
    Granted {
        access_token: Secret::new(TOKEN),
        id_token: None,
        refresh_token: Some(Secret::new("v1.MXhXc2R0Q2ZkN0Z5a1pGa0pYd3RhYlZfX2FvQ2Rxc2c")),
        scope: Some("openid profile email offline_access".into()),
        expires_in: 86_400,
        recovery_code: None,
        issued_token_type: None,
    }
}

/// The claims of user `n`.
fn claims(n: usize) -> Claims {
    let keys = KeySet::parse(JWKS.as_bytes()).expect("a key set");
    let mut claims = verify::verify_signature(TOKEN, &keys, &[SigningAlg::Rs256]).expect("the signature is the key's");
    claims.sub = format!("auth0|{n:024}").into();
    claims.object.insert("sub".to_owned(), claims.sub.to_string().into());
    claims
}

fn open(world: &World, call: &Call, granted: &Granted, claims: Claims) -> SessionId {
    let login = Login { granted, claims, proof: &Proof::None, scope: String::new() };
    at_once(session::open(&world.service.services, call, login, None)).expect("the store answers")
}

/// A store that is in use, and the ids of its sessions.
pub(crate) fn world_with_sessions() -> (&'static World, Call, Vec<SessionId>) {
    let (world, granted, template) = (World::new(), granted(), claims(0));
    let call = world.call("web");
    let user = |n: usize| {
        let mut claims = template.clone();
        claims.sub = format!("auth0|{n:024}").into();
        claims
    };
    let ids = (0..THERE).map(|n| open(world, &call, &granted, user(n))).collect();
    (world, call, ids)
}

type Logins = (&'static World, Call, Granted, Vec<Claims>);

fn logins() -> Logins {
    let (world, call, _) = world_with_sessions();
    (world, call, granted(), (THERE..THERE + SESSIONS).map(claims).collect())
}

#[library_benchmark]
#[bench::each_of_another_user(logins())]
fn hundred_sessions_opened((world, call, granted, claims): Logins) -> (Vec<SessionId>, Call, Granted) {
    let ids = claims.into_iter().map(|claims| open(world, black_box(&call), black_box(&granted), claims)).collect();
    (ids, call, granted)
}

fn all_read((read, ..): (usize, Call, Vec<SessionId>)) {
    assert_eq!(read, SESSIONS);
}

#[library_benchmark]
#[bench::each_once(args = (world_with_sessions()), teardown = all_read)]
fn hundred_sessions_read((world, call, ids): (&'static World, Call, Vec<SessionId>)) -> (usize, Call, Vec<SessionId>) {
    let services = &world.service.services;
    let read = ids.iter().step_by(THERE / SESSIONS).filter(|id| at_once(session::load(services, &call, id)).is_ok());
    (read.count(), call, ids)
}

fn begun() -> (&'static World, Call, Transaction) {
    let world = World::new();
    let call = world.call("web");
    let asked = Asked {
        kind: Kind::Gateway,
        redirect_uri: "https://app.acme.example/callback".to_owned(),
        caller_state: Some("state-of-the-page".to_owned()),
        redirect: Some("https://app.acme.example/orders/4711".to_owned()),
        scope: "openid profile email offline_access".to_owned(),
        wants_session: true,
        max_age: None,
        acr_values: None,
    };
    let transaction = Transaction::begin(&world.service.services, &call, asked);
    (world, call, transaction)
}

type Sealed = (&'static World, Call, SealedTransaction);

fn sealed() -> Sealed {
    let (world, call, transaction) = begun();
    let sealed = transaction.seal(&world.service.services, &call.host, STATE).expect("short enough");
    (world, call, sealed)
}

#[library_benchmark]
#[bench::for_a_cookie(begun())]
fn transaction_sealed(
    (world, call, transaction): (&'static World, Call, Transaction),
) -> (SealedTransaction, Call, Transaction) {
    let sealed = transaction.seal(&world.service.services, &call.host, black_box(STATE)).expect("short enough");
    (sealed, call, transaction)
}

#[library_benchmark]
#[bench::from_a_cookie(sealed())]
fn transaction_opened((world, call, sealed): Sealed) -> (Transaction, Call, SealedTransaction) {
    let opened = Transaction::open(&world.service.services, &call.host, &sealed.name, black_box(&sealed.value));
    (opened.expect("it opens where it was sealed"), call, sealed)
}

library_benchmark_group!(
    name = of_sessions,
    benchmarks = [hundred_sessions_opened, hundred_sessions_read, transaction_sealed, transaction_opened]
);
