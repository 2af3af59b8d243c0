"""One row: servers started, their answers held against what they must be, and rounds that take turns."""

from __future__ import annotations

import shutil
import subprocess
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

from checks import hold
from load import drive
from places import BENCH, KEYS, SERVER_CPU, TARGET
from processes import pinned
from rows import Row
from servers import Server, Setting, start
from targets import Further, Rounds, Target, Verdict


@dataclass(frozen=True)
class Plan:
    """How long."""

    rounds: int
    seconds: int
    """Of one server at full speed. wrk takes whole ones."""
    warm_up: int = 1

    @property
    def steady(self) -> int:
        """Seconds at the load that is the same for all: only CPU time is read from it, which needs less."""
        return max(1, self.seconds // 2)


@dataclass
class Result:
    """What a row gave."""

    name: str
    title: str
    rounds: Rounds
    """At full speed."""
    steady: Rounds = field(default_factory=dict)
    """At one load, which is slower than any of the servers."""
    further: Further = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    when: str = ""
    """The day and hour, how long, and how quiet the machine was."""

    def judge(self, targets: tuple[Target, ...]) -> None:
        """Holds it against the targets whose servers were measured."""
        found = (target.verdict(self.rounds, self.steady, self.further) for target in targets)
        self.verdicts = [verdict for verdict in found if verdict is not None]


def with_upstream(name: str, stack: ExitStack) -> tuple[Server, Setting]:
    """The upstream, and what its callers are told. It ends with the stack."""
    folder = TARGET / "run" / name
    shutil.rmtree(folder, ignore_errors=True)
    upstream = start("limit/upstream", Setting(folder))
    stack.callback(upstream.stop)
    return upstream, Setting(folder, upstream=int(upstream.url.rpartition(":")[2]))


def started(row: Row, only: tuple[str, ...], stack: ExitStack) -> list[Server]:
    """The row's servers, and the upstream before them. They end with the stack."""
    upstream, setting = with_upstream(row.name, stack)
    setting = row.setting(setting)
    servers = []
    for name in row.servers:
        if only and name not in only:
            continue
        if name == "limit/upstream":
            servers.append(upstream)
            continue
        server = start(name, setting)
        stack.callback(server.stop)
        servers.append(server)
    return servers


def check(row: Row, server: Server) -> None:
    checks = row.checks()
    hold(server, row.load_of(server.name), checks[:1] if server.name in row.blind else checks)


def measure(row: Row, plan: Plan, only: tuple[str, ...], say: Callable[[str], None]) -> Result:
    """Every server once a round, in turn; a further verification alone where the row wants one."""
    with ExitStack() as stack:
        servers = started(row, only, stack)
        for server in servers:
            check(row, server)
        say(f"{row.name}: {', '.join(server.name for server in servers)} answer as they must")
        result = Result(row.name, row.title, {server.name: [] for server in servers})
        if row.verifies_alone:
            result.further["verify"] = []
        for server in servers:
            drive(server.url, server.process, row.load_of(server.name), plan.warm_up, row.further(0, plan.warm_up))
        for round in range(1, plan.rounds + 1):
            for server in servers:
                one_round(row, server, round, plan, result, say)
            if row.verifies_alone:
                result.further["verify"].append(lone_verification())
        for server in servers:
            # As before the load: a server that gave up under it was measured for nothing.
            check(row, server)
            if row.proof is not None and server.name == "gateway":
                result.notes.append(row.proof(server))
            if server.name == "gateway/log":
                result.notes.append(f"access lines dropped: {dropped_lines(server):.0f}")
        result.judge(row.targets)
    return result


def one_round(row: Row, server: Server, round: int, plan: Plan, result: Result, say: Callable[[str], None]) -> None:
    """One server at full speed, and then at the load that is the same for all."""
    load = row.load_of(server.name)
    sample = drive(server.url, server.process, load, plan.seconds, row.further(2 * round - 1, plan.seconds))
    result.rounds[server.name].append(sample)
    told = f"  round {round}  {server.name:20} {sample.rate:9.0f}/s {sample.cpu:8.2f} us"
    if row.spin:
        slower = (*row.further(2 * round, plan.seconds), f"spin={row.spin}")
        sample = drive(server.url, server.process, load, plan.steady, slower)
        result.steady.setdefault(server.name, []).append(sample)
        told += f", {sample.rate:9.0f}/s {sample.cpu:8.2f} us"
    say(told)


def lone_verification() -> float:
    """Microseconds of one RS256 signature, on the servers' processor."""
    command = pinned(SERVER_CPU, [str(BENCH), "limit", "verify", str(KEYS)])
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def dropped_lines(server: Server) -> float:
    """What the gateway says it could not write."""
    with urllib.request.urlopen(f"{server.ops}/metrics", timeout=5) as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith("auth0_gateway_log_lines_dropped_total "):
                return float(line.split()[1])
    return 0.0
