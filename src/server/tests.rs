//! Over real sockets: what a caller sees.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::connection::{BoxError, ConnectionInfo, ConnectionOptions, Peer};
use super::listener::{BindError, Listener, ServerContext, serve};
use super::shutdown::{Outcome, Phase, Shutdown, ShutdownTimes, Signals};
use crate::telemetry::metrics::Metrics;

/// No test waits that long: it is what stands for "never".
const NEVER: Duration = Duration::from_hours(1);
/// Long enough for any machine: what does not happen within it does not happen.
const DEADLINE: Duration = Duration::from_secs(30);
/// What a test that waits for a time-out sets.
const SOON: Duration = Duration::from_millis(30);

/// A server under test.
struct Server {
    address: std::net::SocketAddr,
    shutdown: Shutdown,
    metrics: Arc<Metrics>,
    /// A request to `/wait` is answered after this is notified.
    gate: Arc<Notify>,
    /// Notified when a request to `/wait` has come in.
    arrived: Arc<Notify>,
    /// Set when a request to `/wait` was given up.
    given_up: Arc<AtomicBool>,
    run: JoinSet<Outcome>,
}

struct Setup {
    connection: ConnectionOptions,
    max_connections: usize,
    times: ShutdownTimes,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            connection: ConnectionOptions { header_timeout: NEVER, idle_timeout: NEVER },
            max_connections: 100,
            times: ShutdownTimes { delay: Duration::ZERO, grace: NEVER },
        }
    }
}

impl Server {
    async fn start(setup: Setup) -> Self {
        let listener = Listener::bind(&"127.0.0.1:0".parse().expect("is an address")).await.expect("binds");
        let address = listener.local_addr().expect("is TCP");
        let shutdown = Shutdown::new(setup.times);
        let metrics = Arc::new(Metrics::new(0).expect("registers"));
        let (gate, arrived) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let given_up = Arc::new(AtomicBool::new(false));
        let context = ServerContext {
            connection: setup.connection,
            max_connections: setup.max_connections,
            metrics: metrics.clone(),
            shutdown: shutdown.clone(),
        };
        let (gate_, arrived_, given_up_) = (gate.clone(), arrived.clone(), Arc::clone(&given_up));
        let service = service_fn(move |request| answer(request, gate_.clone(), arrived_.clone(), given_up_.clone()));
        shutdown.tracker().spawn(serve(listener, service, context));
        let mut run = JoinSet::new();
        let running = shutdown.clone();
        run.spawn(async move { running.run(Signals::none().0).await });
        Self { address, shutdown, metrics, gate, arrived, given_up, run }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("connects")
    }

    async fn connect_http2(&self) -> (http2::SendRequest<Empty<Bytes>>, JoinSet<()>) {
        let (sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(self.connect().await)).await.expect("shakes hands");
        let mut driver = JoinSet::new();
        driver.spawn(async move { drop(connection.await) });
        (sender, driver)
    }

    fn open_connections(&self) -> String {
        let text = String::from_utf8(self.metrics.render().expect("renders")).expect("is text");
        text.lines().find_map(|line| line.strip_prefix("auth0_gateway_connections ")).expect("is shown").to_owned()
    }
}

/// Sets the flag when it is dropped before it was told that the request is done.
struct GivenUp {
    flag: Arc<AtomicBool>,
    done: bool,
}

impl Drop for GivenUp {
    fn drop(&mut self) {
        self.flag.fetch_or(!self.done, Ordering::SeqCst);
    }
}

async fn answer(
    request: Request<Incoming>,
    gate: Arc<Notify>,
    arrived: Arc<Notify>,
    given_up: Arc<AtomicBool>,
) -> Result<Response<Full<Bytes>>, BoxError> {
    let connection = *request.extensions().get::<ConnectionInfo>().expect("every request carries it");
    let body = match request.uri().path() {
        "/wait" => {
            let mut guard = GivenUp { flag: given_up, done: false };
            arrived.notify_one();
            gate.notified().await;
            guard.done = true;
            "waited".to_owned()
        }
        "/panic" => panic!("as asked for"),
        "/cut" => return Err("as asked for".into()),
        "/peer" => format!("{:?}", connection.peer),
        _ => "hello".to_owned(),
    };
    Ok(Response::new(Full::from(body)))
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("never came: {what}"))
}

