"""Ranks as ranges: rows of one protocol class that can't be told apart at the test set's size share their places."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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
    values = np.array([result.value for result in results])
    variances = np.array([variance(result, images) for result in results])
    places = []
    for value, own in zip(values, variances, strict=True):  # a wide row among narrow ones spares no comparison
        least = _least(variances + own)
        places.append((int((values - value > least).sum()) + 1, int((value - values <= least).sum())))
    return places


def _least(variance: np.ndarray | float) -> np.ndarray | float:
    """How far two values have to lie apart to be told apart (95%), by the variance of their difference."""
    return Z95 * np.sqrt(variance)


def told_apart(one: Result, other: Result, images: int) -> bool:
    """Whether two accuracies differ by more than chance would on so many images (binomial, 95%), seeds where known."""
    return bool(abs(one.value - other.value) > _least(variance(one, images) + variance(other, images)))


def variance(result: Result, images: int) -> float:
    """Of a value in percent: of the images, and of the runs that it is a mean of."""
    share = result.value / 100
    return 1e4 * share * (1 - share) / images + of_seeds(result)


def of_seeds(result: Result) -> float:
    """What of a value's variance is that of the runs that it is a mean of; 0 where nothing is known of them."""
    runs = result.runs or []
    if result.sd is None:
        return statistics.variance(runs) / len(runs) if len(runs) > 1 else 0.0
    return result.sd**2 / max(1, len(runs))
