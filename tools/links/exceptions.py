"""Which findings a person has said are to be left alone, and until when: `link_exceptions` of catalog.yaml."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import urlsplit

from tools.links.model import Finding, Target
from tools.manifest import LinkException


def excepted(finding: Finding, exceptions: Iterable[LinkException], today: datetime.date) -> str | None:
    """Why a finding is to be left alone; None where no exception holds (any more)."""
    for exception in exceptions:
        said = not exception.verdicts or finding.verdict in exception.verdicts
        if said and today <= exception.until and _speaks_of(exception, finding.target.url):
            return f"{exception.reason} (until {exception.until})"
    return None


def warnings(exceptions: Sequence[LinkException], targets: Iterable[Target], today: datetime.date) -> Iterator[str]:
    """What should be looked at: exceptions past their date, and those that speak of no address of the catalog."""
    urls = {target.url for target in targets}
    hosts = {_host(url) for url in urls}
    for index, exception in enumerate(exceptions):
        what = f"catalog.yaml: link_exceptions[{index}] ({exception.url or exception.host})"
        if today > exception.until:
            yield f"{what} held until {exception.until}; look again, and remove it or give it a new date"
        if exception.url not in urls and exception.host not in hosts:
            yield f"{what} speaks of no address of the catalog; remove it"


def _speaks_of(exception: LinkException, url: str) -> bool:
    return url == exception.url or (exception.host is not None and _host(url) == exception.host)


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # a bracket that was never closed: no address, so no host's
        return ""
