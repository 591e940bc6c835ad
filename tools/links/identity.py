"""Identifiers, checked by the services that give them out: fewer and smaller requests than their web pages, and surer answers.

Where a service doesn't know or doesn't answer, nothing is said here, and the web page is looked at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote
from xml.etree.ElementTree import Element, ParseError

from defusedxml.ElementTree import fromstring

from tools.adding.withdrawal import withdrawal
from tools.canonical import arxiv_id, resolved_doi, unescaped
from tools.links.addresses import follow, parse
from tools.links.asking import Asker, Errand
from tools.links.model import Observation, Watch
from tools.links.page import tidy
from tools.links.troubles import Trouble
from tools.links.walk import REDIRECTS
from tools.links.wire import Answer

ARXIV = "https://export.arxiv.org/api/query"
HANDLES = "https://doi.org/api/handles/"
CROSSREF = "https://api.crossref.org/works/"
RESOLVER = "https://doi.org/"
GITHUB = "https://api.github.com/repos/"
GITHUB_HOST = "api.github.com"

JSON = {"application/json", "application/vnd.github+json", "application/vnd.citationstyles.csl+json"}
XML = {"application/atom+xml", "application/xml", "text/xml"}
MOST = 4_000_000
"""Bytes of a service's answer; a hundred papers of arXiv's take some 300,000."""
ARXIV_PAGE = re.compile(r"https://(?:www\.)?arxiv\.org/(?:abs|pdf)/[^?#]+?(?:v(?P<version>\d{1,3}))?(?:\.pdf)?/?")
REPOSITORY = re.compile(r"https://(?:www\.)?github\.com/(?P<name>[\w.-]+/[\w.-]+?)(?:\.git)?/?", re.ASCII)
ATOM = {"a": "http://www.w3.org/2005/Atom", "arxiv": "http://arxiv.org/schemas/atom"}


class Service(NamedTuple):
    """Who is asked, and for which addresses."""

    identifier: Callable[[str], str | None]
    """The identifier that an address stands for; None for other addresses."""
    ask: Callable[[Asker, Mapping[str, str], bool], Awaitable[list[Observation]]]
    """What is said of some addresses with their identifiers; the last argument says whether titles are wanted."""
    together: int = 1
    """Identifiers in one request."""
    workers: int | None = None
    """Requests at once, where that is fewer than to other hosts."""


def repository(url: str) -> str | None:
    """owner/name of a repository's own page; None for other addresses."""
    found = REPOSITORY.fullmatch(url)
    return found["name"] if found else None


def paper(url: str) -> str | None:
    """The arXiv id of a paper's page or PDF; None for other addresses."""
    return arxiv_id(url) if ARXIV_PAGE.fullmatch(url) else None


def registered(url: str) -> str | None:
    """The DOI of an address of the resolver's; None for other addresses."""
    return resolved_doi(url) if not set("?#") & set(url) else None


async def ask_arxiv(asker: Asker, papers: Mapping[str, str], titles: bool) -> list[Observation]:
    """What arXiv says of papers, by one request. One that it doesn't name may be missing by mistake: its page will tell."""
    ids = sorted(set(papers.values()))
    answer = await fetch(asker, f"{ARXIV}?id_list={','.join(ids)}&max_results={len(ids)}", "application/atom+xml", XML)
    known = _papers(answer.body) if answer and answer.status == 200 else {}
    return [_of_arxiv(url, known[name]) for url, name in papers.items() if name in known]


async def ask_doi(asker: Asker, dois: Mapping[str, str], titles: bool) -> list[Observation]:
    """What the DOI system says of a DOI, and its title."""
    ((url, doi),) = dois.items()
    said = as_json(await fetch(asker, f"{HANDLES}{quote(doi)}?type=URL", "application/json", JSON)).get("responseCode")
    if said == 100:
        return [Observation(url=url, status=404, reason="doi.org says that this DOI doesn't exist")]
    if said not in (1, 200):  # 200: there is one, without an address of this kind
        return []
    title = await _title(asker, doi) if titles else None
    return [Observation(url=url, status=200, reason="doi.org knows this DOI", title=title)]


