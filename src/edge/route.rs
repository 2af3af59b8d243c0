//! The route table: every public endpoint, one row each.
//!
//! Paths are compared byte by byte: what is percent-encoded, doubled or ends in a slash is another
//! path, and there is none.

use http::Method;

use crate::flow::passthrough::Operation;
use crate::telemetry::metrics::Endpoint;

/// One endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The path, without the service prefix.
    pub path: &'static str,
    /// Its methods; `HEAD` follows `GET` where that changes nothing.
    pub methods: &'static [Method],
    /// What answers.
    pub target: Target,
    /// Its name in metrics and logs.
    pub endpoint: Endpoint,
}

/// What answers a route. A variant per module of `endpoint`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// `endpoint::token`.
    Token,
    /// `endpoint::refresh`.
    Refresh,
    /// `endpoint::userinfo`.
    Userinfo,
    /// `endpoint::userinfo`, with the words that say it is old.
    UsersMe,
    /// `endpoint::authorize`.
    Authorize,
    /// `endpoint::callback`.
    Callback,
    /// `endpoint::logout`: `POST` here alone, `GET` also at Auth0.
    Logout,
    /// `endpoint::logout`, as Auth0's.
    V2Logout,
    /// `endpoint::logout`, as Auth0's.
    OidcLogout,
    /// `endpoint::backchannel`.
    BackchannelLogout,
    /// `endpoint::verify`: by any method.
    Verify,
    /// `endpoint::discovery`.
    Discovery,
    /// `endpoint::discovery`.
    Keys,
    /// `endpoint::passthrough`.
    Passthrough(Operation),
    /// `endpoint::health`: the process answers.
    Healthz,
    /// `endpoint::health`: it may get traffic.
    Ready,
    /// `endpoint::health`: everything is as it should be.
    CheckUp,
}

/// Every public endpoint.
pub const ROUTES: &[Route] = &[
    Route { path: "/oauth/token", methods: &[Method::POST], target: Target::Token, endpoint: Endpoint::Token },
    Route { path: "/refreshtoken", methods: &[Method::POST], target: Target::Refresh, endpoint: Endpoint::Refresh },
    Route {
        path: "/oauth/refreshtoken",
        methods: &[Method::POST],
        target: Target::Refresh,
        endpoint: Endpoint::Refresh,
    },
    Route {
        path: "/userinfo",
        methods: &[Method::GET, Method::POST],
        target: Target::Userinfo,
        endpoint: Endpoint::Userinfo,
    },
    Route { path: "/users/me", methods: &[Method::GET], target: Target::UsersMe, endpoint: Endpoint::UsersMe },
    Route { path: "/authorize", methods: &[Method::GET], target: Target::Authorize, endpoint: Endpoint::Authorize },
    Route { path: CALLBACK, methods: &[Method::GET], target: Target::Callback, endpoint: Endpoint::Callback },
    Route {
        path: "/logout",
        methods: &[Method::GET, Method::POST],
        target: Target::Logout,
        endpoint: Endpoint::Logout,
    },
    Route { path: "/v2/logout", methods: &[Method::GET], target: Target::V2Logout, endpoint: Endpoint::V2Logout },
    Route {
        path: "/oidc/logout",
        methods: &[Method::GET, Method::POST],
        target: Target::OidcLogout,
        endpoint: Endpoint::OidcLogout,
    },
    Route {
        path: "/backchannel-logout",
        methods: &[Method::POST],
        target: Target::BackchannelLogout,
        endpoint: Endpoint::BackchannelLogout,
    },
    Route { path: VERIFY, methods: &[], target: Target::Verify, endpoint: Endpoint::Verify },
    Route {
        path: "/.well-known/openid-configuration",
        methods: &[Method::GET],
        target: Target::Discovery,
        endpoint: Endpoint::Discovery,
    },
    Route { path: "/.well-known/jwks.json", methods: &[Method::GET], target: Target::Keys, endpoint: Endpoint::Keys },
    passthrough("/oauth/revoke", &[Method::POST], Operation::Revoke, Endpoint::Revoke),
    passthrough("/oauth/device/code", &[Method::POST], Operation::DeviceCode, Endpoint::DeviceCode),
    passthrough("/oauth/par", &[Method::POST], Operation::Par, Endpoint::Par),
    passthrough("/passwordless/start", &[Method::POST], Operation::PasswordlessStart, Endpoint::PasswordlessStart),
    passthrough("/dbconnections/signup", &[Method::POST], Operation::Signup, Endpoint::Signup),
    passthrough("/dbconnections/change_password", &[Method::POST], Operation::ChangePassword, Endpoint::ChangePassword),
    passthrough("/mfa/associate", &[Method::POST], Operation::MfaAssociate, Endpoint::Mfa),
    passthrough("/mfa/challenge", &[Method::POST], Operation::MfaChallenge, Endpoint::Mfa),
    passthrough("/mfa/authenticators", &[Method::GET], Operation::MfaAuthenticators, Endpoint::Mfa),
    passthrough(AUTHENTICATOR, &[Method::DELETE], Operation::MfaAuthenticator, Endpoint::Mfa),
    Route { path: "/-/healthz", methods: &[Method::GET], target: Target::Healthz, endpoint: Endpoint::Health },
    Route { path: "/-/ready", methods: &[Method::GET], target: Target::Ready, endpoint: Endpoint::Health },
    Route { path: "/-/check-up", methods: &[Method::GET], target: Target::CheckUp, endpoint: Endpoint::Health },
];