/// Until the condition holds.
async fn until(what: &str, condition: impl Fn() -> bool) {
    within(what, async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), path: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("writes");
}

/// One HTTP/1.1 answer with a `content-length`: its head and body.
async fn receive(stream: &mut (impl AsyncRead + Unpin)) -> (String, String) {
    within("an answer", async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("more of the head"));
        }
        let head = String::from_utf8(head).expect("is text");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or("0", str::trim);
        let mut body = vec![0; length.parse().expect("is a number")];
        stream.read_exact(&mut body).await.expect("the body");
        (head, String::from_utf8(body).expect("is text"))
    })
    .await
}

async fn get(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), path: &str) -> (String, String) {
    send(stream, path).await;
    receive(stream).await
}

/// Whether the server closed, and nothing came before that.
async fn is_closed(stream: &mut (impl AsyncRead + Unpin)) {
    let mut rest = Vec::new();
    // A reset is a close too.
    let _ = within("the end of the connection", stream.read_to_end(&mut rest)).await;
    assert_eq!(String::from_utf8_lossy(&rest), "");
}

async fn get_http2(
    sender: &mut http2::SendRequest<Empty<Bytes>>,
    path: &str,
) -> Result<(StatusCode, String), BoxError> {
    let request = Request::get(format!("http://a{path}")).version(Version::HTTP_2).body(Empty::new())?;
    let response = within("an answer", sender.send_request(request)).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    Ok((status, String::from_utf8(body.to_vec())?))
}

#[tokio::test]
async fn http1_is_kept_alive_and_knows_its_peer() {
    let server = Server::start(Setup::default()).await;
    let mut stream = server.connect().await;
    assert_eq!(get(&mut stream, "/").await.1, "hello");
    let local = stream.local_addr().expect("is connected");
    assert_eq!(get(&mut stream, "/peer").await.1, format!("{:?}", Peer::Inet(local)));
    assert_eq!(server.open_connections(), "1");
    drop(stream);
    until("the gauge at 0", || server.open_connections() == "0").await;
}

#[tokio::test]
async fn http2_is_spoken_with_prior_knowledge() {
    let server = Server::start(Setup::default()).await;
    let (mut sender, _driver) = server.connect_http2().await;
    assert_eq!(get_http2(&mut sender, "/").await.expect("answers"), (StatusCode::OK, "hello".to_owned()));
}

#[tokio::test]
async fn a_socket_in_the_file_system_serves_and_is_removed() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let path = folder.path().join("gateway.sock");
    let address = format!("unix:{}", path.display()).parse().expect("is an address");
    // What a crash leaves: a socket that nobody answers.
    drop(std::os::unix::net::UnixListener::bind(&path).expect("binds"));
    let listener = Listener::bind(&address).await.expect("takes a dead socket's place");
    assert!(matches!(Listener::bind(&address).await, Err(BindError::InUse { .. })));
    let server = Server::start(Setup::default()).await;
    let context = ServerContext {
        connection: ConnectionOptions::default(),
        max_connections: 1,
        metrics: server.metrics.clone(),
        shutdown: server.shutdown.clone(),
    };
    let service = service_fn(|request| answer(request, Arc::default(), Arc::default(), Arc::default()));
    server.shutdown.tracker().spawn(serve(listener, service, context));
    let mut stream = UnixStream::connect(&path).await.expect("connects");
    assert_eq!(get(&mut stream, "/peer").await.1, "Unix");
    server.shutdown.stop();
    until("the file to go", || !path.exists()).await;
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_left_alone() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let path = folder.path().join("precious");
    std::fs::write(&path, "text").expect("writes");
    let address = format!("unix:{}", path.display()).parse().expect("is an address");
    assert!(matches!(Listener::bind(&address).await, Err(BindError::Refused { .. })));
    assert_eq!(std::fs::read_to_string(&path).expect("is there"), "text");
    let inherited = Listener::bind(&"fd:3".parse().expect("is an address")).await;
    assert!(matches!(inherited, Err(BindError::NotSupported { .. })));
}

