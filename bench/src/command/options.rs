//! Flags.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::scenario::{TokenUse, Weights};

/// The scenarios.
#[derive(Debug, Subcommand)]
pub enum Scenario {
    /// `POST /oauth/token`: the password, refresh or `client_credentials` grant.
    Token {
        /// Which grant.
        #[arg(long, value_enum, default_value_t = Grant::Password)]
        grant: Grant,
        /// As all have them.
        #[command(flatten)]
        all: Options,
    },
    /// `GET /userinfo` by session cookie.
    UserinfoSession {
        /// As all have them.
        #[command(flatten)]
        all: Options,
    },
    /// `GET /userinfo` by bearer.
    UserinfoBearer {
        /// As all have them.
        #[command(flatten)]
        all: Options,
    },
    /// `GET /authorize`, up to the redirect.
    Authorize {
        /// As all have them.
        #[command(flatten)]
        all: Options,
    },
    /// `POST /logout`, each of a session opened for it.
    Logout {
        /// As all have them.
        #[command(flatten)]
        all: Options,
    },
    /// All of it at once, by weight.
    Mixed {
        /// Operations and how often each is done.
        #[arg(
            long,
            value_name = "OPERATION=WEIGHT,…",
            default_value = "userinfo-session=60,userinfo-bearer=25,token-password=5,token-refresh=5,token-client-credentials=1,authorize=3,logout=1"
        )]
        mix: Weights,
        /// As all have them.
        #[command(flatten)]
        all: Options,
    },
    /// Tenant files change under load: quiet rounds, rounds with one change after another, rounds in which every file
    /// changes. Starts its own gateway.
    Reload {
        /// What the load is meanwhile.
        #[arg(long, value_name = "OPERATION=WEIGHT,…", default_value = "userinfo-session=1")]
        mix: Weights,
        /// Between two changes of one file.
        #[arg(long, value_name = "DURATION", default_value = "500ms", value_parser = humantime::parse_duration)]
        every: Duration,
        /// As all have them.
        #[command(flatten)]
        all: Options,
    },
    /// Many refreshes of one session at the same moment.
    Storm {
        /// Refreshes at once.
        #[arg(long, value_name = "N", default_value_t = 100)]
        refreshes: usize,
        /// How often.
        #[arg(long, value_name = "N", default_value_t = 20)]
        storms: usize,
        /// As all have them.
        #[command(flatten)]
        all: Options,
    },
}

impl Scenario {
    /// The name it is called by.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Token { .. } => "token",
            Self::UserinfoSession { .. } => "userinfo-session",
            Self::UserinfoBearer { .. } => "userinfo-bearer",
            Self::Authorize { .. } => "authorize",
            Self::Logout { .. } => "logout",
            Self::Mixed { .. } => "mixed",
            Self::Reload { .. } => "reload",
            Self::Storm { .. } => "storm",
        }
    }

    /// The flags that all scenarios have.
    pub fn options(&self) -> &Options {
        match self {
            Self::Token { all, .. }
            | Self::UserinfoSession { all }
            | Self::UserinfoBearer { all }
            | Self::Authorize { all }
            | Self::Logout { all }
            | Self::Mixed { all, .. }
            | Self::Reload { all, .. }
            | Self::Storm { all, .. } => all,
        }
    }
}

/// The grant of `token`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Grant {
    /// A user's name and password.
    Password,
    /// A refresh token; each comes from the answer before it where they rotate.
    Refresh,
    /// A machine's own.
    ClientCredentials,
}

/// The flags that all scenarios have.
#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    pub(super) target: TargetOptions,
    #[command(flatten)]
    pub(super) load: LoadOptions,
    #[command(flatten)]
    pub(super) output: OutputOptions,
}