const fn passthrough(
    path: &'static str,
    methods: &'static [Method],
    operation: Operation,
    endpoint: Endpoint,
) -> Route {
    Route { path, methods, target: Target::Passthrough(operation), endpoint }
}

/// One more segment follows: an authenticator's id.
const AUTHENTICATOR: &str = "/mfa/authenticators/";

/// Also every path below it: two tenants on one host have a `redirect_url` each (RFC 9700 §4.4.2).
const CALLBACK: &str = "/callback";

/// Also `/verify/TENANT/CLIENT`, and every path below that: proxies append the visitor's.
const VERIFY: &str = "/verify";

/// What a path below [`VERIFY`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified<'a> {
    /// Tenant and client type; `None`: the host's default client.
    pub whose: Option<(&'a str, &'a str)>,
    /// What follows, with its slash, in whatever form the visitor sent it.
    pub rest: &'a str,
}

/// Takes a path of that row apart; `path` is without the service prefix.
pub fn verified(path: &str) -> Verified<'_> {
    let below = path.strip_prefix(VERIFY).and_then(|rest| rest.strip_prefix('/')).unwrap_or_default();
    let Some((tenant, rest)) = below.split_once('/') else { return Verified { whose: None, rest: "" } };
    let end = rest.find('/').unwrap_or(rest.len());
    let (client, rest) = rest.split_at(end);
    Verified { whose: Some((tenant, client)), rest }
}

/// Whether the path is of that row: `/verify` alone, or with a tenant and a client.
pub fn is_verify(path: &str, prefix: &str) -> bool {
    let Some(path) = path.strip_prefix(prefix) else { return false };
    path == VERIFY
        || path.strip_prefix("/verify/").is_some_and(|below| {
            let (tenant, rest) = below.split_once('/').unwrap_or_default();
            !tenant.is_empty() && !rest.is_empty() && !rest.starts_with('/')
        })
}

/// Why a request has no route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRoute {
    /// No such path.
    NotFound,
    /// The path has these methods, and not the one that was used.
    MethodNotAllowed(&'static Route),
}

/// The route of a path, for any method.
pub fn find(path: &str, prefix: &str) -> Result<&'static Route, NoRoute> {
    let path = path.strip_prefix(prefix).ok_or(NoRoute::NotFound)?;
    let is_callback = path.strip_prefix(CALLBACK).is_some_and(|rest| rest.starts_with('/') && is_plain(rest));
    let is_authenticator = path.strip_prefix(AUTHENTICATOR).is_some_and(|id| !id.is_empty() && !id.contains('/'));
    if is_verify(path, "") {
        return ROUTES.iter().find(|route| route.path == VERIFY).ok_or(NoRoute::NotFound);
    }
    let path = match (is_callback, is_authenticator) {
        (true, _) => CALLBACK,
        (_, true) => AUTHENTICATOR,
        // The row's own path has no id.
        _ if path == AUTHENTICATOR => return Err(NoRoute::NotFound),
        _ => path,
    };
    ROUTES.iter().find(|route| route.path == path).ok_or(NoRoute::NotFound)
}

