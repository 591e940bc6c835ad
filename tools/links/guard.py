"""Who may be connected to: a network backend that looks names up itself, and connects to the address that it checked."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Future
from threading import Thread

import httpcore2

from tools.links.troubles import Trouble

Resolver = Callable[[str, int], Awaitable[list[str]]]
"""The addresses of a name. Raises socket.gaierror."""
IP = ipaddress.IPv4Address | ipaddress.IPv6Address

MOST_CANDIDATES = 4
"""Addresses of one name that are tried, one after the other."""
LOOKUPS_AT_ONCE = 32
UNICAST = ipaddress.IPv6Network("2000::/3")
"""All that is given out in IPv6; what lies outside is local, or reserved."""
CARRIES_IPV4 = (ipaddress.IPv6Network("64:ff9b::/96"), 0), (ipaddress.IPv6Network("2002::/16"), 80)
"""NAT64 and 6to4, and how many bits from the right the IPv4 address stands in them."""
NEVER = [
    ipaddress.ip_network(network)
    for network in ("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "2001::/23", "3fff::/20")
]
"""Which the library takes for public in some versions: "this" network, carriers' own, protocols' own, relays, documentation."""


class Guard(httpcore2.AsyncNetworkBackend):
    """Connects to public addresses alone, unless private ones are allowed."""

    def __init__(
        self,
        *,
        allow_private: bool = False,
        resolver: Resolver | None = None,
        backend: httpcore2.AsyncNetworkBackend | None = None,
    ) -> None:
        """`resolver` and `backend`, which makes the connections, are for tests."""
        self._allow_private = allow_private
        self._backend = backend or httpcore2.AnyIOBackend()
        self._free = asyncio.Semaphore(LOOKUPS_AT_ONCE)
        self._resolver = resolver or self._look_up
        self._known: dict[str, asyncio.Task[list[str]]] = {}

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """A connection to one of the host's addresses, all of which were checked.

        Raises Trouble where one is never asked, or where they aren't known in time.
        """
        loop = asyncio.get_running_loop()
        end = None if timeout is None else loop.time() + timeout
        try:
            async with asyncio.timeout_at(end):
                addresses = await self._checked(host, port)
        except TimeoutError as error:
            raise Trouble("timed out", "its host's name isn't looked up in time") from error
        failed: Exception | None = None
        for index, address in enumerate(addresses):
            share = None if end is None else max(0.0, end - loop.time()) / (len(addresses) - index)
            try:
                return await self._backend.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failed = error
        raise failed or socket.gaierror(socket.EAI_NONAME, "no address")

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)

    def close(self) -> None:
        """Ends the lookups that are still under way."""
        for task in self._known.values():
            task.cancel()

    async def _checked(self, host: str, port: int) -> list[str]:
        addresses = (await self._addresses(host, port))[:MOST_CANDIDATES]
        for address in () if self._allow_private else addresses:
            if why := why_not(address):
                which = "it is" if address == host else f"its host's name leads to {address},"
                raise Trouble("forbidden", f"never asked: {which} {why}")
        return addresses

    async def _addresses(self, host: str, port: int) -> list[str]:
        """What the name resolves to: the same answer for the whole run."""
        if _is_ip(host):
            return [host]
        task = self._known.get(host)
        if task is None or (task.done() and _passing(task)):
            task = self._known[host] = asyncio.ensure_future(self._resolver(host, port))
            task.add_done_callback(_passing)  # the error counts as seen, though all who waited may have been ended
        return await asyncio.shield(task)  # others wait for it too

    async def _look_up(self, host: str, port: int) -> list[str]:
        async with self._free:
            found: Future[list[str]] = Future()
            # Not in a pool: Python waits for a pool's threads at its end, and a lookup can't be stopped.
            Thread(target=_look_up, args=(host, port, found), daemon=True).start()
            return await asyncio.wrap_future(found)


def _look_up(host: str, port: int, found: Future[list[str]]) -> None:
    if not found.set_running_or_notify_cancel():
        return
    try:
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except Exception as error:  # noqa: BLE001 - whatever it is, somebody waits for it
        found.set_exception(error)
    else:
        found.set_result(list(dict.fromkeys(str(info[4][0]) for info in infos)))


def why_not(address: str) -> str | None:
    """What kind of address it is, where it is one that is never asked; None where it is public."""
    ip: IP = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped:
            return why_not(str(ip.ipv4_mapped))
        for network, shift in CARRIES_IPV4:
            if ip in network:
                return why_not(str(ipaddress.IPv4Address(int(ip) >> shift & 0xFFFFFFFF)))
    for name, fits in KINDS:
        if fits(ip):
            return f"{name} address"
    return None


KINDS: tuple[tuple[str, Callable[[IP], bool]], ...] = (
    ("an unspecified", lambda ip: ip.is_unspecified),
    ("a loopback", lambda ip: ip.is_loopback),
    ("a link-local", lambda ip: ip.is_link_local),
    ("a multicast", lambda ip: ip.is_multicast),
    ("a private or reserved", lambda ip: ip.is_private or ip.is_reserved or not ip.is_global),
    ("a private or reserved", lambda ip: any(ip in network for network in NEVER)),
    ("a private or reserved", lambda ip: ip.version == 6 and ip not in UNICAST),
)


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _passing(task: asyncio.Task[list[str]]) -> bool:
    """Whether a lookup went wrong in a way that may pass."""
    if task.cancelled():
        return True
    error = task.exception()
    return error is not None and getattr(error, "errno", None) != socket.EAI_NONAME
