//! What a count of instructions depends on beside the code: equal machines, equal counts.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::Failure;

/// Of gungraun and of its runner.
pub(super) const VERSION: &str = "0.20.0";

/// Processor features by which libraries choose their code at run time.
const CHOSEN_BY: [&str; 12] =
    ["adx", "aes", "avx", "avx2", "avx512f", "bmi1", "bmi2", "pclmulqdq", "sha_ni", "sse4_2", "vaes", "vpclmulqdq"];

/// A machine, as far as it decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Machine {
    rustc: String,
    cpu: String,
    cpu_features: String,
    glibc: String,
    valgrind: String,
    gungraun: String,
}

impl Machine {
    /// This one.
    pub(super) fn here() -> Result<Self, Failure> {
        let valgrind = first_line(Path::new("valgrind"), &["--version"]).ok_or(Failure::NoValgrind)?;
        let asked = |program: &str, argument: &str| {
            let answer = first_line(Path::new(program), &[argument]);
            answer.ok_or_else(|| Failure::Tool(format!("`{program} {argument}` does not answer")))
        };
        let cpuinfo = fs::read_to_string("/proc/cpuinfo")?;
        let flags: Vec<&str> = field(&cpuinfo, "flags").split_whitespace().collect();
        let features: Vec<&str> = CHOSEN_BY.into_iter().filter(|feature| flags.contains(feature)).collect();
        Ok(Self {
            rustc: asked("rustc", "--version")?,
            cpu: field(&cpuinfo, "model name").to_owned(),
            cpu_features: features.join(" "),
            glibc: first_line(Path::new("getconf"), &["GNU_LIBC_VERSION"]).unwrap_or_else(|| "none".to_owned()),
            valgrind,
            gungraun: VERSION.to_owned(),
        })
    }

    /// What is not the same, a line each.
    pub(super) fn differences(&self, other: &Self) -> Vec<String> {
        let pairs = [
            ("rustc", &self.rustc, &other.rustc),
            ("cpu", &self.cpu, &other.cpu),
            ("cpu features", &self.cpu_features, &other.cpu_features),
            ("glibc", &self.glibc, &other.glibc),
            ("valgrind", &self.valgrind, &other.valgrind),
            ("gungraun", &self.gungraun, &other.gungraun),
        ];
        let differing = pairs.into_iter().filter(|(_, own, others)| own != others);
        differing.map(|(what, own, others)| format!("{what}: {others}, and {own} in the baseline")).collect()
    }
}

/// The first field of that name in `/proc/cpuinfo`: all cores are taken to be alike.
fn field<'a>(cpuinfo: &'a str, name: &str) -> &'a str {
    let values = cpuinfo.lines().filter_map(|line| line.split_once(':'));
    values.filter(|(have, _)| have.trim() == name).map(|(_, value)| value.trim()).next().unwrap_or_default()
}

/// What a program says first; `None` where it is not there or fails.
pub(super) fn first_line(program: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).lines().next()?.trim().to_owned())
}

#[cfg(test)]
impl Machine {
    /// One for tests.
    pub(super) fn sample(rustc: &str) -> Self {
        let text = |text: &str| text.to_owned();
        Self {
            rustc: text(rustc),
            cpu: text("a cpu"),
            cpu_features: text("aes avx2"),
            glibc: text("glibc 2.36"),
            valgrind: text("valgrind-3.19.0"),
            gungraun: text(VERSION),
        }
    }
}
