"""Who is asked: the hosts that may be asked, and what people call the services behind them."""

from __future__ import annotations

from tools.adding.record import Refusal
from tools.canonical import host

SERVICES = {
    "export.arxiv.org": "arXiv",
    "api.crossref.org": "Crossref",
    "api.openalex.org": "OpenAlex",
    "api.semanticscholar.org": "Semantic Scholar",
    "openaccess.thecvf.com": "CVF",
    "www.ecva.net": "ECVA",
    "ojs.aaai.org": "AAAI",
    "openreview.net": "OpenReview",
    "api2.openreview.net": "OpenReview",
    "api.openreview.net": "OpenReview",
}
"""Service by host. No other host is asked, not even where one of these sends there."""


def service_of(address: str) -> str:
    """What people call the service that an address belongs to. Raises Refusal for an address that isn't asked."""
    if address.lower().startswith("https://") and host_of(address) in SERVICES:
        return SERVICES[host_of(address)]
    known = ", ".join(sorted(SERVICES))
    raise Refusal(f"{without_query(address)} isn't asked: only https addresses of {known} are")


def host_of(address: str) -> str:
    """The host of an address, with what stands beside it (a user's name, a port); nothing for what is no address."""
    try:
        return host(address)
    except ValueError:
        return ""


def without_query(address: str) -> str:
    """An address as messages show it: what follows the path may hold a key or an email address."""
    return address.split("?", 1)[0].split("#", 1)[0]
