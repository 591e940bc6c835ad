"""What each page shows: plain objects for the templates, one function a kind of page."""

from __future__ import annotations

import posixpath
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from tools.bibtex import bibtex
from tools.catalog import Catalog
from tools.rows import badge, board_row, protocol_row, spelled
from tools.schema import Correction, Entry, Paper

Page = tuple[str, str, dict[str, Any]]
"""Path below the docs folder, template, and what the template is given."""

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


def all_pages(catalog: Catalog) -> Iterator[Page]:
    """Every rendered page."""
    yield home(catalog)
    yield papers(catalog)
    yield from (paper(catalog, paper_id) for paper_id in catalog.papers)
    yield leaderboards(catalog)
    yield from (leaderboard(catalog, index) for index in range(len(catalog.manifest.leaderboards)))
    yield approaches(catalog)
    yield datasets(catalog)
    yield from (dataset(catalog, dataset_id) for dataset_id in catalog.datasets)
    yield events(catalog)
    yield surveys(catalog)
    yield corrections(catalog)


def redirects(catalog: Catalog) -> Iterator[tuple[str, str]]:
    """The pages of former ids, and where below the site's address they lead to."""
    for kind, entry_id, entry in catalog.entries():
        for old in entry.formerly or ():
            yield f"{kind}/{old}/index.html", entry_address(kind, entry_id)


def entry_address(kind: str, entry_id: str) -> str:
    """Where an entry is shown, below the site's address."""
    if kind in ("papers", "datasets"):
        return f"{kind}/{entry_id}/"
    return f"surveys/#{entry_id}" if kind == "surveys" else f"workshops-and-challenges/#{entry_id}"


def address(path: str) -> str:
    """The address below the site's at which a Markdown file is served: papers/transfg.md at papers/transfg/."""
    name = path.removesuffix(".md").removesuffix("index").strip("/")
    return f"{name}/" if name else ""


def relative(here: str, target: str) -> str:
    """A target below the site's address as a link from the page at `here`."""
    path, hash_sign, anchor = target.partition("#")
    if path == here and anchor:
        return f"#{anchor}"
    found = posixpath.relpath(f"/{path}", f"/{here}")
    return found + ("/" if path.endswith("/") or not path else "") + hash_sign + anchor


def _meta(title: str, description: str, **more: object) -> dict[str, Any]:
    return {"title": title, "description": description} | more


# ------------------------------------------------------------------------------------------------------------- papers


def home(catalog: Catalog) -> Page:
    """What Finch is, how to read a number, and where to go on."""
    results = [result for paper in catalog.papers.values() for result in paper.results or ()]
    counts = Counter(badge(catalog, result)["id"] for result in results)
    listed = _all_corrections(catalog)
    data = {
        "meta": _meta(
            f"{catalog.manifest.name} · {catalog.manifest.tagline}", catalog.manifest.tagline, hide=["navigation", "toc"]
        ),
        "name": catalog.manifest.name,
        "numbers": [
            (len(catalog.papers), "papers", "papers/"),
            (len(results), "results", "leaderboards/"),
            (len(catalog.datasets), "datasets", "datasets/"),
            (len(listed), "corrections", "corrections/"),
        ],
        "levels": [
            {"id": level_id, "term": term, "count": counts[level_id]} for level_id, term in catalog.manifest.levels.items()
        ],
        "boards": [_board_card(catalog, board.dataset) for board in catalog.manifest.leaderboards],
        "approaches": [
            (approach_id, term.name, sum(approach_id in p.approaches for p in catalog.papers.values()))
            for approach_id, term in catalog.manifest.approaches.items()
        ],
        "list": catalog.manifest.seed_list,
        "repository": catalog.manifest.repository,
    }
    return "index.md", "home.md.j2", data


