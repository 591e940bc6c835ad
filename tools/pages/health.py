"""Link health: what was last seen of the catalog's addresses, and marks beside those that readers should be warned of.

All of it comes from the ledger, dates too: no clock is read. What the ledger doesn't know isn't shown.
"""

from __future__ import annotations

import datetime
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from tools.canonical import by_https
from tools.catalog import Catalog
from tools.links.collect import IDS, NOT_LINKS, QUOTED, addresses
from tools.links.exceptions import excepted
from tools.links.model import BAD, MEANINGS, STATUSES, VERDICTS, Finding, Row, Target, Verdict
from tools.pages.addresses import Page
from tools.pages.paging import entry_address, grouped, paged, starts
from tools.pages.parts import shown_name

Ledger = Mapping[str, Row]
"""What is remembered of each address, as `tools.links.ledger` reads it."""
NOT_CHECKED: Ledger = {}
Holders = dict[str, list[tuple[str, str] | None]]
"""By address, the kind and id of the entries in which it stands; None: catalog.yaml."""

LISTED: tuple[Verdict, ...] = (*BAD, "moved", "blocked", "unknown")
"""What the page lists, and in which order."""
IN_SHORT: tuple[Verdict, ...] = ("blocked", "unknown")
"""Of these there is nothing to put right yet."""
NAMED = 3
"""How many of an address's entries are named."""
ARCHIVED = "Its owner has closed this repository for changes."
COPY = re.compile(r"https?://web\.archive\.org/\S+")
UNREAD = {QUOTED, *NOT_LINKS}


@dataclass(frozen=True)
class Mark:
    """What a reader should know of a link: a verdict or "archived", what that means, and where there is a copy."""

    id: str
    meaning: str
    saved: str | None

    @property
    def bad(self) -> bool:
        """Whether what should stand there doesn't."""
        return self.id in BAD


def marks(catalog: Catalog, ledger: Ledger) -> dict[str, Mark]:
    """The marks by their addresses; none for what a person has said is to be left alone."""
    found = ((url, _mark(row)) for url, row in ledger.items() if row.checked and not _left_alone(catalog, row))
    return {url: mark for url, mark in found if mark}


def link_health(catalog: Catalog, ledger: Ledger) -> Iterator[Page]:
    """How the catalog's addresses are: how many have which verdict, and those of which there is something to tell."""
    standing = holders(catalog)
    seen = [row for url in sorted(standing) if (row := ledger.get(url)) and row.checked]
    counts = Counter(map(_verdict, seen))
    shown = sorted((row for row in seen if row.verdict in LISTED), key=lambda row: LISTED.index(row.verdict))
    parts = paged("links.md", shown)
    at = starts(parts, _verdict)
    for part in parts:
        data = {
            "meta": part.meta(
                "Link health", "Which of the catalog's addresses still lead where they should.", hide=["navigation", "toc"]
            ),
            "part": part,
            "count": len(standing),
            "seen": len(seen),
            "days": _days(seen),
            "verdicts": [(verdict, counts[verdict], MEANINGS[verdict], at.get(verdict)) for verdict in VERDICTS],
            "archived": sum(row.archived for row in seen),
            "groups": [
                (verdict, verdict in IN_SHORT, [_shown(catalog, row, standing[row.url]) for row in rows])
                for verdict, rows in grouped(part.items, _verdict)
            ],
        }
        yield part.path, "links.md.j2", data


# ------------------------------------------------------------------------------------------------ the catalog's addresses


def holders(catalog: Catalog) -> Holders:
    """Every address of the catalog, as `tools.links.collect` finds them in its files."""
    found: Holders = defaultdict(list)
    for url in _addresses(catalog.manifest):
        found[url].append(None)
    for kind, entry_id, entry in catalog.entries():
        for url in _addresses(entry):
            found[url].append((kind, entry_id))
    return found


