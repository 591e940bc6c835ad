"""When a host may be asked: so many at once, so many seconds apart, not while it rests, and no more once it has had enough."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tools.links.model import Failure
from tools.links.settings import Settings, World
from tools.links.troubles import Trouble
from tools.waiting import seconds_to_wait, span

RESTS = 3
"""Times our patience that all rests of one host may last together: one that asks for rest after rest would hold up the run."""


class _Host:
    """What is remembered of a host."""

    __slots__ = ("delay", "free", "left_alone", "next", "rested", "start", "strikes")

    def __init__(self, settings: Settings, name: str) -> None:
        self.delay = settings.paces.get(name, settings.delay)
        self.free = asyncio.Semaphore(settings.per_host)
        self.start = asyncio.Lock()
        self.next = 0.0
        """When the next request may start."""
        self.rested = 0.0
        """Seconds of rest that it was given because it asked for them."""
        self.strikes = 0
        self.left_alone: tuple[Failure | None, int | None, str] | None = None
        """Why it isn't asked any more: the failure or status, and a sentence."""


class Politeness:
    """Turns at asking. All hosts of a run share one."""

    def __init__(self, settings: Settings, world: World) -> None:
        self._settings, self._world = settings, world
        self._free = asyncio.Semaphore(settings.at_once)
        self._hosts: dict[str, _Host] = {}

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncIterator[None]:
        """Waits until the host may be asked, for as long as the ``async with``. Raises Trouble where it is left alone."""
        host = self._host(name)
        async with host.free:
            await self._start(host)
            try:
                yield
            finally:
                self._free.release()

    async def _start(self, host: _Host) -> None:
        async with host.start:
            while host.left_alone is None and (left := host.next - self._world.now()) > 0:
                await self._world.sleep(left)  # meanwhile the host may have asked for a longer rest
            if host.left_alone is not None:
                failure, status, reason = host.left_alone
                raise Trouble(failure, reason, status=status, asked=False)
            await self._free.acquire()
            host.next = self._world.now() + host.delay

    def rest(self, name: str, status: int, retry_after: str) -> float | None:
        """Gives the host the rest that it asks for, and returns its seconds; None where it asks for none that can be read.

        Where it is longer than we wait, or all its rests together are, the host isn't asked again.
        """
        seconds = seconds_to_wait(retry_after, self._world.today())
        if seconds is None:
            return None
        host, now = self._host(name), self._world.now()
        host.rested += max(0.0, now + seconds - max(host.next, now))
        if seconds > self._settings.patience:
            reason = f"not asked: {name} answered another request with status {status} and asks to wait {span(seconds)}"
            host.left_alone = None, status, reason
        elif host.rested > RESTS * self._settings.patience:
            reason = (
                f"not asked: {name} answers with status {status} and asks to wait again and again, {span(host.rested)} so far"
            )
            host.left_alone = None, status, reason
        else:
            self.pause(name, seconds)
        return seconds

    def pause(self, name: str, seconds: float) -> None:
        """Starts no request to the host for so long."""
        host = self._host(name)
        host.next = max(host.next, self._world.now() + seconds)

    def strike(self, name: str, failure: Failure | None, status: int | None) -> None:
        """Counts an address that the host was too busy for, or was silent about; after some in a row it is left alone."""
        host = self._host(name)
        host.strikes += 1
        if host.strikes >= self._settings.strikes and host.left_alone is None:
            said = f"answered with status {status}" if status else "didn't answer"
            host.left_alone = failure, status, f"not asked: {name} {said} {host.strikes} times in a row"

    def well(self, name: str) -> None:
        """The host answered: earlier strikes don't count any more."""
        self._host(name).strikes = 0

    def alone(self, name: str) -> bool:
        """Whether the host is left alone."""
        return self._host(name).left_alone is not None

    def backoff(self, attempt: int) -> float:
        """Seconds before another try; some by chance, so that many who failed together don't come again together."""
        return float(self._settings.backoff * 2 ** (attempt - 1) * (1 + self._world.random()))

    def _host(self, name: str) -> _Host:
        host = self._hosts.get(name)
        if host is None:
            host = self._hosts[name] = _Host(self._settings, name)
        return host