def papers(catalog: Catalog) -> Page:
    """All papers by year, newest first, with what the filter looks at."""
    years: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for paper_id, entry in sorted(catalog.papers.items(), key=lambda item: (-item[1].year, item[1].title.casefold())):
        years[entry.year].append(_paper_card(catalog, paper_id, entry))
    used = {card["venue"] for cards in years.values() for card in cards}
    data = {
        "meta": _meta("Papers", f"{len(catalog.papers)} papers on fine-grained visual classification, by year.", hide=["toc"]),
        "years": years,
        "count": len(catalog.papers),
        "approaches": catalog.manifest.approaches,
        "venues": {venue_id: venue for venue_id, venue in catalog.manifest.venues.items() if venue_id in used},
    }
    return "papers/index.md", "papers.md.j2", data


def _paper_card(catalog: Catalog, paper_id: str, entry: Paper) -> dict[str, Any]:
    return {
        "id": paper_id,
        "entry": entry,
        "venue": entry.venue,
        "venue_name": f"{catalog.manifest.venues[entry.venue].short} {entry.year}",
        "authors": _et_al(entry.authors),
        "approaches": [(a, catalog.manifest.approaches[a].name) for a in entry.approaches],
        "code": any(link.kind == "code" and link.official for link in entry.links or ()),
        "results": len(entry.results or ()),
        "text": " ".join([entry.name or "", entry.title, *entry.authors]).casefold(),
    }


def paper(catalog: Catalog, paper_id: str) -> Page:
    """All that is known of one paper."""
    entry, manifest = catalog.papers[paper_id], catalog.manifest
    venue = manifest.venues[entry.venue]
    data = {
        "meta": _meta(
            f"{entry.name or entry.title} ({venue.short} {entry.year})",
            entry.summary,
            citation=_citation(catalog, entry),
            jsonld=_jsonld(catalog, paper_id),
            hide=["navigation"],
        ),
        "entry": entry,
        "venue": venue,
        "links": [_link(link) for link in entry.links or ()],
        "approaches": [(a, manifest.approaches[a]) for a in entry.approaches],
        "mechanisms": [(m, manifest.mechanisms[m]) for m in entry.mechanisms or ()],
        "results": [protocol_row(catalog, result) for result in entry.results or ()],
        "reproductions": [protocol_row(catalog, run) for run in entry.reproductions or ()],
        "corrections": [_correction(catalog, correction) for correction in entry.corrections or ()],
        "bibtex": bibtex(entry, manifest),
        "missing": _missing(catalog, paper_id),
        "report": _issue(catalog, f"{entry.name or entry.title}: ", f"Entry: catalog/papers/{paper_id}.yaml\n\n"),
        "list": manifest.seed_list,
    }
    return f"papers/{paper_id}.md", "paper.md.j2", data


def _missing(catalog: Catalog, paper_id: str) -> list[dict[str, str]]:
    """What the entry lacks, and a prefilled form to give it."""
    entry = catalog.papers[paper_id]
    listed = sum(badge(catalog, result)["id"] == "listed" for result in entry.results or ())
    lacks = {
        "an official implementation that we could find": not any(
            link.kind == "code" and link.official for link in entry.links or ()
        ),
        f"a place in the paper for {listed} of its values": bool(listed),
        "a DOI": not (entry.ids and entry.ids.doi),
        "results": not entry.results,
        "our own implementation": entry.implementation is None,
    }
    body = f"Entry: catalog/papers/{paper_id}.yaml\n\nWhat is missing: {{}}\nWhere it can be read (address, table or page): "
    return [
        {"what": what, "url": _issue(catalog, f"{entry.name or entry.title}: {what}", body.format(what))}
        for what, is_missing in lacks.items()
        if is_missing
    ]


def _issue(catalog: Catalog, title: str, body: str) -> str:
    return f"{catalog.manifest.repository}/issues/new?{urlencode({'title': title, 'body': body})}"


