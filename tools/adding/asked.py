"""What somebody types to name a paper: an arXiv id, a DOI, an address, a BibTeX file, or the id of an entry that is there."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from tools.adding.record import Record, Refusal
from tools.canonical import ARXIV_DOI, arxiv_id, doi
from tools.schema import DOI_PATTERN

NO_SCHEME = re.compile(r"(?:[a-z0-9-]+\.)+[a-z]{2,}/", re.IGNORECASE)
VERSION = re.compile(r"v(\d+)(?:\.pdf)?/?$")
DOI_IN_ADDRESS = re.compile(r"/(10\.\d{4,9}/[^?#]+)")
BEHIND_A_DOI = re.compile(r"(?:\.pdf|\.html|/full|/abstract|/pdf|/meta|/)$")
"""What publishers' addresses have behind the DOI."""
ACCEPTED = (
    "an arXiv id (2103.07976), a DOI (10.1609/aaai.v36i1.19967), their addresses, a page of CVF open access, ECVA, AAAI's"
    " proceedings or OpenReview, a BibTeX file (paper.bib), or - for BibTeX from standard input"
)


@dataclass(frozen=True)
class Asked:
    """One paper that was asked for: by its ids, by its publisher's page, by a record of a BibTeX file."""

    text: str
    """As it was typed, or where it stands: paper.bib:12."""
    arxiv: str | None = None
    version: int | None = None
    """The version of the arXiv id, where one was given."""
    doi: str | None = None
    page: str | None = None
    record: Record | None = None
    entry: str | None = None
    """The id of the catalog's entry, where that is what was typed."""


def understand(text: str, has_page: Callable[[str], object]) -> Asked:
    """What was meant. `has_page` tells whether an address is a publisher's page that can be read. Raises Refusal."""
    text = text.strip()
    text = f"https://{text}" if NO_SCHEME.match(text) else text
    if arxiv := arxiv_id(text):
        return Asked(text, arxiv=arxiv, version=_version(text))
    if re.match(r"https?://", text, re.IGNORECASE):
        return _address(text, has_page)
    meant = doi(text)
    if re.fullmatch(DOI_PATTERN, meant):
        return _of_doi(text, meant)
    raise Refusal(f'"{text[:200]}" is nothing that can be looked up; expected {ACCEPTED}')


def of_record(record: Record) -> Asked:
    """What a BibTeX file's record asks for."""
    return Asked(record.where, arxiv=record.arxiv, doi=record.doi, record=record)


def _version(text: str) -> int | None:
    found = VERSION.search(text)
    return int(found[1]) if found else None


def _address(text: str, has_page: Callable[[str], object]) -> Asked:
    if has_page(text):
        return Asked(text, page=text)
    found = DOI_IN_ADDRESS.search(f"/{doi(text)}" if doi(text) != text else unquote(text))
    if found:
        return _of_doi(text, BEHIND_A_DOI.sub("", found[1]))
    raise Refusal(
        f"no way to read {urlsplit(text).netloc or text[:200]}; give the paper's arXiv id or DOI, or save its BibTeX and give"
        f" that file (what can be read is {ACCEPTED})"
    )


def _of_doi(text: str, meant: str) -> Asked:
    """The DOIs of arXiv itself are registered at DataCite, which knows less of them than arXiv does."""
    if meant.lower().startswith(ARXIV_DOI):
        arxiv = arxiv_id(meant[len(ARXIV_DOI) :])
        if arxiv is None:
            raise Refusal(f'"{text[:200]}" has the form of arXiv\'s DOIs, but no arXiv id in it')
        return Asked(text, arxiv=arxiv, version=_version(meant))
    return Asked(text, doi=meant)
