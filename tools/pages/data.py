"""Leaderboards and datasets."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import Any

from tools.catalog import Catalog
from tools.pages.addresses import Page, issue, meta
from tools.pages.parts import board_card, board_rows, show_correction, show_link
from tools.pages.records import Runs
from tools.pages.rows import board_row
from tools.pages.runs import on_dataset


def leaderboards(catalog: Catalog, runs: Runs) -> Page:
    """The list of leaderboards."""
    data = {
        "meta": meta(
            "Leaderboards", "One table of results a dataset, each with its protocol and its sources.", hide=["navigation", "toc"]
        ),
        "boards": [board_card(catalog, runs, board.dataset) for board in catalog.manifest.leaderboards],
    }
    return "leaderboards/index.md", "leaderboards.md.j2", data


def leaderboard(catalog: Catalog, runs: Runs, index: int) -> Page:
    """One dataset's results, the best first, without ranks."""
    board = catalog.manifest.leaderboards[index]
    metric, entry = catalog.manifest.metrics[board.metric], catalog.datasets[board.dataset]
    data = {
        "meta": meta(
            f"{entry.name or entry.title} leaderboard",
            f"Results on {entry.name or entry.title}, each with its protocol and its sources.",
            hide=["navigation", "toc"],
        ),
        "dataset_id": board.dataset,
        "dataset": entry,
        "metric": metric,
        "split": board.split,
        "images": entry.splits[board.split],
        "rows": board_rows(catalog, runs, board.dataset),
    }
    return f"leaderboards/{board.dataset}.md", "leaderboard.md.j2", data


def datasets(catalog: Catalog) -> Page:
    """All datasets with their numbers."""
    boards = {board.dataset for board in catalog.manifest.leaderboards}
    used = Counter(result.dataset for paper in catalog.papers.values() for result in paper.results or ())
    data = {
        "meta": meta("Datasets", f"{len(catalog.datasets)} datasets of fine-grained classification.", hide=["navigation", "toc"]),
        "rows": [
            {
                "id": i,
                "entry": d,
                "images": _images(d.splits),
                "results": used[i],
                "board": i in boards,
            }
            for i, d in sorted(catalog.datasets.items(), key=lambda item: (-used[item[0]], item[0]))
        ],
    }
    return "datasets/index.md", "datasets.md.j2", data


def _images(splits: dict[str, int]) -> int:
    """The number of images, those of trainval once: it is train and val together, where these stand beside it."""
    return sum(number for split, number in splits.items() if split != "trainval" or "train" not in splits)


def dataset(catalog: Catalog, dataset_id: str, runs: Runs) -> Page:
    """One dataset: numbers, files, pitfalls, and the results on it."""
    entry = catalog.datasets[dataset_id]
    rows = [board_row(catalog, runs, i, r) for i, p in catalog.papers.items() for r in p.results or () if r.dataset == dataset_id]
    data = {
        "meta": meta(entry.name or entry.title, entry.summary, hide=["navigation"]),
        "id": dataset_id,
        "entry": entry,
        "venue": catalog.manifest.venues[entry.venue] if entry.venue else None,
        "links": [show_link(link) for link in entry.links or ()],
        "has_board": any(board.dataset == dataset_id for board in catalog.manifest.leaderboards),
        "groups": _by_labels(rows),
        "runs": on_dataset(catalog, runs, dataset_id),
        "corrections": [show_correction(catalog, correction) for correction in entry.corrections or ()],
        "list": catalog.manifest.seed_list,
        "report": issue(catalog, f"{entry.name or entry.title}: ", f"Entry: catalog/datasets/{dataset_id}.yaml\n\n"),
    }
    return f"datasets/{dataset_id}.md", "dataset.md.j2", data


def _by_labels(rows: list[dict[str, Any]]) -> list[tuple[str | None, list[dict[str, Any]]]]:
    """Rows by the level of their labels, the finest first: a coarser level is another task, and its values another column."""
    ordered = sorted(rows, key=lambda row: (row["labels"] or "", -row["number"], row["method"].casefold()))
    return [(labels, list(group)) for labels, group in groupby(ordered, key=lambda row: row["labels"])]
