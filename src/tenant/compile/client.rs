//! Clients: one Auth0 application each.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::super::file::{
    CallersFile, ClientFile, DurationText, OnStoreErrorFile, RefreshFile, SameSiteFile, SessionFile, SessionTokensFile,
    Text, TokenResponseFile,
};
use super::super::model::{
    Client, ClientKind, Connection, Credential, OnStoreError, Passthrough, RefreshPolicy, SameSite, SessionPolicy,
    TokenResponse,
};
use super::urls::{self, Schemes};
use super::{Context, connection_name, required};
use crate::base::id::{ClientType, ConnectionName, HostPattern};
use crate::base::secret::Secret;
use crate::jwt::alg::SigningAlg;
use crate::oauth::grant::GrantType;
use crate::oauth::scope::Scopes;

pub(super) fn clients(
    context: &mut Context<'_>,
    entries: Vec<(String, ClientFile)>,
    hosts: &[HostPattern],
    connections: &[Connection],
) -> Vec<Arc<Client>> {
    let mut clients: Vec<Arc<Client>> = Vec::new();
    for (name, file) in entries {
        let path = format!("clients.{name}");
        let client_type = match ClientType::parse(&name) {
            Ok(client_type) => client_type,
            Err(rule) => {
                context.error(path, format!("not a client type: {rule}"));
                continue;
            }
        };
        let Some(client) = client(context, &path, client_type, file, connections) else { continue };
        if let Some(other) = clients.iter().find(|other| share_a_cookie(other, &client)) {
            let message =
                format!("another cookie client, `{}`, has the same cookie on the same hosts", other.client_type);
            context.error(format!("{path}.session.cookie"), message);
        }
        if let Some(other) = clients.iter().find(|other| other.client_id == client.client_id) {
            // A request may name its client by the id alone: one id, one client.
            context.error(format!("{path}.client_id"), format!("`{}` has the same client_id", other.client_type));
        }
        advise(context, &path, &client, hosts);
        clients.push(Arc::new(client));
    }
    clients
}

fn share_a_cookie(one: &Client, other: &Client) -> bool {
    one.is_cookie_client() && other.is_cookie_client() && one.session.cookie == other.session.cookie
}

#[expect(clippy::too_many_lines, reason = "taken apart without `..` and put together: one line a field")]
fn client(
    context: &mut Context<'_>,
    path: &str,
    client_type: ClientType,
    file: ClientFile,
    connections: &[Connection],
) -> Option<Client> {
    let ClientFile {
        client_id,
        client_secret,
        private_key,
        redirect_urls,
        app_redirect_urls,
        scopes,
        audience,
        audiences,
        signing_algs,
        grants,
        passthrough,
        connections: allowed,
        default_connection,
        organization,
        require_state,
        login_urls,
        logout_urls,
        allowed_origins,
        callers,
        token_response,
        token_in_query,
        verify_opaque,
        extra_params,
        refresh,
        session,
    } = file;
    let at = |key: &str| format!("{path}.{key}");
    let client_id = required(context, &at("client_id"), client_id.as_ref());
    let credential = credential(context, path, client_secret.as_ref(), private_key.as_ref(), client_id.as_deref());
    let (scopes, kind) = self::scopes(context, &at("scopes"), scopes);
    let allowed = self::connections(context, &at("connections"), allowed, connections);
    let default_connection =
        default_connection.and_then(|name| connection_name(context, &at("default_connection"), &name, connections));
    if default_connection.as_ref().is_some_and(|name| !allowed.contains(name)) {
        context.error(at("default_connection"), "not one of this client's `connections`");
    }
    let audiences = self::audiences(context, path, audience, audiences);
    let grants = self::grants(
        context,
        path,
        grants.map(|list| list.iter().map(|grant| grant.word()).collect()),
        credential.as_ref(),
    );
    let callers = callers.and_then(|CallersFile { secret }| {
        if let Some(secret) = secret {
            context.secrets(&at("callers.secret"), &secret, client_id.as_deref().unwrap_or_default())
        } else {
            context.error(at("callers.secret"), "required");
            None
        }
    });
    Some(Client {
        client_type,
        kind,
        scopes,
        audiences,
        grants,
        passthrough: passthrough
            .unwrap_or_default()
            .iter()
            .filter_map(|it| Passthrough::from_name(it.word()))
            .collect(),
        signing_algs: self::signing_algs(
            context,
            &at("signing_algs"),
            signing_algs.map(|list| list.iter().map(|alg| alg.word()).collect()),
        ),
        connections: allowed,
        default_connection,
        organization: organization.and_then(|text| context.text(&at("organization"), &text)).map(Into::into),
        redirect_urls: urls::list(context, &at("redirect_urls"), redirect_urls, Schemes::Web),
        app_redirect_urls: urls::list(context, &at("app_redirect_urls"), app_redirect_urls, Schemes::WebOrApp),
        login_urls: urls::list(context, &at("login_urls"), login_urls, Schemes::Web),
        logout_urls: urls::list(context, &at("logout_urls"), logout_urls, Schemes::WebOrApp),
        allowed_origins: urls::origins(context, &at("allowed_origins"), allowed_origins),
        require_state: require_state.unwrap_or(false),
        callers,
        token_response: match token_response {
            Some(TokenResponseFile::CamelCase) => TokenResponse::CamelCase,
            Some(TokenResponseFile::OAuth) | None => TokenResponse::OAuth,
        },
        token_in_query: token_in_query.unwrap_or(false),
        verify_opaque: verify_opaque.unwrap_or(false),
        extra_params: extra_params.unwrap_or_default().into_iter().map(Into::into).collect(),
        refresh: self::refresh(context, &at("refresh"), refresh.unwrap_or_default()),
        session: self::session(context, &at("session"), session.unwrap_or_default()),
        client_id: client_id?.into(),
        credential: credential?,
    })
}

