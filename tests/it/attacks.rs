//! Attacks on logins, each with the section of RFC 9700 (OAuth 2.0 Security Best Current Practice) that
//! describes it. Open redirects (§4.11) have a corpus of their own, in `flow::return_url`.

use auth0_gateway::base::random::SystemRandom;
use auth0_gateway::emulator::EndpointName;
use auth0_gateway::oauth::pkce;

use crate::support::{Answer, Visitor, World, WorldOptions};

const HOST: &str = "shop.example";
/// The one user that a made-up tenant has; who plays the attacker has a browser of his own.
const VICTIM: &str = "user@shop.example";
const ATTACKER: &str = VICTIM;

/// Two tenants on one host, told apart by client type, with a callback each.
const SHOP: &str = "
auth0: { base_url: BASE/shop }
hosts: [shop.example]
default_client: web
clients:
  web:
    client_id: shop-web
    redirect_urls: [\"https://{host}/callback\"]
    scopes: [openid, email, website]
    grants: [authorization_code, password]
  page:
    client_id: shop-page
    app_redirect_urls: [\"https://{host}/signed-in\"]
    scopes: [openid, email, website]
    session: { cookie: page }
  spa:
    client_id: shop-spa
    app_redirect_urls: [\"https://{host}/spa\"]
    scopes: [openid, email]
";
const OTHER: &str = "
auth0: { base_url: BASE/other }
hosts: [shop.example]
clients:
  other:
    client_id: other-web
    redirect_urls: [\"https://{host}/callback/other\"]
    scopes: [openid, email, website]
    session: { cookie: other }
";

async fn world() -> World {
    let files = vec![("shop.yaml", SHOP.to_owned()), ("other.yaml", OTHER.to_owned())];
    World::with(WorldOptions { files, flags: Vec::new(), as_dev: false }).await
}

/// A browser's login as far as Auth0's page.
struct Tab {
    page: String,
    cookie: String,
}

async fn open(world: &World, client_type: &str, query: &str) -> Tab {
    let answer = world.request("GET", &format!("/authorize?{query}"), client_type, HOST).send().await;
    assert_eq!(answer.status, 302, "{answer:?}");
    let cookie = answer.headers.get("set-cookie").map(|value| value.to_str().unwrap().split(';').next().unwrap());
    Tab { page: answer.headers["location"].to_str().unwrap().to_owned(), cookie: cookie.unwrap_or_default().to_owned() }
}

async fn log_in(page: &str, user: &str) -> url::Url {
    url::Url::parse(&Visitor::new().log_in(page, user, "Passw0rd-1").await).unwrap()
}

fn parameter(url: &url::Url, name: &str) -> String {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap()
}

async fn callback(world: &World, landed: &url::Url, cookie: &str) -> Answer {
    let target = format!("{}?{}", landed.path(), landed.query().unwrap_or_default());
    world.bare("GET", &target).header("x-forwarded-host", HOST).header("cookie", cookie).send().await
}

async fn post(world: &World, client_type: &str, cookie: &str, form: &[(&str, &str)]) -> Answer {
    let request = world.request("POST", "/oauth/token", client_type, HOST).header("cookie", cookie);
    request.form(form).send().await
}

fn has_session(answer: &Answer) -> bool {
    let set = answer.headers.get_all("set-cookie").iter();
    set.into_iter().any(|value| !value.to_str().unwrap().contains("Max-Age=0"))
}

/// §4.7: the attacker's page posts the attacker's password, so that the victim works in the attacker's account.
#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_another_site_logs_nobody_in() {
    let world = world().await;
    let form = [("grant_type", "password"), ("username", ATTACKER), ("password", "Passw0rd-1")];
    for headers in [
        &[("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")][..],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site")],
        &[("origin", "https://sub.shop.example"), ("sec-fetch-site", "same-site")],
    ] {
        let request = world.request("POST", "/oauth/token", "web", HOST).form(&form);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        assert_eq!(request.send().await.outcome(), (403, "access_denied".to_owned()), "{headers:?}");
    }
    assert_eq!(world.auth0("shop").calls(EndpointName::Token), 0);
}

/// §4.7: the attacker sends the victim to the callback with the attacker's code and state.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_begun_in_another_browser_is_not_finished_here() {
    let world = world().await;
    let attackers = open(&world, "web", "").await;
    let landed = log_in(&attackers.page, ATTACKER).await;
    let victims = open(&world, "web", "").await;
    for cookie in ["", &victims.cookie] {
        let answer = callback(&world, &landed, cookie).await;
        assert_eq!(answer.outcome(), (400, "invalid_grant".to_owned()));
        assert!(!has_session(&answer));
    }
    assert_eq!(world.auth0("shop").calls(EndpointName::Token), 0);
}

/// §4.7: the attacker fixes the state of the victim's login, and even its cookie's value, under a name of his.
#[tokio::test(flavor = "multi_thread")]
async fn a_fixed_state_finishes_nothing() {
    let world = world().await;
    let attackers = open(&world, "page", "redirect_uri=https://shop.example/signed-in&state=fixed").await;
    let victims = open(&world, "page", "redirect_uri=https://shop.example/signed-in&state=own").await;
    let landed = log_in(&victims.page, VICTIM).await;
    let code = parameter(&landed, "code");
    // The victim's code under the attacker's transaction: another nonce, another verifier.
    let mixed = post(&world, "page", &attackers.cookie, &[("code", &code), ("state", "fixed")]).await;
    assert_eq!(mixed.status, 403, "{mixed:?}");
    // The attacker's sealed text under the name of the victim's state.
    let name = victims.cookie.split('=').next().unwrap();
    let planted = format!("{name}={}", attackers.cookie.split_once('=').unwrap().1);
    let answer = post(&world, "page", &planted, &[("code", &code), ("state", "own")]).await;
    assert_eq!(answer.outcome(), (403, "invalid_grant".to_owned()));
    // Without the prefix that no sibling host can set.
    let tossed = victims.cookie.trim_start_matches("__Host-").to_owned();
    let answer = post(&world, "page", &tossed, &[("code", &code), ("state", "own")]).await;
    assert_eq!(answer.outcome(), (403, "invalid_grant".to_owned()));
}

/// §4.5: a stolen code is injected into a login of the attacker's own.
#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_code_is_of_no_use_in_another_login() {
    let world = world().await;
    let stolen = parameter(&log_in(&open(&world, "web", "").await.page, VICTIM).await, "code");
    let attackers = open(&world, "web", "").await;
    let mut landed = log_in(&attackers.page, ATTACKER).await;
    let state = parameter(&landed, "state");
    landed.query_pairs_mut().clear().append_pair("code", &stolen).append_pair("state", &state);
    let answer = callback(&world, &landed, &attackers.cookie).await;
    assert_eq!(answer.outcome(), (403, "invalid_grant".to_owned()), "PKCE binds the code to its login");
    assert!(!has_session(&answer));
    // Nor with a verifier of his own at the token endpoint, as another client or as this one.
    let verifier = pkce::verifier(&SystemRandom);
    let form = [("grant_type", "authorization_code"), ("code", &*stolen), ("code_verifier", verifier.expose())];
    assert_eq!(post(&world, "spa", "", &form).await.outcome(), (403, "invalid_grant".to_owned()));
    assert_eq!(post(&world, "web", "", &form).await.outcome(), (400, "invalid_scope".to_owned()));
}

/// §4.7, §2.1: two tabs of one browser finish their own logins, in any order.
#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_do_not_disturb_one_another() {
    let world = world().await;
    let first = open(&world, "web", "").await;
    let second = open(&world, "web", "").await;
    let both = format!("{}; {}", first.cookie, second.cookie);
    for tab in [&second, &first] {
        let answer = callback(&world, &log_in(&tab.page, VICTIM).await, &both).await;
        assert!(answer.status == 302 && has_session(&answer), "{answer:?}");
    }
}

