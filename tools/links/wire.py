"""One request and its answer, and no more than it may take.

httpcore2, the transport of httpx2, is asked directly: that is where a network backend of one's own belongs, addresses go out as
they are written, and a request costs half the time.
"""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import httpcore2
import httpx2

from tools.links.addresses import Address
from tools.links.guard import Guard
from tools.links.settings import Settings, World
from tools.links.troubles import ERRORS, Trouble, explain

POOLS = 32
"""httpcore2 goes through all connections of a pool for each request, so that many small pools are faster than one."""
IDLE = 4
"""Connections kept open in each."""
SMALL = 64 * 1024
"""Bytes of an unwanted body that are cheaper to read than a new connection is to make."""
PIECE = 64 * 1024
HTML = {"text/html", "application/xhtml+xml"}
KIND = re.compile(r"[a-z0-9.+_-]+/[a-z0-9.+_-]+")
PART = re.compile(r"bytes 0-(\d{1,18})/(\d{1,18})")
GZIP = {"gzip", "x-gzip"}
NO_BODY = {204, 205, 304}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came."""

    status: int
    headers: Mapping[str, str]
    """By name in lower case; of several with one name the last. Their bytes are read as UTF-8, or else Latin-1."""
    cookies: Sequence[str]
    body: bytes = b""
    """Unpacked, as far as it was read."""
    whole: bool = True
    """Whether that is all of it."""
    broken: str = ""
    """Why the rest didn't come, where it should have: the end of a sentence."""

    @property
    def kind(self) -> str | None:
        """The media type, in lower case."""
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        return kind if KIND.fullmatch(kind) else None


class Wire:
    """Connections to all hosts, kept open as long as they are of use. To be used in an ``async with``."""

    def __init__(self, settings: Settings, world: World) -> None:
        self._guard = Guard(allow_private=settings.allow_private, resolver=world.resolver, backend=world.backend)
        certificates = world.certificates or httpx2.create_ssl_context(trust_env=False)
        self._timeouts = {"connect": settings.connect, "read": settings.silence, "write": settings.silence}
        self._pools = {
            (multiplexed, number): httpcore2.AsyncConnectionPool(
                ssl_context=certificates,
                max_connections=None,
                max_keepalive_connections=IDLE,
                keepalive_expiry=15.0,
                # In HTTP/2, httpcore2 can't end the rest of a body without its connection, and so all other answers on it.
                http2=multiplexed,
                network_backend=self._guard,
            )
            for multiplexed in (False, True)
            for number in range(POOLS)
        }

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        for pool in self._pools.values():
            await pool.aclose()
        self._guard.close()

    async def ask(
        self, method: str, address: Address, headers: Sequence[tuple[str, str]], *, most: int, kinds: set[str], seconds: float
    ) -> Answer:
        """The answer to one request; redirects aren't followed. Raises Trouble where no status came in time.

        `most` bytes of a body are read where it is of one of these kinds, or where the status is an error.
        """
        request = httpcore2.Request(
            method,
            httpcore2.URL(scheme=address.scheme, host=address.host, port=address.port, target=address.target),
            headers=[("Host", address.authority), *headers],
            extensions={"timeout": self._timeouts},
        )
        pool = self._pools[method == "HEAD" and address.scheme == "https", zlib.crc32(address.host.encode()) % POOLS]
        answer: Answer | None = None
        try:
            async with asyncio.timeout(seconds):
                response = await pool.handle_async_request(request)
                reading = _Reading(response, method)
                answer = reading.answer
                return await reading.read(most, kinds)
        except TimeoutError as error:
            if answer is None:
                raise Trouble("timed out", "nothing is answered in time", passing=True) from error
            return reading.stopped("doesn't end in time")
        except ERRORS as error:
            trouble = explain(error)
            if answer is None:
                raise trouble from error
            return reading.stopped("doesn't go on" if trouble.failure == "timed out" else "breaks off")


class _Reading:
    """The body of an answer, as far as it has come."""

    def __init__(self, response: httpcore2.Response, method: str) -> None:
        self._response = response
        self._head = method == "HEAD"
        headers = [(name.lower().decode("latin-1"), _text(value)) for name, value in response.headers]
        self.answer = Answer(response.status, dict(headers), [value for name, value in headers if name == "set-cookie"])
        self._content = bytearray()
        self._packed = self.answer.headers.get("content-encoding", "").strip().lower()
        self._unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)

    async def read(self, most: int, kinds: set[str]) -> Answer:
        """As much of it as is wanted. What goes wrong on the way comes as the connection's error."""
        whole = False
        try:
            if self._head or self.answer.status in NO_BODY:
                await self._drain()
                whole = True
            elif self.answer.status >= 300 or self._of(kinds):
                whole = await self._fill(most)
            elif self._left() <= SMALL:
                await self._drain()
                whole = True
        finally:
            await self._response.aclose()  # which closes the connection where there is more to come
        return self._made(whole=whole and self._complete())

    def stopped(self, broken: str) -> Answer:
        """What there is, after the rest didn't come."""
        return self._made(whole=False, broken=broken)

    def _made(self, *, whole: bool, broken: str = "") -> Answer:
        made = self.answer
        return Answer(made.status, made.headers, made.cookies, bytes(self._content), whole, broken)

    def _of(self, kinds: set[str]) -> bool:
        return 200 <= self.answer.status < 300 and (self.answer.kind is None or self.answer.kind in kinds)

    def _complete(self) -> bool:
        """Whether what ended is the whole page: a server may send as much as was asked for, or break off what it packed."""
        if self._packed in GZIP and not self._unpacker.eof:
            return False
        part = PART.fullmatch(self.answer.headers.get("content-range", ""))
        return self.answer.status != 206 or (part is not None and int(part[1]) + 1 >= int(part[2]))

    def _left(self) -> float:
        length = self.answer.headers.get("content-length", "")
        return int(length) if length.isdecimal() and len(length) < 20 else float("inf")

    async def _drain(self) -> None:
        async for _ in self._response.stream:
            pass

    async def _fill(self, most: int) -> bool:
        """Reads and unpacks; whether the end was reached."""
        came = 0
        async for packed in self._response.stream:
            came += len(packed)
            rest = packed
            while rest and len(self._content) < most:
                piece, rest = self._unpack(rest)
                self._content += piece
            if came >= most or len(self._content) >= most:
                del self._content[most:]
                return False
        return True

    def _unpack(self, packed: bytes) -> tuple[bytes, bytes]:
        """Some unpacked bytes, and the packed rest. Raises zlib.error, or ValueError for what wasn't asked for."""
        if self._packed in {"", "identity"}:
            return packed, b""
        if self._packed not in GZIP:
            raise ValueError("packed in a way that wasn't asked for")
        return self._unpacker.decompress(packed, PIECE), self._unpacker.unconsumed_tail


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")
