"""arXiv's API, which tells of many papers in one answer.

https://info.arxiv.org/help/api/user-manual.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException, ElementTree

from tools.adding.record import NoAnswer, NotThere, Record, Refusal
from tools.adding.tex import decoded
from tools.adding.web import Answer, Web
from tools.adding.withdrawal import withdrawal
from tools.adding.words import is_venue, line, year
from tools.canonical import ARXIV_DOI, arxiv_id
from tools.canonical import doi as plain_doi

SERVICE = "https://export.arxiv.org/api/query"
AT_ONCE = 100
ATOM = "{http://www.w3.org/2005/Atom}"
ARXIV = "{http://arxiv.org/schemas/atom}"
VERSIONED = re.compile(r"v(\d{1,4})$")
PLAIN_REFERENCE = re.compile(r"(?P<container>[^\W\d_][^\d,;:()]*?)[\s,]*\(?\s*(?:19|20)\d\d\s*\)?\.?")
"""A journal reference of a name and a year alone: CVPR 2021."""


def lookup(web: Web, ids: Sequence[str]) -> dict[str, Record | Refusal]:
    """What arXiv says of each id, or why it says nothing of it, by the id as it was given.

    A version in an id is left away: the newest is asked for. Raises NoAnswer where there is no answer at all.
    """
    plain = {given: arxiv_id(given) for given in ids}
    asked = list(dict.fromkeys(found for found in plain.values() if found))
    known: dict[str, Record | Refusal] = {}
    for start in range(0, len(asked), AT_ONCE):
        known |= _ask(web, asked[start : start + AT_ONCE])
    return {given: known[found] if found else _no_id(given) for given, found in plain.items()}


def _no_id(given: str) -> Refusal:
    return Refusal(f"{given!r} isn't an arXiv id; expected one such as 2103.07976 or cs/0501001")


def _ask(web: Web, ids: list[str]) -> dict[str, Record | Refusal]:
    """One request, and one more for each id that arXiv objects to, since it then says nothing of the others."""
    known: dict[str, Record | Refusal] = {}
    while left := [found for found in ids if found not in known]:
        answer = web.get(
            SERVICE,
            accept="application/atom+xml",
            params={"id_list": ",".join(left), "max_results": str(len(left))},
            statuses=(200, 400),
        )
        entries = _entries(answer)
        if (error := next(filter(None, map(_error, entries)), None)) is None:
            found = {_key(record.arxiv or ""): record for record in map(_record, entries)}
            return known | {asked: found.get(_key(asked), _missing(asked)) for asked in left}
        blamed = [asked for asked in left if re.search(rf"{re.escape(asked)}(?![\d.])", error)]
        if not blamed:
            raise NoAnswer(f"arXiv answers with an error: {error}")
        known |= {asked: NotThere(f"arXiv takes {asked} for no id of its own: {error}") for asked in blamed}
    return known


def _missing(asked: str) -> NotThere:
    return NotThere(f"arXiv knows no paper {asked}")


def _key(found: str) -> str:
    """An id without its class of subjects, which arXiv leaves away: cs.CV/0501001 is cs/0501001."""
    return re.sub(r"\.[A-Z]{2}/", "/", found)


def _entries(answer: Answer) -> list[Element]:
    try:
        feed = ElementTree.fromstring(answer.content, forbid_dtd=True)
    except DefusedXmlException as error:
        raise NoAnswer("arXiv answers XML that defines entities of its own, which no feed does; it wasn't read") from error
    except (ParseError, ValueError, LookupError) as error:
        start = line(answer.text[:60]) or "nothing"
        raise NoAnswer(f"arXiv answers something that is no Atom feed: {start!r}") from error
    if feed.tag != f"{ATOM}feed":
        raise NoAnswer(f"arXiv answers XML that is no Atom feed, but {feed.tag!r}")
    return feed.findall(f"{ATOM}entry")


def _error(entry: Element) -> str | None:
    """What an entry objects to: an error comes as an entry called Error, with status 200."""
    is_error = _text(entry, f"{ATOM}title") == "Error" or "/api/errors" in (_text(entry, f"{ATOM}id") or "")
    return (_text(entry, f"{ATOM}summary") or "it doesn't say which") if is_error else None


def _record(entry: Element) -> Record:
    address = _text(entry, f"{ATOM}id") or ""
    found = arxiv_id(address)
    version = VERSIONED.search(address)
    comment, reference = _text(entry, f"{ARXIV}comment"), _text(entry, f"{ARXIV}journal_ref")
    abstract, title = _text(entry, f"{ATOM}summary"), _decoded(entry, f"{ATOM}title")
    page = f"https://arxiv.org/abs/{found}"
    return Record(
        source="arXiv",
        where=page,
        title=title,
        authors=tuple(_authors(entry)),
        year=year((_text(entry, f"{ATOM}published") or "")[:4]),
        container=_container(reference),
        preprint=True,
        arxiv=found,
        doi=_doi(entry),
        links=(("paper", page),) if found else (),
        abstract=abstract,
        comment="; ".join(filter(None, (comment, reference and f"journal reference: {reference}"))) or None,
        version=int(version[1]) if version else None,
        withdrawn=withdrawal(comment, abstract),
        doubts=(f'The title has LaTeX that isn\'t understood: "{title}".',) if title and "\\" in title else (),
    )


def _authors(entry: Element) -> Iterator[str]:
    for author in entry.findall(f"{ATOM}author"):
        if (name := _decoded(author, f"{ATOM}name")) is not None:
            yield name


def _doi(entry: Element) -> str | None:
    text = _text(entry, f"{ARXIV}doi")
    return None if text is None or text.lower().startswith(ARXIV_DOI) else plain_doi(text)


def _container(reference: str | None) -> str | None:
    """The venue of a journal reference that names nothing else, as CVPR 2021 does: all others have to be read by people."""
    plain = PLAIN_REFERENCE.fullmatch(reference or "")
    name = plain["container"].strip() if plain else None
    return name if is_venue(name) else None


def _decoded(entry: Element, name: str) -> str | None:
    text = _text(entry, name)
    return line(decoded(text)) if text else None


def _text(entry: Element, name: str) -> str | None:
    return line(entry.findtext(name))
