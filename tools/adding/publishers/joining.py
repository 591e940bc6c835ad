"""The two accounts that a page gives, its tags and its BibTeX, made into one; where they differ, that is said."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from tools.adding.bibtex_file import read_bibtex
from tools.adding.record import Record, Refusal
from tools.adding.words import line
from tools.canonical import folded
from tools.rules.duplicates import letters

COMPARED = ("title", "year", "volume", "number", "pages", "doi", "arxiv")


def with_bibtex(said: Record, bibtex: str | None) -> Record:
    """What was said, with what the BibTeX beside it adds.

    The BibTeX's name of the proceedings goes first: CVF's tags leave "Workshops" and "Findings" away.
    """
    if bibtex is None:
        return said
    try:
        entries = read_bibtex(bibtex, said.where)
    except Refusal as refusal:
        return replace(said, doubts=(*said.doubts, f"The page's BibTeX can't be read: {line(str(refusal))}"))
    return joined(said, entries[0]) if len(entries) == 1 else said


def joined(said: Record, entry: Record) -> Record:
    """One record of two, the first one's word before the second's but for the proceedings, and for authors that it lacks."""
    more_authors = len(entry.authors) > len(said.authors)
    return replace(
        said,
        **{name: getattr(said, name) or getattr(entry, name) for name in (*COMPARED, "abstract")},
        container=entry.container or said.container,
        authors=entry.authors if more_authors else said.authors,
        complete=entry.complete if more_authors else said.complete,
        doubts=(*said.doubts, *entry.doubts, *_differences(said, entry)),
    )


def _differences(said: Record, entry: Record) -> Iterator[str]:
    for name in COMPARED:
        one, other = getattr(said, name), getattr(entry, name)
        if one and other and letters(str(one)) != letters(str(other)):
            yield f'The page\'s own {name} is "{one}", its BibTeX has "{other}".'
    one, other = said.container, entry.container
    if one and other and not (letters(one) in letters(other) or letters(other) in letters(one)):
        yield f'The page names "{one}", its BibTeX "{other}".'
    if said.authors and entry.authors and list(map(_name_key, said.authors)) != list(map(_name_key, entry.authors)):
        yield f"The page's authors are {_listed(said.authors)}, its BibTeX's {_listed(entry.authors)}."


def _name_key(name: str) -> list[str]:
    return sorted(re.findall(r"\w+", folded(name)))


def _listed(authors: tuple[str, ...]) -> str:
    return ", ".join(authors)
