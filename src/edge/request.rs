//! What a request says before its body is read: host, client type, credentials.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::request::Parts;
use http::{HeaderMap, header};

use super::client_addr::{ForwardedHost, Hop, TrustedProxies};
use crate::base::id::Host;
use crate::base::secret::Secret;

/// Why a request cannot be told apart from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// No host, two, or one that is none.
    #[error("the host of the request is missing, ambiguous or malformed")]
    Host,
    /// Over TLS, by a certificate that is not for this host (RFC 9110 §15.5.20): a browser that reuses a
    /// connection asks again over one of its own.
    #[error("the connection's certificate does not cover the host")]
    Misdirected,
    /// `client-type` twice, or no text.
    #[error("client-type is given twice or malformed")]
    ClientType,
    /// `Authorization` twice, or malformed.
    #[error("the Authorization header is given twice or malformed")]
    Authorization,
}

/// The socket that a request came over.
#[derive(Clone, Copy)]
pub struct Socket<'a> {
    /// Its other end; `None`: a unix socket.
    pub peer: Option<IpAddr>,
    /// Where TLS ends here: whether the connection's certificate covers a host.
    pub covers: Option<&'a (dyn Fn(&str) -> bool + Send + Sync)>,
}

impl Socket<'_> {
    /// Without TLS.
    pub fn plain(peer: Option<IpAddr>) -> Self {
        Self { peer, covers: None }
    }
}

impl std::fmt::Debug for Socket<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Socket({:?})", self.peer)
    }
}

/// The facts of a request that decide whose it is.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The host the user asked for.
    pub host: Host,
    /// Whether the visitor used TLS: as a trusted proxy says, else as the socket does.
    pub is_https: Option<bool>,
    /// The user's address as far as it is known.
    pub address: Option<IpAddr>,
    /// `client-type`.
    pub client_type: Option<&'a str>,
    /// Whether the peer may speak for others.
    pub is_peer_trusted: bool,
    /// Whether forwarded headers of an untrusted peer were dropped.
    pub dropped_forwarded: bool,
}

impl<'a> Facts<'a> {
    /// From the request's head and its peer (`None`: a unix socket).
    pub fn of(parts: &'a Parts, socket: Socket<'_>, trusted: &TrustedProxies) -> Result<Self, RequestError> {
        let hop = Hop::of(socket.peer, &parts.headers, trusted);
        if let Some(covers) = socket.covers
            && !covers(own_host(parts)?.name())
        {
            return Err(RequestError::Misdirected);
        }
        let host = match hop.forwarded_host {
            ForwardedHost::One(text) => Host::parse(text).map_err(|_| RequestError::Host)?,
            ForwardedHost::Ambiguous => return Err(RequestError::Host),
            ForwardedHost::Absent => own_host(parts)?,
        };
        Ok(Self {
            host,
            is_https: hop.is_https.or(socket.covers.map(|_| true)),
            address: hop.address,
            client_type: single(&parts.headers, "client-type").map_err(|Repeated| RequestError::ClientType)?,
            is_peer_trusted: hop.is_trusted,
            dropped_forwarded: hop.dropped,
        })
    }
}

/// `Host` and the target's authority; where both are there they must agree (RFC 9112 §3.2.2,
/// RFC 9113 §8.3.1).
fn own_host(parts: &Parts) -> Result<Host, RequestError> {
    let header = single(&parts.headers, "host").map_err(|Repeated| RequestError::Host)?;
    let header = header.map(Host::parse).transpose().map_err(|_| RequestError::Host)?;
    let authority = parts.uri.authority().map(|authority| Host::parse(authority.as_str()));
    let authority = authority.transpose().map_err(|_| RequestError::Host)?;
    match (header, authority) {
        (Some(header), Some(authority)) if header != authority => Err(RequestError::Host),
        (Some(host), _) | (None, Some(host)) => Ok(host),
        (None, None) => Err(RequestError::Host),
    }
}

/// A header that may stand once.
struct Repeated;

fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Repeated> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| Repeated),
        _ => Err(Repeated),
    }
}

/// What `Authorization` says.
#[derive(Debug)]
pub enum Authorization<'a> {
    /// There is none, or one of another scheme.
    None,
    /// RFC 6750 §2.1.
    Bearer(&'a str),
    /// RFC 6749 §2.3.1: id and secret, each form-decoded.
    Basic {
        /// The client's id.
        client_id: String,
        /// Its secret.
        client_secret: Secret,
    },
}

impl<'a> Authorization<'a> {
    /// Reads the header; more than one is an error.
    pub fn of(headers: &'a HeaderMap) -> Result<Self, RequestError> {
        let Some(value) = single(headers, "authorization").map_err(|Repeated| RequestError::Authorization)? else {
            return Ok(Self::None);
        };
        let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
        let rest = rest.trim_ascii();
        if scheme.eq_ignore_ascii_case("bearer") {
            let is_token = !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic());
            return if is_token { Ok(Self::Bearer(rest)) } else { Err(RequestError::Authorization) };
        }
        if scheme.eq_ignore_ascii_case("basic") {
            return Self::basic(rest).ok_or(RequestError::Authorization);
        }
        Ok(Self::None)
    }

    fn basic(encoded: &str) -> Option<Self> {
        let decoded = Secret::new(String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?);
        let (id, secret) = decoded.expose().split_once(':')?;
        let decode = |text: &str| form_urlencoded::parse(text.as_bytes()).next().map(|(name, _)| name.into_owned());
        // An id or a secret with `=` or `&` in it was not form-encoded by the caller: taken as it is.
        let plain = |text: &str| if text.contains(['=', '&']) { Some(text.to_owned()) } else { decode(text) };
        Some(Self::Basic { client_id: plain(id)?, client_secret: Secret::new(plain(secret)?) })
    }
}