#[tokio::test]
async fn a_head_that_does_not_end_closes_the_connection() {
    let connection = ConnectionOptions { header_timeout: SOON, idle_timeout: NEVER };
    let server = Server::start(Setup { connection, ..Setup::default() }).await;
    let mut silent = server.connect().await;
    is_closed(&mut silent).await;
    let mut slow = server.connect().await;
    slow.write_all(b"GET / HTTP/1.1\r\nhost:").await.expect("writes");
    is_closed(&mut slow).await;
    let mut preface = server.connect().await;
    preface.write_all(b"PRI * HTTP/2.0\r\n").await.expect("writes");
    is_closed(&mut preface).await;
    let mut second = server.connect().await;
    assert_eq!(get(&mut second, "/").await.1, "hello");
    second.write_all(b"GET /").await.expect("writes");
    is_closed(&mut second).await;
}

#[tokio::test]
async fn an_idle_connection_closes_and_one_with_a_request_under_way_does_not() {
    let connection = ConnectionOptions { header_timeout: NEVER, idle_timeout: SOON };
    let server = Server::start(Setup { connection, ..Setup::default() }).await;
    let mut waiting = server.connect().await;
    send(&mut waiting, "/wait").await;
    within("the request", server.arrived.notified()).await;
    // Each of these takes an idle time to close, one after the other.
    for _ in 0..3 {
        let mut idle = server.connect().await;
        assert_eq!(get(&mut idle, "/").await.1, "hello");
        is_closed(&mut idle).await;
    }
    let (mut sender, mut driver) = server.connect_http2().await;
    assert_eq!(get_http2(&mut sender, "/").await.expect("answers").1, "hello");
    within("the end of the idle HTTP/2 connection", driver.join_next()).await;
    server.gate.notify_one();
    assert_eq!(receive(&mut waiting).await.1, "waited");
}

#[tokio::test]
async fn beyond_the_cap_a_connection_waits_until_one_closes() {
    let server = Server::start(Setup { max_connections: 1, ..Setup::default() }).await;
    let mut first = server.connect().await;
    assert_eq!(get(&mut first, "/").await.1, "hello");
    let mut second = server.connect().await;
    send(&mut second, "/").await;
    for _ in 0..10 {
        assert_eq!(get(&mut first, "/").await.1, "hello");
    }
    assert_eq!(server.open_connections(), "1");
    assert!(second.try_read(&mut [0]).is_err(), "the second was served beside the first");
    drop(first);
    assert_eq!(receive(&mut second).await.1, "hello");
}

#[tokio::test]
async fn a_shutdown_finishes_what_is_in_flight_and_refuses_the_rest() {
    let mut server = Server::start(Setup::default()).await;
    let mut waiting = server.connect().await;
    send(&mut waiting, "/wait").await;
    within("the request", server.arrived.notified()).await;
    let mut idle = server.connect().await;
    assert_eq!(get(&mut idle, "/").await.1, "hello");
    let (mut sender, _driver) = server.connect_http2().await;
    assert_eq!(get_http2(&mut sender, "/").await.expect("answers").1, "hello");
    server.shutdown.stop();
    within("the closing", server.shutdown.closing().cancelled()).await;
    is_closed(&mut idle).await;
    within("a refused connection", async { while TcpStream::connect(server.address).await.is_ok() {} }).await;
    assert_eq!(server.shutdown.phase(), Phase::Closing);
    server.gate.notify_one();
    let (head, body) = receive(&mut waiting).await;
    assert_eq!(body, "waited");
    assert!(head.contains("connection: close"), "{head}");
    is_closed(&mut waiting).await;
    drop(waiting);
    let outcome = within("the end", server.run.join_next()).await.expect("one runs").expect("does not panic");
    assert_eq!(outcome, Outcome::Finished);
}

#[tokio::test]
async fn while_draining_new_connections_are_served_and_a_second_stop_drops_all() {
    let times = ShutdownTimes { delay: NEVER, grace: NEVER };
    let mut server = Server::start(Setup { times, ..Setup::default() }).await;
    server.shutdown.stop();
    until("draining", || server.shutdown.phase() == Phase::Draining).await;
    let mut late = server.connect().await;
    assert_eq!(get(&mut late, "/").await.1, "hello");
    send(&mut late, "/wait").await;
    within("the request", server.arrived.notified()).await;
    server.shutdown.stop();
    is_closed(&mut late).await;
    let outcome = within("the end", server.run.join_next()).await.expect("one runs").expect("does not panic");
    assert!(matches!(outcome, Outcome::CutOff(_)), "{outcome:?}");
    until("the request to be given up", || server.given_up.load(Ordering::SeqCst)).await;
}

