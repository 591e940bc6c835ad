"""Services that misbehave on demand: a local server that plays all of them, and a `Web` that asks it in their place.

    def test_something(services, web):
        services.serve("api.crossref.org", "/works/10.5555/1", status=503, times=2)      # twice, then
        services.serve("api.crossref.org", "/works/10.5555/1", {"message": {…}})         # for ever
        …
        assert len(services.requests) == 3

`services.address` is what the command's ``--mirror`` takes: what is meant for https://HOST/PATH is asked there, at /HOST/PATH.
A request that nothing was served for fails the test.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from tools.adding.transfer import Limits
from tools.adding.web import Web

RESPONSES = Path(__file__).parents[2] / "data" / "responses"
KINDS = {".json": "application/json", ".xml": "application/atom+xml; charset=utf-8", ".html": "text/html; charset=utf-8"}
REPOSITORY = "https://example.org/birds"


@dataclass
class Reply:
    """One answer, and how it goes wrong."""

    content: bytes
    status: int
    headers: dict[str, str | None]
    delay: float
    drip: float
    cut: int | None
    times: int | None
    query: dict[str, str] | None


@dataclass(frozen=True)
class Asked:
    """One request that came."""

    host: str
    path: str
    """As it came, percent-encoded."""
    query: dict[str, str]
    headers: dict[str, str]
    """By name in lower case."""


@dataclass
class Services:
    """What the server answers, and what it was asked."""

    address: str = ""
    requests: list[Asked] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    answers: dict[tuple[str, str], list[Reply]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def serve(
        self,
        host: str,
        path: str,
        content: bytes | str | dict[str, Any] | list[Any] | Path = b"",
        *,
        status: int = 200,
        headers: dict[str, str | None] | None = None,
        delay: float = 0,
        drip: float = 0,
        cut: int | None = None,
        times: int | None = None,
    ) -> None:
        """Answers requests for a host's path, after what was served for it before.

        `content` is bytes, text, what becomes JSON, or a file below tests/data/responses. A query in the path has to be the
        request's; without one any will do; a ? that belongs to the path is written %3F. `times` is how often it is answered, None
        for ever. `delay` is the seconds before the answer, `drip` those before each byte, `cut` the number of bytes after which
        the connection is closed. A header that is None isn't sent.
        """
        path, _, query = path.partition("?")
        kind = KINDS.get(content.suffix, "text/plain") if isinstance(content, Path) else None
        if isinstance(content, dict | list):
            content, kind = json.dumps(content), KINDS[".json"]
        if isinstance(content, Path):
            content = (RESPONSES / content).read_bytes()
        content = content.encode() if isinstance(content, str) else content
        headers = {"Content-Type": kind or "text/html; charset=utf-8"} | (headers or {})
        reply = Reply(content, status, headers, delay, drip, cut, times, dict(parse_qsl(query)) if query else None)
        self.answers.setdefault((host, unquote(path)), []).append(reply)

    def next_reply(self, asked: Asked) -> Reply | None:
        with self.lock:
            self.requests.append(asked)
            for reply in self.answers.get((asked.host, unquote(asked.path)), []):
                if reply.times != 0 and reply.query in (None, asked.query):
                    reply.times = None if reply.times is None else reply.times - 1
                    return reply
            self.unexpected.append(f"{asked.host}{asked.path} {asked.query}")
            return None


class Handler(BaseHTTPRequestHandler):
    """Answers /HOST/PATH."""

    services: Services

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        host, _, path = parts.path.removeprefix("/").partition("/")
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.services.next_reply(Asked(host, f"/{path}", dict(parse_qsl(parts.query)), headers))
        try:
            self.answer(reply or Reply(b"nothing was served for this", 404, {}, 0, 0, None, None, None))
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client had enough, which is what some tests are about

    def answer(self, reply: Reply) -> None:
        time.sleep(reply.delay)
        self.send_response(reply.status)
        for name, value in ({"Content-Length": str(len(reply.content))} | reply.headers).items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        content = reply.content[: reply.cut]
        if not reply.drip:
            self.wfile.write(content)
        for index in range(len(content) if reply.drip else 0):
            time.sleep(reply.drip)
            self.wfile.write(content[index : index + 1])
            self.wfile.flush()

    def log_message(self, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """Doesn't wait at its end for answers that still drip."""

    daemon_threads = True
    block_on_close = False


@pytest.fixture
def services() -> Iterator[Services]:
    """All services, played by one server. A request that nothing was served for fails the test."""
    playing = Services()
    handler = type("OneTestsHandler", (Handler,), {"services": playing})
    with Server(("127.0.0.1", 0), handler) as server:
        playing.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield playing
        server.shutdown()
        thread.join()
    assert playing.unexpected == []


@pytest.fixture
def waits() -> list[float]:
    """The seconds that the `web` fixture was asked to sleep; nobody sleeps them."""
    return []


@pytest.fixture
def said() -> list[str]:
    """What the `web` fixture told the user."""
    return []


@pytest.fixture
def new_web(services: Services, tmp_path: Path, waits: list[float], said: list[str]) -> Iterator[Callable[..., Web]]:
    """Makes a `Web` that asks the local server and waits for nothing; its settings can be changed."""
    opened: list[Web] = []

    def make(repository: str = REPOSITORY, **settings: Any) -> Web:
        usual = {"mirror": services.address, "folder": tmp_path / "cache", "sleep": waits.append, "tell": said.append}
        opened.append(Web(repository, **usual | {"limits": Limits(connect=2, silence=5, whole=10)} | settings))
        return opened[-1]

    yield make
    for web in opened:
        web.__exit__()


@pytest.fixture
def web(new_web: Callable[..., Web]) -> Web:
    """A `Web` with the usual settings, but for the waits."""
    return new_web()