/// Which gateway, and who calls.
#[derive(Debug, Args)]
#[command(next_help_heading = "The gateway and its callers")]
pub(super) struct TargetOptions {
    /// A gateway that runs already. Without it the bench starts one, with an emulated Auth0.
    #[arg(long, value_name = "URL", requires = "callers")]
    pub(super) url: Option<url::Url>,
    /// Who calls, as `bench callers` writes it.
    #[arg(long, value_name = "FILE")]
    pub(super) callers: Option<PathBuf>,
    /// Your own tenant files: every client of theirs calls, and logs in to an emulated Auth0.
    #[arg(long, value_name = "DIR", conflicts_with = "url")]
    pub(super) tenants_dir: Option<PathBuf>,
    /// Generated tenants, where there are no files.
    #[arg(long, value_name = "N", default_value_t = 100, conflicts_with_all = ["url", "tenants_dir"])]
    pub(super) tenants: usize,
    /// How unevenly callers call: the k-th as often as k to the power of minus this. 0: all alike.
    #[arg(long, value_name = "EXPONENT", default_value_t = 1.0, value_parser = not_negative)]
    pub(super) zipf: f64,
    /// The gateway's process, for its time on a core, where `--url` is on this machine.
    #[arg(long, value_name = "PID", requires = "url")]
    pub(super) gateway_pid: Option<u32>,
    /// Certificate authorities in PEM that the gateway's certificate comes from, in place of the system's.
    #[arg(long, value_name = "FILE", requires = "url")]
    pub(super) ca_file: Option<PathBuf>,
    /// Own gateway: TLS, with a certificate made for it.
    #[arg(long, conflicts_with = "url")]
    pub(super) tls: bool,
    /// Own gateway: alone on the first core, everything else on the others.
    #[arg(long, conflicts_with = "url")]
    pub(super) pin: bool,
    /// Own gateway: halt it for so long in the middle of the run, and see whether the figures show it.
    #[arg(long, value_name = "DURATION", conflicts_with = "url", value_parser = humantime::parse_duration)]
    pub(super) halt: Option<Duration>,
    /// Own gateway: a further flag of `auth0-gateway serve`, such as `--gateway-flag=--access-log=all`.
    #[arg(long = "gateway-flag", value_name = "FLAG", conflicts_with = "url")]
    pub(super) gateway_flags: Vec<String>,
}

/// How much.
#[derive(Debug, Args)]
#[command(next_help_heading = "The load")]
pub(super) struct LoadOptions {
    /// Requests a second, sent when they are due whatever the answers do; latency counts from then.
    #[arg(long, value_name = "PER_SECOND", default_value_t = 1000.0, value_parser = positive, conflicts_with = "closed")]
    pub(super) rate: f64,
    /// As fast as answers come: finds the limit, hides stalls.
    #[arg(long)]
    pub(super) closed: bool,
    /// Connections.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = at_least_one)]
    pub(super) connections: usize,
    /// HTTP/2, with so many requests at once on each connection.
    #[arg(long, value_name = "STREAMS", num_args = 0..=1, default_missing_value = "8", value_parser = at_least_one)]
    pub(super) h2: Option<usize>,
    /// How long, after the warm-up.
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = humantime::parse_duration)]
    pub(super) duration: Duration,
    /// How long before anything counts.
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = humantime::parse_duration)]
    pub(super) warm_up: Duration,
    /// Into how many rounds the duration is cut: a comparison looks at all of them.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = at_least_one)]
    pub(super) rounds: usize,
    /// Threads that send.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    pub(super) threads: usize,
    /// When a request is given up.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = humantime::parse_duration)]
    pub(super) timeout: Duration,
    /// How bearers are used.
    #[arg(long, value_enum, default_value_t = TokenUse::Many)]
    pub(super) tokens: TokenUse,
    /// Sessions, bearers and refresh tokens that are made before the run.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = at_least_one)]
    pub(super) pool: usize,
    /// What all choices are drawn from.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) seed: u64,
}

/// What becomes of the figures.
#[derive(Debug, Args)]
#[command(next_help_heading = "The figures")]
pub(super) struct OutputOptions {
    /// Save them.
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// Draw the latency distribution.
    #[arg(long, value_name = "FILE")]
    pub(super) svg: Option<PathBuf>,
    /// Compare with figures that were saved; exit code 1 where something is slower.
    #[arg(long, value_name = "BASELINE.json")]
    pub(super) compare: Option<PathBuf>,
    /// What ratio is no difference.
    #[arg(long, value_name = "SHARE", default_value_t = 0.1, value_parser = not_negative)]
    pub(super) tolerance: f64,
    /// No progress.
    #[arg(long)]
    pub(super) quiet: bool,
}

fn positive(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "a number".to_owned())?;
    if number.is_finite() && number > 0.0 { Ok(number) } else { Err("a number above 0".to_owned()) }
}

fn not_negative(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "a number".to_owned())?;
    if number.is_finite() && number >= 0.0 { Ok(number) } else { Err("a number from 0".to_owned()) }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "a whole number from 1".to_owned())
}
