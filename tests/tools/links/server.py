"""A web of hosts that behave in every way, all on 127.0.0.1: names, public addresses, ports, certificates, and plays.

A play is what a host does when a path is asked for. Names resolve to public addresses, which the checker may ask; whoever connects to
one of them is led to this process, and an address that isn't known here is never connected to.
"""

from __future__ import annotations

import asyncio
import datetime
import socket
import ssl
import struct
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any

import h2.config
import h2.connection
import h2.events
import httpcore2
import trustme

from tools.links.settings import World


@dataclass(frozen=True)
class Request:
    method: str
    host: str
    target: str
    headers: dict[str, str]


class Connection:
    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self.sent: Callable[[int], None] = lambda count: None
        """Told how many bytes are sent."""

    async def send(self, data: bytes) -> None:
        self.sent(len(data))
        self._writer.write(data)
        await self._writer.drain()

    def reset(self) -> None:
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


Play = Callable[[Request, Connection], Awaitable[bool]]
"""What is done for a request; whether the connection can be used again."""


def answer(status: int = 200, body: bytes | str = b"", **headers: str) -> Play:
    """A proper answer. Headers are named with underscores: content_type."""
    content = body.encode() if isinstance(body, str) else body
    given = {"content_type": "text/plain", "content_length": str(len(content)), **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in given.items())
    start = f"HTTP/1.1 {status} Some Words\r\n{lines}\r\n".encode()

    async def play(request: Request, connection: Connection) -> bool:
        await connection.send(start if request.method == "HEAD" else start + content)
        return True

    return play


def page(body: str = "", title: str = "A page", status: int = 200, **headers: str) -> Play:
    """A page of HTML."""
    content = f"<!doctype html><html><head><title>{title}</title></head><body>{body}</body></html>"
    return answer(status, content, **{"content_type": "text/html; charset=utf-8", **headers})


def redirect(target: str, status: int = 302, **headers: str) -> Play:
    return answer(status, b"", location=target, **headers)


def by_method(head: Play, get: Play) -> Play:
    async def play(request: Request, connection: Connection) -> bool:
        return await (head if request.method == "HEAD" else get)(request, connection)

    return play


def with_cookie(cookie: str, play: Play, without: Play) -> Play:
    """One play for those who show a cookie, and one for those who don't."""

    async def either(request: Request, connection: Connection) -> bool:
        return await (play if request.headers.get("Cookie") == cookie else without)(request, connection)

    return either


def in_turn(*plays: Play) -> Play:
    """The first play for the first request, and so on; the last for all that follow."""
    left = list(plays)

    async def play(request: Request, connection: Connection) -> bool:
        return await (left.pop(0) if len(left) > 1 else left[0])(request, connection)

    return play


def raw(*pieces: bytes, pause: float = 0.0, then: str = "close") -> Play:
    """Bytes as they are, a pause before each but the first, and at the end: close, reset, hang, or (the last piece) forever."""

    async def play(request: Request, connection: Connection) -> bool:
        for index, piece in enumerate(pieces):
            await asyncio.sleep(pause if index else 0)
            await connection.send(piece)
        while then == "forever":
            await asyncio.sleep(pause)
            await connection.send(pieces[-1])
        if then == "hang":
            await asyncio.sleep(60)
        if then == "reset":
            connection.reset()
        return False

    return play


