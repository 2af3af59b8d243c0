//! A world to test in: gateway, emulated Auth0, files, clock, log.

mod client;
mod files;
pub mod redis;
mod visitor;

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use auth0_gateway::app::{Gateway, Parts};
use auth0_gateway::base::clock::{Clock, ManualClock};
use auth0_gateway::base::random::SystemRandom;
use auth0_gateway::emulator::{Emulator, EmulatorOptions, TenantHandle, World as Auth0World, sample_secret};
use auth0_gateway::server::shutdown::Signals;
use auth0_gateway::settings::ServeSettings;
use auth0_gateway::telemetry::log::Log;
use auth0_gateway::tenant::read::EmulatorOverride;
use auth0_gateway::watch::WatchTimes;
use clap::Parser;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use client::{Answer, Client, Request};
pub use files::{ACME, GLOBEX, INITECH, plain_tenant};
pub use visitor::Visitor;

/// Longer than any machine takes; a test that works never waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    settings: ServeSettings,
}

/// Everything a test needs. Dropped, it ends.
pub struct World {
    pub gateway: Gateway,
    pub emulator: Emulator,
    pub clock: Arc<ManualClock>,
    pub folder: tempfile::TempDir,
    pub log: Lines,
    log_guard: Option<Log>,
    client: Client,
    stop: CancellationToken,
    settings: ServeSettings,
    as_dev: bool,
}

/// A further gateway of a world, with the same files, flags, clock and log.
pub struct Replica {
    pub gateway: Gateway,
    client: Client,
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.gateway.shutdown.stop();
        self.gateway.shutdown.stop();
    }
}

impl Replica {
    /// A request of the client type on the host.
    pub fn request(&self, method: &str, path: &str, client_type: &str, host: &str) -> Request<'_> {
        self.client.public(method, path).header("client-type", client_type).header("x-forwarded-host", host)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.gateway.shutdown.stop();
        self.gateway.shutdown.stop();
        self.stop.cancel();
    }
}

/// How a world differs from the usual one.
pub struct WorldOptions<'a> {
    /// File names and texts.
    pub files: Vec<(&'a str, String)>,
    /// Further flags of `serve`.
    pub flags: Vec<&'a str>,
    /// As `dev`: files' `auth0:` and unset secrets are replaced.
    pub as_dev: bool,
}

impl World {
    /// The sample world, as `dev` serves it.
    pub async fn sample() -> Self {
        let files = vec![
            ("acme.yaml", ACME.to_owned()),
            ("globex.yaml", GLOBEX.to_owned()),
            ("initech.yaml", INITECH.to_owned()),
        ];
        Self::with(WorldOptions { files, flags: Vec::new(), as_dev: true }).await
    }

    /// One tenant file, written by the test; `BASE` in it is the emulator.
    pub async fn of(file: &str, text: &str) -> Self {
        Self::with(WorldOptions { files: vec![(file, text.to_owned())], flags: Vec::new(), as_dev: false }).await
    }

    pub async fn with(options: WorldOptions<'_>) -> Self {
        let clock = Arc::new(ManualClock::default());
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let emulator = EmulatorOptions {
            certificates: None,
            listen: ([127, 0, 0, 1], 0).into(),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            random: Arc::new(SystemRandom),
            world: Auth0World::sample(),
        };
        let emulator = Emulator::start(emulator, &tasks, stop.clone()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("tenants.d")).unwrap();
        std::fs::create_dir(folder.path().join("secrets")).unwrap();
        for (file, text) in &options.files {
            std::fs::write(folder.path().join("tenants.d").join(file), text.replace("BASE", &emulator.base())).unwrap();
        }
        let (tenants, secrets) = (folder.path().join("tenants.d"), folder.path().join("secrets"));
        let mut flags = vec![
            "gateway",
            "--listen",
            "127.0.0.1:0",
            "--ops-listen",
            "127.0.0.1:0",
            "--allow-upstream",
            "127.0.0.0/8",
        ];
        flags.extend([
            "--tenants",
            tenants.to_str().unwrap(),
            "--secrets-dir",
            secrets.to_str().unwrap(),
            "--shutdown-delay",
            "0s",
        ]);
        flags.extend(&options.flags);
        let settings = Command::parse_from(flags).settings;
        let log = Lines::default();
        let log_guard = Log::to(log.clone());
        let as_dev = options.as_dev;
        let parts = parts(&clock, &log_guard, as_dev.then(|| emulator.base()));
        let gateway = Gateway::start(&settings, parts).await.unwrap();
        let client = Client::new(gateway.public.unwrap(), gateway.ops.unwrap());
        Self { gateway, emulator, clock, folder, log, log_guard: Some(log_guard), client, stop, settings, as_dev }
    }

