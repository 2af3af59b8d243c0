//! Over real sockets: what a caller sees. This file holds the server under test and its callers.

mod ending;
mod limits;
mod serving;

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
use super::tls::{CertificateFiles, Certificates};
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
    tls: Option<Arc<Certificates>>,
    times: ShutdownTimes,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            connection: ConnectionOptions { header_timeout: NEVER, idle_timeout: NEVER },
            max_connections: 100,
            tls: None,
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
            tls: setup.tls,
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
    let connection = request.extensions().get::<ConnectionInfo>().expect("every request carries it");
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

#[expect(clippy::disallowed_methods, reason = "reads what this test itself answered")]
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
