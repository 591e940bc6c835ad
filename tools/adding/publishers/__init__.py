"""Publishers' own pages, for what no service describes: CVF open access, ECVA, AAAI's proceedings and OpenReview."""

from __future__ import annotations

from tools.adding.publishers import aaai, cvf, ecva, openreview
from tools.adding.record import Record, Refusal
from tools.adding.services import host_of
from tools.adding.web import Web

PUBLISHERS = (cvf, ecva, aaai, openreview)


def can_read(url: str) -> str | None:
    """Whose page this is, in a word; None for one that can't be read."""
    return next((publisher.NAME for publisher in PUBLISHERS if host_of(url) in publisher.HOSTS), None)


def read(web: Web, url: str) -> Record:
    """What the page of a paper says, from the address of the page or of its PDF.

    Raises Refusal for an address that is no paper's, NotThere, NoAnswer.
    """
    for publisher in PUBLISHERS:
        if host_of(url) in publisher.HOSTS:
            return publisher.read(web, publisher.page_of(url))
    readable = ", ".join(publisher.NAME for publisher in PUBLISHERS)
    raise Refusal(f"{url} is no page that can be read; pages of {readable} can be")
