"""Our own runs, from their records: what pages show of them, as plain objects; never in one column with a claim."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from implementations.common.records import Budget, Record, decode, on_images_of
from implementations.common.statistics import paired
from tools.catalog import Catalog
from tools.pages.records import Runs
from tools.schema import Paper


def implementation(catalog: Catalog, runs: Runs, paper_id: str, entry: Paper) -> dict[str, Any] | None:
    """All that a paper's page says of our implementation; None where there is none."""
    if entry.implementation is None:
        return None
    claim, records = entry.implementation.claim, runs.records.get(paper_id, [])
    source = (runs.root / entry.implementation.file) if runs.root else None
    return {
        "file": entry.implementation.file,
        "module": entry.implementation.file.removesuffix(".py").replace("/", "."),
        "paper": paper_id,
        "claim": {
            "value": claim.value,
            "dataset_id": claim.dataset,
            "dataset": catalog.datasets[claim.dataset].name or catalog.datasets[claim.dataset].title,
            "backbone": catalog.manifest.backbones[claim.backbone].name if claim.backbone else None,
            "metric": catalog.manifest.metrics[claim.metric],
        },
        "carried": "demo-checked" if any(_is_demo(record) for _, record in records) else "none",
        "groups": _groups(catalog, runs, records),
        "picture": _picture(runs, paper_id),
        "source": _highlighted(source.read_text(encoding="utf-8")) if source and source.is_file() else None,
    }


def _is_demo(record: Record) -> bool:
    return record.label is None and record.dataset.name == "synthetic-finches"


def on_dataset(catalog: Catalog, runs: Runs, dataset_id: str) -> list[dict[str, Any]]:
    """Our runs on a dataset, a row a method and backbone: means over seeds."""
    rows = []
    for paper, records in runs.records.items():
        for key, group in _by_key(record for _, record in records if record.dataset.name == dataset_id).items():
            if own := [record for record in group if record.label is None]:
                entry = catalog.papers.get(paper)
                summary = _means(own, _baseline(runs, key))
                rows.append(
                    {
                        "paper": paper if entry else None,
                        "name": entry.name or entry.title if entry else "Baseline",
                        "backbone": own[0].backbone.name,
                        **summary,
                    }
                )
    return sorted(rows, key=lambda row: (row["backbone"], row["paper"] is not None, -row["mean"]))


def _groups(catalog: Catalog, runs: Runs, records: list[tuple[Path, Record]]) -> list[dict[str, Any]]:
    """The records of a paper, those that can be compared together."""
    return [_group(catalog, group, _baseline(runs, key)) for key, group in _by_key(record for _, record in records).items()]


def _by_key(records: Any) -> dict[Budget, list[Record]]:
    groups: dict[Budget, list[Record]] = defaultdict(list)
    for record in records:
        groups[record.budget].append(record)
    return {key: sorted(group, key=lambda record: record.seed) for key, group in groups.items()}


def _baseline(runs: Runs, key: Budget) -> dict[int, Record]:
    """The baseline's records that these can be compared with, by seed."""
    alike = _by_key(record for _, record in runs.records.get("baseline", [])).get(key, [])
    return {record.seed: record for record in alike if record.label is None}


def _group(catalog: Catalog, group: list[Record], baseline: dict[int, Record]) -> dict[str, Any]:
    own = [record for record in group if record.label is None]
    ablated: dict[str, list[Record]] = defaultdict(list)
    for record in group:
        if record.label is not None:
            ablated[record.label].append(record)
    # What is told of the protocol is the method's own, an ablation's only where there is nothing else.
    first, dataset = (own or group)[0], catalog.datasets.get(group[0].dataset.name)
    return {
        "dataset": dataset.name or dataset.title if dataset else first.dataset.name,
        "dataset_id": first.dataset.name if dataset else None,
        "backbone": first.backbone.name,
        "images": first.dataset.test,
        "rows": [_row(record, baseline.get(record.seed)) for record in own],
        "means": _means(own, baseline) if own else None,
        "ablations": [_ablation(name, records, own) for name, records in ablated.items()],
        "facts": _facts(first),
        "trials": first.trials,
        "baseline_trials": len(next(iter(baseline.values())).trials) if baseline else None,
        "notes": list(dict.fromkeys(record.note for record in group if record.note)),
    }


