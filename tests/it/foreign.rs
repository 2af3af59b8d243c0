//! Software that nobody here wrote: Prometheus' own checker, OpenID providers as tenants, client libraries and a
//! browser as applications.

mod applications;
mod browser;
mod scripts;

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use self::scripts::Script;
use crate::support::{World, WorldOptions};

#[tokio::test(flavor = "multi_thread")]
async fn promtool_finds_nothing_wrong_with_the_metrics() {
    let world = World::sample().await;
    world.login("api", "app.acme.localhost", "user@acme.example", "Passw0rd-prod").send().await;
    world.login("nope", "app.acme.localhost", "u", "p").send().await;
    let text = world.ops("GET", "/metrics").send().await.body;
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let promtool = promtool.as_mut().expect("promtool is there: scripts/test installs it");
    promtool.stdin.take().unwrap().write_all(&text).unwrap();
    let mut said = String::new();
    for pipe in [
        promtool.stdout.take().map(|it| Box::new(it) as Box<dyn std::io::Read>),
        promtool.stderr.take().map(|it| Box::new(it) as _),
    ] {
        pipe.unwrap().read_to_string(&mut said).unwrap();
    }
    assert!(promtool.wait().unwrap().success() && said.trim().is_empty(), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_nobody_here_wrote_serves_as_a_tenant() {
    let mut provider = Script::start("mock-server.mjs", Value::Null).await;
    let issuer = provider.hear_text().await;
    let text = format!(
        "auth0: {{ base_url: \"{issuer}\", issuer: \"{issuer}\" }}\nhosts: [f.example]\nclients:\n  api:\n    client_id: foreign\n    client_secret: any-secret\n    \
         scopes: [openid, email, offline_access]\n    grants: [password, refresh_token, client_credentials]\n  web:\n    client_id: foreign-web\n    client_secret: any-secret\n    \
         scopes: [openid, email, offline_access, website]\n    grants: [password, refresh_token]\n"
    );
    let world = World::with(WorldOptions { files: vec![("f.yaml", text)], flags: Vec::new(), as_dev: false }).await;
    let login = world.login("api", "f.example", "johndoe", "x").send().await;
    assert!(
        login.token("access_token").len() > 20 && login.token("id_token").len() > 20,
        "its keys verify its ID token"
    );
    let refreshed = world
        .request("POST", "/oauth/token", "api", "f.example")
        .form(&[("grant_type", "refresh_token"), ("refresh_token", &login.token("refresh_token"))]);
    assert_eq!(refreshed.send().await.status, 200);
    let sid = world.login("web", "f.example", "johndoe", "x").send().await.sid();
    let claims = world.request("GET", "/userinfo", "web", "f.example").cookie(&sid).send().await.json();
    assert_eq!(claims["sub"], "johndoe");
    let machine = world.request("POST", "/oauth/token", "api", "f.example");
    let machine = machine
        .form(&[("grant_type", "client_credentials"), ("client_id", "foreign"), ("client_secret", "any-secret")])
        .send()
        .await;
    assert_eq!(machine.status, 200, "{machine:?}");
    assert_eq!(world.request("POST", "/logout", "web", "f.example").cookie(&sid).send().await.status, 204);
}