def _addresses(model: BaseModel) -> dict[str, None]:
    """The addresses of an entry, each once, those of its ids first."""
    ids = getattr(model, "ids", None)
    stated = ((form, getattr(ids, field.removeprefix("ids."), None)) for field, form in IDS.items())
    found = dict.fromkeys(form(value) for form, value in stated if value)
    return found | dict.fromkeys(url for text in _texts(model) for url in addresses(text))


def _texts(value: object) -> Iterator[str]:
    """The texts that may have an address in them."""
    if isinstance(value, str):
        if "://" in value:
            yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, BaseModel | dict):
        for name, inner in value if isinstance(value, BaseModel) else value.items():
            if inner is not None and name not in UNREAD:
                yield from _texts(inner)


# ------------------------------------------------------------------------------------------------------- one of its rows


def _verdict(row: Row) -> Verdict:
    return row.verdict


def _days(rows: list[Row]) -> tuple[datetime.date, datetime.date] | None:
    """The days of the newest look, and of that which is longest ago."""
    days = [row.checked for row in rows if row.checked]
    return (max(days), min(days)) if days else None


def _mark(row: Row) -> Mark | None:
    if row.verdict in BAD:
        last = f" It was last seen right on {row.last_ok}." if row.last_ok else ""
        return Mark(row.verdict, MEANINGS[row.verdict] + last, _copy(row))
    if row.archived:
        return Mark("archived", ARCHIVED, None)
    if row.verdict == "moved" and not _is_by_https_too(row):
        return Mark("moved", f"It leads elsewhere now{f': {_line(row.moved_to)}' if row.moved_to else ''}.", None)
    return None


def _is_by_https_too(row: Row) -> bool:
    """Whether all that there is to say is that https may stand in the place of http: readers needn't be warned of it."""
    return row.moved_to is not None and row.moved_to == by_https(row.url)


def _left_alone(catalog: Catalog, row: Row) -> str | None:
    """Why a person has said that a row is to be left alone, where that held on the day of the look."""
    if not (exceptions := catalog.manifest.link_exceptions) or not row.checked:
        return None
    return excepted(Finding(target=Target(row.url, ()), verdict=row.verdict, reason=""), exceptions, row.checked)


def _shown(catalog: Catalog, row: Row, standing_in: list[tuple[str, str] | None]) -> dict[str, Any]:
    """A row of a table; what strangers wrote is on one line."""
    return {
        "url": row.url,
        "bad": row.verdict in BAD,
        "holders": [_holder(catalog, holder) for holder in standing_in[:NAMED]],
        "more": max(0, len(standing_in) - NAMED),
        "seen": _seen(row),
        "title": _line(row.title) if row.verdict == "wrong" and row.title else None,
        "left_alone": _left_alone(catalog, row),
        "dates": [
            (name, day)
            for name, day in (("failing since", row.failing_since), ("last right", row.last_ok), ("looked at", row.checked))
            if day
        ],
        "moved_to": _line(row.moved_to) if row.moved_to else None,
        "saved": _copy(row),
    }


def _holder(catalog: Catalog, holder: tuple[str, str] | None) -> tuple[str, str | None]:
    """What is shown of an entry, and where it stands."""
    if holder is None:
        return "catalog.yaml", None
    kind, entry_id = holder
    return shown_name(getattr(catalog, kind)[entry_id]), entry_address(catalog, kind, entry_id)


def _seen(row: Row) -> str:
    """What was seen at the last look."""
    if row.verdict == "wrong":
        return "answers with another paper"
    if row.verdict == "moved":
        return "its host answers by https, too" if _is_by_https_too(row) else "leads elsewhere"
    if isinstance(row.status, int):
        return f"answers with status {row.status}"
    return STATUSES.get(row.status, _line(row.status)) if row.status else "nothing was noted"


def _copy(row: Row) -> str | None:
    """The copy at the Internet Archive. An address of any other place isn't one."""
    return row.archive if row.archive and COPY.fullmatch(row.archive) else None


def _line(text: str) -> str:
    return " ".join(text.split())
