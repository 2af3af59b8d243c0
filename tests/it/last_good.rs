//! Last good versions of tenant files, kept with the sessions: what serves after `kill -9` in the middle of an
//! incident, whose a pair is at a cold start, and that no secret is kept.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{ChildStdout, Command, Stdio};
use std::sync::Arc;

use auth0_gateway::base::clock::SystemClock;
use auth0_gateway::base::random::SystemRandom;
use auth0_gateway::session::embedded::{Ambient, EmbeddedStore};
use auth0_gateway::session::records::RecordStore;
use auth0_gateway::session::ring::KeyRing;
use tokio_util::task::TaskTracker;

use crate::processes::{GATEWAY, Running, address, check};
use crate::sessions_file::forms;
use crate::support::{Client, eventually, plain_tenant};

/// Is in a file below `--secrets-dir`, or in the tenant file itself.
const SECRET: &str = "hunter2-hunter2-hunter2";

/// An emulated Auth0, and files that outlive the gateways.
struct Ground {
    folder: tempfile::TempDir,
    base: String,
    _emulator: (Running, BufReader<ChildStdout>),
}

struct Served {
    client: Client,
    /// Everything up to the line that says that it serves.
    said: String,
    _process: (Running, BufReader<ChildStdout>),
}

impl Ground {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for directory in ["tenants.d", "secrets"] {
            std::fs::create_dir(folder.path().join(directory)).unwrap();
        }
        std::fs::write(folder.path().join("secrets/shop"), SECRET).unwrap();
        let mut emulator = Running::start(&["emulator", "--listen", "127.0.0.1:0"]);
        let (said, lines) = emulator.until("/NAME");
        let base = address(&said, "one tenant a path: ").replace("/NAME", "");
        Self { folder, base, _emulator: (emulator, lines) }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join("tenants.d").join(file)
    }

    /// As editors do: beside it, then over it.
    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.path(".tmp"), text.replace("BASE", &self.base)).unwrap();
        std::fs::rename(self.path(".tmp"), self.path(file)).unwrap();
    }

    fn flags(&self) -> Vec<String> {
        let folder = self.folder.path().display();
        let (tenants, secrets) = (format!("{folder}/tenants.d"), format!("{folder}/secrets"));
        let sessions = format!("file:{folder}");
        let flags = ["serve", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0", "--access-log", "off"];
        let places = ["--tenants", &tenants, "--secrets-dir", &secrets, "--sessions", &sessions];
        let rest = ["--allow-upstream", "127.0.0.0/8", "--min-valid", "1"];
        flags.into_iter().chain(places).chain(rest).map(str::to_owned).collect()
    }

    fn serve(&self) -> Served {
        let mut process = Command::new(GATEWAY);
        process.args(self.flags()).env_clear().stdout(Stdio::piped());
        let mut process = Running(process.spawn().unwrap());
        let mut reader = BufReader::new(process.0.stdout.take().unwrap());
        let mut said = String::new();
        while !said.contains("\"message\":\"serving\"") {
            assert_ne!(reader.read_line(&mut said).unwrap(), 0, "it ended: {said}");
        }
        let serving = said.lines().find(|line| line.contains("\"serving\"")).unwrap();
        let serving: serde_json::Value = serde_json::from_str(serving).unwrap();
        let at = |field: &str| serving[field].as_str().unwrap().parse().unwrap();
        Served { client: Client::new(at("public"), at("ops")), said, _process: (process, reader) }
    }

    /// Waits until a file's record is there: its name stands in plain.
    async fn keeps(&self, file: &str) {
        let kept = || async {
            let dump = std::fs::read(self.folder.path().join("sessions.redb")).unwrap();
            dump.windows(file.len()).any(|window| window == file.as_bytes())
        };
        eventually("the record is kept", kept).await;
    }

    /// Every record, opened.
    async fn records(&self) -> Vec<(String, Vec<u8>)> {
        let keys = std::fs::read_to_string(self.folder.path().join("sessions.keys")).unwrap();
        let ambient = Ambient {
            ring: Arc::new(KeyRing::parse(&keys).unwrap()),
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
        };
        let store =
            EmbeddedStore::open(&self.folder.path().join("sessions.redb"), ambient, TaskTracker::new()).unwrap();
        let found = store.records().await.unwrap();
        assert!(found.unreadable.is_empty(), "{found:?}");
        found.records.into_iter().map(|record| (record.name.into(), record.value)).collect()
    }
}

impl Served {
    /// A login of that tenant's user on the host.
    async fn login(&self, tenant: &str, host: &str) -> u16 {
        let username = format!("user@{tenant}.example");
        let form = [("grant_type", "password"), ("username", &*username), ("password", "Passw0rd-1")];
        let login = self.client.public("POST", "/oauth/token").header("x-forwarded-host", host);
        login.header("client-type", "api").form(&form).send().await.status.as_u16()
    }

    async fn reload(&self) -> u16 {
        self.client.ops("POST", "/-/reload").send().await.status.as_u16()
    }

    /// What `/tenants` says of a file.
    async fn status(&self, file: &str) -> serde_json::Value {
        let status = self.client.ops("GET", "/tenants").send().await.json();
        status["files"].as_array().unwrap().iter().find(|known| known["file"] == file).unwrap().clone()
    }

    async fn metrics(&self) -> String {
        self.client.ops("GET", "/metrics").send().await.text()
    }
}