fn credential(
    context: &mut Context<'_>,
    path: &str,
    secret: Option<&super::OneOrTwo<Text>>,
    private_key: Option<&Text>,
    client_id: Option<&str>,
) -> Option<Credential> {
    match (secret, private_key) {
        (Some(_), Some(_)) => {
            context.error(format!("{path}.private_key"), "give `client_secret` or `private_key`, not both");
            None
        }
        (Some(secret), None) => context
            .secrets(&format!("{path}.client_secret"), secret, client_id.unwrap_or_default())
            .map(Credential::Secret),
        (None, Some(key)) => {
            context.text(&format!("{path}.private_key"), key).map(|key| Credential::PrivateKey(Secret::new(key)))
        }
        (None, None) => Some(Credential::None),
    }
}

/// `website` makes a cookie client and is never sent; `openid` always is.
fn scopes(context: &mut Context<'_>, path: &str, words: Option<Vec<String>>) -> (Scopes, ClientKind) {
    let words = words.unwrap_or_else(|| vec!["openid".to_owned()]);
    for (index, word) in words.iter().enumerate() {
        if Scopes::from_words([word.as_str()]).is_err() {
            context.error(
                format!("{path}[{index}]"),
                "not a scope: printable ASCII without spaces, quotes and backslashes",
            );
        }
    }
    let scopes = Scopes::from_words(words.iter().map(String::as_str)).unwrap_or_default();
    let kind = if scopes.contains("website") { ClientKind::Cookie } else { ClientKind::Token };
    (scopes.without("website").with_first("openid"), kind)
}

fn connections(
    context: &mut Context<'_>,
    path: &str,
    names: Option<Vec<String>>,
    all: &[Connection],
) -> Vec<ConnectionName> {
    let Some(names) = names else { return all.iter().map(|connection| connection.name.clone()).collect() };
    let mut found = Vec::new();
    for (index, name) in names.iter().enumerate() {
        found.extend(connection_name(context, &format!("{path}[{index}]"), name, all));
    }
    found
}

fn audiences(context: &mut Context<'_>, path: &str, first: Option<Text>, further: Option<Vec<Text>>) -> Vec<Box<str>> {
    let mut audiences: Vec<Box<str>> = Vec::new();
    audiences.extend(first.and_then(|text| context.text(&format!("{path}.audience"), &text)).map(Into::into));
    for (index, text) in further.unwrap_or_default().iter().enumerate() {
        let text = context.text(&format!("{path}.audiences[{index}]"), text).map(Into::into);
        audiences.extend(text.filter(|text| !audiences.contains(text)));
    }
    audiences
}

fn grants(
    context: &mut Context<'_>,
    path: &str,
    words: Option<Vec<&str>>,
    credential: Option<&Credential>,
) -> BTreeSet<GrantType> {
    let Some(words) = words else { return BTreeSet::from([GrantType::AuthorizationCode, GrantType::RefreshToken]) };
    let grants: BTreeSet<GrantType> = words.iter().filter_map(|word| GrantType::from_name(word)).collect();
    if grants.contains(&GrantType::ClientCredentials) && !matches!(credential, Some(Credential::Secret(_)) | None) {
        context
            .error(format!("{path}.grants"), "client_credentials needs a `client_secret`, which its callers must show");
    }
    grants
}

