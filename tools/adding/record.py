"""What one source says of one paper, and the ways in which a source can fail to say it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Record:
    """What one source says of one paper. What it doesn't say is None, or empty."""

    source: str
    """Who says it: arXiv, Crossref, OpenAlex, Semantic Scholar, CVF, ECVA, AAAI, OpenReview, BibTeX."""
    where: str
    """Where it was read: an address, or file:line."""
    title: str | None = None
    """As published, subtitle and all, without LaTeX."""
    authors: tuple[str, ...] = ()
    """In order, given name first."""
    complete: bool = True
    """Whether these are all authors: not where the source ends in "and others"."""
    year: int | None = None
    """The year of the venue, as far as this source knows it."""
    container: str | None = None
    """The proceedings or journal, as the source spells it. Never a series (LNCS, PMLR), never a preprint server."""
    preprint: bool = False
    """Whether the source speaks of the preprint: its year isn't the venue's."""
    volume: str | None = None
    number: str | None = None
    pages: str | None = None
    """In the catalog's form: "852-860"."""
    arxiv: str | None = None
    """In the catalog's form: without a version."""
    doi: str | None = None
    """In the catalog's form; never arXiv's own (10.48550/arXiv.…), which is an arXiv id."""
    links: tuple[tuple[str, str], ...] = ()
    """Kind (as in the schema: paper, pdf, …) and address, https."""
    abstract: str | None = None
    """Read for hints and never written into the catalog."""
    summary: str | None = None
    """Somebody's own words about it: the `annotation` of an annotated bibliography."""
    comment: str | None = None
    """What the authors say beside it on arXiv: "Accepted by CVPR 2021"."""
    version: int | None = None
    """The newest version on arXiv."""
    withdrawn: str | None = None
    """Why it was withdrawn or retracted, in the source's words."""
    doubts: tuple[str, ...] = ()
    """What the source says that wasn't taken over, each with the reason, in a sentence."""


class Refusal(Exception):
    """Why a paper can't be entered, in words for people: what was found, what was expected, and what to do about it."""


class NotThere(Refusal):
    """A service answers that it knows no such paper."""


class NoAnswer(Refusal):
    """A service can't be reached, is too busy, or answers something that can't be read."""
