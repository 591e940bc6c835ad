"""The web that the looks are tried on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.tools.links.server import Web, closed_port, expired, self_signed
from tools.links.look import look_at_all
from tools.links.model import Observation
from tools.links.settings import Settings

QUICK = {"delay": 0.0, "tries": 2, "backoff": 0.01, "connect": 2.0, "silence": 0.8, "whole": 2.0, "most": 64 * 1024}


@pytest.fixture(scope="session")
def whole_web() -> Iterator[Web]:
    web = Web()
    web.start()
    for name in ("site.example", "other.example", "xn--bcher-kva.example", "ieeexplore.ieee.org", "github.com", "api.github.com"):
        web.host(name)
    for name in ("export.arxiv.org", "arxiv.org", "doi.org", "api.crossref.org"):
        web.host(name)
    web.host("two.example", http2=True)
    web.host("expired.example", certificate=expired(web.authority, "expired.example"))
    web.host("wrong.example", certificate=web.authority.issue_cert("right.example"))
    web.host("self.example", secret=self_signed("self.example"))
    web.host("refused.example")
    web.routes[web.names["refused.example"][0], 80] = closed_port()
    web.host("plain.example")
    web.banner("plain.example", b"HTTP/1.1 400 Bad Request\r\n\r\n")
    web.names["silent.example"] = ["93.184.216.1"]
    yield web
    web.stop()


@pytest.fixture
def web(whole_web: Web) -> Web:
    """The web, with nothing played and nothing asked yet."""
    for kept in (whole_web.plays, whole_web.asked, whole_web.sent, whole_web.connected):
        kept.clear()
    return whole_web


@pytest.fixture
def look(web: Web) -> Callable[..., dict[str, Observation]]:
    """What is found at some addresses, by address."""

    def look(
        *urls: str, read: set[str] | None = None, world: dict[str, Any] | None = None, **settings: Any
    ) -> dict[str, Observation]:
        async def all_of_them() -> dict[str, Observation]:
            asked = Settings(**{"user_agent": "Finch-tests", **QUICK, **settings})
            found = [seen async for seen in look_at_all(urls, asked, read=read, world=web.world(**(world or {})))]
            assert len(found) == len(set(urls)), "each address has one observation"
            return {seen.url: seen for seen in found}

        return asyncio.run(all_of_them())

    return look
