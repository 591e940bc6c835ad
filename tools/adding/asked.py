"""What somebody types to name a paper: an arXiv id, a DOI, an address, a BibTeX file, or the id of an entry that is there."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from tools.adding.record import Record, Refusal
from tools.adding.services import host_of
from tools.canonical import ARXIV_DOI, arxiv_id, doi
from tools.schema import ARXIV_PATTERN, DOI_PATTERN

WITH_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
NO_SCHEME = re.compile(r"(?:[a-z0-9-]+\.)+[a-z]{2,}/", re.IGNORECASE)
LABEL = re.compile(r"(?:doi|arxiv)(?:\s*:\s*|\s+)", re.IGNORECASE)
BRACKETS, QUOTES = ("()", "[]", "{}", "<>"), "\"'`“”„‘’«»"
"""What people copy along with an id: (2103.07976), <https://…>."""
LONGEST = 2_000
"""In characters: no id and no address is longer."""
BIBTEX = re.compile(r"\s*@\s*\w+\s*[{(]")
VERSION = re.compile(r"v(\d+)(?:\.pdf)?/?(?:[?#].*)?$")
DOI_IN_ADDRESS = re.compile(r"/(10\.\d{4,9}/[^?#]+)")
ARXIV_IN_ADDRESS = re.compile(rf"/(?P<id>(?:{ARXIV_PATTERN.strip('^$')})(?:v\d+)?)(?:\.pdf)?/?(?:[?#].*)?$")
BIBTEX_ADDRESS = re.compile(r"\.bib(?:tex)?(?:[?#].*)?$", re.IGNORECASE)
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


def is_bibtex(text: str) -> bool:
    """Whether it is BibTeX itself, pasted where a file's name stands."""
    return bool(BIBTEX.match(text))


def names_file(text: str) -> bool:
    """Whether it names a BibTeX file, there or not, or any file that is there. No address does."""
    if WITH_SCHEME.match(_bare(text)):
        return False
    try:
        return text.lower().endswith((".bib", ".bibtex")) or Path(text).is_file()
    except OSError:  # a name that is too long for one
        return False


def understand(text: str, has_page: Callable[[str], object]) -> Asked:
    """What was meant. `has_page` tells whether an address is a publisher's page that can be read. Raises Refusal."""
    text = text.strip()
    meant = LABEL.sub("", _bare(text), count=1)
    if arxiv := arxiv_id(meant):
        return Asked(text, arxiv=arxiv, version=_version(meant))
    if NO_SCHEME.match(meant):
        meant = f"https://{meant}"
    if re.match(r"https?://", meant, re.IGNORECASE):
        return _address(text, meant, has_page)
    if re.fullmatch(DOI_PATTERN, meant):
        return _of_doi(text, meant)
    raise Refusal(f'"{text[:200]}" is nothing that can be looked up; expected {ACCEPTED}')


def of_record(record: Record) -> Asked:
    """What a BibTeX file's record asks for."""
    return Asked(record.where, arxiv=record.arxiv, doi=record.doi, record=record)


def _version(text: str) -> int | None:
    found = VERSION.search(text)
    return int(found[1]) if found else None


def _bare(text: str) -> str:
    """Without the brackets, quotation marks and full stops that stood around it; brackets that belong to a DOI stay."""
    before = text if len(text) > LONGEST else None
    while text != before:
        before = text
        text = text.strip().strip(QUOTES).rstrip(".,;:")
        for opening, closing in BRACKETS:
            more = text.count(opening) - text.count(closing)
            around = more == 0 and text.startswith(opening) and text.endswith(closing)
            text = text.removeprefix(opening) if more > 0 or around else text
            text = text.removesuffix(closing) if more < 0 or around else text
    return text


def _address(text: str, address: str, has_page: Callable[[str], object]) -> Asked:
    resolved = doi(address)
    if resolved == address and BIBTEX_ADDRESS.search(address):
        raise Refusal(f"{address[:200]} is a BibTeX file that has to be saved first: give the saved file, paper.bib")
    if has_page(address):
        return Asked(text, page=address)
    if found := arxiv_id(address) or _in_an_address_of_arxiv(address):
        return Asked(text, arxiv=found, version=_version(address))
    found = DOI_IN_ADDRESS.search(f"/{resolved}" if resolved != address else unquote(address))
    if found:
        return _of_doi(text, BEHIND_A_DOI.sub("", found[1]))
    raise Refusal(
        f"no way to read {(host_of(address) or address)[:200]}; give the paper's arXiv id or DOI, or save its BibTeX and give"
        f" that file (what can be read is {ACCEPTED})"
    )


def _in_an_address_of_arxiv(address: str) -> str | None:
    """The id at the end of an address of arXiv in an unusual form: arXiv.org/abs/…, or ar5iv.labs.arxiv.org."""
    found = ARXIV_IN_ADDRESS.search(address)
    return arxiv_id(found["id"]) if found and f".{host_of(address)}".endswith(".arxiv.org") else None


def _of_doi(text: str, meant: str) -> Asked:
    """The DOIs of arXiv itself are registered at DataCite, which knows less of them than arXiv does."""
    if meant.lower().startswith(ARXIV_DOI):
        arxiv = arxiv_id(meant[len(ARXIV_DOI) :])
        if arxiv is None:
            raise Refusal(f'"{text[:200]}" has the form of arXiv\'s DOIs, but no arXiv id in it')
        return Asked(text, arxiv=arxiv, version=_version(meant))
    return Asked(text, doi=meant)
