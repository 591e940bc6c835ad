"""Addresses, years, levels, and the form in which an entry is written."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tools.draft import Draft
from tools.normalize import differs_from_normal_form
from tools.problems import Problem, rule
from tools.reading import Document, Location
from tools.schema import Download, Link
from tools.trust import LEVELS


@rule("link-https")
def https(draft: Draft) -> Iterator[Problem]:
    """An address is https; http only where the host has no https, and then `https: false` says so.

    Browsers warn of http, and anyone on the way can change what it brings.
    Write https, or add `https: false` to the link after trying the https address.
    """
    for document, location, link in _links(draft):
        if link.url.startswith("http://") != (link.https is False):
            message = "the address is https, but `https: false` says that the host has none; remove one"
            if link.https is None:
                message = "found http; write https, or add `https: false` where the host has none"
            yield document.problem((*location, "url"), message, "link-https")


@rule("link-arxiv")
def arxiv_links(draft: Draft) -> Iterator[Problem]:
    """A link to arXiv leads to the paper's abstract page, whatever its version.

    A PDF pinned to v1 hides that the paper was corrected, published or withdrawn since.
    Write https://arxiv.org/abs/2103.07976.
    """
    for document, location, link in _links(draft):
        if re.match(r"https?://(www\.|export\.)?arxiv\.org/", link.url) and not re.fullmatch(
            r"https://arxiv\.org/abs/(\d{4}\.\d{4,5}|[a-z-]+(\.[A-Z]{2})?/\d{7})", link.url
        ):
            message = "expected the abstract page without a version, such as https://arxiv.org/abs/2103.07976"
            yield document.problem((*location, "url"), message, "link-arxiv")


def _links(draft: Draft) -> Iterator[tuple[Document, Location, Link | Download]]:
    for document, _, entry in draft.all(*draft.entries):
        for name in ("links", "downloads"):
            for index, link in enumerate(getattr(entry, name, None) or ()):
                yield document, (name, index), link


@rule("year-range")
def years(draft: Draft) -> Iterator[Problem]:
    """A year lies between 1990 and the year after the entry was added.

    Anything else is a slip of the finger.
    Give the year of the venue.
    """
    for document, _, entry in draft.all(*draft.entries):
        last = entry.added.year + 1
        if entry.year is not None and not 1990 <= entry.year <= last:
            message = f"found {entry.year}, expected 1990 to {last} (the year after `added`)"
            yield document.problem(("year",), message, "year-range")


@rule("levels-defined")
def levels(draft: Draft) -> Iterator[Problem]:
    """catalog.yaml defines the levels of trust that are computed, and no other.

    A level without a meaning can't be shown, and a meaning without a level promises what nobody computes.
    Keep `levels` in catalog.yaml and tools/trust.py in step.
    """
    if draft.manifest and tuple(draft.manifest.levels) != LEVELS:
        message = f"found {', '.join(draft.manifest.levels)}, expected {', '.join(LEVELS)}"
        yield draft.documents["catalog.yaml"].problem(("levels",), message, "levels-defined")


@rule("not-normal")
def normal_form(draft: Draft) -> Iterator[Problem]:
    """An entry is written in its normal form: order of keys, quotes, folding and indentation.

    With one form, a change shows as what it changes.
    Run `python -m tools.normalize FILE`: it rewrites the file, keeps its comments, and changes no fact.
    """
    for document, _, entry in draft.all(*draft.entries):
        line = differs_from_normal_form(document, type(entry))
        if line:
            message = f"not in normal form; run `python -m tools.normalize {document.path}`"
            yield Problem(document.path, line, 1, "", message, "not-normal")
