"""Names of people: in which order their words stand, and whether two lists of authors are the same people's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import product

from rapidfuzz.distance import Levenshtein

from tools.adding.record import Refusal
from tools.canonical import characters, folded

SUFFIXES = {"jr", "sr", "ii", "iii", "iv"}
"""What may stand behind a family name, without dots and capitals."""
AND = re.compile(r"(?<!\S)and(?!\S)", re.IGNORECASE)
ET_AL = re.compile(r"(?:^|[\s,~]+)(?:et\s+al\.?|others|and\s+others)\s*$", re.IGNORECASE)
NOT_ONE_PERSON = re.compile(r"[;\d@&]|\bet al\b|undefined", re.IGNORECASE)
"""The last is what ACM's export writes for a letter that it can't: Michaundefined."""
HOMONYM = re.compile(r"\s0\d{3}$")
"""What DBLP puts behind a name that several people have: Jun Wang 0001."""
COMMA = re.compile(",")
NO_DECOMPOSITION = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ı": "i", "ħ": "h", "æ": "ae", "œ": "oe", "þ": "th", "’": "", "'": ""}
)
UMLAUTS = {"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"}
ENOUGH, MANY = 0.75, 100
LONGEST = 1_000
"""In characters: nobody's name is longer."""
LONG_FAMILY, LONG_GIVEN = 7, 5
"""In letters: from here on one letter may differ, since few other names are that near."""

Reading = tuple[str, ...]


def split_authors(text: str) -> tuple[list[str], bool]:
    """The authors of a BibTeX field, split at each "and" that no brace protects, and whether these are all of them.

    "others" and "et al." are no authors: where the field ends in one, the list is incomplete, as it is where nothing stands
    between two "and".
    """
    parts = [" ".join(part.split()) for part in _at_depth_0(AND, text)]
    names = [(ET_AL.sub("", part) if len(part) <= LONGEST else part).strip(" ,") for part in parts]
    kept = [name for name in names if name]
    return kept, len(kept) == len(parts) and names == [part.strip(" ,") for part in parts]


def given_first(name: str) -> str:
    """One name, given name first, without braces: "He, Ju" is Ju He, and "King, Jr., Martin" is Martin King Jr.

    Raises Refusal where it can't be told who is meant: several people in one name, or a damaged one.
    """
    return " ".join(re.sub(r"[{}]", "", ordered(name)).split())


def ordered(name: str) -> str:
    """As `given_first`, with braces where they were, for names that still hold LaTeX."""
    name = HOMONYM.sub("", name)
    parts = [part.strip() for part in _at_depth_0(COMMA, name) if part.strip()]
    if len(name) > LONGEST or NOT_ONE_PERSON.search(_outside_braces(name)):
        raise Refusal(f'found "{name[:80]}", expected one person')
    match parts:
        case [whole]:
            return whole
        case [family, given] if _is_suffix(given):
            return f"{family} {given}"
        case [family, given]:
            return f"{given} {family}"
        case [family, suffix, given] if _is_suffix(suffix):
            return f"{given} {family} {suffix}"
        case [family, given, suffix] if _is_suffix(suffix):
            return f"{given} {family} {suffix}"
    raise Refusal(f'found "{name[:80]}", expected one person; several people are joined by "and", not by commas')


def same_people(a: Sequence[str], b: Sequence[str], *, complete: bool = True) -> bool:
    """Whether two lists of authors, given name first, are the same people's.

    Two names are one person's where a family name is the same and the given names don't contradict each other: an initial
    stands for a name ("J. He"), a middle name may be missing, the family name may come first ("Wang Xiu"). Case, accents,
    hyphens, dots and a suffix (Jr.) don't count; one letter may differ in a long name.

    Two lists are the same people's where three quarters of the longer one are in the other, and either their first authors are
    the same or both lists have equally many names (some registries sort them). So one author of four or more may have been
    added or misspelt. Where one list is incomplete (``complete=False``: it ends in "and others"), three quarters of the shorter
    one have to be in the other, and the first authors have to be the same. Of long lists the first hundred count. An empty list
    is the same as none.
    """
    if not a or not b:
        return False
    a, b = a[:MANY], b[:MANY]
    first = same_person(a[0], b[0])
    found = _matched(a, b)
    if not complete:
        return first and found >= ENOUGH * min(len(a), len(b))
    return (first or len(a) == len(b)) and found >= ENOUGH * max(len(a), len(b))


