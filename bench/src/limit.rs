//! The least that could answer: bare hyper on one thread, without logs, metrics, limits or time-outs. What the gateway
//! costs beyond these is its own. `bench/peers/run` starts them.

mod answers;
mod keys;
mod redirect;
mod server;
mod upstream;
mod verify;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use http::Uri;

/// What to be.
#[derive(Debug, Args)]
pub(crate) struct Limit {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Write a new key, tokens of it and answers into a folder: what the others are started with.
    Keys {
        folder: PathBuf,
        /// How many access tokens.
        #[arg(long, default_value_t = 3_000)]
        tokens: usize,
    },
    /// Answer everything with one profile, and look at no header.
    Userinfo(Serving),
    /// Answer everything with a redirect that has the query rewritten.
    Redirect(Serving),
    /// The tenant's side: tokens by path (`/plain`, `/openid`, `/web`), profiles, keys.
    Upstream(Serving),
    /// Pass everything on.
    Proxy {
        #[command(flatten)]
        serving: Serving,
        /// Scheme and authority of the upstream.
        #[arg(long)]
        upstream: Uri,
    },
    /// Microseconds for one RS256 signature by a key that was parsed beforehand.
    Verify {
        folder: PathBuf,
        /// How many signatures.
        #[arg(long, default_value_t = 20_000)]
        signatures: u32,
    },
}

#[derive(Debug, Args)]
struct Serving {
    /// Where to listen.
    #[arg(long)]
    listen: SocketAddr,
    /// What `keys` wrote.
    #[arg(long)]
    folder: PathBuf,
}

impl Limit {
    /// Writes, measures, or serves until it is killed.
    pub(crate) fn run(self) -> io::Result<String> {
        match self.what {
            What::Keys { folder, tokens } => keys::write(&folder, tokens),
            What::Userinfo(serving) => server::fixed(serving.listen, answers::json(&serving.folder, "userinfo.json")?),
            What::Redirect(serving) => redirect::serve(serving.listen),
            What::Upstream(serving) => upstream::serve(serving.listen, &serving.folder),
            What::Proxy { serving, upstream } => upstream::proxy(serving.listen, &upstream),
            What::Verify { folder, signatures } => verify::measure(&folder, signatures),
        }
    }
}
