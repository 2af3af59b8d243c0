//! The command itself: exit codes, signals, `dev` with curl, `check`, `explain`, `schema`.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use crate::support::plain_tenant;
use crate::tls::{Certificate, certificate, ending, put};

pub const GATEWAY: &str = env!("CARGO_BIN_EXE_auth0-gateway");
const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tenants.d");

fn gateway(arguments: &[&str]) -> Output {
    Command::new(GATEWAY).args(arguments).env_clear().output().unwrap()
}

pub fn check(arguments: &[&str], code: i32) -> String {
    let output = gateway(arguments);
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{said}");
    said
}

/// A process that is ended when the test is.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    pub fn start(arguments: &[&str]) -> Self {
        Self(
            Command::new(GATEWAY)
                .args(arguments)
                .env_clear()
                .stdout(Stdio::piped())
                .stderr(Stdio::inherit())
                .spawn()
                .unwrap(),
        )
    }

    /// Reads what it says up to the line that holds `text`.
    pub fn until(&mut self, text: &str) -> (String, BufReader<std::process::ChildStdout>) {
        let mut reader = BufReader::new(self.0.stdout.take().unwrap());
        let mut said = String::new();
        while !said.contains(text) {
            assert_ne!(reader.read_line(&mut said).unwrap(), 0, "it ended: {said}");
        }
        (said, reader)
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.0.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

fn curl(arguments: &[&str]) -> String {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "30"])
        .args(arguments)
        .output()
        .expect("curl is there: scripts/test installs it");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The address in a line such as `http://127.0.0.1:4711   operations: …`.
pub fn address(said: &str, before: &str) -> String {
    let rest = said.split(before).nth(1).unwrap_or_else(|| panic!("no {before} in {said}"));
    rest.split_whitespace().next().unwrap().to_owned()
}

#[test]
fn check_is_good_for_the_samples_and_shows_everything_that_is_wrong() {
    let said = check(&["check", SAMPLES], 0);
    assert!(said.ends_with("3 files: good\n"), "{said}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acme.yaml");
    let broken = plain_tenant("acme", "a.example")
        .replace("BASE/acme", "https://a.eu.auth0.com")
        .replace("client_id:", "client_idd:")
        .replace("grants: [password", "grants: [pasword");
    std::fs::write(&path, broken).unwrap();
    let said = check(&["check", path.to_str().unwrap()], 1);
    for line in [
        ":6:5: clients.api.client_idd: unknown key (did you mean `client_id`?)",
        ":10:14: clients.api.grants[0]: this text, expected one of",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&check(&["check", "--format", "json", path.to_str().unwrap()], 1)).unwrap();
    assert_eq!((json["files"].as_u64(), json["errors"].as_u64()), (Some(1), Some(3)), "{json:#}");
    check(&["check", "/nonexistent"], 78);
    assert!(check(&["check", "--secrets", SAMPLES], 1).contains("the environment variable is not set"));
    let effective = check(&["check", "--effective", "acme", SAMPLES], 0);
    assert!(effective.contains("acme.yaml:") && effective.contains("env: \"ACME_WEB_SECRET\""), "{effective}");
}

#[test]
fn explain_has_a_match_or_exit_code_1() {
    let said = check(&["explain", "--tenants", SAMPLES, "--host", "app.acme.localhost", "--client-type", "web"], 0);
    assert!(
        said.contains("served by tenant acme, client web") && said.contains("Username-Password-Production"),
        "{said}"
    );
    let said = check(&["explain", "--tenants", SAMPLES, "--host", "app.acme.localhost", "--client-type", "nope"], 1);
    assert!(said.contains("lost: it has no client of that type"), "{said}");
}

#[test]
fn schema_is_the_committed_one_and_usage_is_2() {
    assert_eq!(check(&["schema"], 0), include_str!("../../schemas/tenant.schema.json"));
    check(&["nonsense"], 2);
    check(&["serve", "--min-valid", "300"], 2);
}

