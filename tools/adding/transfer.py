"""One request, and no more than it may take: so many seconds, so many bytes. What went wrong comes as `Trouble`."""

from __future__ import annotations

import socket
import ssl
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

ENCODINGS = "gzip, identity"
"""What `unpacked` can unpack: nothing else is asked for."""
PIECE = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much one request may take."""

    connect: float = 10.0
    """Seconds until there is a connection."""
    silence: float = 20.0
    """Seconds in which a service may send nothing."""
    whole: float = 40.0
    """Seconds from the request's start to the answer's last byte, however steadily it drips."""
    size: int = 5_000_000
    """Bytes of an answer, unpacked."""


@dataclass(frozen=True)
class Response:
    """What came, as it came."""

    status: int
    headers: Mapping[str, str]
    """By name in lower case."""
    content: bytes
    """Unpacked; empty unless the status was one whose content is wanted."""


class Trouble(Exception):
    """Why there is no answer: the end of a sentence that begins with the service's name."""

    def __init__(self, what: str, *, passing: bool) -> None:
        super().__init__(what)
        self.passing = passing
        """Whether the same request may go well a moment later."""


def fetch(client: httpx2.Client, address: str, headers: Mapping[str, str], limits: Limits, wanted: frozenset[int]) -> Response:
    """One answer to one GET; redirects aren't followed. Raises Trouble."""
    timeout = httpx2.Timeout(limits.silence, connect=limits.connect)
    headers = {"Accept-Encoding": ENCODINGS, **headers}
    with _deadline(limits.whole) as deadline:
        try:
            request = client.build_request("GET", address, headers=headers, timeout=timeout, extensions={"trace": deadline.watch})
            response = client.send(request, stream=True)
            try:
                return _read(response, limits.size, wanted)
            finally:
                response.close()
                deadline.check(limits.whole)
        except httpx2.HTTPError as error:
            deadline.check(limits.whole)
            raise explain(error, limits) from error
        except httpx2.InvalidURL as error:
            raise Trouble(f"was asked at an address that is none: {error}", passing=False) from error


def unpacked(parts: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """What was packed with gzip, in small pieces, so that no more is unpacked than is looked at. Raises Trouble."""
    if encoding in {"", "identity"}:
        yield from parts
        return
    if encoding not in {"gzip", "x-gzip"}:
        raise Trouble(f"answers something packed as {encoding[:20]}, which wasn't asked for", passing=False)
    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        for part in parts:
            rest = part
            while rest:
                yield unpacker.decompress(rest, PIECE)
                rest = unpacker.unconsumed_tail
        yield unpacker.flush()
    except zlib.error as error:
        raise Trouble("answers something that can't be unpacked", passing=False) from error
    if not unpacker.eof:
        raise Trouble("breaks off in the middle of its answer", passing=True)


def explain(error: httpx2.HTTPError, limits: Limits) -> Trouble:
    """What an error of the connection means."""
    causes = list(_causes(error))
    for kind, what, passing in REASONS:
        if any(isinstance(cause, kind) for cause in causes):
            return Trouble(what.format(limits=limits), passing=passing)
    return Trouble(f"can't be asked: {error or type(error).__name__}", passing=isinstance(error, httpx2.NetworkError))


REASONS: list[tuple[type[BaseException], str, bool]] = [
    (socket.gaierror, "can't be reached: its host's address can't be found (no network?)", False),
    (ssl.SSLCertVerificationError, "can't be reached: its certificate isn't one that this machine trusts", False),
    (ssl.SSLError, "can't be reached: no secure connection comes about", False),
    (ConnectionRefusedError, "can't be reached: the connection is refused", True),
    (httpx2.ConnectTimeout, "can't be reached: no connection within {limits.connect:g} seconds", True),
    (httpx2.TimeoutException, "doesn't answer: it said nothing for {limits.silence:g} seconds", True),
    (httpx2.ProxyError, "can't be reached: the proxy of this machine's settings doesn't let the request through", False),
    (httpx2.ConnectError, "can't be reached: no connection comes about (no network?)", True),
    (httpx2.RemoteProtocolError, "breaks off in the middle of its answer", True),
    (httpx2.ReadError, "breaks off in the middle of its answer", True),
]
"""By the error, or what it was caused by: the first that fits."""


def _read(response: httpx2.Response, size: int, wanted: frozenset[int]) -> Response:
    headers = {name.lower(): value for name, value in response.headers.items()}
    if response.status_code not in wanted:
        return Response(response.status_code, headers, b"")
    content = bytearray()
    for piece in unpacked(response.iter_raw(PIECE), headers.get("content-encoding", "").strip().lower()):
        content += piece
        if len(content) > size:
            raise Trouble(f"answers more than {size / 1e6:g} MB, far more than a paper's entry takes", passing=False)
    return Response(response.status_code, headers, bytes(content))


@dataclass
class _Deadline:
    """Ends a request from outside, whatever it waits for: time-outs alone don't end an answer that drips."""

    passed: threading.Event = field(default_factory=threading.Event)
    sockets: list[socket.socket] = field(default_factory=list)

    def watch(self, event: str, info: Mapping[str, Any]) -> None:
        """Remembers the connection as soon as there is one."""
        if event.endswith("connect_tcp.complete") and (found := info["return_value"].get_extra_info("socket")) is not None:
            self.sockets.append(found)
            if self.passed.is_set():
                self.end()

    def end(self) -> None:
        self.passed.set()
        for found in self.sockets:
            try:
                found.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # closed already: there is nothing left to end

    def check(self, seconds: float) -> None:
        if self.passed.is_set():
            raise Trouble(f"doesn't finish its answer within {seconds:g} seconds", passing=True)


@contextmanager
def _deadline(seconds: float) -> Iterator[_Deadline]:
    deadline = _Deadline()
    timer = threading.Timer(seconds, deadline.end)
    timer.daemon = True
    timer.start()
    try:
        yield deadline
    finally:
        timer.cancel()


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
