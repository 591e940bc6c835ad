"""Lists over several pages: the first keeps the list's address, the n-th stands at ``page/n/`` below it.

No entry's page can stand there: an id is one part of an address, `page/n` is two. A page's size so doesn't grow with the catalog.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any

from tools.catalog import Catalog
from tools.pages.addresses import address, meta

SIZE = 200
"""How many rows a page shows at most."""
NEAR = 1
"""How many pages before and after this one a pager names, beside the first and the last."""


@dataclass(frozen=True)
class Part:
    """One page of a list: its rows, and where the list's other pages stand."""

    list_path: str
    number: int
    count: int
    items: Sequence[Any]
    total: int
    """Rows of the whole list."""

    @property
    def path(self) -> str:
        """Below the docs folder."""
        return self.list_path if self.number == 1 else f"{self.at(self.number).removesuffix('/')}.md"

    @property
    def first(self) -> int:
        """The place of its first row in the whole list, counted from 1."""
        return (self.number - 1) * SIZE + 1

    @property
    def last(self) -> int:
        """The place of its last row."""
        return self.first + len(self.items) - 1

    def at(self, number: int) -> str:
        """The address of a page of this list."""
        first = address(self.list_path)
        return first if number == 1 else f"{first}page/{number}/"

    @property
    def shown(self) -> list[int | None]:
        """The pages that a pager names; None for those that it leaves out."""
        near = range(self.number - NEAR, self.number + NEAR + 1)
        named = [number for number in range(1, self.count + 1) if number in (1, self.count) or number in near]
        gaps = [[None, number] if number - before > 1 else [number] for before, number in zip([0, *named], named, strict=False)]
        return [number for group in gaps for number in group]

    def meta(self, title: str, description: str, **more: object) -> dict[str, Any]:
        """The page's front matter. Only a list's first page can be searched: it says what the list is."""
        if self.number == 1:
            return meta(title, description, **more)
        return meta(f"{title}, page {self.number}", description, search={"exclude": True}, **more)


def paged(path: str, items: Sequence[Any]) -> list[Part]:
    """A list's pages, by the path of the first; one where it is empty."""
    count = max(1, -(-len(items) // SIZE))
    return [Part(path, number, count, items[(number - 1) * SIZE : number * SIZE], len(items)) for number in range(1, count + 1)]


def grouped(items: Sequence[Any], key: Callable[[Any], Hashable]) -> list[tuple[Any, list[Any]]]:
    """Rows under their headings. They have to be in the headings' order."""
    return [(heading, list(rows)) for heading, rows in groupby(items, key)]


def starts(parts: Sequence[Part], key: Callable[[Any], Hashable]) -> dict[Any, str]:
    """The address of the page on which each heading stands first."""
    found: dict[Any, str] = {}
    for part in parts:
        for item in part.items:
            found.setdefault(key(item), part.at(part.number))
    return found


# ---------------------------------------------------------------------------------------- entries that stand on a list's page


def surveys(catalog: Catalog) -> list[Part]:
    """Pages of (id, survey), the newest first."""
    return paged("surveys.md", sorted(catalog.surveys.items(), key=lambda item: (-(item[1].year or 0), item[0])))


def events(catalog: Catalog) -> list[Part]:
    """Pages of (kind, id, entry): the workshops, then the challenges."""
    found = [(kind, *item) for kind in ("workshops", "challenges") for item in getattr(catalog, kind).items()]
    return paged("workshops-and-challenges.md", found)


@lru_cache(maxsize=1)
def _listed(catalog: Catalog) -> dict[tuple[str, str], str]:
    found = {("surveys", i): f"{part.at(part.number)}#{i}" for part in surveys(catalog) for i, _ in part.items}
    return found | {(kind, i): f"{part.at(part.number)}#{i}" for part in events(catalog) for kind, i, _ in part.items}


def entry_address(catalog: Catalog, kind: str, entry_id: str) -> str:
    """Where an entry is shown, below the site's address: on its own page, or at its place in a list."""
    return f"{kind}/{entry_id}/" if kind in ("papers", "datasets") else _listed(catalog)[kind, entry_id]
