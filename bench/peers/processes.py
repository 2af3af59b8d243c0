"""Processes that are started, measured and ended: each with all its children."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

PATIENCE = 60.0
"""Seconds until a server must be ready. None here takes one, but under valgrind."""


class Failed(Exception):
    """A server did not start, or answered wrongly."""


def family(pid: int) -> list[int]:
    """The process and all that came of it."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # The name in parentheses may hold spaces; what follows does not.
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
    found = [pid]
    for member in found:
        found.extend(child for child, parent in parents.items() if parent == member)
    return found


def pinned(cpu: int, command: Sequence[str]) -> list[str]:
    return ["taskset", "--cpu-list", str(cpu), *command]


class Process:
    """A running program. Its first process is the program itself: taskset becomes it."""

    def __init__(self, name: str, command: Sequence[str], cpu: int, folder: Path, *, is_read: bool = False,
                 environment: dict[str, str] | None = None) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.reader: subprocess.Popen[bytes] | None = None
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **(environment or {})}
        self.started_at = time.perf_counter()
        with self.log.open("wb") as log:
            out: IO[bytes] | int = subprocess.PIPE if is_read else log
            self.child = subprocess.Popen(pinned(cpu, command), stdin=subprocess.DEVNULL, stdout=out, stderr=log,
                                          env=environment, start_new_session=True)
        if is_read:
            # Somebody else's processor, as in a cluster's log collector.
            self.reader = subprocess.Popen(pinned(1 - cpu, ["cat"]), stdin=self.child.stdout,
                                           stdout=subprocess.DEVNULL)
            assert self.child.stdout is not None
            self.child.stdout.close()

    def wait_until(self, is_ready: Callable[[], bool], pause: float = 0.005) -> float:
        """Asks until it is so, or fails with what the process said. Gives the seconds since its start."""
        deadline = time.monotonic() + PATIENCE
        while not is_ready():
            if self.child.poll() is not None:
                raise Failed(f"{self.name} ended with {self.child.returncode}: {self.said()}")
            if time.monotonic() > deadline:
                raise Failed(f"{self.name} was not ready within {PATIENCE:.0f} s: {self.said()}")
            time.sleep(pause)
        return time.perf_counter() - self.started_at

    def said(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]

    def cpu_nanoseconds(self) -> int:
        """On-CPU time of all its threads that live."""
        total = 0
        for pid in family(self.child.pid):
            for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                try:
                    total += int(task.read_text().split()[0])
                except (OSError, IndexError):
                    continue
        return total

    def resident_kib(self) -> int:
        """Resident memory of all its processes; what two of them share counts twice."""
        total = 0
        for pid in family(self.child.pid):
            try:
                status = Path(f"/proc/{pid}/status").read_text()
            except OSError:
                continue
            total += sum(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
        return total

    def stop(self) -> None:
        """Ends it, and what came of it: by the ids that were started here."""
        members = family(self.child.pid) if self.child.poll() is None else []
        for stopping in (signal.SIGTERM, signal.SIGKILL):
            if self.child.poll() is not None:
                break
            self.child.send_signal(stopping)
            try:
                self.child.wait(timeout=3)
            except subprocess.TimeoutExpired:
                continue
        for pid in members[1:]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if self.reader is not None:
            self.reader.terminate()
            self.reader.wait()
