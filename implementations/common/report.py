"""What a run says on the terminal when it is over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from implementations.common.comparison import marked
from implementations.common.records import Budget, Record, Trial, decode, on_images_of
from implementations.common.statistics import paired, wilson
from implementations.common.tables import grid, guesses, hit_rate, name_of
from implementations.common.trials import Tried, named, varied


def tell(console: Console, record: Record, path: Path, baseline: Record | None, *, trained: bool) -> None:
    """The result beside the plain baseline's on the same test images, and where record and picture are."""
    labels = decode(record.labels)
    own = _right(decode(record.outcome.predictions), labels)
    shared = on_images_of(baseline, record) if baseline else None
    table = Table(
        title=f"{record.dataset.name}: {len(labels)} test images of {record.dataset.classes} classes, {record.backbone.name}",
        title_justify="left",
    )
    for heading in ("", "top-1", "95% interval", "looks at the part"):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    table.add_row(name_of(record), *_accuracy(own), _pointing(record))
    if shared is not None:
        theirs = _right(shared, labels)
        table.add_row("baseline" if trained else "baseline (committed record)", *_accuracy(theirs), _pointing(baseline))
    console.print(table)
    if shared is not None:
        mean, low, high = (100 * value for value in paired(own, theirs))
        console.print(
            f"{mean:+.1f} points against the baseline (95% interval of these two runs: {low:+.1f} to {high:+.1f})",
            highlight=False,
        )
    elif record.paper != "baseline":
        console.print("No committed record of the baseline fits this run; --compare baseline trains it.", highlight=False)
    if record.outcome.blind:
        shares = {name: one.share for name, one in record.outcome.blind.items()}
        console.print(guesses(shares), markup=False, highlight=False)
        console.print("* more often than the best of these guesses (95% interval of these images)", markup=False, highlight=False)
    console.print(_beside(record), markup=False, highlight=False)
    console.print(f"record:  {path}\npicture: {path.with_suffix('.webp')}", markup=False, highlight=False)


def _beside(record: Record) -> str:
    """What else was measured, in a line: shares first, then costs."""
    outcome, compute = record.outcome, record.compute
    shares = {"the family right on": outcome.family_top1} if outcome.family_top1 is not None else {}
    facts = [
        *(f"{name} {100 * share:.1f}%" for name, share in (shares | outcome.measures).items()),
        f"{outcome.parameters / 1e6:.2f} M parameters",
        f"{outcome.flops / 1e6:.1f} M FLOPs an image (matmul, convolution, attention)",
        f"trained in {compute.seconds:.0f} s on {compute.device}, {compute.threads} threads (machine not necessarily idle)",
    ]
    return "; ".join(facts)


def tell_trial(console: Console, trial: Trial, log: Path) -> None:
    """A trial's accuracy, on validation alone, and where it is logged."""
    text = f"trial {trial.change!r}: {100 * trial.validation_top1:.1f} on {trial.dataset.validation} validation images, in {log}"
    console.print(text, markup=False, highlight=False)


def trials_table(budget: Budget, found: Sequence[Tried], chosen: Mapping[str, Any], variant: str | None = None) -> str:
    """What was tried under one budget, the best first, with the settings in which it differs; a star marks the `chosen` ones."""
    names = list(varied(found))
    rows = [["top-1", "seeds", *names, "", "what was changed"]]
    for one in sorted(found, key=lambda one: -one.top1):
        values = [str(one.settings.get(name)) for name in names]
        star = "*" if one.settings == chosen else ""
        rows.append([f"{100 * one.top1:.1f}", str(len(one.trials)), *values, star, one.trials[0].change])
    heading = f"{variant}, {named(budget)}" if variant else named(budget)
    return "\n".join([f"{heading}: {len(found)} tried", *([grid(rows)] if found else ())])


def _right(predictions: list[int], labels: list[int]) -> list[bool]:
    return [guess == label for guess, label in zip(predictions, labels, strict=True)]


def _accuracy(right: list[bool]) -> tuple[str, str]:
    low, high = wilson(sum(right), len(right))
    return f"{100 * sum(right) / len(right):.1f}", f"{100 * low:.1f} to {100 * high:.1f}"


def _pointing(record: Record) -> str:
    """How often each map peaks inside the telling part, a line a map; the method's own needs no name."""
    outcome = record.outcome
    if outcome.pointing is None:
        return "unknown"
    return "\n".join(hit_rate(name, one.share, marked(record, name)) for name, one in outcome.pointing.items())
