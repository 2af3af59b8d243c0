//! A gateway without sockets towards callers: every part real, the clock standing still, random bytes that repeat.

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use auth0_gateway::auth0::Auth0Client;
use auth0_gateway::auth0::address::AddressRules;
use auth0_gateway::auth0::transport::{Transport, TransportOptions};
use auth0_gateway::base::clock::{Clock, SystemClock};
use auth0_gateway::base::digest::MacKey;
use auth0_gateway::base::id::Host;
use auth0_gateway::base::random::{Random, SeededRandom};
use auth0_gateway::cache::discovery::Documents;
use auth0_gateway::cache::keyset::KeySets;
use auth0_gateway::edge::client_addr::TrustedProxies;
use auth0_gateway::edge::exchange::{Observer, UntrustedPeers};
use auth0_gateway::edge::service::{EdgeOptions, PublicService};
use auth0_gateway::flow::status::Readiness;
use auth0_gateway::flow::userinfo::{self, Credential};
use auth0_gateway::flow::{Call, Services, UpstreamTime, refresh};
use auth0_gateway::session::memory::MemoryStore;
use auth0_gateway::session::observed::ObservedStore;
use auth0_gateway::session::ring::KeyRing;
use auth0_gateway::telemetry::access::{AccessLog, AccessPolicy, PersonalData};
use auth0_gateway::telemetry::log::Log;
use auth0_gateway::telemetry::metrics::{Metrics, StoreBackend};
use auth0_gateway::tenant::load::Sources;
use auth0_gateway::tenant::lookup::Query;
use auth0_gateway::tenant::read::{Reader, ReaderOptions, Unset};
use auth0_gateway::tenant::reload::{ReloadOptions, Reloader, Removals};
use auth0_gateway::tenant::secrets::SecretSource;
use jiff::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_util::task::TaskTracker;

/// The key set of the tenant.
pub(crate) const JWKS: &str = include_str!("data/jwks.json");

/// An access token of it.
pub(crate) const TOKEN: &str = include_str!("data/token.jwt").trim_ascii();

/// The public host.
pub(crate) const HOST: &str = "app.acme.example";

const FILE: &str = r#"version: 1
auth0: { base_url: "BASE", issuer: "https://login.acme.example/" }
hosts: [app.acme.example]
default_client: web
clients:
  web:
    client_id: acme-web
    client_secret: s
    redirect_urls: ["https://{host}/callback"]
    login_urls: ["https://{host}/"]
    logout_urls: ["https://{host}/"]
    scopes: [openid, profile, email, offline_access, website]
    audience: https://api.acme.example
    grants: [authorization_code, refresh_token, password]
  api:
    client_id: acme-api
    client_secret: s
    scopes: [openid, profile, email, offline_access]
    audience: https://api.acme.example
    grants: [password, refresh_token]
"#;

/// An hour after the token's beginning, for ever.
#[derive(Debug)]
struct StandingClock(Instant);

impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        Timestamp::constant(1_767_229_200, 0)
    }

    fn instant(&self) -> Instant {
        self.0
    }
}

/// The gateway, and the runtime that its rare tasks run on.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) service: PublicService,
    runtime: Runtime,
    auth0: TcpListener,
    _log: Log,
}

impl World {
    /// One tenant, whose Auth0 is a port on loopback. Never taken down: each bench has a process of its own.
    pub(crate) fn new() -> &'static Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let auth0 = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).expect("a port");
        let base = format!("http://{}", auth0.local_addr().expect("an address"));
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("acme.yaml"), FILE.replace("BASE", &base)).expect("written");
        let log = Log::to(std::io::sink());
        let service = service(&log, folder.path());
        let report = runtime.block_on(service.reloader.reload(Removals::Accepted));
        assert!(report.is_clean() && report.valid == 1, "the tenant serves: {report:?}");
        Box::leak(Box::new(Self { service, runtime, auth0, _log: log }))
    }

    /// The same after the first use of the token.
    pub(crate) fn with_known_bearer() -> &'static Self {
        let world = Self::new();
        let call = world.call("api");
        let first = userinfo::run(&world.service.services, &call, Credential::Bearer(TOKEN));
        world.runtime.block_on(async {
            tokio::select! {
                answer = first => drop(answer.expect("the token counts")),
                () = serve_keys(&world.auth0) => {}
            }
        });
        world
    }

    /// Whose a request of that client type is.
    pub(crate) fn call(&self, client_type: &str) -> Call {
        let host = Host::parse(HOST).expect("a host");
        let query = Query { host: &host, client_type: Some(client_type), client_id: None };
        let resolved = self.service.registry.load().resolve(&query).expect("the tenant is there");
        Call {
            tenant: resolved.tenant,
            client: resolved.client,
            host,
            address: None,
            upstream: UpstreamTime::default(),
        }
    }
}

