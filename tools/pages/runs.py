"""What pages show of our own runs, as plain objects; never in one column with a claim."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean
from typing import Any

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from implementations.common import steps
from implementations.common.comparison import BASELINE, Comparison, Row, cost_of, equal_time, marked, right, trained_longer
from implementations.common.errors import Fault
from implementations.common.records import EVIDENCE, Budget, Record, on_images_of
from implementations.common.statistics import Estimate, paired
from implementations.common.steps import Measured, Ratio
from implementations.common.trials import AT_EDGE, of_budget, problems, varied
from tools.carried import CARRIED, carried
from tools.catalog import Catalog
from tools.pages.records import Runs
from tools.rerun import options_of
from tools.schema import Paper


def implementation(catalog: Catalog, runs: Runs, paper_id: str, entry: Paper) -> dict[str, Any] | None:
    """All that a paper's page says of our implementation; None where there is none."""
    if entry.implementation is None:
        return None
    path = (runs.root / entry.implementation.file) if runs.root else None
    source = path.read_text(encoding="utf-8") if path and path.is_file() else None
    groups = [_group(catalog, runs, comparison, paper_id) for comparison in runs.compared(paper_id)]
    return {
        "file": entry.implementation.file,
        "module": entry.implementation.file.removesuffix(".py").replace("/", "."),
        "paper": paper_id,
        "claim": _claim(catalog, entry),
        "carried": how_far(catalog, runs, paper_id),
        "verdict": runs.verdicts.papers.get(paper_id) if runs.verdicts else None,
        "best": next((group for group in groups if group["mean"]), None),
        "repeat": _repeat(runs, paper_id),
        "groups": groups,
        "picture": _picture(runs, paper_id),
        "assumed": _assumptions(source) if source else None,
        "public_code": any(link.kind == "code" and link.official for link in entry.links or ()),
        "source": _highlighted(source) if source else None,
    }


def how_far(catalog: Catalog, runs: Runs, paper_id: str) -> dict[str, str]:
    """How far a paper's implementation was carried, what that means, and whether it was rechecked."""
    entry = catalog.papers[paper_id]
    step = carried(catalog, entry, runs.valid(paper_id)) if entry.implementation else "none"
    rechecked = "" if runs.verdicts or step == "none" else " Not rechecked in this build."
    return {"id": step, "name": step, "meaning": CARRIED[step] + rechecked}


