//! Who calls: hosts, client types and credentials, from tenant files or from a file of one's own.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail, ensure};
use auth0_gateway::base::id::{Host, HostPattern};
use auth0_gateway::oauth::grant::GrantType;
use auth0_gateway::tenant::model::{Client, Credential, Tenant};
use auth0_gateway::tenant::registry::Registry;
use serde::{Deserialize, Serialize};

/// The password of every user of the emulated Auth0 that a bench starts.
pub const PASSWORD: &str = "Passw0rd-1";

/// A client of a tenant on one host, with a user who can log in there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Caller {
    /// The public host.
    pub host: String,
    /// What the `client-type` header says.
    pub client_type: String,
    /// Whether a login answers with a session cookie (`website`), not with tokens.
    #[serde(default)]
    pub session: bool,
    /// The grants that may be used: `password`, `refresh_token`, `client_credentials`, `authorization_code`.
    pub grants: Vec<String>,
    /// The user who logs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The user's password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// An environment variable that holds the password, so that the file need not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_env: Option<String>,
    /// The application's own id, which the `client_credentials` grant demands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Its secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
    /// An environment variable that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_env: Option<String>,
    /// For a page or app that takes the code itself: its `redirect_uri`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_uri: Option<String>,
    /// Further headers of every request, such as a caller's credential.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// How often it calls, against the others; over that lies `--zipf`, in the order of the file.
    #[serde(default = "one")]
    pub weight: f64,
}

/// How the secrets begin that are filled in for those that are not set: anybody can compute them.
const SAMPLE: &str = "sample-";

fn one() -> f64 {
    1.0
}

/// The file: `callers:` and a list.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CallersFile {
    callers: Vec<Caller>,
}

impl Caller {
    /// Whether it may use the grant.
    pub fn may(&self, grant: &str) -> bool {
        self.grants.iter().any(|one| one == grant)
    }
}

/// A caller for every client of every tenant, on the first host of each environment.
pub fn of_registry(registry: &Registry) -> Vec<Caller> {
    let tenants = registry.tenants().iter().filter(|tenant| tenant.enabled);
    tenants.flat_map(|tenant| tenant.clients.iter().flat_map(|client| of_client(tenant, client))).collect()
}

fn of_client(tenant: &Tenant, client: &Client) -> Vec<Caller> {
    let hosts: Vec<String> = tenant.hosts.iter().map(a_host).collect();
    let bound = tenant.connections.iter().filter_map(|connection| connection.hosts.first()).map(a_host);
    let mut chosen: Vec<String> = bound.collect();
    if chosen.is_empty() {
        chosen.extend(hosts.into_iter().next());
    }
    let grants = [
        (GrantType::Password, "password"),
        (GrantType::RefreshToken, "refresh_token"),
        (GrantType::ClientCredentials, "client_credentials"),
        (GrantType::AuthorizationCode, "authorization_code"),
    ];
    let has_a_way_back = !client.redirect_urls.is_empty() || !client.app_redirect_urls.is_empty();
    let grants: Vec<String> = grants
        .into_iter()
        .filter(|(grant, _)| client.grants.contains(grant))
        // Without that scope no login gives a refresh token.
        .filter(|(grant, _)| *grant != GrantType::RefreshToken || client.scopes.contains("offline_access"))
        // Nobody can begin a login that may come back nowhere.
        .filter(|(grant, _)| *grant != GrantType::AuthorizationCode || has_a_way_back)
        .map(|(_, name)| name.to_owned())
        .collect();
    let is_machine = client.grants.contains(&GrantType::ClientCredentials);
    let secret = match &client.credential {
        Credential::Secret(ring) if is_machine => ring.leading().map(|(_, secret)| secret.expose().to_owned()),
        _ => None,
    };
    let caller = |host: String| {
        let redirect = client.app_redirect_urls.first().filter(|_| client.redirect_urls.is_empty());
        let redirect_uri = redirect.and_then(|url| Some(url.for_host(&Host::parse(&host).ok()?)));
        Caller {
            client_type: client.client_type.as_str().to_owned(),
            session: client.is_cookie_client(),
            grants: grants.clone(),
            username: Some(user(tenant.name.as_str())),
            password: Some(PASSWORD.to_owned()),
            password_env: None,
            client_id: is_machine.then(|| client.client_id.to_string()),
            client_secret: secret.clone(),
            client_secret_env: None,
            redirect_uri,
            headers: BTreeMap::new(),
            weight: 1.0,
            host,
        }
    };
    chosen.into_iter().map(caller).collect()
}

/// The user of a tenant in the emulated Auth0.
pub fn user(tenant: &str) -> String {
    format!("user@{tenant}.example")
}

/// A host that the pattern covers.
fn a_host(pattern: &HostPattern) -> String {
    match pattern {
        HostPattern::Exact(name) => name.to_string(),
        HostPattern::Suffix(end) => format!("bench.{end}"),
        HostPattern::Any => "bench.example".to_owned(),
    }
}

