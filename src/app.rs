//! The gateway put together: the one place that names every concrete part.

mod last_good;
mod redis_sessions;
pub(crate) mod reread;
mod sessions;
mod tenants;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;

use crate::auth0::Auth0Client;
use crate::auth0::address::AddressRules;
use crate::auth0::transport::{Transport, TransportOptions};
use crate::base::clock::{Clock, SystemClock};
use crate::base::digest::MacKey;
use crate::base::id::Host;
use crate::base::random::{Random, SystemRandom};
use crate::base::secret::Secret;
use crate::cache::discovery::Documents;
use crate::cache::keyset::KeySets;
use crate::edge::client_addr::TrustedProxies;
use crate::edge::exchange::{Observer, UntrustedPeers};
use crate::edge::ops::{OpsAccess, OpsService};
use crate::edge::request::Socket;
use crate::edge::service::{EdgeOptions, PublicService};
use crate::flow::status::Readiness;
use crate::flow::{Services, refresh, userinfo};
use crate::server::ListenAddr;
use crate::server::connection::{ConnectionInfo, ConnectionOptions, Peer, Transport as SocketTransport};
use crate::server::listener::{Listener, ServerContext, serve};
use crate::server::notify::{self, ServiceState};
use crate::server::shutdown::{Outcome, Phase, Reloads, Shutdown, ShutdownTimes, Signals};
use crate::session::SessionStore;
use crate::session::kept_ends::KeptEnds;
use crate::settings::ServeSettings;
use crate::telemetry::access::{AccessLog, PersonalData};
use crate::telemetry::log::Lines;
use crate::telemetry::metrics::Metrics;
use crate::tenant::read::{EmulatorOverride, Reader};
use crate::tenant::reload::{Reloader, Removals};
use crate::watch::{self, Watch, WatchTimes};
use reread::Reread;
use sessions::{SessionKeys, session_store, sweep, with_keys};
use tenants::{follow, reader_options, reload_options, watched};

/// What a gateway is made of beside its settings: real in a process, movable in a test.
#[derive(Debug)]
pub struct Parts {
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Session ids, request ids.
    pub random: Arc<dyn Random>,
    /// Where lines go.
    pub lines: Lines,
    /// How patient the watcher of files is.
    pub watch: WatchTimes,
    /// `dev`: every tenant at the emulator, cookies over plain http on loopback.
    pub emulator: Option<EmulatorOverride>,
}

impl Parts {
    /// The machine's own.
    pub fn real(lines: Lines) -> Self {
        Self {
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            lines,
            watch: WatchTimes::default(),
            emulator: None,
        }
    }
}

/// Why a gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting, a file or a directory is not right: exit 78.
    #[error("{0}")]
    Configuration(String),
    /// Something failed: exit 70.
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

/// A gateway that serves.
#[derive(Debug)]
pub struct Gateway {
    /// Where callers come in; `None` on a unix socket.
    pub public: Option<SocketAddr>,
    /// Where operators do.
    pub ops: Option<SocketAddr>,
    /// What is known of the tenant files.
    pub reloader: Arc<Reloader>,
    /// What the flows work with.
    pub services: Arc<Services>,
    /// Its way out.
    pub shutdown: Shutdown,
    files: Reread,
}

