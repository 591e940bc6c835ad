"""The built site's own links: each leads to a file that is there, each fragment to a place on its page. Nothing is asked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from tools.links.model import Finding, Place, Target
from tools.links.pages import Link, Page, in_css

WEB = ("http", "https")
MISSING_PAGE = "404.html"
"""What a host answers with, at whatever address was asked for."""


@dataclass(frozen=True)
class Inside:
    """What was found: the links that lead nowhere, and the addresses of other hosts."""

    findings: list[Finding]
    external: list[Target]


def check_site(folder: Path, address: str) -> Inside:
    """Looks at all links of a built site that is to stand at `address`: each broken one, and where else the pages lead."""
    site = _Site(folder, address)
    findings = [_unread(site.address, path, page.unread) for path, page in site.pages.items() if page.unread]
    external: dict[str, list[Place]] = defaultdict(list)
    for path, base, links in site.linking():
        for link in links:
            place = Place(path, link.line, link.column, "", "")
            url = _joined(base, link.url)
            if url is None:
                findings.append(_broken(link.url, place, f'"{link.url}" is no address'))
            elif url.scheme in WEB and url[:2] != site.origin:
                external[url.geturl()].append(place)
            elif url.scheme in WEB and (reason := site.wrong(path, link, url)):
                findings.append(_broken(url.geturl(), place, f'"{link.url}" {reason}'))
    return Inside(findings, [Target(url, tuple(external[url])) for url in sorted(external)])


def _joined(base: str, link: str) -> SplitResult | None:
    try:
        url = urlsplit(urljoin(base, link))
    except ValueError:
        return None
    return None if url.scheme in WEB and not url.hostname else url


def _unread(site: str, path: str, start: tuple[int, int]) -> Finding:
    return _broken(
        urljoin(site, quote(path)),
        Place(path, *start, "", ""),
        "from here on, the page can't be read: what stands here isn't HTML",
    )


def _broken(url: str, place: Place, reason: str) -> Finding:
    return Finding(target=Target(url, (place,)), verdict="broken", reason=reason)


class _Site:
    """The files of a built site, and its pages."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder, self.address = folder, address if address.endswith("/") else f"{address}/"
        parts = urlsplit(self.address)
        self.origin, self.root = parts[:2], parts.path
        self.files = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
        self.pages = {path: Page(self._text(path)) for path in sorted(self.files) if path.endswith(".html")}

    def linking(self) -> Iterator[tuple[str, str, list[Link]]]:
        """The pages and style sheets: each one's path, the address that its links start from, and its links."""
        for path, page in self.pages.items():
            here = urljoin(self.address, "no/such/page/" if path == MISSING_PAGE else path)
            base = _joined(here, page.base.url) if page.base else urlsplit(here)
            yield path, base.geturl() if base else here, page.links if base or not page.base else [page.base, *page.links]
        for path in sorted(self.files):
            if path.endswith(".css"):
                yield path, urljoin(self.address, path), in_css(self._text(path))

    def wrong(self, path: str, link: Link, url: SplitResult) -> str | None:
        """What is wrong with a link to this site; None where nothing is."""
        if not link.url or link.url[0] in "#?":
            name = path
        elif (url.path or "/").startswith(self.root):
            name = unquote((url.path or "/").removeprefix(self.root))
            name += "index.html" if not name or name.endswith("/") else ""
        else:
            return f"leads out of the site, which is published below {self.root}"
        if name not in self.files:
            return self._missing(name)
        anchor = unquote(url.fragment.partition(":~:")[0])
        if anchor and name in self.pages and anchor not in self.pages[name].anchors:
            return f'leads to {name}, which has no place called "{anchor}"'
        return None

    def _missing(self, name: str) -> str:
        if f"{name}/index.html" in self.files:
            return "leads to a folder; write the slash at its end, which not every host adds"
        other = self._by_lower_case.get(name.lower())
        return f"leads to {name}, which isn't there" + (f"; {other} is, and hosts tell capitals apart" if other else "")

    @cached_property
    def _by_lower_case(self) -> dict[str, str]:
        return {path.lower(): path for path in self.files}

    def _text(self, path: str) -> str:
        return (self.folder / path).read_text(encoding="utf-8", errors="replace")