/// The file of callers. A secret that stands in a tenant file is not repeated: a variable is named in its place.
///
/// # Errors
/// Where YAML cannot say it, which does not happen.
pub fn to_yaml(callers: &[Caller]) -> anyhow::Result<String> {
    let mut callers = callers.to_vec();
    for caller in &mut callers {
        if caller.client_secret.take_if(|secret| !secret.starts_with(SAMPLE)).is_some() {
            let id = caller.client_id.as_deref().unwrap_or_default();
            let name = id.replace(|one: char| !one.is_ascii_alphanumeric(), "_").to_ascii_uppercase();
            caller.client_secret_env = Some(format!("{name}_SECRET"));
        }
    }
    let body = serde_yaml::to_string(&CallersFile { callers })?;
    Ok(format!(
        "# Who calls. `weight` is how often, against the others. A password may stand in a variable: password_env: NAME\n{body}"
    ))
}

/// Reads a file of callers; passwords are taken from the environment where it says so.
///
/// # Errors
/// What is wrong with it, and which entry.
pub fn from_yaml(text: &str, environment: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<Vec<Caller>> {
    let file: CallersFile = serde_yaml::from_str(text)?;
    ensure!(!file.callers.is_empty(), "`callers` is empty");
    let mut callers = file.callers;
    for (index, caller) in callers.iter_mut().enumerate() {
        check(caller, environment).with_context(|| format!("callers[{index}] ({})", caller.host))?;
    }
    ensure!(callers.iter().any(|caller| caller.weight > 0.0), "every weight is 0");
    Ok(callers)
}

fn check(caller: &mut Caller, environment: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<()> {
    ensure!(Host::parse(&caller.host).is_ok(), "`host` is no host name");
    ensure!(caller.weight.is_finite() && caller.weight >= 0.0, "`weight` is a number from 0");
    let from_variable = |name: &Option<String>, value: &mut Option<String>, what: &str| {
        let Some(name) = name else { return Ok(()) };
        ensure!(value.is_none(), "`{what}` and `{what}_env` exclude each other");
        *value = Some(environment(name).with_context(|| format!("the variable {name} is not set"))?);
        Ok(())
    };
    from_variable(&caller.password_env, &mut caller.password, "password")?;
    from_variable(&caller.client_secret_env, &mut caller.client_secret, "client_secret")?;
    if caller.may("client_credentials") && (caller.client_id.is_none() || caller.client_secret.is_none()) {
        bail!("the client_credentials grant needs `client_id` and `client_secret` or `client_secret_env`");
    }
    if caller.may("password") && (caller.username.is_none() || caller.password.is_none()) {
        bail!("the password grant needs `username` and `password` or `password_env`");
    }
    let known = ["password", "refresh_token", "client_credentials", "authorization_code"];
    if let Some(grant) = caller.grants.iter().find(|grant| !known.contains(&grant.as_str())) {
        bail!("`{grant}` is no grant that a bench can use: {}", known.join(", "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::population;

    fn nothing(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn the_clients_of_a_registry_call_as_their_files_allow() {
        let callers = of_registry(&population::registry(1));
        let said: Vec<_> = callers.iter().map(|c| (c.client_type.as_str(), c.session, c.grants.join(" "))).collect();
        assert_eq!(
            said,
            [
                ("web", true, "password refresh_token authorization_code".to_owned()),
                ("api", false, "password refresh_token".to_owned()),
                ("job", false, "client_credentials".to_owned()),
            ]
        );
        assert!(callers.iter().all(|caller| caller.host == "app.t0.example"));
    }

    #[test]
    fn a_file_of_callers_comes_back_as_it_went() {
        let callers = of_registry(&population::registry(2));
        let text = to_yaml(&callers).expect("is YAML");
        assert_eq!(from_yaml(&text, &nothing).expect("is good"), callers);
    }

    #[test]
    fn a_secret_of_a_tenant_file_is_not_repeated() {
        let mut callers = of_registry(&population::registry(1));
        callers[2].client_secret = Some("hunter2".to_owned());
        let text = to_yaml(&callers).expect("is YAML");
        assert!(text.contains("client_secret_env: JOB0_SECRET") && !text.contains("hunter2"), "{text}");
    }

    fn refused(text: &str) -> String {
        format!("{:#}", from_yaml(text, &nothing).expect_err("is refused"))
    }

    #[test]
    fn what_is_wrong_is_said_with_its_entry() {
        assert_eq!(refused("callers: []"), "`callers` is empty");
        let grant = refused("callers: [{ host: a.example, client_type: web, grants: [magic] }]");
        assert!(grant.starts_with("callers[0] (a.example): `magic` is no grant"), "{grant}");
        let password = refused("callers: [{ host: a.example, client_type: web, grants: [password] }]");
        assert!(password.contains("needs `username`"), "{password}");
        let variable = refused(
            "callers: [{ host: a.example, client_type: web, grants: [password], username: u, password_env: X }]",
        );
        assert!(variable.ends_with("the variable X is not set"), "{variable}");
        assert!(refused("callers: [{ host: a.example, client_type: web, grants: [], wieght: 2 }]").contains("wieght"));
    }
}
