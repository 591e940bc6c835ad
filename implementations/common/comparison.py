"""Runs set side by side: methods and the plain baseline under one budget, with what a few seeds can tell. No torch here."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from implementations.common import steps
from implementations.common.records import Budget, Record, decode, decode_hits
from implementations.common.statistics import (
    CLAIM,
    Estimate,
    Gain,
    Spread,
    Table,
    expected,
    gain,
    holm,
    paired,
    pool,
)

BASELINE = "baseline"
ENOUGH_SEEDS, ENOUGH_BASELINE_SEEDS, ENOUGH_IMAGES = 3, 10, 3840
"""A gain or a loss is claimed on no less: with one seed, its luck and the method's worth are one number."""
EQUAL = 1.05
"""Trainings whose costs lie no further apart count as equally long: two measurements of one step differ by some percent, too."""


@dataclass(frozen=True)
class Pointed:
    """How often a map of a row's runs peaks inside the part that tells the species."""

    share: Estimate
    above: Gain
    """Over the best of the guesses that don't look at the image."""
    adjusted: float
    """The p-value of that, adjusted for all maps that are compared (Holm)."""

    @property
    def marked(self) -> bool:
        """Whether it points better than the best guess that doesn't look."""
        return self.adjusted < CLAIM and self.above.value > 0


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
    pointing: Mapping[str, Pointed] = field(default_factory=dict)
    """By the name of the map; empty where no boxes are known."""

    @property
    def claimed(self) -> Literal["gain", "loss"] | None:
        """What is claimed of the difference to the baseline; None: nothing."""
        if self.adjusted is None or self.adjusted >= CLAIM:
            return None
        return "gain" if self.gain.value > 0 else "loss"


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
    def blind(self) -> dict[str, float]:
        """How often guesses that don't look at the image fall inside the telling part; empty where no boxes are known."""
        guesses = next((run.outcome.blind for row in self.rows for run in row.runs if run.outcome.blind), None)
        return {name: one.share for name, one in (guesses or {}).items()}

    @property
    def enough(self) -> bool:
        """Whether baseline and images suffice to claim anything."""
        baseline = self.row(BASELINE)
        return baseline is not None and len(baseline.runs) >= ENOUGH_BASELINE_SEEDS and self.images >= ENOUGH_IMAGES

    @property
    def methods(self) -> tuple[Row, ...]:
        """The rows of methods as they are, baseline and ablations apart."""
        return tuple(row for row in self.rows if row.label is None and row.paper != BASELINE)


def alike(comparisons: Iterable[Comparison]) -> list[list[Comparison]]:
    """Those on the same images under budgets that differ in their epochs alone, the shortest training first."""
    groups: dict[tuple[Budget, int, str], list[Comparison]] = defaultdict(list)
    for one in comparisons:
        groups[one.budget._replace(epochs=None), one.images, one.rows[0].runs[0].dataset.fingerprint].append(one)
    return [sorted(group, key=lambda one: one.budget.epochs or 0) for group in groups.values()]


def trained_longer(comparisons: Iterable[Comparison]) -> list[list[tuple[Budget, Row]]]:
    """The baseline at each number of epochs, the least first, where there are several."""
    lengths = [[(one.budget, row) for one in group if (row := one.row(BASELINE))] for group in alike(comparisons)]
    return [rows for rows in lengths if len(rows) > 1]


def compare(records: Iterable[Record]) -> list[Comparison]:
    """The comparisons that records allow, one a budget; p-values are adjusted over all methods, or all maps, in all of them."""
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
    pointing = _pointing(ordered)
    rows = {
        key: Row(*key, group, table, spread, expected(table, spread), pointing=pointed)
        for key, group, table, spread, pointed in zip(keys, ordered, tables, spreads, pointing, strict=True)
    }
    shared = next((spread for spread in spreads if spread and not (spread.own and len(tables) > 1)), None)
    return Comparison(budget, records[0].dataset.test, tuple(_with_gain(row, rows) for row in rows.values()), shared)


def _pointing(groups: Sequence[tuple[Record, ...]]) -> list[dict[str, Pointed]]:
    """Of each group of runs its maps' pointing: hits are read as right answers are, the spread pooled over groups, map by map."""
    found: list[dict[str, Pointed]] = [{} for _ in groups]
    for name in dict.fromkeys(name for runs in groups for run in runs for name in run.outcome.pointing or ()):
        having = [place for place, runs in enumerate(groups) if all(name in (run.outcome.pointing or ()) for run in runs)]
        tables = [Table.of([hits(run, name) for run in groups[place]]) for place in having]
        for place, table, spread in zip(having, tables, pool(tables), strict=True):
            guess = Table.of([guessed(groups[place][0])])
            above = gain(table, spread, guess, None)
            found[place][name] = Pointed(expected(table, spread), above, adjusted=above.p)
    return found


