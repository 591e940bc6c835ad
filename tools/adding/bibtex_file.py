"""BibTeX files, as publishers and people write them, to records."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tools.adding.bibtex_blocks import Item, read_items
from tools.adding.latex import plain
from tools.adding.people import ordered, split_authors
from tools.adding.record import Record, Refusal
from tools.adding.venues import YEAR, is_preprint_server, is_series, year_in
from tools.canonical import ARXIV_DOI, arxiv_id, doi, host, resolved_doi
from tools.schema import DOI_PATTERN

ARXIV_MENTION = re.compile(
    r"(?:arxiv(?:\.org/(?:abs|pdf|html)/|:\s*|\s+)|\babs/)(?P<id>\d{4}\.\d{4,5}|[a-z-]+(?:\.[A-Z]{2})?/\d{7})(?!\d)",
    re.IGNORECASE,
)
LONGEST = 5_000
"""In characters: a longer title is none."""
ADDRESS = re.compile(r"https?://[^\s{}<>\"|]+")
ESCAPED = re.compile(r"\\(?:textasciitilde(?:\{\})?|textunderscore(?:\{\})?|~(?:\{\})?|([_%&#$~^{}]))")
MENTIONING = ("url", "ee", "journal", "journaltitle", "booktitle", "volume", "number", "pages", "note", "howpublished")
"""Fields in which people write an arXiv id."""
DASHES = re.compile(r"\s*(?:-+|[‐‑‒–—―−])\s*")
PAGES = re.compile(r"[^\s,;–—-]+(?:-[^\s,;–—-]+)?")
PAPER_HOSTS = {
    "arxiv.org",
    "openaccess.thecvf.com",
    "www.ecva.net",
    "ojs.aaai.org",
    "aaai.org",
    "openreview.net",
    "ieeexplore.ieee.org",
    "link.springer.com",
    "dl.acm.org",
    "www.sciencedirect.com",
    "proceedings.mlr.press",
    "proceedings.neurips.cc",
    "papers.nips.cc",
    "www.nature.com",
    "www.mdpi.com",
    "aclanthology.org",
}
"""Where papers stand, and nothing else; all of them have https."""


def read_bibtex(text: str, name: str) -> list[Record]:
    """What a BibTeX file says of each of its papers, in the file's order; `name` is the file's, for messages.

    Raises Refusal where a part of the file can't be read: an entry is never dropped in silence.
    """
    return [_Reader(item, f"{name}:{item.line}").record() for item in read_items(text, name)]


@dataclass
class _Reader:
    """One entry on its way to a record. Whatever isn't taken over leaves a doubt."""

    item: Item
    where: str
    doubts: list[str] = field(default_factory=list)

    def record(self) -> Record:
        self.doubts += self.item.doubts
        authors, complete = self._authors()
        container, series, server = self._container()
        arxiv, found_doi = self._arxiv(), self._doi()
        links = self._links()
        return Record(
            source="BibTeX",
            where=self.where,
            title=self._title(),
            authors=authors,
            complete=complete,
            year=self._year(container),
            container=container,
            preprint=container is None and found_doi is None and (server or arxiv is not None),
            volume=self._volume(series, server),
            number=None if server else self._plain("number") or self._plain("issue"),
            pages=self._pages(server),
            arxiv=arxiv,
            doi=found_doi,
            links=links,
            summary=self._plain("annotation") or self._plain("annote"),
            doubts=tuple(dict.fromkeys(self.doubts)),
        )

    def _raw(self, name: str) -> str:
        return self.item.fields.get(name, "").strip()

    def _plain(self, name: str) -> str | None:
        """A field without LaTeX; None where it is missing or empty."""
        if len(self._raw(name)) > LONGEST:
            self.doubts.append(f"{name} is left out: it has more than {LONGEST:,} characters")
            return None
        read = plain(self._raw(name))
        if read.unknown:
            self.doubts.append(f"{name} has {', '.join(read.unknown)}, which has no plain form; compare it with the paper")
        return read.text or None

    def _title(self) -> str | None:
        title, subtitle = self._plain("title"), self._plain("subtitle")
        return f"{title}: {subtitle}" if title and subtitle else title

    def _authors(self) -> tuple[tuple[str, ...], bool]:
        if not self._raw("author"):
            return (), True
        names, complete = split_authors(self._raw("author"))
        authors = []
        try:
            for name in names:
                read = plain(ordered(name))
                if read.unknown:
                    self.doubts.append(f'an author, "{read.text}", has {", ".join(read.unknown)}, which has no plain form')
                authors.append(read.text)
        except Refusal as why:
            self.doubts.append(f"the authors are left out: {why}")
            return (), False
        if not complete:
            self.doubts.append(f'the list of authors is incomplete: it ends after "{authors[-1] if authors else "nobody"}"')
        return tuple(authors), complete

    def _container(self) -> tuple[str | None, bool, bool]:
        """The proceedings or journal, whether the entry is in a series, and whether a preprint server stood in their place."""
        series, server, container = is_series(self._plain("series") or ""), False, None
        for name in ("booktitle", "journal", "journaltitle"):
            found = self._plain(name)
            if found and is_preprint_server(found):
                server = True
            elif found and is_series(found):
                series = True
                self.doubts.append(f'{name} is left out: "{found}" is a series, not a venue')
            elif found and container is None:
                container = found
        return container, series, server

    def _volume(self, series: bool, server: bool) -> str | None:
        volume = self._plain("volume")
        if volume and server:
            return None
        if volume and series:
            self.doubts.append(f"volume {volume} is left out: it is the series', not the venue's")
            return None
        return volume

    def _pages(self, server: bool) -> str | None:
        written = self._plain("pages")
        if not written or server:  # Scholar makes pages of the id: arXiv--2103
            return None
        pages = DASHES.sub("-", re.sub(r"^pp?\.?\s*(?=\d)", "", written))
        first, _, last = pages.partition("-")
        backwards = first.isdecimal() and last.isdecimal() and int(first) > int(last)
        if not PAGES.fullmatch(pages) or backwards or pages == "1-1":
            self.doubts.append(f'pages are left out: found "{written}", expected such as "852-860"')
            return None
        return pages

    def _year(self, container: str | None) -> int | None:
        """The year of the venue: where its name has one, that one, since proceedings may be printed a year later."""
        written = self._plain("year") or self._plain("date")
        found = YEAR.match(written or "")
        if written and not found:
            self.doubts.append(f'the year is left out: found "{written}", expected such as 2021')
        of_entry, of_venue = found and int(found[0]), container and year_in(container)
        if of_entry and of_venue and of_entry != of_venue:
            self.doubts.append(f"year {of_entry} is left out: the venue's name has {of_venue}")
        return of_venue or of_entry or None

    def _arxiv(self) -> str | None:
        """The one arXiv id that the entry has, wherever it stands."""
        found = dict.fromkeys(filter(None, (*self._eprints(), *self._mentions())))
        if len(found) > 1:
            self.doubts.append(f"the arXiv id is left out: found {' and '.join(found)}")
        return next(iter(found)) if len(found) == 1 else None

    def _eprints(self) -> list[str | None]:
        kind = (self._raw("archiveprefix") or self._raw("eprinttype")).strip("{} ").lower()
        written = self._raw("eprint")
        eprint = arxiv_id(_unescaped(written)) if kind in ("", "arxiv") else None
        if written and kind == "arxiv" and not eprint:
            self.doubts.append(f'eprint is left out: found "{written}", expected an arXiv id such as 2103.07976')
        return [eprint]

    def _mentions(self) -> list[str | None]:
        written = _unescaped(" ".join(map(self._raw, MENTIONING)))
        own = _bare_doi(self._raw("doi"))
        dois = [own] if own.lower().startswith(ARXIV_DOI) else []
        dois += [address for address in ADDRESS.findall(written) if (resolved_doi(address) or "").lower().startswith(ARXIV_DOI)]
        ids = [doi(one)[len(ARXIV_DOI) :] for one in dois] + [one["id"] for one in ARXIV_MENTION.finditer(written)]
        return [arxiv_id(one) for one in ids]

    def _doi(self) -> str | None:
        """The one DOI that the entry has and that isn't arXiv's own. Springer and ACM make it the entry's key."""
        written = [_bare_doi(self._raw("doi")), self.item.key if self.item.key.startswith("10.") else ""]
        written += [
            resolved_doi(address) or "" for name in ("url", "ee", "note", "howpublished") for address in self._addresses(name)
        ]
        found: dict[str, str] = {}
        for one in filter(None, written):
            if not re.fullmatch(DOI_PATTERN, one):
                self.doubts.append(f'the DOI is left out: found "{one}", expected such as 10.1609/aaai.v36i1.19967')
            elif not one.lower().startswith(ARXIV_DOI):
                found.setdefault(one.lower(), one)
        if len(found) > 1:
            self.doubts.append(f"the DOI is left out: found {' and '.join(found.values())}")
        return next(iter(found.values())) if len(found) == 1 else None

    def _links(self) -> tuple[tuple[str, str], ...]:
        """The addresses at which the paper stands, but for those that say what an id says; on hosts that we know."""
        links: dict[str, str] = {}
        for address in (found for name in ("url", "ee", "howpublished") for found in self._addresses(name)):
            secure = re.sub(r"^http://", "https://", address)
            if resolved_doi(address) is not None or host(secure) == "arxiv.org":
                continue
            if host(secure) in PAPER_HOSTS:
                links.setdefault(secure, "pdf" if secure.lower().endswith(".pdf") else "paper")
            else:
                self.doubts.append(f"the address {address} is left out: it may be something else than the paper; add it by hand")
        return tuple((kind, address) for address, kind in links.items())

    def _addresses(self, name: str) -> list[str]:
        return [address.rstrip(".,;") for address in ADDRESS.findall(_unescaped(self._raw(name)))]


def _bare_doi(written: str) -> str:
    r"""A DOI without braces and LaTeX, of which some writers put ``\_`` for an underscore."""
    written = re.sub(r"\$([<>])\$|\\ensuremath\{([<>])\}", lambda found: found[1] or found[2], written)
    written = re.sub(r"\\text(less|greater)(?:\{\}|\s)?", lambda found: "<" if found[1] == "less" else ">", written)
    written = written.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return doi(_unescaped(written).replace("{", "").replace("}", "").strip())


def _unescaped(written: str) -> str:
    r"""An address or an id without the backslashes that LaTeX needs: ``\_`` and ``\%``; and without ``\url``."""
    written = re.sub(r"\\(?:url|path|nolinkurl)\s*\{([^{}]*)\}", r" \1 ", written)
    return ESCAPED.sub(lambda found: found[1] or ("_" if "underscore" in found[0] else "~"), written).replace("{_}", "_")
