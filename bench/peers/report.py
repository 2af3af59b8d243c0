"""Results as text: for a terminal, and for a page."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from statistics import median
from typing import Any

from load import Sample
from rounds import Result
from targets import Rounds, Verdict


def spread(values: Iterable[float], form: str) -> str:
    """Least, middle, most."""
    found = list(values)
    return "/".join(format(value, form) for value in (min(found), median(found), max(found))) if found else "-"


Column = tuple[str, Callable[[list[Sample]], str]]

COLUMNS: tuple[Column, ...] = (
    ("req/s", lambda it: spread((sample.rate for sample in it), ".0f")),
    ("cpu us", lambda it: spread((sample.cpu for sample in it), ".2f")),
    ("p50 us", lambda it: spread((sample.p50 for sample in it), ".0f")),
    ("p99 us", lambda it: spread((sample.p99 for sample in it), ".0f")),
    ("busy", lambda it: f"{median(sample.busy for sample in it):.2f}"),
    ("load", lambda it: f"{median(sample.load for sample in it):.2f}"),
    (">= 400", lambda it: str(sum(sample.refused for sample in it))),
    ("broken", lambda it: str(sum(sample.broken for sample in it))),
)


STEADY = tuple(column for column in COLUMNS if not column[0].startswith("p"))
"""At one load for all, how long it took says little."""


def servers(title: str, rounds: Rounds, columns: tuple[Column, ...]) -> list[list[str]]:
    """A line a server."""
    lines = [[title, *(name for name, _ in columns)]]
    for server, samples in rounds.items():
        if samples:
            lines.append([server, *(column(samples) for _, column in columns)])
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
    every = (servers("full speed", result.rounds, COLUMNS), servers("same load", result.steady, STEADY), beside(result),
             verdicts(result))
    return [table for table in every if len(table) > 1]


def plain(result: Result) -> str:
    """For a terminal."""
    text = [f"\n{result.name}: {result.title}", f"  {result.when}"]
    for table in tables(result):
        widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
        text.append("")
        text += ["  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in table]
    text += [f"  {note}" for note in result.notes]
    return "\n".join(text) + "\n"


def markdown(result: Result) -> str:
    """For a page."""
    text = [f"### {result.title}", "", f"`bench/peers/run {result.name}`: {result.when}."]
    for table in tables(result):
        text += ["", "| " + " | ".join(table[0]) + " |", "|" + "---|" * len(table[0])]
        text += ["| " + " | ".join(line) + " |" for line in table[1:]]
    text += ["", *(f"- {note}" for note in result.notes)] if result.notes else []
    return "\n".join(text) + "\n"


def of_rounds(rounds: Rounds) -> dict[str, Any]:
    return {server: [vars(sample) | {"rate": sample.rate} for sample in samples] for server, samples in rounds.items()}


def data(result: Result) -> dict[str, Any]:
    """For a program."""
    return {
        "row": result.name, "when": result.when,
        "full_speed": of_rounds(result.rounds), "same_load": of_rounds(result.steady),
        "beside": result.further,
        "targets": [{"what": found.target.what, "min": found.least, "med": found.middle, "max": found.most,
                     "floor": found.target.floor, "floor_met": found.is_met(found.target.floor),
                     "goal": found.target.goal, "goal_met": found.is_met(found.target.goal)}
                    for found in result.verdicts],
        "notes": result.notes,
    }
