//! A server that stalls, and who is charged for it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bench::load::{self, Call, Endpoint, Job, Pace, Plan, Progress, Recorder, Watcher, Work};
use bytes::Bytes;
use http::{HeaderMap, Method};
use rand::rngs::SmallRng;

const STALL: Duration = Duration::from_millis(500);

/// Answers every request at once, but for the hundredth: while that one waits, all wait.
#[expect(clippy::disallowed_methods, reason = "a server of threads is the simplest that can stall")]
fn server() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let (count, all) = (Arc::new(AtomicU32::new(0)), Arc::new(Mutex::new(())));
    std::thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            let (count, all) = (Arc::clone(&count), Arc::clone(&all));
            std::thread::spawn(move || answer(socket, &count, &all));
        }
    });
    address
}

fn answer(mut socket: TcpStream, count: &AtomicU32, all: &Mutex<()>) -> Option<()> {
    let (mut seen, mut byte) = (Vec::new(), [0u8; 256]);
    loop {
        while !seen.ends_with(b"\r\n\r\n") {
            let read = socket.read(&mut byte).ok().filter(|read| *read > 0)?;
            seen.extend_from_slice(byte.get(..read)?);
        }
        seen.clear();
        let held = all.lock().unwrap();
        if count.fetch_add(1, Ordering::Relaxed) == 100 {
            // Nothing ever comes.
            let (_sender, nothing) = std::sync::mpsc::channel::<()>();
            let _ = nothing.recv_timeout(STALL);
        }
        drop(held);
        socket.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").ok()?;
    }
}

struct Gets;

impl Work for Gets {
    fn operations(&self) -> Vec<String> {
        vec!["get".to_owned()]
    }

    fn next(&self, _: &mut SmallRng) -> Option<Job> {
        let (target, host) = (Bytes::from_static(b"/"), "stall.example".into());
        let call = Call { method: Method::GET, target, host, headers: HeaderMap::new(), body: Bytes::new() };
        Some(Job { operation: 0, call, is_right: |answer| answer.status == 204, keeps_body: false, then: None })
    }
}

struct Unwatched;

impl Watcher for Unwatched {
    fn round(&mut self, _: Option<usize>, _: &Progress) {}
    fn tick(&mut self, _: &Progress) {}
}

fn run(pace: Pace) -> Recorder {
    let plan = Plan {
        endpoint: Endpoint { address: server(), tls: None, http2: false },
        pace,
        connections: 4,
        streams: 1,
        threads: 1,
        warm_up: Duration::ZERO,
        round: Duration::from_secs(2),
        rounds: 1,
        timeout: Duration::from_secs(30),
        seed: 1,
    };
    let work: Arc<dyn Work> = Arc::new(Gets);
    load::run(&plan, &work, &mut Unwatched).unwrap()
}

fn longer_than(recorder: &Recorder, limit: Duration) -> u64 {
    let latency = recorder.over_all(0).latency;
    latency.count_between(u64::try_from(limit.as_nanos()).unwrap(), latency.max())
}

/// 200 a second: for half a second of stall, a hundred requests that were due and had to wait.
#[test]
fn an_open_loop_charges_a_stall_for_every_request_that_was_due_in_it() {
    let recorder = run(Pace::Open { per_second: 200.0 });
    let all = recorder.over_all(0);
    assert_eq!((all.latency.len(), all.failed()), (400, 0), "{:?}", all.failures);
    assert!(all.latency.value_at_quantile(0.99) >= 400_000_000, "{:?}", all.latency.value_at_quantile(0.99));
    // Four connections were waiting; the others were only due.
    let charged = longer_than(&recorder, STALL / 2);
    assert!(charged >= 45, "{charged}");
}

/// What never comes is not left out.
#[test]
fn a_server_that_is_not_there_fails_every_request() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = taken.local_addr().unwrap();
    drop(taken);
    let plan = Plan {
        endpoint: Endpoint { address, tls: None, http2: false },
        pace: Pace::Open { per_second: 100.0 },
        connections: 2,
        streams: 1,
        threads: 1,
        warm_up: Duration::ZERO,
        round: Duration::from_millis(500),
        rounds: 1,
        timeout: Duration::from_secs(1),
        seed: 1,
    };
    let work: Arc<dyn Work> = Arc::new(Gets);
    let all = load::run(&plan, &work, &mut Unwatched).unwrap().over_all(0);
    assert_eq!((all.latency.len(), all.failed()), (50, 50), "{:?}", all.failures);
}
