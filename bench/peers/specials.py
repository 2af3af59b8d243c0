"""Rows that no load of wrk's fits: handshakes, memory, starts."""

from __future__ import annotations

import shutil
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import tenants
from load import drive, handshakes
from places import ROOT
from processes import PATIENCE, Process
from rounds import Plan, Result, with_upstream
from rows import TOKEN
from servers import READY, Server, Setting, start
from targets import Target, cpu, figure, most, ratio

Say = Callable[[str], None]


@dataclass(frozen=True)
class Special:
    """A row with a way of its own."""

    name: str
    title: str
    servers: tuple[str, ...]
    way: Callable[[Special, Plan, tuple[str, ...], Say], Result]
    targets: tuple[Target, ...] = ()

    def measure(self, plan: Plan, only: tuple[str, ...], say: Say) -> Result:
        result = self.way(self, plan, tuple(name for name in self.servers if not only or name in only), say)
        result.judge(self.targets)
        return result


def full_handshakes(row: Special, plan: Plan, names: tuple[str, ...], say: Say) -> Result:
    result = Result(row.name, row.title, {name: [] for name in names})
    with ExitStack() as stack:
        _, setting = with_upstream(row.name, stack)
        running = []
        for name in names:
            server = start(name, replace(setting, tls=True))
            stack.callback(server.stop)
            running.append(server)
        for round in range(plan.rounds + 1):
            for server in running:
                path = READY[server.name.partition("/")[0]]
                sample = handshakes(server.url, server.process, path, plan.seconds if round else plan.warm_up)
                if round:
                    result.rounds[server.name].append(sample)
                    say(f"  round {round}  {server.name:20} {sample.rate:9.0f}/s {sample.cpu:8.2f} us")
    return result


CONNECTIONS = 1_000


class Peak:
    """The most memory that a process has while this runs."""

    def __init__(self, process: Process) -> None:
        self.most = 0
        self.process = process
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.look)

    def look(self) -> None:
        while not self.over.wait(0.1):
            self.most = max(self.most, self.process.resident_kib())

    def __enter__(self) -> Peak:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()


def per_pair(row: Special, plan: Plan, names: tuple[str, ...], say: Say) -> Result:
    """A server new in each round: what it took once, it keeps."""
    result = Result(row.name, row.title, {}, further={name: [] for name in names})
    load = replace(TOKEN.load(), connections=CONNECTIONS)
    for round in range(1, plan.rounds + 1):
        for name in names:
            with ExitStack() as stack:
                _, setting = with_upstream(row.name, stack)
                server = start(name, setting)
                stack.callback(server.stop)
                idle = server.process.resident_kib()
                with Peak(server.process) as peak:
                    drive(server.url, server.process, load, plan.seconds)
                result.further[name].append((peak.most - idle) / CONNECTIONS)
                say(f"  round {round}  {name:20} {idle / 1024:6.1f} MiB idle, {peak.most / 1024:6.1f} at most")
    return result


def ten_thousand(setting: Setting, folder: Path) -> None:
    tenants.ten_thousand(folder, 0)


def idle(row: Special, plan: Plan, names: tuple[str, ...], say: Say) -> Result:
    """Once: reading memory is no matter of chance. The gateway has 10,000 tenants, and four edits of all of them."""
    result = Result(row.name, row.title, {})
    with ExitStack() as stack:
        _, setting = with_upstream(row.name, stack)
        for name in names:
            server = start(name, replace(setting, tenants=ten_thousand) if name == "gateway" else setting)
            stack.callback(server.stop)
            result.further[f"{name}, MiB"] = [settled(server.process)]
            if name == "gateway":
                reloaded(server, setting.folder / name / "tenants.d", result.further)
            say(f"  {name}: {result.further[f'{name}, MiB'][0]:.1f} MiB")
    return result


SETTLED_FOR = 1.0


def settled(process: Process) -> float:
    """MiB, once it is the same for a second."""
    found, since, until = process.resident_kib(), time.monotonic(), time.monotonic() + PATIENCE
    while time.monotonic() - since < SETTLED_FOR and time.monotonic() < until:
        time.sleep(0.1)
        if (now := process.resident_kib()) != found:
            found, since = now, time.monotonic()
    return found / 1024


RELOADS = 5


def reloaded(server: Server, folder: Path, further: dict[str, list[float]]) -> None:
    """Every file changes, and is read again, four times after the first."""
    after = []
    for edition in range(1, RELOADS):
        tenants.ten_thousand(folder, edition)
        request = urllib.request.Request(f"{server.ops}/-/reload", method="POST")
        with urllib.request.urlopen(request, timeout=60):
            pass
        after.append(settled(server.process))
    further[f"gateway after the reloads 2 to {RELOADS}, MiB"] = after
    further["gateway after them / before"] = [after[-1] / further["gateway, MiB"][0]]


def samples(_: Setting, folder: Path) -> None:
    for file in (ROOT / "tenants.d").glob("*.yaml"):
        shutil.copy(file, folder)


STARTS_A_ROUND = 3


def to_ready(row: Special, plan: Plan, names: tuple[str, ...], say: Say) -> Result:
    """From the start of the process to its first answer, asked without a pause. taskset is in it, for everybody."""
    result = Result(row.name, row.title, {}, further={name: [] for name in names})
    with ExitStack() as stack:
        _, setting = with_upstream(row.name, stack)
        for _ in range(plan.rounds * STARTS_A_ROUND):
            for name in names:
                server = start(name, replace(setting, tenants=samples), pause=0.0)
                result.further[name].append(server.took * 1000)
                server.stop()
    say(f"  {plan.rounds * STARTS_A_ROUND} starts each")
    return result


SPECIALS = (
    Special("tls-handshake", "TLS 1.3, a full handshake, one request and the end", ("nginx", "gateway"), full_handshakes,
            (most("cpu / nginx", cpu("gateway", "nginx"), 0.55, 0.47),)),
    Special("rss-pair", f"KiB per proxied connection pair ({CONNECTIONS} connections, token)",
            ("nginx", "haproxy", "limit/proxy", "gateway", "envoy/proxy"), per_pair,
            (most("KiB", figure("gateway"), 60, 30), most("KiB / Envoy's", ratio("gateway", "envoy/proxy"), 1.0))),
    Special("rss-idle", "resident memory, idle; the gateway with 10,000 tenants", ("nginx", "envoy/proxy", "gateway"), idle,
            (most("MiB", figure("gateway, MiB"), 55, 42),
             most("after four reloads / before", figure("gateway after them / before"), 1.10))),
    Special("startup", "milliseconds from start to the first answer; the gateway with the three sample tenants",
            ("nginx", "gateway", "haproxy", "envoy/proxy", "node/token"), to_ready,
            (most("ms / nginx's", ratio("gateway", "nginx"), 1.0), most("ms", figure("gateway"), None, 5))),
)
