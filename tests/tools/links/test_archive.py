"""Copies are asked for of what may be asked, and named where they are of use."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.tools.links.conftest import QUICK
from tests.tools.links.server import Web, answer
from tools.links.archive import nearest_copies
from tools.links.settings import Settings

LOST = "https://site.example/lost"
COPY = "http://web.archive.org/web/20250101000000/https://site.example/lost"
FOUND = {"available": True, "status": "200", "url": COPY}


def copies(web: Web, *urls: str) -> dict[str, str]:
    return asyncio.run(nearest_copies(urls, Settings(**{"user_agent": "Finch-tests", **QUICK}), web.world()))


def say(web: Web, closest: Any) -> None:
    said = json.dumps({"archived_snapshots": {"closest": closest}})
    web.plays["archive.org", f"/wayback/available?url={quote(LOST, safe='')}"] = answer(
        200, said, content_type="application/json"
    )


def test_the_nearest_copy_is_named_by_its_https_address(web):
    say(web, FOUND)
    assert copies(web, LOST, LOST) == {LOST: COPY.replace("http:", "https:", 1)}
    assert len(web.asked) == 1


@pytest.mark.parametrize(
    "closest",
    [
        None,
        [],
        {},
        FOUND | {"available": False},
        FOUND | {"status": "404"},
        FOUND | {"status": 301},
        FOUND | {"url": [COPY]},
        FOUND | {"url": "https://other.example/"},
        FOUND | {"url": f"{COPY}\ud800"},
        FOUND | {"url": f"{COPY} and more"},
    ],
)
def test_no_copy_is_named_that_is_of_no_use(web, closest):
    say(web, closest)
    assert copies(web, LOST) == {}
    assert len(web.asked) == 1


@pytest.mark.parametrize(
    "url", ["https://user:secret@site.example/", "ftp://site.example/", "http://[bad", "site.example:22/", "a b"]
)
def test_what_is_never_asked_isnt_told_to_the_archive(web, url):
    assert copies(web, url) == {}
    assert web.asked == []