@dataclass
class Web:
    """Hosts by name, with their plays, and what was asked of them."""

    plays: dict[tuple[str, str], Play] = field(default_factory=dict)
    """By host and target."""
    asked: list[Request] = field(default_factory=list)
    sent: Counter[str] = field(default_factory=Counter)
    """Bytes by target."""
    connected: list[tuple[str, int]] = field(default_factory=list)
    """The addresses and ports that the checker connected to."""
    names: dict[str, list[str]] = field(default_factory=dict)
    routes: dict[tuple[str, int], int] = field(default_factory=dict)
    """The port of this machine that plays a public address and port."""
    authority: trustme.CA = field(default_factory=trustme.CA)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _servers: list[asyncio.Server] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        async def end() -> None:
            for server in self._servers:
                server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

        self._run(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def host(
        self, name: str, *, certificate: trustme.LeafCert | None = None, http2: bool = False, secret: ssl.SSLContext | None = None
    ) -> None:
        """Gives a name a public address, at which it is played by http and, with a certificate of its own, by https."""
        address = f"93.184.215.{len(self.names) + 1}"
        self.names[name] = [address]
        self.routes[address, 80] = self._run(self._listen(None))
        if secret is None:
            secret = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            (certificate or self.authority.issue_cert(name)).configure_cert(secret)
        secret.set_alpn_protocols(["h2", "http/1.1"] if http2 else ["http/1.1"])
        self.routes[address, 443] = self._run(self._listen(secret))

    def banner(self, name: str, data: bytes) -> None:
        """Lets what listens for https at a host say something at once, which isn't TLS."""

        async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(data)
            await reader.read(1000)
            writer.close()

        async def listen() -> int:
            self._servers.append(server := await asyncio.start_server(say, "127.0.0.1", 0))
            return server.sockets[0].getsockname()[1]

        self.routes[self.names[name][0], 443] = self._run(listen())

    def world(self, **changes: Any) -> World:
        """What the checker is given instead of the world."""
        trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.authority.configure_trust(trusted)
        return World(**{"resolver": self.resolve, "backend": _Routes(self), "certificates": trusted, **changes})

    async def resolve(self, name: str, port: int) -> list[str]:
        if name not in self.names:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return self.names[name]

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self, secret: ssl.SSLContext | None) -> int:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            self._tasks.add(task)
            try:
                spoken = writer.get_extra_info("ssl_object") and writer.get_extra_info("ssl_object").selected_alpn_protocol()
                await (self._serve_http2 if spoken == "h2" else self._serve)(reader, writer)
            except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                return  # the other side has gone, as it may
            finally:
                self._tasks.discard(task)
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=secret)
        self._servers.append(server)
        return server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        again = True
        while again:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, target, _ = head[0].split(" ")
            headers = dict(line.split(": ", 1) for line in head[1:] if line)
            request = Request(method, headers["Host"], target, headers)
            again = await self._play(request, Connection(writer))

    async def _play(self, request: Request, connection: Connection) -> bool:
        self.asked.append(request)
        play = self.plays.get((request.host, request.target), answer(404, "nothing here"))
        connection.sent = lambda count: self.sent.update({request.target: count})
        return await play(request, connection)

    async def _serve_http2(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Enough of HTTP/2 to answer one stream after the other with what a play says in HTTP/1.1."""
        state = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        state.initiate_connection()
        writer.write(state.data_to_send())
        while data := await reader.read(65536):
            for event in state.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    await self._answer_stream(state, event)
            writer.write(state.data_to_send())
            await writer.drain()

    async def _answer_stream(self, state: h2.connection.H2Connection, event: h2.events.RequestReceived) -> None:
        headers = dict(event.headers)
        request = Request(headers[":method"], headers[":authority"], headers[":path"], headers)
        kept = _Kept()
        await self._play(request, kept)
        head, _, body = bytes(kept.data).partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        fields = [(name.lower(), value) for name, value in (line.split(": ", 1) for line in lines[1:])]
        state.send_headers(event.stream_id, [(":status", lines[0].split()[1]), *fields], end_stream=not body)
        if body:
            state.send_data(event.stream_id, body, end_stream=True)


class _Kept(Connection):
    def __init__(self) -> None:
        self.data = bytearray()

    async def send(self, data: bytes) -> None:
        self.data += data


class _Routes(httpcore2.AsyncNetworkBackend):
    """Leads from public addresses to this process."""

    def __init__(self, web: Web) -> None:
        self._web, self._real = web, httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        self._web.connected.append((host, port))
        if (host, port) not in self._web.routes:
            raise httpcore2.ConnectTimeout(f"nobody plays {host}:{port}")
        return await self._real.connect_tcp("127.0.0.1", self._web.routes[host, port], timeout)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def expired(authority: trustme.CA, name: str) -> trustme.LeafCert:
    return authority.issue_cert(name, not_after=datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1))


def self_signed(name: str) -> ssl.SSLContext:
    """The certificate of an authority that nobody knows, used as a server's own."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with authority.cert_pem.tempfile() as certificate, authority.private_key_pem.tempfile() as key:
        context.load_cert_chain(certificate, key)
    return context


def closed_port() -> int:
    """A port at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
