"""What an HTML page or a style sheet links to, and what on a page can be linked to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from typing import NamedTuple

ATTRIBUTES = {
    "a": ("href",),
    "area": ("href",),
    "audio": ("src",),
    "embed": ("src",),
    "form": ("action",),
    "iframe": ("src",),
    "img": ("src", "srcset"),
    "link": ("href",),
    "object": ("data",),
    "script": ("src",),
    "source": ("src", "srcset"),
    "track": ("src",),
    "video": ("src", "poster"),
}
"""Where tags have addresses."""
HINTS = {"preconnect", "dns-prefetch"}
"""Links that lead to a host, and to no page of it."""
SHOWN_ELSEWHERE = {"og:image", "og:url", "twitter:image"}
IN_CSS = re.compile(
    r"""url\(\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>[^\s"')]+))\s*\)|@import\s+["'](?P<import>[^"']+)["']"""
)
CSS_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
CANDIDATES = re.compile(r",\s+|(?<=\d[wx]),")
REFRESH = re.compile(r"""\s*[\d.]+\s*[;,]\s*(?:url\s*=\s*)?["']?(?P<url>[^"']*)""", re.IGNORECASE)


class Link(NamedTuple):
    """An address as it is written, and where."""

    url: str
    line: int
    column: int


class Page(HTMLParser):
    """A page's links and anchors, once its text was fed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[Link] = []
        self.anchors: set[str] = set()
        self.base: Link | None = None
        self.unread: tuple[int, int] | None = None
        """The line and column from which on the rest can't be read."""
        self._in_style = False
        try:
            self.feed(text)
            self.close()
        except (AssertionError, ValueError):  # the library's own, for declarations and numbers of characters that it doesn't know
            line, offset = self.getpos()
            self.unread = line, offset + 1

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_style = tag == "style"
        found = {name: value or "" for name, value in attrs}
        if "id" in found:
            self.anchors.add(found["id"])
        if tag == "a" and "name" in found:
            self.anchors.add(found["name"])
        if tag == "base" and self.base is None:
            line, offset = self.getpos()
            self.base = Link(found.get("href", "").strip(), line, offset + 1)
        elif tag in ATTRIBUTES or tag == "meta":
            self._add(_of_meta(found) if tag == "meta" else _of_tag(tag, found))
        if "style" in found:
            self._add(link.url for link in in_css(found["style"]))

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self._add(link.url for link in in_css(data))

    def _add(self, urls: Iterable[str]) -> None:
        line, offset = self.getpos()
        self.links += [Link(url.strip(), line, offset + 1) for url in urls]


def _of_tag(tag: str, found: dict[str, str]) -> Iterator[str]:
    if tag == "link" and HINTS & set(found.get("rel", "").lower().split()):
        return
    for name in ATTRIBUTES[tag]:
        if name == "srcset" and name in found:
            yield from (candidate.split()[0] for candidate in CANDIDATES.split(found[name]) if candidate.strip())
        elif name in found:
            yield found[name]


def _of_meta(found: dict[str, str]) -> Iterator[str]:
    content = found.get("content", "")
    if found.get("http-equiv", "").lower() == "refresh" and (refresh := REFRESH.match(content)):
        yield refresh["url"]
    if SHOWN_ELSEWHERE & {found.get("property"), found.get("name")}:
        yield content


def in_css(text: str) -> list[Link]:
    """The addresses in a style sheet."""
    plain = CSS_COMMENT.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
    links = []
    for found in IN_CSS.finditer(plain):
        url = next(filter(None, found.groups()), "")
        line = plain.count("\n", 0, found.start()) + 1
        links.append(Link(url, line, found.start() - plain.rfind("\n", 0, found.start())))
    return links
