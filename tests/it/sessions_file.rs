//! Sessions in a file: what is there after `kill -9`, what a dump of it says, and how a bad one is refused.

use std::io::BufReader;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};

use auth0_gateway::session::SessionId;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::task::JoinSet;

use crate::processes::{GATEWAY, Running, address, check};
use crate::support::{Client, Request, World, WorldOptions, eventually, plain_tenant};

const HOST: &str = "shop.example";
const USER: &str = "user@shop.example";

/// A tenant whose client answers with sessions, as many of one user as come.
fn cookie_tenant() -> String {
    plain_tenant("shop", HOST).replace(
        "offline_access]",
        "offline_access, website]\n    session: { per_user: 10000, lifetime: 30d, idle: 7d }",
    )
}

/// An emulated Auth0 that outlives the gateways before it, and a place for their files.
struct Ground {
    folder: tempfile::TempDir,
    auth0: Client,
    _emulator: (Running, BufReader<ChildStdout>),
}

impl Ground {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("tenants.d")).unwrap();
        let mut emulator = Running::start(&["emulator", "--listen", "127.0.0.1:0"]);
        let (said, lines) = emulator.until("/NAME");
        let base = address(&said, "one tenant a path: ").replace("/NAME", "");
        std::fs::write(folder.path().join("tenants.d/shop.yaml"), cookie_tenant().replace("BASE", &base)).unwrap();
        let at = base.strip_prefix("http://").unwrap().parse().unwrap();
        Self { folder, auth0: Client::new(at, at), _emulator: (emulator, lines) }
    }

    fn serve(&self) -> Served {
        self.serve_as(Command::new(GATEWAY))
    }

    /// The kernel's limit on the length of a file stands for the end of the disk; its signal must not kill.
    fn serve_on_a_disk_that_ends(&self) -> Served {
        let mut ignoring = Command::new("sh");
        ignoring.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh", GATEWAY]);
        self.serve_as(ignoring)
    }

    /// The command, by another that becomes it.
    fn serve_as(&self, mut command: Command) -> Served {
        let tenants = self.folder.path().join("tenants.d");
        let sessions = format!("file:{}", self.folder.path().display());
        command.args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--ops-listen",
            "127.0.0.1:0",
            "--tenants",
            tenants.to_str().unwrap(),
            "--allow-upstream",
            "127.0.0.0/8",
            "--access-log",
            "off",
            "--sessions",
            &sessions,
        ]);
        let mut process = Running(command.env_clear().stdout(Stdio::piped()).spawn().unwrap());
        let (said, lines) = process.until("\"message\":\"serving\"");
        let serving = said.lines().find(|line| line.contains("\"serving\"")).unwrap();
        let serving: serde_json::Value = serde_json::from_str(serving).unwrap();
        let at = |field: &str| serving[field].as_str().unwrap().parse().unwrap();
        let public: SocketAddr = at("public");
        Served { client: Arc::new(Client::new(public, at("ops"))), public, process, _lines: lines }
    }
}

struct Served {
    client: Arc<Client>,
    public: SocketAddr,
    process: Running,
    _lines: BufReader<ChildStdout>,
}

impl Served {
    /// No file may grow beyond this from now on.
    fn limit(&self, limit: &str) {
        let process = self.process.0.id().to_string();
        let set = Command::new("prlimit").args(["--pid", &process, &format!("--fsize={limit}:unlimited")]).status();
        assert!(set.expect("util-linux is there").success());
    }
}

fn login(client: &Client) -> Request<'_> {
    client.public("POST", "/oauth/token").header("x-forwarded-host", HOST).form(&[
        ("grant_type", "password"),
        ("username", USER),
        ("password", "Passw0rd-1"),
    ])
}

/// Logs in again and again until there is no answer; each cookie that was answered.
async fn storm(client: Arc<Client>, cookies: Arc<Mutex<Vec<String>>>) {
    loop {
        let Ok(answer) = login(&client).try_send().await else { return };
        cookies.lock().unwrap().push(answer.sid());
    }
}

async fn logged_in(client: &Client, cookie: &str) -> bool {
    let answer = client.public("GET", "/userinfo").header("x-forwarded-host", HOST).cookie(cookie).send().await;
    answer.status == 200
}

