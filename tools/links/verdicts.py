"""What is made of a look at an address, in the light of what the ledger remembers of it. Pure: the day is an argument.

One bad day is never "dead": what is gone has to be found gone `LOOKS` times on different days, over `DAYS` days at least. What
can't work as it is written (a certificate, a fragment) is broken at once where it never worked; where it did, it gets as long
to be mended. So does, always, what leads to a host that is never asked: it may be the checker's own network that leads there.
What says nothing of the address (a time-out, a server's error) neither counts nor resets the count; another kind of failure
begins it anew.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import urlsplit

from tools.canonical import arxiv_page, by_https, resolved_doi
from tools.links.addresses import parse
from tools.links.guard import why_not
from tools.links.model import BAD, Finding, Observation, Row, Target, Verdict
from tools.links.redirects import redirected, same_page, wants_login
from tools.links.titles import names_another
from tools.links.troubles import Trouble

LOOKS, DAYS = 3, 7
GONE = (404, 410)
WALLS = (202, 401, 402, 403, 406, 407, 418, 429, 451, 999)
"""What servers answer to a program, or to one without a login: 202 comes with a puzzle for browsers, 999 is LinkedIn's."""
NEVER_ASKED = ("malformed", "forbidden")
FLAWS = ("certificate", "redirect loop")
SOFT_404, NO_FRAGMENT = "soft 404", "no fragment"
COUNTED = (*GONE, *FLAWS, *NEVER_ASKED, "no such name", SOFT_404, NO_FRAGMENT)
"""A row's status after a look that counted as a failure."""
DAYS_OF_A_ROW = ("first_seen", "checked", "last_ok", "failing_since")


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one look says by itself."""

    kind: Literal["ok", "moved", "wrong", "blocked", "broken", "gone", "flawed", "silent"]
    reason: str
    suggestion: str | None = None
    fixable: bool = False
    status: int | str | None = None


def judge(
    target: Target, observation: Observation, row: Row | None, today: datetime.date, *, twin: Observation | None = None
) -> tuple[Finding, Row]:
    """The finding, and the row that the ledger is to remember. `twin`: what the https address of an http one answered."""
    before = without_future(row or Row(url=target.url, first_seen=today), today)
    seen = _with_twin(target, before, observation, _seen(target, before, observation), twin)
    after = _remembered(before, seen, observation, today)
    if _is_retitled(target, before, observation):  # by the title of before it is known for the right paper the next time, too
        after = replace(after, title=before.title)
    verdict, reason = _concluded(before, after, seen, today)
    suggestion = seen.suggestion or (after.archive if verdict == "dead" else None)
    after = replace(after, verdict=verdict, moved_to=_moved_to(before, seen, verdict))
    return Finding(
        target=target, verdict=verdict, reason=reason, suggestion=suggestion, fixable=seen.fixable, observation=observation
    ), after


# ------------------------------------------------------------------------------------------------------------- one look


def _seen(target: Target, before: Row, look: Observation) -> _Seen:
    status = look.failure or look.status
    if look.failure in NEVER_ASKED and _is_never_asked(target.url):
        return _Seen("broken", look.reason, status=status)
    if look.wall or look.status in WALLS:
        return _Seen("blocked", look.reason, status=status)
    if look.status in GONE or look.failure == "no such name":
        return _Seen("gone", look.reason, status=status)
    if look.soft_404:
        return _Seen("gone", look.reason, status=SOFT_404)
    if look.failure in (*FLAWS, *NEVER_ASKED):
        return _Seen("flawed", look.reason, status=status)
    if look.failure or look.status is None or not 200 <= look.status < 300:
        return _Seen("silent", look.reason, status=status)
    return replace(_answered(target, before, look), status=NO_FRAGMENT if look.fragment is False else status)


def _is_never_asked(url: str) -> bool:
    """Whether an address says by itself that nobody will ask it, wherever names and redirects lead."""
    try:
        return why_not(parse(url).host) is not None
    except Trouble:
        return True
    except ValueError:  # its host is a name
        return False


def _answered(target: Target, before: Row, look: Observation) -> _Seen:
    if look.final and wants_login(target.url, look.final):
        return _Seen("blocked", f"leads to a login: {look.final}")
    if _is_another_paper(target, look.title, from_service=look.kind is None) and not _is_retitled(target, before, look):
        return _Seen("wrong", f'answers with another paper, "{look.title}"; expected "{target.title}"')
    if look.fragment is False:
        return _Seen("flawed", f'the page answers, but has no place called "{urlsplit(target.url).fragment}"')
    moved = redirected(target.url, look.final, permanent=look.permanent) if look.final else None
    if moved:
        return _Seen("moved", moved.reason, moved.suggestion, moved.fixable)
    return _Seen("ok", f"{look.reason}; its owner has closed it for changes" if look.archived else look.reason)


def _is_another_paper(target: Target, title: str | None, *, from_service: bool) -> bool:
    """A title from the service that gave out the identifier is the paper's; a page's may be its site's."""
    exact = from_service and bool(arxiv_page(target.url) or resolved_doi(target.url))
    return bool(target.title and title) and names_another(title, target.title, exact=exact)


