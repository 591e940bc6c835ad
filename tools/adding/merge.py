"""One entry's facts from what several sources say: who goes before whom, and where they contradict each other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tools.adding.gather import CHECKS, Gathered
from tools.adding.record import Record
from tools.adding.venues import venue_of
from tools.manifest import Manifest
from tools.problems import nearest
from tools.rules.duplicates import letters

ORDER = ("CVF", "ECVA", "AAAI", "OpenReview", "Crossref", "BibTeX", "arXiv", "Semantic Scholar", "OpenAlex")
"""Who goes before whom: the publisher's own page, what the publisher deposited, what a person keeps, the preprint. A published
venue and its year beat a preprint's; the last two are asked for contradictions alone."""
PUBLISHED = re.compile(
    r"journal reference:|\b(?:accepted|to appear|appear(?:s|ed|ing)? (?:in|at)|published|camera[- ]ready|oral|spotlight|poster"
    r"|in proceedings|(?:in|at) press|presented)\b",
    re.IGNORECASE,
)
"""What authors say on arXiv of a paper that is more than a preprint."""
WORDS_TO_JUDGE = 4
"""From so many words on, a title without a capital after the first has lost them."""


@dataclass
class Facts:
    """What is known of a paper, who says it, and what to tell about it."""

    data: dict[str, Any] = field(default_factory=dict)
    """Fields as the catalog holds them."""
    by: dict[str, str] = field(default_factory=dict)
    """Who says each field."""
    disagreements: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What to look at, beside disagreements."""
    of_preprint: bool = False
    """Whether venue and year are the preprint's."""
    missing: dict[str, str] = field(default_factory=dict)
    """Why a field couldn't be settled, for those that an entry has to have."""


@dataclass(frozen=True)
class Stated:
    """What the contributor says about the paper, which goes before all sources."""

    venue: str | None = None
    year: int | None = None


def merge(found: Gathered, manifest: Manifest, stated: Stated) -> Facts:
    """The facts that an entry can rest on. What sources contradict each other in is told, field by field."""
    records = sorted(found.records, key=lambda record: ORDER.index(record.source))
    facts = Facts()
    _title(facts, records)
    _authors(facts, records)
    _venue(facts, found, records, manifest, stated)
    _year(facts, records, manifest, stated)
    if manifest.venues.get(facts.data.get("venue", "")) and manifest.venues[facts.data["venue"]].kind != "preprint":
        for name in ("volume", "number", "pages"):
            _settle(facts, name, _said(records, name, lambda record: not record.preprint))
    _ids(facts, records)
    _links(facts, records)
    return facts


# --------------------------------------------------------------------------------------------------- what an entry needs


def _title(facts: Facts, records: list[Record]) -> None:
    said = _said(records, "title")
    kept = [pair for pair in said if keeps_case(pair[1])]
    if said and not kept:
        facts.notes.append(f"{said[0][0].source} gives the title without its capitals: compare it with the paper")
    _settle(facts, "title", kept or said, same=letters)
    if "title" not in facts.data:
        facts.missing["title"] = "no source gives a title"


def keeps_case(title: str) -> bool:
    """Whether a title has capitals and small letters as published: not "Transfg: a transformer architecture", nor in capitals."""
    words = re.findall(r"[^\W\d_]+", title)
    if len(words) < WORDS_TO_JUDGE:
        return True
    return not title.isupper() and any(word != word.lower() for word in words[1:])


def _authors(facts: Facts, records: list[Record]) -> None:
    whole = [(record, record.authors) for record in records if record.authors and record.complete]
    named = [pair for pair in whole if not any(re.match(r"(?:\w\.[ -]?)+ ", author) for author in pair[1])]
    _settle(facts, "authors", named or whole, same=lambda authors: [letters(author) for author in authors])
    if "authors" in facts.data:
        facts.data["authors"] = list(facts.data["authors"])
        return
    partly = next((record for record in records if record.authors), None)
    facts.missing["authors"] = f"{partly.source} lists only some of them, and others" if partly else "no source names them"


def _venue(facts: Facts, found: Gathered, records: list[Record], manifest: Manifest, stated: Stated) -> None:
    named = [record for record in records if record.container]
    known = [(record, venue) for record in named if (venue := venue_of(record.container, manifest))]
    _settle(facts, "venue", known)
    if stated.venue:
        _state(facts, "venue", stated.venue)
    elif "venue" not in facts.data:
        _without_venue(facts, found, records, manifest)


