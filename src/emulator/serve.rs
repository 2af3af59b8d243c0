//! The emulator's own small server: HTTP/1.1 and h2 by prior knowledge, and the faults on the way.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::answer::Answer;
use super::arrival::Arrival;
use super::calls::EndpointName;
use super::faults::{Cut, Fault};
use super::tenant::TenantState;
use super::{Tenants, control, endpoints};
use crate::server::tls::Certificates;

/// Longer than any test takes for one.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// Auth0 takes a megabyte; the emulator no more than a test sends.
const BODY_CAP: usize = 1024 * 1024;

/// Serves until `stop`.
pub(super) fn spawn(
    listener: TcpListener,
    certificates: Option<Arc<Certificates>>,
    tenants: Arc<Tenants>,
    (tasks, stop): (&TaskTracker, CancellationToken),
) {
    let connections = tasks.clone();
    tasks.spawn(async move {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.cancelled() => return,
            };
            // An accept that failed is the other side's; the next may succeed.
            let Ok((socket, peer)) = accepted else { continue };
            let (certificates, tenants, stop) = (certificates.clone(), Arc::clone(&tenants), stop.clone());
            connections.spawn(async move {
                tokio::select! {
                    () = secure(socket, certificates, peer.ip(), tenants) => {}
                    () = stop.cancelled() => {}
                }
            });
        }
    });
}

async fn secure(socket: TcpStream, certificates: Option<Arc<Certificates>>, peer: IpAddr, tenants: Arc<Tenants>) {
    let _ = socket.set_nodelay(true);
    match certificates {
        None => connection(socket, peer, tenants).await,
        // A handshake that failed is its caller's matter.
        Some(certificates) => {
            if let Ok((socket, _)) = certificates.accept(socket, HANDSHAKE_WITHIN).await {
                connection(socket, peer, tenants).await;
            }
        }
    }
}

async fn connection<I>(socket: I, peer: IpAddr, tenants: Arc<Tenants>)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let tenants = Arc::clone(&tenants);
        async move { answer(&tenants, request, peer).await }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new());
    builder.http2().timer(TokioTimer::new());
    // How a connection ends is its caller's matter.
    let _ = builder.serve_connection(TokioIo::new(socket), service).await;
}

/// An error cuts the connection.
#[expect(clippy::disallowed_methods, reason = "collects a Limited body")]
async fn answer(tenants: &Tenants, request: Request<Incoming>, peer: IpAddr) -> io::Result<Response<CutBody>> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, BODY_CAP).collect().await.map_err(io::Error::other)?.to_bytes();
    let (name, path) = split(parts.uri.path());
    let Some(tenant) = tenants.find(name) else { return Ok(whole(endpoints::not_found())) };
    let arrival = Arrival::new(&parts, path, peer, body);
    if let Some(control) = path.strip_prefix("/_emulator/") {
        return Ok(whole(control::answer(&tenant, control, &arrival).await));
    }
    let endpoint = EndpointName::of_path(path);
    tenant.calls.count(endpoint);
    tenant.calls.record(endpoint, arrival.recorded());
    with_faults(&tenant, endpoint, &arrival).await
}

async fn with_faults(
    tenant: &Arc<TenantState>,
    endpoint: EndpointName,
    arrival: &Arrival,
) -> io::Result<Response<CutBody>> {
    let Fault { latency, answer_delay, respond, cut, hang, times: _ } = tenant.faults.take(endpoint);
    tokio::time::sleep(latency).await;
    if hang {
        std::future::pending::<Infallible>().await;
    }
    if cut == Some(Cut::BeforeWork) {
        return Err(io::ErrorKind::ConnectionAborted.into());
    }
    let answer = match respond {
        Some(response) => Answer::from(response),
        None => endpoints::work(tenant, endpoint, arrival).await,
    };
    tokio::time::sleep(answer_delay).await;
    match cut {
        Some(Cut::BeforeResponse) => Err(io::ErrorKind::ConnectionAborted.into()),
        Some(Cut::MidBody) => Ok(respond_with(answer, CutBody::half)),
        Some(Cut::BeforeWork) | None => Ok(whole(answer)),
    }
}

/// `/acme/oauth/token` is `acme` and `/oauth/token`.
fn split(path: &str) -> (&str, &str) {
    let path = path.strip_prefix('/').unwrap_or(path);
    let end = path.find('/').unwrap_or(path.len());
    path.split_at(end)
}

fn whole(answer: Answer) -> Response<CutBody> {
    respond_with(answer, CutBody::whole)
}

fn respond_with(answer: Answer, body: fn(Bytes) -> CutBody) -> Response<CutBody> {
    let mut response = Response::new(body(answer.body));
    *response.status_mut() = answer.status;
    response.headers_mut().extend(answer.headers);
    response
}

/// A body that may end before its announced length.
struct CutBody {
    rest: Option<Bytes>,
    announced: u64,
    is_cut: bool,
}

impl CutBody {
    fn whole(bytes: Bytes) -> Self {
        Self { announced: bytes.len() as u64, rest: Some(bytes).filter(|bytes| !bytes.is_empty()), is_cut: false }
    }

    fn half(bytes: Bytes) -> Self {
        Self { announced: bytes.len() as u64, rest: Some(bytes.slice(..bytes.len() / 2)), is_cut: true }
    }
}

impl Body for CutBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.rest.take() {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            None if self.is_cut => Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into()))),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_none() && !self.is_cut
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.announced)
    }
}