/// §4.5, §2.1.1: a callback is replayed with everything it had, also at the same time.
#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_callback_opens_nothing() {
    let world = world().await;
    let tab = open(&world, "web", "").await;
    let landed = log_in(&tab.page, VICTIM).await;
    let (one, other) = tokio::join!(callback(&world, &landed, &tab.cookie), callback(&world, &landed, &tab.cookie));
    let opened = [&one, &other].iter().filter(|answer| has_session(answer)).count();
    assert_eq!(opened, 1, "{one:?} {other:?}");
    let again = callback(&world, &landed, &tab.cookie).await;
    assert_eq!(again.outcome(), (400, "invalid_grant".to_owned()));
    assert_eq!(world.auth0("shop").calls(EndpointName::Token), 1);
}

/// §4.4: two tenants on one host; a code of one comes to the callback of the other.
#[tokio::test(flavor = "multi_thread")]
async fn a_code_of_one_tenant_does_not_reach_the_other() {
    let world = world().await;
    let tab = open(&world, "web", "").await;
    let landed = log_in(&tab.page, VICTIM).await;
    // The other tenant's callback on this host.
    let mut elsewhere = landed.clone();
    elsewhere.set_path("/callback/other");
    let answer = callback(&world, &elsewhere, &tab.cookie).await;
    assert_eq!(answer.outcome(), (400, "invalid_request".to_owned()));
    // The right one, as the other tenant's client.
    let target = format!("{}?{}", landed.path(), landed.query().unwrap());
    let answer = world.request("GET", &target, "other", HOST).header("cookie", &tab.cookie).send().await;
    assert_eq!(answer.outcome(), (400, "invalid_request".to_owned()));
    // An issuer that is not the login's (RFC 9207).
    let mut foreign = landed.clone();
    foreign.query_pairs_mut().append_pair("iss", &world.auth0("other").issuer());
    assert_eq!(callback(&world, &foreign, &tab.cookie).await.outcome(), (400, "invalid_request".to_owned()));
    for tenant in ["shop", "other"] {
        assert_eq!(world.auth0(tenant).calls(EndpointName::Token), 0, "{tenant} hears of no code");
    }
    // None of this used the login up; its own issuer is welcome.
    let mut own = landed.clone();
    own.query_pairs_mut().append_pair("iss", &world.auth0("shop").issuer());
    assert!(has_session(&callback(&world, &own, &tab.cookie).await));
    // And the other tenant logs in beside it, at its own callback.
    let tab = open(&world, "other", "").await;
    let landed = log_in(&tab.page, "user@other.example").await;
    assert_eq!(landed.path(), "/callback/other");
    assert!(has_session(&callback(&world, &landed, &tab.cookie).await));
}