/// The route of a method and path.
pub fn resolve(method: &Method, path: &str, prefix: &str) -> Result<&'static Route, NoRoute> {
    let route = find(path, prefix)?;
    if route.target == Target::Verify {
        return Ok(route);
    }
    // A HEAD changes nothing (RFC 9110 §9.2.1); a callback spends a code, and a logout ends a session.
    let changes = matches!(route.target, Target::Callback | Target::Logout | Target::V2Logout | Target::OidcLogout);
    let method = if *method == Method::HEAD && !changes { &Method::GET } else { method };
    if route.methods.contains(method) { Ok(route) } else { Err(NoRoute::MethodNotAllowed(route)) }
}

/// Segments that nobody can read in two ways.
fn is_plain(path: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    path.split('/').skip(1).all(|segment| !segment.is_empty() && segment.bytes().all(is_plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &Method, path: &str, prefix: &str, expected: Result<Target, NoRoute>) {
        assert_eq!(resolve(method, path, prefix).map(|route| route.target), expected, "{method} {path}");
    }

    #[test]
    fn a_path_is_taken_byte_by_byte() {
        check(&Method::POST, "/oauth/token", "", Ok(Target::Token));
        check(&Method::HEAD, "/userinfo", "", Ok(Target::Userinfo));
        for path in
            ["/oauth/token/", "//oauth/token", "/oauth%2ftoken", "/OAUTH/token", "/oauth/./token", "/oauth/token;x", ""]
        {
            check(&Method::POST, path, "", Err(NoRoute::NotFound));
        }
    }

    #[test]
    fn a_callback_may_have_a_path_below_it() {
        check(&Method::GET, "/callback", "", Ok(Target::Callback));
        check(&Method::GET, "/callback/globex", "", Ok(Target::Callback));
        assert!(matches!(resolve(&Method::HEAD, "/callback", ""), Err(NoRoute::MethodNotAllowed(_))));
        for path in ["/callback/", "/callback/a/", "/callback//a", "/callback/..", "/callback/%61", "/callbacks"] {
            check(&Method::GET, path, "", Err(NoRoute::NotFound));
        }
    }

    #[test]
    fn verify_takes_any_method_and_what_proxies_append() {
        for method in [Method::GET, Method::HEAD, Method::DELETE, Method::OPTIONS] {
            check(&method, "/verify", "", Ok(Target::Verify));
            check(&method, "/verify/acme/web/orders/%2e%2e//x", "", Ok(Target::Verify));
        }
        for path in ["/verify/", "/verify/acme", "/verify/acme/", "/verify//web", "/verify/acme//x", "/verifyx"] {
            check(&Method::GET, path, "", Err(NoRoute::NotFound));
        }
        let whose = |path| (verified(path).whose, verified(path).rest);
        assert_eq!(whose("/verify"), (None, ""));
        assert_eq!(whose("/verify/acme/web"), (Some(("acme", "web")), ""));
        assert_eq!(whose("/verify/acme/web/globex/spa"), (Some(("acme", "web")), "/globex/spa"));
    }

    #[test]
    fn a_prefix_stands_before_every_path() {
        check(&Method::POST, "/auth/oauth/token", "/auth", Ok(Target::Token));
        check(&Method::POST, "/oauth/token", "/auth", Err(NoRoute::NotFound));
        check(&Method::POST, "/authoauth/token", "/auth", Err(NoRoute::NotFound));
    }

    #[test]
    fn another_method_is_told_the_right_ones() {
        assert!(
            matches!(resolve(&Method::GET, "/oauth/token", ""), Err(NoRoute::MethodNotAllowed(route)) if route.methods == [Method::POST])
        );
    }
}
