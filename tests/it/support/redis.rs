//! Real Redis servers: one, a primary with replicas and Sentinels, a Cluster. Each on a free port of loopback in
//! a folder of its own, and gone when dropped.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::eventually;

/// The name that the Sentinels know their primary by.
pub const PRIMARY: &str = "sessions";

/// One server, Sentinels too.
pub struct Server {
    child: Child,
    folder: tempfile::TempDir,
    program: &'static str,
    arguments: Vec<String>,
    pub port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Server {
    /// An empty one that keeps nothing on disk.
    pub async fn start(further: &[&str]) -> Self {
        Self::start_on(free_port(), further).await
    }

    async fn start_on(port: u16, further: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut arguments = vec!["--port".to_owned(), port.to_string()];
        arguments.extend(["--save", "", "--appendonly", "no", "--dir"].map(str::to_owned));
        arguments.push(folder.path().to_str().unwrap().to_owned());
        arguments.extend(further.iter().map(|argument| (*argument).to_owned()));
        Self::spawn("redis-server", folder, arguments, port).await
    }

    /// One that speaks TLS too, on [`tls_port`](Self::tls_port).
    pub async fn start_tls(further: &[&str]) -> Self {
        let port = free_port();
        let tls_port = (port + BESIDE).to_string();
        Self::start_on(port, &[further, &["--tls-port", &tls_port]].concat()).await
    }

    async fn start_sentinel(primary: u16) -> Self {
        let port = free_port();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sentinel.conf");
        let lines = [
            format!("port {port}"),
            format!("dir {}", folder.path().display()),
            format!("sentinel monitor {PRIMARY} 127.0.0.1 {primary} 2"),
            format!("sentinel down-after-milliseconds {PRIMARY} 1000"),
            format!("sentinel failover-timeout {PRIMARY} 3000"),
        ];
        std::fs::write(&file, lines.join("\n")).unwrap();
        let arguments = vec![file.to_str().unwrap().to_owned()];
        Self::spawn("redis-sentinel", folder, arguments, port).await
    }

    async fn spawn(program: &'static str, folder: tempfile::TempDir, arguments: Vec<String>, port: u16) -> Self {
        let child = launch(program, &arguments, folder.path());
        let server = Self { child, folder, program, arguments, port };
        server.answers().await;
        server
    }

    async fn answers(&self) {
        eventually("a server that answers", || async { self.cli(&["PING"]).trim() == "PONG" }).await;
    }

    /// What `redis-cli` prints; empty where nobody answers.
    pub fn cli(&self, arguments: &[&str]) -> String {
        let port = self.port.to_string();
        let output = Command::new("redis-cli").args(["-h", "127.0.0.1", "-p", &port]).args(arguments).output();
        let output = output.expect("redis-cli is there: scripts/test installs it");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts again, empty, on the same port.
    pub async fn start_again(&mut self) {
        self.kill();
        self.child = launch(self.program, &self.arguments, self.folder.path());
        self.answers().await;
    }

    /// `STOP` freezes it, `CONT` lets it go on.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    pub fn tls_port(&self) -> u16 {
        self.port + BESIDE
    }

    /// A file in its folder, which is there as long as the server.
    pub fn file_path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// As `--sessions` wants it.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

fn launch(program: &str, arguments: &[String], folder: &Path) -> Child {
    let log = std::fs::File::create(folder.join("log")).unwrap();
    let mut command = Command::new(program);
    command.args(arguments).args(["--bind", "127.0.0.1"]).stdin(Stdio::null()).stdout(log).stderr(Stdio::null());
    command.spawn().unwrap_or_else(|error| panic!("{program} is there, scripts/test installs it: {error}"))
}

/// So far above its port a node of a Cluster talks to the others.
const BESIDE: u16 = 10_000;

/// A port whose neighbour [`BESIDE`] is free too.
fn free_port() -> u16 {
    loop {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let Some(above) = port.checked_add(BESIDE) else { continue };
        if TcpListener::bind(("127.0.0.1", above)).is_ok() {
            return port;
        }
    }
}

/// A primary, two replicas and three Sentinels.
pub struct Sentinels {
    pub servers: Vec<Server>,
    pub sentinels: Vec<Server>,
}

impl Sentinels {
    pub async fn start() -> Self {
        let primary = Server::start(&[]).await;
        let port = primary.port.to_string();
        let mut servers = vec![primary];
        for _ in 0..2 {
            servers.push(Server::start(&["--replicaof", "127.0.0.1", &port]).await);
        }
        let mut sentinels = Vec::new();
        for _ in 0..3 {
            sentinels.push(Server::start_sentinel(servers[0].port).await);
        }
        let trio = Self { servers, sentinels };
        eventually("Sentinels that know all of them", || async { trio.is_complete() }).await;
        trio
    }

    /// Whether each Sentinel knows both others and a primary with two replicas that follow it.
    pub fn is_complete(&self) -> bool {
        self.sentinels.iter().all(|sentinel| {
            let known = sentinel.cli(&["SENTINEL", "MASTER", PRIMARY]);
            let field = |name| known.lines().skip_while(|line| *line != name).nth(1).map(str::to_owned);
            field("num-slaves").as_deref() == Some("2") && field("num-other-sentinels").as_deref() == Some("2")
        }) && self.servers[self.primary()].cli(&["INFO", "replication"]).matches("state=online").count() == 2
    }

    /// Which of the servers the first Sentinel holds for the primary.
    pub fn primary(&self) -> usize {
        let answer = self.sentinels[0].cli(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", PRIMARY]);
        let port = answer.lines().nth(1).and_then(|line| line.parse().ok());
        let is_it = |server: &Server| Some(server.port) == port;
        self.servers.iter().position(is_it).unwrap_or_else(|| panic!("no such server: {answer}"))
    }

    pub fn url(&self) -> String {
        let hosts: Vec<String> = self.sentinels.iter().map(|it| format!("127.0.0.1:{}", it.port)).collect();
        format!("redis-sentinel://{}/{PRIMARY}", hosts.join(","))
    }
}

/// What `redis-cli --cluster` does.
fn manage(arguments: &[&str]) {
    let done = Command::new("redis-cli").arg("--cluster").args(arguments).arg("--cluster-yes").output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
}

/// Three primaries that share the slots.
pub struct Cluster {
    pub nodes: Vec<Server>,
}

impl Cluster {
    pub async fn start() -> Self {
        let mut nodes = Vec::new();
        for _ in 0..3 {
            nodes.push(
                Server::start(&[
                    "--cluster-enabled",
                    "yes",
                    "--cluster-node-timeout",
                    "1000",
                    "--cluster-require-full-coverage",
                    "no",
                ])
                .await,
            );
        }
        let addresses: Vec<String> = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
        manage(&[&["create"], &addresses[..], &["--cluster-replicas", "0"]].concat());
        let cluster = Self { nodes };
        eventually("a Cluster that serves", || async {
            cluster.nodes.iter().all(|node| node.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok"))
        })
        .await;
        cluster
    }

    /// Gives every slot of a node, with what is in it, to another one.
    pub fn move_all_slots(&self, from: usize, to: usize) {
        let name = |node: usize| self.nodes[node].cli(&["CLUSTER", "MYID"]).trim().to_owned();
        let (from_name, to_name) = (name(from), name(to));
        let entry = format!("127.0.0.1:{}", self.nodes[from].port);
        let arguments = ["reshard", &entry, "--cluster-from", &from_name, "--cluster-to", &to_name];
        manage(&[&arguments[..], &["--cluster-slots", "5461", "--cluster-pipeline", "1000"]].concat());
    }

    pub fn url(&self) -> String {
        let hosts: Vec<String> = self.nodes.iter().map(|it| format!("127.0.0.1:{}", it.port)).collect();
        format!("redis-cluster://{}", hosts.join(","))
    }
}
