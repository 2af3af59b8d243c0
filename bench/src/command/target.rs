//! The gateway that is loaded, and who calls it.

use std::collections::BTreeSet;
use std::net::ToSocketAddrs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use tempfile::TempDir;

use super::options::{LoadOptions, TargetOptions};
use crate::callers::{self, Caller};
use crate::load::Endpoint;
use crate::own::{self, Own, OwnOptions, Usage};
use crate::population;

/// Names that a made certificate may carry: each handshake sends them all.
const MOST_NAMES: usize = 200;

/// A gateway to load.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) endpoint: Endpoint,
    pub(super) callers: Vec<Caller>,
    /// The names of the tenants, where they are known.
    pub(super) tenants: Vec<Arc<str>>,
    pub(super) own: Option<Own>,
    pid: Option<u32>,
    /// One line for the report.
    pub(super) said: String,
    _certificate: Option<TempDir>,
}

impl Target {
    pub(super) fn open(
        options: &TargetOptions,
        load: &LoadOptions,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> anyhow::Result<Self> {
        let listed = options.callers.as_ref().map(|file| read_callers(file, environment)).transpose()?;
        match (&options.url, listed) {
            (Some(url), Some(callers)) => Self::running(url, options, load, callers),
            (_, listed) => Self::own(options, load, listed),
        }
    }

    fn running(
        url: &url::Url,
        options: &TargetOptions,
        load: &LoadOptions,
        callers: Vec<Caller>,
    ) -> anyhow::Result<Self> {
        ensure!(matches!(url.scheme(), "http" | "https"), "--url: http or https");
        let host = url.host_str().context("--url: a host")?.to_owned();
        let port = url.port_or_known_default().context("--url: a port")?;
        let address = (host.trim_matches(['[', ']']), port).to_socket_addrs()?.next();
        let address = address.with_context(|| format!("{host}: no address"))?;
        let tls = match url.scheme() {
            "https" => {
                let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())?;
                Some((Arc::new(trusting(options.ca_file.as_deref(), load.h2.is_some())?), name))
            }
            _ => None,
        };
        Ok(Self {
            endpoint: Endpoint { address, tls, http2: load.h2.is_some() },
            said: format!("{} callers at {url}", callers.len()),
            callers,
            tenants: Vec::new(),
            own: None,
            pid: options.gateway_pid,
            _certificate: None,
        })
    }

    fn own(options: &TargetOptions, load: &LoadOptions, listed: Option<Vec<Caller>>) -> anyhow::Result<Self> {
        let registry = match &options.tenants_dir {
            Some(directory) => own::registry_of(directory)?,
            None => population::registry(options.tenants),
        };
        let callers = listed.unwrap_or_else(|| callers::of_registry(&registry));
        let made = options.tls.then(|| certificate(&callers)).transpose()?;
        let own = Own::start(&OwnOptions {
            tenants_dir: options.tenants_dir.clone(),
            tenants: options.tenants,
            certificate: made.as_ref().map(|made| (made.file.clone(), made.key.clone())),
            is_pinned: options.pin,
            flags: options.gateway_flags.clone(),
        })?;
        if options.pin {
            own::child::leave_the_first_core()?;
        }
        let tls = match &made {
            Some(made) => {
                let config = config(RootOf::These(&made.file), load.h2.is_some())?;
                Some((Arc::new(config), ServerName::try_from(made.name.clone())?))
            }
            None => None,
        };
        let tenants = registry.tenants().iter().map(|tenant| tenant.name.as_str().into()).collect();
        Ok(Self {
            endpoint: Endpoint { address: own.gateway.public, tls, http2: load.h2.is_some() },
            said: format!("{} tenants", registry.tenants().len()),
            callers,
            tenants,
            own: Some(own),
            pid: None,
            _certificate: made.map(|made| made.folder),
        })
    }

    /// What the gateway has used so far, where it runs here.
    pub(super) fn usage(&self) -> Option<Usage> {
        match (&self.own, self.pid) {
            (Some(own), _) => own.gateway.usage(),
            (None, Some(pid)) => own::usage(pid),
            (None, None) => None,
        }
    }
}

fn read_callers(file: &Path, environment: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<Vec<Caller>> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    callers::from_yaml(&text, environment).with_context(|| file.display().to_string())
}

/// A certificate of our own making.
struct Made {
    folder: TempDir,
    file: PathBuf,
    key: PathBuf,
    name: String,
}

fn certificate(callers: &[Caller]) -> anyhow::Result<Made> {
    let names: BTreeSet<&str> = callers.iter().map(|caller| caller.host.as_str()).collect();
    if names.len() > MOST_NAMES {
        bail!("--tls makes one certificate for all hosts, and {} are more than {MOST_NAMES}", names.len());
    }
    let name = callers.first().map(|caller| caller.host.clone()).context("a caller")?;
    let made = rcgen::generate_simple_self_signed(names.into_iter().map(str::to_owned).collect::<Vec<_>>())?;
    let folder = tempfile::tempdir()?;
    let (file, key) = (folder.path().join("bench.crt"), folder.path().join("bench.key"));
    std::fs::write(&file, made.cert.pem())?;
    std::fs::write(&key, made.signing_key.serialize_pem())?;
    Ok(Made { folder, file, key, name })
}

/// Whom to believe.
enum RootOf<'a> {
    /// The certificates of this file alone.
    These(&'a Path),
    /// The system's.
    System,
}

fn trusting(ca_file: Option<&Path>, http2: bool) -> anyhow::Result<ClientConfig> {
    config(ca_file.map_or(RootOf::System, RootOf::These), http2)
}

fn config(roots: RootOf<'_>, http2: bool) -> anyhow::Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = match roots {
        RootOf::System => builder.with_platform_verifier()?.with_no_client_auth(),
        RootOf::These(file) => {
            let mut store = RootCertStore::empty();
            for certificate in CertificateDer::pem_file_iter(file)? {
                store.add(certificate?)?;
            }
            builder.with_root_certificates(store).with_no_client_auth()
        }
    };
    config.alpn_protocols = vec![if http2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
    Ok(config)
}