/// §4.7: a sibling host tosses a second session cookie.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_session_cookies_none_counts() {
    let world = world().await;
    let login = async |user| world.login("web", HOST, user, "Passw0rd-1").send().await.sid();
    let (victims, attackers) = (login(VICTIM).await, login(ATTACKER).await);
    for cookies in [format!("sid={attackers}; sid={victims}"), format!("sid={victims}; sid={attackers}")] {
        let request = world.request("GET", "/userinfo", "web", HOST).header("cookie", &cookies);
        assert_eq!(request.send().await.outcome(), (400, "invalid_request".to_owned()));
    }
    let tab = open(&world, "web", "").await;
    let landed = log_in(&tab.page, VICTIM).await;
    let cookies = format!("{}; sid={attackers}; sid={victims}", tab.cookie);
    assert_eq!(callback(&world, &landed, &cookies).await.outcome(), (400, "invalid_request".to_owned()));
}

/// §4.7: a session that the browser brought ends at a login: its id was known to whoever planted it.
#[tokio::test(flavor = "multi_thread")]
async fn a_planted_session_does_not_survive_a_login() {
    let world = world().await;
    let planted = world.login("web", HOST, ATTACKER, "Passw0rd-1").send().await.sid();
    let tab = open(&world, "web", "").await;
    let landed = log_in(&tab.page, VICTIM).await;
    let answer = callback(&world, &landed, &format!("{}; sid={planted}", tab.cookie)).await;
    assert!(has_session(&answer), "{answer:?}");
    let request = world.request("GET", "/userinfo", "web", HOST).cookie(&planted);
    assert_eq!(request.send().await.status, 401);
}

