"""The parts of an address, and which are none, or are never asked whatever stands behind them."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import quote, urljoin, urlsplit

import idna

from tools.links.troubles import Trouble

LONGEST = 8000
"""Characters; servers refuse longer ones."""
UNFIT = re.compile(r'[\x00-\x20\x7f\\<>"\ud800-\udfff]')
"""The last are halves of characters, as JSON may have them: they can't be written anywhere."""
NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
NAME = re.compile(r"(?!.{254})[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_][a-z0-9_-]{0,62})*")
NUMERIC = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
"""What resolvers take for an address in one of its old forms: 2130706433, 0x7f.1, 127.1."""
SCHEMES = {"http": 80, "https": 443}


class Address(NamedTuple):
    """An address that may be asked, as far as its words tell."""

    scheme: str
    host: str
    """As it is asked for: in ASCII and lower case, without brackets and without a last dot."""
    port: int | None
    target: str
    """Path and query, percent-encoding as it was written."""
    fragment: str

    @property
    def authority(self) -> str:
        """Host and port, as they stand in an address."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    @property
    def page(self) -> str:
        """The address without its fragment."""
        return f"{self.scheme}://{self.authority}{self.target}"


def parse(url: str) -> Address:
    """The parts of an address. Raises Trouble: malformed, or forbidden."""
    if len(url) > LONGEST:
        raise _malformed(f"it is longer than {LONGEST} characters")
    if found := UNFIT.search(url):
        raise _malformed(f"the character {found[0]!a} can't stand in one")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _malformed(str(error)) from error
    _check(parts.scheme, parts.netloc, port)
    target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
    return Address(
        scheme=parts.scheme,
        host=_host(parts.hostname or ""),
        port=None if port == SCHEMES[parts.scheme] else port,
        target=NOT_ASCII.sub(lambda found: quote(found[0]), target),
        fragment=NOT_ASCII.sub(lambda found: quote(found[0]), parts.fragment),
    )


def follow(base: Address, location: str) -> Address:
    """Where a redirect leads. Raises Trouble.

    Servers write blanks and umlauts into the header; as in browsers, these are encoded rather than refused.
    """
    try:
        return parse(urljoin(base.page, UNFIT.sub(lambda found: quote(found[0]), location.strip())))
    except ValueError as error:
        raise _malformed(str(error)) from error


def _check(scheme: str, authority: str, port: int | None) -> None:
    if not scheme:
        raise _malformed("it doesn't begin with https://")
    if scheme not in SCHEMES:
        raise Trouble("forbidden", f"{scheme}: addresses are never asked, only http and https")
    if "@" in authority:
        raise _malformed("it holds a name or a password before the host")
    # Below 1024 stand mail, login and file servers, which can be made to read an HTTP request as orders of their own.
    if port is not None and port < 1024 and port not in SCHEMES.values():
        raise Trouble("forbidden", f"port {port} is never asked: below 1024 only 80 and 443 are for the web")


def _host(name: str) -> str:
    try:
        if ":" in name:
            return str(ipaddress.IPv6Address(name))
        host = (name if name.isascii() else idna.encode(name, uts46=True).decode("ascii")).removesuffix(".")
        if NUMERIC.fullmatch(host):
            return str(ipaddress.IPv4Address(host))
    except (ValueError, idna.IDNAError) as error:
        raise _malformed(f"its host {name!a} is neither a name nor an address") from error
    if not NAME.fullmatch(host):
        raise _malformed(f"its host {name!a} isn't a name" if host else "it has no host")
    return host


def _malformed(why: str) -> Trouble:
    return Trouble("malformed", f"isn't an address: {why}")
