//! Listening sockets and the loop that accepts on them.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream, lookup_host};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};

use super::address::ListenAddr;
use super::connection::{ConnectionInfo, ConnectionOptions, Connections, HttpService, Peer, Transport};
use super::shutdown::Shutdown;
use super::tls::Certificates;
use crate::telemetry::metrics::Metrics;

/// Connections that the kernel keeps for us while we are busy.
const BACKLOG: i32 = 1024;
/// When a silent TCP peer is asked whether it still lives.
const KEEP_ALIVE: Duration = Duration::from_mins(1);
/// After an accept that failed for want of descriptors or memory: at first, and at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(1));

/// A full house is one line a minute, not one a connection.
const FULL_IS_SAID_EVERY: Duration = Duration::from_mins(1);

/// A bound socket.
#[derive(Debug)]
pub struct Listener(Bound);

#[derive(Debug)]
enum Bound {
    Tcp(TcpListener),
    Unix { listener: UnixListener, _file: SocketFile },
}

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The operating system refuses: in use, not allowed, no such name.
    #[error("cannot listen on {address}")]
    Refused {
        /// As it was asked for.
        address: ListenAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Another process answers on that socket.
    #[error("another process listens on {address}")]
    InUse {
        /// As it was asked for.
        address: ListenAddr,
    },
    /// Taking a descriptor over needs what this crate forbids itself (`unsafe`).
    #[error("{address} is not supported yet: listen on HOST:PORT or unix:PATH")]
    NotSupported {
        /// As it was asked for.
        address: ListenAddr,
    },
}

impl Listener {
    /// Binds the address. A name that stands for several addresses is bound to the first that can be.
    pub async fn bind(address: &ListenAddr) -> Result<Self, BindError> {
        let refused = |source| BindError::Refused { address: address.clone(), source };
        match address {
            ListenAddr::Tcp { host, port } => {
                let listener = bind_host(host, *port).await.map_err(refused)?;
                Ok(Self(Bound::Tcp(listener)))
            }
            ListenAddr::Unix(path) => {
                if is_answered(path).await {
                    return Err(BindError::InUse { address: address.clone() });
                }
                let listener = UnixListener::bind(path).map_err(refused)?;
                Ok(Self(Bound::Unix { listener, _file: SocketFile(path.clone()) }))
            }
            ListenAddr::Inherited(_) => Err(BindError::NotSupported { address: address.clone() }),
        }
    }

    /// The address bound, with the port that was found for port 0. `None` for a socket in the file system.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match &self.0 {
            Bound::Tcp(listener) => listener.local_addr().ok(),
            Bound::Unix { .. } => None,
        }
    }

    async fn accept(&self) -> io::Result<Accepted> {
        match &self.0 {
            Bound::Tcp(listener) => listener.accept().await.map(|(stream, peer)| Accepted::Tcp(stream, peer)),
            Bound::Unix { listener, .. } => listener.accept().await.map(|(stream, _)| Accepted::Unix(stream)),
        }
    }
}

enum Accepted {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}

/// What a listener serves with.
#[derive(Debug, Clone)]
pub struct ServerContext {
    /// What one connection may take.
    pub connection: ConnectionOptions,
    /// Connections at once on this listener; the next one waits in the kernel's queue.
    pub max_connections: usize,
    /// Where TLS ends here, the certificates; else bytes are taken as they are.
    pub tls: Option<Arc<Certificates>>,
    /// Counts connections.
    pub metrics: Arc<Metrics>,
    /// When to stop; connections run on its tracker.
    pub shutdown: Shutdown,
}

