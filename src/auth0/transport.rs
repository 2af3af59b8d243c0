//! The one way out to Auth0: bounded in time, size and addresses, following no redirect.
//!
//! Two clients on one TLS configuration. Logins and userinfo go over hyper's own client, which costs
//! a quarter of reqwest's time a call; what is rare (key sets) goes over reqwest. Neither reads proxy
//! variables: an identity path that an environment variable can bend is not one.

mod connect;
mod tls;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::address::{AddressRefused, AddressRules};
use super::error::UpstreamError;
use connect::{Connector, Resolver};

/// The most that is read of an answer (contract §9).
const BODY_CAP: usize = 1024 * 1024;

/// How long making a connection may take (contract §9).
const CONNECT_WITHIN: Duration = Duration::from_secs(2);

/// Idle connections are kept this long: less than what load balancers in front of Auth0 keep them.
const IDLE_FOR: Duration = Duration::from_secs(45);

/// How the way out is built.
#[derive(Debug, Clone, Default)]
pub struct TransportOptions {
    /// Where tenants may be.
    pub addresses: AddressRules,
    /// Further certificate authorities, PEM.
    pub ca_file: Option<PathBuf>,
}

/// The way out. Cheap to clone; all clones share their connections.
#[derive(Debug, Clone)]
pub struct Transport(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: TransportOptions,
    plain: Client<Connector, Full<Bytes>>,
    plain_rare: reqwest::Client,
    /// Built at the first https call: a machine without certificate authorities can still run `dev`.
    tls: OnceLock<Secure>,
}

#[derive(Debug)]
struct Secure {
    client: Client<HttpsConnector<Connector>, Full<Bytes>>,
    rare: reqwest::Client,
}

/// An answer as it came.
#[derive(Debug)]
pub struct RawReply {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, at most 1 MiB.
    pub body: Bytes,
}

impl RawReply {
    /// A header that is a whole number.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.headers.get(name)?.to_str().ok()?.trim().parse().ok()
    }
}

impl Transport {
    /// Makes no connection and reads no file yet.
    pub fn new(options: TransportOptions) -> Result<Self, UpstreamError> {
        let plain = client(Connector::new(options.addresses.clone()));
        let plain_rare =
            rare(options.addresses.clone(), None).map_err(|error| UpstreamError::TlsSetup(error.into()))?;
        Ok(Self(Arc::new(Inner { options, plain, plain_rare, tls: OnceLock::new() })))
    }

    /// Sends a request and reads the whole answer.
    #[expect(clippy::disallowed_methods, reason = "collects a Limited body")]
    pub async fn send(&self, request: Request<Full<Bytes>>, within: Duration) -> Result<RawReply, UpstreamError> {
        let is_https = request.uri().scheme() == Some(&http::uri::Scheme::HTTPS);
        let exchange = async {
            let reply = if is_https {
                self.secure()?.client.request(request).await
            } else {
                self.0.plain.request(request).await
            };
            let (parts, body) = reply.map_err(classify)?.into_parts();
            let body = match Limited::new(body, BODY_CAP).collect().await {
                Ok(collected) => collected.to_bytes(),
                Err(error) if error.is::<LengthLimitError>() => return Err(UpstreamError::TooLarge),
                Err(error) => return Err(UpstreamError::Cut(error)),
            };
            Ok(RawReply { status: parts.status, headers: parts.headers, body })
        };
        tokio::time::timeout(within, exchange).await.unwrap_or(Err(UpstreamError::Timeout))
    }

    /// GETs something rare.
    pub async fn fetch(&self, url: &str, within: Duration) -> Result<RawReply, UpstreamError> {
        let uri: Uri = url.parse().map_err(|_| UpstreamError::Malformed)?;
        let is_plain = uri.scheme() != Some(&http::uri::Scheme::HTTPS);
        // A literal address never meets the resolver.
        if let Some(address) = connect::literal(&uri) {
            self.0.options.addresses.check(address, is_plain).map_err(UpstreamError::Address)?;
        }
        let client = if is_plain { &self.0.plain_rare } else { &self.secure()?.rare };
        let exchange = async {
            let mut reply = client.get(url).header("accept", "application/json").send().await.map_err(classify_rare)?;
            let (status, headers) = (reply.status(), std::mem::take(reply.headers_mut()));
            let mut body = Vec::new();
            while let Some(chunk) = reply.chunk().await.map_err(|error| UpstreamError::Cut(error.into()))? {
                if body.len() + chunk.len() > BODY_CAP {
                    return Err(UpstreamError::TooLarge);
                }
                body.extend_from_slice(&chunk);
            }
            Ok(RawReply { status, headers, body: body.into() })
        };
        tokio::time::timeout(within, exchange).await.unwrap_or(Err(UpstreamError::Timeout))
    }

    fn secure(&self) -> Result<&Secure, UpstreamError> {
        if let Some(secure) = self.0.tls.get() {
            return Ok(secure);
        }
        let config =
            tls::config(self.0.options.ca_file.as_deref()).map_err(|error| UpstreamError::TlsSetup(error.into()))?;
        let addresses = self.0.options.addresses.clone();
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(config.clone())
            .https_only()
            .enable_http1()
            .enable_http2()
            .wrap_connector(Connector::new(addresses.clone()));
        let rare = rare(addresses, Some(config)).map_err(|error| UpstreamError::TlsSetup(error.into()))?;
        Ok(self.0.tls.get_or_init(|| Secure { client: client(connector), rare }))
    }
}

fn client<C>(connector: C) -> Client<C, Full<Bytes>>
where
    C: hyper_util::client::legacy::connect::Connect + Clone + Send + Sync + 'static,
{
    Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_FOR)
        .build(connector)
}

/// hyper-rustls sets ALPN by itself; reqwest must be told (and asserts nothing).
#[expect(clippy::disallowed_methods, reason = "the one place that builds clients")]
fn rare(addresses: AddressRules, config: Option<rustls::ClientConfig>) -> reqwest::Result<reqwest::Client> {
    let resolver = Resolver { addresses, is_plain: config.is_none() };
    let builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT_WITHIN)
        .pool_idle_timeout(IDLE_FOR)
        .dns_resolver(Arc::new(resolver));
    match config {
        Some(mut config) => {
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            builder.https_only(true).tls_backend_preconfigured(config).build()
        }
        // There is nothing to verify on plain http, and no authorities are needed to say so.
        None => builder.tls_backend_preconfigured(tls::without_roots()).build(),
    }
}

fn classify(error: hyper_util::client::legacy::Error) -> UpstreamError {
    let is_connect = error.is_connect();
    classify_cause(error.into(), is_connect)
}

fn classify_rare(error: reqwest::Error) -> UpstreamError {
    let is_connect = error.is_connect();
    classify_cause(error.into(), is_connect)
}

/// Looks for the reason that matters in the chain of causes.
fn classify_cause(error: Box<dyn std::error::Error + Send + Sync>, is_connect: bool) -> UpstreamError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&*error);
    while let Some(this) = cause {
        if let Some(refused) = this.downcast_ref::<AddressRefused>() {
            return UpstreamError::Address(*refused);
        }
        // An io::Error shows the error it wraps only through `get_ref`.
        if let Some(inner) = this.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            if let Some(refused) = inner.downcast_ref::<AddressRefused>() {
                return UpstreamError::Address(*refused);
            }
            if inner.is::<rustls::Error>() {
                return UpstreamError::Tls(error);
            }
        }
        cause = this.source();
    }
    if is_connect { UpstreamError::Connect(error) } else { UpstreamError::Cut(error) }
}
