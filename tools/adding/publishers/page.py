"""A paper's page: the citation tags in its head, and the BibTeX that it shows.

The tags are those that Google Scholar reads: https://scholar.google.com/intl/en/scholar/inclusion.html#indexing.
"""

from __future__ import annotations

import re
import warnings
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote, urljoin

from bs4 import BeautifulSoup, Tag

from tools.adding.people import given_first
from tools.adding.record import NoAnswer, Record, Refusal
from tools.adding.services import SERVICES, host_of
from tools.adding.web import Web
from tools.adding.words import is_venue, pages, plain, year
from tools.canonical import ARXIV_DOI, arxiv_id, https_twin, readable
from tools.canonical import doi as plain_doi

BROWSER_CHECK = re.compile(
    r"just a moment|checking your browser|verify(?:ing)? (?:that )?you are|enable javascript and cookies|captcha|turnstile",
    re.IGNORECASE,
)
BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
LARGEST = 1_000_000
"""Bytes of a page: real ones have a tenth of it at most."""
READ = 300_000
"""Characters of a page that are read, since every nested element costs time; tags stand at its beginning."""
DECLARATION = re.compile(r"<[!?][^>]*>?")
NO_TAG = re.compile(r"""<(?!(?:[^<>"']|"[^"]*"|'[^']*')*+>)""")
"""What begins like a tag and never ends."""
ADDRESS = re.compile(r"[!-~]+")
MOST = 100
"""Elements of a kind that are looked at: what has more of them stands within itself, and would be read again and again."""
DATES = ("citation_publication_date", "citation_date", "citation_year", "citation_online_date")
CONTAINERS = ("citation_conference_title", "citation_journal_title", "citation_inbook_title")


@dataclass(frozen=True)
class Page:
    """A page that was fetched and is about a paper."""

    url: str
    soup: BeautifulSoup
    tags: dict[str, list[str]]
    """The contents of the meta tags by name, in order."""

    def tag(self, *names: str) -> str | None:
        """The first of these tags that says something."""
        return next((text for name in names for text in map(plain, self.tags.get(name, [])) if text), None)

    def text(self, selector: str) -> str | None:
        """The text of the first element that a CSS selector finds."""
        found = self.soup.select_one(selector)
        return plain(found.get_text()) if found else None

    def bibtex(self) -> str | None:
        """The BibTeX that the page shows, or holds ready for a button."""
        for element in self.soup.select(".bibref, pre, [data-bibtex]", limit=MOST):
            held = element.get("data-bibtex")
            text = unquote(held) if isinstance(held, str) else element.get_text()
            if text.lstrip().startswith("@"):
                return text.strip()
        return None


def load(web: Web, url: str) -> Page:
    """The page of a paper. Raises NotThere, NoAnswer; the latter also for a page that is about no paper."""
    answer = web.get(url, accept="text/html,application/xhtml+xml")
    if len(answer.content) > LARGEST:
        raise NoAnswer(f"{url} is longer than {LARGEST / 1e6:g} MB, which no paper's page is")
    soup = _parsed(answer.text)
    tags = defaultdict(list)
    for element in soup.select("meta[name][content]"):
        tags[str(element["name"]).lower()].append(str(element["content"]))
    page = Page(url, soup, dict(tags))
    if page.tag("citation_title") or page.text("#papertitle") or page.bibtex():
        return page
    if BROWSER_CHECK.search(answer.text):
        raise NoAnswer(f"{answer.service} wants to see a browser before it shows {url}; save the BibTeX there and give that file")
    raise NoAnswer(
        f"{url} has neither citation tags nor BibTeX: it is no paper's page, or {answer.service} has changed its pages"
    )


def said_by_tags(page: Page, source: str) -> Record:
    """What the tags say, and where there are none the visible title and authors."""
    doi = page.tag("citation_doi")
    container = page.tag(*CONTAINERS)
    names = list(_read_names(_names(page)))
    return Record(
        source=source,
        where=page.url,
        title=page.tag("citation_title") or _unquoted(page.text("#papertitle")),
        authors=tuple(name for name, _ in names),
        year=year(page.tag(*DATES)),
        container=container if is_venue(container) else None,
        volume=page.tag("citation_volume"),
        number=page.tag("citation_issue"),
        pages=_pages(page),
        arxiv=arxiv_id(page.tag("citation_arxiv_id") or "") or next(_linked_arxiv_ids(page), None),
        doi=plain_doi(doi) if doi and not doi.lower().startswith(ARXIV_DOI) else None,
        links=tuple(_links(page)),
        abstract=page.text("#abstract") or page.tag("citation_abstract"),
        doubts=tuple(doubt for _, doubt in names if doubt),
    )


def _parsed(text: str) -> BeautifulSoup:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what isn't HTML has no tags, which is told in our own words
        return BeautifulSoup(BREAK.sub("\n", _whole_tags(readable(text[:READ]))), "html.parser")


def _whole_tags(text: str) -> str:
    """HTML without comments and declarations, and with &lt; for what is no tag: the parser looks for the end of each again and
    again, which takes minutes for thousands of them.
    """
    first, *others = text.split("<!--")
    return NO_TAG.sub("&lt;", DECLARATION.sub("", "".join([first, *(other.partition("-->")[2] for other in others)])))


def _names(page: Page) -> list[str]:
    """The authors' names, as they stand there."""
    if tagged := [name for name in map(plain, page.tags.get("citation_author", [])) if name]:
        return tagged
    shown = re.sub(r"[*†‡\d⁰-⁹¹²³]+", "", (page.text("#authors") or "").split(";", 1)[0])
    separator = r"\s+and\s+" if re.search(r",.*\sand\s", shown) else r","  # ECVA of 2018: Finch, Ada and Wren, Bo
    return [name.strip() for name in re.split(separator, shown) if name.strip()]


def _read_names(names: list[str]) -> Iterator[tuple[str, str | None]]:
    """Each name, given name first, and why it is doubted."""
    for name in names:
        try:
            yield given_first(name), None
        except Refusal as refusal:
            yield name, f"An author's name was left as it stands there: {refusal}."


def _pages(page: Page) -> str | None:
    first, last = page.tag("citation_firstpage"), page.tag("citation_lastpage")
    return pages(f"{first}-{last}" if first and last else first)


def _links(page: Page) -> Iterator[tuple[str, str]]:
    yield "paper", page.url
    shown = next((str(a["href"]) for a in _anchors(page) if a.get_text().strip(" []\n").lower() == "pdf"), "")
    address = _address(page, page.tag("citation_pdf_url") or shown)
    if address is not None:
        yield "pdf", address


def _address(page: Page, reference: str) -> str | None:
    """Where a link leads, in https; None for nowhere, and for hosts that nobody knows to be the publisher's."""
    try:
        address = urljoin(page.url, reference)
        address = https_twin(address, SERVICES) or address
    except ValueError:
        return None
    is_one = address.startswith("https://") and host_of(address) in SERVICES and ADDRESS.fullmatch(address)
    return address if reference and is_one else None


def _linked_arxiv_ids(page: Page) -> Iterator[str]:
    for anchor in _anchors(page):
        if "arxiv" in anchor.get_text().lower() and (found := arxiv_id(str(anchor["href"]))):
            yield found


def _anchors(page: Page) -> list[Tag]:
    return page.soup.select("a[href]", limit=MOST)


def _unquoted(title: str | None) -> str | None:
    return title[1:-1] if title and len(title) > 2 and title[0] == title[-1] == '"' else title