async def ask_github(asker: Asker, repositories: Mapping[str, str], titles: bool) -> list[Observation]:
    """What GitHub says of a repository: that it is there, renamed, archived. Of one that it doesn't know, its page will tell."""
    ((url, name),) = repositories.items()
    answer = await fetch(asker, f"{GITHUB}{name}", "application/vnd.github+json", JSON, asker.settings.github_token)
    if answer is None:
        return []
    if answer.headers.get("x-ratelimit-remaining") == "0" or answer.status == 429:
        asker.politeness.rest(GITHUB_HOST, answer.status, "86400")  # its pages are looked at instead, for the rest of the run
    said = as_json(answer)
    page, full_name = address_in(said.get("html_url")), _first(said.get("full_name"))
    if answer.status != 200 or not page or not full_name:
        return []
    moved = full_name.casefold() != name.casefold()
    archived = said.get("archived") is True
    told = f"GitHub knows it by another name, {full_name}" if moved else "GitHub knows this repository"
    return [
        Observation(
            url=url,
            status=200,
            reason=told + ("; its owner has archived it" if archived else ""),
            final=page if moved else None,
            permanent=moved,
            title=full_name,
            archived=archived,
        )
    ]


SERVICES = (
    Service(paper, ask_arxiv, together=100, workers=1),  # https://info.arxiv.org/help/api/tou.html: one connection at a time
    Service(registered, ask_doi),
    Service(repository, ask_github),
)


async def fetch(asker: Asker, url: str, accept: str, kinds: set[str], token: str | None = None) -> Answer | None:
    """The service's answer; None where there is none. The token goes to the host that it is for, and to no other."""
    errand = Errand(asker.settings.whole, MOST, accept=accept, kinds=kinds, ranged=False)
    try:
        address = start = parse(url)
        for _ in range(4):
            errand.token = token if address.host == start.host and address.scheme == "https" else None
            answer = await asker.get(address, errand)
            if answer.status not in REDIRECTS or not (location := answer.headers.get("location")):
                return answer
            address = follow(address, location)
    except Trouble:
        return None  # said by the page's own look, if it goes no better
    return None


def as_json(answer: Answer | None) -> dict[str, Any]:
    """An answer's object; an empty one for anything else."""
    try:
        said = json.loads(answer.body) if answer else {}
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def address_in(said: object) -> str | None:
    """An address that a service names; None where it is none."""
    if not isinstance(said, str):
        return None
    try:
        parse(said)
    except Trouble:
        return None
    return said


async def _title(asker: Asker, doi: str) -> str | None:
    """The title from Crossref, or from whichever agency the resolver knows for the DOI."""
    work = as_json(await fetch(asker, f"{CROSSREF}{quote(doi, safe='')}", "application/json", JSON)).get("message")
    if not isinstance(work, dict):
        csl = "application/vnd.citationstyles.csl+json"
        work = as_json(await fetch(asker, f"{RESOLVER}{quote(doi)}", csl, JSON))
    parts = [_first(work.get("title")), _first(work.get("subtitle"))]
    return ": ".join(part for part in parts if part) or None


def _first(value: object) -> str:
    if isinstance(value, list):
        value = value[0] if value else ""
    return tidy(unescaped(re.sub(r"<[^<>]+>", "", value))) or "" if isinstance(value, str) else ""


def _papers(content: bytes) -> dict[str, Watch]:
    try:
        feed = fromstring(content)
    except (ParseError, ValueError):  # ValueError: what defusedxml refuses
        return {}
    found = [_watch(entry) for entry in feed.iterfind("a:entry", ATOM)]
    return {watch.arxiv: watch for watch in found if watch}


def _watch(entry: Element) -> Watch | None:
    def text(name: str) -> str:
        return tidy(entry.findtext(name, "", ATOM)) or ""

    found = re.fullmatch(r"https?://arxiv\.org/abs/(.+?)v(\d{1,3})", text("a:id"))
    if not found or not text("a:title"):
        return None
    return Watch(
        arxiv=found[1],
        title=text("a:title"),
        version=int(found[2]),
        withdrawn=withdrawal(entry.findtext("arxiv:comment", "", ATOM), entry.findtext("a:summary", "", ATOM)) is not None,
        doi=text("arxiv:doi") or None,
        journal_ref=text("arxiv:journal_ref") or None,
    )


def _of_arxiv(url: str, watch: Watch) -> Observation:
    page = ARXIV_PAGE.fullmatch(url)
    asked = int(page["version"] or 0) if page else 0
    if asked > watch.version:
        reason = f"arXiv has no version {asked} of this paper, only {watch.version}"
        return Observation(url=url, status=404, reason=reason, title=watch.title, watch=watch)
    reason = f"arXiv knows this paper; its newest version is {watch.version}" + ("; it was withdrawn" if watch.withdrawn else "")
    return Observation(url=url, status=200, reason=reason, title=watch.title, watch=watch)