#[tokio::test(flavor = "multi_thread")]
async fn every_session_whose_cookie_was_answered_is_there_after_kill_9_in_a_login_storm() {
    let ground = Ground::new();
    let cookies = Arc::new(Mutex::new(Vec::new()));
    for round in 1..=3 {
        let mut served = ground.serve();
        let mut storms = JoinSet::new();
        for _ in 0..16 {
            storms.spawn(storm(Arc::clone(&served.client), Arc::clone(&cookies)));
        }
        eventually("a hundred logins", || async { cookies.lock().unwrap().len() >= round * 100 }).await;
        served.process.0.kill().unwrap();
        while let Some(storm) = storms.join_next().await {
            storm.unwrap();
        }
    }
    let served = ground.serve();
    let cookies = cookies.lock().unwrap().clone();
    for cookie in &cookies {
        assert!(logged_in(&served.client, cookie).await, "one of {} is gone", cookies.len());
    }
    let last = cookies.last().unwrap();
    let logout = served.client.public("POST", "/logout").header("x-forwarded-host", HOST).cookie(last);
    assert_eq!(logout.send().await.status, 204);
    drop(served);
    let served = ground.serve();
    assert!(!logged_in(&served.client, last).await, "a logout that was answered holds too");
    assert!(logged_in(&served.client, &cookies[0]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_logins_loses_none_and_is_overcome_without_a_restart() {
    let ground = Ground::new();
    let served = ground.serve_on_a_disk_that_ends();
    let file = ground.folder.path().join("sessions.redb");
    served.limit(&std::fs::metadata(&file).unwrap().len().to_string());
    let mut cookies = Vec::new();
    let refusal = loop {
        let answer = login(&served.client).send().await;
        if answer.status != 200 {
            break answer;
        }
        cookies.push(answer.sid());
    };
    assert_eq!(refusal.status, 503, "{refusal:?}");
    let metrics = served.client.ops("GET", "/metrics").send().await.text();
    assert!(metrics.contains("auth0_gateway_session_store_up 0"), "{metrics}");
    served.limit("unlimited");
    eventually("logins work again", || async { login(&served.client).send().await.status == 200 }).await;
    assert!(!cookies.is_empty(), "the file was full from the start");
    for cookie in &cookies {
        assert!(logged_in(&served.client, cookie).await, "one of {} is gone", cookies.len());
    }
}

/// Auth0 says that a session is over while nothing can be written: 503, and never a 200 that a restart undoes. Here it is
/// over at once all the same, and in the file as soon as there is room.
#[tokio::test(flavor = "multi_thread")]
async fn a_logout_token_is_not_taken_while_the_disk_is_full() {
    let ground = Ground::new();
    let served = ground.serve_on_a_disk_that_ends();
    let url = format!("http://{}/backchannel-logout", served.public);
    let control = |name: &str| ground.auth0.ops("POST", &format!("/shop/_emulator/{name}"));
    assert_eq!(control("backchannel").form(&[("client_id", "any"), ("url", &url)]).send().await.status, 204);
    let answered = async || {
        let calls = ground.auth0.ops("GET", "/shop/_emulator/calls").send().await.json();
        let told = calls["logout_deliveries"].as_array().unwrap().clone();
        told.iter().map(|delivery| delivery["status"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    let cookie = login(&served.client).send().await.sid();
    // Nothing can be written at all: the record stands in the middle of the file.
    served.limit("0");
    let ended = control("end-session").form(&[("client_id", "any")]).send().await.json();
    assert_eq!(ended["told"], 1);
    eventually("it was not taken", async || answered().await == [503]).await;
    assert!(!logged_in(&served.client, &cookie).await);
    served.limit("unlimited");
    eventually("logins work again", || async { login(&served.client).send().await.status == 200 }).await;
    assert!(!logged_in(&served.client, &cookie).await);
    assert_eq!(control("end-session").form(&[("client_id", "any")]).send().await.json()["told"], 1);
    eventually("the next one is", async || answered().await == [503, 200]).await;
}

/// A text as a dump might hold it.
pub fn forms(text: &str) -> Vec<Vec<u8>> {
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![text.to_owned(), hex.to_uppercase(), hex, text.replace('|', "\\u007c")];
    forms.push(utf8_percent_encode(text, NON_ALPHANUMERIC).to_string());
    for skipped in 0..3 {
        let whole = &text.as_bytes()[skipped..];
        let whole = &whole[..whole.len() / 3 * 3];
        forms.extend([STANDARD_NO_PAD.encode(whole), URL_SAFE_NO_PAD.encode(whole)]);
    }
    let mut forms: Vec<Vec<u8>> = forms.into_iter().map(String::into_bytes).collect();
    forms.extend(URL_SAFE_NO_PAD.decode(text));
    forms
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_of_the_file_holds_no_token_no_email_no_sub_and_no_session_id() {
    let folder = tempfile::tempdir().unwrap();
    let sessions = format!("file:{}", folder.path().join("dumped").display());
    let tokens = plain_tenant("safe", "safe.example");
    let files = vec![("shop.yaml", cookie_tenant()), ("safe.yaml", tokens)];
    let world = World::with(WorldOptions { files, flags: vec!["--sessions", &sessions], as_dev: false }).await;
    let cookie = world.login("api", HOST, USER, "Passw0rd-1").send().await.sid();
    let id = SessionId::parse(&cookie).unwrap();
    let session = world.gateway.services.sessions.read(&id).await.unwrap().unwrap().session;
    let login = world.login("api", "safe.example", "user@safe.example", "Passw0rd-1").send().await;
    let refresh = login.token("refresh_token");
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
    let refreshed = world.request("POST", "/oauth/token", "api", "safe.example").form(&form).send().await;
    let mut secrets = vec![USER.to_owned(), "user@safe.example".to_owned(), cookie, session.subject.to_string()];
    secrets.extend(session.sid.map(String::from));
    secrets.push(session.access_token.expose().to_owned());
    secrets.push(session.refresh_token.unwrap().expose().to_owned());
    secrets.extend([refresh, refreshed.token("access_token"), refreshed.token("id_token")]);
    // The parts of a JWT, too.
    secrets.extend(
        secrets
            .clone()
            .iter()
            .filter(|text| text.starts_with("eyJ"))
            .flat_map(|jwt| jwt.split('.').skip(1).map(str::to_owned).collect::<Vec<_>>()),
    );
    assert!(
        world.metric(r#"auth0_gateway_session_store_operation_duration_seconds_count{backend="file",op="open"}"#).await
            == 1
    );
    let dump = std::fs::read(folder.path().join("dumped")).unwrap();
    let holds = |form: &[u8]| dump.windows(form.len()).any(|window| window == form);
    assert!(holds(b"shop.example"), "the head of a record is plain, so that this test can see");
    for secret in &secrets {
        assert!(secret.len() > 7, "{secret:?} would be found anywhere");
        assert!(forms(secret).iter().all(|form| !holds(form)), "{secret}");
    }
}

/// `serve` with that place for its sessions; what it says as it refuses.
fn refused(sessions: &Path) -> String {
    let sessions = format!("file:{}", sessions.display());
    check(&["serve", "--tenants", "tenants.d", "--min-valid", "0", "--sessions", &sessions], 78)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_opened_is_78_with_what_to_do_and_stays_as_it_is() {
    let ground = Ground::new();
    let served = ground.serve();
    let folder = ground.folder.path();
    assert!(refused(folder).contains("another process has it open"));
    drop(served);
    let keys = std::fs::read(folder.join("sessions.keys")).unwrap();
    std::fs::remove_file(folder.join("sessions.keys")).unwrap();
    assert!(refused(folder).contains("its keys are gone"));
    std::fs::write(folder.join("sessions.keys"), "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n").unwrap();
    assert!(refused(folder).contains("none of the session keys opens it"));
    std::fs::write(folder.join("sessions.keys"), keys).unwrap();
    let foreign = folder.join("notes.txt");
    std::fs::write(&foreign, "not a database").unwrap();
    std::fs::copy(folder.join("sessions.keys"), folder.join("notes.keys")).unwrap();
    assert!(refused(&foreign).contains("no session file, or a damaged one"));
    assert_eq!(std::fs::read(&foreign).unwrap(), b"not a database");
    assert!(refused(&folder.join("missing/sessions.redb")).contains("the directory must exist"));
    drop(ground.serve());
}

#[test]
fn without_a_flag_sessions_are_in_the_state_directory_or_it_is_78() {
    let folder = tempfile::tempdir().unwrap();
    let serve = |state: &Path| {
        let mut serve = Command::new(GATEWAY);
        serve.args(["serve", "--tenants", "tenants.d", "--min-valid", "0", "--ops-listen", "nonsense"]);
        serve.env_clear().env("STATE_DIRECTORY", state).output().unwrap()
    };
    // It gets as far as its listeners.
    let state = folder.path().join("state");
    let output = serve(&state);
    assert!(String::from_utf8_lossy(&output.stderr).contains("nonsense"), "{output:?}");
    assert!(state.join("sessions.redb").exists() && state.join("sessions.keys").exists());
    let output = serve(Path::new("/proc/nowhere"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(78) && said.contains("--sessions file:PATH"), "{output:?}");
}