    /// Another gateway beside the first.
    pub async fn replica(&self) -> Replica {
        let log = self.log_guard.as_ref().unwrap();
        let parts = parts(&self.clock, log, self.as_dev.then(|| self.emulator.base()));
        let gateway = Gateway::start(&self.settings, parts).await.unwrap();
        let client = Client::new(gateway.public.unwrap(), gateway.ops.unwrap());
        Replica { gateway, client }
    }

    /// A request of the client type on the host.
    pub fn request(&self, method: &str, path: &str, client_type: &str, host: &str) -> Request<'_> {
        self.client.public(method, path).header("client-type", client_type).header("x-forwarded-host", host)
    }

    /// A request that says nothing of whose it is.
    pub fn bare(&self, method: &str, path: &str) -> Request<'_> {
        self.client.public(method, path)
    }

    /// A request to the operations listener.
    pub fn ops(&self, method: &str, path: &str) -> Request<'_> {
        self.client.ops(method, path)
    }

    /// A login by password.
    pub fn login(&self, client_type: &str, host: &str, username: &str, password: &str) -> Request<'_> {
        self.request("POST", "/oauth/token", client_type, host).form(&[
            ("grant_type", "password"),
            ("username", username),
            ("password", password),
        ])
    }

    /// The controls of an emulated tenant.
    pub fn auth0(&self, tenant: &str) -> TenantHandle {
        self.emulator.tenant(tenant)
    }

    /// Writes a tenant file as editors do: beside it, then over it.
    pub fn write(&self, file: &str, text: &str) {
        let folder = self.folder.path().join("tenants.d");
        std::fs::write(folder.join(".tmp"), text.replace("BASE", &self.emulator.base())).unwrap();
        std::fs::rename(folder.join(".tmp"), folder.join(file)).unwrap();
    }

    /// The path of a tenant file.
    pub fn path(&self, file: &str) -> std::path::PathBuf {
        self.folder.path().join("tenants.d").join(file)
    }

    /// The value of one series, as the exposition has it; 0 where there is none.
    pub async fn metric(&self, series: &str) -> u64 {
        let text = self.ops("GET", "/metrics").send().await.text();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map_or(0, |value| value.parse().unwrap())
    }

    /// Reloads at once, as an operator does.
    pub async fn reload(&self) -> Answer {
        self.ops("POST", "/-/reload").send().await
    }

    /// Looks at the files at once, and lets go whoever is gone from them.
    pub async fn accept_removals(&self) -> Answer {
        self.ops("POST", "/-/reload?accept=removals").send().await
    }

    /// The state of a file in `/tenants`.
    pub async fn state(&self, file: &str) -> String {
        let status = self.ops("GET", "/tenants").send().await.json();
        let files = status["files"].as_array().unwrap().clone();
        let found = files.iter().find(|known| known["file"] == file);
        found.map_or("gone".to_owned(), |known| known["state"].as_str().unwrap().to_owned())
    }

    /// Ends the gateway and gives every line it wrote.
    pub async fn end(mut self) -> String {
        let shutdown = self.gateway.shutdown.clone();
        shutdown.stop();
        shutdown.run(Signals::none().0).await;
        drop(self.log_guard.take());
        self.log.text()
    }
}

fn parts(clock: &Arc<ManualClock>, log: &Log, emulated: Option<String>) -> Parts {
    Parts {
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        random: Arc::new(SystemRandom),
        lines: log.lines(),
        watch: WatchTimes {
            quiet: Duration::from_millis(20),
            at_most: Duration::from_millis(200),
            poll: Duration::from_millis(500),
            poll_alone: Duration::from_millis(500),
        },
        emulator: emulated.map(|base| EmulatorOverride { base, secret: sample_secret }),
    }
}

/// Lines of a log, kept.
#[derive(Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Waits for what happens in its own time. The one place in these tests where time passes.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("never happened: {what}"));
}
