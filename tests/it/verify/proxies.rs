//! The recipes of `deploy/` behind a real nginx and a real Envoy: a visitor who sends our headers himself, and an
//! application that sees ours alone.

use super::stand::{Application, Kind, Proxy, values};
use super::{APP, HEADERS, USER, acme, initech};
use crate::support::{Answer, Visitor, World};

/// What a visitor sends who wants to be somebody else: every name, in every spelling.
const SMUGGLED: [(&str, &str); 22] = [
    ("client-type", "cms"),
    ("client-type", "evil"),
    ("client_type", "evil"),
    ("x-auth-user", "evil"),
    ("X-Auth-User", "evil"),
    ("x-auth-user", ""),
    ("x_auth_user", "evil"),
    ("x-auth_user", "evil"),
    ("x-auth-tenant", "evil"),
    ("x-auth-email", "evil"),
    ("x_auth_email", "evil"),
    ("x-auth-email-verified", "evil"),
    ("x-auth-groups", "evil"),
    ("x-auth-groups", "admin,evil"),
    ("x_auth_groups", "evil"),
    ("x-forwarded-host", "evil.example"),
    ("x-forwarded-uri", "//evil.example/"),
    ("x-forwarded-method", "OPTIONS"),
    ("x-original-uri", "//evil.example/"),
    ("x-original-url", "https://evil.example/"),
    ("x-original-method", "OPTIONS"),
    ("connection", "close, x-auth-user, x-auth-tenant"),
];

/// A proxy before an application, and what stands behind both.
struct Stand {
    world: World,
    application: Application,
    proxy: Proxy,
    kind: Kind,
}

impl Stand {
    async fn of(kind: Kind) -> Self {
        let (world, application) = (World::sample().await, Application::start().await);
        let proxy = Proxy::start(kind, world.gateway.public.unwrap(), application.address).await;
        Self { world, application, proxy, kind }
    }

    /// A request with everything that a visitor may smuggle, beside these.
    async fn smuggle(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
        // nginx cannot take headers away by how their names begin: there an application may believe the five alone.
        let others: &[_] = match self.kind {
            Kind::Nginx => &[],
            Kind::Envoy => &[("x-auth-roles", "evil"), ("x-auth-", "evil")],
        };
        self.proxy.visit(method, target, &[&SMUGGLED[..], others, headers].concat()).await
    }
}

fn location(answer: &Answer) -> &str {
    assert_eq!(answer.status, 302, "{answer:?}");
    answer.headers["location"].to_str().unwrap()
}

/// The application saw one request, with ours and nothing of the visitor's.
fn check_seen(stand: &Stand, user: &str, expected: [&str; 4]) {
    let seen = stand.application.seen();
    let [head] = &seen[..] else { panic!("one request: {seen:#?}") };
    let [tenant, email, verified, groups] = expected;
    for (name, ours) in HEADERS.into_iter().zip([user, tenant, email, verified, groups]) {
        let values = values(head, name);
        let is_ours = values == [ours] || ours.is_empty() && values.is_empty();
        assert!(is_ours, "{name} is {values:?} and not {ours}:\n{head}");
    }
    for line in head.lines().skip(1) {
        let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        let is_ours = HEADERS.contains(&&*name) || !name.replace('_', "-").starts_with("x-auth-");
        assert!(is_ours && name.replace('_', "-") != "client-type", "of the visitor's: {line}\n{head}");
    }
}

async fn user(world: &World, client_type: &str, host: &str, cookie: &str) -> String {
    let claims = world.request("GET", "/userinfo", client_type, host).cookie(cookie).send().await.json();
    claims["sub"].as_str().unwrap().replace('|', "%7C")
}

/// The application sees whom the gateway knows, whatever the visitor says.
async fn who_passes_is_told_by_the_gateway_alone(kind: Kind) {
    let stand = Stand::of(kind).await;
    let sid = acme(&stand.world).await;
    let name = user(&stand.world, "web", APP, &sid).await;
    let cookie = format!("sid={sid}");
    for (method, target) in
        [("GET", "/"), ("GET", "/orders?login=none&a=1"), ("DELETE", "/initech/cms"), ("OPTIONS", "/x")]
    {
        let answer = stand.smuggle(method, target, &[("cookie", &cookie)]).await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "welcome\n"), "{method} {target}");
        check_seen(&stand, &name, ["acme", USER, "true", ""]);
    }
}

