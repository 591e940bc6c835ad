"""Tables for a terminal: methods beside the baseline, and what any table of runs is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from implementations.common import steps
from implementations.common.comparison import BASELINE, Comparison, Row, equal_time, trained_longer
from implementations.common.records import EVIDENCE, TOLERANCE, Record
from implementations.common.statistics import CLAIM, Estimate
from implementations.common.steps import Measured


def grid(rows: Sequence[Sequence[str]]) -> str:
    """Rows of equally many cells, in columns, a line a row: wider than a terminal if need be, and cut off nowhere."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def name_of(run: Record) -> str:
    """Its method, and what sets it apart from the method's plain runs."""
    return f"{run.paper}, {run.label}" if run.label else run.paper


def hit_rate(name: str, share: float, marked: bool) -> str:
    """How often a map points at the telling part, with a star where it is marked; the method's own map needs no name."""
    return f"{'' if name == EVIDENCE else f'{name} '}{100 * share:.1f}%{'*' if marked else ''}"


def guesses(shares: Mapping[str, float]) -> str:
    """How often each guess does that doesn't look at the image."""
    told = ", ".join(f"{name} {100 * share:.1f}%" for name, share in shares.items())
    return f"Hit rate of guesses that ignore the image: {told}"


# --------------------------------------------------------------------------------------------------- methods side by side


def side_by_side(comparisons: Sequence[Comparison], measured: Sequence[Measured]) -> str:
    """All tables of what is recorded, one below the other."""
    if not comparisons:
        return "no run is recorded"
    methods = sum(len(comparison.methods) for comparison in comparisons)
    blocks = [_of_budget(comparison, measured) for comparison in comparisons if comparison.methods or not methods]
    note = (
        "Intervals are of the accuracy expected over seeds and images, 95%, each for itself. A gain or a loss is claimed where"
        f" its p-value, adjusted for {f'the {methods}' if methods else 'all'} methods compared (Holm), is below {CLAIM}.\n"
        "looks at part: how often what it looks at peaks inside the part that tells the species, or within"
        f" {round(TOLERANCE * 96)} of 96 px of it; *: more often than the best of the guesses that never look at the"
        f" image (p-value, adjusted for all maps compared, below {CLAIM}). The baseline's is the class activation map of a CNN,"
        " the last block's attention of a vision transformer; input gradient: of its score for the class that it predicts.\n"
        "training step, test pass: × the baseline's (?: the timing is noisy); python -m benchmarks.steps"
        " --write measures them."
    )
    return "\n\n".join([*blocks, note, *_trained_longer(comparisons), *_at_equal_time(comparisons, measured)])


def _of_budget(comparison: Comparison, measured: Sequence[Measured]) -> str:
    budget = comparison.budget
    title = f"{budget.network}: {budget.epochs} epochs of {budget.train} images, {comparison.images} test images"
    heads = ["", "seeds", "top-1 (95%)", "gain (95%)", "p adjusted", "looks at part", "M params", "M FLOPs"]
    rows = [_cells(row, measured) for row in comparison.rows]
    lines = [title, grid([[*heads, "training step", "test pass"], *rows])]
    return "\n".join([*lines, guesses(comparison.blind)] if comparison.blind else lines)


def _cells(row: Row, measured: Sequence[Measured]) -> list[str]:
    return [
        _name(row),
        str(len(row.runs)),
        _percent(row.top1),
        _percent(row.gain, "+") if row.gain else "",
        _p_value(row),
        ", ".join(hit_rate(name, one.share.value, one.marked) for name, one in row.pointing.items()),
        f"{row.runs[0].outcome.parameters / 1e6:.2f}",
        f"{row.runs[0].outcome.flops / 1e6:.1f}",
        *_speed(row, measured),
    ]


def _name(row: Row) -> str:
    """A row's method, what sets its runs apart, and what its test pass does beyond one look at the image."""
    looks = f" (at test time: {', '.join(row.runs[0].test_time)})" if row.runs[0].test_time else ""
    return name_of(row.runs[0]) + looks


def _p_value(row: Row) -> str:
    """Adjusted, with what is claimed by it; nothing where there is none."""
    if row.adjusted is None:
        return ""
    return " ".join(filter(None, ["<0.001" if row.adjusted < 5e-4 else f"{row.adjusted:.3f}", row.claimed]))


def _percent(value: Estimate, sign: str = "") -> str:
    return f"{100 * value.value:{sign}.1f} ({100 * value.low:{sign}.1f} to {100 * value.high:{sign}.1f})"


def _speed(row: Row, measured: Sequence[Measured]) -> tuple[str, str]:
    """Training step and test pass beside the baseline's."""
    if row.paper == BASELINE:
        return "1", "1"
    if row.label is not None:
        return "", ""
    found = steps.of(row.runs[0], measured)
    if isinstance(found, str):
        return found, found
    doubt = "?" if found.unquiet else ""
    return f"{found.step.median:.2f}{doubt}", f"{found.test.median:.2f}{doubt}"


def _trained_longer(comparisons: Sequence[Comparison]) -> list[str]:
    """The baseline at several numbers of epochs, where there are."""
    lines = [
        [budget.network, str(budget.epochs), str(len(row.runs)), _percent(row.top1)]
        for rows in trained_longer(comparisons)
        for budget, row in rows
    ]
    heads = ["", "epochs", "seeds", "top-1 (95%)"]
    return ["The baseline, trained longer by the same recipe\n" + grid([heads, *lines])] if lines else []


def _at_equal_time(comparisons: Sequence[Comparison], measured: Sequence[Measured]) -> list[str]:
    """Each method's gain over the baseline at equal epochs, and over the best of the baseline in comparable training time."""
    found = equal_time(comparisons, measured)
    if not found:
        return []
    heads = ["", "", "training takes", "equal epochs: baseline", "gain"]
    heads += ["comparable time: best baseline", "its top-1", "gain"]
    lines = [
        [
            one.comparison.budget.network,
            _name(one.row),
            f"{one.cost / one.comparison.budget.epochs:.2f}{'?' if one.unquiet else ''} ×",
            _percent(one.comparison.row(BASELINE).top1) if one.comparison.row(BASELINE) else "no run",
            _percent(one.row.gain, "+") if one.row.gain else "no run",
            f"{one.epochs} epochs ({one.relative:.2f} × the method's time)",
            _percent(one.baseline.top1),
            _percent(one.gain, "+"),
        ]
        for one in found
    ]
    note = (
        "training takes: × the baseline's time for the same epochs, by the measured time of a step; a method whose step wasn't"
        " measured isn't here. Comparable time: the best of the baseline's trainings, up to the shortest that takes at least"
        " 95% of the method's time (of all, where none does), which favours the baseline; the longer ones have the short"
        " one's recipe."
    )
    return ["Equal epochs, and comparable training time\n" + grid([heads, *lines]), note]
