"""feed.xml: what was added to the catalog, and what was corrected in it (Atom, RFC 4287)."""

from __future__ import annotations

import datetime
from collections import Counter
from dataclasses import dataclass
from xml.etree import ElementTree

from tools.catalog import Catalog
from tools.pages.paging import entry_address
from tools.pages.parts import shown_name

NEWEST = 100
"""So many items; readers ask often, and keep what they have seen."""
ADDED = {"papers": "Paper", "datasets": "Dataset", "workshops": "Workshop", "challenges": "Challenge", "surveys": "Survey"}


@dataclass(frozen=True)
class Item:
    """One line of news: its date, the entry that it is of, where it leads, what it is, and what it says."""

    date: datetime.date
    of: str
    address: str
    what: str
    title: str
    summary: str


def atom(catalog: Catalog) -> str:
    """The feed, the newest item first. Its times are the catalog's dates, at midnight UTC."""
    items = sorted([*_added(catalog), *_corrected(catalog)], key=lambda item: (-item.date.toordinal(), item.of, item.what))
    manifest = catalog.manifest
    feed = ElementTree.Element("feed", xmlns="http://www.w3.org/2005/Atom")
    _text(feed, "title", f"{manifest.name}: added and corrected")
    _text(feed, "subtitle", manifest.tagline)
    _text(feed, "id", f"{manifest.site}feed.xml")
    ElementTree.SubElement(feed, "link", rel="self", href=f"{manifest.site}feed.xml")
    ElementTree.SubElement(feed, "link", rel="alternate", href=manifest.site)
    _text(feed, "updated", _time(items[0].date if items else manifest.seed_list.date))
    _text(ElementTree.SubElement(feed, "author"), "name", f"The {manifest.name} contributors")
    _text(feed, "rights", "CC BY 4.0, https://creativecommons.org/licenses/by/4.0/")
    for item in items[:NEWEST]:
        entry = ElementTree.SubElement(feed, "entry")
        _text(entry, "title", item.title)
        _text(entry, "id", f"{manifest.site}feed.xml#{item.what}/{item.of}/{item.date}")  # an entry's address may change
        ElementTree.SubElement(entry, "link", rel="alternate", href=manifest.site + item.address)
        _text(entry, "updated", _time(item.date))
        ElementTree.SubElement(entry, "category", term=item.what)
        _text(entry, "summary", item.summary)
    ElementTree.indent(feed)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(feed, encoding="unicode")}\n'


def _added(catalog: Catalog) -> list[Item]:
    return [
        Item(
            date=entry.added,
            of=f"{kind}/{i}",
            address=entry_address(catalog, kind, i),
            what="added",
            title=f"{ADDED[kind]} added: {shown_name(entry)}",
            summary=entry.summary,
        )
        for kind, i, entry in catalog.entries()
    ]


def _corrected(catalog: Catalog) -> list[Item]:
    """An item for all that was corrected of one entry on one day."""
    found = []
    for kind, i, entry in catalog.entries():
        days = Counter(correction.date for correction in entry.corrections or ())
        for day, count in days.items():
            said = " ".join(correction.evidence for correction in entry.corrections if correction.date == day)
            title = f"{shown_name(entry)}: {count} correction{'s' * (count > 1)}"
            found.append(Item(day, f"{kind}/{i}", entry_address(catalog, kind, i), "corrected", title, said))
    return found


def _time(date: datetime.date) -> str:
    return f"{date}T00:00:00Z"


def _text(parent: ElementTree.Element, name: str, text: str) -> None:
    ElementTree.SubElement(parent, name).text = text
