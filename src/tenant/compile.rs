//! From what was typed to a tenant, or to everything that is wrong with it.
//!
//! Each file type is taken apart without `..`: a new field does not compile until somebody decides
//! here what it means.

mod client;
mod upstream;
mod urls;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::file::{
    ClaimsFile, ConnectionFile, Entries, EnvironmentsFile, LimitsFile, ManagementFile, OneOrTwo, SessionsFile,
    TenantFile, Text,
};
use super::model::{ClaimRules, Connection, Environments, Limits, Management, SecretRing, Tenant};
use super::problem::Severity;
use super::read::{ReaderOptions, Unset};
use super::reading::SecretUse;
use super::secrets::SecretError;
use super::text::{Finding, nearest};
use crate::base::digest::Digest;
use crate::base::id::{ClientType, ConnectionName, HostPattern, TenantName};
use crate::base::secret::Secret;

/// What came of a file's types.
#[derive(Default)]
pub(super) struct Compiled {
    pub(super) tenant: Option<Tenant>,
    pub(super) findings: Vec<Finding>,
    pub(super) uses: Vec<SecretUse>,
}

/// What stands in for a text that is not set, where that is no error.
const PLACEHOLDER: &str = "unset";

/// One compilation: what it may look at, and what it has found.
struct Context<'a> {
    options: &'a ReaderOptions,
    stem: &'a str,
    findings: Vec<Finding>,
    uses: Vec<SecretUse>,
}

impl Context<'_> {
    fn error(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.findings.push(Finding::error(path, message));
    }

    fn note(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.findings.push(Finding::error(path, message).with(Severity::Note));
    }

    fn warning(&mut self, path: impl Into<String>, message: impl Into<String>, hint: &str) {
        self.findings.push(Finding::error(path, message).with(Severity::Warning).hint(hint));
    }

    /// An error with the word that was probably meant.
    fn unknown_word<'w>(&mut self, path: String, message: &str, word: &str, words: impl Iterator<Item = &'w str>) {
        let words: Vec<String> = words.map(str::to_owned).collect();
        let finding = Finding::error(path, message);
        self.findings.push(match nearest(word, &words) {
            Some(word) => finding.hint(format!("did you mean `{word}`?")),
            None => finding,
        });
    }

    /// A text, wherever it stands. `None` where there is an error, which is noted.
    fn text(&mut self, path: &str, text: &Text) -> Option<String> {
        self.text_or(path, text, None)
    }

    fn text_or(&mut self, path: &str, text: &Text, filler: Option<&dyn Fn() -> String>) -> Option<String> {
        let (result, used) = self.options.secrets.resolve(self.stem, text);
        self.uses.extend(used);
        match (result, filler) {
            (Ok(text), _) if text.is_empty() => {
                self.error(path, "must not be empty");
                None
            }
            (Ok(text), _) => Some(text),
            (Err(SecretError::Unset(_)), Some(filler)) => Some(filler()),
            (Err(SecretError::Unset(why)), None) if self.options.unset == Unset::Note => {
                self.note(path, why);
                Some(PLACEHOLDER.to_owned())
            }
            (Err(SecretError::Unset(why)), None) => {
                self.error(path, why);
                None
            }
            (Err(SecretError::Refused(why)), _) => {
                self.error(path, why);
                None
            }
        }
    }

    /// One secret or two. `client_id` tells `dev` which to fill in.
    fn secrets(&mut self, path: &str, texts: &OneOrTwo<Text>, client_id: &str) -> Option<SecretRing> {
        let fill = self.options.emulator.as_ref().map(|emulator| (emulator.secret)(self.stem, client_id));
        let filler = fill.as_ref().map(|secret| move || secret.clone());
        let mut secrets = Vec::new();
        for (index, text) in texts.0.iter().enumerate() {
            let path = if texts.0.len() == 1 { path.to_owned() } else { format!("{path}[{index}]") };
            if matches!(text, Text::Literal(_)) {
                self.warning(path.clone(), "a secret stands in the file", "use { file: NAME } or { env: NAME }");
            }
            let filler = filler.as_ref().map(|filler| filler as &dyn Fn() -> String);
            secrets.push(Secret::new(self.text_or(&path, text, filler)?));
        }
        Some(SecretRing::new(secrets))
    }

    fn hosts(&mut self, path: &str, texts: &[Text]) -> Vec<HostPattern> {
        let mut hosts = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            let path = format!("{path}[{index}]");
            let Some(text) = self.text(&path, text) else { continue };
            match HostPattern::parse(&text) {
                Ok(host) if hosts.contains(&host) => self.warning(path, "the host is given twice", "drop one"),
                Ok(host) => hosts.push(host),
                Err(rule) => self.error(path, format!("not a host: {rule}")),
            }
        }
        hosts
    }
}

