//! Making a connection: resolve, check every address, try one after the other.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::rt::TokioIo;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::TcpStream;
use tower_service::Service;

use super::super::address::{AddressRefused, AddressRules};
use super::CONNECT_WITHIN;

/// Connects to what the rules allow.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    addresses: AddressRules,
}

impl Connector {
    pub(super) fn new(addresses: AddressRules) -> Self {
        Self { addresses }
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let addresses = self.addresses.clone();
        Box::pin(async move {
            let connected = tokio::time::timeout(CONNECT_WITHIN, connect(&uri, &addresses)).await;
            connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map(TokioIo::new)
        })
    }
}

async fn connect(uri: &Uri, rules: &AddressRules) -> io::Result<TcpStream> {
    let is_plain = uri.scheme() != Some(&http::uri::Scheme::HTTPS);
    let host = uri.host().ok_or(io::ErrorKind::InvalidInput)?.trim_matches(['[', ']']);
    let port = uri.port_u16().unwrap_or(if is_plain { 80 } else { 443 });
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in resolve(host, port, rules, is_plain).await? {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The addresses that may be connected to; an error where there are some and none may be.
async fn resolve(host: &str, port: u16, rules: &AddressRules, is_plain: bool) -> io::Result<Vec<SocketAddr>> {
    let (mut allowed, mut refused) = (Vec::new(), None);
    for address in tokio::net::lookup_host((host, port)).await? {
        match rules.check(address.ip(), is_plain) {
            Ok(()) => allowed.push(address),
            Err(reason) => refused = Some(reason),
        }
    }
    match refused {
        Some(reason) if allowed.is_empty() => Err(io::Error::new(io::ErrorKind::PermissionDenied, reason)),
        _ => Ok(allowed),
    }
}

/// The address that stands in the URL itself.
pub(super) fn literal(uri: &Uri) -> Option<IpAddr> {
    uri.host()?.trim_matches(['[', ']']).parse().ok()
}

/// The same rules for reqwest.
#[derive(Debug)]
pub(super) struct Resolver {
    pub(super) addresses: AddressRules,
    pub(super) is_plain: bool,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (rules, is_plain) = (self.addresses.clone(), self.is_plain);
        Box::pin(async move {
            match resolve(name.as_str(), 0, &rules, is_plain).await {
                Ok(addresses) => Ok(Box::new(addresses.into_iter()) as Addrs),
                // As itself, so that it is found again in the chain.
                Err(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<AddressRefused>()) {
                    Some(refused) => Err(Box::new(*refused) as Box<dyn std::error::Error + Send + Sync>),
                    None => Err(error.into()),
                },
            }
        })
    }
}
