//! A gateway and an emulated Auth0 of the bench's own, each in a process of its own: what one costs is then not mixed
//! with what the other costs, and one of them can be halted.
//!
//! The processes are this very program, started again with a hidden command; they end when this one does, since
//! their standard input ends then.

pub mod child;
mod process;
mod world;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tempfile::TempDir;

pub use process::{Process, Usage, usage};
pub use world::registry_of;

/// How the pair starts.
#[derive(Debug, Clone, Default)]
pub struct OwnOptions {
    /// Tenant files; where there are none, generated ones are written.
    pub tenants_dir: Option<PathBuf>,
    /// How many are generated.
    pub tenants: usize,
    /// Certificate and key, PEM: the gateway speaks TLS then.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// The gateway on the first core and everything else on the others.
    pub is_pinned: bool,
    /// Further flags of `auth0-gateway serve`.
    pub flags: Vec<String>,
}

/// The pair, until it is dropped.
#[derive(Debug)]
pub struct Own {
    /// The gateway.
    pub gateway: Process,
    /// The emulated Auth0.
    pub emulator: Process,
    /// Where the tenant files are.
    pub tenants_dir: PathBuf,
    /// Whether these are the bench's own, to be changed as it likes.
    pub has_generated_tenants: bool,
    /// Whether the gateway speaks TLS.
    pub speaks_tls: bool,
    _folder: TempDir,
}

/// What a child says when it serves.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Serving {
    pub(crate) bench_child: String,
    pub(crate) public: SocketAddr,
    pub(crate) ops: Option<SocketAddr>,
}

impl Own {
    /// Writes what has to be written and starts both.
    ///
    /// # Errors
    /// Where one of them does not come up, with its last words.
    pub fn start(options: &OwnOptions) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("a folder for the tenant files")?;
        let tenants_dir = if let Some(directory) = &options.tenants_dir {
            directory.clone()
        } else {
            let directory = folder.path().join("tenants.d");
            std::fs::create_dir(&directory)?;
            crate::population::write(&directory, options.tenants)?;
            directory
        };
        let on =
            |cores: &str| if options.is_pinned { vec!["--cores".to_owned(), cores.to_owned()] } else { Vec::new() };
        let tenants = path(&tenants_dir)?;
        let mut flags = vec!["child-emulator".to_owned(), "--tenants".to_owned(), tenants.clone()];
        flags.extend(on("1-"));
        let emulator = Process::start("the emulated Auth0", &flags)?;
        let base = format!("http://{}", emulator.public);
        let mut flags = vec!["child-gateway".to_owned(), "--emulator".to_owned(), base];
        flags.extend(on("0"));
        flags.extend(["--tenants".to_owned(), tenants, "--listen".to_owned(), "127.0.0.1:0".to_owned()]);
        flags.extend(["--ops-listen", "127.0.0.1:0", "--allow-upstream", "127.0.0.0/8"].map(str::to_owned));
        flags.extend(["--shutdown-delay", "0s"].map(str::to_owned));
        if let Some((certificate, key)) = &options.certificate {
            flags.extend(["--tls-cert".to_owned(), path(certificate)?, "--tls-key".to_owned(), path(key)?]);
        }
        for (flag, value) in [("--access-log", "off"), ("--sessions", "memory:")] {
            if !options.flags.iter().any(|given| given.starts_with(flag)) {
                flags.extend([flag, value].map(str::to_owned));
            }
        }
        flags.extend(options.flags.iter().cloned());
        let gateway = Process::start("the gateway", &flags)?;
        let (has_generated_tenants, speaks_tls) = (options.tenants_dir.is_none(), options.certificate.is_some());
        Ok(Self { gateway, emulator, tenants_dir, has_generated_tenants, speaks_tls, _folder: folder })
    }
}

fn path(path: &Path) -> anyhow::Result<String> {
    path.to_str().map(str::to_owned).with_context(|| format!("{}: not UTF-8", path.display()))
}