/// A tenant whose secret is a reference.
fn tenant(host: &str) -> String {
    plain_tenant("shop", host).replace("any-secret", "{ file: shop }")
}

const BROKEN: &str = "hosts: [\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_broken_when_kill_9_comes_serves_from_its_record_loudly_until_it_is_mended() {
    let ground = Ground::new();
    ground.write("shop.yaml", &tenant("shop.example"));
    let served = ground.serve();
    assert_eq!(served.login("shop", "shop.example").await, 200);
    ground.keeps("shop.yaml").await;
    ground.write("shop.yaml", BROKEN);
    assert_eq!(served.reload().await, 422);
    let since = served.status("shop.yaml").await["serving_since"].clone();
    drop(served);

    let served = ground.serve();
    assert_eq!(served.login("shop", "shop.example").await, 200);
    let status = served.status("shop.yaml").await;
    assert_eq!((&status["state"], &status["recalled"]), (&"last_good".into(), &true.into()), "{status}");
    assert!(status["serving_since"] == since && status["serving_for_seconds"].is_u64(), "{status}, since {since}");
    let metrics = served.metrics().await;
    assert!(metrics.contains("auth0_gateway_tenants{state=\"last_good\"} 1"), "{metrics}");
    assert!(metrics.contains("auth0_gateway_config_file_valid{file=\"shop.yaml\"} 0"), "{metrics}");
    let loud = |line: &&str| line.contains("its last good version does") && line.contains("\"age_seconds\"");
    let line = served.said.lines().find(loud).unwrap_or_else(|| panic!("{}", served.said));
    assert!(line.contains("\"level\":\"ERROR\"") || line.contains("\"level\":\"error\""), "{line}");
    drop(served);
    let flags = ground.flags();
    let strict: Vec<&str> = flags.iter().map(String::as_str).chain(["--strict"]).collect();
    assert!(check(&strict, 78).contains("--strict was given"));

    // Mended, it serves what it says now, and its record goes on: both files are written at once.
    let served = ground.serve();
    ground.write("shop.yaml", &tenant("new.example"));
    ground.write("zz-mark.yaml", &plain_tenant("zz-mark", "mark.example"));
    assert_eq!(served.reload().await, 200);
    let status = served.status("shop.yaml").await;
    assert!(status["state"] == "active" && status["recalled"].is_null(), "{status}");
    assert_eq!((served.login("shop", "new.example").await, served.login("shop", "shop.example").await), (200, 401));
    ground.keeps("zz-mark.yaml").await;
    ground.write("shop.yaml", BROKEN);
    drop(served);
    let served = ground.serve();
    assert_eq!((served.login("shop", "new.example").await, served.login("shop", "shop.example").await), (200, 401));
    // A file that goes takes its record along.
    std::fs::remove_file(ground.path("shop.yaml")).unwrap();
    assert_eq!(served.reload().await, 200);
    assert_eq!(served.login("shop", "new.example").await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cold_start_leaves_a_pair_with_whoever_had_it() {
    let ground = Ground::new();
    ground.write("shop.yaml", &tenant("shop.example"));
    drop({
        let served = ground.serve();
        ground.keeps("shop.yaml").await;
        served
    });
    // Without the record neither would be served there.
    ground.write("another.yaml", &plain_tenant("another", "shop.example"));
    let served = ground.serve();
    assert_eq!(served.login("shop", "shop.example").await, 200);
    assert_eq!(served.status("another.yaml").await["state"], "broken");
    assert_eq!(served.status("shop.yaml").await["state"], "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_file_with_a_secret_in_it_no_more_is_kept_than_whose_its_hosts_are() {
    let ground = Ground::new();
    ground.write("literal.yaml", &plain_tenant("literal", "literal.example").replace("any-secret", SECRET));
    ground.write("shop.yaml", &tenant("shop.example"));
    let served = ground.serve();
    assert_eq!(
        (served.login("literal", "literal.example").await, served.login("shop", "shop.example").await),
        (200, 200)
    );
    ground.keeps("literal.yaml").await;
    ground.keeps("shop.yaml").await;
    drop(served);
    // Neither in what lies on the disk nor in what the keys open.
    let mut dumps = ground.records().await;
    assert_eq!(dumps.len(), 2);
    assert!(dumps.iter().all(|(file, text)| String::from_utf8_lossy(text).contains(&file.replace("yaml", "example"))));
    dumps.push(("the file".to_owned(), std::fs::read(ground.folder.path().join("sessions.redb")).unwrap()));
    for (name, dump) in &dumps {
        for form in forms(SECRET) {
            assert!(!dump.windows(form.len()).any(|window| window == form), "{name} holds {form:?}");
        }
    }
    // Broken at a start, it keeps its host: from a wider pattern and from a newcomer.
    ground.write("literal.yaml", BROKEN);
    ground.write("newcomer.yaml", &plain_tenant("newcomer", "literal.example"));
    ground.write("wide.yaml", &plain_tenant("wide", "*.example"));
    let served = ground.serve();
    assert_eq!(served.login("literal", "literal.example").await, 503);
    assert_eq!((served.login("shop", "shop.example").await, served.login("wide", "else.example").await), (200, 200));
    assert!(served.said.contains("a secret stood in it"), "{}", served.said);
    assert!(served.metrics().await.contains("auth0_gateway_config_file_hosts_unknown 0"));
}
