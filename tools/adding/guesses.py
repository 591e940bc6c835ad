"""What a paper's own words suggest, each with the reason: approaches and mechanisms, a name, an id, the authors' code."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping
from functools import lru_cache

from tools.manifest import Group

NAME_BEFORE = re.compile(r"([^\s:]*[A-Z][^\s:]*(?: [A-Z0-9][^\s:]*)?): ")
"""TransFG: A Transformer Architecture …"""
NAME_BEHIND = re.compile(r"\(([A-Z][\w-]*[A-Z][\w-]*)\)")
"""Context-aware Attentional Pooling (CAP) …"""
NAME_PROPOSED = re.compile(r"\b(?:propose|present|introduce)\b[^.()]{0,120}\(([A-Z][\w-]*[A-Z][\w-]*)\)")
"""We propose a Feature Fusion Vision Transformer (FFVT)."""
NAME_CALLED = re.compile(r"\b(?:called|named|dubbed|termed) ([A-Z][\w-]*[A-Z][\w-]*)")
"""A network dubbed DCAL."""
LONGEST_NAME = 24
CODE = re.compile(r"https?://(?:www\.)?(?:github\.com|gitlab\.com|bitbucket\.org)/[\w.-]+/[\w.-]*\w", re.IGNORECASE)
DULL = {"a", "an", "and", "by", "for", "from", "in", "is", "of", "on", "or", "the", "to", "via", "with", "your"}


def groups(vocabulary: Mapping[str, Group], title: str, abstract: str | None) -> dict[str, str]:
    """The words of a vocabulary that title or abstract point to, each with where: transformer → "Transformer" in the title."""
    found = {}
    for word, group in vocabulary.items():
        for place, text in (("title", title), ("abstract", abstract or "")):
            if word not in found and group.hints and (said := _pattern(tuple(group.hints)).search(text)):
                found[word] = f'"{said[0]}" in the {place}'
    return found


def name(title: str, abstract: str | None) -> tuple[str, str] | None:
    """What the method is called, where title or abstract tell, and where they do: TransFG, CAP."""
    found = [
        (NAME_BEFORE.match(title), "before the title's colon"),
        (NAME_BEHIND.search(title), "in the title's brackets"),
        (NAME_CALLED.search(abstract or ""), "in the abstract"),
        (NAME_PROPOSED.search(abstract or ""), "in the abstract"),
    ]
    return next(((match[1], place) for match, place in found if match and len(match[1]) <= LONGEST_NAME), None)


def entry_id(title: str, called: str | None, authors: Collection[str], year: int) -> str:
    """The name in lower case with hyphens; without one, first author, year and the title's first word that says something."""
    if called and (slug := _slug(called)):
        return slug
    family = next(iter(authors), "").split()[-1:] or ["paper"]
    words = [word for word in re.findall(r"\w+", title) if word.lower() not in DULL]
    return _slug(f"{family[0]} {year} {next(iter(words), '')}") or f"paper-{year}"


def code(*texts: str | None) -> str | None:
    """The repository that the authors name in the abstract, or beside it on arXiv."""
    found = next(filter(None, (CODE.search(text or "") for text in texts)), None)
    return found and re.sub(r"^http:", "https:", found[0]).removesuffix(".git")


def _slug(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")


@lru_cache
def _pattern(hints: tuple[str, ...]) -> re.Pattern[str]:
    words = "|".join(r"\w*".join(map(re.escape, hint.split("*"))) for hint in hints)
    return re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE)
