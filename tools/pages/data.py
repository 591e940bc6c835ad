"""Leaderboards and datasets."""

from __future__ import annotations

from collections.abc import Iterator

from tools.catalog import Catalog
from tools.manifest import Leaderboard
from tools.pages.addresses import Page, issue
from tools.pages.paging import grouped, paged
from tools.pages.parts import Rows, board_card, boards, rows_on, show_correction, show_ids, show_link, shown_name
from tools.pages.records import Runs
from tools.pages.runs import on_dataset


def leaderboards(catalog: Catalog, runs: Runs) -> Iterator[Page]:
    """The list of leaderboards."""
    for part in paged("leaderboards/index.md", catalog.manifest.leaderboards):
        data = {
            "meta": part.meta(
                "Leaderboards",
                "One table of results a dataset, each with its protocol and its sources.",
                hide=["navigation", "toc"],
            ),
            "part": part,
            "boards": [board_card(catalog, runs, board.dataset) for board in part.items],
        }
        yield part.path, "leaderboards.md.j2", data


def leaderboard(catalog: Catalog, runs: Runs, board: Leaderboard) -> Iterator[Page]:
    """One dataset's results, the best first. Ranks are those among all rows, whatever page they stand on."""
    metric, entry = catalog.manifest.metrics[board.metric], catalog.datasets[board.dataset]
    rows = boards(catalog, runs)[board.dataset]
    for part in paged(f"leaderboards/{board.dataset}.md", rows):
        data = {
            "meta": part.meta(
                f"{shown_name(entry)} leaderboard",
                f"Results on {shown_name(entry)}, each with its protocol and its sources.",
                hide=["navigation", "toc"],
            ),
            "part": part,
            "dataset_id": board.dataset,
            "dataset": entry,
            "metric": metric,
            "split": board.split,
            "images": entry.splits[board.split],
            "ranked": any(row["rank"] for row in rows),
        }
        yield part.path, "leaderboard.md.j2", data


def datasets(catalog: Catalog, runs: Runs) -> Iterator[Page]:
    """All datasets with their numbers, those with the most results first."""
    results = {dataset_id: len(rows_on(catalog, runs).get(dataset_id, ())) for dataset_id in catalog.datasets}
    ordered = sorted(catalog.datasets.items(), key=lambda item: (-results[item[0]], item[0]))
    for part in paged("datasets/index.md", ordered):
        data = {
            "meta": part.meta(
                "Datasets", f"{len(catalog.datasets)} datasets of fine-grained classification.", hide=["navigation", "toc"]
            ),
            "part": part,
            "rows": [
                {
                    "id": i,
                    "entry": d,
                    "images": _images(d.splits),
                    "results": results[i],
                    "board": i in boards(catalog, runs),
                }
                for i, d in part.items
            ],
        }
        yield part.path, "datasets.md.j2", data


def _images(splits: dict[str, int]) -> int:
    """The number of images, those of trainval once: it is train and val together, where these stand beside it."""
    return sum(number for split, number in splits.items() if split != "trainval" or "train" not in splits)


def dataset(catalog: Catalog, dataset_id: str, runs: Runs) -> Iterator[Page]:
    """One dataset: numbers, files, pitfalls, and the results on it, of which further pages have the rest."""
    entry = catalog.datasets[dataset_id]
    for part in paged(f"datasets/{dataset_id}.md", _by_labels(rows_on(catalog, runs).get(dataset_id, []))):
        data = {
            "meta": part.meta(shown_name(entry), entry.summary, hide=["navigation"]),
            "part": part,
            "id": dataset_id,
            "entry": entry,
            "venue": catalog.manifest.venues[entry.venue] if entry.venue else None,
            "ids": show_ids(entry),
            "links": [show_link(link) for link in entry.links or ()],
            "has_board": dataset_id in boards(catalog, runs),
            "groups": grouped(part.items, lambda row: row["labels"]),
            "runs": on_dataset(catalog, runs, dataset_id),
            "corrections": [show_correction(catalog, correction) for correction in entry.corrections or ()],
            "list": catalog.manifest.seed_list,
            "report": issue(catalog, f"{shown_name(entry)}: ", f"Entry: catalog/datasets/{dataset_id}.yaml\n\n"),
        }
        yield part.path, "dataset.md.j2", data


def _by_labels(rows: Rows) -> Rows:
    """Rows by the level of their labels, the finest first: a coarser level is another task, and its values another column."""
    return sorted(rows, key=lambda row: (row["labels"] or "", -row["number"], row["method"].casefold()))