/// Nobody passes without a session of this tenant's, by any method or path.
async fn who_does_not_pass_reaches_nothing(kind: Kind) {
    let stand = Stand::of(kind).await;
    let own_host = format!("sid={}", initech(&stand.world, APP).await);
    let other_host = format!("sid={}", initech(&stand.world, "cms.example").await);
    for cookie in ["sid=", "sid=evil", &own_host, &other_host] {
        for (method, target) in [
            ("GET", "/orders"),
            ("HEAD", "/orders"),
            ("POST", "/orders?login=location"),
            ("OPTIONS", "/orders"),
            ("GET", "/initech/cms"),
            ("GET", "/../../verify/initech/cms"),
            ("GET", "/authorize/x"),
            ("GET", "/verify/initech/cms"),
        ] {
            let headers = [("cookie", cookie), ("sec-fetch-mode", "cors")];
            let answer = stand.smuggle(method, target, &headers).await;
            let status = answer.status.as_u16();
            assert!(status == 401 || target.contains("..") && status == 400, "{method} {target}: {answer:?}");
            assert_eq!(stand.application.seen(), [""; 0], "{method} {target}");
        }
    }
    let inside = stand.smuggle("GET", "/-auth0-gateway-verify", &[("cookie", &own_host)]).await;
    assert!([302, 404].contains(&inside.status.as_u16()), "{inside:?}");
    assert_eq!(stand.application.seen(), [""; 0]);
}

/// The application stands for one host: a session of another environment's, on that host's name, reaches nothing here.
async fn a_session_of_another_host_reaches_nothing(kind: Kind) {
    const TESTING: &str = "test.acme.localhost";
    let stand = Stand::of(kind).await;
    let sid = stand.world.login("web", TESTING, USER, "Passw0rd-test").send().await.sid();
    let own = acme(&stand.world).await;
    let sound = stand.proxy.write(&format!("GET / HTTP/1.1\r\nHost: {APP}\r\nCookie: sid={own}")).await;
    assert!(sound.contains(" 200 ") && stand.application.seen().len() == 1, "{sound}");
    for head in [
        format!("GET / HTTP/1.1\r\nHost: {TESTING}"),
        format!("GET http://{APP}/ HTTP/1.1\r\nHost: {TESTING}"),
        format!("GET http://{TESTING}/ HTTP/1.1\r\nHost: {APP}"),
        format!("GET / HTTP/1.1\r\nHost: {APP}\r\nX-Forwarded-Host: {TESTING}"),
        format!("GET / HTTP/1.1\r\nHost: {APP}\r\nX_Forwarded_Host: {TESTING}"),
        format!("GET / HTTP/1.1\r\nHost: {APP}\r\nForwarded: host={TESTING}"),
    ] {
        let answer = stand.proxy.write(&format!("{head}\r\nCookie: sid={sid}")).await;
        assert!(!answer.contains(" 200 "), "{head}\n{answer}");
        assert_eq!(stand.application.seen(), [""; 0], "{head}");
    }
}

/// From a page that wants a login, over Auth0's, back to that page with its query, and out again.
async fn a_visitor_logs_in_and_comes_back(kind: Kind) {
    let stand = Stand::of(kind).await;
    let host = stand.proxy.host();
    let wanted = "/orders?a=1&redirect=x";
    let refused = stand.smuggle("GET", wanted, &[]).await;
    let back = format!("http://{host}{wanted}");
    let encoded: String = form_urlencoded::byte_serialize(back.as_bytes()).collect();
    let login = format!("/authorize?client_id=acme-web&redirect={encoded}");
    assert_eq!(location(&refused), format!("http://{host}{login}"));
    let begun = stand.smuggle("GET", &login, &[]).await;
    let transaction = begun.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let landed = Visitor::new().log_in(location(&begun), USER, "Passw0rd-prod").await;
    let target = landed.strip_prefix(&format!("http://{host}")).unwrap_or_else(|| panic!("{landed}"));
    let done = stand.smuggle("GET", target, &[("cookie", &transaction)]).await;
    assert_eq!(location(&done), back);
    let mut cookies = done.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap());
    let cookie = cookies.find(|text| text.starts_with("sid=")).unwrap().split(';').next().unwrap().to_owned();
    assert_eq!(stand.application.seen(), [""; 0], "the application saw nothing so far");
    let page = stand.smuggle("GET", wanted, &[("cookie", &cookie)]).await;
    assert_eq!(page.status, 200, "{page:?}");
    let name = user(&stand.world, "web", APP, cookie.trim_start_matches("sid=")).await;
    check_seen(&stand, &name, ["acme", USER, "true", ""]);
    location(&stand.smuggle("GET", "/logout", &[("cookie", &cookie)]).await);
    location(&stand.smuggle("GET", wanted, &[("cookie", &cookie)]).await);
    assert_eq!(stand.application.seen(), [""; 0], "it is over");
}

/// A gateway that does not answer lets nobody in.
async fn without_the_gateway_nobody_passes(kind: Kind) {
    let application = Application::start().await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let proxy = Proxy::start(kind, nobody, application.address).await;
    let answer = proxy.visit("GET", "/", &SMUGGLED).await;
    assert!(answer.status.is_server_error() || answer.status == 403, "{answer:?}");
    assert_eq!(application.seen(), [""; 0]);
}

macro_rules! behind_both {
    ($($name:ident),+) => {
        mod nginx {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(super::Kind::Nginx).await;
            })+
        }
        mod envoy {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(super::Kind::Envoy).await;
            })+
        }
    };
}

behind_both!(
    who_passes_is_told_by_the_gateway_alone,
    who_does_not_pass_reaches_nothing,
    a_session_of_another_host_reaches_nothing,
    a_visitor_logs_in_and_comes_back,
    without_the_gateway_nobody_passes
);
