//! Tenants by the thousand: their files, and a registry of them without any file.
//!
//! Tenant `n` is `tN`: hosts `app.tN.example` and `*.tN.example`, a cookie client `web`, a token client `api` and
//! a machine client `job`. The emulated Auth0 knows each as soon as it is asked for.

use std::io;
use std::path::Path;
use std::sync::Arc;

use auth0_gateway::base::id::Host;
use auth0_gateway::emulator::sample_secret;
use auth0_gateway::tenant::apply::{self, Listing, RemovalGuard, State};
use auth0_gateway::tenant::read::{EmulatorOverride, Reader, ReaderOptions, Unset};
use auth0_gateway::tenant::registry::Registry;
use auth0_gateway::tenant::secrets::SecretSource;

/// The name of tenant `n`.
pub fn name(n: usize) -> String {
    format!("t{n}")
}

/// Its exact host.
pub fn host(n: usize) -> String {
    format!("app.t{n}.example")
}

/// Its file.
pub fn file(n: usize) -> String {
    file_with_hosts(n, &[])
}

/// Its file with further hosts.
pub fn file_with_hosts(n: usize, further: &[String]) -> String {
    let further: String = further.iter().map(|host| format!(", {host}")).collect();
    format!(
        "version: 1
auth0: {{ domain: t{n}.eu.auth0.com }}
hosts: [app.t{n}.example, \"*.t{n}.example\"{further}]
default_client: web
clients:
  web:
    client_id: web{n}
    client_secret: {{ env: T{n}_WEB_SECRET }}
    redirect_urls: [\"https://app.t{n}.example/callback\"]
    login_urls: [\"https://app.t{n}.example/\"]
    logout_urls: [\"https://app.t{n}.example/\"]
    scopes: [openid, profile, email, offline_access, website]
    grants: [authorization_code, refresh_token, password]
  api:
    client_id: api{n}
    client_secret: {{ env: T{n}_API_SECRET }}
    scopes: [openid, profile, email, offline_access]
    audience: https://api.t{n}.example
    grants: [password, refresh_token]
  job:
    client_id: job{n}
    client_secret: {{ env: T{n}_JOB_SECRET }}
    scopes: [read]
    audience: https://api.t{n}.example
    grants: [client_credentials]
"
    )
}

/// Writes the files of tenants `0..tenants` into a directory that is there.
pub fn write(directory: &Path, tenants: usize) -> io::Result<()> {
    (0..tenants).try_for_each(|n| std::fs::write(directory.join(format!("{}.yaml", name(n))), file(n)))
}

/// The registry that the files of tenants `0..tenants` give.
///
/// # Panics
/// Where a generated file is not a good one.
pub fn registry(tenants: usize) -> Registry {
    let reader = reader();
    let readings =
        (0..tenants).map(|n| reader.read(&format!("{}.yaml", name(n)), file(n).as_bytes(), &name(n))).collect();
    let guard = RemovalGuard { at_most: 100, at_least: 0, accepted: true };
    let (state, diff) = apply::apply(&State::default(), Listing::Files(readings), guard, jiff::Timestamp::UNIX_EPOCH);
    assert!(diff.rejected.is_empty(), "a generated tenant is good");
    state.registry()
}

/// A reader as `dev` has it: what is not set is filled in, and every tenant is at the emulated Auth0.
pub fn reader() -> Reader {
    let secrets = SecretSource { directory: None, prefixes: Vec::new(), environment: Arc::new(|_| None) };
    let emulator = EmulatorOverride { base: "http://127.0.0.1:1".to_owned(), secret: sample_secret };
    let loopback = "127.0.0.0/8".parse().into_iter().collect();
    Reader::new(ReaderOptions { secrets, unset: Unset::Error, allow_upstream: loopback, emulator: Some(emulator) })
}

/// A host that is known to be one.
///
/// # Panics
/// Where it is none.
pub fn known_host(text: &str) -> Host {
    Host::parse(text).expect("a generated name is a host")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_generated_file_is_good() {
        let registry = registry(3);
        assert_eq!(registry.tenants().len(), 3);
        let clients: Vec<_> =
            registry.tenants()[0].clients.iter().map(|client| client.client_type.as_str().to_owned()).collect();
        assert_eq!(clients, ["web", "api", "job"]);
    }

    #[test]
    fn what_is_written_is_what_the_registry_is_made_of() {
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path(), 2).expect("written");
        assert_eq!(std::fs::read_to_string(folder.path().join("t1.yaml")).expect("is there"), file(1));
    }
}
