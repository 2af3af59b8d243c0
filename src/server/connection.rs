//! One connection, from the accept to its end: HTTP/1.1 and HTTP/2 with prior knowledge.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::rt::Executor;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until};
use tokio_util::task::TaskTracker;

use super::activity::{Activity, ObservedSocket, Overdue, Patience, Watchdog};
use super::isolate::Isolated;
use super::shutdown::Shutdown;
use super::tls::CertificateNames;

/// An error of any kind.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Header lines of one request. hyper's own number for HTTP/1, which it keeps on the stack; HTTP/2 is held to it too.
pub const MAX_HEADERS: usize = 100;
/// Bytes of one request's head. A browser's cookies and a bearer fit several times over.
pub const MAX_HEAD_BYTES: usize = 32 * 1024;
/// Requests at once on one HTTP/2 connection: what RFC 9113 §6.5.2 advises at least.
const MAX_STREAMS: u32 = 100;
/// Streams opened and reset before we saw them (CVE-2023-44487), before the connection goes.
const MAX_UNSEEN_RESETS: usize = 20;
/// Streams that break the protocol, over a connection's life. Not few: a proxy in front puts many callers on one.
const MAX_BROKEN_STREAMS: usize = 1024;
/// How long the other side has to close, once we have.
const GOODBYE: Duration = Duration::from_secs(2);

/// Who is at the other end of the socket. Every request carries it as an extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionInfo {
    /// The socket's other end, which may be a proxy.
    pub peer: Peer,
    /// How the bytes came.
    pub transport: Transport,
}

/// The other end of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Over TCP.
    Inet(SocketAddr),
    /// On this machine, over a socket in the file system.
    Unix,
}

/// How bytes come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// As they are.
    Plain,
    /// Over TLS that ends here, by a certificate that covers these hosts.
    Tls(Arc<CertificateNames>),
}

/// What a connection may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionOptions {
    /// For a request's head, from its first byte; for the first one, from the accept or the end of the TLS handshake,
    /// which may take as long itself.
    pub header_timeout: Duration,
    /// Without a request under way and without a byte in or out: also bounds a caller that does not read its answer.
    pub idle_timeout: Duration,
}

impl Default for ConnectionOptions {
    fn default() -> Self {
        Self { header_timeout: Duration::from_secs(10), idle_timeout: Duration::from_secs(75) }
    }
}

/// What answers requests. Implemented for every service of that shape.
///
/// An `Err` cuts the connection without an answer; a panic is answered with 500. How long an answer takes,
/// and a body's bytes and time, are the service's to bound.
pub trait HttpService:
    Service<Request<Incoming>, Response = Response<Self::AnswerBody>, Error: Into<BoxError>, Future: Send + 'static>
    + Clone
    + Send
    + Sync
    + 'static
{
    /// The body of its answers.
    type AnswerBody: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static;
}

impl<S, B> HttpService for S
where
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>, Future: Send + 'static>
        + Clone
        + Send
        + Sync
        + 'static,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type AnswerBody = B;
}

/// Serves connections, all with the same service and options.
pub(super) struct Connections<S> {
    service: S,
    builder: auto::Builder<TrackedExecutor>,
    patience: Patience,
    shutdown: Shutdown,
}

impl<S: HttpService> Connections<S> {
    pub(super) fn new(service: S, options: ConnectionOptions, shutdown: Shutdown) -> Self {
        let patience = Patience { head: options.header_timeout, idle: options.idle_timeout, goodbye: GOODBYE };
        Self { service, builder: builder(shutdown.tracker()), patience, shutdown }
    }

    /// How long a TLS handshake may take.
    pub(super) fn handshake_within(&self) -> Duration {
        self.patience.head
    }

    /// Does something, unless the process ends first.
    pub(super) async fn unless_ended<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = self.shutdown.ended().cancelled() => None,
        }
    }

    /// Serves one connection to its end, or to the end of the process.
    pub(super) async fn serve<I>(&self, socket: I, connection: ConnectionInfo)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        tokio::select! {
            () = self.serve_while_alive(socket, connection) => {}
            () = self.shutdown.ended().cancelled() => {}
        }
    }

    async fn serve_while_alive<I>(&self, socket: I, connection: ConnectionInfo)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let activity = Arc::new(Activity::default());
        let accepted = Instant::now();
        let mut watchdog = Watchdog::new(activity.clone(), self.patience, accepted);
        let socket = TokioIo::new(ObservedSocket::new(socket, activity.clone()));
        let service = Isolated { service: self.service.clone(), connection, activity };
        let mut served = pin!(self.builder.serve_connection(socket, service));
        let mut closing = pin!(self.shutdown.closing().cancelled());
        let mut is_closing = false;
        let mut timer = pin!(sleep_until(accepted + self.patience.head));
        poll_fn(|cx| {
            if !is_closing && closing.as_mut().poll(cx).is_ready() {
                is_closing = true;
                served.as_mut().graceful_shutdown();
            }
            loop {
                if let Poll::Ready(outcome) = served.as_mut().poll(cx) {
                    log_end(&outcome);
                    return Poll::Ready(());
                }
                let due = watchdog.observe();
                if let Some((at, _)) = due.filter(|(at, _)| *at < timer.deadline()) {
                    timer.as_mut().reset(at);
                }
                if timer.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                match due {
                    Some((at, Overdue::Idle)) if at <= timer.deadline() => {
                        // HTTP/2 is told (GOAWAY), HTTP/1 is closed; then nobody waits long.
                        served.as_mut().graceful_shutdown();
                        watchdog.say_goodbye();
                    }
                    Some((at, reason)) if at <= timer.deadline() => {
                        tracing::debug!(?reason, "a connection was dropped");
                        return Poll::Ready(());
                    }
                    Some((at, _)) => timer.as_mut().reset(at),
                    None => timer.as_mut().reset(Instant::now() + self.patience.head),
                }
            }
        })
        .await;
    }
}

fn builder(tracker: &TaskTracker) -> auto::Builder<TrackedExecutor> {
    let mut builder = auto::Builder::new(TrackedExecutor(tracker.clone()));
    // A caller that closes its side has hung up: its request is given up, so that under load nobody
    // works for callers that left. What changes state runs on a tracker and does not care.
    builder.http1().timer(TokioTimer::new()).half_close(false).header_read_timeout(None).max_buf_size(MAX_HEAD_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(MAX_HEAD_BYTES).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(MAX_UNSEEN_RESETS)
        .max_local_error_reset_streams(MAX_BROKEN_STREAMS);
    builder
}

/// Callers misbehave all day: a debug line, never more.
fn log_end(outcome: &Result<(), BoxError>) {
    if let Err(error) = outcome {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Runs HTTP/2 streams on the tracker, so that a shutdown waits for them.
#[derive(Debug, Clone)]
struct TrackedExecutor(TaskTracker);

impl<F> Executor<F> for TrackedExecutor
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, future: F) {
        self.0.spawn(future);
    }
}
