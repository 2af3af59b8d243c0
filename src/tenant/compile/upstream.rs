//! Where a tenant's Auth0 is: names that are public, addresses that are allowed, fixed paths.

use std::net::IpAddr;

use url::{Host, Url};

use super::super::file::{Auth0File, Text};
use super::super::model::Auth0;
use super::Context;
use crate::base::id::{HostPattern, Issuer};

/// Names that lead into somebody's own network.
const PRIVATE_SUFFIXES: [&str; 6] = ["localhost", "local", "internal", "lan", "intranet", "home.arpa"];

pub(super) fn auth0(context: &mut Context<'_>, file: Option<Auth0File>) -> Option<Auth0> {
    if let Some(emulator) = &context.options.emulator {
        let base = format!("{}/{}", emulator.base.trim_end_matches('/'), context.stem);
        return build(context, &base, &base, None);
    }
    let Some(Auth0File { domain, management_domain, base_url, issuer }) = file else {
        context.error("auth0", "required: the tenant's `domain`");
        return None;
    };
    let issuer = issuer.and_then(|text| context.text("auth0.issuer", &text));
    let management = management_domain.and_then(|text| self::domain(context, "auth0.management_domain", &text));
    let base = match (domain, base_url) {
        (Some(_), Some(_)) => {
            context.error("auth0.base_url", "give `domain` or `base_url`, not both");
            return None;
        }
        (Some(domain), None) => self::domain(context, "auth0.domain", &domain)?,
        (None, Some(base_url)) => self::base_url(context, &base_url)?,
        (None, None) => {
            context.error("auth0", "required: the tenant's `domain`");
            return None;
        }
    };
    let management = management.unwrap_or_else(|| base.clone());
    build(context, &base, &management, issuer.as_deref())
}

/// `https://DOMAIN`.
fn domain(context: &mut Context<'_>, path: &str, text: &Text) -> Option<String> {
    let text = context.text(path, text)?;
    let Ok(HostPattern::Exact(name)) = HostPattern::parse(&text) else {
        context.error(path, "not a domain: a name without scheme, port and path, such as acme.eu.auth0.com");
        return None;
    };
    let is_address = name.parse::<IpAddr>().is_ok()
        || name.starts_with('[')
        || name.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    let is_private = PRIVATE_SUFFIXES
        .iter()
        .any(|suffix| *name == **suffix || name.strip_suffix(suffix).is_some_and(|head| head.ends_with('.')));
    if is_address || is_private || !name.contains('.') {
        context.error(path, "not a public domain; an emulator is given by `base_url` and --allow-upstream");
        return None;
    }
    Some(format!("https://{name}"))
}

/// Scheme, authority and path, without a slash at its end.
fn base_url(context: &mut Context<'_>, text: &Text) -> Option<String> {
    let path = "auth0.base_url";
    let text = context.text(path, text)?;
    let url = Url::parse(&text).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    });
    let Some(url) = url else {
        context.error(path, "not an http or https URL without user, query and fragment");
        return None;
    };
    let address = match url.host() {
        Some(Host::Ipv4(address)) => Some(IpAddr::from(address)),
        Some(Host::Ipv6(address)) => Some(IpAddr::from(address)),
        Some(Host::Domain("localhost")) => Some(IpAddr::from([127, 0, 0, 1])),
        _ => None,
    };
    // A name is looked at when it is connected to; an address can be told now.
    let allowed = &context.options.allow_upstream;
    let is_allowed = address.map_or(url.scheme() == "https" || !allowed.is_empty(), |address| {
        allowed.iter().any(|network| network.contains(&address))
    });
    if !is_allowed {
        context.error(path, "the address is not allowed; start the gateway with --allow-upstream and its network");
        return None;
    }
    Some(url.as_str().trim_end_matches('/').to_owned())
}

fn build(context: &mut Context<'_>, base: &str, management: &str, issuer: Option<&str>) -> Option<Auth0> {
    let issuer = match Issuer::parse(issuer.unwrap_or(&format!("{base}/"))) {
        Ok(issuer) => issuer,
        Err(rule) => {
            context.error("auth0.issuer", format!("not an issuer: {rule}"));
            return None;
        }
    };
    let mut endpoint = |path: &str| {
        if let Ok(uri) = format!("{base}{path}").parse::<http::Uri>() {
            Some(uri)
        } else {
            context.error("auth0", "no URL can be made of this");
            None
        }
    };
    let mut userinfo_audiences: Vec<Box<str>> =
        vec![format!("{base}/userinfo").into(), format!("{management}/userinfo").into()];
    userinfo_audiences.dedup();
    Some(Auth0 {
        issuer,
        base: base.into(),
        authorize: format!("{base}/authorize").into(),
        v2_logout: format!("{base}/v2/logout").into(),
        oidc_logout: format!("{base}/oidc/logout").into(),
        token: endpoint("/oauth/token")?,
        userinfo: endpoint("/userinfo")?,
        revoke: endpoint("/oauth/revoke")?,
        jwks: format!("{base}/.well-known/jwks.json").into(),
        discovery: format!("{base}/.well-known/openid-configuration").into(),
        userinfo_audiences,
        management_base: management.into(),
        management_audience: format!("{management}/api/v2/").into(),
    })
}