/// §4.11.2: what a stranger writes into the callback's query stands on no page.
#[tokio::test(flavor = "multi_thread")]
async fn error_text_is_not_reflected() {
    let world = world().await;
    let tab = open(&world, "web", "").await;
    let state = parameter(&url::Url::parse(&tab.page).unwrap(), "state");
    let marker = "%3Cscript%3Emarker";
    let query = format!("state={state}&error={marker}&error_description={marker}&error_uri=https://evil.example/");
    for cookie in ["", &tab.cookie] {
        let url = url::Url::parse(&format!("https://{HOST}/callback?{query}")).unwrap();
        let answer = callback(&world, &url, cookie).await;
        let location = answer.headers.get("location").map_or("", |value| value.to_str().unwrap());
        for text in [&answer.text(), location] {
            assert!(!text.contains("marker") && !text.contains("evil"), "{text}");
        }
    }
}

/// §4.4.2: two issuers whose codes come back to one place could be mixed up: the browser lands where both would.
#[tokio::test(flavor = "multi_thread")]
async fn two_issuers_do_not_share_a_callback() {
    for shared in ["https://{host}/callback", "https://shop.example/callback", "https://{host}/behind-a-proxy/callback"]
    {
        let other = OTHER.replace("https://{host}/callback/other", shared);
        let files = vec![("shop.yaml", SHOP.to_owned()), ("other.yaml", other)];
        let world = World::with(WorldOptions { files, flags: Vec::new(), as_dev: false }).await;
        let begun = world.request("GET", "/authorize", "web", HOST).send().await;
        let other = world.request("GET", "/authorize", "other", HOST).send().await;
        assert!(begun.status != 302 || other.status != 302, "both begin logins that end at {shared}");
    }
}

/// §4.5: the visitor takes what proves his login out of the request on its way to Auth0.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_without_an_id_token_gives_no_tokens() {
    let world = world().await;
    let tab = open(&world, "spa", "redirect_uri=https://shop.example/spa&state=s&acr_values=gold").await;
    let edited = tab.page.replace("scope=openid+email", "scope=email").replace("&acr_values=gold", "");
    assert!(!edited.contains("openid") && !edited.contains("gold"), "{edited}");
    let landed = log_in(&edited, VICTIM).await;
    let code = parameter(&landed, "code");
    let answer = post(&world, "spa", &tab.cookie, &[("code", &code), ("state", "s")]).await;
    assert_eq!(answer.outcome(), (401, "access_denied".to_owned()), "nobody has checked what was asked");
    let errors = "auth0_gateway_operator_errors_total{kind=\"id_token\",tenant=\"shop\"}";
    assert_eq!(world.metric(errors).await, 0, "a visitor's doing is nobody's mistake");
}

/// A file that stops handing tokens out does so for the logins under way, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_begun_for_tokens_gives_none_once_the_file_forbids_them() {
    let on_request = SHOP.replace("{ cookie: page }", "{ cookie: page, tokens: on_request }");
    let files = vec![("shop.yaml", on_request)];
    let world = World::with(WorldOptions { files, flags: Vec::new(), as_dev: false }).await;
    let query = "redirect_uri=https://shop.example/signed-in&state=s&scope=openid";
    let tab = open(&world, "page", query).await;
    let code = parameter(&log_in(&tab.page, VICTIM).await, "code");
    world.write("shop.yaml", SHOP);
    assert_eq!(world.reload().await.status, 200);
    let answer = post(&world, "page", &tab.cookie, &[("code", &code), ("state", "s")]).await;
    assert_eq!(answer.outcome(), (400, "invalid_scope".to_owned()), "{answer:?}");
}

