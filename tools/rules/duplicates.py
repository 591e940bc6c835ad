"""What may stand once only: a paper, a claim, a source, an address, a name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from tools.canonical import folded
from tools.draft import Draft
from tools.problems import Problem, rule
from tools.reading import Location

NO_LETTER = re.compile(r"[\W_]+")
PROTOCOL_KEY = "dataset metric split labels variant backbone pretraining input_size extra test_time".split()
"""The fields that tell one claim of a paper from another."""


@rule("duplicate-paper")
def papers(draft: Draft) -> Iterator[Problem]:
    """Two entries for the same paper: the same arXiv id, DOI or title.

    Its results would be counted twice, and one of the two would be forgotten.
    Join the two entries; keep the older id, and give the other one's under `formerly`.
    """
    for name, location, identity in IDENTITIES:
        seen: dict[str, str] = {}
        for document, entry_id, entry in draft.all("papers", "surveys"):
            value = identity(entry)
            if value and seen.setdefault(value, entry_id) != entry_id:
                message = f"{seen[value]} has the same {name}; one entry a paper"
                yield document.problem(location, message, "duplicate-paper")


def letters(text: str) -> str:
    """A text's letters and digits alone, without case and accents."""
    return NO_LETTER.sub("", folded(text))


IDENTITIES: tuple[tuple[str, Location, Callable], ...] = (
    ("arXiv id", ("ids", "arxiv"), lambda entry: entry.ids and entry.ids.arxiv),
    ("DOI", ("ids", "doi"), lambda entry: entry.ids and entry.ids.doi and entry.ids.doi.lower()),
    ("title", ("title",), lambda entry: letters(entry.title)),
)


@rule("duplicate-claim")
def claims(draft: Draft) -> Iterator[Problem]:
    """Two results of a paper for the same claim.

    The same claim stands once, with everyone who states it among its sources.
    Join the sources of the two; or, if they were measured differently, say how (variant, backbone, input_size, …).
    """
    for document, _, paper in draft.all("papers"):
        seen: dict[str, int] = {}
        for index, result in enumerate(paper.results or ()):
            key = repr([getattr(result, name) for name in PROTOCOL_KEY])
            if seen.setdefault(key, index) != index:
                message = f"the same claim as results[{seen[key]}]; join their sources, or say what differs"
                yield document.problem(("results", index), message, "duplicate-claim")


@rule("source-twice")
def sources(draft: Draft) -> Iterator[Problem]:
    """A result that names the same place twice among its sources.

    Two lines look like two witnesses.
    Keep one of them; two places in one document have two locators.
    """
    for document, _, paper in draft.all("papers"):
        for index, result in enumerate(paper.results or ()):
            seen: dict[tuple, int] = {}
            for number, source in enumerate(result.sources):
                place = (source.source, source.locator, source.url)
                if seen.setdefault(place, number) != number:
                    message = f"the same place as sources[{seen[place]}]; keep one"
                    yield document.problem(("results", index, "sources", number), message, "source-twice")


@rule("link-twice")
def links_of_one(draft: Draft) -> Iterator[Problem]:
    """An entry that links to one address twice.

    Readers try both.
    Keep one of them.
    """
    for document, _, entry in draft.all(*draft.entries):
        seen: dict[str, int] = {}
        for index, link in enumerate(entry.links or ()):
            if seen.setdefault(link.url, index) != index:
                yield document.problem(("links", index), f"the same address as links[{seen[link.url]}]; keep one", "link-twice")


@rule("link-taken")
def links_to_papers(draft: Draft) -> Iterator[Problem]:
    """Two entries with the same paper behind their links.

    A page that answers isn't enough: it has to be this paper's. The wrong address is mostly a neighbour's, copied along.
    Follow the link, and give the entry its own.
    """
    owners: dict[str, str] = {}
    for document, entry_id, entry in draft.all("papers", "surveys"):
        for index, link in enumerate(entry.links or ()):
            if link.kind in ("paper", "pdf") and owners.setdefault(link.url, entry_id) != entry_id:
                message = f"{owners[link.url]} has this paper's address already"
                yield document.problem(("links", index, "url"), message, "link-taken")


@rule("name-taken", "warning")
def names(draft: Draft) -> Iterator[Problem]:
    """Two papers that call their methods the same.

    On a leaderboard nobody could tell them apart.
    Add what people add when they mean this one: the year, or the first author.
    """
    owners: dict[str, str] = {}
    for document, entry_id, paper in draft.all("papers"):
        if paper.name and owners.setdefault(paper.name.casefold(), entry_id) != entry_id:
            yield document.problem(("name",), f"{owners[paper.name.casefold()]} is called the same", "name-taken")


@rule("author-twin", "note")
def author_twins(draft: Draft) -> Iterator[Problem]:
    """A name that is spelled otherwise elsewhere, but for hyphens, dots, blanks, capitals and accents.

    Xiu-Shen Wei and Xiushen Wei are two people to every program.
    If it is one person, spell the name as most of the papers do; if the papers themselves differ, leave it.
    """
    spelled: dict[str, tuple[str, str]] = {}
    for document, entry_id, entry in draft.all("papers", "surveys"):
        for index, author in enumerate(entry.authors or ()):
            first, where = spelled.setdefault(letters(author), (author, entry_id))
            if first != author:
                message = f'{where} spells the name "{first}"; is it one person?'
                yield document.problem(("authors", index), message, "author-twin")


@rule("alias-taken")
def aliases(draft: Draft) -> Iterator[Problem]:
    """A name of a venue or dataset that names another one too.

    A tool that reads "MM" or "Dogs" has to know one thing that it means.
    Remove the name from one of them.
    """
    owners: dict[str, str] = {}
    for venue_id, venue in draft.manifest.venues.items() if draft.manifest else ():
        for name in dict.fromkeys((venue.name, venue.short, *(venue.aliases or ()))):
            if owners.setdefault(name.casefold(), venue_id) != venue_id:
                message = f'"{name}" names the venue {owners[name.casefold()]} already'
                yield draft.documents["catalog.yaml"].problem(("venues", venue_id), message, "alias-taken")
    owners = {}
    for document, dataset_id, dataset in draft.all("datasets"):
        for name in filter(None, (dataset.name, *(dataset.aliases or ()))):
            if owners.setdefault(name.casefold(), dataset_id) != dataset_id:
                message = f'"{name}" names the dataset {owners[name.casefold()]} already'
                location = ("aliases",) if name != dataset.name else ("name",)
                yield document.problem(location, message, "alias-taken")
