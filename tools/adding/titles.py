"""Titles: whether two spellings are one paper's."""

from __future__ import annotations

import re
from collections import Counter

from rapidfuzz import fuzz
from rapidfuzz.distance import OSA

from tools.canonical import folded
from tools.rules.duplicates import letters

SAME_FROM = 90.0
"""The score, of 100, from which two titles may be the same. Of 124 papers of this field, the two most alike have 86.4; spellings
of one title, as sources differ, have 94.5 and more. Twins have up to 97 (2017 and 2018): those differ in a word, which is looked
at beside the score. tests/tools/adding/test_titles.py measures those of the catalog."""
SHORT_WORD = 5
"""Up to this many letters, one letter makes another word: parts and paths."""
PART_END = re.compile(r"\s*:\s*|[?!.]\s+|\s+[-–—]+\s+|\s*[–—]\s*")
LITTLE_WORDS = set(
    "a an the of for in on to with via by from and or at as into is are using based through towards toward".split()
)


def same_title(a: str, b: str) -> bool:
    """Whether two titles are one paper's, as far as titles can tell it.

    Case, accents, hyphens, blanks and punctuation don't count, nor do little words (of, the, with) and slips of the pen. Any
    other word that only one of them has makes them different, and so does any number: near-twins differ in one word. A title
    may lack its subtitle, or the name before it.
    """
    if not letters(a) or not letters(b):
        return False
    if letters(a) == letters(b) or _is_part(a, b) or _is_part(b, a):
        return True
    return score(a, b) >= SAME_FROM and not _differ_in_content(a, b)


def score(a: str, b: str) -> float:
    """How like two titles' letters are, of 100."""
    return fuzz.ratio(letters(a), letters(b))


def _words(text: str) -> list[str]:
    """The words; what a hyphen joins is one word."""
    return re.findall(r"[^\W_]+", re.sub(r"(?<=\w)[-‐‑/'’](?=\w)", "", folded(text)))


def _is_part(short: str, long: str) -> bool:
    """Whether a title is all that stands before, or all that stands behind, a colon of the other."""
    ends = [(found.start(), found.end()) for found in PART_END.finditer(long)]
    return any(letters(short) in (letters(long[:start]), letters(long[end:])) for start, end in ends)


def _differ_in_content(a: str, b: str) -> bool:
    """Whether one has a word that the other hasn't, not even misspelt or written apart."""
    one, other = Counter(_words(a)), Counter(_words(b))
    only_a = [word for word in _words(a) if other[word] < one[word] and word not in LITTLE_WORDS]
    only_b = [word for word in _words(b) if one[word] < other[word] and word not in LITTLE_WORDS]
    if "".join(only_a) == "".join(only_b):
        return False
    return len(only_a) != len(only_b) or not all(map(_is_slip, only_a, only_b))


def _is_slip(one: str, other: str) -> bool:
    """Whether two words are one in two spellings: one letter more, less, other or moved (Guassian), but not the first one."""
    if one == other or any(map(str.isdigit, one + other)):
        return one == other
    if min(len(one), len(other)) <= SHORT_WORD:
        return one.rstrip("s") == other.rstrip("s")
    return one[0] == other[0] and OSA.distance(one, other, score_cutoff=1) <= 1