impl Gateway {
    /// Loads the tenants, binds the listeners, serves. Auth0 is not called.
    pub async fn start(settings: &ServeSettings, parts: Parts) -> Result<Self, StartError> {
        let Parts { clock, random, lines, watch: watch_times, emulator } = parts;
        let settings = &with_keys(settings, &*random)?;
        let is_dev = emulator.is_some();
        let metrics = Arc::new(Metrics::new(settings.metrics_tenants).context("metrics")?);
        let shutdown = Shutdown::new(ShutdownTimes {
            delay: settings.shutdown_delay.unwrap_or(Duration::from_secs(10)),
            grace: settings.shutdown_grace,
        });
        let reader = Reader::new(reader_options(settings, emulator));
        let reloader =
            Arc::new(Reloader::new(reload_options(settings), reader, Arc::clone(&metrics), Arc::clone(&clock)));
        // Armed before the first look: what changes while it is read is seen.
        let changes = watch::start(
            Watch { paths: watched(settings), times: watch_times, metrics: Arc::clone(&metrics) },
            shutdown.tracker(),
            shutdown.closing().clone(),
        );
        let files = Reread::open(settings, (&clock, &random, &metrics))?;
        let ambient = (&clock, &random, &metrics);
        let stores = session_store(settings, &files.keys, &shutdown, ambient)?;
        last_good::first_load(settings, &reloader, stores.records, &shutdown).await?;
        let services =
            Arc::new(services(settings, (stores.sessions, stores.kept_ends), &files.keys, &shutdown, ambient)?);
        follow(&reloader, files.clone(), changes, &shutdown);
        sweep(&services, &shutdown);
        let started = Arc::new(AtomicBool::new(false));
        let public_listener = bind(settings.public_address()).await?;
        let ops_listener = bind(&settings.ops_listen).await?;
        let (public, ops) = (public_listener.local_addr(), ops_listener.local_addr());
        let readiness = readiness(&started, &shutdown);
        let edge = PublicService {
            services: Arc::clone(&services),
            registry: reloader.handle(),
            reloader: Arc::clone(&reloader),
            options: EdgeOptions {
                trusted: TrustedProxies::new(settings.trusted_networks()),
                prefix: settings.prefix().into(),
                plain_cookies_on_loopback: is_dev,
            },
            observer: observer(settings, lines.clone(), (&clock, &random, &metrics))?,
            readiness: readiness.clone(),
        };
        let ops_service = OpsService {
            services: Arc::clone(&services),
            reloader: Arc::clone(&reloader),
            readiness,
            started: Readiness::new({
                let started = Arc::clone(&started);
                move || started.load(Ordering::Acquire)
            }),
            access: ops_access(settings, ops)?,
            lines,
        };
        let mut context = context(settings.max_connections, &metrics, &shutdown);
        context.tls.clone_from(&files.certificates);
        serve_public(public_listener, edge, context);
        serve_ops(ops_listener, ops_service, &metrics, &shutdown);
        started.store(true, Ordering::Release);
        Ok(Self { public, ops, reloader, services, shutdown, files })
    }

    /// Serves until a signal says otherwise. `HUP` reloads.
    pub async fn run(self, signals: Signals, mut reloads: Reloads) -> Outcome {
        notify::tell(ServiceState::Ready);
        let (reloader, closing) = (Arc::clone(&self.reloader), self.shutdown.closing().clone());
        let (files, tasks) = (self.files, self.shutdown.tracker().clone());
        self.shutdown.tracker().spawn(async move {
            tokio::select! {
                () = async {
                    while reloads.recv().await.is_some() {
                        notify::tell(ServiceState::Reloading);
                        files.read_again(&tasks).await;
                        reloader.reload(Removals::Guarded).await;
                        notify::tell(ServiceState::Ready);
                    }
                } => {}
                () = closing.cancelled() => {}
            }
        });
        self.shutdown.run(signals).await
    }
}

type Ambient<'a> = (&'a Arc<dyn Clock>, &'a Arc<dyn Random>, &'a Arc<Metrics>);

fn services(
    settings: &ServeSettings,
    (sessions, kept_ends): (Arc<dyn SessionStore>, Arc<KeptEnds>),
    keys: &SessionKeys,
    shutdown: &Shutdown,
    (clock, random, metrics): Ambient<'_>,
) -> Result<Services, StartError> {
    let addresses = AddressRules::new(settings.allow_upstream.clone());
    let transport =
        Transport::new(TransportOptions { addresses, ca_file: settings.ca_file.clone() }).context("transport")?;
    let auth0 = Auth0Client::new(transport, Arc::clone(metrics), Arc::clone(clock), Arc::clone(random));
    let tasks = shutdown.tracker().clone();
    Ok(Services {
        keys: KeySets::new(auth0.clone(), Arc::clone(metrics), Arc::clone(clock), tasks.clone()),
        discovery: Documents::new(auth0.clone(), Arc::clone(metrics), Arc::clone(clock), tasks.clone()),
        auth0,
        userinfo: userinfo::Caches::new(clock),
        ring: Arc::clone(&keys.ring),
        sessions,
        kept_ends,
        refreshes: refresh::Refreshes::default(),
        clock: Arc::clone(clock),
        random: Arc::clone(random),
        metrics: Arc::clone(metrics),
        tasks,
    })
}

