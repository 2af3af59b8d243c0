"""What rows gave, kept in target/peers, so that one row can be measured again and the page still has all."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from load import Sample
from places import TARGET
from rounds import Result
from targets import Rounds, Target

FOLDER = TARGET / "results"


def keep(result: Result) -> None:
    """In place of what the row gave before."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    told = {"name": result.name, "title": result.title, "when": result.when, "rounds": plain(result.rounds),
            "steady": plain(result.steady), "further": result.further, "notes": result.notes}
    (FOLDER / f"{result.name}.json").write_text(json.dumps(told, indent=1) + "\n")


def plain(rounds: Rounds) -> dict[str, Any]:
    return {server: [asdict(sample) for sample in samples] for server, samples in rounds.items()}


def kept(name: str, targets: tuple[Target, ...]) -> Result | None:
    """What the row gave last, held against the targets of today."""
    path = FOLDER / f"{name}.json"
    if not path.exists():
        return None
    told = json.loads(path.read_text())
    result = Result(told["name"], told["title"], samples(told["rounds"]), samples(told["steady"]), told["further"],
                    notes=told["notes"], when=told["when"])
    result.judge(targets)
    return result


def samples(rounds: dict[str, Any]) -> Rounds:
    return {server: [Sample(**sample) for sample in found] for server, found in rounds.items()}
