"""The site that link checkers are measured on: pages of many kinds on many hosts, each with the verdict that is right for it.

All hosts are addresses of this machine, served by one process: 127.0.0.1, 127.0.0.2 and so on, at one port.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection

SLOW = 0.2
"""Seconds before a slow page answers."""
TEXT = "<p>" + "Some birds differ in the bill alone. " * 40 + "</p>"


@dataclass(frozen=True)
class Kind:
    """What a link leads to."""

    share: int
    """Of a hundred links of a host."""
    right: str
    """The verdict that is right once it was seen so for two weeks."""
    fragment: str = ""


KINDS = {
    "page": Kind(60, "ok"),
    "place": Kind(5, "ok", "here"),
    "file": Kind(3, "ok"),
    "slow": Kind(2, "ok"),
    "elsewhere for now": Kind(5, "ok"),
    "refuses HEAD": Kind(3, "ok"),
    "busy once": Kind(1, "ok"),
    "moved": Kind(6, "moved"),
    "404": Kind(5, "dead"),
    "410": Kind(2, "dead"),
    "soft 404": Kind(2, "dead"),
    "no such place": Kind(3, "broken", "nowhere"),
    "redirect loop": Kind(1, "broken"),
    "500": Kind(2, "unknown"),
}
WALLS = {"403 for all": Kind(100, "blocked"), "429 for all": Kind(100, "blocked")}
"""Each a host of its own: whoever is turned away at one page is turned away at all."""
ALL = KINDS | WALLS
SLUGS = {name.replace(" ", "-").lower(): name for name in ALL}


@dataclass(frozen=True)
class Link:
    """One link of the site."""

    url: str
    kind: str
    moved_to: str | None = None


def links(count: int, hosts: int, port: int, run: int) -> list[Link]:
    """So many links, evenly over the hosts, neighbours on different ones; those of another run are other ones."""
    each = [list(_of_host(host, hosts, count // hosts, port, run)) for host in range(1, hosts + 1)]
    return [link for row in zip(*each, strict=True) for link in row]


def _of_host(host: int, hosts: int, count: int, port: int, run: int) -> Iterator[Link]:
    walls = {hosts - index: {name: kind} for index, (name, kind) in enumerate(WALLS.items())}
    kinds = [name for name, kind in walls.get(host, KINDS).items() for _ in range(kind.share)]
    for number in range(count):
        name = kinds[number * 37 % 100]  # 37 and 100 have no divisor in common: all hundred, well mixed
        start = f"http://127.0.0.{host}:{port}/{run}/{host}"
        slug = name.replace(" ", "-").lower()
        fragment = f"#{ALL[name].fragment}" if ALL[name].fragment else ""
        yield Link(f"{start}/{slug}/{number}{fragment}", name, f"{start}/page/{number}" if name == "moved" else None)


# ------------------------------------------------------------------------------------------------------------ the server


def serve(told: Connection) -> None:
    """Serves until it is terminated; says its port."""
    asyncio.run(_serve(told))


async def _serve(told: Connection) -> None:
    loop = asyncio.get_running_loop()
    busy: set[str] = set()
    server = await loop.create_server(lambda: _Protocol(busy), "0.0.0.0", 0, backlog=1024)
    told.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


class _Protocol(asyncio.Protocol):
    """One connection, kept open: an answer for each request, in order."""

    def __init__(self, busy: set[str]) -> None:
        self._busy = busy
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        while b"\r\n\r\n" in self._read:
            head, _, self._read = self._read.partition(b"\r\n\r\n")
            method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
            answer = self._answer(method, path)
            if "/slow/" in path:
                asyncio.get_running_loop().call_later(SLOW, self._transport.write, answer)
            else:
                self._transport.write(answer)

    def _answer(self, method: str, path: str) -> bytes:
        status, headers, body = self._found(method, path)
        # LinkChecker leaves out its own pauses at a host that says this.
        lines = {"LinkChecker": "yes", "Content-Type": "text/html", "Content-Length": str(len(body))} | headers
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return f"HTTP/1.1 {status} Said\r\n{head}\r\n{'' if method == 'HEAD' else body}".encode()

    def _found(self, method: str, path: str) -> tuple[int, dict[str, str], str]:
        start, slug, number = path.rsplit("/", 2)
        name = SLUGS.get(slug, "404")
        if name in ("elsewhere for now", "moved"):
            return (301 if name == "moved" else 302), {"Location": f"{start}/page/{number}"}, ""
        if name == "redirect loop":
            return 302, {"Location": path}, ""
        if name == "refuses HEAD" and method == "HEAD":
            return 405, {}, ""
        if name == "busy once" and path not in self._busy:
            self._busy.add(path)
            return 503, {}, ""
        if name == "file":
            return 200, {"Content-Type": "application/pdf"}, "%PDF"
        if name[:3].isdigit():
            return int(name[:3]), {}, _page("Sorry")
        return 200, {}, _page("Page not found" if name == "soft 404" else f"Bird {number}")


def _page(title: str) -> str:
    return f'<!doctype html><html><head><title>{title}</title></head><body><h1 id="here">{title}</h1>{TEXT}</body></html>'
