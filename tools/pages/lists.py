"""The home page and the pages that list: approaches, events, surveys, corrections."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from tools.bibtex import bibtex, citation_keys
from tools.catalog import Catalog
from tools.pages.addresses import Page, issue, meta
from tools.pages.paging import entry_address, events, grouped, paged, starts, surveys
from tools.pages.papers import Numbered, by_year, paper_card, years
from tools.pages.parts import CORRECTION_KINDS, all_corrections, board_card, boards, rows_on, show_link, shown_name
from tools.pages.records import Runs

NEWEST = 6
BOARDS = 12
"""How many leaderboards the home page names."""
OF_A_TERM = 40
"""How many papers the page of approaches names under each; where there are more, a list of its own has all."""


def home(catalog: Catalog, runs: Runs) -> Page:
    """What Finch is, how to read a number, and where to go on."""
    counts = Counter(row["level"]["id"] for rows in rows_on(catalog, runs).values() for row in rows)
    ordered = sorted(catalog.manifest.leaderboards, key=lambda board: -len(boards(catalog, runs)[board.dataset]))
    chosen = {board.dataset for board in ordered[:BOARDS]}
    data = {
        "meta": meta(
            f"{catalog.manifest.name} · {catalog.manifest.tagline}", catalog.manifest.tagline, hide=["navigation", "toc"]
        ),
        "name": catalog.manifest.name,
        "example": _example(catalog, runs),
        "newest": _newest(catalog),
        "numbers": [
            (len(catalog.papers), "papers", "papers/"),
            (counts.total(), "results", "leaderboards/"),
            (len(catalog.datasets), "datasets", "datasets/"),
            (len(all_corrections(catalog)), "corrections", "corrections/"),
        ],
        "levels": [
            {"id": level_id, "term": term, "count": counts[level_id]} for level_id, term in catalog.manifest.levels.items()
        ],
        "boards": [board_card(catalog, runs, dataset_id) for dataset_id in boards(catalog, runs) if dataset_id in chosen],
        "all_boards": len(boards(catalog, runs)),
        "approaches": [
            (approach_id, term.name, len(_members(catalog)["approaches", approach_id]))
            for approach_id, term in catalog.manifest.approaches.items()
        ],
        "list": catalog.manifest.seed_list,
        "repository": catalog.manifest.repository,
    }
    return "index.md", "home.md.j2", data


def _example(catalog: Catalog, runs: Runs) -> dict[str, Any] | None:
    """The number on which the home page shows how to read one: the best sourced, of these the one with the fullest protocol."""
    levels = [level for level in catalog.manifest.levels if level != "contested"]
    rows = [row for rows in boards(catalog, runs).values() for row in rows]
    known = ("backbone", "pretraining", "input_size", "split", "extra", "test_time", "training")
    rows = [row for row in rows if row["level"]["id"] in levels]
    return max(rows, key=lambda row: (levels.index(row["level"]["id"]), sum(bool(row[f]) for f in known)), default=None)


def _newest(catalog: Catalog) -> list[dict[str, Any]]:
    newest = sorted(catalog.papers.items(), key=lambda item: (-item[1].year, -item[1].added.toordinal(), item[0]))
    return [paper_card(catalog, *item) for item in newest[:NEWEST]]


@lru_cache(maxsize=1)
def _members(catalog: Catalog) -> dict[tuple[str, str], list[Numbered]]:
    """The papers of each approach and mechanism, the newest first."""
    found: dict[tuple[str, str], list[Numbered]] = defaultdict(list)
    for paper_id, entry in by_year(catalog):
        for field in ("approaches", "mechanisms"):
            for term_id in getattr(entry, field) or ():
                found[field, term_id].append((paper_id, entry))
    return found


def approaches(catalog: Catalog) -> Iterator[Page]:
    """What each approach and mechanism is, and which papers take it; of those with many, a list each."""
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
    yield "approaches.md", "approaches.md.j2", data
    for _, terms in data["groups"]:
        for term in terms:
            if term["more"]:
                yield from _papers_of(catalog, term)


def _term(catalog: Catalog, field: str, term_id: str, term: Any) -> dict[str, Any]:
    members = _members(catalog)[field, term_id]
    newest = sorted(members, key=lambda item: (-item[1].year, item[0]))[:OF_A_TERM]
    return {
        "id": term_id,
        "term": term,
        "papers": newest,
        "all": members,
        "more": len(members) > len(newest),
    }


def _papers_of(catalog: Catalog, term: dict[str, Any]) -> Iterator[Page]:
    """All papers of an approach or mechanism, by year."""
    for part in paged(f"approaches/{term['id']}.md", term["all"]):
        data = {
            "meta": part.meta(f"Papers: {term['term'].name}", term["term"].definition, hide=["navigation"]),
            "part": part,
            "id": term["id"],
            "term": term["term"],
            "years": years(catalog, part.items),
        }
        yield part.path, "term.md.j2", data


def workshops_and_challenges(catalog: Catalog) -> Iterator[Page]:
    """Workshops and challenges."""
    for part in events(catalog):
        data = {
            "meta": part.meta("Workshops and challenges", "Where the field meets and competes.", hide=["navigation"]),
            "part": part,
            "groups": [
                (kind.capitalize(), [_event(catalog, *item) for _, *item in items])
                for kind, items in grouped(part.items, lambda item: item[0])
            ],
        }
        yield part.path, "events.md.j2", data


def _event(catalog: Catalog, entry_id: str, entry: Any) -> dict[str, Any]:
    venue = catalog.manifest.venues[entry.venue].short if entry.venue else None
    facts = [f"{venue} {entry.year}" if venue else str(entry.year), getattr(entry, "place", None)]
    facts.append(entry.date.strftime("%-d %B %Y") if getattr(entry, "date", None) else None)
    workshop = getattr(entry, "workshop", None)
    return {
        "id": entry_id,
        "entry": entry,
        "facts": [fact for fact in facts if fact],
        "workshop": _workshop(catalog, workshop) if workshop else None,
        "links": [show_link(link) for link in entry.links or ()],
        "datasets": [(dataset, shown_name(catalog.datasets[dataset])) for dataset in getattr(entry, "datasets", None) or ()],
        "corrections": len(entry.corrections or ()),
    }


def _workshop(catalog: Catalog, workshop_id: str) -> tuple[str, str]:
    return entry_address(catalog, "workshops", workshop_id), shown_name(catalog.workshops[workshop_id])


def survey_list(catalog: Catalog) -> Iterator[Page]:
    """Surveys and lists, the newest first."""
    for part in surveys(catalog):
        data = {
            "meta": part.meta(
                "Surveys", "Surveys of fine-grained image analysis, and lists that are kept up.", hide=["navigation"]
            ),
            "part": part,
            "surveys": [
                {
                    "id": i,
                    "entry": s,
                    "venue": catalog.manifest.venues[s.venue],
                    "links": [show_link(link) for link in s.links or ()],
                    "newer": _newer(catalog, s.superseded_by) if s.superseded_by else None,
                    "bibtex": bibtex(s, catalog.manifest, citation_keys(catalog)["surveys", i]),
                }
                for i, s in part.items
            ],
        }
        yield part.path, "surveys.md.j2", data


def _newer(catalog: Catalog, survey_id: str) -> tuple[str, str]:
    """The survey that supersedes another: where it stands, and its title."""
    return entry_address(catalog, "surveys", survey_id), catalog.surveys[survey_id].title


def corrections(catalog: Catalog) -> Iterator[Page]:
    """Everything that the list had wrong, by kind."""
    kinds = list(CORRECTION_KINDS)
    found = sorted(all_corrections(catalog), key=lambda item: kinds.index(item["kind"]))
    counts = Counter(map(_kind, found))
    parts = paged("corrections.md", found)
    at = starts(parts, _kind)
    for part in parts:
        data = {
            "meta": part.meta(
                "Corrections", "What the list that the catalog started from had wrong, with the evidence.", hide=["navigation"]
            ),
            "part": part,
            "kinds": [(kind, CORRECTION_KINDS[kind], counts[kind], at[kind]) for kind in counts],
            "groups": [(kind, CORRECTION_KINDS[kind], items) for kind, items in grouped(part.items, _kind)],
            "list": catalog.manifest.seed_list,
            "report": issue(catalog, "Correction: ", "Entry: \nWhat it says: \nWhat is right: \nWhere it can be read: "),
        }
        yield part.path, "corrections.md.j2", data


def _kind(correction: dict[str, Any]) -> str:
    return correction["kind"]
