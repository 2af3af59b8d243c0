"""bench/RESULTS.md: where and with what it was measured, every target, and the figures."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import report
from places import BENCH, ENVOY, GATEWAY, NODE_PACKAGES, ROOT
from results import kept
from rounds import Result
from rows import Row
from specials import Special

HEAD = """# Results

Written by `bench/peers/run --markdown`; nothing here is typed. How to read it, and where it is unfair:
[`peers/README.md`](peers/README.md). Where a missed floor's time goes: [`peers/COSTS.md`](peers/COSTS.md).
Figures are min/med/max over the rounds. **A verdict is of the median.** `not busy` is none: one side waited for something else,
so that its rate is not its own. A machine whose load average was above 0.5 before a row was not quiet: take nothing of it for the last
word.
"""


def said(command: list[str], pattern: str) -> str:
    """The first group of the pattern in what a command says."""
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return "not there"
    found = re.search(pattern, ran.stdout + ran.stderr)
    return found.group(1) if found else "unknown"


def package(name: str) -> str:
    return said(["dpkg-query", "--show", "--showformat", "${Version}", name], r"(\S+)")


def node_packages() -> str:
    wanted = json.loads((NODE_PACKAGES / "package.json").read_text())["dependencies"]
    return ", ".join(f"{name} {version}" for name, version in sorted(wanted.items()))


def commit() -> str:
    text = said(["git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"], r"(\w+)")
    changed = subprocess.run(["git", "-C", str(ROOT), "status", "--porcelain", "src", "bench/src", "Cargo.lock"],
                             capture_output=True, text=True, check=False).stdout
    written = int(said(["git", "-C", str(ROOT), "log", "-1", "--format=%ct", "--", "src", "bench/src", "Cargo.lock"], r"(\d+)"))
    is_old = GATEWAY.stat().st_mtime < written or BENCH.stat().st_mtime < written
    return text + (", with changes that are not committed" if changed else "") + (", **built before it**" if is_old else "")


VERSIONS: tuple[tuple[str, Callable[[], str]], ...] = (
    ("auth0-gateway", lambda: said([str(GATEWAY), "--version"], r"auth0-gateway (\S+)") + ", " + commit()),
    ("rustc", lambda: said(["rustc", "--version"], r"rustc (\S+)")),
    ("nginx", lambda: package("nginx-light") + ", " + said(["/usr/sbin/nginx", "-V"], r"(OpenSSL \S+)")),
    ("HAProxy", lambda: package("haproxy")),
    ("Envoy", lambda: said([str(ENVOY), "--version"], r"/(\d+\.\d+\.\d+)/")),
    ("Apache, mod_auth_openidc", lambda: package("apache2") + ", " + package("libapache2-mod-auth-openidc")),
    ("Node", lambda: said(["node", "--version"], r"v(\S+)") + "; " + node_packages()),
    ("wrk", lambda: package("wrk")),
    ("Python", platform.python_version),
)


def machine() -> list[tuple[str, str]]:
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    system = re.search(r'PRETTY_NAME="(.*)"', Path("/etc/os-release").read_text())
    return [
        ("processor", f"{cpu.group(1) if cpu else platform.machine()}, {os.cpu_count()} of them"),
        ("memory", f"{int(memory.group(1)) / 1024 / 1024:.0f} GiB" if memory else "unknown"),
        ("system", f"{system.group(1) if system else 'unknown'}, Linux {platform.release()}"),
    ]


def write(rows: Mapping[str, Row | Special], failures: list[str]) -> str:
    """The whole page: of each row what it gave last, but of none that failed now."""
    found = {name: None if name in failures else kept(name, row.targets) for name, row in rows.items()}
    told = machine() + [(name, version()) for name, version in VERSIONS]
    text = [HEAD, "## Where, and with what", "", "| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in told)]
    text += ["", "```", "bench/peers/install", "cargo build --release -p auth0-gateway -p bench",
             "bench/peers/run --markdown bench/RESULTS.md", "```", ""]
    text += ["## Targets", "", "| row | ratio, a round each | min/med/max | floor | goal |", "|---|---|---|---|---|"]
    for name, row in rows.items():
        text += summary(row.title, found[name], has_failed=name in failures)
    text += ["", "## Figures", "", *(report.markdown(result) for result in found.values() if result is not None)]
    return "\n".join(text).rstrip() + "\n"


def summary(title: str, result: Result | None, *, has_failed: bool) -> list[str]:
    """A line a target, and one for a row that has none or was not measured."""
    if result is None:
        return [f"| {title} | {'failed' if has_failed else 'not run'} | | | |"]
    if not result.verdicts:
        return [f"| {title} | reported below | | | |"]
    return [f"| {title} | " + " | ".join(report.verdict(found)) + " |" for found in result.verdicts]
