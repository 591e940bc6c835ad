"""The list of papers, and a page a paper."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from html import escape
from typing import Any

from tools.bibtex import bibtex, citation_keys
from tools.catalog import Catalog
from tools.pages.addresses import Page, issue, meta
from tools.pages.paging import entry_address, grouped, paged, starts
from tools.pages.parts import show_correction, show_ids, show_link
from tools.pages.records import Runs
from tools.pages.rows import badge, claim_row, protocol_row
from tools.pages.runs import implementation
from tools.pages.strips import strip
from tools.protocols import claimed
from tools.schema import Paper

Numbered = tuple[str, Paper]
"""A paper with its id."""


def papers(catalog: Catalog) -> Iterator[Page]:
    """All papers by year, newest first, with what the filter looks at."""
    used = {entry.venue for entry in catalog.papers.values()}
    parts = paged("papers/index.md", by_year(catalog))
    for part in parts:
        data = {
            "meta": part.meta(
                "Papers", f"{len(catalog.papers)} papers on fine-grained visual classification, by year.", hide=["navigation"]
            ),
            "part": part,
            "years": years(catalog, part.items),
            "starts": starts(parts, _year),
            "approaches": catalog.manifest.approaches,
            "venues": {venue_id: venue for venue_id, venue in catalog.manifest.venues.items() if venue_id in used},
        }
        yield part.path, "papers.md.j2", data


def _year(item: Numbered) -> int:
    return item[1].year


@lru_cache(maxsize=1)
def by_year(catalog: Catalog) -> list[Numbered]:
    """All papers, the newest first."""
    return sorted(catalog.papers.items(), key=lambda item: (-item[1].year, item[1].title.casefold()))


def years(catalog: Catalog, items: Sequence[Numbered]) -> list[tuple[int, list[dict[str, Any]]]]:
    """The cards of papers under their years."""
    return [(year, [paper_card(catalog, *item) for item in found]) for year, found in grouped(items, _year)]


def paper_card(catalog: Catalog, paper_id: str, entry: Paper) -> dict[str, Any]:
    """A paper in a list of them."""
    named = bool(entry.name) and entry.title.startswith(f"{entry.name}:")
    return {
        "id": paper_id,
        "name": entry.name,
        "title": entry.title.removeprefix(entry.name or "") if named else entry.title,
        "named": named,
        "venue": entry.venue,
        "venue_name": f"{catalog.manifest.venues[entry.venue].short} {entry.year}",
        "authors": _et_al(entry.authors),
        "approaches": [(a, catalog.manifest.approaches[a].name) for a in entry.approaches],
        "code": any(link.kind == "code" and link.official for link in entry.links or ()),
        "results": len(entry.results or ()),
        "text": " ".join([entry.name or "", entry.title, *entry.authors]).casefold(),
    }


def paper(catalog: Catalog, paper_id: str, runs: Runs) -> Page:
    """All that is known of one paper."""
    entry, manifest = catalog.papers[paper_id], catalog.manifest
    venue = manifest.venues[entry.venue]
    data = {
        "meta": meta(
            f"{_full_title(entry)} ({venue.short} {entry.year})",
            entry.summary,
            citation=_citation(catalog, entry),
            jsonld=_jsonld(catalog, paper_id),
            tags=[escape(author) for author in entry.authors],  # for the search alone: its results print them as they are
            hide=["navigation", "tags"],
        ),
        "entry": entry,
        "venue": venue,
        "ids": show_ids(entry),
        "links": [show_link(link) for link in entry.links or ()],
        "approaches": [(a, manifest.approaches[a]) for a in entry.approaches],
        "mechanisms": [(m, manifest.mechanisms[m]) for m in entry.mechanisms or ()],
        "results": [
            claim_row(catalog, runs, paper_id, result) | {"strip": strip(entry, result)} for result in entry.results or ()
        ],
        "reproductions": [protocol_row(catalog, run) for run in entry.reproductions or ()],
        "corrections": [show_correction(catalog, correction) for correction in entry.corrections or ()],
        "bibtex": bibtex(entry, manifest, citation_keys(catalog)["papers", paper_id]),
        "implementation": implementation(catalog, runs, paper_id, entry),
        "claimed": _claimed(catalog, runs, paper_id),
        "badge": f"badges/{paper_id}.svg" if entry.results else None,
        "site": manifest.site,
        "missing": _missing(catalog, runs, paper_id),
        "report": issue(catalog, f"{entry.name or entry.title}: ", f"Entry: catalog/papers/{paper_id}.yaml\n\n"),
        "list": manifest.seed_list,
    }
    return f"papers/{paper_id}.md", "paper.md.j2", data


def _claimed(catalog: Catalog, runs: Runs, paper_id: str) -> dict[str, Any] | None:
    """The row of the result that the implementation is to reproduce, if there is one."""
    entry = catalog.papers[paper_id]
    result = claimed(entry) if entry.implementation else None
    return claim_row(catalog, runs, paper_id, result) if result else None


def _missing(catalog: Catalog, runs: Runs, paper_id: str) -> list[dict[str, str]]:
    """What the entry lacks, and a prefilled form to give it."""
    entry = catalog.papers[paper_id]
    listed = sum(badge(catalog, runs, paper_id, result)["id"] == "listed" for result in entry.results or ())
    lacks = {
        "an official implementation that we could find": not any(
            link.kind == "code" and link.official for link in entry.links or ()
        ),
        f"a place in the paper for {listed} of its values": bool(listed),
        "a DOI": catalog.manifest.venues[entry.venue].kind in ("conference", "journal") and not (entry.ids and entry.ids.doi),
        "results": not entry.results,
        "our own implementation": entry.implementation is None,
    }
    body = f"Entry: catalog/papers/{paper_id}.yaml\n\nWhat is missing: {{}}\nWhere it can be read (address, table or page): "
    return [
        {"what": what, "url": issue(catalog, f"{entry.name or entry.title}: {what}", body.format(what))}
        for what, is_missing in lacks.items()
        if is_missing
    ]


def _citation(catalog: Catalog, entry: Paper) -> dict[str, list[str]]:
    """The citation_* meta tags that reference managers and scholarly search engines read."""
    venue = catalog.manifest.venues[entry.venue]
    where = "citation_journal_title" if venue.kind == "journal" else "citation_conference_title"
    first, _, last = (entry.pages or "").partition("-")
    tags = {
        "citation_title": [entry.title],
        "citation_author": list(entry.authors),
        "citation_publication_date": [str(entry.year)],
        where: [venue.name] if venue.kind != "preprint" else [],
        "citation_volume": [entry.volume],
        "citation_issue": [entry.number],
        "citation_firstpage": [first],
        "citation_lastpage": [last],
        "citation_doi": [entry.ids and entry.ids.doi],
        "citation_arxiv_id": [entry.ids and entry.ids.arxiv],
    }
    return {name: [value for value in values if value] for name, values in tags.items() if any(values)}


def _jsonld(catalog: Catalog, paper_id: str) -> dict[str, Any]:
    """The paper as schema.org's ScholarlyArticle."""
    entry = catalog.papers[paper_id]
    ids = [f"https://doi.org/{entry.ids.doi}" if entry.ids and entry.ids.doi else None]
    ids.append(f"https://arxiv.org/abs/{entry.ids.arxiv}" if entry.ids and entry.ids.arxiv else None)
    return {
        "@context": "https://schema.org",
        "@type": "ScholarlyArticle",
        "headline": entry.title,
        "author": [{"@type": "Person", "name": author} for author in entry.authors],
        "datePublished": str(entry.year),
        "isPartOf": {"@type": "PublicationVolume", "name": catalog.manifest.venues[entry.venue].name},
        "sameAs": [address for address in ids if address],
        "url": catalog.manifest.site + entry_address(catalog, "papers", paper_id),
    }


def _full_title(entry: Paper) -> str:
    """The title, its name first: the search weighs this more than the text."""
    return entry.title if not entry.name or entry.title.startswith(entry.name) else f"{entry.name}: {entry.title}"


def _et_al(authors: list[str]) -> str:
    return ", ".join(authors) if len(authors) <= 3 else f"{authors[0]}, {authors[1]} and {len(authors) - 2} more"