/// Compiles a file whose types are right.
pub(super) fn compile(file: TenantFile, options: &ReaderOptions, stem: &str, digest: Digest) -> Compiled {
    let mut context = Context { options, stem, findings: Vec::new(), uses: Vec::new() };
    let tenant = tenant(&mut context, file);
    let secrets = context.uses.iter().filter_map(|used| used.digest).map(|digest| *digest.as_bytes());
    let parts: Vec<[u8; 32]> = std::iter::once(*digest.as_bytes()).chain(secrets).collect();
    let digest = Digest::of_parts(parts.iter().map(<[u8; 32]>::as_slice));
    Compiled {
        tenant: tenant.map(|tenant| Tenant { digest, ..tenant }),
        findings: context.findings,
        uses: context.uses,
    }
}

fn tenant(context: &mut Context<'_>, file: TenantFile) -> Option<Tenant> {
    let TenantFile {
        version,
        name,
        enabled,
        labels,
        auth0,
        hosts,
        default_client,
        connections,
        environments,
        claims,
        clients,
        management,
        limits,
        sessions,
    } = file;
    if version.is_some_and(|version| version != 1) {
        context.error("version", "this gateway reads version 1");
    }
    let name = tenant_name(context, name.as_deref());
    let auth0 = upstream::auth0(context, auth0);
    let host_texts = hosts.unwrap_or_default();
    let hosts = context.hosts("hosts", &host_texts);
    if host_texts.is_empty() {
        context.error("hosts", "at least one host is required");
    }
    let connections = self::connections(context, connections, &hosts);
    let environments = match environments {
        Some(EnvironmentsFile::Strict) => Environments::Strict,
        Some(EnvironmentsFile::Advisory) | None => Environments::Advisory,
    };
    let claims = self::claims(context, claims.unwrap_or_default());
    let entries = clients.map(|clients| clients.0).unwrap_or_default();
    if entries.is_empty() {
        context.error("clients", "at least one client is required");
    }
    let client_types: Vec<String> = entries.iter().map(|(name, _)| name.clone()).collect();
    let default_client = self::default_client(context, default_client, &client_types);
    let clients = client::clients(context, entries, &hosts, &connections);
    let management = management.and_then(|management| self::management(context, management, &connections));
    let limits = self::limits(context, limits.unwrap_or_default());
    let revoke_before = sessions.and_then(|SessionsFile { revoke_before }| revoke_before).map(|time| time.0);
    let tenant = Tenant {
        name: name?,
        enabled: enabled.unwrap_or(true),
        labels: self::labels(context, labels.unwrap_or_default()),
        auth0: Arc::new(auth0?),
        hosts,
        default_client,
        connections,
        environments,
        claims,
        clients,
        management,
        limits,
        revoke_before,
        digest: Digest::of(""),
    };
    separation(context, &tenant);
    Some(tenant)
}

/// The stem is the name: one look at the folder says which tenants there are.
fn tenant_name(context: &mut Context<'_>, name: Option<&str>) -> Option<TenantName> {
    let parsed = match TenantName::parse(context.stem) {
        Ok(parsed) => parsed,
        Err(rule) => {
            context.error("", format!("the file's name must be the tenant's: {rule}"));
            return None;
        }
    };
    if name.is_some_and(|name| name != context.stem) {
        context.error("name", "must be the file's name without its ending");
    }
    Some(parsed)
}

fn labels(context: &mut Context<'_>, labels: BTreeMap<String, String>) -> Vec<(Box<str>, Box<str>)> {
    if labels.len() > 5 {
        context.error("labels", "at most five labels");
    }
    for key in labels.keys() {
        let is_sound = !key.is_empty()
            && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        if !is_sound || key.starts_with(|first: char| first.is_ascii_digit()) {
            context.error(format!("labels.{key}"), "a label's name is of a-z, 0-9 and _ and begins with no digit");
        }
    }
    labels.into_iter().map(|(key, value)| (key.into(), value.into())).collect()
}

fn connections(
    context: &mut Context<'_>,
    file: Option<Entries<ConnectionFile>>,
    tenant: &[HostPattern],
) -> Vec<Connection> {
    let mut connections = Vec::new();
    for (name, ConnectionFile { id, hosts }) in file.map(|entries| entries.0).unwrap_or_default() {
        let path = format!("connections.{name}");
        let id = id.and_then(|id| context.text(&format!("{path}.id"), &id)).map(Into::into);
        let hosts = context.hosts(&format!("{path}.hosts"), &hosts.unwrap_or_default());
        for (index, host) in hosts.iter().enumerate() {
            // A binding that no request can meet is a typo, and would leave its host unbound.
            if !tenant.is_empty() && !tenant.iter().any(|pattern| pattern.contains(host)) {
                context.error(format!("{path}.hosts[{index}]"), "the host is not one of the tenant's `hosts`");
            }
        }
        match ConnectionName::parse(&name) {
            Ok(name) => connections.push(Connection { name, id, hosts }),
            Err(rule) => context.error(path, format!("not a connection's name: {rule}")),
        }
    }
    connections
}