/// A tenant is switched off, or a grant taken away, while the visitor is at Auth0's page.
#[tokio::test(flavor = "multi_thread")]
async fn a_callback_of_a_client_that_may_no_longer_take_codes_opens_nothing() {
    let world = world().await;
    for (edit, status) in [
        (SHOP.replace("grants: [authorization_code, password]", "grants: [password]"), 400),
        (SHOP.replace("default_client: web", "enabled: false\ndefault_client: web"), 503),
    ] {
        let tab = open(&world, "web", "").await;
        let landed = log_in(&tab.page, VICTIM).await;
        world.write("shop.yaml", &edit);
        assert_eq!(world.reload().await.status, 200);
        let answer = callback(&world, &landed, &tab.cookie).await;
        assert!(answer.status == status && !has_session(&answer), "{answer:?}");
        world.write("shop.yaml", SHOP);
        assert_eq!(world.reload().await.status, 200);
    }
}

/// Codes, states, verifiers and cookies of all flows stay out of every line.
#[tokio::test(flavor = "multi_thread")]
async fn no_line_shows_what_a_login_carries() {
    let world = world().await;
    let mut secrets = Vec::new();
    let tab = open(&world, "web", "state=m4rked-state&login_hint=m4rked-hint").await;
    let landed = log_in(&tab.page, VICTIM).await;
    secrets.extend(["code", "state"].map(|name| parameter(&landed, name)));
    for _ in 0..2 {
        callback(&world, &landed, &tab.cookie).await;
    }
    let tab = open(&world, "page", "redirect_uri=https://shop.example/signed-in&state=m4rked-own").await;
    let code = parameter(&log_in(&tab.page, VICTIM).await, "code");
    let form = [("code", &*code), ("state", "m4rked-own"), ("mfa_token", "m4rked-mfa")];
    for _ in 0..2 {
        post(&world, "page", &tab.cookie, &form).await;
    }
    post(&world, "spa", "", &[("code", "m4rked-code"), ("code_verifier", &"m4rked-v".repeat(8))]).await;
    world.request("GET", "/oidc/logout?id_token_hint=m4rked-token&state=m4rked", "web", HOST).send().await;
    secrets.extend([code, tab.cookie.split_once('=').unwrap().1.to_owned()]);
    let text = world.end().await;
    assert!(!text.contains("m4rked") && !secrets.iter().any(|secret| text.contains(&**secret)), "{text}");
}

/// A state of any bytes comes back as it was, and finishes its own login.
#[tokio::test(flavor = "multi_thread")]
async fn a_state_of_odd_bytes_comes_back_as_it_was() {
    let world = world().await;
    let long = "s".repeat(1024);
    for state in ["a\u{0}b\r\nset-cookie: x=1", "Grüße \u{1f600} a+b=c&d;e%25", "\u{202e}\u{fffd}", &long] {
        let encoded = form_urlencoded::Serializer::new(String::new()).append_pair("state", state).finish();
        let tab = open(&world, "web", &encoded).await;
        let answer = callback(&world, &log_in(&tab.page, VICTIM).await, &tab.cookie).await;
        assert!(has_session(&answer), "{answer:?}");
        let page = answer.headers["location"].to_str().unwrap();
        let page = url::Url::parse("https://shop.example/").unwrap().join(page).unwrap();
        assert_eq!(parameter(&page, "state"), state);
        let tab = open(&world, "page", &format!("redirect_uri=https://shop.example/signed-in&{encoded}")).await;
        let landed = log_in(&tab.page, VICTIM).await;
        assert_eq!(parameter(&landed, "state"), state);
        let code = parameter(&landed, "code");
        assert_eq!(post(&world, "page", &tab.cookie, &[("code", &code), ("state", state)]).await.status, 200);
    }
}