def _repeat(runs: Runs, paper_id: str) -> str | None:
    """The command that makes the first of a paper's runs on finches again, all seeds of them."""
    own = next((row for comparison in runs.compared(paper_id) if (row := comparison.row(paper_id))), None)
    if own is None:
        return None
    first = own.runs[0]
    try:
        options = options_of(first, seeds=[run.seed for run in own.runs], images=first.dataset.test // first.dataset.classes)
    except Fault:  # images or weights of somebody's own
        return None
    return f'make demo PAPER={paper_id} ARGS="{" ".join(options)}"'


def _claim(catalog: Catalog, entry: Paper) -> dict[str, Any] | None:
    claim = entry.implementation.claim
    if claim is None:
        return None
    backbone = catalog.manifest.backbones[claim.backbone].name if claim.backbone else None
    dataset = catalog.datasets[claim.dataset]
    return {
        "value": claim.value,
        "dataset_id": claim.dataset,
        "dataset": dataset.name or dataset.title,
        "backbone": backbone,
        "metric": catalog.manifest.metrics[claim.metric],
    }


def _group(catalog: Catalog, runs: Runs, comparison: Comparison, paper_id: str) -> dict[str, Any]:
    """A paper's runs under one budget, beside the baseline's."""
    own, baseline = comparison.row(paper_id), comparison.row(BASELINE)
    ablations = [row for row in comparison.rows if row.paper == paper_id and row.label is not None]
    # What is told of the protocol is the method's own, an ablation's only where there is nothing else.
    first, dataset = (own or ablations[0]).runs[0], catalog.datasets.get(comparison.budget.dataset)
    of_seed = {record.seed: record for record in baseline.runs} if baseline and paper_id != BASELINE else {}
    notes = [record.note for row in (own, *ablations) if row for record in row.runs if record.note]
    return {
        "dataset": dataset.name or dataset.title if dataset else comparison.budget.dataset,
        "dataset_id": comparison.budget.dataset if dataset else None,
        "backbone": comparison.budget.network,
        "images": comparison.images,
        "rows": [_seed(record, of_seed.get(record.seed)) for record in own.runs] if own else [],
        "mean": shown(catalog, own) if own else None,
        "baseline": shown(catalog, baseline) if of_seed else None,
        "blind": guesses(comparison),
        "methods": runs.methods,
        "ablations": [shown(catalog, row) for row in ablations],
        "measures": _measures([row for row in (own, *ablations) if row]),
        "facts": _facts(catalog, first),
        "trials": _tried(runs, paper_id, comparison.budget),
        "baseline_trials": len(of_budget(runs.trials.get(BASELINE, ()), comparison.budget)),
        "untuned": _untuned(runs, own, comparison.budget) if own else [],
        "notes": list(dict.fromkeys(notes)),
    }


def _measures(rows: Sequence[Row]) -> dict[str, Any] | None:
    """What a method measures beside top-1, of it and its ablations in turn, in percent; None where it measures nothing."""
    names = dict.fromkeys(name for row in rows for record in row.runs for name in record.outcome.measures)
    if not names:
        return None
    return {"of": [row.label for row in rows], "rows": [(name, [_of_seeds(row, name) for row in rows]) for name in names]}


def _of_seeds(row: Row, name: str) -> dict[str, Any] | None:
    """The mean over seeds of one measure, and that of each; None where a run hasn't measured it."""
    values = [100 * record.outcome.measures[name] for record in row.runs if name in record.outcome.measures]
    return {"mean": fmean(values), "seeds": values} if len(values) == len(row.runs) else None


def shown(catalog: Catalog, row: Row) -> dict[str, Any]:
    """A method's, an ablation's or the baseline's row: everything in percent."""
    return {
        "paper": row.paper,
        "name": name_of(catalog, row),
        "label": row.label,
        "tricks": tricks(catalog, row.runs[0]),
        "seeds": len(row.runs),
        "top1": _percent(row.top1),
        "gain": _percent(row.gain) if row.gain else None,
        "p": row.adjusted,
        "claimed": row.claimed,
        "over_seeds": row.spread is not None,
        "pointing": [_map(name, one.marked) | {"share": _percent(one.share)} for name, one in row.pointing.items()],
        "parameters": row.runs[0].outcome.parameters / 1e6,
        "flops": row.runs[0].outcome.flops / 1e6,
    }


def _map(name: str, above: bool) -> dict[str, Any]:
    """A map whose pointing is shown: the method's own needs no name."""
    return {"name": None if name == EVIDENCE else name, "marked": above}


def guesses(comparison: Comparison) -> list[tuple[str, float]]:
    """How often guesses that don't look at the image fall inside the telling part, in percent; none where no boxes are known."""
    return [(name, 100 * share) for name, share in comparison.blind.items()]


def speed(row: Row, measured: Sequence[Measured]) -> dict[str, Any]:
    """Training step and test pass as multiples of the baseline's, or why they aren't known."""
    if row.paper == BASELINE:
        one = Ratio(median=1, low=1, high=1)
        return {"step": one, "test": one, "told": None, "unquiet": None, "missing": None}
    found = steps.of(row.runs[0], measured)
    if isinstance(found, str):
        return {"step": None, "test": None, "told": None, "unquiet": None, "missing": found}
    threads = f"{found.threads} thread{'s' if found.threads > 1 else ''}"
    told = f"{found.date}, {found.machine}, torch {found.torch}, {threads}, {found.turns} turns"
    return {"step": found.step, "test": found.test, "told": told, "unquiet": found.unquiet, "missing": None}


def _percent(estimate: Estimate) -> dict[str, float]:
    return {"value": 100 * estimate.value, "low": 100 * estimate.low, "high": 100 * estimate.high}


def _seed(record: Record, baseline: Record | None) -> dict[str, Any]:
    """One run: what it reached, and beside it the baseline's run of the same seed on the same images."""
    outcome = record.outcome
    row: dict[str, Any] = {
        "seed": record.seed,
        "top1": 100 * outcome.top1,
        "interval": [100 * bound for bound in outcome.interval],
        "pointing": [
            _map(name, marked(record, name)) | {"share": {"value": 100 * one.share}}
            for name, one in (outcome.pointing or {}).items()
        ],
        "baseline": None,
    }
    if baseline is not None and on_images_of(baseline, record) is not None:
        row["baseline"] = 100 * baseline.outcome.top1
        row["difference"] = [100 * value for value in paired(right(record), right(baseline))]
    return row


def _tried(runs: Runs, paper_id: str, budget: Budget) -> list[dict[str, Any]]:
    """The recipes that were tried of a method under a budget, the best first, each with the settings in which they differ."""
    found = of_budget(runs.trials.get(paper_id, ()), budget)
    names = list(varied(found))
    return [
        {
            "change": one.trials[0].change,
            "settings": ", ".join(f"{name} {one.settings.get(name)}" for name in names),
            "top1": 100 * one.top1,
            "seeds": len(one.trials),
        }
        for one in sorted(found, key=lambda one: -one.top1)
    ]


def _untuned(runs: Runs, row: Row, budget: Budget) -> list[str]:
    """Why a row's recipe isn't the best of as many trials as the baseline had under the budget; nothing where it is."""
    tried, of_baseline = (of_budget(runs.trials.get(paper, ()), budget) for paper in (row.paper, BASELINE))
    # What lies at an edge stands with the findings: the method's own bounds aren't known here.
    found = problems(tried, row.runs[0].recipe, None if row.paper == BASELINE else of_baseline, {})
    return [f"{kind}: {sentence}" for kind, sentence in found if kind != AT_EDGE]


def tricks(catalog: Catalog, record: Record) -> list[str]:
    """What the test pass of a run did beyond one look at the image, as people call it."""
    known = catalog.manifest.test_time
    return [known[word].name if word in known else word for word in record.test_time]


def _facts(catalog: Catalog, record: Record) -> list[tuple[str, str]]:
    """The protocol of a run."""
    epochs, compute, outcome = record.recipe.get("epochs", "unknown"), record.compute, record.outcome
    size = f"{outcome.parameters / 1e6:.2f} M parameters, {outcome.flops / 1e6:.1f} M FLOPs an image"
    batch = f"{compute.processes} × {compute.batch_per_process}"
    told_apart = [("Families told apart", f"{100 * outcome.family_top1:.1f}%")] if outcome.family_top1 is not None else []
    threads = f"{compute.threads} thread{'s' if compute.threads > 1 else ''}"
    return [
        ("Backbone", f"{record.backbone.name}, {record.backbone.weights}"),
        (
            "Training",
            f"{record.dataset.train} images, {epochs} epochs, {compute.updates} steps, batch (processes × images) {batch}",
        ),
        ("Reported", f"{record.selection} (epoch {record.epoch})"),
        ("Test-time tricks", ", ".join(tricks(catalog, record)) or "none"),
        ("Size", f"{size} (matmul, convolution, attention)"),
        ("Run on", f"{compute.device}, {threads}, {compute.precision}"),
        (
            "Time taken (other jobs may have been running)",
            f"{compute.seconds:,.0f} s of training, {compute.images_per_second:.0f} images/s;"
            f" test pass {compute.test_images_per_second:.0f} images/s",
        ),
        *told_apart,
    ]


def _picture(runs: Runs, paper_id: str) -> dict[str, Any] | None:
    found = runs.picture(paper_id)
    if found is None:
        return None
    return {"path": f"assets/runs/{paper_id}.webp", "seed": found[1].seed, "count": len(found[1].evidence)}


def _assumptions(source: str) -> str | None:
    """What neither paper nor code says, and the implementation had to assume: its docstring's own words."""
    found = re.search(
        r"^Assumed:(.*?)(?=^(?:Where paper|Catalog:)|\Z)", ast.get_docstring(ast.parse(source)) or "", re.DOTALL | re.MULTILINE
    )
    return " ".join(found[1].split()) if found else None


@lru_cache(maxsize=128)  # while the site is served, sources mostly stay
def _highlighted(source: str) -> dict[str, str]:
    """The source as escaped HTML. No line of it is blank: a blank line would end the block for Markdown."""
    html = highlight(source, PythonLexer(), HtmlFormatter(nowrap=True)).rstrip("\n")
    return {"html": "\n".join(line or "<span></span>" for line in html.split("\n")), "lines": str(len(source.splitlines()))}


# ------------------------------------------------------------------------------------------------ all methods side by side


def on_dataset(catalog: Catalog, runs: Runs, dataset_id: str) -> list[dict[str, Any]]:
    """Our runs on a dataset: a table for each budget under which there are several rows to compare, the baseline first."""
    return [
        {
            "backbone": budget.network,
            "epochs": budget.epochs,
            "train": budget.train,
            "images": comparison.images,
            "spread": 100 * comparison.spread.variance**0.5 if comparison.spread else None,
            "blind": guesses(comparison),
            "rows": [
                shown(catalog, row)
                | speed(row, runs.measured)
                | {"trials": len(of_budget(runs.trials.get(row.paper, ()), budget)), "untuned": _untuned(runs, row, budget)}
                for row in rows
            ],
        }
        for comparison in runs.comparisons
        if (budget := comparison.budget).dataset == dataset_id
        and len(rows := [row for row in comparison.rows if row.label is None]) > 1
    ]


def at_equal_time(catalog: Catalog, runs: Runs, dataset_id: str) -> list[dict[str, Any]]:
    """Each method's difference to the baseline at equal epochs, and to the best of it in comparable training time."""
    return [
        shown(catalog, one.row)
        | {
            "backbone": one.comparison.budget.network,
            "cost": one.cost / one.comparison.budget.epochs,
            "unquiet": one.unquiet,
            "at_epochs": _percent(baseline.top1) if (baseline := one.comparison.row(BASELINE)) else None,
            "epochs": one.epochs,
            "relative": one.relative,
            "at_time": _percent(one.baseline.top1),
            "over_time": _percent(one.gain),
        }
        for one in equal_time([found for found in runs.comparisons if found.budget.dataset == dataset_id], runs.measured)
    ]


def baseline_lengths(runs: Runs, dataset_id: str) -> list[dict[str, Any]]:
    """The baseline at each number of epochs under budgets that are otherwise alike, where there are several."""
    return [
        {
            "backbone": budget.network,
            "epochs": budget.epochs,
            "seeds": len(row.runs),
            "top1": _percent(row.top1),
        }
        for rows in trained_longer(found for found in runs.comparisons if found.budget.dataset == dataset_id)
        for budget, row in rows
    ]


def name_of(catalog: Catalog, row: Row) -> str:
    """What people call the method of a row."""
    entry = catalog.papers.get(row.paper)
    return (entry.name or entry.title) if entry else "Baseline"


@dataclass(frozen=True)
class Plot:
    """Accuracy against what training costs, as an SVG draws it: points and lines in its units, and where its axes have marks."""

    points: list[dict[str, Any]]
    lines: list[str]
    x_marks: list[tuple[float, str]]
    y_marks: list[tuple[float, str]]
    width: int = 640
    height: int = 340
    left: int = 46
    bottom: int = 40


def plot(catalog: Catalog, runs: Runs, budget: Budget) -> Plot | None:
    """Each method at what its training costs, and the baseline at several lengths, under a budget of whatever epochs.

    None where no method's step was measured.
    """
    found = [
        (comparison, row, cost)
        for comparison in runs.comparisons
        for row in comparison.rows
        if comparison.budget._replace(epochs=budget.epochs) == budget and row.label is None
        if (cost := cost_of(comparison, row, runs.measured))
    ]
    if all(row.paper == BASELINE for _, row, _ in found):
        return None
    lows, highs = [100 * row.top1.low for _, row, _ in found], [100 * row.top1.high for _, row, _ in found]
    right_end, bottom, top = max(cost for *_, cost in found) * 1.18, 5 * (min(lows) // 5), 5 * (max(highs) // 5 + 1)
    frame = Plot([], [], [], [])

    def x(value: float) -> float:
        return round(frame.left + (frame.width - frame.left - 12) * value / right_end, 1)

    def y(value: float) -> float:
        return round(frame.height - frame.bottom - (frame.height - frame.bottom - 14) * (value - bottom) / (top - bottom), 1)

    points = [
        {
            "x": x(cost),
            "y": y(100 * row.top1.value),
            "low": y(100 * row.top1.low),
            "high": y(100 * row.top1.high),
            "name": name_of(catalog, row),
            "baseline": row.paper == BASELINE,
            "detail": f"{comparison.budget.epochs} epochs, {row.runs[0].compute.updates} steps",
            "value": 100 * row.top1.value,
            "cost": cost,
        }
        for comparison, row, cost in found
    ]
    _place_labels(points, frame)
    of_baseline = sorted((point for point in points if point["baseline"]), key=lambda point: point["x"])
    lines = [" ".join(f"{point['x']},{point['y']}" for point in of_baseline)]
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**9) if right_end / s <= 8)
    x_marks = [(x(mark * step), f"{mark * step:.0f}") for mark in range(int(right_end // step) + 1)]
    y_marks = [(y(mark), f"{mark:.0f}") for mark in range(int(bottom), int(top) + 1, 5)]
    return Plot(points, [line for line in lines if " " in line], x_marks, y_marks)


LETTER, LINE = 8.4, 13
"""Of a label's 12 px letters: how wide one is on the average, in a wide font, and how high they are."""
BESIDE = tuple((across, down, "start" if across > 0 else "end") for down in (-6, 16, -19, 29, -32, 42) for across in (9, -9))
"""Where a point's label may stand, the best place first: to the right, x and y from the point, and its anchor."""


def _place_labels(points: list[dict[str, Any]], frame: Plot) -> None:
    """Gives each point the place for its name that least of the other names and bars is in."""
    bars = [(point["x"] - 6, point["high"], point["x"] + 6, point["low"]) for point in points]
    taken: list[Box] = []
    for point, own in zip(points, bars, strict=True):
        others = [bar for bar in bars if bar is not own]
        best = min(BESIDE, key=lambda place: _hidden(label_box(point, place), taken, others, frame) + abs(place[1]) // LINE)
        taken.append(label_box(point, best))
        point["label"] = {"x": point["x"] + best[0], "y": point["y"] + best[1], "anchor": best[2]}


Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


def label_box(point: dict[str, Any], place: tuple[float, float, str]) -> Box:
    """What a point's name covers at a place beside it."""
    across, down, anchor = place
    start = point["x"] + across - (LETTER * len(point["name"]) if anchor == "end" else 0)
    return start, point["y"] + down - LINE, start + LETTER * len(point["name"]), point["y"] + down


def _hidden(box: Box, names: list[Box], bars: list[Box], frame: Plot) -> int:
    """How many bars a label would lie on; a name counts for ten, and leaving the frame for a thousand."""
    left, top, right, bottom = box
    outside = left < frame.left or right > frame.width
    on_names, on_bars = (
        sum(left < other[2] and other[0] < right and top < other[3] and other[1] < bottom for other in others)
        for others in (names, bars)
    )
    return on_bars + 10 * on_names + 1000 * outside
