//! What the process is told by flags and environment variables.
//!
//! A flag beats a variable `AUTH0_GATEWAY_…`, which beats the original service's name, which beats
//! the default. This and `cli` are the only places that read the environment.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use ipnet::IpNet;

use crate::edge::client_addr::PRIVATE;

/// What `serve` and `dev` take.
#[derive(Debug, Clone, Args)]
pub struct ServeSettings {
    /// Where callers come in: `host:port`, `[::]:port` or `unix:PATH`.
    #[arg(long, env = "AUTH0_GATEWAY_LISTEN", value_name = "ADDRESS", help_heading = "Listeners")]
    pub listen: Option<String>,
    /// Where metrics, probes, `/tenants`, `/explain` and `/-/reload` are.
    #[arg(
        long,
        env = "AUTH0_GATEWAY_OPS_LISTEN",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:9464",
        help_heading = "Listeners"
    )]
    pub ops_listen: String,
    /// Further `Host` values that the operations listener answers to.
    #[arg(
        long,
        env = "AUTH0_GATEWAY_OPS_HOSTS",
        value_name = "HOST",
        value_delimiter = ',',
        help_heading = "Listeners"
    )]
    pub ops_hosts: Vec<String>,
    /// A file with the token that callers beyond loopback show for everything but metrics and probes.
    #[arg(long, env = "AUTH0_GATEWAY_OPS_TOKEN", value_name = "FILE", help_heading = "Listeners")]
    pub ops_token: Option<PathBuf>,
    /// A certificate for the public listener, PEM with its chain. With several, each `--tls-cert` has its `--tls-key`,
    /// the name asked for chooses, and the first answers where none fits. Read again when it changes.
    #[arg(
        long,
        env = "AUTH0_GATEWAY_TLS_CERT",
        value_name = "FILE",
        value_delimiter = ',',
        help_heading = "Listeners"
    )]
    pub tls_cert: Vec<PathBuf>,
    /// The certificate's private key, PEM.
    #[arg(long, env = "AUTH0_GATEWAY_TLS_KEY", value_name = "FILE", value_delimiter = ',', help_heading = "Listeners")]
    pub tls_key: Vec<PathBuf>,
    /// The most connections open at once; more wait in the kernel's queue.
    #[arg(
        long,
        env = "AUTH0_GATEWAY_MAX_CONNECTIONS",
        value_name = "N",
        default_value_t = 10_000,
        help_heading = "Listeners"
    )]
    pub max_connections: usize,
    /// A path before every public endpoint: `/auth` makes `/auth/oauth/token`.
    #[arg(long, env = "AUTH0_GATEWAY_SERVICE_PREFIX", value_name = "PATH", help_heading = "Listeners")]
    pub service_prefix: Option<String>,
    /// Proxies whose `X-Forwarded-*` count, beside loopback; `private` is every private network.
    #[arg(long = "trusted-proxy", env = "AUTH0_GATEWAY_TRUSTED_PROXY", value_name = "CIDR|private", value_delimiter = ',',
          value_parser = parse_networks, help_heading = "Listeners")]
    pub trusted_proxies: Vec<Networks>,

    /// A directory of tenant files. May be given more than once.
    #[arg(
        long,
        env = "AUTH0_GATEWAY_TENANTS",
        value_name = "DIR",
        value_delimiter = ',',
        default_value = "tenants.d",
        help_heading = "Tenants"
    )]
    pub tenants: Vec<PathBuf>,
    /// The file that lies under every tenant file. [default: `_defaults.yaml` in the first directory]
    #[arg(long, env = "AUTH0_GATEWAY_DEFAULTS", value_name = "FILE", help_heading = "Tenants")]
    pub defaults: Option<PathBuf>,
    /// Where `{ file: NAME }` is looked up. Nothing outside of it is ever read.
    #[arg(long, env = "AUTH0_GATEWAY_SECRETS_DIR", value_name = "DIR", help_heading = "Tenants")]
    pub secrets_dir: Option<PathBuf>,
    /// Prefixes that `{ env: NAME }` may begin with, beside the tenant's own name.
    #[arg(
        long = "secrets-env-prefix",
        env = "AUTH0_GATEWAY_SECRETS_ENV_PREFIX",
        value_name = "PREFIX",
        value_delimiter = ',',
        help_heading = "Tenants"
    )]
    pub secrets_env_prefixes: Vec<String>,
    /// Refuse to start while any tenant file is bad.
    #[arg(long, env = "AUTH0_GATEWAY_STRICT", help_heading = "Tenants")]
    pub strict: bool,
    /// Refuse to start, and to be ready, while less than this share of the files is valid, in percent.
    #[arg(long, env = "AUTH0_GATEWAY_MIN_VALID", value_name = "PERCENT", default_value_t = 50, value_parser = clap::value_parser!(u8).range(0..=100), help_heading = "Tenants")]
    pub min_valid: u8,
    /// A reload that would remove more than this share of the tenants holds the removals, in percent.
    #[arg(long, env = "AUTH0_GATEWAY_MAX_REMOVED", value_name = "PERCENT", default_value_t = 25, value_parser = clap::value_parser!(u8).range(0..=100), help_heading = "Tenants")]
    pub max_removed: u8,

    /// Networks, beside public ones, in which an Auth0 tenant may be; plain http goes only there.
    #[arg(
        long = "allow-upstream",
        env = "AUTH0_GATEWAY_ALLOW_UPSTREAM",
        value_name = "CIDR",
        value_delimiter = ',',
        help_heading = "Auth0"
    )]
    pub allow_upstream: Vec<IpNet>,
    /// Further certificate authorities that a tenant's certificate may come from, PEM. For `rediss://` the only ones.
    #[arg(long, env = "AUTH0_GATEWAY_CA_FILE", value_name = "FILE", help_heading = "Auth0")]
    pub ca_file: Option<PathBuf>,

    /// Where sessions are kept: `file:PATH` (in a directory that exists; for one gateway), `memory:`, or with
    /// --session-keys `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]`, `rediss://…` (TLS),
    /// `redis-sentinel://HOST,HOST/NAME`, `redis-cluster://HOST,HOST`, each with `?prefix=`.
    /// [default: a file in `$STATE_DIRECTORY` or `/var/lib/auth0-gateway`; `dev`: `memory:`]
    #[arg(long, env = "AUTH0_GATEWAY_SESSIONS", hide_env_values = true, value_name = "URL", help_heading = "Sessions")]
    pub sessions: Option<String>,

    /// Keys that seal sessions and what browsers carry, one a line (`openssl rand -base64 32`): the first seals, all
    /// open. Read again when it changes. Replicas share it. [default: made beside the file of the sessions; with
    /// `memory:`, a key that ends with the process]
    #[arg(long, env = "AUTH0_GATEWAY_SESSION_KEYS", value_name = "FILE", help_heading = "Sessions")]
    pub session_keys: Option<PathBuf>,

    /// Which requests leave an access line: `all`, `errors`, `off` or `1/N`.
    #[arg(
        long,
        env = "AUTH0_GATEWAY_ACCESS_LOG",
        value_name = "WHICH",
        default_value = "all",
        help_heading = "Telemetry"
    )]
    pub access_log: String,
    /// Show addresses and e-mails in logs as they are, and not as keyed hashes.
    #[arg(long, env = "AUTH0_GATEWAY_LOG_PERSONAL_DATA", help_heading = "Telemetry")]
    pub log_personal_data: bool,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    #[arg(long, env = "AUTH0_GATEWAY_LOG_LEVEL", value_name = "LEVEL", help_heading = "Telemetry")]
    pub log_level: Option<String>,
    /// How many tenants have a metric label of their own; the rest is `other`.
    #[arg(
        long,
        env = "AUTH0_GATEWAY_METRICS_TENANTS",
        value_name = "N",
        default_value_t = 500,
        help_heading = "Telemetry"
    )]
    pub metrics_tenants: usize,

    /// How long readiness says no before the listeners close. [default: 10s; `dev`: 0s]
    #[arg(long, env = "AUTH0_GATEWAY_SHUTDOWN_DELAY", value_name = "DURATION", value_parser = humantime::parse_duration, help_heading = "Shutdown")]
    pub shutdown_delay: Option<Duration>,
    /// How long requests under way may take then.
    #[arg(long, env = "AUTH0_GATEWAY_SHUTDOWN_GRACE", value_name = "DURATION", default_value = "15s", value_parser = humantime::parse_duration, help_heading = "Shutdown")]
    pub shutdown_grace: Duration,
}