def hits(record: Record, name: str) -> list[bool]:
    """Of each test image, whether a map of the run's peaks inside the telling part."""
    return decode_hits(record.outcome.pointing[name].hits, record.dataset.test)


def guessed(record: Record) -> list[bool]:
    """Of each test image, whether the best of the guesses that don't look at the image lies there."""
    return decode_hits(record.outcome.blind[record.outcome.best_guess].hits, record.dataset.test)


def marked(record: Record, name: str) -> bool:
    """Whether a map of one run points better than the best guess: the 95% interval, of these images alone, lies above 0."""
    return paired(hits(record, name), guessed(record))[1] > 0


def _with_gain(row: Row, rows: dict[tuple[str, str | None], Row]) -> Row:
    other = rows.get((BASELINE, None) if row.label is None else (row.paper, None))
    return row if other is None or other is row else replace(row, gain=gain(row.table, row.spread, other.table, other.spread))


def _adjusted(comparisons: list[Comparison]) -> list[Comparison]:
    compared = [row for one in comparisons if one.enough for row in one.methods if row.gain and len(row.runs) >= ENOUGH_SEEDS]
    adjusted = dict(zip(map(id, compared), holm([row.gain.p for row in compared]), strict=True))
    maps = [one for comparison in comparisons for row in comparison.rows for one in row.pointing.values()]
    pointed = dict(zip(map(id, maps), holm([one.above.p for one in maps]), strict=True))

    def of(row: Row) -> Row:
        pointing = {name: replace(one, adjusted=pointed[id(one)]) for name, one in row.pointing.items()}
        return replace(row, adjusted=adjusted.get(id(row)), pointing=pointing)

    return [replace(comparison, rows=tuple(map(of, comparison.rows))) for comparison in comparisons]


def right(record: Record) -> list[bool]:
    """Of each test image, whether the run was right on it."""
    return [guess == label for guess, label in zip(decode(record.outcome.predictions), decode(record.labels), strict=True)]


# ------------------------------------------------------------------------------------------------------ equal training time


def cost_of(comparison: Comparison, row: Row, measured: Iterable[steps.Measured]) -> float | None:
    """What training a row costs, in epochs of the plain baseline under the same budget; None where no step was measured."""
    epochs = comparison.budget.epochs
    if epochs is None or row.paper == BASELINE:
        return epochs
    found = steps.of(row.runs[0], measured)
    return epochs * found.step.median * found.images if isinstance(found, steps.Measured) else None


@dataclass(frozen=True)
class EqualTime:
    """A method beside what the baseline reaches in comparable training time, by what training costs."""

    comparison: Comparison
    row: Row
    cost: float
    """Of training the method, in epochs of the baseline."""
    baseline: Row
    """The best of the baseline's trainings, up to the shortest that costs as much, within 5%; of all, where none does."""
    epochs: int
    """Its length."""
    gain: Gain
    """The method's over it, each interval for itself."""
    unquiet: str | None
    """Why the cost may be off: what the machine did beside while the step was measured."""

    @property
    def relative(self) -> float:
        """How long the baseline was trained, as a multiple of the method's time."""
        return self.epochs / self.cost


def equal_time(comparisons: Sequence[Comparison], measured: Sequence[steps.Measured]) -> list[EqualTime]:
    """Each method whose step was measured, beside the best of the baseline in comparable training time, on the same images.

    The spread over seeds is pooled over all rows whose budgets differ in their epochs alone: a longer baseline has few seeds.
    """
    found = {}
    for group in alike(comparisons):
        rows = [row for one in group for row in one.rows]
        spread = dict(zip(map(id, rows), pool([row.table for row in rows]), strict=True))
        lengths = [(one.budget.epochs, row) for one in group if one.budget.epochs and (row := one.row(BASELINE))]
        for one in group:
            for row in one.methods:
                cost = cost_of(one, row, measured)
                if cost is None or not lengths:
                    continue
                reach = next((place for place, (length, _) in enumerate(lengths, 1) if length * EQUAL >= cost), len(lengths))
                epochs, other = max(lengths[:reach], key=lambda pair: pair[1].top1.value)
                same = other is one.row(BASELINE)
                over = row.gain if same else gain(row.table, spread[id(row)], other.table, spread[id(other)])
                found[id(row)] = EqualTime(one, row, cost, other, epochs, over, steps.of(row.runs[0], measured).unquiet)
    return [found[id(row)] for one in comparisons for row in one.methods if id(row) in found]
