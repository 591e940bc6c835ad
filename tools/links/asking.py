"""Asking an address as often as it takes: in its host's turn, HEAD before GET, again where that may help."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Self

from tools.links.addresses import Address
from tools.links.model import Failure
from tools.links.politeness import Politeness
from tools.links.settings import Settings, World
from tools.links.troubles import Trouble
from tools.links.wire import HTML, Answer, Wire

BUSY = {429, 503}
PASSING = BUSY | {500, 502, 504, 520, 521, 522, 523, 524}
"""Statuses after which another try may help; from 520 on they are Cloudflare's, for a host behind it that doesn't answer."""
LANGUAGE = "en, *;q=0.5"
ENCODING = "gzip, identity"


@dataclass(slots=True)
class Errand:
    """What is wanted at an address, and what it has taken so far."""

    left: float
    """Seconds that its requests may still take."""
    most: int
    """Bytes of a body that are read."""
    accept: str = "text/html,application/xhtml+xml,*/*;q=0.8"
    kinds: set[str] = field(default_factory=lambda: HTML)
    """The media types whose body is read."""
    ranged: bool = True
    """Whether the server is asked to send no more than is read."""
    token: str | None = None
    cookies: dict[str, dict[str, str]] = field(default_factory=dict)
    """By host: some redirects go round in a circle unless their cookie is shown."""

    def keep(self, host: str, answer: Answer) -> None:
        """Remembers the cookies of an answer for their host."""
        for cookie in answer.cookies:
            name, sign, value = cookie.partition(";")[0].strip().partition("=")
            if sign and f"{name}{value}".isascii() and f"{name}{value}".isprintable():
                self.cookies.setdefault(host, {})[name] = value


class Asker:
    """Asks politely. To be used in an ``async with``."""

    def __init__(self, settings: Settings, world: World | None = None) -> None:
        self.settings = settings
        self.world = world or World()
        self.politeness = Politeness(settings, self.world)
        self._wire = Wire(settings, self.world)

    async def __aenter__(self) -> Self:
        await self._wire.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._wire.__aexit__(*error)

    def errand(self) -> Errand:
        """One for a page, with all the time there is."""
        return Errand(self.settings.whole, self.settings.most)

    async def head(self, address: Address, errand: Errand) -> Answer | None:
        """The answer to one HEAD; None where GET has to be tried, since many servers refuse HEAD in one way or another."""
        try:
            answer = await self._once("HEAD", address, errand)
        except Trouble as trouble:
            if trouble.passing or trouble.failure == "bad answer":
                return None
            self._count(address.host, trouble.failure, trouble.status)
            raise
        return answer if answer.status < 400 else None

    async def get(self, address: Address, errand: Errand) -> Answer:
        """The answer to GET, after several tries where that may help. Raises Trouble."""
        for attempt in range(1, self.settings.tries + 1):
            last = attempt == self.settings.tries
            try:
                answer = await self._once("GET", address, errand)
            except Trouble as trouble:
                if last or not trouble.passing or errand.left <= 0:
                    self._count(address.host, trouble.failure, trouble.status)
                    raise
            else:
                if last or answer.status not in PASSING or errand.left <= 0 or self.politeness.alone(address.host):
                    self._count(address.host, None, answer.status)
                    return answer
            await self.world.sleep(self.politeness.backoff(attempt))
        raise AssertionError("the last try returns or raises")

    def _count(self, host: str, failure: Failure | None, status: int | None) -> None:
        if failure == "timed out" or status in BUSY:
            self.politeness.strike(host, failure, status)

    async def _once(self, method: str, address: Address, errand: Errand) -> Answer:
        loop = asyncio.get_running_loop()
        async with self.politeness.turn(address.host):
            began = loop.time()
            try:
                answer = await self._send(method, address, errand)
                if answer.status == 416 and errand.ranged:  # nothing of an empty page is in range
                    errand.ranged = False
                    answer = await self._send(method, address, errand)
            finally:
                errand.left -= loop.time() - began
        if answer.status not in BUSY:
            self.politeness.well(address.host)
        else:
            rest = self.politeness.rest(address.host, answer.status, answer.headers.get("retry-after", ""))
            if rest is None and answer.status == 429:
                self.politeness.pause(address.host, self.politeness.backoff(1))
        return answer

    async def _send(self, method: str, address: Address, errand: Errand) -> Answer:
        headers = [
            ("User-Agent", self.settings.user_agent),
            ("Accept", errand.accept),
            ("Accept-Language", LANGUAGE),
            ("Accept-Encoding", ENCODING),
        ]
        if method == "GET" and errand.ranged:
            headers.append(("Range", f"bytes=0-{errand.most - 1}"))
        if cookies := errand.cookies.get(address.host):
            headers.append(("Cookie", "; ".join(f"{name}={value}" for name, value in cookies.items())))
        if errand.token:
            headers.append(("Authorization", f"Bearer {errand.token}"))
        return await self._wire.ask(method, address, headers, most=errand.most, kinds=errand.kinds, seconds=max(0.0, errand.left))
