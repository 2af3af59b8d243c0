//! A child process: started, read until it serves, watched, halted, ended.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::Serving;

/// One of the pair. Dropped, it ends.
#[derive(Debug)]
pub struct Process {
    /// Where it serves.
    pub public: SocketAddr,
    /// Its operations listener.
    pub ops: Option<SocketAddr>,
    child: Child,
}

/// What a process has used so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// Time on a core, of all its threads that still run.
    pub cpu: Duration,
    /// Resident memory now, in bytes.
    pub resident: u64,
}

impl Process {
    pub(super) fn start(name: &str, flags: &[String]) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("this program's own path")?;
        let mut child = Command::new(program)
            .args(flags)
            // Neither a secret nor a setting of whoever runs the bench: what runs is what was asked for.
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{name} did not start"))?;
        let lines = child.stdout.take().context("a pipe that was asked for")?;
        let mut lines = BufReader::new(lines).lines();
        let mut said = String::new();
        loop {
            let Some(Ok(line)) = lines.next() else {
                let status = child.wait()?;
                bail!("{name} ended before it served ({status})\n{said}");
            };
            if let Ok(serving) = serde_json::from_str::<Serving>(&line) {
                drain(lines);
                return Ok(Self { public: serving.public, ops: serving.ops, child });
            }
            let _ = writeln!(said, "{line}");
        }
    }

    /// Halts it for so long, as a machine does that swaps or a guest that is not scheduled.
    ///
    /// # Errors
    /// Where it is gone.
    pub fn halt(&self, duration: Duration) -> anyhow::Result<()> {
        let pid = self.pid()?;
        kill_process(pid, Signal::STOP)?;
        crate::load::pause(duration);
        kill_process(pid, Signal::CONT)?;
        Ok(())
    }

    /// What it has used; `None` where there is no `/proc`.
    pub fn usage(&self) -> Option<Usage> {
        usage(self.child.id())
    }

    fn pid(&self) -> anyhow::Result<Pid> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        pid.context("a process id")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended already is fine too.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads on, so that a full pipe never holds the child; its lines are not wanted.
#[expect(clippy::disallowed_methods, reason = "ends with the child, whose end this program waits for")]
fn drain(lines: std::io::Lines<BufReader<std::process::ChildStdout>>) {
    std::thread::spawn(move || lines.for_each(drop));
}

/// What the process of that id has used.
pub fn usage(pid: u32) -> Option<Usage> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let on_core = tasks.filter_map(|task| {
        let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    let cpu = Duration::from_nanos(on_core.sum());
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = resident.and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok());
    Some(Usage { cpu, resident: kilobytes.unwrap_or_default() * 1024 })
}
