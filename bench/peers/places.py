"""Where things are, and which processor each runs on."""

from __future__ import annotations

import socket
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TARGET = ROOT / "target" / "peers"
KEYS = TARGET / "keys"
GATEWAY = ROOT / "target" / "release" / "auth0-gateway"
BENCH = ROOT / "target" / "release" / "bench"
ENVOY = next(TARGET.glob("venv/lib/python3*/site-packages/envoy/_bin/envoy"), TARGET / "venv" / "bin" / "envoy")
NODE_PACKAGES = TARGET / "node"

SERVER_CPU = 0
"""Of the server that is measured, with all its processes."""

LOAD_CPU = 1
"""Of the load, the upstream, whoever reads a log, and this program."""


class Missing(Exception):
    """Something that is measured with is not there."""


def needed(*paths: Path) -> None:
    """Fails with what to do where a program was not built or installed."""
    for path in paths:
        if not path.exists():
            step = "bench/peers/install" if TARGET in path.parents else "cargo build --release -p auth0-gateway -p bench"
            raise Missing(f"{path} is missing; run {step}")


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
