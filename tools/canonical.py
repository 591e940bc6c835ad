"""The one spelling of what can be spelled in several ways: ids, addresses, characters. The rules and ``--fix`` share it."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Collection
from urllib.parse import unquote, urlsplit

from tools.schema import ARXIV_PATTERN

ARXIV_ID = re.compile(rf"(?P<id>{ARXIV_PATTERN.strip('^$')})(?:v\d+)?")
ARXIV_ADDRESS = re.compile(r"https?://(?:www\.|export\.)?arxiv\.org/[a-z]+/(?P<rest>[^?#]+?)(?:\.pdf)?/?(?:[?#].*)?")
DOI_PREFIX = re.compile(r"doi:\s*", re.IGNORECASE)
DOI_ADDRESS = re.compile(r"https?://(?:dx\.|www\.)?doi\.org/(?P<doi>[^?#]+)(?:[?#].*)?", re.IGNORECASE)
ARXIV_DOI = "10.48550/arxiv."

LONG_NUMBER = re.compile(r"&#\d{8,}+;?")
LIGATURES = {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
BLANKS = "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
INVISIBLE = "\u00ad\u200b\u200e\u200f\u2060\ufeff"
"""Not the joiners, which Persian and the scripts of India need."""
PLAIN_CHARACTERS = str.maketrans({**LIGATURES, **dict.fromkeys(BLANKS, " "), **dict.fromkeys(INVISIBLE, "")})


def arxiv_id(text: str) -> str | None:
    """An arXiv id without prefix, address and version; None where there is none: arXiv:2103.07976v3 is 2103.07976."""
    address = ARXIV_ADDRESS.fullmatch(text.strip())
    found = ARXIV_ID.fullmatch(address["rest"] if address else re.sub(r"^(?i:arxiv:)\s*", "", text.strip()))
    return found["id"] if found else None


def arxiv_page(url: str) -> str | None:
    """The abstract page that an address of arXiv's belongs to, whatever the version; None for other addresses."""
    address = ARXIV_ADDRESS.fullmatch(url)
    found = ARXIV_ID.fullmatch(address["rest"]) if address else None
    return f"https://arxiv.org/abs/{found['id']}" if found else None


def doi(text: str) -> str:
    """A DOI without the resolver's address, in which it is percent-encoded."""
    address = DOI_ADDRESS.fullmatch(text.strip())
    return unquote(address["doi"]) if address else DOI_PREFIX.sub("", text.strip(), count=1)


def resolved_doi(url: str) -> str | None:
    """The DOI that an address of the resolver's is for; None for other addresses."""
    return doi(url) if DOI_ADDRESS.fullmatch(url) else None


def host(url: str) -> str:
    """The host of an address, in lower case."""
    return urlsplit(url).netloc.lower()


def by_https(url: str) -> str | None:
    """The https address of an http one; None for other addresses."""
    return f"https{url[4:]}" if url.startswith("http://") else None


def https_twin(url: str, hosts: Collection[str]) -> str | None:
    """The https address of an http one on a host that is known to have https; else None."""
    twin = by_https(url)
    return twin if twin and host(url) in hosts else None


def folded(text: str) -> str:
    """Text as it is compared: in small letters and without accents, so that É is e."""
    if not text.isascii():
        text = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    return text.casefold()


def readable(source: str) -> str:
    """HTML's source with � for a character's number of many digits: there is no such character, and Python refuses to read it."""
    return LONG_NUMBER.sub("\ufffd", source)


def unescaped(source: str) -> str:
    """The text that HTML's source stands for."""
    return html.unescape(readable(source))


def characters(text: str) -> str:
    """Text in Unicode's composed form (NFC), without ligatures, invisible characters and blanks that are none."""
    return unicodedata.normalize("NFC", text.translate(PLAIN_CHARACTERS))
