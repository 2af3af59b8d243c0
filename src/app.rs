//! The gateway put together: the one place that names every concrete part.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
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
use crate::cache::keyset::KeySets;
use crate::edge::client_addr::TrustedProxies;
use crate::edge::exchange::{Observer, UntrustedPeers};
use crate::edge::ops::{OpsAccess, OpsService};
use crate::edge::service::{EdgeOptions, PublicService};
use crate::flow::status::Readiness;
use crate::flow::{Services, refresh, userinfo};
use crate::server::ListenAddr;
use crate::server::connection::{ConnectionInfo, ConnectionOptions, Peer};
use crate::server::listener::{Listener, ServerContext, serve};
use crate::server::notify::{self, ServiceState};
use crate::server::shutdown::{Outcome, Phase, Reloads, Shutdown, ShutdownTimes, Signals};
use crate::session::SessionStore;
use crate::session::memory::MemoryStore;
use crate::session::observed::ObservedStore;
use crate::settings::{ServeSettings, environment};
use crate::telemetry::access::{AccessLog, PersonalData};
use crate::telemetry::log::Lines;
use crate::telemetry::metrics::{Metrics, StoreBackend};
use crate::tenant::load::Sources;
use crate::tenant::read::{EmulatorOverride, Reader, ReaderOptions, Unset};
use crate::tenant::reload::{ReloadOptions, ReloadReport, Reloader, Removals};
use crate::tenant::secrets::SecretSource;
use crate::watch::{self, Watch, WatchTimes};

/// How often what is over is dropped from the session store.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

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
}

