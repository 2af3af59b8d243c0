//! Software that nobody here wrote: Prometheus' own checker, and an OpenID provider from npm as a tenant.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

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

/// The provider, ended with the test.
struct Provider {
    child: Child,
    issuer: String,
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `oauth2-mock-server` of npm, installed once into the target folder by its lock file.
fn provider() -> Provider {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/foreign");
    let folder: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join("foreign");
    std::fs::create_dir_all(&folder).unwrap();
    for file in ["package.json", "package-lock.json", "provider.mjs"] {
        std::fs::copy(source.join(file), folder.join(file)).unwrap();
    }
    if !folder.join("node_modules/oauth2-mock-server").exists() {
        let installed = Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&folder).status();
        assert!(installed.expect("npm is there: scripts/test installs it").success());
    }
    let mut child = Command::new("node")
        .arg("provider.mjs")
        .current_dir(&folder)
        .stdout(Stdio::piped())
        .spawn()
        .expect("node is there: scripts/test installs it");
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    Provider { child, issuer: line.trim().to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_nobody_here_wrote_serves_as_a_tenant() {
    let provider = tokio::task::spawn_blocking(provider).await.unwrap();
    let text = format!(
        "auth0: {{ base_url: \"{issuer}\", issuer: \"{issuer}\" }}\nhosts: [f.example]\nclients:\n  api:\n    client_id: foreign\n    client_secret: any-secret\n    \
         scopes: [openid, email, offline_access]\n    grants: [password, refresh_token, client_credentials]\n  web:\n    client_id: foreign-web\n    client_secret: any-secret\n    \
         scopes: [openid, email, offline_access, website]\n    grants: [password, refresh_token]\n",
        issuer = provider.issuer
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
