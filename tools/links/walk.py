"""From an address through its redirects to what stands there, and what is to be said of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from itertools import pairwise

from tools.links import page as pages
from tools.links.addresses import Address, follow, parse
from tools.links.asking import Asker, Errand
from tools.links.model import Observation
from tools.links.page import Page
from tools.links.redirects import is_front
from tools.links.troubles import Trouble
from tools.links.walls import is_wall
from tools.links.wire import HTML, Answer

REDIRECTS = {301, 302, 303, 307, 308}
PERMANENT = {301, 308}
FILE = re.compile(
    r"\.(?:pdf|zip|tar|tgz|gz|bz2|xz|7z|rar|pth?|ckpt|mat|h5|npz|csv|jsonl?|ya?ml|jpe?g|png|gif|svg|mp4|bib)(?:\?|$)",
    re.IGNORECASE,
)
"""Targets that are hardly ever a page of HTML."""


async def look(asker: Asker, page: str, urls: Sequence[str], *, read: bool) -> list[Observation]:
    """What is found at a page, for each of the addresses that are this page with one or another fragment. Raises nothing.

    `read` says whether the page's title is wanted.
    """
    fragments = [url[len(page) + 1 :] for url in urls]
    try:
        first = parse(page)
        arrival = await _walk(asker, first, read or any(fragments))
    except Trouble as trouble:
        return [_failed(url, trouble) for url in urls]
    seen = _seen(page, first, arrival)
    return [_with_fragment(replace(seen, url=url), fragment, arrival) for url, fragment in zip(urls, fragments, strict=True)]


@dataclass(frozen=True, slots=True)
class _Arrival:
    """The end of the way."""

    address: Address
    answer: Answer
    redirects: tuple[int, ...]
    """Their statuses."""
    page: Page | None
    """What was read of it, where it is one of HTML that was asked for."""
    downgraded: bool
    """Whether the way led from https to http."""


async def _walk(asker: Asker, address: Address, body: bool) -> _Arrival:
    """Follows redirects to the end. Raises Trouble."""
    errand = asker.errand()
    passed: list[tuple[Address, str]] = []
    statuses: list[int] = []
    while True:
        passed.append((address, str(errand.cookies)))
        answer = await _answer(asker, address, errand, body) if not statuses else await _next(asker, address, errand, body)
        location = answer.headers.get("location", "").strip()
        if answer.status not in REDIRECTS or not location:
            insecure = any(a.scheme == "https" and b.scheme == "http" for (a, _), (b, _) in pairwise(passed))
            return _Arrival(address, answer, tuple(statuses), _page(answer) if body else None, insecure)
        errand.keep(address.host, answer)
        statuses.append(answer.status)
        address = _target(address, location)
        if (address, str(errand.cookies)) in passed:
            raise Trouble("redirect loop", f"sends on in a circle, to {address.page} again")
        if len(statuses) > asker.settings.redirects:
            raise Trouble("redirect loop", f"sends on more than {asker.settings.redirects} times")


async def _answer(asker: Asker, address: Address, errand: Errand, body: bool) -> Answer:
    if not body or FILE.search(address.target):
        answer = await asker.head(address, errand)
        if answer is not None and not (body and answer.kind in HTML and answer.status < 300):
            return answer
    return await asker.get(address, errand)


async def _next(asker: Asker, address: Address, errand: Errand, body: bool) -> Answer:
    try:
        return await _answer(asker, address, errand, body)
    except Trouble as trouble:
        trouble.reason = f"sends on to {address.page}: {trouble.reason}"
        raise


def _target(address: Address, location: str) -> Address:
    try:
        return follow(address, location)
    except Trouble as trouble:
        trouble.reason = f"sends on to {location[:100]!a}: {trouble.reason}"
        raise


def _page(answer: Answer) -> Page | None:
    if answer.kind not in HTML or not 200 <= answer.status < 300:
        return None
    return pages.read(answer.body, answer.headers.get("content-type", ""))


def _failed(url: str, trouble: Trouble) -> Observation:
    return Observation(
        url=url,
        status=trouble.status,
        failure=trouble.failure,
        reason=trouble.reason,
        wall=trouble.status is not None,
        asked=trouble.asked,
    )


def _seen(page: str, first: Address, arrival: _Arrival) -> Observation:
    answer, address = arrival.answer, arrival.address
    moved = address != first
    final = address.page + (f"#{address.fragment}" if address.fragment else "")
    status = 200 if answer.status == 206 else answer.status  # a part was asked for
    wall = is_wall(address.host, answer)
    title = arrival.page.title if arrival.page and not wall else None
    not_found = not wall and arrival.page is not None and arrival.page.not_found
    only_start = status == 200 and moved and _only_start(first, address)
    told = [
        f"sends on to {final}, which answers with status {_named(status)}" if moved else f"answers with status {_named(status)}",
        "no longer over https" if arrival.downgraded else "",
        "from a wall for programs" if wall else "",
        f'its title is "{title}"' if not_found else "",
        "which is only the start page" if only_start else "",
        f"its body {answer.broken}" if answer.broken else "",
    ]
    return Observation(
        url=page,
        status=status,
        reason="; ".join(part for part in told if part),
        final=final if moved else None,
        permanent=moved and set(arrival.redirects) <= PERMANENT,
        wall=wall,
        kind=answer.kind,
        title=title,
        soft_404=not_found or only_start,
    )


def _only_start(first: Address, last: Address) -> bool:
    """Whether one of a site's pages sends to the site's start page, as some sites do for all that they no longer have."""
    same_host = first.host.removeprefix("www.") == last.host.removeprefix("www.")
    return same_host and is_front(last.target) and not is_front(first.target.partition("?")[0])


def _with_fragment(seen: Observation, fragment: str, arrival: _Arrival) -> Observation:
    page = arrival.page
    if not fragment or page is None or seen.wall or arrival.address.fragment or arrival.address.host in pages.SCRIPTED:
        return seen
    held = page.holds(fragment)
    if held is False and not arrival.answer.whole:
        held = None  # it may stand where the page wasn't read
    missing = f'; nothing on the page is called "{fragment}"' if held is False else ""
    return replace(seen, fragment=held, reason=seen.reason + missing)


def _named(status: int) -> str:
    try:
        return f"{status} ({HTTPStatus(status).phrase})" if status >= 300 else str(status)
    except ValueError:
        return str(status)