def _link(link: Any) -> dict[str, Any]:
    name = LINK_NAMES.get(link.kind) or ("Official code" if link.official else "Unofficial code")
    return {
        "name": name,
        "kind": link.kind,
        "url": link.url,
        "note": link.note,
        "host": link.url.split("/")[2].removeprefix("www."),
    }


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
        "url": catalog.manifest.site + entry_address("papers", paper_id),
    }


def _et_al(authors: list[str]) -> str:
    return ", ".join(authors) if len(authors) <= 3 else f"{authors[0]}, {authors[1]} and {len(authors) - 2} more"


# ------------------------------------------------------------------------------------------------------- leaderboards


def leaderboards(catalog: Catalog) -> Page:
    """The list of leaderboards."""
    data = {
        "meta": _meta("Leaderboards", "One table of results a dataset, each with its protocol and its sources."),
        "boards": [_board_card(catalog, board.dataset) for board in catalog.manifest.leaderboards],
    }
    return "leaderboards/index.md", "leaderboards.md.j2", data


def leaderboard(catalog: Catalog, index: int) -> Page:
    """One dataset's results, the best first, without ranks."""
    board = catalog.manifest.leaderboards[index]
    metric, entry = catalog.manifest.metrics[board.metric], catalog.datasets[board.dataset]
    data = {
        "meta": _meta(f"{entry.name or entry.title} leaderboard", f"Results on {entry.name or entry.title}, with protocol."),
        "dataset_id": board.dataset,
        "dataset": entry,
        "metric": metric,
        "split": board.split,
        "images": entry.splits[board.split],
        "rows": _board_rows(catalog, board.dataset),
    }
    return f"leaderboards/{board.dataset}.md", "leaderboard.md.j2", data


def _board_rows(catalog: Catalog, dataset_id: str) -> list[dict[str, Any]]:
    board = next(b for b in catalog.manifest.leaderboards if b.dataset == dataset_id)
    better = -1 if catalog.manifest.metrics[board.metric].direction == "higher" else 1
    rows = [
        board_row(catalog, paper_id, result)
        for paper_id, entry in catalog.papers.items()
        for result in entry.results or ()
        if (result.dataset, result.metric, result.labels) == (board.dataset, board.metric, None)
        and result.split in (board.split, None)
    ]
    return sorted(rows, key=lambda row: (better * row["number"], row["method"].casefold()))


def _board_card(catalog: Catalog, dataset_id: str) -> dict[str, Any]:
    rows = _board_rows(catalog, dataset_id)
    entry = catalog.datasets[dataset_id]
    sourced = sum(row["level"]["id"] == "sourced" for row in rows)
    return {"id": dataset_id, "dataset": entry, "count": len(rows), "sourced": sourced}


# ----------------------------------------------------------------------------------------------------- the vocabulary


