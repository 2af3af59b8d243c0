"""Results as text: for a terminal, and for a page."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from statistics import median
from typing import Any

from load import Sample
from rounds import Result
from targets import BUSY, Verdict


def spread(values: Iterable[float], form: str) -> str:
    """Least, middle, most."""
    found = list(values)
    return "/".join(format(value, form) for value in (min(found), median(found), max(found))) if found else "-"


COLUMNS: tuple[tuple[str, Callable[[list[Sample]], str]], ...] = (
    ("req/s", lambda it: spread((sample.rate for sample in it), ".0f")),
    ("cpu us", lambda it: spread((sample.cpu for sample in it), ".2f")),
    ("p50 us", lambda it: spread((sample.p50 for sample in it), ".0f")),
    ("p99 us", lambda it: spread((sample.p99 for sample in it), ".0f")),
    ("busy", lambda it: f"{median(sample.busy for sample in it):.2f}"
                        + ("" if median(sample.busy for sample in it) >= BUSY else " *")),
    (">= 400", lambda it: str(sum(sample.refused for sample in it))),
    ("broken", lambda it: str(sum(sample.broken for sample in it))),
)


def servers(result: Result) -> list[list[str]]:
    """A line a server, with what is beside them below."""
    lines = [["server", *(title for title, _ in COLUMNS)]]
    for server, samples in result.rounds.items():
        if samples:
            lines.append([server, *(column(samples) for _, column in COLUMNS)])
    return lines


def beside(result: Result) -> list[list[str]]:
    return [["measured beside", "min/med/max"], *([name, spread(values, ".2f")] for name, values in result.further.items())]


def verdict(found: Verdict) -> list[str]:
    target = found.target
    sign = "<=" if target.is_most else ">="
    bounds = []
    for bound in (target.floor, target.goal):
        said = "not busy" if not found.is_comparable else "met" if found.is_met(bound) else "missed"
        bounds.append("-" if bound is None else f"{sign} {bound:g} {said}")
    return [target.what, f"{found.least:.2f}/{found.middle:.2f}/{found.most:.2f}", *bounds]


def verdicts(result: Result) -> list[list[str]]:
    return [["ratio, a round each", "min/med/max", "floor", "goal"], *(verdict(found) for found in result.verdicts)]


def tables(result: Result) -> list[list[list[str]]]:
    """Those that hold something."""
    return [table for table in (servers(result), beside(result), verdicts(result)) if len(table) > 1]


def plain(result: Result) -> str:
    """For a terminal."""
    text = [f"\n{result.name}: {result.title}"]
    for table in tables(result):
        widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
        text.append("")
        text += ["  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in table]
    text += [f"  {note}" for note in result.notes]
    if any(" *" in cell for line in servers(result) for cell in line):
        text.append("  * not busy: something else was the limit, or the load is a fixed rate; compare cpu, not rates")
    return "\n".join(text) + "\n"


def markdown(result: Result) -> str:
    """For a page."""
    text = [f"### {result.title}", "", f"`bench/peers/run {result.name}`"]
    for table in tables(result):
        text += ["", "| " + " | ".join(table[0]) + " |", "|" + "---|" * len(table[0])]
        text += ["| " + " | ".join(line) + " |" for line in table[1:]]
    text += ["", *(f"- {note}" for note in result.notes)] if result.notes else []
    return "\n".join(text) + "\n"


def data(result: Result) -> dict[str, Any]:
    """For a program."""
    return {
        "row": result.name,
        "rounds": {server: [vars(sample) | {"rate": sample.rate} for sample in samples]
                   for server, samples in result.rounds.items()},
        "beside": result.further,
        "targets": [{"what": found.target.what, "min": found.least, "med": found.middle, "max": found.most,
                     "floor": found.target.floor, "floor_met": found.is_met(found.target.floor),
                     "goal": found.target.goal, "goal_met": found.is_met(found.target.goal)}
                    for found in result.verdicts],
        "notes": result.notes,
    }
