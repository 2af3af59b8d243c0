//! The scripts of this folder and what they need from their registries: installed once, run, and ended with the test.
//! Does not know what they show.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// After this a script hangs; one that works takes seconds.
const LIMIT: Duration = Duration::from_secs(120);

/// A script under way. Dropped, it ends, and the browser that it drives too: the pipe between them closes.
pub struct Script {
    name: &'static str,
    child: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
    /// Where it writes: what it complained of, and a browser's profile.
    folder: tempfile::TempDir,
}

impl Script {
    /// Starts a script of this folder with an argument: `.mjs` by Node, `.py` by Python.
    pub async fn start(name: &'static str, argument: Value) -> Self {
        let project = tokio::task::spawn_blocking(move || installed(Language::of(name))).await.unwrap();
        let folder = tempfile::tempdir_in(project).unwrap();
        let complaints = File::create(folder.path().join("stderr")).unwrap();
        let program = match Language::of(name) {
            Language::JavaScript => PathBuf::from("node"),
            Language::Python => project.join("venv/bin/python"),
        };
        let mut child = Command::new(program)
            .arg(name)
            .arg(argument.to_string())
            .current_dir(project)
            .env("TMPDIR", folder.path())
            .env("SCREENSHOTS", project)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(complaints)
            .kill_on_drop(true)
            .spawn()
            .expect("node and python3 are there: scripts/needs installs them");
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { name, child, stdin, stdout, folder }
    }

    /// The next thing that it tells.
    pub async fn hear(&mut self) -> Value {
        let line = tokio::time::timeout(LIMIT, self.stdout.next_line()).await;
        let Ok(line) = line else { panic!("{} hangs:\n{}", self.name, self.complaints()) };
        let Ok(Some(line)) = line else { panic!("{} ended:\n{}", self.name, self.complaints()) };
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("{}: {line}", self.name))
    }

    /// The next thing that it tells, which is a text.
    pub async fn hear_text(&mut self) -> String {
        self.hear().await.as_str().unwrap().to_owned()
    }

    /// Tells it something.
    pub async fn tell(&mut self, value: &Value) {
        self.stdin.write_all(format!("{value}\n").as_bytes()).await.unwrap();
    }

    /// Waits until it ends, and panics with its complaints unless all went well.
    pub async fn succeed(mut self) {
        let status = tokio::time::timeout(LIMIT, self.child.wait()).await;
        let Ok(status) = status else { panic!("{} hangs:\n{}", self.name, self.complaints()) };
        assert!(status.unwrap().success(), "{} failed:\n{}", self.name, self.complaints());
    }

    fn complaints(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("stderr")).unwrap_or_default()
    }
}

/// What a script is written in.
#[derive(Clone, Copy)]
enum Language {
    JavaScript,
    Python,
}

impl Language {
    fn of(script: &str) -> Self {
        if Path::new(script).extension().is_some_and(|it| it == "py") { Self::Python } else { Self::JavaScript }
    }

    /// The file that pins, by content, everything that is installed.
    fn lock_file(self) -> &'static str {
        match self {
            Self::JavaScript => "package-lock.json",
            Self::Python => "requirements.txt",
        }
    }

    /// Installs what the lock file names, and nothing else.
    fn install(self, folder: &Path) {
        let run = |program: &str, arguments: &[&str]| {
            let ended = Process::new(program).args(arguments).current_dir(folder).status();
            let is_done = ended.unwrap_or_else(|_| panic!("{program} is there: scripts/needs installs it")).success();
            assert!(is_done, "{program} {} in {}", arguments.join(" "), folder.display());
        };
        match self {
            Self::JavaScript => {
                run(
                    "npm",
                    &["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"],
                );
            }
            Self::Python => {
                run("python3", &["-m", "venv", "--clear", "venv"]);
                let pip = [
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--disable-pip-version-check",
                    "--require-hashes",
                    "--only-binary=:all:",
                ];
                run(
                    &folder.join("venv/bin/python").to_string_lossy(),
                    &[&pip[..], &["--requirement", self.lock_file()]].concat(),
                );
            }
        }
    }
}

/// The folder of the scripts below the target folder, with what the lock file names. Installed by the first test that asks,
/// and anew when the lock file changes; tests of other processes wait.
fn installed(language: Language) -> &'static Path {
    static FOLDERS: [OnceLock<PathBuf>; 2] = [OnceLock::new(), OnceLock::new()];
    FOLDERS[language as usize].get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/foreign");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("foreign");
        std::fs::create_dir_all(&folder).unwrap();
        let lock = File::create(folder.join(".lock")).unwrap();
        lock.lock().unwrap();
        for entry in std::fs::read_dir(&source).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|it| it != "rs") {
                let fresh = folder.join(".fresh");
                std::fs::copy(&path, &fresh).unwrap();
                std::fs::rename(fresh, folder.join(path.file_name().unwrap())).unwrap();
            }
        }
        let wanted = std::fs::read(source.join(language.lock_file())).unwrap();
        let mark = folder.join(format!(".installed-{}", language.lock_file()));
        if std::fs::read(&mark).is_ok_and(|has| has == wanted) {
            return folder;
        }
        let _ = std::fs::remove_file(&mark);
        language.install(&folder);
        std::fs::write(&mark, wanted).unwrap();
        folder
    })
}