/// A login of one host is finished on no other, also of the same tenant.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_finished_on_its_own_host_alone() {
    let text = SHOP.replace("[shop.example]", "[shop.example, b.example]");
    let world = World::of("shop.yaml", &text).await;
    let tab = open(&world, "web", "").await;
    let landed = log_in(&tab.page, VICTIM).await;
    let target = format!("{}?{}", landed.path(), landed.query().unwrap());
    let elsewhere = world.request("GET", &target, "web", "b.example").header("cookie", &tab.cookie).send().await;
    assert_eq!(elsewhere.outcome(), (400, "invalid_grant".to_owned()));
    assert_eq!(world.auth0("shop").calls(EndpointName::Token), 0);
    assert!(has_session(&callback(&world, &landed, &tab.cookie).await));
}

/// `callers` guards whoever redeems a code at the token endpoint; the gateway's own callback has no caller.
#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_redeemed_by_callers_that_show_their_secret() {
    let callers = "scopes: [openid, email, website]\n    callers: { secret: callers-s3cret }";
    let text = SHOP.replace("scopes: [openid, email, website]", callers);
    let text = text.replace("{host}/spa\"]", "{host}/spa\"]\n    callers: { secret: callers-s3cret }");
    let world = World::of("shop.yaml", &text).await;
    let tab = open(&world, "web", "").await;
    assert!(has_session(&callback(&world, &log_in(&tab.page, VICTIM).await, &tab.cookie).await));
    let before = world.auth0("shop").calls(EndpointName::Token);
    let verifier = pkce::verifier(&SystemRandom);
    let sdk = format!(
        "redirect_uri=https://shop.example/spa&code_challenge_method=S256&code_challenge={}",
        pkce::challenge(&verifier)
    );
    for (client_type, asked, extra) in [
        ("page", "redirect_uri=https://shop.example/signed-in&state=s", ("state", "s")),
        ("spa", &*sdk, ("code_verifier", verifier.expose())),
    ] {
        let tab = open(&world, client_type, asked).await;
        let code = parameter(&log_in(&tab.page, VICTIM).await, "code");
        let form = [("code", &*code), extra];
        let before = world.auth0("shop").calls(EndpointName::Token);
        assert_eq!(post(&world, client_type, &tab.cookie, &form).await.outcome(), (401, "invalid_client".to_owned()));
        assert_eq!(world.auth0("shop").calls(EndpointName::Token), before);
        let form = [form[0], form[1], ("client_secret", "callers-s3cret")];
        assert_eq!(post(&world, client_type, &tab.cookie, &form).await.status, 200);
        let sent = world.auth0("shop").last_request(EndpointName::Token).unwrap();
        assert_ne!(sent.form_value("client_secret"), Some("callers-s3cret"), "it never goes on");
    }
    assert_eq!(world.auth0("shop").calls(EndpointName::Token), before + 2);
}

/// Behind a prefix the callback is the one with the prefix.
#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_changes_nothing_of_a_login() {
    let text = SHOP.replace("{host}/callback", "{host}/auth/callback");
    let flags = vec!["--service-prefix", "/auth"];
    let world = World::with(WorldOptions { files: vec![("shop.yaml", text)], flags, as_dev: false }).await;
    let answer = world.request("GET", "/auth/authorize", "web", HOST).send().await;
    let cookie = answer.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let landed = log_in(answer.headers["location"].to_str().unwrap(), VICTIM).await;
    assert_eq!(landed.path(), "/auth/callback");
    let mut outside = landed.clone();
    outside.set_path("/callback");
    assert_eq!(callback(&world, &outside, &cookie).await.status, 404);
    assert!(has_session(&callback(&world, &landed, &cookie).await));
    let found = world.request("GET", "/auth/.well-known/openid-configuration", "web", HOST).send().await.json();
    assert_eq!(found["token_endpoint"], "https://shop.example/auth/oauth/token");
}
