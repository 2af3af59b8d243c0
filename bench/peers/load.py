"""The load, and what a server did under it."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from places import HERE, LOAD_CPU
from processes import Failed, Process, pinned


@dataclass(frozen=True)
class Load:
    """What wrk sends. `arguments` are those of load.lua."""

    path: str
    host: str = "bench.example.com"
    headers: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    connections: int = 64


@dataclass(frozen=True)
class Sample:
    """One server under one load, once. Latencies and cpu in microseconds."""

    requests: int
    seconds: float
    p50: float
    p99: float
    refused: int
    """Answers of 400 and above."""
    broken: int
    """Connections that failed, and requests without an answer in time."""
    cpu: float
    """On-CPU time of all the server's threads, per request."""
    busy: float
    """The server's share of its processor. Compare rates only from 0.97 on: below, something else was the limit."""
    load: float
    """The load's share of its own. A load that sleeps must be woken by each answer, and the server pays for that."""

    @property
    def rate(self) -> float:
        return self.requests / self.seconds if self.seconds else 0.0


@dataclass
class Samples:
    """One server over all rounds, in their order."""

    server: str
    samples: list[Sample] = field(default_factory=list)


def drive(url: str, server: Process, load: Load, seconds: int, further: Sequence[str] = ()) -> Sample:
    """Runs wrk once against the server."""
    arguments = [f"header=Host: {load.host}", *(f"header={header}" for header in load.headers), *load.arguments]
    command = ["wrk", "--threads", "1", "--connections", str(load.connections), "--duration", f"{seconds}s",
               "--script", str(HERE / "load.lua"), url + load.path, "--", *arguments, *further]
    return watch(server, command)


def handshakes(url: str, server: Process, path: str, seconds: int) -> Sample:
    """A connection a request, with a full handshake each."""
    port = url.rpartition(":")[2]
    script = str(HERE / "handshakes.py")
    return watch(server, [sys.executable, script, "127.0.0.1", port, path, f"{seconds}", "8"])


def watch(server: Process, command: Sequence[str]) -> Sample:
    """What the server did while the load ran. The load's last line of JSON says what came back."""
    before, load_before = server.cpu_nanoseconds(), of_children()
    ran = subprocess.run(pinned(LOAD_CPU, command), capture_output=True, text=True, check=False)
    spent, load_spent = server.cpu_nanoseconds() - before, of_children() - load_before
    told = [line for line in ran.stdout.splitlines() if line.startswith("{")]
    if ran.returncode != 0 or not told:
        raise Failed(f"{command[0]} against {server.name}: {ran.stdout}{ran.stderr}")
    found = json.loads(told[-1])
    requests, took = int(found["requests"]), float(found["seconds"])
    if requests == 0:
        raise Failed(f"{server.name} answered nothing: {ran.stdout}{server.said()}")
    return Sample(requests, took, float(found["p50"]), float(found["p99"]), int(found["refused"]),
                  int(found["broken"]), spent / 1000 / requests, spent / 1e9 / took, load_spent / took)


def of_children() -> float:
    """Seconds on a processor of the processes that were waited for: the loads."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