/// One value of `--trusted-proxy`: a network, or all private ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Networks(pub Vec<IpNet>);

fn parse_networks(text: &str) -> Result<Networks, String> {
    if text == "private" {
        return PRIVATE
            .iter()
            .map(|network| network.parse())
            .collect::<Result<_, _>>()
            .map(Networks)
            .map_err(|error| format!("{error}"));
    }
    let single = text.parse::<std::net::IpAddr>().map(IpNet::from);
    let network = text.parse::<IpNet>().or(single);
    network
        .map(|network| Networks(vec![network]))
        .map_err(|_| "expected a network such as 10.0.0.0/8, or `private`".to_owned())
}

/// Reads one variable of the process environment.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The directory for what must outlive the process: systemd's `StateDirectory=`, else the usual one.
pub fn state_directory(environment: &dyn Fn(&str) -> Option<String>) -> PathBuf {
    let given = environment("STATE_DIRECTORY").unwrap_or_default();
    // systemd lists several with colons; the first is ours.
    let first = given.split(':').next().filter(|first| !first.is_empty());
    PathBuf::from(first.unwrap_or("/var/lib/auth0-gateway"))
}

/// The original service's names that nothing here answers to yet, with what stands in their place.
const NOT_YET: [(&str, &str); 6] = [
    ("REDIS_HOSTS", "say where Redis is by --sessions"),
    ("REDIS_MODE", "say where Redis is by --sessions"),
    ("REDIS_MASTER_NAME", "say where Redis is by --sessions"),
    ("REDIS_USERNAME", "say where Redis is by --sessions"),
    ("REDIS_PASSWORD", "say where Redis is by --sessions"),
    ("SESSION_DURATION_SECONDS", "set `session.lifetime` in the defaults file"),
];

