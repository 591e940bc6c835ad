"""Whether a page's title names another paper than the one that should stand there. In doubt, it doesn't."""

from __future__ import annotations

import re
import unicodedata

WORD = re.compile(r"[^\W_]+")
PARTS = re.compile(r"\s+[|·•»:]+\s+|\s+[-–—]+\s+|\s*\|\s*")
"""What stands between a paper's title and the site's name."""
COMMON = frozenset(
    """a an and are as at based by categorisation categorization classification deep fine finegrained for from grained image
    images in into is it its learning network networks neural not object objects of on or recognition the to toward
    towards using via visual with without""".split()
)
"""Words that tell no paper of the field from another."""
OF_SITES = frozenset(
    """aaai abstract academic access account acm ads advertising agree ai archive article arxiv association attack blocked
    blog bookmark bot browse browser buy challenge chapter checking click client cloudflare code com community company
    conference contact content continue cookie cookies copyright cvf cvpr denied digital domain download eccv enable
    encountered error european expired explore failed file forbidden found free full github gitlab google hello home
    homepage host hosting html human iccv id ieee ieeexplore institution international internet invalid issue issues
    item javascript job journal just library loading log login maintenance member missing moment moved neurips news
    newsletter official offline online open openreview org page papers parked password pdf please policy portal
    powered press privacy proceedings product products project protection publication published publisher pytorch
    redirect redirecting register registration repository request required requires research sale science
    sciencedirect search secure security server service services session shop sign site society solutions springer
    springerlink store subscribe subscription support supported temporarily terms text tool unavailable university
    unsupported user verification verify verifying video visit volume wait web webinar website welcome wiley workshop
    workshops xplore you your""".split()
)
"""Words of sites' own titles, walls and notices: "CVPR 2021 Open Access Repository", "Checking your browser"."""
FEWEST = 4
"""Telling words that a page's title has to have, to be taken for a paper's."""
OTHER, SAME = 0.2, 0.5


def names_another(seen: str, expected: str, *, exact: bool = False) -> bool:
    """Whether a title that was seen names a paper, and not the one that was expected.

    A page's title may hold the paper's among others, cut off, in another spelling, or not at all: only a title that looks like a
    paper's and shares next to none of its telling words is another's. `exact`: it is a paper's for certain, and nothing else.
    """
    wanted, whole = _words(expected), _words(seen)
    if not wanted or not whole or _contains(whole, wanted):
        return False
    telling = set(wanted) - COMMON or set(wanted)
    share = _share(telling, set(whole))
    if exact or share >= SAME:
        return share < SAME
    return any(_is_another(_words(part), telling) for part in (seen, *PARTS.split(seen)))


def _is_another(words: list[str], telling: set[str]) -> bool:
    own = {word for word in words if word not in COMMON and not word.isdecimal()}
    return len(own) >= FEWEST and not own & OF_SITES and _share(telling, own) <= OTHER


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