/// Runs what waits for nobody: one poll, no runtime.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("it waits for something, and so is no matter of instructions alone"),
    }
}

/// Answers every request with the key set.
async fn serve_keys(listener: &TcpListener) {
    while let Ok((mut socket, _)) = listener.accept().await {
        let mut request = [0; 4096];
        let head = socket.read(&mut request).await.expect("a request");
        assert!(request[..head].starts_with(b"GET /.well-known/jwks.json "), "only keys are asked for");
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{JWKS}",
            JWKS.len()
        );
        socket.write_all(answer.as_bytes()).await.expect("answered");
    }
}

fn service(log: &Log, tenants: &Path) -> PublicService {
    let clock: Arc<dyn Clock> = Arc::new(StandingClock(SystemClock.instant()));
    let random: Arc<dyn Random> = Arc::new(SeededRandom::new(1));
    let metrics = Arc::new(Metrics::new(1000).expect("metrics"));
    let services = services(&clock, &random, &metrics);
    let reloader = reloader(tenants, &metrics, &clock);
    let personal = PersonalData::Hashed(Arc::new(MacKey::new(&[1; 32])));
    PublicService {
        services: Arc::new(services),
        registry: reloader.handle(),
        reloader: Arc::new(reloader),
        options: EdgeOptions {
            trusted: TrustedProxies::new(Vec::new()),
            prefix: "".into(),
            plain_cookies_on_loopback: false,
        },
        observer: Observer {
            metrics,
            log: AccessLog::new(AccessPolicy::All, personal, log.lines()),
            clock,
            random,
            untrusted: UntrustedPeers::default(),
        },
        readiness: Readiness::new(|| true),
    }
}

fn services(clock: &Arc<dyn Clock>, random: &Arc<dyn Random>, metrics: &Arc<Metrics>) -> Services {
    let addresses = AddressRules::new(vec!["127.0.0.0/8".parse().expect("a network")]);
    let transport = Transport::new(TransportOptions { addresses, ca_file: None }).expect("a transport");
    let auth0 = Auth0Client::new(transport, Arc::clone(metrics), Arc::clone(clock), Arc::clone(random));
    let tasks = TaskTracker::new();
    let sessions = Arc::new(MemoryStore::new(Arc::clone(clock), MacKey::new(&[2; 32])));
    let sessions = ObservedStore::new(sessions, StoreBackend::Memory, Arc::clone(clock), Arc::clone(metrics));
    Services {
        keys: KeySets::new(auth0.clone(), Arc::clone(metrics), Arc::clone(clock), tasks.clone()),
        discovery: Documents::new(auth0.clone(), Arc::clone(metrics), Arc::clone(clock), tasks.clone()),
        auth0,
        userinfo: userinfo::Caches::new(clock),
        ring: Arc::new(KeyRing::generate(&**random)),
        sessions: Arc::new(sessions),
        refreshes: refresh::Refreshes::default(),
        clock: Arc::clone(clock),
        random: Arc::clone(random),
        metrics: Arc::clone(metrics),
        tasks,
    }
}

fn reloader(tenants: &Path, metrics: &Arc<Metrics>, clock: &Arc<dyn Clock>) -> Reloader {
    let options = ReloadOptions {
        sources: Sources { directories: vec![tenants.to_owned()], defaults: None },
        max_removed: 100,
        metrics_tenants: 1000,
    };
    let secrets = SecretSource { directory: None, prefixes: Vec::new(), environment: Arc::new(|_| None) };
    let allow_upstream = vec!["127.0.0.0/8".parse().expect("a network")];
    let reader = Reader::new(ReaderOptions { secrets, unset: Unset::Error, allow_upstream, emulator: None });
    Reloader::new(options, reader, Arc::clone(metrics), Arc::clone(clock))
}
