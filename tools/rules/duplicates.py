"""What may stand once only: a paper, a claim, an alias."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator

from tools.draft import Draft
from tools.problems import Problem, rule
from tools.reading import Location
from tools.schema import Paper

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


def _normalised_title(entry: Paper) -> str:
    plain = unicodedata.normalize("NFKD", entry.title).casefold()
    return "".join(character for character in plain if character.isalnum())


IDENTITIES: tuple[tuple[str, Location, Callable], ...] = (
    ("arXiv id", ("ids", "arxiv"), lambda entry: entry.ids and entry.ids.arxiv),
    ("DOI", ("ids", "doi"), lambda entry: entry.ids and entry.ids.doi and entry.ids.doi.lower()),
    ("title", ("title",), _normalised_title),
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


@rule("alias-taken")
def aliases(draft: Draft) -> Iterator[Problem]:
    """A venue's alias that names another venue too.

    A tool that reads "MM" has to know one venue that it means.
    Remove the alias from one of them.
    """
    owners: dict[str, str] = {}
    for venue_id, venue in draft.manifest.venues.items() if draft.manifest else ():
        for name in dict.fromkeys((venue.name, venue.short, *(venue.aliases or ()))):
            if owners.setdefault(name.casefold(), venue_id) != venue_id:
                location = ("venues", venue_id)
                message = f'"{name}" names the venue {owners[name.casefold()]} already'
                yield draft.documents["catalog.yaml"].problem(location, message, "alias-taken")
