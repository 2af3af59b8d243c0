//! Where Redis is: what a `--sessions` URL says.
//!
//! Read by hand, because a URL's authority holds one host and these hold several. No error shows the URL: it
//! may hold a password.

use percent_encoding::percent_decode_str;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo, RedisError};

const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// Before every key and channel, unless the URL says otherwise.
const PREFIX: &str = "auth0-gateway:";

/// Longer ones only cost memory, once a key.
const LONGEST_PREFIX: usize = 64;

/// Why a URL is no address. Never shows what stands in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Of another scheme, or without `//`.
    #[error("expected redis://, rediss://, redis-sentinel:// or redis-cluster://")]
    Scheme,
    /// A host or a port that cannot be one.
    #[error("expected HOST or HOST:PORT, several only for redis-sentinel:// and redis-cluster://")]
    Host,
    /// Not UTF-8 once decoded.
    #[error("the user or password is not percent-encoded UTF-8")]
    Credentials,
    /// `redis-sentinel://` without the name that the Sentinels know the primary by.
    #[error("expected redis-sentinel://HOST,HOST/NAME with the name that the Sentinels know the primary by")]
    Name,
    /// Not a number; a Cluster has one database only.
    #[error("the database is not a number, or there is none to choose: a Cluster has database 0 alone")]
    Database,
    /// A query that is not `prefix=`, or a prefix that cannot be one.
    #[error("expected no query but prefix=, of at most 64 letters, digits and any of `:-_.`")]
    Query,
}

/// Who is asked for the primary.
#[derive(Debug, Clone)]
pub(super) enum Servers {
    /// DNS: whoever has the name.
    One(ConnectionAddr),
    /// The Sentinels, any of which may be down.
    Sentinels {
        /// Where they are.
        sentinels: Vec<(String, u16)>,
        /// What they call the primary.
        name: String,
    },
    /// Some nodes of a Cluster, which name the rest.
    Cluster(Vec<(String, u16)>),
}

/// A parsed `--sessions` URL.
#[derive(Debug, Clone)]
pub struct Address {
    pub(super) servers: Servers,
    pub(super) login: RedisConnectionInfo,
    pub(super) prefix: String,
}

impl Address {
    /// Parses the URL; asks nobody.
    pub fn parse(url: &str) -> Result<Self, AddressError> {
        let (scheme, rest) = url.split_once("://").ok_or(AddressError::Scheme)?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (credentials, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let prefix = prefix(query)?;
        let (servers, database) = servers(scheme, hosts, path)?;
        // RESP3, because the end of a connection is told as a push: nobody has to run into it first.
        let login = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3).set_db(database);
        Ok(Self { servers, login: with_credentials(login, credentials)?, prefix })
    }

    /// Whether many primaries share the keys, so that one script reaches the keys of one slot alone.
    pub(super) fn is_cluster(&self) -> bool {
        matches!(self.servers, Servers::Cluster(_))
    }

    /// Whether TLS is spoken.
    pub(super) fn is_tls(&self) -> bool {
        matches!(self.servers, Servers::One(ConnectionAddr::TcpTls { .. }))
    }

    /// What the client wants to know of a server at `server`, with this URL's login.
    pub(super) fn at(&self, server: ConnectionAddr) -> Result<ConnectionInfo, RedisError> {
        Ok(server.into_connection_info()?.set_redis_settings(self.login.clone()))
    }
}

fn servers(scheme: &str, hosts: &str, path: &str) -> Result<(Servers, i64), AddressError> {
    match scheme {
        "redis" | "rediss" => {
            let (host, port) = one_host(hosts, REDIS_PORT)?;
            let tls = || ConnectionAddr::TcpTls { host: host.clone(), port, insecure: false, tls_params: None };
            let address = if scheme == "rediss" { tls() } else { ConnectionAddr::Tcp(host, port) };
            Ok((Servers::One(address), database(path)?))
        }
        "redis-sentinel" => {
            let (name, path) = path.split_once('/').unwrap_or((path, ""));
            if name.is_empty() {
                return Err(AddressError::Name);
            }
            let sentinels = hosts.split(',').map(|host| one_host(host, SENTINEL_PORT)).collect::<Result<_, _>>()?;
            Ok((Servers::Sentinels { sentinels, name: name.to_owned() }, database(path)?))
        }
        "redis-cluster" => {
            if !path.is_empty() {
                return Err(AddressError::Database);
            }
            let nodes = hosts.split(',').map(|host| one_host(host, REDIS_PORT)).collect::<Result<_, _>>()?;
            Ok((Servers::Cluster(nodes), 0))
        }
        _ => Err(AddressError::Scheme),
    }
}

