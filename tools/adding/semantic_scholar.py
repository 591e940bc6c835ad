"""Semantic Scholar, a cross-check. https://api.semanticscholar.org/api-docs/graph describes its answers.

Without a key all users share one allowance, so that it is often too busy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from tools.adding.json_answer import objects, read_object, within
from tools.adding.record import Record
from tools.adding.web import Web
from tools.adding.words import line, pages, plain, venue_among, year
from tools.canonical import ARXIV_DOI, arxiv_id
from tools.canonical import doi as plain_doi

SERVICE = "https://api.semanticscholar.org/graph/v1/paper/"
FIELDS = "title,authors,year,venue,publicationVenue,journal,externalIds"


def lookup(web: Web, *, arxiv: str | None = None, doi: str | None = None, key: str | None = None) -> Record:
    """What Semantic Scholar says of an arXiv id, or else of a DOI. Raises NotThere, NoAnswer."""
    address = SERVICE + (f"ARXIV:{quote(arxiv, safe='/')}" if arxiv else f"DOI:{quote(doi or '', safe='/')}")
    headers = {"x-api-key": key} if key else {}
    paper = read_object(web.get(address, accept="application/json", params={"fields": FIELDS}, headers=headers))
    found_arxiv, found_doi = _ids(paper)
    named = [within(paper, "publicationVenue", "name"), paper.get("venue"), within(paper, "journal", "name")]
    container = venue_among(map(plain, named))
    return Record(
        source="Semantic Scholar",
        where=address,
        title=plain(paper.get("title")),
        authors=tuple(filter(None, (plain(author.get("name")) for author in objects(paper.get("authors"))))),
        year=year(paper.get("year")),
        container=container,
        preprint=container is None and any(map(plain, named)),
        volume=line(within(paper, "journal", "volume")) if container else None,
        pages=pages(within(paper, "journal", "pages")) if container else None,
        arxiv=found_arxiv,
        doi=found_doi,
        doubts=tuple(_doubts(arxiv, found_arxiv)) or tuple(_doubts(doi, found_doi)),
    )


def _ids(paper: Mapping[str, Any]) -> tuple[str | None, str | None]:
    arxiv = arxiv_id(line(within(paper, "externalIds", "ArXiv")) or "")
    doi = line(within(paper, "externalIds", "DOI"))
    return arxiv, None if doi is None or doi.lower().startswith(ARXIV_DOI) else plain_doi(doi)


def _doubts(asked: str | None, found: str | None) -> Iterator[str]:
    if asked and found and asked.lower() != found.lower():
        yield f"Asked for {asked}, Semantic Scholar answers with {found}."
