"""Rows that the bench measures itself: with its open loop, or without any peer."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from load import Load
from places import BENCH, LOAD_CPU
from processes import Failed
from rounds import Plan, Result, check, started
from rows import TOKEN, client_credentials
from servers import Server
from specials import Say, Special
from targets import Figures, figure, most, ratio

PER_SECOND = 1_000


EVERY_CPU = f"0-{(os.cpu_count() or 1) - 1}"


def bench(arguments: Sequence[str], *, on: int | str = LOAD_CPU) -> str:
    """Runs the bench and gives what it said."""
    command = ["taskset", "--cpu-list", f"{on}", str(BENCH), *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise Failed(f"bench {' '.join(arguments)}: {ran.stderr or ran.stdout}")
    return ran.stdout


def report(arguments: Sequence[str], *, on: int | str = LOAD_CPU) -> dict[str, Any]:
    """Runs a scenario and gives its figures."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.json"
        bench([*arguments, "--quiet", "--json", str(file)], on=on)
        told: dict[str, Any] = json.loads(file.read_text())
    failed = {failure: count for operation in told["operations"] for failure, count in operation["failures"].items()}
    if failed:
        raise Failed(f"bench {arguments[0]}: {failed}")
    return told


def request(server: Server, load: Load, seconds: int) -> dict[str, Any]:
    """The load's form, PER_SECOND times a second, whatever the answers do."""
    form = next(argument.removeprefix("post=") for argument in load.arguments if argument.startswith("post="))
    headers = [f"host: {load.host}", *load.headers]
    return report(["request", server.url + load.path, "--data", Path(form).read_text(), "--rate", f"{PER_SECOND}",
                   "--connections", "16", "--duration", f"{seconds}s", "--warm-up", "1s", "--rounds", "1",
                   *(part for header in headers for part in ("--header", header))])


def open_loop(row: Special, plan: Plan, names: tuple[str, ...], say: Say) -> Result:
    """Each server in turn, at a rate that none of them feels; latencies from when each request was due."""
    result = Result(row.name, row.title, {})
    asked = replace(TOKEN, name=row.name, servers=names)
    with ExitStack() as stack:
        servers = started(asked, (), stack)
        for server in servers:
            if server.name != DIRECT:
                check(asked, server)
        for round in range(1, plan.rounds + 1):
            for server in servers:
                load = client_credentials()
                told = request(server, replace(load, path="/plain/oauth/token") if server.name == DIRECT else load, plan.seconds)
                latency = told["operations"][0]["latency"]
                for which in ("p50", "p99"):
                    result.further.setdefault(f"{server.name}, {which} us", []).append(latency[which])
                result.further.setdefault("the load's own lateness, p99 us", []).append(told["lag"]["p99"])
                say(f"  round {round}  {server.name:20} p50 {latency['p50']:7.0f} us  p99 {latency['p99']:7.0f} us")
    return result


DIRECT = "limit/upstream"


def added(server: str, other: str, which: str) -> Figures:
    """What a server adds to a call made directly, as a ratio to what the other adds, round by round."""
    def figures(_: object, further: dict[str, list[float]]) -> list[float]:
        direct, one, two = (further[f"{name}, {which} us"] for name in (DIRECT, server, other))
        return [(a - c) / (b - c) for a, b, c in zip(one, two, direct, strict=True) if b > c]
    return figures


def cold(row: Special, plan: Plan, names: tuple[str, ...], say: Say) -> Result:
    told: dict[str, list[float]] = json.loads(bench(["cold", "--tenants", "10000", "--rounds", f"{plan.rounds}", "--json"], on=EVERY_CPU))
    say(f"  {told}")
    return Result(row.name, row.title, {}, further={"plain loop, ms": told["plain"], "gateway, ms": told["gateway"]})


def under_load(row: Special, plan: Plan, names: tuple[str, ...], say: Say) -> Result:
    """Three rounds each: quiet, one file after another, all files at once."""
    told = report(["reload", "--tenants", "10000", "--rate", f"{PER_SECOND}", "--rounds", "9", "--duration",
                   f"{9 * max(plan.seconds, 3)}s", "--pin"], on=EVERY_CPU)
    result = Result(row.name, row.title, {})
    for found in told["figures"]:
        result.further[f"{found['name']}, {found['unit']}"] = [found["values"][at] for at in ("min", "median", "max")]
    result.notes.extend(told["notes"])
    result.notes.append(f"userinfo by session at {PER_SECOND} a second; the load was late by {told['lag']['p99']:.0f} us (p99)")
    say(f"  {result.further}")
    return result


QUIET = "p99 in quiet rounds, µs"

ALONE = (
    Special("added-p99", f"added p99 over the direct upstream, token, {PER_SECOND} requests a second in an open loop",
            (DIRECT, "nginx", "haproxy", "limit/proxy", "gateway", "envoy/proxy"), open_loop,
            (most("added p99 / nginx's", added("gateway", "nginx", "p99"), 1.5, 1.25),
             most("added p99 / Envoy's", added("gateway", "envoy/proxy", "p99"), 1.0),
             most("added p50 / nginx's", added("gateway", "nginx", "p50"), None))),
    Special("reload-cold", "10,000 tenant files read for the first time", (), cold,
            (most("ms / a plain loop with the same parser", ratio("gateway, ms", "plain loop, ms"), 1.3, 0.75),)),
    Special("reload", "files change among 10,000 under load", (), under_load,
            (most("one file, rename to service after POST /-/reload, ms",
                  figure("one file, from its rename to service, after POST /-/reload, ms"), 5, 2),
             most("p99, one file after another / quiet",
                  ratio("p99 in rounds with one change after another, µs", QUIET), None, 1.2),
             most("p99, every file at once / quiet", ratio("p99 in rounds in which every file changed, µs", QUIET), 2.0))),
)
"""A reload's figures are the least, the middle and the greatest of its three rounds, and so are its ratios."""