#[test]
fn serve_refuses_what_it_cannot_serve_with_78() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let said = check(&["serve", "--sessions", "memory:", "--tenants", path], 78);
    assert!(said.contains("there is no tenant file"), "{said}");
    check(&["serve", "--sessions", "memory:", "--tenants", "/nonexistent"], 78);
    std::fs::write(folder.path().join("acme.yaml"), "hosts: [").unwrap();
    assert!(check(&["serve", "--sessions", "memory:", "--tenants", path], 78).contains("--min-valid"));
    let good = ["serve", "--tenants", SAMPLES, "--min-valid", "0", "--sessions"];
    assert!(check(&[&good[..], &["redis://127.0.0.1"]].concat(), 78).contains("--session-keys"));
    let said = check(&[&good[..], &["redis-cluster://user:hunter2@127.0.0.1/1"]].concat(), 78);
    assert!(said.contains("--sessions: the database") && !said.contains("hunter2"), "{said}");
    let said = check(
        &[
            "serve",
            "--sessions",
            "memory:",
            "--tenants",
            "tenants.d",
            "--min-valid",
            "0",
            "--tls-cert",
            "/nonexistent/a.crt",
        ],
        78,
    );
    assert!(said.contains("each certificate has its key"), "{said}");
    let pair = ["--tls-cert", "/nonexistent/a.crt", "--tls-key", "/nonexistent/a.key"];
    let said = check(
        &[&["serve", "--sessions", "memory:", "--tenants", "tenants.d", "--min-valid", "0"], &pair[..]].concat(),
        78,
    );
    assert!(said.contains("/nonexistent/a.crt cannot be read"), "{said}");
    for command in [
        &["serve", "--sessions", "memory:", "--tenants", "tenants.d", "--min-valid", "0"][..],
        &["emulator", "--listen", "127.0.0.1:0"],
    ] {
        bad_pairs_are_refused(command);
    }
    let mut emulator = Command::new(GATEWAY);
    emulator.args(["emulator", "--listen", "127.0.0.1:0"]).env_clear();
    emulator.env("AUTH0_GATEWAY_EMULATOR_TLS_CERT", "/nonexistent/a.crt,/nonexistent/b.crt");
    let said = emulator.env("AUTH0_GATEWAY_EMULATOR_TLS_KEY", "/nonexistent/a.key").output().unwrap();
    assert_eq!(said.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&said.stderr).contains("2 --tls-cert and 1 --tls-key"), "{said:?}");
    check(&["dev", "--listen", "0.0.0.0:0"], 78);
    check(&["emulator", "--listen", "0.0.0.0:0"], 78);
    check(&["healthcheck", "--ops-listen", "127.0.0.1:9"], 1);
}

/// Whatever is wrong with certificate or key, it is said with the file and what to do, and never with what is in it.
fn bad_pairs_are_refused(command: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (one, other) = (certificate(&["a.example"]), certificate(&["a.example"]));
    put(folder.path(), "one", &one);
    put(folder.path(), "other", &other);
    std::fs::write(at("empty"), "").unwrap();
    for (crt, key, expected) in [
        ("one.crt", "other.key", "are no pair: give the key that the certificate was requested with"),
        ("empty", "one.key", "empty holds no certificate: it must be PEM"),
        ("one.crt", "empty", "empty holds no private key: it must be PEM"),
        ("one.key", "one.crt", "one.key holds no certificate"),
    ] {
        let said = check(&[command, &["--tls-cert", &at(crt), "--tls-key", &at(key)]].concat(), 78);
        assert!(said.contains(expected) && said.contains(&at(crt)) | said.contains(&at(key)), "{said}");
        assert!(!shows(&said, &one) && !shows(&said, &other), "{said}");
    }
}

/// Whether any line of the key is in the text.
fn shows(text: &str, certificate: &Certificate) -> bool {
    certificate.key.lines().any(|line| text.contains(line))
}

