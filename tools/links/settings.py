"""What a run of looks may take, and what tests put in place of the world."""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import httpcore2

from tools.links.guard import Resolver

PACES = {"export.arxiv.org": 3.0}
"""Seconds between two requests that a host asks for itself. https://info.arxiv.org/help/api/tou.html"""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How many, how often, how long, how much."""

    user_agent: str
    """Names the project and where it lives."""
    at_once: int = 32
    """Requests at once."""
    per_host: int = 2
    """Requests at once to one host."""
    delay: float = 0.5
    """Seconds between the starts of two requests to one host."""
    paces: Mapping[str, float] = field(default_factory=lambda: PACES)
    """The delay, where a host has another one."""
    tries: int = 3
    """Times that an address is asked where another try may help."""
    backoff: float = 1.0
    """Seconds before the second try; twice as many before each further one, and some by chance."""
    patience: float = 60.0
    """The longest rest, in seconds, that a host may ask for; one that asks for more isn't asked again."""
    strikes: int = 3
    """Addresses in a row that a host doesn't answer, or refuses for being busy, before it is left alone."""
    connect: float = 10.0
    """Seconds until there is a connection."""
    silence: float = 15.0
    """Seconds in which a server may send nothing."""
    whole: float = 40.0
    """Seconds of one look, all its requests together, without the waits between them."""
    most: int = 256 * 1024
    """Bytes of a page that are read, unpacked."""
    redirects: int = 10
    allow_private: bool = False
    """Whether private addresses may be asked: for tests."""
    services: bool = True
    """Whether arXiv ids, DOIs and GitHub's repositories are checked by their services."""
    github_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class World:
    """Clocks, chance, names and certificates."""

    now: Callable[[], float] = time.monotonic
    today: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    random: Callable[[], float] = random.random
    resolver: Resolver | None = None
    backend: httpcore2.AsyncNetworkBackend | None = None
    """Who makes connections to addresses; None: the system."""
    certificates: ssl.SSLContext | None = None
    """Whom to trust; None: whom the machine trusts."""
