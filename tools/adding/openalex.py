"""OpenAlex, a cross-check: it gathers what others say, and merges preprint and paper.

https://developers.openalex.org/api-reference/works/get-a-single-work. Looking up one work is free and needs no key, says
https://developers.openalex.org/guides/authentication; with a key the daily allowance for all else is larger.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from tools.adding.json_answer import objects, read_object, within
from tools.adding.record import Record
from tools.adding.web import Web
from tools.adding.words import is_venue, line, pages, plain, venue_among, year
from tools.canonical import ARXIV_DOI, arxiv_id
from tools.canonical import doi as plain_doi

SERVICE = "https://api.openalex.org/works/doi:"
FIELDS = "id,doi,title,publication_year,type,authorships,is_authors_truncated,primary_location,locations,biblio,is_retracted"
MOST_AUTHORS = 100
"""A work's authors beyond these aren't listed."""


def lookup(web: Web, *, arxiv: str | None = None, doi: str | None = None, key: str | None = None) -> Record:
    """What OpenAlex says of a DOI, or of an arXiv id, for which it is asked by arXiv's own DOI. Raises NotThere, NoAnswer."""
    asked = doi or f"10.48550/arXiv.{arxiv}"
    address = SERVICE + quote(asked, safe="/:")
    params = {"select": FIELDS} | ({"api_key": key} if key else {}) | ({"mailto": web.email} if web.email else {})
    work = read_object(web.get(address, accept="application/json", params=params))
    listed = objects(work.get("authorships"))
    container, is_preprint = _container(work)
    return Record(
        source="OpenAlex",
        where=address,
        title=plain(work.get("title")),
        authors=tuple(_authors(listed)),
        complete=work.get("is_authors_truncated") is not True and len(listed) < MOST_AUTHORS,
        year=year(work.get("publication_year")),
        container=container,
        preprint=is_preprint,
        volume=line(within(work, "biblio", "volume")),
        number=line(within(work, "biblio", "issue")),
        pages=_pages(work),
        arxiv=next(_arxiv_ids(work), None),
        doi=_doi(work),
        withdrawn="OpenAlex lists it as retracted" if work.get("is_retracted") is True else None,
        doubts=tuple(_doubts(work, asked)),
    )


def _authors(authorships: list[dict[str, Any]]) -> Iterator[str]:
    """As printed where that is known: the name of the author's profile can be another spelling."""
    for authorship in authorships:
        name = plain(authorship.get("raw_author_name")) or plain(within(authorship, "author", "display_name"))
        if name:
            yield name


def _container(work: Mapping[str, Any]) -> tuple[str | None, bool]:
    """The venue, and whether OpenAlex knows the preprint alone."""
    location = within(work.get("primary_location"), "source")
    if within(location, "type") == "repository":
        return None, True
    names = (within(location, "display_name"), within(work.get("primary_location"), "raw_source_name"))
    return venue_among(map(plain, names)), work.get("type") == "preprint"


def _pages(work: Mapping[str, Any]) -> str | None:
    first, last = (line(within(work, "biblio", end)) for end in ("first_page", "last_page"))
    return pages(f"{first}-{last}" if first and last else first)


def _doi(work: Mapping[str, Any]) -> str | None:
    text = line(work.get("doi"))
    found = plain_doi(text) if text else None
    return None if found is None or found.lower().startswith(ARXIV_DOI) else found


def _arxiv_ids(work: Mapping[str, Any]) -> Iterator[str]:
    text = plain_doi(line(work.get("doi")) or "")
    addresses = [line(location.get("landing_page_url")) for location in objects(work.get("locations"))]
    for candidate in (text, *(plain_doi(address) for address in addresses if address)):
        is_doi = candidate.lower().startswith(ARXIV_DOI)
        if found := arxiv_id(candidate[len(ARXIV_DOI) :] if is_doi else candidate):
            yield found


def _doubts(work: Mapping[str, Any], asked: str) -> Iterator[str]:
    found = _doi(work)
    if found and not asked.lower().startswith(ARXIV_DOI) and found.lower() != asked.lower():
        yield f"Asked for {asked}, OpenAlex answers with {found}."
    source = plain(within(work.get("primary_location"), "source", "display_name"))
    if source and not is_venue(source):
        yield f'"{source}" is a series or a preprint server, no venue.'