def approaches(catalog: Catalog) -> Page:
    """What each approach and mechanism is, and which papers take it."""
    data = {
        "meta": _meta("Approaches", "How methods of fine-grained classification work, and which papers take which way."),
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


# ----------------------------------------------------------------------------------------------------------- datasets


def datasets(catalog: Catalog) -> Page:
    """All datasets with their numbers."""
    boards = {board.dataset for board in catalog.manifest.leaderboards}
    used = Counter(result.dataset for paper in catalog.papers.values() for result in paper.results or ())
    data = {
        "meta": _meta("Datasets", f"{len(catalog.datasets)} datasets of fine-grained classification."),
        "rows": [
            {
                "id": i,
                "entry": d,
                "images": sum(n for s, n in d.splits.items() if s != "trainval"),
                "results": used[i],
                "board": i in boards,
            }
            for i, d in sorted(catalog.datasets.items(), key=lambda item: (-used[item[0]], item[0]))
        ],
    }
    return "datasets/index.md", "datasets.md.j2", data


def dataset(catalog: Catalog, dataset_id: str) -> Page:
    """One dataset: numbers, files, pitfalls, and the results on it."""
    entry = catalog.datasets[dataset_id]
    rows = [board_row(catalog, i, r) for i, p in catalog.papers.items() for r in p.results or () if r.dataset == dataset_id]
    data = {
        "meta": _meta(entry.name or entry.title, entry.summary, hide=["navigation"]),
        "id": dataset_id,
        "entry": entry,
        "venue": catalog.manifest.venues[entry.venue] if entry.venue else None,
        "links": [_link(link) for link in entry.links or ()],
        "has_board": any(board.dataset == dataset_id for board in catalog.manifest.leaderboards),
        "rows": sorted(rows, key=lambda row: (-row["number"], row["method"].casefold())),
        "corrections": [_correction(catalog, correction) for correction in entry.corrections or ()],
        "list": catalog.manifest.seed_list,
        "report": _issue(catalog, f"{entry.name or entry.title}: ", f"Entry: catalog/datasets/{dataset_id}.yaml\n\n"),
    }
    return f"datasets/{dataset_id}.md", "dataset.md.j2", data


# -------------------------------------------------------------------------------------------------------------- lists


def events(catalog: Catalog) -> Page:
    """Workshops and challenges."""
    data = {
        "meta": _meta("Workshops and challenges", "Where the field meets and competes."),
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
    return {
        "id": entry_id,
        "entry": entry,
        "facts": [fact for fact in facts if fact],
        "links": [_link(link) for link in entry.links or ()],
        "corrections": len(entry.corrections or ()),
    }


def surveys(catalog: Catalog) -> Page:
    """Surveys and lists, the newest first."""
    entries = sorted(catalog.surveys.items(), key=lambda item: (-item[1].year, item[0]))
    data = {
        "meta": _meta("Surveys", "Surveys of fine-grained image analysis, and lists that are kept up."),
        "surveys": [
            {
                "id": i,
                "entry": s,
                "venue": catalog.manifest.venues[s.venue],
                "links": [_link(link) for link in s.links or ()],
                "newer": catalog.surveys.get(s.superseded_by) if s.superseded_by else None,
                "bibtex": bibtex(s, catalog.manifest),
            }
            for i, s in entries
        ],
    }
    return "surveys.md", "surveys.md.j2", data


def corrections(catalog: Catalog) -> Page:
    """Everything that the list had wrong, by kind."""
    found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in CORRECTION_KINDS}
    for item in _all_corrections(catalog):
        found[item["kind"]].append(item)
    data = {
        "meta": _meta("Corrections", "What the list that the catalog started from had wrong, with the evidence."),
        "groups": [(kind, name, found[kind]) for kind, name in CORRECTION_KINDS.items() if found[kind]],
        "count": sum(map(len, found.values())),
        "list": catalog.manifest.seed_list,
        "report": _issue(catalog, "Correction: ", "Entry: \nWhat it says: \nWhat is right: \nWhere it can be read: "),
    }
    return "corrections.md", "corrections.md.j2", data


def _all_corrections(catalog: Catalog) -> list[dict[str, Any]]:
    found = [
        _correction(catalog, correction) | {"of": _shown_name(entry), "address": entry_address(kind, entry_id)}
        for kind, entry_id, entry in catalog.entries()
        for correction in entry.corrections or ()
    ]
    whole = catalog.manifest.seed_list.corrections or ()
    return found + [_correction(catalog, correction) | {"of": "The list as a whole", "address": None} for correction in whole]


def _correction(catalog: Catalog, correction: Correction) -> dict[str, Any]:
    where = catalog.datasets[correction.dataset] if correction.dataset else None
    return {
        "kind": correction.kind,
        "kind_name": CORRECTION_KINDS[correction.kind],
        "field": spelled(correction.field) + (f" on {_shown_name(where)}" if where else ""),
        "listed": correction.listed,
        "correct": correction.correct,
        "evidence": correction.evidence,
        "url": correction.url,
        "date": correction.date.isoformat(),
    }


def _shown_name(entry: Entry) -> str:
    return entry.name or entry.title