#[test]
fn hup_keeps_a_certificate_beside_a_broken_pair_and_takes_the_next_good_one() {
    let folder = tempfile::tempdir().unwrap();
    let tls = folder.path().join("tls");
    std::fs::create_dir_all(folder.path().join("tenants.d")).unwrap();
    std::fs::create_dir(&tls).unwrap();
    write(&folder.path().join("tenants.d"), "http://127.0.0.1:9", "shop");
    let (expired, good) = (ending("127.0.0.1", 2000), certificate(&["127.0.0.1"]));
    put(&tls, "shop", &expired);
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (tenants, crt, key) = (path("tenants.d"), path("tls/shop.crt"), path("tls/shop.key"));
    let flags = ["serve", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0", "--allow-upstream", "127.0.0.0/8"];
    let files = [
        "--sessions",
        "memory:",
        "--shutdown-delay",
        "0s",
        "--tenants",
        &tenants,
        "--tls-cert",
        &crt,
        "--tls-key",
        &key,
    ];
    let mut serve = Running::start(&[&flags[..], &files].concat());
    let (mut said, mut lines) = serve.until("\"message\":\"serving\"");
    assert!(said.contains("a certificate has expired") && said.contains("2000-01-01T00:00:00Z"), "{said}");
    let serving: serde_json::Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    let at = serving["public"].as_str().unwrap().trim_start_matches("Some(").trim_end_matches(')').to_owned();
    let url = format!("https://{at}/-/healthz");
    std::fs::write(path("good.pem"), &good.pem).unwrap();
    // By `curl`, which believes the good certificate alone.
    let is_good = || Command::new("curl").args(["-sS", "--cacert", &path("good.pem"), &url]).output().unwrap();
    assert!(!is_good().status.success());
    std::fs::copy(path("good.pem"), path("tls/.tmp")).unwrap();
    std::fs::rename(path("tls/.tmp"), &crt).unwrap();
    // The watcher says it once or twice for one change: that many lines come of `HUP` alone.
    for _ in 0..6 {
        serve.signal("HUP");
        let before = said.len();
        while !said[before..].contains("cannot be loaded; the one before stays in service") {
            assert_ne!(lines.read_line(&mut said).unwrap(), 0, "it ended: {said}");
        }
    }
    let line = said.lines().find(|line| line.contains("cannot be loaded")).unwrap();
    assert!(line.contains(&crt) && line.contains(&key) && line.contains("KeyMismatch"), "{line}");
    assert!(!is_good().status.success(), "the one before stays");
    put(&tls, "shop", &good);
    serve.signal("HUP");
    while !said.contains("a changed certificate is in service") {
        assert_ne!(lines.read_line(&mut said).unwrap(), 0, "it ended: {said}");
    }
    wait_for("the good certificate is shown", || is_good().status.success());
    serve.signal("TERM");
    assert_eq!(serve.0.wait().unwrap().code(), Some(0));
    lines.read_to_string(&mut said).unwrap();
    assert!(!shows(&said, &expired) && !shows(&said, &good), "{said}");
}

#[test]
fn dev_needs_nothing_and_the_curl_that_it_prints_logs_in() {
    let elsewhere = tempfile::tempdir().unwrap();
    let mut dev = Running(
        Command::new(GATEWAY)
            .args(["dev", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0", "--emulator-listen", "127.0.0.1:0"])
            .env_clear()
            .current_dir(elsewhere.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let (said, _reader) = dev.until("cp /tmp/globex.yaml");
    let (public, ops) = (address(&said, "auth0-gateway dev: "), address(&said, "operations: "));
    let command = said.split("Log in (tokens):").nth(1).unwrap().split("Log in (a session)").next().unwrap().trim();
    let output =
        Command::new("sh").args(["-c", &command.replacen("curl", "curl --silent --show-error", 1)]).output().unwrap();
    let answer: serde_json::Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{command}: {output:?}"));
    let members: Vec<&String> = answer.as_object().unwrap().keys().collect();
    assert_eq!(members, ["access_token", "id_token", "scope", "expires_in", "token_type"]);
    assert!(curl(&[&format!("{public}/-/ready")]).contains("ok"));
    check(&["healthcheck", "--ops-listen", ops.trim_start_matches("http://")], 0);
    // HTTP/2 without an upgrade, by a client that nobody here wrote.
    assert_eq!(
        curl(&[
            "--http2-prior-knowledge",
            "--write-out",
            "%{http_version} %{http_code}",
            "--output",
            "/dev/null",
            &format!("{public}/-/healthz")
        ]),
        "2 200"
    );
    let globex = Path::new(said.split("Break ").nth(1).unwrap().split(" and watch").next().unwrap()).to_owned();
    let text = std::fs::read_to_string(&globex).unwrap();
    std::fs::write(&globex, text + "hosts: [\n").unwrap();
    wait_for("globex serves its last good version", || curl(&[&format!("{ops}/tenants")]).contains("last_good"));
    dev.signal("TERM");
    assert_eq!(dev.0.wait().unwrap().code(), Some(0));
}

/// A gateway and an emulator, each a process, on tenant files of the test.
struct Processes {
    folder: tempfile::TempDir,
    serve: Running,
    lines: BufReader<std::process::ChildStdout>,
    public: String,
    ops: String,
    emulator: String,
    _emulator: (Running, BufReader<std::process::ChildStdout>),
}

impl Processes {
    fn start(tenant: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut running = Running::start(&["emulator", "--listen", "127.0.0.1:0"]);
        let (said, reader) = running.until("/NAME");
        let emulator = address(&said, "one tenant a path: ").replace("/NAME", "");
        write(folder.path(), &emulator, tenant);
        let mut flags = vec![
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--ops-listen",
            "127.0.0.1:0",
            "--tenants",
            folder.path().to_str().unwrap(),
        ];
        flags.extend(["--allow-upstream", "127.0.0.0/8", "--shutdown-delay", "1s", "--sessions", "memory:"]);
        let mut serve = Running::start(&flags);
        let (said, lines) = serve.until("\"message\":\"serving\"");
        let line: serde_json::Value =
            serde_json::from_str(said.lines().find(|line| line.contains("serving")).unwrap()).unwrap();
        let at = |field: &str| {
            let address = line[field].as_str().unwrap_or_default();
            format!("http://{}", address.trim_start_matches("Some(").trim_end_matches(')'))
        };
        let (public, ops) = (at("public"), at("ops"));
        Self { folder, serve, lines, public, ops, emulator, _emulator: (running, reader) }
    }

    fn login(&self, tenant: &str) -> String {
        let host = format!("x-forwarded-host: {tenant}.example");
        let user = format!("username=user@{tenant}.example");
        let mut arguments = vec!["--header", &host, "--header", "client-type: api", "--data", "grant_type=password"];
        let url = format!("{}/oauth/token", self.public);
        arguments.extend(["--data", &user, "--data", "password=Passw0rd-1", &url]);
        curl(&arguments)
    }
}

fn write(folder: &Path, emulator: &str, tenant: &str) {
    let text = plain_tenant(tenant, &format!("{tenant}.example")).replace("BASE", emulator);
    std::fs::write(folder.join(format!("{tenant}.yaml")), text).unwrap();
}

#[test]
fn hup_reloads_and_term_lets_what_is_under_way_finish() {
    let mut world = Processes::start("one");
    write(world.folder.path(), &world.emulator, "two");
    world.serve.signal("HUP");
    wait_for("the new tenant serves", || world.login("two").contains("access_token"));
    let fault = format!("{}/two/_emulator/fault", world.emulator);
    curl(&["--data", r#"{"endpoint":"token","latency_ms":1500,"times":1}"#, &fault]);
    let (metrics, ready) = (format!("{}/metrics", world.ops), format!("{}/readyz", world.ops));
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| world.login("two"));
        wait_for("the slow login reached Auth0", || {
            curl(&[&metrics]).contains("auth0_gateway_http_requests_in_flight 1")
        });
        world.serve.signal("TERM");
        wait_for("it is not ready any more", || curl(&["--write-out", "%{http_code}", &ready]).contains("503"));
        assert!(slow.join().unwrap().contains("access_token"), "what was under way finished");
    });
    assert_eq!(world.serve.0.wait().unwrap().code(), Some(0));
    let mut rest = String::new();
    world.lines.read_to_string(&mut rest).unwrap();
    assert!(
        rest.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()),
        "every line is JSON: {rest}"
    );
}

/// Waits for what happens in its own time. Each look is a process of its own, which takes time enough; a
/// test that works needs a few.
fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    assert!((0..10_000).any(|_| holds()), "never happened: {what}");
}
