//! `dev`: the gateway, the emulated Auth0 and the sample world, on loopback, with nothing to configure.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use ipnet::IpNet;

use super::serve::{exit_of, log, refuse};
use super::{Exit, complain, emulator, runtime, say};
use crate::app::{Gateway, Parts};
use crate::emulator::{Emulator, sample_secret};
use crate::server::shutdown::{Shutdown, ShutdownTimes, Signals};
use crate::settings::{ServeSettings, environment};
use crate::telemetry::log::LogFormat;
use crate::tenant::read::EmulatorOverride;

/// The sample world of `tenants.d/`, for a binary that stands alone.
const SAMPLES: [(&str, &str); 3] = [
    ("acme.yaml", include_str!("../../tenants.d/acme.yaml")),
    ("globex.yaml", include_str!("../../tenants.d/globex.yaml")),
    ("initech.yaml", include_str!("../../tenants.d/initech.yaml")),
];

/// Serve the sample world.
#[derive(Debug, Args)]
pub struct Dev {
    #[command(flatten)]
    settings: ServeSettings,
    /// An emulator that runs already, in place of one of its own.
    #[arg(long, value_name = "URL")]
    emulator: Option<String>,
    /// Where its own emulator listens.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4400")]
    emulator_listen: SocketAddr,
    /// Let it listen beyond loopback: whoever reaches it logs in as anybody.
    #[arg(long = "allow-public-dev")]
    allow_public: bool,
}

/// Serves until interrupted.
pub fn run(dev: Dev) -> Exit {
    let Dev { settings, emulator, emulator_listen, allow_public } = dev;
    let mut settings = match settings.with_old_names(&environment) {
        Ok(settings) => settings,
        Err(error) => return complain(&error, Exit::Configuration),
    };
    settings.listen.get_or_insert_with(|| "127.0.0.1:8080".to_owned());
    settings.shutdown_delay.get_or_insert(Duration::ZERO);
    settings.sessions.get_or_insert_with(|| "memory:".to_owned());
    settings.allow_upstream.extend(loopback());
    if !allow_public && [settings.public_address(), &settings.ops_listen].iter().any(|address| !is_loopback(address)) {
        return complain("dev listens on loopback alone, unless --allow-public-dev is given", Exit::Configuration);
    }
    let samples = match samples(&mut settings) {
        Ok(samples) => samples,
        Err(error) => return complain(&format!("the sample world cannot be written: {error}"), Exit::Failed),
    };
    let log = match log(&settings, LogFormat::Text) {
        Ok(log) => log,
        Err(error) => return complain(&error, Exit::Configuration),
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&format!("no runtime: {error}"), Exit::Failed),
    };
    let exit = runtime.block_on(async {
        let own = Shutdown::new(ShutdownTimes { delay: Duration::ZERO, grace: Duration::ZERO });
        let base = match emulator {
            Some(base) => base,
            None => match Emulator::start(emulator::options(emulator_listen), own.tracker(), own.closing().clone())
                .await
            {
                Ok(emulator) => emulator.base(),
                Err(error) => return complain(&format!("the emulator at {emulator_listen}: {error}"), Exit::Failed),
            },
        };
        let (signals, reloads) = match Signals::install() {
            Ok(installed) => installed,
            Err(error) => return complain(&format!("no signals: {error}"), Exit::Failed),
        };
        let parts = Parts {
            emulator: Some(EmulatorOverride { base: base.clone(), secret: sample_secret }),
            ..Parts::real(log.lines())
        };
        match Gateway::start(&settings, parts).await {
            Ok(gateway) => {
                let public =
                    gateway.public.map_or_else(|| settings.public_address().to_owned(), |address| address.to_string());
                let ops = gateway.ops.map_or_else(|| settings.ops_listen.clone(), |address| address.to_string());
                let tenants = settings.tenants.first().cloned().unwrap_or_default();
                say(&welcome(&public, &ops, &base, &tenants), Exit::Good);
                exit_of(gateway.run(signals, reloads).await)
            }
            Err(error) => refuse(error),
        }
    });
    runtime.shutdown_background();
    drop(samples);
    exit
}

fn loopback() -> Vec<IpNet> {
    let networks = [
        IpNet::new(std::net::Ipv4Addr::new(127, 0, 0, 0).into(), 8),
        IpNet::new(std::net::Ipv6Addr::LOCALHOST.into(), 128),
    ];
    networks.into_iter().flatten().collect()
}

fn is_loopback(address: &str) -> bool {
    address.parse::<crate::server::ListenAddr>().is_ok_and(|address| address.is_loopback())
}

/// A folder of samples that goes when `dev` ends.
struct Samples(PathBuf);

impl Drop for Samples {
    fn drop(&mut self) {
        // Left behind, it is a few kilobytes in the folder for such things.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Where there is no `tenants.d`, the sample world is written to a folder of its own, so that it can be
/// broken and mended there too.
fn samples(settings: &mut ServeSettings) -> std::io::Result<Option<Samples>> {
    if settings.tenants != [PathBuf::from("tenants.d")] || Path::new("tenants.d").exists() {
        return Ok(None);
    }
    let folder = std::env::temp_dir().join(format!("auth0-gateway-dev-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    for (file, text) in SAMPLES {
        std::fs::write(folder.join(file), text)?;
    }
    settings.tenants = vec![folder.clone()];
    Ok(Some(Samples(folder)))
}

fn welcome(public: &str, ops: &str, emulator: &str, tenants: &Path) -> String {
    let tenants = tenants.display();
    let port = public.rsplit(':').next().unwrap_or_default();
    format!(
        "
auth0-gateway dev: http://{public}   operations: http://{ops}   emulated Auth0: {emulator}

Log in (tokens):

  curl --request POST http://{public}/oauth/token --header 'client-type: api' --header 'x-forwarded-host: app.acme.localhost' \\
    --data-urlencode grant_type=password --data-urlencode username=user@acme.example --data-urlencode password=Passw0rd-prod \\
    --data-urlencode connection=Username-Password-Production

Log in (a session), ask who it is, log out:

  curl --cookie-jar /tmp/acme.jar --request POST http://{public}/oauth/token --header 'client-type: web' --header 'x-forwarded-host: app.acme.localhost' \\
    --data-urlencode grant_type=password --data-urlencode username=user@acme.example --data-urlencode password=Passw0rd-prod
  curl --cookie /tmp/acme.jar http://{public}/userinfo --header 'client-type: web' --header 'x-forwarded-host: app.acme.localhost'
  curl --cookie /tmp/acme.jar --request POST http://{public}/logout --header 'client-type: web' --header 'x-forwarded-host: app.acme.localhost'

Log in with a browser (the same user and password; it comes back to /, where your application would be), and look:

  http://app.acme.localhost:{port}/authorize
  http://app.acme.localhost:{port}/userinfo
  http://app.acme.localhost:{port}/logout

Break {tenants}/globex.yaml and watch: acme serves on, globex serves its last good version:

  cp {tenants}/globex.yaml /tmp/globex.yaml; echo 'hosts: [' >> {tenants}/globex.yaml
  curl http://{ops}/tenants
  cp /tmp/globex.yaml {tenants}/globex.yaml

"
    )
}
