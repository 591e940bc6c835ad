"""Crossref's REST API.

https://www.crossref.org/documentation/retrieve-metadata/rest-api/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from tools.adding.json_answer import objects, read_object, strings, within
from tools.adding.record import NoAnswer, NotThere, Record
from tools.adding.venues import year_in
from tools.adding.web import Web
from tools.adding.words import line, pages, plain, venue_among, year
from tools.canonical import ARXIV_DOI, arxiv_id
from tools.canonical import doi as plain_doi

SERVICE = "https://api.crossref.org/works/"
MARKED = re.compile(
    r"\s*[\[(]?(?P<mark>retracted|withdrawn|retraction|withdrawal|removed)(?: article| paper| chapter)?[\])]?\s*:\s*(?=\S)",
    re.IGNORECASE,
)
TAKEN_BACK = {"retraction", "withdrawal", "removal"}
IN_DOUBT = {"expression_of_concern", "partial_retraction"}


def lookup(web: Web, doi: str) -> Record:
    """What Crossref says of a DOI. Raises NotThere, NoAnswer.

    The user's email address, where there is one, brings the request into the polite pool. The year is the one in the name of the
    proceedings or of the event, since ECCV 2024 was printed in 2025; else that of print, from which a journal's volume counts;
    else that of going online. arXiv's own DOIs are DataCite's, and no question for Crossref.
    """
    address = SERVICE + quote(doi, safe="")
    try:
        answer = web.get(address, accept="application/json", params={"mailto": web.email} if web.email else None)
    except NotThere as error:
        raise NotThere(
            f"Crossref knows no DOI {doi}: it is misspelt, or another agency's, or so new that its metadata isn't there yet"
        ) from error
    message = within(read_object(answer), "message")
    if not isinstance(message, dict):
        raise NoAnswer(f"Crossref answers no description of {doi}")
    return _record(message, doi, address)


def _record(message: Mapping[str, Any], asked: str, where: str) -> Record:
    title, mark = _title(message)
    authors = tuple(_authors(message))
    preprint = message.get("type") == "posted-content"
    container = None if preprint else venue_among([*map(plain, strings(message.get("container-title"))), _event(message)])
    return Record(
        source="Crossref",
        where=where,
        title=title,
        authors=authors,
        year=_year(message, container),
        container=container,
        preprint=preprint,
        volume=line(message.get("volume")),
        number=line(message.get("issue")),
        pages=pages(message.get("page")) or line(message.get("article-number")),
        arxiv=next(_related_arxiv_ids(message), None),
        doi=_doi(message, asked),
        abstract=plain(message.get("abstract")),
        withdrawn=_withdrawn(message, mark),
        doubts=tuple(_doubts(message, asked, authors, container)),
    )


def _title(message: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The title with its subtitle, and the mark before it where a publisher has put one: RETRACTED."""
    title = next(filter(None, map(plain, strings(message.get("title")))), None)
    subtitle = next(filter(None, map(plain, strings(message.get("subtitle")))), None)
    if title is None:
        return None, None
    found = MARKED.match(title)
    title = title[found.end() :] if found else title
    if subtitle and not title.lower().endswith(subtitle.lower()):
        title = f"{title.rstrip(':')}{' ' if title[-1] in '?!' else ': '}{subtitle}"
    return title, found["mark"] if found else None


def _authors(message: Mapping[str, Any]) -> Iterator[str]:
    listed = objects(message.get("author"))
    for author in sorted(listed, key=lambda author: author.get("sequence") != "first"):
        parts = [author.get("given"), author.get("family"), author.get("suffix")]
        if name := plain(author.get("name")) or " ".join(filter(None, map(plain, parts))):
            yield name


def _event(message: Mapping[str, Any]) -> str | None:
    return plain(within(message.get("event"), "name"))


def _year(message: Mapping[str, Any], container: str | None) -> int | None:
    named = next(filter(None, (year_in(name) for name in (container, _event(message)) if name)), None)
    dates = ("published-print", "published-online", "issued")
    return named or next(filter(None, (_date_year(message.get(date)) for date in dates)), None)


def _date_year(date: Any) -> int | None:
    parts = within(date, "date-parts")
    first = parts[0] if isinstance(parts, list) and parts else None
    return year(first[0]) if isinstance(first, list) and first else None


def _doi(message: Mapping[str, Any], asked: str) -> str:
    """As it was asked for, since Crossref writes all in lower case; the answer's where it is another one."""
    answered = line(message.get("DOI"))
    return plain_doi(answered) if answered and answered.lower() != asked.lower() else asked


def _withdrawn(message: Mapping[str, Any], mark: str | None) -> str | None:
    for kind, notice in _updates(message, "updated-by"):
        if kind in TAKEN_BACK:
            return f"{kind}, as {notice} says"
    for kind, paper in _updates(message, "update-to"):
        if kind in TAKEN_BACK:
            return f"this is no paper but the notice of a {kind}, that of {paper}"
    return f"its title is marked as {mark.lower()}" if mark else None


def _updates(message: Mapping[str, Any], direction: str) -> Iterator[tuple[str, str]]:
    """Kind and DOI of the notices on this work (updated-by), or of the works that this is a notice on (update-to)."""
    for update in objects(message.get(direction)):
        yield line(update.get("type")) or "update", line(update.get("DOI")) or "a work without a DOI"


def _related_arxiv_ids(message: Mapping[str, Any]) -> Iterator[str]:
    for item in objects(within(message.get("relation"), "has-preprint")):
        text = plain_doi(line(item.get("id")) or "")
        if found := arxiv_id(text[len(ARXIV_DOI) :] if text.lower().startswith(ARXIV_DOI) else text):
            yield found


def _doubts(message: Mapping[str, Any], asked: str, authors: tuple[str, ...], container: str | None) -> Iterator[str]:
    answered = _doi(message, asked)
    if answered != asked:
        yield f"Asked for {asked}, Crossref answers with {answered}, another name of the same work or another work."
    if not authors:
        yield "Crossref names no authors."
    named = [name for name in map(plain, strings(message.get("container-title"))) if name]
    if container is None and named and message.get("type") != "posted-content":
        yield f'"{named[0]}" is a series or a preprint server, no venue.'
    for item in objects(within(message.get("relation"), "is-preprint-of")):
        yield f"It is the preprint of {line(item.get('id'))}: that is the DOI to ask for."
    for kind, notice in _updates(message, "updated-by"):
        if kind in IN_DOUBT:
            yield f"It carries a notice ({kind.replace('_', ' ')}): {notice}."
    if container and year_in(container) is None and year(container):
        yield f'"{container}" names several years: none of them was taken.'