/// The media type of a body, without its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaType {
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `application/json`.
    Json,
    /// Anything else, or none.
    Other,
}

impl MediaType {
    /// From `Content-Type`.
    pub fn of(headers: &HeaderMap) -> Self {
        let Ok(Some(value)) = single(headers, header::CONTENT_TYPE.as_str()) else { return Self::Other };
        let essence = value.split(';').next().unwrap_or_default().trim_ascii();
        if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            Self::Form
        } else if essence.eq_ignore_ascii_case("application/json") {
            Self::Json
        } else {
            Self::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(uri: &str, pairs: &[(&'static str, &str)]) -> Parts {
        let mut request = http::Request::builder().uri(uri);
        for (name, value) in pairs {
            request = request.header(*name, *value);
        }
        request.body(()).expect("is a request").into_parts().0
    }

    fn host(uri: &str, pairs: &[(&'static str, &str)]) -> Result<String, RequestError> {
        let parts = parts(uri, pairs);
        let trusted = TrustedProxies::new(Vec::new());
        Facts::of(&parts, Socket::plain(Some(IpAddr::from([127, 0, 0, 1]))), &trusted)
            .map(|facts| facts.host.to_string())
    }

    #[test]
    fn the_host_is_the_forwarded_one_of_a_trusted_peer() {
        assert_eq!(
            host("/", &[("host", "127.0.0.1:8080"), ("x-forwarded-host", "App.Acme.com")]).as_deref(),
            Ok("app.acme.com")
        );
        assert_eq!(host("/", &[("host", "app.acme.com:443")]).as_deref(), Ok("app.acme.com"));
        assert_eq!(host("http://app.acme.com/x", &[]).as_deref(), Ok("app.acme.com"));
    }

    #[test]
    fn a_host_that_cannot_be_told_is_refused() {
        for (uri, pairs) in [
            ("/", &[][..]),
            ("/", &[("host", "a.example"), ("host", "b.example")]),
            ("/", &[("host", "a.example, b.example")]),
            ("http://a.example/", &[("host", "b.example")]),
            ("/", &[("host", "a.example"), ("x-forwarded-host", "b.example"), ("x-forwarded-host", "c.example")]),
            ("/", &[("host", "a.example"), ("x-forwarded-host", "b.example,c.example")]),
            ("/", &[("host", "a.example"), ("x-forwarded-host", "b/c")]),
        ] {
            assert_eq!(host(uri, pairs), Err(RequestError::Host), "{uri} {pairs:?}");
        }
    }

    #[test]
    fn aliases_of_trusted_headers_say_nothing() {
        let parts = parts("/", &[("host", "a.example"), ("client_type", "web"), ("x_forwarded_host", "evil.example")]);
        let facts = Facts::of(&parts, Socket::plain(None), &TrustedProxies::new(Vec::new())).expect("has a host");
        assert_eq!((facts.client_type, facts.host.to_string().as_str()), (None, "a.example"));
    }

    #[test]
    fn a_trusted_proxys_word_on_https_beats_the_socket_which_speaks_otherwise() {
        let stranger = IpAddr::from([203, 0, 113, 9]);
        let proxy = IpAddr::from([127, 0, 0, 1]);
        let covers = |_: &str| true;
        for (peer, forwarded, expected) in [
            (proxy, Some("http"), Some(false)),
            (proxy, Some("https"), Some(true)),
            (proxy, None, Some(true)),
            (stranger, Some("http"), Some(true)),
            (stranger, None, Some(true)),
        ] {
            let forwarded = forwarded.map(|scheme| ("x-forwarded-proto", scheme));
            let pairs: Vec<_> = [("host", "a.example")].into_iter().chain(forwarded).collect();
            let socket = Socket { peer: Some(peer), covers: Some(&covers) };
            let parts = parts("/", &pairs);
            let facts = Facts::of(&parts, socket, &TrustedProxies::new(Vec::new())).expect("has a host");
            assert_eq!(facts.is_https, expected, "{peer} {pairs:?}");
        }
        let parts = parts("/", &[("host", "a.example")]);
        let facts = Facts::of(&parts, Socket::plain(Some(stranger)), &TrustedProxies::new(Vec::new()));
        assert_eq!(facts.expect("has a host").is_https, None, "without TLS nothing is known");
    }

    #[test]
    fn basic_credentials_are_form_decoded() {
        let parts = parts("/", &[("authorization", "Basic YSUzQWI6cCt3JTI1")]); // a%3Ab:p+w%25
        let Ok(Authorization::Basic { client_id, client_secret }) = Authorization::of(&parts.headers) else {
            unreachable!("is basic")
        };
        assert_eq!((client_id.as_str(), client_secret.expose()), ("a:b", "p w%"));
    }

    #[test]
    fn two_authorization_headers_are_an_error() {
        let parts = parts("/", &[("authorization", "Bearer a"), ("authorization", "Bearer b")]);
        assert_eq!(Authorization::of(&parts.headers).err(), Some(RequestError::Authorization));
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(value in "[ -~]{0,120}") {
            let parts = parts("/", &[("host", &value), ("authorization", &value), ("content-type", &value), ("client-type", &value)]);
            let _ = Facts::of(&parts, Socket::plain(None), &TrustedProxies::new(Vec::new()));
            let _ = Authorization::of(&parts.headers);
            let _ = MediaType::of(&parts.headers);
        }
    }
}
