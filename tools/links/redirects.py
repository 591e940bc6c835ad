"""What a redirect says: that a page has another address now, or only that it is gone from this one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from urllib.parse import unquote, urlsplit, urlunsplit

PERSISTENT = ("doi.org", "arxiv.org", "hdl.handle.net", "purl.org", "w3id.org", "n2t.net", "identifiers.org")
"""Hosts whose addresses are made to stay, wherever they lead today."""
RENAMING = ("github.com",)
"""Hosts whose permanent redirects follow a renaming, and nothing else."""
LANGUAGE = r"(?:ar|ca|cs|da|de|el|en|es|fa|fi|fr|he|hi|hu|id|it|ja|ko|nl|no|pl|pt|ro|ru|sk|sv|th|tr|uk|vi|zh)(?:[-_][a-z]{2,4})?"
FRONT = re.compile(rf"/?(?:{LANGUAGE}(?:/|\Z))?(?:(?:index|home|default|main)(?:\.\w+)?/?)?", re.I)
"""Paths of a site's front pages, one for each language."""
PAGE = re.compile(r"\.(?:html?|php|aspx?|jsp)$")
"""What pages' names gain and lose. With .pdf or .zip, something else stands there."""
TELLING = re.compile(r"(?!(?:v\d+|[a-z]*(?:19|20)\d\d)\Z)\w*\d\w*")
"""A word that may be a page's number: not a version's or a year's, nor a conference's of that year."""
ALIKE = 0.75
ERROR = re.compile(r"(?:^|[/_.-])(?:40[34]|410|(?:page|file)?[-_]?not[-_]?found|error\w*|unavailable|gone)(?:[/_.-]|$)", re.I)
LOGIN = re.compile(
    r"(?:^|[/_.-])(?:log[-_]?in|log[-_]?on|sign[-_]?in|signon|sso|idp|shibboleth\w*|wayf|accounts)(?:[/_.-]|$)", re.I
)


@dataclass(frozen=True, slots=True)
class Moved:
    """What is made of a redirect that should be told."""

    reason: str
    suggestion: str | None = None
    fixable: bool = False


def redirected(url: str, final: str, *, permanent: bool) -> Moved | None:
    """What is to be told of an address that led to another one; None where nothing is.

    A program may put the new address in the place of the old one only where each redirect was permanent, the host is the same,
    its parent or its child, nothing was added to the query (a session, say) nor was it lost, and the page's name is still
    in the new address: sites send what they have lost to a search, too, or to a notice about cookies.
    """
    if same_page(url, final) or _host(url) in PERSISTENT:
        return None
    if lost := _lost(url, final):
        return Moved(f"leads to {lost}: {final}")
    if not permanent or (url.startswith("https:") and not final.startswith("https:")):
        return None
    suggestion = _with_fragment(final, urlsplit(url).fragment)
    why = _doubt(url, final)
    return Moved(f"moved for good to {suggestion}{why and f'; {why}, so look first'}", suggestion, fixable=not why)


def is_front(path: str) -> bool:
    """Whether a path is that of a site's front page."""
    return FRONT.fullmatch(path) is not None


def same_page(url: str, final: str) -> bool:
    """Whether two addresses are spellings of one, fragments apart."""
    return _spelled(url) == _spelled(final)


def wants_login(url: str, final: str) -> bool:
    """Whether an address that isn't a login's leads to one."""
    return _is_login(final) and not _is_login(url)


def _is_login(url: str) -> bool:
    parts = urlsplit(url)
    return bool(LOGIN.search(parts.path) or LOGIN.search(parts.hostname or ""))


def _lost(url: str, final: str) -> str | None:
    """Where the page was lost on the way."""
    path, end = urlsplit(url).path, urlsplit(final)
    if ERROR.search(end.path) and not ERROR.search(path):
        return "what looks like a page for errors"
    if is_front(end.path) and not end.query and not is_front(path) and not _names(path, end.hostname or ""):
        return "a front page, and the page itself may be gone"
    return None


def _names(path: str, host: str) -> bool:
    """Whether a front page's host is named by the path that led there: /projects/birds/ became birds.example.org."""
    return path.strip("/").rpartition("/")[2].lower() in host.split(".")


def _doubt(url: str, final: str) -> str:
    """Why the new address needs a person's look; empty where it doesn't."""
    one, other = _host(url), _host(final)
    if one != other and not one.endswith(f".{other}") and not other.endswith(f".{one}"):
        return "that is another host"
    if urlsplit(final).query and urlsplit(final).query != urlsplit(url).query:
        return "its query is another one"
    if urlsplit(url).query and not urlsplit(final).query:
        return "its query is lost"
    return "" if _keeps_name(url, final) else "its name is another one"


def _keeps_name(url: str, final: str) -> bool:
    """Whether the page's name, or one much like it, stands in the new address."""
    path, end = urlsplit(url).path, urlsplit(final)
    if is_front(path):
        return is_front(end.path)
    if _host(url) in RENAMING or _names(path, end.hostname or ""):
        return True
    name, others = _parts(path)[-1], _parts(end.path)
    return name in others or any(_alike(name, other) for other in others[-1:])


def _parts(path: str) -> list[str]:
    """A path's parts, without what a front page is called, and without the endings of pages."""
    parts = [PAGE.sub("", part) for part in unquote(path).lower().split("/") if part]
    return parts[:-1] if len(parts) > 1 and parts[-1] == "index" else parts


def _alike(one: str, other: str) -> bool:
    """Whether one is the other's name, newly spelled, or has its number."""
    numbers = [{word for word in re.split(r"[^a-z0-9]+", name) if TELLING.fullmatch(word)} for name in (one, other)]
    return bool(numbers[0] & numbers[1]) or SequenceMatcher(None, one, other, autojunk=False).ratio() >= ALIKE


def _with_fragment(final: str, fragment: str) -> str:
    parts = urlsplit(final)
    return urlunsplit(parts._replace(fragment=parts.fragment or fragment))


def _host(url: str) -> str:
    """The host, without www."""
    return (urlsplit(url).hostname or "").removeprefix("www.")


def _spelled(url: str) -> tuple[str, str, str, str]:
    parts = urlsplit(url)
    host = parts.netloc.lower().removesuffix({"https": ":443", "http": ":80"}.get(parts.scheme, ""))
    return parts.scheme, host.rpartition("@")[2] if "@" in host else host, unquote(parts.path) or "/", unquote(parts.query)
