//! Tokens and who brings them: a signature verified, a bearer that is known, a token request parsed.

use std::hint::black_box;

use auth0_gateway::flow::Call;
use auth0_gateway::flow::userinfo::{self, Credential};
use auth0_gateway::jwt::alg::SigningAlg;
use auth0_gateway::jwt::claims::Claims;
use auth0_gateway::jwt::keyset::KeySet;
use auth0_gateway::jwt::verify;
use auth0_gateway::oauth::parameters::Parameters;
use auth0_gateway::oauth::request::TokenRequest;
use gungraun::{library_benchmark, library_benchmark_group};

use crate::world::{JWKS, TOKEN, World, at_once};

/// How many requests a bench of a cache counts: its book-keeping comes round now and then.
const REQUESTS: usize = 1000;

const PASSWORD: &[u8] = b"grant_type=password&username=alice%40acme.example&password=correct+horse+battery+staple\
    &scope=openid+profile+email+offline_access&audience=https%3A%2F%2Fapi.acme.example&realm=Username-Password-Production";

const REFRESH: &[u8] = b"grant_type=refresh_token&refresh_token=v1.MXhXc2R0Q2ZkN0Z5a1pGa0pYd3RhYlZfX2FvQ2Rxc2c";

fn keys() -> KeySet {
    KeySet::parse(JWKS.as_bytes()).expect("a key set")
}

fn known() -> (&'static World, Call) {
    let world = World::with_known_bearer();
    (world, world.call("api"))
}

#[library_benchmark]
#[bench::rs256(keys())]
fn verify_jwt(keys: KeySet) -> (Claims, KeySet) {
    let claims = verify::verify_signature(black_box(TOKEN), &keys, &[SigningAlg::Rs256]);
    (claims.expect("the signature is the key's"), keys)
}

fn all_counted((answers, _): (usize, Call)) {
    assert_eq!(answers, REQUESTS);
}

#[library_benchmark]
#[bench::known(args = (known()), teardown = all_counted)]
fn thousand_bearers((world, call): (&'static World, Call)) -> (usize, Call) {
    let answers = (0..REQUESTS).filter(|_| {
        at_once(userinfo::run(&world.service.services, black_box(&call), Credential::Bearer(black_box(TOKEN)))).is_ok()
    });
    (answers.count(), call)
}

#[library_benchmark]
#[bench::password(PASSWORD)]
#[bench::refresh_token(REFRESH)]
fn parse_token_request(body: &[u8]) -> TokenRequest {
    let mut parameters = Parameters::from_form(black_box(body)).expect("a form");
    TokenRequest::parse(&mut parameters).expect("a request")
}

library_benchmark_group!(name = of_tokens, benchmarks = [verify_jwt, thousand_bearers, parse_token_request]);