def _ablation(name: str, records: list[Record], own: list[Record]) -> dict[str, Any]:
    """One ablation: its mean over seeds; the difference over those that the method was run with too."""
    top1 = {record.seed: record.outcome.top1 for record in own}
    differences = [100 * (record.outcome.top1 - top1[record.seed]) for record in records if record.seed in top1]
    difference = sum(differences) / len(differences) if differences else None
    return {"name": name, "seeds": len(records), "mean": _mean(records), "difference": difference}


def _row(record: Record, baseline: Record | None) -> dict[str, Any]:
    """One seed: what it reached, and beside it the baseline of the same seed on the same images."""
    outcome, theirs = record.outcome, on_images_of(baseline, record) if baseline else None
    row: dict[str, Any] = {
        "seed": record.seed,
        "top1": 100 * outcome.top1,
        "interval": [100 * bound for bound in outcome.interval],
        "pointing": 100 * outcome.pointing if outcome.pointing is not None else None,
        "chance": 100 * outcome.pointing_by_chance if outcome.pointing_by_chance is not None else None,
        "baseline": None,
    }
    if theirs is not None:
        labels, own = decode(record.labels), decode(outcome.predictions)
        right = [[guess == label for guess, label in zip(guesses, labels, strict=True)] for guesses in (own, theirs)]
        row["baseline"] = 100 * sum(right[1]) / len(labels)
        row["difference"] = [100 * value for value in paired(*right)]
    return row


def _mean(records: list[Record]) -> float:
    return 100 * sum(record.outcome.top1 for record in records) / len(records)


def _means(own: list[Record], baseline: dict[int, Record]) -> dict[str, Any]:
    """Means over seeds; the difference over those that the baseline was run with too."""
    both = [row for row in (_row(record, baseline.get(record.seed)) for record in own) if row["baseline"] is not None]
    pointed = [record.outcome.pointing for record in own if record.outcome.pointing is not None]
    return {
        "mean": _mean(own),
        "values": [100 * record.outcome.top1 for record in own],
        "images": own[0].dataset.test,
        "baseline": sum(row["baseline"] for row in both) / len(both) if both else None,
        "difference": sum(row["difference"][0] for row in both) / len(both) if both else None,
        "pointing": 100 * sum(pointed) / len(pointed) if pointed else None,
    }


def _facts(record: Record) -> list[tuple[str, str]]:
    """The protocol of a run."""
    epochs, compute, outcome = record.recipe.get("epochs", "unknown"), record.compute, record.outcome
    size = f"{outcome.parameters / 1e6:.2f} M parameters, {outcome.flops / 1e6:.1f} M FLOPs an image"
    batch = f"{compute.processes} × {compute.batch_per_process}"
    told_apart = [("Families told apart", f"{100 * outcome.family_top1:.1f}%")] if outcome.family_top1 is not None else []
    threads = f"{compute.threads} thread{'s' if compute.threads > 1 else ''}"
    return [
        ("Backbone", f"{record.backbone.name}, {record.backbone.weights}"),
        ("Training", f"{record.dataset.train} images, {epochs} epochs, batch (processes × images) {batch}"),
        ("Reported", f"{record.selection} (epoch {record.epoch})"),
        ("Size", f"{size} (matmul, convolution, attention)"),
        ("Run on", f"{compute.device}, {threads}, {compute.precision}, {compute.images_per_second:.0f} images/s in training"),
        *told_apart,
    ]


def _picture(runs: Runs, paper_id: str) -> dict[str, Any] | None:
    found = runs.picture(paper_id)
    if found is None:
        return None
    return {"path": f"assets/runs/{paper_id}.webp", "seed": found[1].seed, "count": len(found[1].evidence)}


def _highlighted(source: str) -> dict[str, str]:
    """The source as escaped HTML. No line of it is blank: a blank line would end the block for Markdown."""
    html = highlight(source, PythonLexer(), HtmlFormatter(nowrap=True)).rstrip("\n")
    return {"html": "\n".join(line or "<span></span>" for line in html.split("\n")), "lines": str(len(source.splitlines()))}
