//! Who is the primary now, and a connection to it.
//!
//! Asked anew for every connection: DNS and Sentinels may have another answer each time.

use std::path::Path;
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ErrorKind, Pipeline, PushInfo, RedisError, RedisFuture,
    ServerErrorKind, TlsCertificates, Value, cmd,
};

use super::address::{Address, Servers};
use super::connection::Deadlines;

/// What one Sentinel may take to answer: a dead one must not use up the time of the next.
const SENTINEL_DEADLINE: Duration = Duration::from_millis(250);

/// How long the Cluster's client waits before it tries an address again, in milliseconds.
const CLUSTER_WAITS: (u64, u64) = (10, 100);

/// A connection that many callers use at once. Cheap to clone.
#[derive(Clone)]
pub(super) enum Wire {
    /// To the primary.
    Single(MultiplexedConnection),
    /// To all primaries of a Cluster; follows MOVED and failovers by itself.
    Cluster(ClusterConnection),
}

impl ConnectionLike for Wire {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Single(connection) => connection.req_packed_command(command),
            Self::Cluster(connection) => connection.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Single(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Single(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

/// The servers, and how to speak to them.
#[derive(Debug, Clone)]
pub(super) struct Primary {
    address: Address,
    /// PEM. Without it the system's authorities count.
    authorities: Option<Vec<u8>>,
}

impl Primary {
    /// Reads the authorities' file where TLS is spoken; asks nobody. With a file, those in it count alone.
    pub(super) fn new(address: Address, ca_file: Option<&Path>) -> std::io::Result<Self> {
        let authorities = ca_file.filter(|_| address.is_tls()).map(std::fs::read).transpose()?;
        Ok(Self { address, authorities })
    }

    /// A connection for commands. `pushed` hears when it ends, where there is one connection that can.
    pub(super) async fn connect(
        &self,
        deadlines: Deadlines,
        pushed: impl Fn(PushInfo) -> Result<(), ()> + Send + Sync + 'static,
    ) -> Result<Wire, RedisError> {
        let Servers::Cluster(nodes) = &self.address.servers else {
            return Ok(Wire::Single(self.connect_to_one(0, pushed).await?));
        };
        let nodes = nodes.iter().map(|(host, port)| self.address.at(ConnectionAddr::Tcp(host.clone(), *port)));
        let nodes = nodes.collect::<Result<Vec<_>, _>>()?;
        // No repeats by the client: it repeats after a connection broke too, and what was asked may have been done.
        let cluster = ClusterClient::builder(nodes)
            .retries(0)
            .min_retry_wait(CLUSTER_WAITS.0)
            .max_retry_wait(CLUSTER_WAITS.1)
            .connection_timeout(deadlines.open)
            .response_timeout(deadlines.command)
            .use_protocol(self.address.login.protocol())
            .build()?;
        Ok(Wire::Cluster(cluster.get_async_connection().await?))
    }

    /// A connection to one server: the primary, or of a Cluster the `turn`th node, since a message published
    /// anywhere in a Cluster reaches all of it.
    pub(super) async fn connect_to_one(
        &self,
        turn: usize,
        pushed: impl Fn(PushInfo) -> Result<(), ()> + Send + Sync + 'static,
    ) -> Result<MultiplexedConnection, RedisError> {
        let server = match &self.address.servers {
            Servers::One(server) => server.clone(),
            Servers::Sentinels { sentinels, name } => ask_sentinels(sentinels, name).await?,
            Servers::Cluster(nodes) => {
                let (host, port) = &nodes[turn % nodes.len()];
                ConnectionAddr::Tcp(host.clone(), *port)
            }
        };
        let connection = self.address.at(server)?;
        let client = match &self.authorities {
            Some(pem) => {
                Client::build_with_tls(connection, TlsCertificates { client_tls: None, root_cert: Some(pem.clone()) })?
            }
            None => Client::open(connection)?,
        };
        // Deadlines are the callers' own, around everything.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let config = config.set_push_sender(pushed);
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        self.confirm(&mut connection).await?;
        Ok(connection)
    }

    /// Fails where the server does not answer, or says that it is a replica: it would refuse to write, and what
    /// is read of it may be old. Of a Cluster any node will do.
    pub(super) async fn confirm(&self, connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
        if self.address.is_cluster() {
            return cmd("PING").exec_async(connection).await;
        }
        // Not by the crate's `Role`: it cannot read the -1 of a replica that has lost its primary.
        let role: Vec<Value> = cmd("ROLE").query_async(connection).await?;
        if matches!(role.first(), Some(Value::BulkString(role)) if role == b"master") {
            return Ok(());
        }
        Err((ErrorKind::Server(ServerErrorKind::ReadOnly), "the server is a replica").into())
    }
}

/// The first answer counts: a Sentinel that is behind leads to a server that refuses to write, and the next
/// connection asks again.
async fn ask_sentinels(sentinels: &[(String, u16)], name: &str) -> Result<ConnectionAddr, RedisError> {
    let mut last = RedisError::from((ErrorKind::EmptySentinelList, "no Sentinel"));
    for (host, port) in sentinels {
        match tokio::time::timeout(SENTINEL_DEADLINE, ask_sentinel(host, *port, name)).await {
            Ok(Ok((host, port))) => return Ok(ConnectionAddr::Tcp(host, port)),
            Ok(Err(error)) => last = error,
            Err(_) => last = RedisError::from((ErrorKind::Io, "a Sentinel did not answer in time")),
        }
    }
    Err(last)
}

async fn ask_sentinel(host: &str, port: u16, name: &str) -> Result<(String, u16), RedisError> {
    let client = Client::open(ConnectionAddr::Tcp(host.to_owned(), port))?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    let ask = cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(name).to_owned();
    let known: Option<(String, u16)> = ask.query_async(&mut connection).await?;
    known.ok_or_else(|| (ErrorKind::MasterNameNotFoundBySentinel, "the Sentinel does not know that name").into())
}
