"""Floors and goals: ratios against a limit or a peer of the same run. A floor that is missed is a defect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from load import Sample

Rounds = dict[str, list[Sample]]
"""By server."""

Further = dict[str, list[float]]
"""What was measured beside the servers, a figure a round."""

BUSY = 0.97
"""A server's share of its processor from which on its rate is its own."""

Figures = Callable[[Rounds, Further], list[float]]
"""A figure a round, of what the servers did at full speed or at the load that is the same for all."""


@dataclass(frozen=True)
class Target:
    """What one figure must be."""

    what: str
    figures: Figures
    floor: float | None
    goal: float | None = None
    is_most: bool = True
    """Whether less is better."""
    busy: tuple[str, ...] = ()
    """Servers that are compared at full speed: each must have been busy, or something else was the limit."""
    is_steady: bool = False
    """Whether it is of the load that is the same for all."""

    def verdict(self, full: Rounds, steady: Rounds, further: Further) -> Verdict | None:
        """Nothing where a server of the ratio was not measured."""
        rounds = steady if self.is_steady else full
        try:
            figures = self.figures(rounds, further)
        except KeyError:
            return None
        if not figures:
            return None
        is_comparable = all(median(sample.busy for sample in rounds[server]) >= BUSY for server in self.busy)
        return Verdict(self, min(figures), median(figures), max(figures), is_comparable)


@dataclass(frozen=True)
class Verdict:
    """A target and what was found: the median counts."""

    target: Target
    least: float
    middle: float
    most: float
    is_comparable: bool

    def is_met(self, bound: float | None) -> bool | None:
        """Nothing where there is no bound, or where the figures cannot be compared."""
        if bound is None or not self.is_comparable:
            return None
        return self.middle <= bound if self.target.is_most else self.middle >= bound


def cpu(server: str, other: str) -> Figures:
    """CPU time a request, as a ratio."""
    return lambda rounds, _: [a.cpu / b.cpu for a, b in zip(rounds[server], rounds[other], strict=True)]


def rate(server: str, other: str) -> Figures:
    """Requests a second, as a ratio."""
    return lambda rounds, _: [a.rate / b.rate for a, b in zip(rounds[server], rounds[other], strict=True)]


def cpu_over(server: str, other: str, further: str) -> Figures:
    """CPU time a request, against a server's plus something measured alone."""
    return lambda rounds, beside: [
        a.cpu / (b.cpu + c) for a, b, c in zip(rounds[server], rounds[other], beside[further], strict=True)]


def cpu_beside(server: str, other: str) -> Figures:
    """CPU time a request, more than the other's, in microseconds."""
    return lambda rounds, _: [a.cpu - b.cpu for a, b in zip(rounds[server], rounds[other], strict=True)]


def added(server: str, other: str, direct: str, latency: Callable[[Sample], float]) -> Figures:
    """What a server adds to a call made directly, as a ratio to what the other adds."""
    def figures(rounds: Rounds, _: Further) -> list[float]:
        return [(latency(a) - latency(c)) / (latency(b) - latency(c))
                for a, b, c in zip(rounds[server], rounds[other], rounds[direct], strict=True) if latency(b) > latency(c)]
    return figures


def figure(name: str) -> Figures:
    """Something measured beside the servers."""
    return lambda _, further: further[name]


def ratio(name: str, other: str) -> Figures:
    """Of two things measured beside the servers."""
    return lambda _, further: [a / b for a, b in zip(further[name], further[other], strict=True)]


def most(what: str, figures: Figures, floor: float | None, goal: float | None = None) -> Target:
    return Target(what, figures, floor, goal)


def steady(what: str, figures: Figures, floor: float | None, goal: float | None = None) -> Target:
    """Of CPU time at the load that is the same for all."""
    return Target(f"{what}, same load", figures, floor, goal, is_steady=True)


def full(what: str, figures: Callable[[str, str], Figures], pair: tuple[str, str], floor: float | None,
         goal: float | None = None) -> Target:
    """Of CPU time at full speed, where both were busy."""
    return Target(f"{what}, full speed", figures(*pair), floor, goal, busy=pair)


def rates(what: str, server: str, other: str, floor: float | None, goal: float | None = None) -> Target:
    """Requests a second against the other's, where both were busy."""
    return Target(what, rate(server, other), floor, goal, is_most=False, busy=(server, other))
