//! One connection to the gateway, plain or TLS, HTTP/1.1 or HTTP/2.

use std::future::Future;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Answer, Call, Endpoint};

/// Answers larger than this are no answers of a gateway.
const LARGEST: usize = 16 << 20;

/// Sends requests on one connection.
pub enum Sender {
    /// One at a time.
    Http1(http1::SendRequest<Full<Bytes>>),
    /// Many at once.
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// Connects and shakes hands.
///
/// # Errors
/// Where TCP, TLS or HTTP did not come about.
pub async fn connect(endpoint: &Endpoint) -> io::Result<Sender> {
    let socket = TcpStream::connect(endpoint.address).await?;
    socket.set_nodelay(true)?;
    let Some((config, name)) = &endpoint.tls else { return speak(socket, endpoint.http2).await };
    let socket = TlsConnector::from(Arc::clone(config)).connect(name.clone(), socket).await?;
    if endpoint.http2 && socket.get_ref().1.alpn_protocol() != Some(b"h2") {
        return Err(io::Error::other("the server does not speak h2"));
    }
    speak(socket, endpoint.http2).await
}

async fn speak<S>(socket: S, http2: bool) -> io::Result<Sender>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let socket = TokioIo::new(socket);
    if http2 {
        let (sender, connection) =
            http2::Builder::new(TokioExecutor::new()).handshake(socket).await.map_err(io::Error::other)?;
        drive(connection);
        Ok(Sender::Http2(sender))
    } else {
        let (sender, connection) = http1::handshake(socket).await.map_err(io::Error::other)?;
        drive(connection);
        Ok(Sender::Http1(sender))
    }
}

/// How a connection ends is seen by the request on it.
#[expect(clippy::disallowed_methods, reason = "a load generator has no shutdown to wait for it")]
fn drive(connection: impl Future<Output = hyper::Result<()>> + Send + 'static) {
    tokio::spawn(async {
        let _ = connection.await;
    });
}

impl Sender {
    /// Sends and reads the whole answer; its body is kept if asked for.
    ///
    /// # Errors
    /// Where the connection broke.
    pub async fn send(&mut self, call: Call, is_tls: bool, keeps_body: bool) -> io::Result<Answer> {
        let response = match self {
            Self::Http1(sender) => {
                let request = request(call, None)?;
                sender.ready().await.map_err(io::Error::other)?;
                sender.send_request(request).await
            }
            Self::Http2(sender) => {
                let request = request(call, Some(if is_tls { "https" } else { "http" }))?;
                sender.ready().await.map_err(io::Error::other)?;
                sender.send_request(request).await
            }
        };
        let (head, mut body) = response.map_err(io::Error::other)?.into_parts();
        let (mut kept, mut length) = (Vec::new(), 0);
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame.map_err(io::Error::other)?.into_data() {
                length += data.len();
                if length > LARGEST {
                    return Err(io::Error::other("an answer of more than 16 MiB"));
                }
                if keeps_body {
                    kept.extend_from_slice(&data);
                }
            }
        }
        Ok(Answer { status: head.status, headers: head.headers, body: kept.into() })
    }

    /// Another handle on the same connection, where it carries many requests.
    pub fn share(&self) -> Option<Self> {
        match self {
            Self::Http1(_) => None,
            Self::Http2(sender) => Some(Self::Http2(sender.clone())),
        }
    }
}

/// HTTP/1.1 has the path in its first line and the host in a header; HTTP/2 has both in its pseudo-headers.
fn request(call: Call, scheme: Option<&str>) -> io::Result<Request<Full<Bytes>>> {
    let Call { method, target, host, headers, body } = call;
    let mut uri = Uri::from_maybe_shared(target).map_err(io::Error::other)?;
    let mut request = Request::new(Full::new(body));
    *request.headers_mut() = headers;
    match scheme {
        None => {
            let host = HeaderValue::from_str(&host).map_err(io::Error::other)?;
            request.headers_mut().insert(header::HOST, host);
        }
        Some(scheme) => {
            let mut parts = uri.into_parts();
            parts.scheme = Some(scheme.parse().map_err(io::Error::other)?);
            parts.authority = Some(host.parse().map_err(io::Error::other)?);
            uri = Uri::from_parts(parts).map_err(io::Error::other)?;
        }
    }
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    Ok(request)
}