fn claims(context: &mut Context<'_>, file: ClaimsFile) -> ClaimRules {
    let ClaimsFile { connection, namespaces, lift } = file;
    let connection = connection.and_then(|text| context.text("claims.connection", &text)).map(Into::into);
    let namespaces = namespaces.unwrap_or_default();
    let namespaces = namespaces
        .iter()
        .enumerate()
        .filter_map(|(index, text)| context.text(&format!("claims.namespaces[{index}]"), text));
    let namespaces = namespaces.map(Into::into).collect();
    let lift = lift.unwrap_or_else(|| vec!["groups".to_owned(), "permissions".to_owned()]);
    ClaimRules { connection, namespaces, lift: lift.into_iter().map(Into::into).collect() }
}

/// One of the clients that the file has, sound or not: a problem of that client is told there.
fn default_client(context: &mut Context<'_>, name: Option<String>, client_types: &[String]) -> Option<ClientType> {
    let name = name?;
    if !client_types.contains(&name) {
        let words = client_types.iter().map(String::as_str);
        context.unknown_word("default_client".to_owned(), "not one of `clients`", &name, words);
    }
    ClientType::parse(&name).ok()
}

fn management(context: &mut Context<'_>, file: ManagementFile, connections: &[Connection]) -> Option<Management> {
    let ManagementFile { client_id, client_secret, default_connection, require_acl } = file;
    let client_id = required(context, "management.client_id", client_id.as_ref());
    let secrets = match (&client_secret, &client_id) {
        (Some(secret), Some(client_id)) => context.secrets("management.client_secret", secret, client_id),
        (Some(_), None) => None,
        (None, _) => {
            context.error("management.client_secret", "required");
            None
        }
    };
    let default_connection = default_connection
        .and_then(|name| connection_name(context, "management.default_connection", &name, connections));
    Some(Management {
        client_id: client_id?.into(),
        secrets: secrets?,
        default_connection,
        require_acl: require_acl.unwrap_or(false),
    })
}

fn limits(context: &mut Context<'_>, file: LimitsFile) -> Limits {
    let LimitsFile { concurrency, queue, timeout } = file;
    if concurrency == Some(0) || concurrency.is_some_and(|it| it > 10_000) {
        context.error("limits.concurrency", "expected 1 to 10000");
    }
    if queue.is_some_and(|it| it > 10_000) {
        context.error("limits.queue", "expected 0 to 10000");
    }
    let timeout = timeout.map_or(std::time::Duration::from_secs(10), |timeout| timeout.0);
    if timeout.is_zero() || timeout > std::time::Duration::from_secs(300) {
        context.error("limits.timeout", "expected more than 0s and at most 5m");
    }
    Limits { concurrency: concurrency.unwrap_or(64), queue: queue.unwrap_or(64), timeout }
}

/// A connection of the tenant, by name.
fn connection_name(
    context: &mut Context<'_>,
    path: &str,
    name: &str,
    connections: &[Connection],
) -> Option<ConnectionName> {
    let found = connections.iter().find(|connection| connection.name.as_str() == name);
    if found.is_none() {
        let words = connections.iter().map(|connection| connection.name.as_str());
        context.unknown_word(path.to_owned(), "not one of the tenant's `connections`", name, words);
    }
    found.map(|connection| connection.name.clone())
}

fn required(context: &mut Context<'_>, path: &str, text: Option<&Text>) -> Option<String> {
    if let Some(text) = text {
        context.text(path, text)
    } else {
        context.error(path, "required");
        None
    }
}

/// One line for each environment that nothing keeps apart (contract §2, Environments).
fn separation(context: &mut Context<'_>, tenant: &Tenant) {
    if tenant.claims.connection.is_some() {
        return;
    }
    let shared = tenant.clients.iter().any(|client| client.connections.len() > 1);
    for connection in tenant.connections.iter().filter(|connection| shared && !connection.hosts.is_empty()) {
        let path = format!("connections.{}", connection.name);
        let rest = match tenant.environments {
            Environments::Strict => "logins that prove no connection are refused on its hosts",
            Environments::Advisory => "a login of another connection passes on its hosts",
        };
        context.note(path, format!("the environment is not separated: nothing proves a login's connection; {rest}"));
    }
}
