"""What can be said of an accuracy from a few runs on a few thousand images. No torch here: the site computes with it too.

Images differ in difficulty, and a difficult image is so in every run. So answers of several runs aren't independent, and pooled
into one binomial they would claim too much (Nadeau & Bengio 2003 on the same trap). Right answers are read as a table of seeds ×
images, with a variance of each (two-way layout without replication, Searle, Casella & McCulloch 1992, ch. 4); degrees of freedom
by Satterthwaite (1946). Four questions, each with its own interval:

- one run, other images like these: `wilson` (Wilson 1927);
- two runs on the same images: `paired`;
- a method's accuracy expected over seeds and images: `expected`; the same of its difference to another method: `gain`;
- what one more run of it would give on these images, another seed: `one_more_run`.

With three seeds a method's own spread is known so badly that real gains drown in it. So the spread over seeds is pooled over all
methods that are compared (`pool`); a method that spreads clearly more than the others keeps its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

Z95 = 1.959964
LEVEL = 0.05
"""Intervals leave out this share, and runs of one method stand out from the others' by an F test at it."""
CLAIM = 0.03
"""An adjusted p-value below it claims a difference. It is lower than 0.05, at which more than 5% of simulated comparisons of
equal methods hold a false claim (benchmarks/coverage.py, at 75% accuracy; of maps nothing was simulated)."""
FEW = 5
"""So many images right, or wrong, are too few for a normal approximation."""


@dataclass(frozen=True)
class Estimate:
    """A value with its 95% interval, all as shares."""

    value: float
    low: float
    high: float


def wilson(right: int, count: int) -> tuple[float, float]:
    """The 95% interval of a share (Wilson 1927): what the images leave open; the seeds' spread is not in it."""
    share, spread = right / count, Z95 * Z95 / count
    centre, half = share + spread / 2, Z95 * math.sqrt(share * (1 - share) / count + spread / (4 * count))
    return (centre - half) / (1 + spread), (centre + half) / (1 + spread)


def paired(right: Sequence[bool], other: Sequence[bool]) -> tuple[float, float, float]:
    """The difference of two shares on the same images, and its 95% interval (normal, paired by image) of these two runs."""
    if len(right) != len(other):
        raise ValueError(f"{len(right)} answers can't be paired with {len(other)}")
    differences = np.subtract(right, other, dtype=float)
    mean = float(differences.mean())
    half = Z95 * math.sqrt(float(differences.var(ddof=1)) / len(differences)) if len(differences) > 1 else 0.0
    return mean, mean - half, mean + half


# ------------------------------------------------------------------------------------------------- tables of several runs


@dataclass(frozen=True)
class Table:
    """Right answers of a method's runs, (seeds, images), reduced to what the formulas ask."""

    by_image: np.ndarray
    """Of each image, the share of runs that were right on it (N,)."""
    seeds: int
    run_variance: float
    """Between the runs' accuracies on these images; 0 where there is one run."""
    rest: float
    """Mean square of what neither seed nor image explains."""

    @classmethod
    def of(cls, right: Sequence[Sequence[bool]]) -> Table:
        """The table of runs on the same images, a row a run."""
        answers = np.asarray(right, dtype=float)
        seeds, images = answers.shape
        by_run, by_image = answers.mean(1), answers.mean(0)
        if seeds == 1:
            return cls(by_image, 1, 0.0, 0.0)
        residual = answers - by_run[:, None] - by_image + by_run.mean()
        rest = float((residual**2).sum() / ((seeds - 1) * (images - 1)))
        return cls(by_image, seeds, float(by_run.var(ddof=1)), rest)

    @property
    def mean(self) -> float:
        return float(self.by_image.mean())

    @property
    def images(self) -> int:
        return len(self.by_image)


@dataclass(frozen=True)
class Spread:
    """The variance between runs on the same images, with its degrees of freedom, and whether it is the method's own."""

    variance: float
    freedom: float
    own: bool

    def between_seeds(self, table: Table) -> float:
        """What of it is the seeds' and not the images': a run's own chance on each image averages out over them."""
        return max(self.variance - table.rest / table.images, 0.0)


