"""Whether a page's title names another paper than the one that should stand there. In doubt, it doesn't."""

from __future__ import annotations

import re
import unicodedata

WORD = re.compile(r"[^\W_]+")
JOINING = frozenset("by for from in into on to toward towards using via with without".split())
"""Words that titles of papers are joined by. Those of sites and labs have "of" and "and" more than these."""
FIELD = frozenset(
    """categorisation categorization classification computer deep fine finegrained grained image images learning network
    networks neural object objects recognition vision visual""".split()
)
COMMON = JOINING | FIELD | frozenset("a an and are as based is it its not of or the".split())
"""Words that tell no paper of the field from another."""
OF_SITES = frozenset(
    """aaai abstract academic academy access account acm ads advertising agree ai alumni archive article arxiv
    association at attack blocked blog bookmark bot browse browser buy center centre challenge chapter checking click
    client cloudflare code college com community company conference contact content continue cookie cookies copyright
    course courses cvf cvpr denied department digital domain download eccv enable encountered error european expired
    explore faculty failed file forbidden found free full github gitlab google group hello home homepage host hosting
    html human iccv id ieee ieeexplore institute institution international internet invalid issue issues item javascript
    job journal just lab laboratory labs lecture lectures library loading log login maintenance member missing moment
    moved neurips news newsletter official offline online open openreview org page papers parked password pdf people
    please policy portal powered press privacy proceedings product products professor project projects protection
    publication publications published publisher pytorch redirect redirecting register registration repository request
    required requires research researcher sale school science sciencedirect search secure security server service
    services session shop sign site society solutions springer springerlink store student students subscribe
    subscription support supported teaching team temporarily terms text tool tutorial tutorials unavailable university
    unsupported user verification verify verifying video visit volume wait web webinar website welcome wiley workshop
    workshops xplore you your""".split()
)
"""Words of sites' own titles, walls and notices: "CVPR 2021 Open Access Repository", "Checking your browser"."""
FEWEST = 5
"""Telling words that a page's title has to have, to be taken for a paper's."""
OTHER, SAME = 0.2, 0.5


def names_another(seen: str, expected: str, *, exact: bool = False) -> bool:
    """Whether a title that was seen names a paper, and not the one that was expected.

    A page's title may hold the paper's among others, cut off, in another spelling, or not at all, and may be its author's, lab's
    or publisher's: it is another paper's only where all of it is made as titles in this field are, and next to none of the
    paper's telling words is in it. `exact`: it is a paper's for certain, as an identifier's service or a citation_title names it.
    """
    wanted, whole = _words(expected), _words(seen)
    if not wanted or not whole or _contains(whole, wanted):
        return False
    telling = set(wanted) - COMMON or set(wanted)
    share = _share(telling, set(whole))
    if exact or share >= SAME:
        return share < SAME
    return _is_papers(whole) and _share(telling, set(whole)) <= OTHER


def _is_papers(words: list[str]) -> bool:
    """Whether a page's title can hardly be anything but that of a paper in this field."""
    own = {word for word in words if word not in COMMON and not word.isdecimal()}
    return len(own) >= FEWEST and not own & OF_SITES and bool(FIELD & set(words)) and bool(JOINING & set(words[1:-1]))


def _share(telling: set[str], words: set[str]) -> float:
    """How many of the telling words are among the others, as a share of the fewer of the two."""
    few = min(len(telling), len(words - COMMON) or 1)
    return len(telling & words) / few


def _contains(outer: list[str], inner: list[str]) -> bool:
    """Whether one stands in the other, hyphens and blanks apart."""
    return len(inner) > 1 and "".join(inner) in "".join(outer)


def _words(text: str) -> list[str]:
    """A text's words, without case and accents."""
    plain = unicodedata.normalize("NFKD", text)
    return WORD.findall("".join(character for character in plain if not unicodedata.combining(character)).casefold())
