"""What several kinds of page show alike: links, corrections, cards of leaderboards."""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from typing import Any

from tools.catalog import Catalog
from tools.links.collect import IDS
from tools.manifest import Leaderboard
from tools.pages.paging import entry_address
from tools.pages.records import Runs
from tools.pages.rows import board_row, spelled
from tools.protocols import facts
from tools.ranks import of_seeds, ranks, unknown
from tools.schema import Correction, Dataset, Entry, Link, Publication, Result

CORRECTION_KINDS = {
    "value": "Values",
    "backbone": "Backbones",
    "venue": "Venues",
    "year": "Years",
    "title": "Titles",
    "name": "Names",
    "group": "Groups",
    "link": "Addresses",
    "missing": "Left out",
    "markdown": "Markdown",
    "text": "Wording",
}
LINK_NAMES = {"paper": "Paper", "pdf": "PDF", "project": "Project page", "video": "Video", "home": "Home page"} | {
    "data": "Download page",
    "mirror": "Mirror",
    "papers": "Papers",
}


def show_link(link: Link) -> dict[str, Any]:
    """A link as a button: what stands there, and where: a repository or a host."""
    name = LINK_NAMES.get(link.kind) or ("Official code" if link.official else "Unofficial code")
    _, _, host, *path = link.url.split("/")
    return {
        "name": name,
        "kind": link.kind,
        "url": link.url,
        "note": link.note,
        "place": "/".join(path[:2]) if host == "github.com" else host.removeprefix("www."),
    }


def show_ids(entry: Publication | Dataset) -> list[tuple[str, str]]:
    """The ids in words, each with its address, spelled as the link checker asks it."""
    if entry.ids is None:
        return []
    found = (("arXiv", "arxiv", entry.ids.arxiv), ("doi", "doi", entry.ids.doi))
    return [(f"{name} {value}", IDS[f"ids.{field}"](value)) for name, field, value in found if value]


def show_correction(catalog: Catalog, correction: Correction) -> dict[str, Any]:
    """One correction, in words."""
    where = catalog.datasets[correction.dataset] if correction.dataset else None
    return {
        "kind": correction.kind,
        "kind_name": CORRECTION_KINDS[correction.kind],
        "field": spelled(correction.field) + (f" on {shown_name(where)}" if where else ""),
        "listed": correction.listed,
        "correct": correction.correct,
        "evidence": correction.evidence,
        "url": correction.url,
        "date": correction.date.isoformat(),
    }


def all_corrections(catalog: Catalog) -> list[dict[str, Any]]:
    """The corrections of all entries, and of the list as a whole."""
    found = [
        show_correction(catalog, correction) | {"of": shown_name(entry), "address": entry_address(catalog, kind, entry_id)}
        for kind, entry_id, entry in catalog.entries()
        for correction in entry.corrections or ()
    ]
    whole = catalog.manifest.seed_list.corrections or ()
    return found + [show_correction(catalog, correction) | {"of": "The list as a whole", "address": None} for correction in whole]


def shown_name(entry: Entry) -> str:
    """The name that people use, or the title."""
    return entry.name or entry.title


Rows = list[dict[str, Any]]


@lru_cache(maxsize=1)
def rows_on(catalog: Catalog, runs: Runs) -> dict[str, Rows]:
    """The rows of all results on each dataset, found in one pass; each has its `result`."""
    found: dict[str, Rows] = defaultdict(list)
    for paper_id, entry in catalog.papers.items():
        for result in entry.results or ():
            found[result.dataset].append(board_row(catalog, runs, paper_id, result) | {"result": result})
    return found


@lru_cache(maxsize=1)
def boards(catalog: Catalog, runs: Runs) -> dict[str, Rows]:
    """The rows of all leaderboards, by their dataset."""
    return {board.dataset: _board_rows(catalog, runs, board) for board in catalog.manifest.leaderboards}


def _board_rows(catalog: Catalog, runs: Runs, board: Leaderboard) -> Rows:
    """A leaderboard's rows, the best first: its dataset, metric and finest labels, on its split or on one that isn't stated."""
    better = -1 if catalog.manifest.metrics[board.metric].direction == "higher" else 1
    chosen = [
        row
        for row in rows_on(catalog, runs).get(board.dataset, [])
        if (row["result"].metric, row["labels"]) == (board.metric, None) and row["split"] in (board.split, None)
    ]
    places = ranks(catalog, [row["result"] for row in chosen], board.split)
    rows = [
        row
        | {
            "rank": place,
            "of_seeds": of_seeds(row["result"]),
            "lacks": unknown(row["result"]),
            "facts": facts(row["result"]),
            "corrections": _corrected(catalog, row["paper"], row["result"]),
        }
        for row, place in zip(chosen, places, strict=True)
    ]
    return sorted(rows, key=lambda row: (better * row["number"], row["method"].casefold()))


def _corrected(catalog: Catalog, paper_id: str, result: Result) -> list[dict[str, Any]]:
    """What the list had wrong about a result that it states."""
    listed = any(source.source == "seed-list" for source in result.sources)
    corrections = catalog.papers[paper_id].corrections or () if listed else ()
    return [show_correction(catalog, correction) for correction in corrections if correction.dataset == result.dataset]


def board_card(catalog: Catalog, runs: Runs, dataset_id: str) -> dict[str, Any]:
    """A leaderboard in a list of them."""
    rows = boards(catalog, runs)[dataset_id]
    entry = catalog.datasets[dataset_id]
    sourced = sum(row["level"]["id"] != "listed" for row in rows)
    return {
        "id": dataset_id,
        "name": shown_name(entry),
        "classes": entry.classes,
        "count": len(rows),
        "sourced": sourced,
        "share": round(100 * sourced / len(rows)) if rows else 0,
    }