def _without_venue(facts: Facts, found: Gathered, records: list[Record], manifest: Manifest) -> None:
    """Where no source names a venue that is known: it is a preprint only if nothing hints at more, and somebody would know."""
    published = [record for record in records if record.container and record.source not in CHECKS]
    if published:
        container = published[0].container
        names = [name for venue in manifest.venues.values() for name in (venue.name, venue.short)]
        facts.missing["venue"] = (
            f'"{container}" ({published[0].source}) is no venue of catalog.yaml{nearest(container, names)}; add it there'
        )
    elif hint := _hint(records, manifest):
        facts.missing["venue"] = f"{hint}, but no publisher's record was found; give the paper's page or DOI"
    elif any(record.source == "arXiv" for record in records) and not found.checked:
        facts.missing["venue"] = "nobody who would know answered whether it was published since"
    elif (archive := _archive(manifest)) and (arxiv := next((record for record in records if record.arxiv), None)):
        facts.data["venue"], facts.by["venue"] = archive, arxiv.source
    else:
        facts.missing["venue"] = "no source says where it was published"


def _hint(records: list[Record], manifest: Manifest) -> str | None:
    """What hints at a publication: a check's venue, a DOI, or the authors' own comment on arXiv."""
    for record in records:
        if record.source in CHECKS and record.container:
            return f'{record.source} has the venue "{record.container}"'
        if record.doi:
            return f"{record.source} has a DOI, {record.doi}"
        if record.comment and (PUBLISHED.search(record.comment) or _names_a_venue(record.comment, manifest)):
            return f'the authors say "{record.comment}" on arXiv'
    return None


def _names_a_venue(comment: str, manifest: Manifest) -> bool:
    published = [venue for venue in manifest.venues.values() if venue.kind in ("conference", "journal", "workshop")]
    names = [name for venue in published for name in (venue.short, venue.name, *(venue.aliases or ()))]
    return re.search(rf"(?<![\w-])(?:{'|'.join(map(re.escape, names))})(?![a-zA-Z])", comment) is not None


def _archive(manifest: Manifest) -> str | None:
    return next((venue_id for venue_id, venue in manifest.venues.items() if venue.kind == "preprint"), None)


def _year(facts: Facts, records: list[Record], manifest: Manifest, stated: Stated) -> None:
    """The year of the venue: first from the source that named the venue; of a preprint, arXiv's."""
    venue = manifest.venues.get(facts.data.get("venue", ""))
    facts.of_preprint = venue is not None and venue.kind == "preprint"
    said = _said(records, "year", lambda record: record.preprint == facts.of_preprint)
    said.sort(key=lambda pair: pair[0].source != facts.by.get("venue"))
    _settle(facts, "year", said)
    if stated.year:
        _state(facts, "year", stated.year)
    elif "year" not in facts.data:
        facts.missing["year"] = "no source gives the year of its venue"


def _ids(facts: Facts, records: list[Record]) -> None:
    for name in ("arxiv", "doi"):
        _settle(facts, name, _said(records, name), same=str.lower)
    ids = {name: facts.data.pop(name) for name in ("arxiv", "doi") if name in facts.data}
    if ids:
        facts.data["ids"] = ids


def _links(facts: Facts, records: list[Record]) -> None:
    """The page on arXiv first, then the publisher's; the DOI's where there is neither."""
    ids = facts.data.get("ids", {})
    links = [("paper", f"https://arxiv.org/abs/{ids['arxiv']}")] if "arxiv" in ids else []
    links += [link for record in records if record.source not in CHECKS for link in record.links if link[0] in ("paper", "pdf")]
    if not links and "doi" in ids:
        links = [("paper", f"https://doi.org/{ids['doi']}")]
    if any(kind == "paper" for kind, _ in links):
        links = [link for link in links if link[0] == "paper"]
    if links:
        facts.data["links"] = [{"kind": kind, "url": url} for kind, url in dict.fromkeys(links)]


# -------------------------------------------------------------------------------------------------------- who says what


def _said(
    records: Iterable[Record], name: str, wanted: Callable[[Record], bool] = lambda record: True
) -> list[tuple[Record, Any]]:
    return [(record, getattr(record, name)) for record in records if wanted(record) and getattr(record, name)]


def _settle(facts: Facts, name: str, said: list[tuple[Record, Any]], *, same: Callable[[Any], Any] = lambda value: value) -> None:
    """Takes the first that isn't a check's, and tells who says otherwise."""
    chosen = next((pair for pair in said if pair[0].source not in CHECKS), None)
    if chosen is None:
        return
    facts.data[name], facts.by[name] = chosen[1], chosen[0].source
    others = [(record, value) for record, value in said if same(value) != same(chosen[1])]
    if others:
        shown = "; ".join(f"{show(value)} ({record.source})" for record, value in others)
        facts.disagreements.append(f"{name}: {show(chosen[1])} ({chosen[0].source}) was taken, against {shown}")


def _state(facts: Facts, name: str, value: Any) -> None:
    """Puts what the contributor says above all sources."""
    if name in facts.data and facts.data[name] != value:
        facts.disagreements.append(f"{name}: {value} (stated) was taken, against {facts.data[name]} ({facts.by[name]})")
    facts.data[name], facts.by[name] = value, "stated"


def show(value: Any) -> str:
    """A value as messages have it."""
    return ", ".join(value) if isinstance(value, tuple | list) else str(value)
