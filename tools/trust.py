"""How far a claim can be trusted: computed from its sources and from runs of equal protocol, never typed.

*Listed* and *sourced* follow from who states it. Where somebody ran the method again under an equal protocol, the question is
what one more of their runs would give on these test images: a claim inside the 95% interval of that is *reproduced* (by us) or
*reproduced by others*, one outside is *contested*, whatever its sources.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from functools import lru_cache
from statistics import fmean, variance
from typing import TYPE_CHECKING

from tools.number import digits
from tools.protocols import Facts, differences, facts
from tools.schema import Paper, Result, ResultSource

if TYPE_CHECKING:
    from tools.catalog import Catalog

LEVELS = ("listed", "sourced", "reproduced-by-others", "reproduced", "contested")
"""The weakest first, and contested apart; catalog.yaml says what each means."""
FIRST_HAND = ("paper", "abstract", "authors")
"""The sources that make a claim *sourced*."""


@dataclass(frozen=True)
class Level:
    """A level, and what it rests on beyond the sources, in words."""

    id: str
    reason: str | None = None


@dataclass(frozen=True)
class Run:
    """What one of our own runs reached (in the metric's unit), and under which protocol."""

    value: float
    protocol: Facts


def level(catalog: Catalog, paper: Paper, result: Result, ours: Sequence[Run] = ()) -> Level:
    """The level of one of a paper's claims. `ours` are our runs of it."""
    claimed = facts(result)
    own = [run.value for run in ours if not differences(claimed, run.protocol)]
    others = [
        value
        for run in paper.reproductions or ()
        if not (run.by_authors or run.flaw or differences(claimed, facts(run)))
        for value in run.runs or [run.value]
    ]
    judged = {"reproduced": against(catalog, result, own), "reproduced-by-others": against(catalog, result, others)}
    judged = {name: place for name, place in judged.items() if place}
    missed = [place for place in judged.values() if place.side != "match"]
    if missed:
        return Level("contested", missed[0].reason)
    for name, place in judged.items():
        return Level(name, place.reason)
    return Level(from_sources(result))


def from_sources(result: Result) -> str:
    """``sourced`` where a first-hand source states this value under this protocol, else ``listed``."""
    supported = any(s.source in FIRST_HAND and not differs(result, s) for s in result.sources)
    return "sourced" if supported else "listed"


# ------------------------------------------------------------------------------------------------------- runs of equal protocol

Spread = tuple[float, int]
"""A variance between runs, in the metric's unit squared, and its degrees of freedom."""


@dataclass(frozen=True)
class Place:
    """Where runs come out beside a claim: around it (match), above or below it."""

    side: str
    reason: str


@lru_cache(maxsize=8)
def repeated(catalog: Catalog, metric: str) -> Spread | None:
    """How much runs of one method on the same test images differ, over all that the catalog knows to have been repeated."""
    from implementations.common.statistics import pooled  # imports scipy, as `against` does, and is called by it alone

    return pooled(
        run.runs or ()
        for paper in catalog.papers.values()
        for run in (*(paper.results or ()), *(paper.reproductions or ()))
        if run.metric == metric and not getattr(run, "flaw", None)
    )


def against(catalog: Catalog, claim: Result, runs: Sequence[float]) -> Place | None:
    """A claim beside the prediction interval of one more run like these; None without runs, or where no spread is known.

    Three runs or more have a spread of their own; fewer take the catalog's. Claim and runs count to half a unit of the claim's
    last digit: runs that agree to all digits may still differ behind them.
    """
    if not runs:
        return None
    spread = (variance(runs), len(runs) - 1) if len(runs) > 2 else repeated(catalog, claim.metric)
    if spread is None:
        return None
    from scipy import special  # where it is needed: who checks the catalog alone doesn't wait for it

    half = float(special.stdtrit(spread[1], 0.975)) * math.sqrt(spread[0] * (1 + 1 / len(runs)))
    low, high = fmean(runs) - half, fmean(runs) + half
    rounding = 10.0 ** Decimal(digits(claim.value)).as_tuple().exponent
    side = "above" if low > claim.value + rounding else "below" if high < claim.value - rounding else "match"
    found = ", ".join(digits(round(run, 2)) for run in runs)
    count = f"{len(runs)} run{'s' if len(runs) > 1 else ''} of equal protocol ({found})"
    whose = "their own spread" if len(runs) > 2 else "the spread of other repeated runs in the catalog"
    return Place(side, f"{count}: 95% of further ones lie from {low:.2f} to {high:.2f}, by {whose}.")


# -------------------------------------------------------------------------------------------------------------- comparing values


def differs(result: Result, source: ResultSource) -> bool:
    """Whether a source states another value, or another protocol, than the result."""
    return bool(source.said) or not agrees(result.value, source.value)


def agrees(value: float, stated: float) -> bool:
    """Whether two values are the same at the coarser one's digits, rounded or cut off: 86.58, 86.6 and 86.5 agree."""
    fine, coarse = sorted((Decimal(digits(value)), Decimal(digits(stated))), key=lambda v: v.as_tuple().exponent)
    step = Decimal(1).scaleb(coarse.as_tuple().exponent)
    return any(fine.quantize(step, rounding) == coarse for rounding in (ROUND_HALF_UP, ROUND_HALF_EVEN, ROUND_DOWN))
