"""The one writer of BibTeX: the paper's page and every export show what it writes."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from tools.manifest import Manifest
from tools.schema import Publication

if TYPE_CHECKING:
    from tools.catalog import Catalog

TYPES = {
    "conference": "inproceedings",
    "workshop": "inproceedings",
    "journal": "article",
    "report": "techreport",
    "preprint": "misc",
    "web": "misc",
}
SUFFIXES = {"Jr", "Sr", "II", "III", "IV"}
"""What may stand behind a family name."""
SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "{": r"\textbraceleft{}",  # an escaped brace would still count as one to BibTeX
    "}": r"\textbraceright{}",
    **{character: f"\\{character}" for character in "&%$#_"},
}


def bibliography(catalog: Catalog) -> str:
    """All papers and surveys in one file."""
    keys = citation_keys(catalog)
    return "\n".join(bibtex(entry, catalog.manifest, keys[kind, i]) for kind, i, entry in _publications(catalog))


@lru_cache(maxsize=8)
def citation_keys(catalog: Catalog) -> dict[tuple[str, str], str]:
    """The key of each paper and survey, by kind and id: he2022transfg, and he2022transfg-2 for the second of that name."""
    taken: Counter[str] = Counter()
    keys = {}
    for kind, i, entry in _publications(catalog):
        plain = key(entry)
        taken[plain] += 1
        keys[kind, i] = f"{plain}-{taken[plain]}" if taken[plain] > 1 else plain
    return keys


def _publications(catalog: Catalog) -> Iterator[tuple[str, str, Publication]]:
    return ((kind, i, entry) for kind, i, entry in catalog.entries() if isinstance(entry, Publication))


def bibtex(entry: Publication, manifest: Manifest, citation_key: str | None = None) -> str:
    """One entry, UTF-8, with LaTeX's special characters escaped in texts but not in addresses."""
    venue = manifest.venues[entry.venue]
    kind = TYPES[venue.kind]
    arxiv, doi = (entry.ids.arxiv, entry.ids.doi) if entry.ids else (None, None)
    fields = {
        "title": f"{{{escape(entry.title)}}}",
        "author": " and ".join(escape(author) for author in entry.authors),
        "booktitle": escape(entry.booktitle or venue.proceedings or venue.name) if kind == "inproceedings" else None,
        "journal": escape(venue.name) if kind == "article" else None,
        "year": entry.year and str(entry.year),
        "volume": entry.volume and escape(entry.volume),
        "number": entry.number and escape(entry.number),
        "pages": entry.pages and escape(entry.pages).replace("-", "--"),
        "publisher": escape(entry.publisher or venue.publisher or "") or None,
        "doi": doi,
        "eprint": arxiv,
        "archiveprefix": arxiv and "arXiv",
        "url": _url(entry),
    }
    lines = [f"  {name:<13} = {{{value}}}" for name, value in fields.items() if value]
    return f"@{kind}{{{citation_key or key(entry)},\n" + ",\n".join(lines) + "\n}\n"


def key(entry: Publication) -> str:
    """The citation key: he2022transfg."""
    names = [name for name in entry.authors[0].split() if name.strip(".,") not in SUFFIXES]
    family = names[-1] if names else ""
    word = entry.name or next((w for w in re.findall(r"\w+", entry.title) if len(w) > 3), "")
    return f"{_ascii(family)}{entry.year or ''}{_ascii(word)}"


def escape(text: str) -> str:
    """A text in which nothing is a command to LaTeX."""
    return "".join(SPECIAL.get(character, character) for character in text)


def _ascii(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]", "", plain.lower())


def _url(entry: Publication) -> str | None:
    return next((link.url for link in entry.links or () if link.kind in ("paper", "pdf", "home")), None)