/// Accepts and serves until the shutdown closes listeners. Connections go on after that, on the tracker.
pub async fn serve<S: HttpService>(listener: Listener, service: S, context: ServerContext) {
    let ServerContext { connection, max_connections, tls, metrics, shutdown } = context;
    let connections = Arc::new(Connections::new(service, connection, shutdown.clone()));
    let places = Arc::new(Semaphore::new(max_connections.min(Semaphore::MAX_PERMITS)));
    let closing = shutdown.closing().clone();
    let accept = async {
        let mut back_off = BACK_OFF.0;
        let mut said_full = None;
        loop {
            let place = place(&places, &mut said_full).await;
            match listener.accept().await {
                Ok(accepted) => {
                    back_off = BACK_OFF.0;
                    let guard = ConnectionGuard::new(place, metrics.clone());
                    let (connections, tls) = (connections.clone(), tls.clone());
                    shutdown.tracker().spawn(async move {
                        serve_accepted(&connections, tls.as_deref(), accepted).await;
                        drop(guard);
                    });
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "connections cannot be accepted for now");
                    sleep(back_off).await;
                    back_off = (back_off * 2).min(BACK_OFF.1);
                }
            }
        }
    };
    tokio::select! {
        () = accept => {}
        () = closing.cancelled() => {}
    }
}

async fn serve_accepted<S: HttpService>(connections: &Connections<S>, tls: Option<&Certificates>, accepted: Accepted) {
    match accepted {
        Accepted::Tcp(stream, peer) => {
            // Neither is worth a connection: a socket that is gone already shows it at the first read.
            let _ = stream.set_nodelay(true);
            let _ = SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEP_ALIVE));
            secure(connections, tls, stream, Peer::Inet(peer)).await;
        }
        Accepted::Unix(stream) => secure(connections, tls, stream, Peer::Unix).await,
    }
}

/// Serves the connection, after its handshake where there is one.
async fn secure<S, I>(connections: &Connections<S>, tls: Option<&Certificates>, socket: I, peer: Peer)
where
    S: HttpService,
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Some(tls) = tls else {
        return connections.serve(socket, ConnectionInfo { peer, transport: Transport::Plain }).await;
    };
    let handshake = connections.unless_ended(tls.accept(socket, connections.handshake_within()));
    match handshake.await {
        Some(Ok((stream, names))) => {
            connections.serve(stream, ConnectionInfo { peer, transport: Transport::Tls(names) }).await;
        }
        // Scanners do this all day.
        Some(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
        None => {}
    }
}

/// A place for one more connection, once there is one. Says that there is none once a minute.
async fn place(places: &Arc<Semaphore>, said_full: &mut Option<Instant>) -> Option<OwnedSemaphorePermit> {
    if places.available_permits() == 0 && said_full.is_none_or(|at| at.elapsed() > FULL_IS_SAID_EVERY) {
        tracing::warn!("all connections are taken: the next one waits until one closes");
        *said_full = Some(Instant::now());
    }
    // `None` would mean that the semaphore was closed, which nobody does.
    places.clone().acquire_owned().await.ok()
}

/// A connection's place and its part of the gauge, given back together.
struct ConnectionGuard {
    metrics: Arc<Metrics>,
    _place: Option<OwnedSemaphorePermit>,
}

impl ConnectionGuard {
    fn new(place: Option<OwnedSemaphorePermit>, metrics: Arc<Metrics>) -> Self {
        metrics.connections(1);
        Self { metrics, _place: place }
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.metrics.connections(-1);
    }
}

/// Whether the error is about the connection that was to be accepted, and the next may be fine.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

async fn bind_host(host: &str, port: u16) -> io::Result<TcpListener> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in lookup_host((host, port)).await? {
        match bind_tcp(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // `[::]` means every address, those of IPv4 too, whatever the machine's default is.
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Removes the socket's file when its listener is gone.
#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Whether somebody listens there. A socket that nobody answers is left over from a crash and removed;
/// anything else at that path is left alone, for the bind to fail on.
async fn is_answered(path: &Path) -> bool {
    match UnixStream::connect(path).await {
        Ok(_) => true,
        Err(error) => {
            let is_socket = std::fs::symlink_metadata(path).is_ok_and(|it| it.file_type().is_socket());
            if is_socket && error.kind() == io::ErrorKind::ConnectionRefused {
                let _ = std::fs::remove_file(path);
            }
            false
        }
    }
}
