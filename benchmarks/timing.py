"""What the timing scripts share: two acts that take turns, how fast times grow, and a table."""

from __future__ import annotations

import math
import resource
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console

NOTES = Console(stderr=True)
"""Where progress is shown; results go to standard output."""

Turn = tuple[float, ...]
"""Processor seconds of each act, one right after the other; the first is ours."""


def seconds(act: Callable[[], object]) -> float:
    """How long processors work for an act, in this process and in those that it starts; freeing what it returns included.

    What is measured so works on one processor without a pause: on an idle machine the clock says the same, on a busy one more.
    """
    began = _used()
    act()
    return _used() - began


def _used() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def turns(*acts: Callable[[], object], count: int) -> list[Turn]:
    """All acts once a turn, forwards and backwards in turns: what slows the machine down slows all of them."""
    found = []
    for turn in range(count):
        taken = [seconds(act) for act in acts[:: -1 if turn % 2 else 1]]
        found.append(tuple(taken[:: -1 if turn % 2 else 1]))
    return found


def ratio(found: Sequence[Turn], reference: int = 1) -> float:
    """Ours over a reference: the median over the turns, each of which is a ratio of neighbours."""
    return statistics.median(turn[0] / turn[reference] for turn in found)


def medians(found: Sequence[Turn]) -> list[float]:
    """Of each act."""
    return [statistics.median(times) for times in zip(*found, strict=True)]


def exponent(sizes: Sequence[float], times: Sequence[float]) -> float:
    """By which power of the size the time grows: the slope of log time against log size, by least squares."""
    if len(set(sizes)) < 2:
        return math.nan
    return statistics.linear_regression([math.log(size) for size in sizes], [math.log(taken) for taken in times]).slope


def print_table(*columns: str, rows: Sequence[Sequence[str]]) -> None:
    """A table on standard output, in Markdown, so that it can be kept."""
    table = [columns, ["---:"] * len(columns), *rows]
    print("\n".join(f"| {' | '.join(row)} |" for row in table))


@contextmanager
def working(on: str) -> Iterator[None]:
    """Tells on standard error what is being done."""
    with NOTES.status(on):
        yield