fn mac_key(random: &dyn Random) -> MacKey {
    let mut bytes = [0u8; 32];
    random.fill(&mut bytes);
    MacKey::new(&bytes)
}

fn observer(
    settings: &ServeSettings,
    lines: Lines,
    (clock, random, metrics): Ambient<'_>,
) -> Result<Observer, StartError> {
    Ok(Observer {
        metrics: Arc::clone(metrics),
        log: access_log(settings, lines, &**random)?,
        clock: Arc::clone(clock),
        random: Arc::clone(random),
        untrusted: UntrustedPeers::default(),
    })
}

fn readiness(started: &Arc<AtomicBool>, shutdown: &Shutdown) -> Readiness {
    let (started, shutdown) = (Arc::clone(started), shutdown.clone());
    Readiness::new(move || started.load(Ordering::Acquire) && shutdown.phase() == Phase::Running)
}

fn access_log(settings: &ServeSettings, lines: Lines, random: &dyn Random) -> Result<AccessLog, StartError> {
    let policy =
        settings.access_log.parse().map_err(|error| StartError::Configuration(format!("--access-log: {error}")))?;
    let personal =
        if settings.log_personal_data { PersonalData::Plain } else { PersonalData::Hashed(Arc::new(mac_key(random))) };
    Ok(AccessLog::new(policy, personal, lines))
}

fn ops_access(settings: &ServeSettings, bound: Option<SocketAddr>) -> Result<OpsAccess, StartError> {
    let hosts = settings.ops_hosts.iter().map(|host| Host::parse(host));
    let hosts =
        hosts.collect::<Result<_, _>>().map_err(|error| StartError::Configuration(format!("--ops-hosts: {error}")))?;
    let token = settings.ops_token.as_ref().map(std::fs::read_to_string).transpose();
    let token = token.map_err(|error| StartError::Configuration(format!("--ops-token: {error}")))?;
    let token = token.map(|text| Secret::new(text.trim_end())).filter(|token| !token.is_empty());
    Ok(OpsAccess { bound, hosts, token })
}

async fn bind(address: &str) -> Result<Listener, StartError> {
    let parsed: ListenAddr =
        address.parse().map_err(|error| StartError::Configuration(format!("{address}: {error}")))?;
    Ok(Listener::bind(&parsed).await.with_context(|| format!("binding {address}"))?)
}

fn context(max_connections: usize, metrics: &Arc<Metrics>, shutdown: &Shutdown) -> ServerContext {
    let connection = ConnectionOptions::default();
    let (metrics, shutdown) = (Arc::clone(metrics), shutdown.clone());
    ServerContext { connection, max_connections, tls: None, metrics, shutdown }
}

fn serve_public(listener: Listener, edge: PublicService, context: ServerContext) {
    let edge = Arc::new(edge);
    let service = service_fn(move |request: Request<Incoming>| {
        let edge = Arc::clone(&edge);
        async move {
            let connection = request.extensions().get::<ConnectionInfo>().cloned();
            let peer = match connection.as_ref().map(|connection| connection.peer) {
                Some(Peer::Inet(address)) => Some(address.ip()),
                Some(Peer::Unix) | None => None,
            };
            let Some(SocketTransport::Tls(names)) = connection.map(|connection| connection.transport) else {
                return Ok::<_, io::Error>(edge.answer(request, Socket::plain(peer)).await);
            };
            let covers = |host: &str| names.covers(host);
            Ok(edge.answer(request, Socket { peer, covers: Some(&covers) }).await)
        }
    });
    let tasks = context.shutdown.tracker().clone();
    tasks.spawn(serve(listener, service, context));
}

/// Operators and probes get in also while the public listener is full.
const OPS_CONNECTIONS: usize = 100;

fn serve_ops(listener: Listener, ops: OpsService, metrics: &Arc<Metrics>, shutdown: &Shutdown) {
    let ops = Arc::new(ops);
    let service = service_fn(move |request: Request<Incoming>| {
        let ops = Arc::clone(&ops);
        async move { Ok::<_, io::Error>(ops.answer(request).await) }
    });
    shutdown.tracker().spawn(serve(listener, service, context(OPS_CONNECTIONS, metrics, shutdown)));
}
