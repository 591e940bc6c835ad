"""The one door to the network: who may be asked, how often, how long, how much, and what is said when it doesn't go well."""

from __future__ import annotations

import copy
import random
import re
import ssl
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self
from urllib.parse import urlencode, urljoin

import httpx2
import platformdirs
import tenacity

from tools.adding.pace import Pace
from tools.adding.record import NoAnswer, NotThere, Refusal
from tools.adding.services import host_of, service_of, without_query
from tools.adding.transfer import Limits, Response, Trouble, fetch
from tools.agent import user_agent
from tools.waiting import seconds_to_wait, span

TRIES = 4
PATIENCE = 60.0
"""The longest wait, in seconds, that a service may ask for."""
REDIRECTS = {301, 302, 303, 307, 308}
MOST_REDIRECTS = 5
BUSY = {429, 503}
GONE = {404, 410}
PACED = {"export.arxiv.org": ("arxiv", 3.0)}
"""Seconds between two requests, and the name under which they are counted. https://info.arxiv.org/help/api/tou.html"""
EMAIL = re.compile(r"[A-Za-z0-9._%+'-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}")
CHARSET = re.compile(r"charset\s*=\s*\"?([\w.:-]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    """What a service answered."""

    url: str
    """Where it was found, after redirects, without the query."""
    service: str
    """Who answered."""
    status: int
    kind: str
    """The media type, in lower case: text/html."""
    content: bytes
    charset: str
    """As the service names it, which can be wrong; utf-8 where it names none."""

    @property
    def text(self) -> str:
        """The content as text. What can't be read in the charset is shown as �."""
        try:
            return self.content.decode(self.charset, errors="replace")
        except LookupError:
            return self.content.decode("utf-8", errors="replace")


class _Busy(Trouble):
    """A service asks to come again later."""

    def __init__(self, what: str, wait: float | None) -> None:
        super().__init__(what, passing=True)
        self.wait = wait
        """Seconds, where it says so."""


class Web:
    """Asks the services of `tools.adding.services` and no one else. To be used in a ``with``."""

    def __init__(
        self,
        repository: str,
        *,
        email: str | None = None,
        mirror: str | None = None,
        folder: Path | None = None,
        limits: Limits | None = None,
        tell: Callable[[str], None] = lambda line: None,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        """The repository's address and the email go into the user agent.

        `mirror` is for tests: what is meant for https://HOST/PATH is asked at MIRROR/HOST/PATH. `folder` is where the time of the
        last request to arXiv is kept. `tell` is told of each wait, and of what is asked by whoever asks. Raises Refusal where the
        email address is none.
        """
        self.email = email
        self._mirror = mirror.rstrip("/") if mirror else None
        self._limits = limits or Limits()
        self.tell, self._sleep, self._now = tell, sleep, now
        self._tries = TRIES
        folder = folder or platformdirs.user_cache_path("finch-index")
        self._paces = {host: Pace(folder, name, seconds, sleep=sleep, now=now) for host, (name, seconds) in PACED.items()}
        self._client = httpx2.Client(
            headers={"User-Agent": _agent(repository, email)},
            limits=httpx2.Limits(max_keepalive_connections=0),  # each request has its own connection, which can be ended alone
            verify=_certificates(),
            trust_env=mirror is None,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._client.close()

    def once(self) -> Self:
        """The same door, for questions that aren't worth waiting for: one try each."""
        hasty = copy.copy(self)
        hasty._tries = 1
        return hasty

    def get(
        self,
        url: str,
        *,
        accept: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        statuses: Collection[int] = (200,),
    ) -> Answer:
        """What stands at an address. Other statuses than the usual 200 are answers too where they are named.

        `headers` go to the address's own host alone. Raises NotThere for 404 and 410, NoAnswer for all else that goes wrong,
        after several tries where another try may help, and Refusal for an address that isn't asked.
        """
        service = service_of(url)
        address = f"{url}?{urlencode(params)}" if params else url
        wanted = frozenset(statuses)
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self._tries),
            retry=tenacity.retry_if_exception(lambda error: isinstance(error, Trouble) and error.passing),
            wait=_wait,
            sleep=self._sleep,
            before_sleep=lambda state: self.tell(_said(service, state)),
            reraise=True,
        )
        try:
            return retrying(self._follow, address, {"Accept": accept, **(headers or {})}, wanted)
        except Trouble as trouble:
            tried = f" ({self._tries} tries)" if trouble.passing and self._tries > 1 else ""
            raise NoAnswer(f"{service} {trouble}{tried}: {without_query(url)}") from trouble

    def _follow(self, address: str, headers: Mapping[str, str], wanted: frozenset[int]) -> Answer:
        start = host_of(address)
        for _ in range(MOST_REDIRECTS + 1):
            response = self._ask(address, headers if host_of(address) == start else {"Accept": headers["Accept"]}, wanted)
            if response.status not in REDIRECTS:
                return self._answer(address, response, wanted)
            address = _target(address, response)
        raise Trouble(f"sends from one address to another more than {MOST_REDIRECTS} times", passing=False)

    def _ask(self, address: str, headers: Mapping[str, str], wanted: frozenset[int]) -> Response:
        place = address if self._mirror is None else address.replace("https:/", self._mirror, 1)
        pace = self._paces.get(host_of(address))
        if pace is None:
            return fetch(self._client, place, headers, self._limits, wanted)
        with pace.turn():
            return fetch(self._client, place, headers, self._limits, wanted)

    def _answer(self, address: str, response: Response, wanted: frozenset[int]) -> Answer:
        service, status = service_of(address), response.status
        if status in wanted:
            kind = response.headers.get("content-type", "")
            charset = CHARSET.search(kind)
            return Answer(
                url=without_query(address),
                service=service,
                status=status,
                kind=kind.split(";", 1)[0].strip().lower(),
                content=response.content,
                charset=charset[1] if charset else "utf-8",
            )
        if status in GONE:
            raise NotThere(f"{service} knows nothing at {without_query(address)} (status {status})")
        if status in BUSY:
            raise self._busy(response)
        raise Trouble(REFUSED.get(status, f"answers with status {status}"), passing=status >= 500)

    def _busy(self, response: Response) -> Trouble:
        wait = seconds_to_wait(response.headers.get("retry-after", ""), self._now())
        if wait is not None and wait > PATIENCE:
            return Trouble(f"is too busy and asks to wait {span(wait)}; try again then", passing=False)
        return _Busy(f"is too busy (status {response.status}); try again in some minutes", wait)


REFUSED = {
    401: "wants a key that is valid (status 401)",
    403: "refuses to answer a program (status 403)",
}


@cache
def _certificates() -> ssl.SSLContext:
    """Whom this machine trusts, read once."""
    return httpx2.create_ssl_context()


def _agent(repository: str, email: str | None) -> str:
    if email is not None and not EMAIL.fullmatch(email):
        raise Refusal(f"{email!r} isn't an email address; expected one such as name@example.org")
    return user_agent(repository, email)


def _target(address: str, response: Response) -> str:
    location = response.headers.get("location", "")
    try:
        target = urljoin(address, location)
        service_of(target)
    except (ValueError, Refusal) as error:
        raise Trouble(f"sends on to {without_query(location) or 'nowhere'}, which isn't asked", passing=False) from error
    return target


def _wait(state: tenacity.RetryCallState) -> float:
    trouble = state.outcome.exception() if state.outcome else None
    if isinstance(trouble, _Busy) and trouble.wait is not None:
        return trouble.wait
    return 2.0 ** (state.attempt_number - 1) + random.random()  # so that many who failed together don't come again together


def _said(service: str, state: tenacity.RetryCallState) -> str:
    trouble = state.outcome.exception() if state.outcome else None
    seconds = span(state.next_action.sleep if state.next_action else 0)
    if isinstance(trouble, _Busy) and trouble.wait is not None:
        return f"waiting {seconds}: {service} asks for it"
    return f"waiting {seconds}, then trying again: {service} {str(trouble).split(';')[0]}"