impl ServeSettings {
    /// Fills what neither flag nor variable said from the original service's names.
    pub fn with_old_names(mut self, environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, String> {
        if self.listen.is_none() {
            self.listen = environment("HTTP_PORT")
                .map(|port| port.parse::<u16>().map(|port| SocketAddr::from(([0, 0, 0, 0], port)).to_string()))
                .transpose()
                .map_err(|_| "HTTP_PORT is not a port".to_owned())?;
        }
        if self.log_level.is_none() {
            self.log_level = environment("LOG_LEVEL");
        }
        if self.service_prefix.is_none() {
            self.service_prefix = environment("SERVICE_PREFIX");
        }
        if self.shutdown_delay.is_none() {
            let seconds = environment("DELAY_SHUTDOWN_SECONDS").map(|text| text.parse::<u64>()).transpose();
            self.shutdown_delay = seconds
                .map_err(|_| "DELAY_SHUTDOWN_SECONDS is not a number of seconds".to_owned())?
                .map(Duration::from_secs);
        }
        Ok(self)
    }

    /// The original service's variables that are set and have no effect, each with the reason.
    pub fn unheeded(environment: &dyn Fn(&str) -> Option<String>) -> Vec<(&'static str, &'static str)> {
        NOT_YET.into_iter().filter(|(name, _)| environment(name).is_some()).collect()
    }

    /// Where sessions are kept. Only `serve` has a default on the disk: tests and `dev` leave nothing behind.
    pub fn sessions_url(&self) -> &str {
        self.sessions.as_deref().unwrap_or("memory:")
    }

    /// Where callers come in.
    pub fn public_address(&self) -> &str {
        self.listen.as_deref().unwrap_or("0.0.0.0:8080")
    }

    /// Where sessions are kept, without a name and password, for people to see.
    pub fn sessions_shown(&self) -> String {
        let url = self.sessions_url();
        let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
        format!("{scheme}://{}", rest.rsplit_once('@').map_or(rest, |(_, hosts)| hosts))
    }

    /// The path before every public endpoint, without a slash at its end; empty for none.
    pub fn prefix(&self) -> &str {
        self.service_prefix.as_deref().unwrap_or_default().trim_end_matches('/')
    }

    /// The networks of all `--trusted-proxy`.
    pub fn trusted_networks(&self) -> Vec<IpNet> {
        self.trusted_proxies.iter().flat_map(|networks| networks.0.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        serve: ServeSettings,
    }

    fn parse(arguments: &[&str]) -> ServeSettings {
        Command::parse_from(std::iter::once(&"x").chain(arguments)).serve
    }

    #[test]
    fn a_flag_beats_an_old_name_and_an_old_name_the_default() {
        let old = |name: &str| (name == "HTTP_PORT").then(|| "3000".to_owned());
        let none = |_: &str| None;
        let address = |settings: ServeSettings, from: &dyn Fn(&str) -> Option<String>| {
            settings.with_old_names(from).expect("is valid").public_address().to_owned()
        };
        assert_eq!(address(parse(&[]), &none), "0.0.0.0:8080");
        assert_eq!(address(parse(&[]), &old), "0.0.0.0:3000");
        assert_eq!(address(parse(&["--listen", "127.0.0.1:1"]), &old), "127.0.0.1:1");
    }

    #[test]
    fn the_state_directory_is_systemds_or_the_usual_one() {
        let check = |given: Option<&str>, wanted: &str| {
            let environment = |name: &str| given.filter(|_| name == "STATE_DIRECTORY").map(str::to_owned);
            assert_eq!(state_directory(&environment), PathBuf::from(wanted));
        };
        check(Some("/var/lib/gateway:/var/lib/other"), "/var/lib/gateway");
        check(Some(""), "/var/lib/auth0-gateway");
        check(None, "/var/lib/auth0-gateway");
    }

    #[test]
    fn proxies_are_networks_addresses_or_private() {
        let settings = parse(&["--trusted-proxy", "203.0.113.7,10.1.0.0/16", "--trusted-proxy", "private"]);
        let networks = settings.trusted_networks();
        assert_eq!(networks.len(), 2 + PRIVATE.len());
        assert!(parse_networks("nonsense").is_err());
    }

    #[test]
    fn no_password_of_a_store_is_shown() {
        let shown = |url| parse(&["--sessions", url]).sessions_shown();
        assert_eq!(shown("redis://user:p@ss@host:1/2"), "redis://host:1/2");
        assert_eq!(shown("redis-cluster://a,b"), "redis-cluster://a,b");
        assert_eq!(shown("memory:"), "memory:");
    }

    #[test]
    fn a_malformed_old_name_is_an_error_and_not_a_default() {
        let bad = |name: &str| (name == "DELAY_SHUTDOWN_SECONDS").then(|| "soon".to_owned());
        assert!(parse(&[]).with_old_names(&bad).is_err());
    }
}
