"""Looking at addresses: what each of them, and all redirects on its way, answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Iterable, Iterator
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple

from tools.links.asking import Asker
from tools.links.identity import SERVICES, Service
from tools.links.model import Observation
from tools.links.page import tidy
from tools.links.settings import Settings, World
from tools.links.walk import look


async def look_at_all(
    urls: Iterable[str], settings: Settings, *, read: Container[str] | None = None, world: World | None = None
) -> AsyncIterator[Observation]:
    """What is found at each address, as soon as it is known, in no order. Raises nothing, whatever a server is like.

    `read` holds the addresses whose pages are read, for their titles and for words such as "page not found". None: all, as in
    every run of the link checker; benchmarks/links.py measures what that costs over asking with HEAD alone. A fragment's page is
    read in any case, and asked for once for all its fragments.
    """
    found: asyncio.Queue[Observation | None] = asyncio.Queue()
    async with Asker(settings, world) as asker:
        crew = asyncio.create_task(_work(_lanes(asker, list(dict.fromkeys(urls)), read), found))
        crew.add_done_callback(lambda _: found.put_nowait(None))
        try:
            while (seen := await found.get()) is not None:
                yield seen
            await crew
        finally:
            crew.cancel()
            await asyncio.gather(crew, return_exceptions=True)


class _Lane(NamedTuple):
    """What is asked of one host: some pieces of work, what is to be done with each, and how many at once."""

    pieces: list[Any]
    do: Callable[[Any], Awaitable[list[Observation]]]
    workers: int


async def _work(lanes: list[_Lane], found: asyncio.Queue[Observation | None]) -> None:
    async with asyncio.TaskGroup() as group:
        left = [iter(lane.pieces) for lane in lanes]
        for worker in range(max((lane.workers for lane in lanes), default=0)):  # the first of each before the second of any
            for lane, pieces in zip(lanes, left, strict=True):
                if worker < min(lane.workers, len(lane.pieces)):
                    group.create_task(_one_after_the_other(pieces, lane.do, found))


async def _one_after_the_other(
    pieces: Iterator[Any], do: Callable[[Any], Awaitable[list[Observation]]], found: asyncio.Queue[Observation | None]
) -> None:
    for piece in pieces:
        try:
            seen = await do(piece)
        except Exception as error:  # noqa: BLE001 - one address, for which something here is wrong, mustn't take all down
            seen = [_by_our_fault(url, error) for url in piece]
        for one in seen:
            found.put_nowait(one)


def _by_our_fault(url: str, error: Exception) -> Observation:
    told = tidy(f"{type(error).__name__}: {error}")
    return Observation(url=url, reason=f"couldn't be looked at, which is a fault of this program: {told}", asked=False)


def _lanes(asker: Asker, urls: list[str], read: Container[str] | None) -> list[_Lane]:
    """One a service, and one a host."""
    lanes = []
    for service in SERVICES if asker.settings.services else ():
        known = {url: name for url in urls if (name := service.identifier(url))}
        urls = [url for url in urls if url not in known]
        pieces = [dict(piece) for piece in _batches(list(known.items()), service.together)]
        lanes.append(_Lane(pieces, partial(_served, asker, service, read), service.workers or asker.settings.per_host))
    do = partial(_looked_at, asker, read)
    return lanes + [_Lane(pages, do, asker.settings.per_host) for pages in _by_host(urls).values()]


async def _served(asker: Asker, service: Service, read: Container[str] | None, named: dict[str, str]) -> list[Observation]:
    seen = await service.ask(asker, named, read is None or any(url in read for url in named))
    unsaid = set(named) - {one.url for one in seen}
    for url in sorted(unsaid):
        seen += await _looked_at(asker, read, [url])
    return seen


async def _looked_at(asker: Asker, read: Container[str] | None, urls: list[str]) -> list[Observation]:
    return await look(asker, _page(urls[0]), urls, read=read is None or any(url in read for url in urls))


def _page(url: str) -> str:
    return url.partition("#")[0]


def _by_host(urls: list[str]) -> dict[str, list[list[str]]]:
    """The addresses of each host, those of one page together."""
    hosts: dict[str, list[list[str]]] = {}
    for _, same in groupby(sorted(urls, key=_page), key=_page):
        page = list(same)
        hosts.setdefault(page[0].partition("://")[2].partition("/")[0].lower(), []).append(page)
    return hosts


def _batches(items: list[Any], size: int) -> list[list[Any]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