/// `host`, `host:port`, `[v6]` or `[v6]:port`.
fn one_host(text: &str, default_port: u16) -> Result<(String, u16), AddressError> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(AddressError::Host)?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| AddressError::Host)?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or(AddressError::Host)?) })
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map_or(Ok(default_port), |port| port.parse().map_err(|_| AddressError::Host))?;
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
    if host.is_empty() || !host.bytes().all(is_host) { Err(AddressError::Host) } else { Ok((host.to_owned(), port)) }
}

fn database(path: &str) -> Result<i64, AddressError> {
    if path.is_empty() { Ok(0) } else { path.parse::<u16>().map(i64::from).map_err(|_| AddressError::Database) }
}

fn with_credentials(login: RedisConnectionInfo, text: &str) -> Result<RedisConnectionInfo, AddressError> {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    let decode = |text| percent_decode_str(text).decode_utf8().map_err(|_| AddressError::Credentials);
    let login = if user.is_empty() { login } else { login.set_username(decode(user)?) };
    Ok(if password.is_empty() { login } else { login.set_password(decode(password)?) })
}

/// Braces are left out: in a key they say which slot of a Cluster it is in, and that is the store's to say.
fn prefix(query: &str) -> Result<String, AddressError> {
    if query.is_empty() {
        return Ok(PREFIX.to_owned());
    }
    let prefix = query.strip_prefix("prefix=").ok_or(AddressError::Query)?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.".contains(&byte);
    let is_prefix = prefix.len() <= LONGEST_PREFIX && prefix.bytes().all(fits);
    if is_prefix { Ok(prefix.to_owned()) } else { Err(AddressError::Query) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(url: &str) -> Address {
        Address::parse(url).expect("is an address")
    }

    #[test]
    fn one_server_may_have_a_login_a_database_and_a_prefix() {
        let address = parse("redis://user:p%40ss@redis.example:7000/3?prefix=acme:");
        assert!(matches!(&address.servers, Servers::One(ConnectionAddr::Tcp(host, 7000)) if host == "redis.example"));
        assert_eq!(address.login.username(), Some("user"));
        assert_eq!(address.login.password(), Some("p@ss"));
        assert_eq!((address.login.db(), address.prefix.as_str()), (3, "acme:"));
        assert!(!address.is_tls() && parse("rediss://:secret@[::1]").is_tls());
    }

    #[test]
    fn sentinels_and_nodes_are_lists_with_ports_of_their_own() {
        let address = parse("redis-sentinel://a,b:1,[::1]:2/primary/4");
        let Servers::Sentinels { sentinels, name } = &address.servers else { panic!("{address:?}") };
        let wanted = [("a", SENTINEL_PORT), ("b", 1), ("::1", 2)].map(|(host, port)| (host.to_owned(), port));
        assert_eq!((sentinels.as_slice(), name.as_str(), address.login.db()), (wanted.as_slice(), "primary", 4));
        let address = parse("redis-cluster://a,b:7001");
        assert!(matches!(&address.servers, Servers::Cluster(nodes) if nodes[0].1 == REDIS_PORT && nodes[1].1 == 7001));
        assert_eq!(address.prefix, PREFIX);
    }

    #[test]
    fn what_is_wrong_is_told_without_the_url() {
        let cases = [
            ("redis:host", AddressError::Scheme),
            ("http://host", AddressError::Scheme),
            ("redis://", AddressError::Host),
            ("redis://a,b", AddressError::Host),
            ("redis://host:port", AddressError::Host),
            ("redis://[zz]", AddressError::Host),
            ("redis://:%ff@host", AddressError::Credentials),
            ("redis-sentinel://a,b", AddressError::Name),
            ("redis://host/x", AddressError::Database),
            ("redis-cluster://host/1", AddressError::Database),
            ("redis://host?prefix={x}", AddressError::Query),
            ("redis://host?protocol=resp3", AddressError::Query),
        ];
        for (url, wanted) in cases {
            assert_eq!(Address::parse(url).err(), Some(wanted), "{url}");
        }
        let shown = format!("{:?}", parse("redis://user:hunter2@host"));
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(redis|redis-sentinel|redis-cluster)://[ -~]{0,60}") {
            let _ = Address::parse(&text);
        }
    }
}
