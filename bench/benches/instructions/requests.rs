//! Whole requests, from a parsed head to a reply: all that the gateway does between hyper's parser and hyper's writer.

use std::net::{IpAddr, Ipv4Addr};

use auth0_gateway::edge::reply::Reply;
use auth0_gateway::edge::request::Socket;
use bytes::Bytes;
use gungraun::{library_benchmark, library_benchmark_group};
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::Empty;

use crate::sessions::world_with_sessions;
use crate::world::{HOST, TOKEN, World, at_once};

/// How many requests a bench counts: the book-keeping of caches comes round now and then.
const REQUESTS: usize = 100;

type Requests = (&'static World, Vec<Request<Empty<Bytes>>>);

/// A hundred times the same, as a proxy on this machine sends it.
fn get(world: &'static World, path: &str, client_type: &str, further: &[(header::HeaderName, String)]) -> Requests {
    let request = || {
        let mut request = Request::get(path)
            .header(header::HOST, HOST)
            .header(header::USER_AGENT, "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0")
            .header(header::ACCEPT, "application/json")
            .header("x-forwarded-for", "203.0.113.7")
            .header("x-forwarded-proto", "https")
            .header("client-type", client_type)
            .body(Empty::new())
            .expect("a request");
        for (name, value) in further {
            request.headers_mut().insert(name, HeaderValue::from_str(value).expect("a value"));
        }
        request
    };
    (world, (0..REQUESTS).map(|_| request()).collect())
}

fn by_bearer() -> Requests {
    let authorization = (header::AUTHORIZATION, format!("Bearer {TOKEN}"));
    get(World::with_known_bearer(), "/userinfo", "api", &[authorization])
}

fn by_cookie() -> Requests {
    let (world, _, ids) = world_with_sessions();
    get(world, "/userinfo", "web", &[(header::COOKIE, format!("theme=dark; sid={}", ids[0].expose()))])
}

fn authorize() -> Requests {
    let query = "state=state-of-the-page&redirect=https%3A%2F%2Fapp.acme.example%2F&scope=openid+profile+website";
    get(World::new(), &format!("/authorize?response_type=code&{query}"), "web", &[])
}

/// What was counted must be what was meant: a request that is refused is cheap.
fn check(replies: &[Reply], status: StatusCode) {
    for reply in replies {
        assert_eq!(reply.status(), status);
    }
}

fn ok(replies: Vec<Reply>) {
    check(&replies, StatusCode::OK);
}

fn found(replies: Vec<Reply>) {
    check(&replies, StatusCode::FOUND);
}

fn not_found(replies: Vec<Reply>) {
    check(&replies, StatusCode::NOT_FOUND);
}

#[library_benchmark]
#[bench::userinfo_by_known_bearer(args = (by_bearer()), teardown = ok)]
#[bench::userinfo_by_cookie(args = (by_cookie()), teardown = ok)]
#[bench::authorize(args = (authorize()), teardown = found)]
#[bench::health(args = (get(World::new(), "/-/healthz", "web", &[])), teardown = ok)]
#[bench::no_such_path(args = (get(World::new(), "/wp-login.php", "web", &[])), teardown = not_found)]
fn hundred_requests((world, requests): Requests) -> Vec<Reply> {
    let socket = Socket::plain(Some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    requests.into_iter().map(|request| at_once(world.service.answer(request, socket))).collect()
}

library_benchmark_group!(name = of_requests, benchmarks = hundred_requests);