def pool(tables: Sequence[Table]) -> list[Spread | None]:
    """Each method's spread over seeds: one for all, but its own for a method that stands out; None where no method was repeated.

    A method stands out where its variance is larger than that of all others together, by an F test at 5% shared by all methods
    (Bonferroni). The largest is looked at first, and taken out before the next.
    """
    repeated = {index: table for index, table in enumerate(tables) if table.seeds > 1}
    alike = dict(repeated)
    while len(alike) > 1:
        largest = max(alike, key=lambda index: alike[index].run_variance)
        others = _together([table for index, table in alike.items() if index != largest])
        own = alike[largest]
        if own.run_variance == 0 or _f_test(own, others) >= LEVEL / len(repeated):
            break
        del alike[largest]
    shared = _together(list(alike.values())) if alike else None
    out = {i: Spread(table.run_variance, table.seeds - 1, own=True) for i, table in repeated.items() if i not in alike}
    return [out.get(index, shared) for index in range(len(tables))]


def _together(tables: Sequence[Table]) -> Spread:
    freedom = sum(table.seeds - 1 for table in tables)
    variance = sum((table.seeds - 1) * table.run_variance for table in tables) / freedom
    return Spread(variance, freedom, own=len(tables) == 1)


def pooled(repeated: Iterable[Sequence[float]]) -> tuple[float, int] | None:
    """The variance within sets of repeated values, and its degrees of freedom; None where nothing was repeated."""
    sets = [values for values in repeated if len(values) > 1]
    freedom = sum(len(values) - 1 for values in sets)
    variance = sum((len(values) - 1) * float(np.var(values, ddof=1)) for values in sets)
    return (variance / freedom, freedom) if sets else None


def _f_test(table: Table, others: Spread) -> float:
    """The chance of a variance this much larger than the others', were they alike."""
    if others.variance == 0:
        return 0.0
    return float(special.fdtrc(table.seeds - 1, others.freedom, table.run_variance / others.variance))


def expected(table: Table, spread: Spread | None) -> Estimate:
    """The accuracy expected over seeds and images; with no spread known, over images alone.

    Near 0 and 1, where few images tell anything, not narrower than one run's Wilson interval.
    """
    half, _ = _half([_images(table.by_image), *_seeds(table, spread)])
    low, high = table.mean - half, table.mean + half
    if min(table.mean, 1 - table.mean) * table.images < FEW:
        alone = wilson(round(table.mean * table.images), table.images)
        low, high = min(low, alone[0]), max(high, alone[1])
    return Estimate(table.mean, max(low, 0.0), min(high, 1.0))


def one_more_run(table: Table, spread: Spread) -> Estimate:
    """A prediction interval of what one more run would reach on the same images."""
    half = special.stdtrit(spread.freedom, 1 - LEVEL / 2) * math.sqrt(spread.variance * (1 + 1 / table.seeds))
    return Estimate(table.mean, max(table.mean - half, 0.0), min(table.mean + half, 1.0))


@dataclass(frozen=True)
class Gain(Estimate):
    """The difference of two methods, with its plain 95% interval and p-value: neither is adjusted for other comparisons."""

    p: float


def gain(table: Table, spread: Spread | None, other: Table, other_spread: Spread | None) -> Gain:
    """The difference in expected accuracy to another method on the same images, whose seeds are its own."""
    if table.images != other.images:
        raise ValueError(f"{table.images} images can't be paired with {other.images}")
    difference = table.mean - other.mean
    seeds = [*_seeds(table, spread), *_seeds(other, other_spread)]
    if spread is other_spread and spread is not None:  # one estimate, not two
        seeds = [(sum(part for part, _ in seeds), spread.freedom)]
    half, (variance, freedom) = _half([_images(table.by_image - other.by_image), *seeds])
    if variance == 0:  # all images alike: nothing is known of others
        return Gain(difference, -1.0, 1.0, 1.0)
    p = 2 * special.stdtr(freedom, -abs(difference) / math.sqrt(variance))
    return Gain(difference, max(difference - half, -1.0), min(difference + half, 1.0), float(p))


Part = tuple[float, float]
"""A variance of a mean, and its degrees of freedom."""


def _images(values: np.ndarray) -> Part:
    return float(values.var(ddof=1)) / len(values), len(values) - 1


def _seeds(table: Table, spread: Spread | None) -> list[Part]:
    return [(spread.between_seeds(table) / table.seeds, spread.freedom)] if spread else []


def _half(parts: Sequence[Part]) -> tuple[float, Part]:
    """Half the width of a 95% interval from the sum of independent variances, by Satterthwaite's degrees of freedom."""
    variance = sum(part for part, _ in parts)
    if variance == 0:
        return 0.0, (0.0, math.inf)
    freedom = variance**2 / sum(part**2 / freedom for part, freedom in parts if part)
    return float(special.stdtrit(freedom, 1 - LEVEL / 2)) * math.sqrt(variance), (variance, freedom)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values adjusted for their number (Holm 1979), in the same order."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted
