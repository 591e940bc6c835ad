"""What the parts of the link checker hand to each other."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import Literal, get_args

Failure = Literal[
    "malformed", "forbidden", "no such name", "refused", "timed out", "certificate", "reset", "redirect loop", "bad answer"
]
"""Why there was no status; `STATUSES` says what each means."""
STATUSES: dict[str, str] = {
    "malformed": "it is no address",
    "forbidden": "it leads to an address that is never asked: private, or not http",
    "no such name": "there is no host of that name",
    "refused": "nobody listens there",
    "timed out": "nobody answers in time",
    "certificate": "its certificate isn't valid",
    "reset": "the connection breaks off",
    "redirect loop": "it redirects without end",
    "bad answer": "what comes isn't HTTP, or is more than is read",
    "soft 404": "the page itself says that there is none",
    "no fragment": "the page has no such place",
}
"""What a row's status says, where it is a word: the failures, and what can be wrong with a page that came."""

Verdict = Literal["ok", "moved", "dead", "blocked", "broken", "wrong", "unknown"]
VERDICTS = get_args(Verdict)
MEANINGS: dict[Verdict, str] = {
    "ok": "It answers, and nothing speaks against it.",
    "moved": "It leads for good to a new address, or its host answers by https too: either should stand in its place. Or it leads"
    " to a front page, behind which the page itself may be gone.",
    "dead": "It is gone: there was no such page, or no host of that name, at three looks or more, over a week at least.",
    "blocked": "Its host refuses programs, or wants a login. A person may well see it.",
    "broken": "It can't work as it is written: no valid certificate, no such place on the page, redirects without end, or no"
    " address at all.",
    "wrong": "It answers with another paper than the one that should stand there.",
    "unknown": "Nothing can be said yet: no answer, an error of the server's, or too few looks to call it gone.",
}
"""What each verdict says of an address."""
BAD: tuple[Verdict, ...] = ("dead", "broken", "wrong")
"""What makes the command's exit code 1."""


@dataclass(frozen=True, order=True, slots=True)
class Place:
    """Where an address stands."""

    path: str
    line: int
    column: int
    field: str
    """links[0].url; empty in a page of the site."""
    entry: str
    """papers/transfg; empty in catalog.yaml and in a page of the site."""


@dataclass(frozen=True, slots=True)
class Target:
    """One address to be checked, and everywhere it stands. Fragments count: two fragments of one page are two targets."""

    url: str
    places: tuple[Place, ...]
    title: str | None = None
    """The title that has to stand there: that of the entry whose paper it is. None where any page will do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """What one look at an address found."""

    url: str
    status: int | None = None
    """Of the last answer, after redirects; None where there was none."""
    failure: Failure | None = None
    reason: str
    """What happened, in a sentence for people: "answers with status 404", "the certificate expired on 2026-01-01"."""
    final: str | None = None
    """The address after all redirects, where that is another one; without the fragment that was asked for."""
    permanent: bool = False
    """Whether each redirect on the way was permanent (301, 308)."""
    wall: bool = False
    """Whether it looks like a wall for programs: a challenge page, a known host that refuses them."""
    kind: str | None = None
    """The media type, in lower case."""
    title: str | None = None
    """The title of the page, or of the paper that the identifier's service names."""
    fragment: bool | None = None
    """Whether the fragment is there; None where there is none, or where it can't be told."""
    archived: bool = False
    """A repository that its owner has closed for changes."""
    soft_404: bool = False
    """Whether the page says that it isn't there, or only the start page came, although the status is 200."""
    asked: bool = True
    """Whether this address itself was asked; not where its host wants a longer rest than we wait, or doesn't answer at all."""
    watch: Watch | None = None
    """What arXiv says of the paper, where it was asked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Watch:
    """What arXiv says of a paper: what may change after an entry was written."""

    arxiv: str
    """Without the version."""
    title: str
    """Of the newest version."""
    version: int
    """The newest."""
    withdrawn: bool = False
    doi: str | None = None
    """Of the published paper."""
    journal_ref: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """What the ledger remembers of an address: one line of catalog/links.jsonl."""

    url: str
    first_seen: datetime.date
    checked: datetime.date | None = None
    """The last day it was looked at."""
    last_ok: datetime.date | None = None
    status: int | str | None = None
    """Of the last look: the status, or the failure, or what was wrong with a page that came ("soft 404", "no fragment")."""
    failures: int = 0
    """Looks on different days that found the same amiss, since one last found it right."""
    failing_since: datetime.date | None = None
    """The day of the first of them."""
    failing_by: str | None = None
    """What they found: "gone", or what was wrong with it."""
    verdict: Verdict = "unknown"
    title: str | None = None
    """The title that was seen there last."""
    moved_to: str | None = None
    archive: str | None = None
    """The nearest copy at the Internet Archive."""
    archived: bool = False
    """A repository that its owner has closed for changes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What is made of one look at one target, in the light of the ledger."""

    target: Target
    verdict: Verdict
    reason: str
    suggestion: str | None = None
    """The address to put in its place."""
    fixable: bool = False
    """Whether `--fix` may put it there by itself."""
    excepted: str | None = None
    """Why a person said that it is to be left alone, where that still holds."""
    observation: Observation | None = field(default=None, compare=False)
