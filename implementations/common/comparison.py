"""Runs set side by side: methods and the plain baseline under one budget, with what a few seeds can tell. No torch here."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from implementations.common.records import Budget, Record, decode
from implementations.common.statistics import LEVEL, Estimate, Gain, Spread, Table, expected, gain, holm, one_more_run, pool

BASELINE = "baseline"
ENOUGH_SEEDS, ENOUGH_BASELINE_SEEDS, ENOUGH_IMAGES = 3, 10, 3840
"""A gain is claimed on no less: with one seed, its luck and the method's worth are one number."""


@dataclass(frozen=True)
class Row:
    """A method's runs (or an ablation's, or those of a changed recipe) under one budget, of several seeds."""

    paper: str
    label: str | None
    """What sets these runs apart from the method itself; None: nothing."""
    runs: tuple[Record, ...]
    table: Table
    spread: Spread | None
    top1: Estimate
    gain: Gain | None = None
    """Over the baseline of the same budget; of a row with a label: over the method itself."""
    adjusted: float | None = None
    """The gain's p-value, adjusted for all methods that are compared (Holm); only methods have one, and of enough runs."""

    @property
    def claimed(self) -> bool:
        """Whether a gain is claimed."""
        return self.adjusted is not None and self.adjusted < LEVEL and self.gain.value > 0

    @property
    def seconds(self) -> float:
        """Of training: the least over seeds, which other work on the machine disturbed least."""
        return min(run.compute.seconds for run in self.runs)

    @property
    def next_run(self) -> Estimate | None:
        """Between which values one more run would come out; None where no spread is known."""
        return one_more_run(self.table, self.spread) if self.spread else None

    def mean(self, what: str) -> float | None:
        """The mean over runs of a number of their outcome or of how they were run; None where no run has it."""
        found = [
            getattr(run.outcome, what, None) if hasattr(run.outcome, what) else getattr(run.compute, what) for run in self.runs
        ]
        return float(np.mean(found)) if None not in found else None


@dataclass(frozen=True)
class Comparison:
    """All rows of one budget, the baseline first; and how far apart runs of one method are, in words of the statistics."""

    budget: Budget
    images: int
    rows: tuple[Row, ...]
    spread: Spread | None
    """Pooled over the rows that don't stand out."""

    def row(self, paper: str, label: str | None = None) -> Row | None:
        return next((row for row in self.rows if (row.paper, row.label) == (paper, label)), None)

    @property
    def enough(self) -> bool:
        """Whether baseline and images suffice to claim anything."""
        baseline = self.row(BASELINE)
        return baseline is not None and len(baseline.runs) >= ENOUGH_BASELINE_SEEDS and self.images >= ENOUGH_IMAGES

    @property
    def methods(self) -> tuple[Row, ...]:
        """The rows of methods as they are, baseline and ablations apart."""
        return tuple(row for row in self.rows if row.label is None and row.paper != BASELINE)


def compare(records: Iterable[Record]) -> list[Comparison]:
    """The comparisons that records allow, one a budget; p-values are adjusted over all methods in all of them."""
    groups: dict[Budget, list[Record]] = defaultdict(list)
    for record in records:
        groups[record.budget].append(record)
    comparisons = [
        _compare(budget, _on_same_images(group)) for budget, group in sorted(groups.items(), key=lambda item: str(item[0]))
    ]
    return _adjusted(comparisons)


def _on_same_images(records: list[Record]) -> list[Record]:
    """Those tested on the images that most were tested on; others can't be paired with them."""
    runs = Counter((record.dataset.fingerprint, record.dataset.test) for record in records)
    most, _ = max(runs, key=lambda images: (runs[images], images[1]))
    return [record for record in records if record.dataset.fingerprint == most]


def _compare(budget: Budget, records: list[Record]) -> Comparison:
    runs: dict[tuple[str, str | None], list[Record]] = defaultdict(list)
    for record in records:
        runs[record.paper, record.label].append(record)
    keys = sorted(runs, key=lambda key: (key[0] != BASELINE, key[0], key[1] is not None, key[1] or ""))
    ordered = [tuple(sorted(runs[key], key=lambda record: record.seed)) for key in keys]
    tables = [Table.of([right(record) for record in group]) for group in ordered]
    spreads = pool(tables)
    rows = {
        key: Row(*key, group, table, spread, expected(table, spread))
        for key, group, table, spread in zip(keys, ordered, tables, spreads, strict=True)
    }
    shared = next((spread for spread in spreads if spread and not (spread.own and len(tables) > 1)), None)
    return Comparison(budget, records[0].dataset.test, tuple(_with_gain(row, rows) for row in rows.values()), shared)


def _with_gain(row: Row, rows: dict[tuple[str, str | None], Row]) -> Row:
    other = rows.get((BASELINE, None) if row.label is None else (row.paper, None))
    return row if other is None or other is row else replace(row, gain=gain(row.table, row.spread, other.table, other.spread))


def _adjusted(comparisons: list[Comparison]) -> list[Comparison]:
    compared = [row for one in comparisons if one.enough for row in one.methods if row.gain and len(row.runs) >= ENOUGH_SEEDS]
    adjusted = dict(zip(map(id, compared), holm([row.gain.p for row in compared]), strict=True))
    return [
        replace(comparison, rows=tuple(replace(row, adjusted=adjusted.get(id(row))) for row in comparison.rows))
        for comparison in comparisons
    ]


def right(record: Record) -> list[bool]:
    """Of each test image, whether the run was right on it."""
    return [guess == label for guess, label in zip(decode(record.outcome.predictions), decode(record.labels), strict=True)]
