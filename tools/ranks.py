"""Ranks as ranges: rows of one protocol class that can't be told apart at the test set's size share their places."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from implementations.common.statistics import Z95
from tools.catalog import Catalog
from tools.schema import Result

CLASS = ("backbone", "pretraining", "input_size", "extra")
"""With dataset and metric, what a class of protocols shares: the backbone by its family. One unknown: no class."""


@dataclass(frozen=True)
class Rank:
    """Between which places a row stands, among so many of its class."""

    first: int
    last: int
    of: int
    shared: str
    """What the class shares, in words."""


def unknown(result: Result) -> list[str]:
    """The fields for want of which a result belongs to no class."""
    return [name.replace("_", " ") for name in CLASS if getattr(result, name) is None]


def ranks(catalog: Catalog, results: Sequence[Result], split: str) -> list[Rank | None]:
    """The rank of each result of one leaderboard; None where it has no class."""
    classes: dict[tuple, list[int]] = defaultdict(list)
    for index, result in enumerate(results):
        if not unknown(result) and result.split == split:
            family = catalog.manifest.backbones[result.backbone].family
            classes[family, result.pretraining, result.input_size, tuple(sorted(result.extra))].append(index)
    found: list[Rank | None] = [None] * len(results)
    for (family, pretraining, size, extra), members in classes.items():
        shared = f"{family}, {catalog.manifest.pretraining[pretraining].name}, {size} px" + (
            f", {', '.join(extra)}" if extra else ""
        )
        images = catalog.datasets[results[0].dataset].splits[split]
        for index, (first, last) in zip(members, _ranges([results[index] for index in members], images), strict=True):
            found[index] = Rank(first, last, len(members), shared)
    return found


def _ranges(results: Sequence[Result], images: int) -> list[tuple[int, int]]:
    """The places of each: behind those that are better for certain, before those that are worse for certain."""
    order = sorted(range(len(results)), key=lambda index: -results[index].value)
    places = {}
    for place, index in enumerate(order):
        better = _count(lambda other, index=index: told_apart(results[order[other]], results[index], images), 0, place)
        worse = _count(
            lambda back, index=index: told_apart(results[order[-1 - back]], results[index], images), 0, len(order) - 1 - place
        )
        places[index] = (better + 1, len(order) - worse)
    return [places[index] for index in range(len(results))]


def _count(holds, low: int, high: int) -> int:  # noqa: ANN001 - a predicate that holds up to some place and not after it
    """How many places from `low` on it holds for: values are sorted, so it is looked for by halves."""
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if holds(middle) else (low, middle)
    return low


def told_apart(one: Result, other: Result, images: int) -> bool:
    """Whether two accuracies differ by more than chance would on so many images (binomial, 95%), seeds where known."""
    variance = sum(_variance(result, images) for result in (one, other))
    return abs(one.value - other.value) > Z95 * math.sqrt(variance)


def _variance(result: Result, images: int) -> float:
    """Of a value in percent: of the images, and of the runs that it is a mean of."""
    share = result.value / 100
    seeds = result.sd**2 / max(1, len(result.runs or ())) if result.sd is not None else 0.0
    return 1e4 * share * (1 - share) / images + seeds
