"""The home page and the pages that list: approaches, events, surveys, corrections."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tools.bibtex import bibtex, citation_keys
from tools.catalog import Catalog
from tools.pages.addresses import Page, issue, meta
from tools.pages.papers import paper_card
from tools.pages.parts import CORRECTION_KINDS, all_corrections, board_card, board_rows, show_link, shown_name
from tools.pages.records import Runs
from tools.pages.rows import badge

NEWEST = 6


def home(catalog: Catalog, runs: Runs) -> Page:
    """What Finch is, how to read a number, and where to go on."""
    results = [(paper_id, result) for paper_id, paper in catalog.papers.items() for result in paper.results or ()]
    counts = Counter(badge(catalog, runs, *result)["id"] for result in results)
    listed = all_corrections(catalog)
    data = {
        "meta": meta(
            f"{catalog.manifest.name} · {catalog.manifest.tagline}", catalog.manifest.tagline, hide=["navigation", "toc"]
        ),
        "name": catalog.manifest.name,
        "example": _example(catalog, runs),
        "newest": _newest(catalog),
        "numbers": [
            (len(catalog.papers), "papers", "papers/"),
            (len(results), "results", "leaderboards/"),
            (len(catalog.datasets), "datasets", "datasets/"),
            (len(listed), "corrections", "corrections/"),
        ],
        "levels": [
            {"id": level_id, "term": term, "count": counts[level_id]} for level_id, term in catalog.manifest.levels.items()
        ],
        "boards": [board_card(catalog, runs, board.dataset) for board in catalog.manifest.leaderboards],
        "approaches": [
            (approach_id, term.name, sum(approach_id in p.approaches for p in catalog.papers.values()))
            for approach_id, term in catalog.manifest.approaches.items()
        ],
        "list": catalog.manifest.seed_list,
        "repository": catalog.manifest.repository,
    }
    return "index.md", "home.md.j2", data


def _example(catalog: Catalog, runs: Runs) -> dict[str, Any] | None:
    """The number on which the home page shows how to read one: the best sourced, of these the one with the fullest protocol."""
    levels = [level for level in catalog.manifest.levels if level != "contested"]
    rows = [row for board in catalog.manifest.leaderboards for row in board_rows(catalog, runs, board.dataset)]
    known = ("backbone", "pretraining", "input_size", "split", "extra", "test_time", "training")
    rows = [row for row in rows if row["level"]["id"] in levels]
    return max(rows, key=lambda row: (levels.index(row["level"]["id"]), sum(bool(row[f]) for f in known)), default=None)


def _newest(catalog: Catalog) -> list[dict[str, Any]]:
    newest = sorted(catalog.papers.items(), key=lambda item: (-item[1].year, -item[1].added.toordinal(), item[0]))
    return [paper_card(catalog, *item) for item in newest[:NEWEST]]


def approaches(catalog: Catalog) -> Page:
    """What each approach and mechanism is, and which papers take it."""
    data = {
        "meta": meta(
            "Approaches",
            "How methods of fine-grained classification work, and which papers take which way.",
            hide=["navigation"],
        ),
        "groups": [
            ("Approaches", [_term(catalog, "approaches", a, t) for a, t in catalog.manifest.approaches.items()]),
            ("Mechanisms", [_term(catalog, "mechanisms", m, t) for m, t in catalog.manifest.mechanisms.items()]),
        ],
        "list": catalog.manifest.seed_list,
    }
    return "approaches.md", "approaches.md.j2", data


def _term(catalog: Catalog, field: str, term_id: str, term: Any) -> dict[str, Any]:
    members = [(i, p) for i, p in catalog.papers.items() if term_id in (getattr(p, field) or ())]
    return {"id": term_id, "term": term, "papers": sorted(members, key=lambda item: (-item[1].year, item[0]))}


def events(catalog: Catalog) -> Page:
    """Workshops and challenges."""
    data = {
        "meta": meta("Workshops and challenges", "Where the field meets and competes.", hide=["navigation"]),
        "groups": [
            ("Workshops", [_event(catalog, *item) for item in catalog.workshops.items()]),
            ("Challenges", [_event(catalog, *item) for item in catalog.challenges.items()]),
        ],
    }
    return "workshops-and-challenges.md", "events.md.j2", data


def _event(catalog: Catalog, entry_id: str, entry: Any) -> dict[str, Any]:
    venue = catalog.manifest.venues[entry.venue].short if entry.venue else None
    facts = [f"{venue} {entry.year}" if venue else str(entry.year), getattr(entry, "place", None)]
    facts.append(entry.date.strftime("%-d %B %Y") if getattr(entry, "date", None) else None)
    workshop = getattr(entry, "workshop", None)
    return {
        "id": entry_id,
        "entry": entry,
        "facts": [fact for fact in facts if fact],
        "workshop": (workshop, shown_name(catalog.workshops[workshop])) if workshop else None,
        "links": [show_link(link) for link in entry.links or ()],
        "datasets": [(dataset, shown_name(catalog.datasets[dataset])) for dataset in getattr(entry, "datasets", None) or ()],
        "corrections": len(entry.corrections or ()),
    }


def surveys(catalog: Catalog) -> Page:
    """Surveys and lists, the newest first."""
    entries = sorted(catalog.surveys.items(), key=lambda item: (-(item[1].year or 0), item[0]))
    data = {
        "meta": meta("Surveys", "Surveys of fine-grained image analysis, and lists that are kept up.", hide=["navigation"]),
        "surveys": [
            {
                "id": i,
                "entry": s,
                "venue": catalog.manifest.venues[s.venue],
                "links": [show_link(link) for link in s.links or ()],
                "newer": catalog.surveys.get(s.superseded_by) if s.superseded_by else None,
                "bibtex": bibtex(s, catalog.manifest, citation_keys(catalog)["surveys", i]),
            }
            for i, s in entries
        ],
    }
    return "surveys.md", "surveys.md.j2", data


def corrections(catalog: Catalog) -> Page:
    """Everything that the list had wrong, by kind."""
    found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in CORRECTION_KINDS}
    for item in all_corrections(catalog):
        found[item["kind"]].append(item)
    data = {
        "meta": meta(
            "Corrections", "What the list that the catalog started from had wrong, with the evidence.", hide=["navigation"]
        ),
        "groups": [(kind, name, found[kind]) for kind, name in CORRECTION_KINDS.items() if found[kind]],
        "count": sum(map(len, found.values())),
        "list": catalog.manifest.seed_list,
        "report": issue(catalog, "Correction: ", "Entry: \nWhat it says: \nWhat is right: \nWhere it can be read: "),
    }
    return "corrections.md", "corrections.md.j2", data
