"""The nearest copies at the Internet Archive, for what isn't to be had any more.

https://archive.org/help/wayback_api.php
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from urllib.parse import quote

from tools.links.asking import Asker
from tools.links.identity import JSON, address_in, as_json, fetch
from tools.links.settings import Settings, World

SERVICE = "https://archive.org/wayback/available?url="
COPIES = ("http://web.archive.org/web/", "https://web.archive.org/web/")


async def nearest_copies(urls: Iterable[str], settings: Settings, world: World | None = None) -> dict[str, str]:
    """The address of the nearest copy of each address that has one. Where the archive doesn't answer, nothing is known.

    What is none, or is never asked, isn't told to the archive either: it may hold a password.
    """
    async with Asker(settings, world) as asker:
        asked = [url for url in dict.fromkeys(urls) if address_in(url)]
        found = await asyncio.gather(*(_copy(asker, url) for url in asked))
    return {url: copy for url, copy in zip(asked, found, strict=True) if copy}


async def _copy(asker: Asker, url: str) -> str | None:
    said = as_json(await fetch(asker, f"{SERVICE}{quote(url, safe='')}", "application/json", JSON))
    snapshots = said.get("archived_snapshots")
    closest = snapshots.get("closest") if isinstance(snapshots, dict) else None
    copy = address_in(closest.get("url")) if isinstance(closest, dict) and closest.get("available") is True else None
    if not copy or not copy.startswith(COPIES) or str(closest.get("status", "200")) != "200":
        return None
    return copy.replace("http://", "https://", 1)
