"""What services wrap text in, taken off: line breaks, markup, entities. And what is no venue though it stands where one does."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from tools.adding.tex import decoded
from tools.adding.venues import YEAR, is_preprint_server, is_series
from tools.canonical import characters, unescaped
from tools.schema import UNPRINTABLE

TAG = re.compile(r"</?[A-Za-z][\w:.-]*(?:\s[^<>]*)?/?>")
MATHML = re.compile(r"<(?P<tag>(?:mml:)?math)\b.*?</(?P=tag)\s*>", re.DOTALL)
NOT_SHOWN = re.compile(r"<(?P<tag>(?:mml:)?annotation(?:-xml)?)\b.*?</(?P=tag)\s*>", re.DOTALL)
PAGES = re.compile(r"(?P<first>\w+)\s*[-–—]+\s*(?P<last>\w+)")
NOT_PRINTED = re.compile(rf"[{UNPRINTABLE}\ud800-\udfff]")
FACE = re.compile(r"</?(?:i|b|u|em|strong|sub|sup|tt|scp)>", re.IGNORECASE)


def line(value: Any) -> str | None:
    """Text on one line, in Unicode's composed form and without what can't be printed; None for what isn't text, or is empty."""
    text = " ".join(NOT_PRINTED.sub(" ", characters(value)).split()) if isinstance(value, str) else ""
    return text or None


def plain(value: Any) -> str | None:
    """A line without HTML, MathML, entities and LaTeX."""
    if not isinstance(value, str):
        return None
    text = MATHML.sub(lambda found: "".join(TAG.sub("", NOT_SHOWN.sub("", found[0])).split()), value)
    text = TAG.sub("", text)
    for _ in range(2):  # &amp;amp; is met too
        text = FACE.sub("", unescaped(text))
    return line(decoded(text))


def year(value: Any) -> int | None:
    """A year that a paper can be of: from a number, or the first in a text."""
    if isinstance(value, str):
        found = YEAR.search(value)
        return int(found[0]) if found else None
    return value if isinstance(value, int) and not isinstance(value, bool) and 1900 <= value <= 2100 else None


def pages(value: Any) -> str | None:
    """Pages in the catalog's form, 852-860; None for placeholders such as 0-0."""
    text = line(value)
    if text is None or not re.search(r"[1-9A-Za-z]", text):
        return None
    span = PAGES.fullmatch(text)
    return f"{span['first']}-{span['last']}" if span and span["first"] != span["last"] else span["first"] if span else text


def is_venue(name: str | None) -> bool:
    """Whether this can be what a paper was published in: no series and no preprint server."""
    return name is not None and not is_series(name) and not is_preprint_server(name)


def venue_among(names: Iterable[str | None]) -> str | None:
    """The first that can be what a paper was published in."""
    return next((name for name in names if is_venue(name)), None)