def same_person(a: str, b: str) -> bool:
    """Whether two names can be one person's; the rule is that of `same_people`."""
    return any(_agree(x, y) for x, y in product(_readings(a), _readings(b)))


def _matched(a: Sequence[str], b: Sequence[str]) -> int:
    """How many of the names in one list have a name of their own in the other."""
    left = list(b)
    for name in a:
        found = next((other for other in left if same_person(name, other)), None)
        if found is not None:
            left.remove(found)
    return len(b) - len(left)


def _agree(x: Reading, y: Reading) -> bool:
    if "".join(x) == "".join(y):
        return True
    (family, given), (other_family, other_given) = _splits(x)[0], _splits(y)[0]
    if family == other_family and _near("".join(given), "".join(other_given), LONG_GIVEN):
        return True
    if given == other_given and given and _near(family, other_family, LONG_FAMILY):
        return True
    pairs = product(_splits(x), _splits(y))
    return any(one == other and _compatible(rest, other_rest) for (one, rest), (other, other_rest) in pairs)


def _splits(words: Reading) -> list[tuple[str, Reading]]:
    """A name's family name and the rest: the family name is the last word that is no initial or, next, the first one."""
    full = _full(words) or words
    places = {words.index(full[0]), len(words) - 1 - words[::-1].index(full[-1])} if words else set()
    return [(words[place], words[:place] + words[place + 1 :]) for place in sorted(places, reverse=True)]


def _compatible(given: Reading, other: Reading) -> bool:
    """Whether two people's given names don't contradict each other."""
    if not given or not other or "".join(given) == "".join(other):
        return True
    short, long = sorted((given, other), key=len)
    if all(len(word) == 1 for word in short) or all(len(word) == 1 for word in long):
        return given[0][0] == other[0][0] and _initials_agree(short, long)
    return all(any(_stands_for(word, whole) for whole in long) for word in short)


def _initials_agree(short: Reading, long: Reading) -> bool:
    """J. agrees with Jie Neng and with J. N.; J. N. agrees with Jieneng, which has its one initial."""
    return all(one[0] == other[0] for one, other in zip(short, long, strict=False))


def _stands_for(word: str, whole: str) -> bool:
    one, other = sorted((word, whole), key=len)
    return one == other or (len(one) == 1 and other.startswith(one))


def _near(one: str, other: str, long: int) -> bool:
    return one == other or (min(len(one), len(other)) >= long and Levenshtein.distance(one, other, score_cutoff=1) <= 1)


def _full(words: Reading) -> Reading:
    return tuple(word for word in words if len(word) > 1)


@lru_cache(maxsize=4096)
def _readings(name: str) -> frozenset[Reading]:
    """The ways to read a name: "Chen JN" has two initials or the word JN, ü is u or ue, Jie-Neng is one word or two."""
    readings = set()
    for spelled in (name, re.sub(r"(?<![^\W\d_])([A-Z]{2,3})(?![^\W\d_])", lambda found: " ".join(found[1]), name)):
        for hyphen in ("", " "):
            plain = re.sub(r"[-‐‑]", hyphen, spelled)
            readings.add(_words(plain))
            readings.add(_words("".join(UMLAUTS.get(letter, letter) for letter in characters(plain).casefold())))
    return frozenset(filter(None, readings))


def _words(name: str) -> Reading:
    """A name's words in small letters without accents, and without a suffix."""
    name = re.sub(r"[-‐‑]", "", folded(name).translate(NO_DECOMPOSITION))
    words = re.findall(r"[^\W\d_]+", name)
    return tuple(words[:1] + [word for word in words[1:] if word not in SUFFIXES])


def _is_suffix(text: str) -> bool:
    return text.strip(" .{}").casefold() in SUFFIXES


def _at_depth_0(separator: re.Pattern[str], text: str) -> list[str]:
    """A text's parts between separators that stand outside of all braces."""
    parts, start = [], 0
    masked = _outside_braces(text)
    for found in separator.finditer(masked):
        parts.append(text[start : found.start()])
        start = found.end()
    return [*parts, text[start:]]


def _outside_braces(text: str) -> str:
    """The text with a letter in place of each character between braces."""
    masked, depth = [], 0
    for index, character in enumerate(text):
        escaped = index > 0 and text[index - 1] == "\\"
        depth += (character == "{") * (not escaped)
        masked.append("x" if depth else character)
        depth -= (character == "}") * (not escaped and depth > 0)
    return "".join(masked)
