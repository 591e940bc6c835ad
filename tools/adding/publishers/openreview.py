"""OpenReview: ICLR, NeurIPS, TMLR and others, accepted or not.

Its API says most (https://docs.openreview.net/reference/api-v2/entities/note), yet often wants to see a browser first; then the
forum's page is read, whose tags have named the last author alone: they are believed of one author only with a doubt.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tools.adding.json_answer import objects, read_object, strings, within
from tools.adding.publishers.joining import with_bibtex
from tools.adding.publishers.page import load, said_by_tags
from tools.adding.record import NoAnswer, NotThere, Record, Refusal
from tools.adding.web import Web
from tools.adding.words import is_venue, plain, year

NAME = "OpenReview"
HOSTS = ("openreview.net", "www.openreview.net", "api.openreview.net", "api2.openreview.net")
APIS = ("https://api2.openreview.net/notes", "https://api.openreview.net/notes")
"""Today's, and the one that has the older papers."""
FORUM = f"https://{HOSTS[0]}/forum?id="
ID = re.compile(r"[\w-]{5,40}", re.ASCII)
HOW_PRESENTED = re.compile(
    r"^accepted by\s+|\s*\b(?:19|20)\d\d\b"
    r"|\s*\b(?:notable top \d+%|(?:conference\s+)?(?:poster|oral|spotlight|long talk|short talk)s?\b)",
    re.IGNORECASE,
)
NOT_ACCEPTED = re.compile(r"^submitted to\b|\brejected\b|\bsubmission$|\bunder review\b", re.IGNORECASE)


def page_of(url: str) -> str:
    """The forum of a paper, from its address or that of its PDF. Raises Refusal for others."""
    parts = urlsplit(url)
    found = next(iter(parse_qs(parts.query).get("id", [])), "")
    if parts.path.strip("/") in {"forum", "pdf", "notes"} and ID.fullmatch(found):
        return FORUM + found
    raise Refusal(f"{url} is no paper's page at OpenReview; expected one such as {FORUM}…")


def read(web: Web, page_url: str) -> Record:
    """What OpenReview says of a paper. Raises NotThere, NoAnswer."""
    try:
        note = _note(web, page_url.removeprefix(FORUM))
    except NoAnswer as no_api:
        return _from_page(web, page_url, no_api)
    content = note.get("content")
    said = _said(content, page_url)
    bibtex = _value(content, "_bibtex")
    joined = with_bibtex(replace(said, container=None), bibtex if isinstance(bibtex, str) else None)
    return replace(joined, container=None if said.preprint else joined.container or said.container)


def _note(web: Web, found: str) -> Mapping[str, Any]:
    for api in APIS:
        try:
            notes = objects(read_object(web.get(api, accept="application/json", params={"id": found})).get("notes"))
        except NotThere:
            continue
        if notes:
            return notes[0]
    raise NotThere(f"OpenReview knows no paper {found}")


def _from_page(web: Web, page_url: str, no_api: NoAnswer) -> Record:
    try:
        page = load(web, page_url)
    except NoAnswer as no_page:
        raise NoAnswer(f"{no_page} (asked in place of its API: {no_api})") from no_page
    said = said_by_tags(page, NAME)
    said = with_bibtex(replace(said, year=year(said.container)), page.bibtex())  # its tags have the date of going online
    doubts = [*said.doubts, f"OpenReview's page doesn't tell whether the paper was accepted; its API would, but: {no_api}."]
    if len(said.authors) == 1:
        doubts.append(f"OpenReview's page names {said.authors[0]} alone, as it does for papers of several authors.")
    return replace(said, complete=said.complete and len(said.authors) > 1, doubts=tuple(doubts))


def _said(content: Any, page_url: str) -> Record:
    venue, venue_id = (plain(_value(content, name)) or "" for name in ("venue", "venueid"))
    withdrawn = next((text for text in (venue, venue_id) if "withdrawn" in text.lower()), None)
    open_ended = next((text for text in (venue, venue_id) if NOT_ACCEPTED.search(text.replace("_", " "))), None)
    authors = tuple(name for name in map(plain, strings(_value(content, "authors"))) if name and name != "Anonymous")
    container = plain(HOW_PRESENTED.sub("", venue))
    accepted = not withdrawn and not open_ended and is_venue(container)
    doubts = {
        f'OpenReview has it as "{open_ended}": not accepted there, or not yet.': bool(open_ended),
        "OpenReview doesn't tell who its authors are.": not authors,
    }
    return Record(
        source=NAME,
        where=page_url,
        title=plain(_value(content, "title")),
        authors=authors,
        year=year(venue) or year(venue_id),
        container=container if accepted else None,
        preprint=not accepted,
        links=(("paper", page_url), ("pdf", page_url.replace("/forum?", "/pdf?")))[: 2 if _value(content, "pdf") else 1],
        abstract=plain(_value(content, "abstract")),
        withdrawn=withdrawn,
        doubts=tuple(doubt for doubt, holds in doubts.items() if holds),
    )


def _value(content: Any, name: str) -> Any:
    """A field, which the newer API wraps once more."""
    found = within(content, name)
    return found.get("value") if isinstance(found, dict) else found