fn signing_algs(context: &mut Context<'_>, path: &str, words: Option<Vec<&str>>) -> Vec<SigningAlg> {
    let Some(words) = words else { return vec![SigningAlg::Rs256] };
    if words.is_empty() {
        context.error(path, "at least one algorithm");
    }
    words.iter().filter_map(|word| SigningAlg::from_name(word)).collect()
}

fn refresh(context: &mut Context<'_>, path: &str, file: RefreshFile) -> RefreshPolicy {
    let RefreshFile { margin, sharing, leeway, timeout } = file;
    let policy = RefreshPolicy {
        margin: or(margin, 60),
        sharing: or(sharing, 10),
        leeway: or(leeway, 0),
        timeout: or(timeout, 30),
    };
    if policy.timeout.is_zero() || policy.timeout > Duration::from_secs(300) {
        context.error(format!("{path}.timeout"), "expected more than 0s and at most 5m");
    }
    if policy.sharing > Duration::from_secs(60) {
        context
            .error(format!("{path}.sharing"), "expected at most 60s: for so long a stolen token would be answered too");
    }
    policy
}

fn session(context: &mut Context<'_>, path: &str, file: SessionFile) -> SessionPolicy {
    let SessionFile { same_site, idle, lifetime, cookie, expose_sid, tokens, per_user, recheck, on_store_error, hosts } =
        file;
    let policy = SessionPolicy {
        same_site: match same_site {
            Some(SameSiteFile::Strict) => SameSite::Strict,
            Some(SameSiteFile::Lax) | None => SameSite::Lax,
            Some(SameSiteFile::None) => SameSite::None,
        },
        idle: or(idle, 24 * 3600),
        lifetime: or(lifetime, 7 * 24 * 3600),
        cookie: cookie.unwrap_or_else(|| "sid".to_owned()).into(),
        expose_sid: expose_sid.unwrap_or(true),
        tokens_on_request: matches!(tokens, Some(SessionTokensFile::OnRequest)),
        per_user: per_user.unwrap_or(50),
        recheck: or(recheck, 3600),
        on_store_error: match on_store_error {
            Some(OnStoreErrorFile::ServeStale) => OnStoreError::ServeStale,
            Some(OnStoreErrorFile::FailClosed) | None => OnStoreError::FailClosed,
        },
        hosts: context.hosts(&format!("{path}.hosts"), &hosts.unwrap_or_default()),
    };
    if !is_cookie_name(&policy.cookie) {
        context.error(format!("{path}.cookie"), "not a cookie's name: letters, digits, `_`, `-` and `.`");
    }
    for (key, value) in [("idle", policy.idle), ("lifetime", policy.lifetime)] {
        if value.is_zero() || value > Duration::from_secs(366 * 24 * 3600) {
            context.error(format!("{path}.{key}"), "expected more than 0s and at most a year");
        }
    }
    if policy.idle > policy.lifetime {
        context.error(format!("{path}.idle"), "longer than `lifetime`, which ends a session in any case");
    }
    if !(1..=10_000).contains(&policy.per_user) {
        context.error(format!("{path}.per_user"), "expected 1 to 10000");
    }
    policy
}

fn or(text: Option<DurationText>, seconds: u64) -> Duration {
    text.map_or(Duration::from_secs(seconds), |text| text.0)
}

fn is_cookie_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

/// What an operator should know and need not change.
fn advise(context: &mut Context<'_>, path: &str, client: &Client, hosts: &[HostPattern]) {
    if !client.is_cookie_client() {
        return;
    }
    let cookie = format!("{path}.session.cookie");
    if !client.session.cookie.starts_with("__Host-") {
        context.note(cookie, "a name that begins with __Host- keeps sibling hosts from setting the cookie");
    } else if client.session.same_site == SameSite::None {
        context.note(
            format!("{path}.session.same_site"),
            "None sends the cookie from every site; Lax is enough where pages share the site",
        );
    }
    for (index, url) in client.redirect_urls.iter().enumerate() {
        if !url.as_str().split('/').any(|segment| segment == "callback") {
            let path = format!("{path}.redirect_urls[{index}]");
            context.note(path, "the gateway answers callbacks at /callback and below it: no login comes back here");
        }
    }
    if hosts.contains(&HostPattern::Any) {
        context.note("hosts", "`*` takes every host that no other tenant claims");
    }
}