impl Gateway {
    /// Loads the tenants, binds the listeners, serves. Auth0 is not called.
    pub async fn start(settings: &ServeSettings, parts: Parts) -> Result<Self, StartError> {
        let Parts { clock, random, lines, watch: watch_times, emulator } = parts;
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
        accept(settings, &reloader.reload(Removals::Guarded).await)?;
        follow(&reloader, changes, &shutdown);
        let services = Arc::new(services(settings, &shutdown, (&clock, &random, &metrics))?);
        sweep(&services, &shutdown);
        let started = Arc::new(AtomicBool::new(false));
        let public_listener = bind(settings.public_address()).await?;
        let ops_listener = bind(&settings.ops_listen).await?;
        let (public, ops) = (public_listener.local_addr(), ops_listener.local_addr());
        let readiness = readiness(&started, &shutdown);
        let observer = Observer {
            metrics: Arc::clone(&metrics),
            log: access_log(settings, lines.clone(), &*random)?,
            clock: Arc::clone(&clock),
            random: Arc::clone(&random),
            untrusted: UntrustedPeers::default(),
        };
        let edge = PublicService {
            services: Arc::clone(&services),
            registry: reloader.handle(),
            reloader: Arc::clone(&reloader),
            options: EdgeOptions {
                trusted: TrustedProxies::new(settings.trusted_networks()),
                prefix: settings.prefix().into(),
                plain_cookies_on_loopback: is_dev,
            },
            observer,
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
        serve_public(public_listener, edge, settings.max_connections, &metrics, &shutdown);
        serve_ops(ops_listener, ops_service, &metrics, &shutdown);
        started.store(true, Ordering::Release);
        Ok(Self { public, ops, reloader, services, shutdown })
    }

    /// Serves until a signal says otherwise. `HUP` reloads.
    pub async fn run(self, signals: Signals, mut reloads: Reloads) -> Outcome {
        notify::tell(ServiceState::Ready);
        let (reloader, closing) = (Arc::clone(&self.reloader), self.shutdown.closing().clone());
        self.shutdown.tracker().spawn(async move {
            tokio::select! {
                () = async {
                    while reloads.recv().await.is_some() {
                        notify::tell(ServiceState::Reloading);
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

fn reader_options(settings: &ServeSettings, emulator: Option<EmulatorOverride>) -> ReaderOptions {
    let secrets = SecretSource {
        directory: settings.secrets_dir.clone(),
        prefixes: settings.secrets_env_prefixes.clone(),
        environment: Arc::new(environment),
    };
    ReaderOptions { secrets, unset: Unset::Error, allow_upstream: settings.allow_upstream.clone(), emulator }
}

fn reload_options(settings: &ServeSettings) -> ReloadOptions {
    ReloadOptions {
        sources: Sources { directories: settings.tenants.clone(), defaults: settings.defaults.clone() },
        max_removed: settings.max_removed,
        metrics_tenants: settings.metrics_tenants,
    }
}

/// The directories of tenants, the defaults file, the directory of secrets.
fn watched(settings: &ServeSettings) -> Vec<PathBuf> {
    let mut paths = settings.tenants.clone();
    paths.extend(settings.defaults.clone());
    paths.extend(settings.secrets_dir.clone());
    paths
}

/// Whether the first load is good enough to serve.
fn accept(settings: &ServeSettings, report: &ReloadReport) -> Result<(), StartError> {
    let refuse = |why: String| Err(StartError::Configuration(why));
    if let Some(why) = &report.unreadable {
        return refuse(format!("the tenant directory cannot be read: {why}"));
    }
    if report.files == 0 {
        return refuse(
            "there is no tenant file; `auth0-gateway dev` needs none, `--tenants DIR` names a directory".to_owned(),
        );
    }
    if settings.strict && !report.is_clean() {
        return refuse(format!(
            "{} of {} tenant files are bad, and --strict was given; see the log, or `auth0-gateway check`",
            report.files - report.valid,
            report.files
        ));
    }
    if report.valid * 100 < report.files * usize::from(settings.min_valid) {
        return refuse(format!(
            "{} of {} tenant files are valid, which is less than --min-valid {}; see the log, or `auth0-gateway check`",
            report.valid, report.files, settings.min_valid
        ));
    }
    Ok(())
}

/// Reloads on every "look again".
fn follow(reloader: &Arc<Reloader>, mut changes: tokio::sync::watch::Receiver<u64>, shutdown: &Shutdown) {
    let (reloader, closing) = (Arc::clone(reloader), shutdown.closing().clone());
    shutdown.tracker().spawn(async move {
        tokio::select! {
            () = async {
                while changes.changed().await.is_ok() {
                    reloader.reload(Removals::Guarded).await;
                }
            } => {}
            () = closing.cancelled() => {}
        }
    });
}

type Ambient<'a> = (&'a Arc<dyn Clock>, &'a Arc<dyn Random>, &'a Arc<Metrics>);

fn services(
    settings: &ServeSettings,
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
        auth0,
        userinfo: userinfo::Caches::new(clock),
        sessions: session_store(&settings.sessions, (clock, random, metrics))?,
        refreshes: refresh::Refreshes::default(),
        clock: Arc::clone(clock),
        random: Arc::clone(random),
        metrics: Arc::clone(metrics),
        tasks,
    })
}

fn session_store(url: &str, (clock, random, metrics): Ambient<'_>) -> Result<Arc<dyn SessionStore>, StartError> {
    if url != "memory:" {
        let scheme = url.split(':').next().unwrap_or_default();
        return Err(StartError::Configuration(format!(
            "--sessions {scheme}: is not there yet; today sessions are kept in `memory:` alone"
        )));
    }
    let store = Arc::new(MemoryStore::new(Arc::clone(clock), mac_key(&**random)));
    Ok(Arc::new(ObservedStore::new(store, StoreBackend::Memory, Arc::clone(clock), Arc::clone(metrics))))
}

fn mac_key(random: &dyn Random) -> MacKey {
    let mut bytes = [0u8; 32];
    random.fill(&mut bytes);
    MacKey::new(&bytes)
}

fn sweep(services: &Arc<Services>, shutdown: &Shutdown) {
    let (services, closing) = (Arc::clone(services), shutdown.closing().clone());
    shutdown.tracker().spawn(async move {
        let mut every = tokio::time::interval(SWEEP_EVERY);
        loop {
            tokio::select! {
                _ = every.tick() => {
                    if let Err(error) = services.sessions.sweep().await {
                        tracing::warn!(%error, "sessions that are over could not be swept");
                    }
                }
                () = closing.cancelled() => return,
            }
        }
    });
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
    ServerContext { connection, max_connections, metrics: Arc::clone(metrics), shutdown: shutdown.clone() }
}

fn serve_public(
    listener: Listener,
    edge: PublicService,
    max_connections: usize,
    metrics: &Arc<Metrics>,
    shutdown: &Shutdown,
) {
    let edge = Arc::new(edge);
    let service = service_fn(move |request: Request<Incoming>| {
        let edge = Arc::clone(&edge);
        async move {
            let peer = match request.extensions().get::<ConnectionInfo>().map(|info| info.peer) {
                Some(Peer::Inet(address)) => Some(address.ip()),
                Some(Peer::Unix) | None => None,
            };
            Ok::<_, io::Error>(edge.answer(request, peer).await)
        }
    });
    shutdown.tracker().spawn(serve(listener, service, context(max_connections, metrics, shutdown)));
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