def _is_retitled(target: Target, before: Row, look: Observation) -> bool:
    """Whether it is another title of the same paper: arXiv gives an id to one paper alone, and it was the right one before."""
    known = look.watch and before.title and not _is_another_paper(target, before.title, from_service=True)
    return bool(known) and _is_another_paper(target, look.title, from_service=True)


def _with_twin(target: Target, before: Row, look: Observation, seen: _Seen, twin: Observation | None) -> _Seen:
    """Where https answers as http does, or where http doesn't answer: the https address."""
    https = by_https(target.url)
    if twin is None or https is None or seen.kind in ("moved", "wrong", "broken"):
        return seen
    of_twin = _seen(replace(target, url=https), before, twin)
    if of_twin.kind != "ok" or (twin.final and not same_page(https, twin.final)):
        return seen
    alike = seen.kind != "ok" or look.title == twin.title
    more = "" if alike else f', but calls itself "{twin.title}" there'
    return _Seen("moved", f"the host answers by https too{more}", https, fixable=alike, status=of_twin.status)


# ---------------------------------------------------------------------------------------------------------- the history


def without_future(row: Row, today: datetime.date) -> Row:
    """The row with no look after today: a clock was ahead, and would stop all counting until its day has come."""
    days = {name: min(day, today) for name in DAYS_OF_A_ROW if (day := getattr(row, name))}
    return replace(row, **days)


def _remembered(row: Row, seen: _Seen, look: Observation, today: datetime.date) -> Row:
    """The row after a look, but for its verdict."""
    new = replace(row, checked=today, status=seen.status)
    if seen.kind in ("ok", "moved", "wrong"):
        new = replace(new, failures=0, failing_since=None, failing_by=None, title=look.title or row.title, archived=look.archived)
    if seen.kind in ("ok", "moved"):
        return replace(new, last_ok=today)
    return _counted(row, new, seen, today) if seen.kind in ("gone", "flawed") else new


def _counted(row: Row, new: Row, seen: _Seen, today: datetime.date) -> Row:
    """The row with one failure more: the first, where those before were of another kind."""
    by = "gone" if seen.kind == "gone" else str(seen.status)
    if row.failing_by not in (None, by):
        return replace(new, failures=1, failing_since=today, failing_by=by)
    if _counted_already(row, today):
        return new
    return replace(new, failures=row.failures + 1, failing_since=row.failing_since or today, failing_by=by)


def _counted_already(row: Row, today: datetime.date) -> bool:
    """Whether a failure of this day is in the count."""
    return row.failures > 0 and row.checked == today and row.status in COUNTED


def _concluded(before: Row, after: Row, seen: _Seen, today: datetime.date) -> tuple[Verdict, str]:
    if seen.kind in ("gone", "flawed"):
        return _of_a_failure(before, after, seen, today)
    if seen.kind == "silent":
        return _of_silence(before, seen)
    if seen.kind in ("ok", "moved") and before.verdict in BAD:
        return seen.kind, f"{seen.reason}; it is back: it was {before.verdict} on {before.checked}"
    return seen.kind, seen.reason


def _of_a_failure(before: Row, after: Row, seen: _Seen, today: datetime.date) -> tuple[Verdict, str]:
    bad: Verdict = "dead" if seen.kind == "gone" else "broken"
    if bad == "broken" and before.last_ok is None and seen.status not in NEVER_ASKED:
        return bad, seen.reason
    since = after.failing_since or today
    if after.failures >= LOOKS and (today - since).days >= DAYS:
        return bad, f"{seen.reason}, at {LOOKS} looks or more since {since}"
    due = max(since + datetime.timedelta(DAYS), today + datetime.timedelta(LOOKS - after.failures))
    return "unknown", f"{seen.reason}, first seen so on {since}; {bad} if still so on {due}"


def _of_silence(before: Row, seen: _Seen) -> tuple[Verdict, str]:
    if before.verdict == "dead":
        return "dead", f"{seen.reason}; nothing has come from it since it was found dead"
    if before.last_ok and before.checked and before.last_ok < before.checked:
        return "unknown", f"{seen.reason}; it last answered on {before.last_ok}"
    return "unknown", seen.reason


def _moved_to(before: Row, seen: _Seen, verdict: Verdict) -> str | None:
    if seen.kind in ("ok", "moved", "wrong"):
        return seen.suggestion
    return before.moved_to