#[tokio::test]
async fn a_panic_is_one_answer_and_neither_the_connection_nor_its_siblings() {
    let server = Server::start(Setup::default()).await;
    let mut stream = server.connect().await;
    let (head, body) = get(&mut stream, "/panic").await;
    assert!(head.starts_with("HTTP/1.1 500 "), "{head}");
    assert!(body.contains(r#""error":"server_error""#) && !body.contains("as asked for"), "{body}");
    assert_eq!(get(&mut stream, "/").await.1, "hello");
    let (sender, _driver) = server.connect_http2().await;
    let (mut waiting, mut panicking) = (sender.clone(), sender);
    let sibling = async {
        within("the sibling", server.arrived.notified()).await;
        let panicked = get_http2(&mut panicking, "/panic").await.expect("answers");
        server.gate.notify_one();
        panicked
    };
    let (waited, panicked) = tokio::join!(get_http2(&mut waiting, "/wait"), sibling);
    assert_eq!(panicked.0, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(waited.expect("answers").1, "waited");
}

#[tokio::test]
async fn an_error_of_the_service_cuts_the_connection() {
    let server = Server::start(Setup::default()).await;
    let mut stream = server.connect().await;
    send(&mut stream, "/cut").await;
    is_closed(&mut stream).await;
}

#[tokio::test]
async fn a_caller_that_hangs_up_is_worked_for_no_longer() {
    let server = Server::start(Setup::default()).await;
    let mut stream = server.connect().await;
    send(&mut stream, "/wait").await;
    within("the request", server.arrived.notified()).await;
    drop(stream);
    until("the request to be given up", || server.given_up.load(Ordering::SeqCst)).await;
}

#[tokio::test]
async fn more_than_a_hundred_header_lines_are_431() {
    let server = Server::start(Setup::default()).await;
    for (lines, status) in [(99, "HTTP/1.1 200 "), (100, "HTTP/1.1 431 ")] {
        let mut stream = server.connect().await;
        let request = format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: y\r\n".repeat(lines));
        stream.write_all(request.as_bytes()).await.expect("writes");
        let (head, _) = receive(&mut stream).await;
        assert!(head.starts_with(status), "{head}");
    }
    for (lines, status) in [(100, StatusCode::OK), (101, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)] {
        let (mut sender, _driver) = server.connect_http2().await;
        let mut request =
            Request::get("http://a/").version(Version::HTTP_2).body(Empty::<Bytes>::new()).expect("builds");
        for _ in 0..lines {
            request.headers_mut().append("x", "y".parse().expect("is a value"));
        }
        let response = within("an answer", sender.send_request(request)).await.expect("answers");
        assert_eq!(response.status(), status);
    }
}

#[tokio::test]
async fn a_head_of_more_than_32_kib_is_431_and_the_answer_arrives() {
    let server = Server::start(Setup::default()).await;
    let mut stream = server.connect().await;
    let (mut reading, mut writing) = stream.split();
    // Far more than is read: without the draining, a reset would end the write and, on other systems
    // than this, take the answer away.
    let write = async {
        writing.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nx: ").await.expect("is taken");
        writing.write_all(&[b'y'; 200 * 1024]).await.expect("is taken");
    };
    let ((head, _), ()) = tokio::join!(receive(&mut reading), write);
    assert!(head.starts_with("HTTP/1.1 431 "), "{head}");
    assert_eq!(within("the end", stream.read(&mut [0])).await.expect("no reset"), 0);
}

#[tokio::test]
async fn an_answer_before_the_body_was_read_arrives() {
    let server = Server::start(Setup::default()).await;
    let mut stream = server.connect().await;
    let (mut reading, mut writing) = stream.split();
    let write = async {
        writing.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 204800\r\n\r\n").await.expect("is taken");
        writing.write_all(&[b'y'; 200 * 1024]).await.expect("is taken");
    };
    let ((head, body), ()) = tokio::join!(receive(&mut reading), write);
    assert!(head.starts_with("HTTP/1.1 200 ") && body == "hello", "{head}{body}");
    assert_eq!(within("the end", stream.read(&mut [0])).await.expect("no reset"), 0);
}

#[tokio::test]
async fn a_caller_that_closes_its_side_is_still_answered_where_the_answer_is_at_hand() {
    let server = Server::start(Setup::default()).await;
    let mut stream = server.connect().await;
    send(&mut stream, "/").await;
    stream.shutdown().await.expect("closes one side");
    assert_eq!(receive(&mut stream).await.1, "hello");
}
