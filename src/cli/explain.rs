//! `explain`: which tenant, client and connection a request gets, from the files alone.

use std::path::PathBuf;

use clap::Args;
use std::sync::Arc;

use super::{Exit, complain, say};
use crate::base::id::Host;
use crate::settings::environment;
use crate::tenant::apply::{self, RemovalGuard, State};
use crate::tenant::explain;
use crate::tenant::load::{self, Sources};
use crate::tenant::read::{Reader, ReaderOptions, Unset};
use crate::tenant::secrets::SecretSource;

/// Explain a request.
#[derive(Debug, Args)]
pub struct Explain {
    /// The host that the user asks for.
    #[arg(long)]
    host: String,
    /// What `client-type` says.
    #[arg(long, value_name = "T")]
    client_type: Option<String>,
    /// What `connection` says.
    #[arg(long, value_name = "C")]
    connection: Option<String>,
    /// A directory of tenant files.
    #[arg(long, env = "AUTH0_GATEWAY_TENANTS", value_name = "DIR", value_delimiter = ',', default_value = "tenants.d")]
    tenants: Vec<PathBuf>,
    /// The file that lies under every tenant file.
    #[arg(long, env = "AUTH0_GATEWAY_DEFAULTS", value_name = "FILE")]
    defaults: Option<PathBuf>,
}

/// Explains.
pub fn run(command: &Explain) -> Exit {
    let Ok(host) = Host::parse(&command.host) else { return complain("--host is no host", Exit::Configuration) };
    let secrets = SecretSource { directory: None, prefixes: Vec::new(), environment: Arc::new(environment) };
    // Where a tenant is does not matter to whose a request is.
    let everywhere = ["0.0.0.0/0", "::/0"].iter().filter_map(|network| network.parse().ok()).collect();
    let reader = Reader::new(ReaderOptions { secrets, unset: Unset::Note, allow_upstream: everywhere, emulator: None });
    let sources = Sources { directories: command.tenants.clone(), defaults: command.defaults.clone() };
    let loaded = load::load(&sources, &reader, &State::default());
    if let Some(why) = loaded.unreadable {
        return complain(&why, Exit::Configuration);
    }
    let guard = RemovalGuard { at_most: 100, at_least: 0, accepted: true };
    let (state, _) = apply::apply(&State::default(), loaded.listing, guard, jiff::Timestamp::UNIX_EPOCH);
    let explanation =
        explain::explain(&state.registry(), &host, command.client_type.as_deref(), command.connection.as_deref());
    let exit = if explanation.found { Exit::Good } else { Exit::Findings };
    say(&explanation.to_string(), exit)
}
