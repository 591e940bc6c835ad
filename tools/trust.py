"""How far a claim can be trusted: computed from its sources, never typed.

So far from the sources alone: *listed* and *sourced*. What others measured comes in when runs are compared.
"""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

from tools.number import digits
from tools.schema import Result, ResultSource

LEVELS = ("listed", "sourced")
"""The weakest first; catalog.yaml says what each means."""
FIRST_HAND = ("paper", "abstract", "authors")
"""The sources that make a claim *sourced*."""


def level(result: Result) -> str:
    """``sourced`` where a first-hand source states this value under this protocol, else ``listed``."""
    supported = any(s.source in FIRST_HAND and not differs(result, s) for s in result.sources)
    return "sourced" if supported else "listed"


def differs(result: Result, source: ResultSource) -> bool:
    """Whether a source states another value, or another protocol, than the result."""
    return bool(source.said) or not agrees(result.value, source.value)


def agrees(value: float, stated: float) -> bool:
    """Whether two values are the same at the coarser one's digits, rounded or cut off: 86.58, 86.6 and 86.5 agree."""
    fine, coarse = sorted((Decimal(digits(value)), Decimal(digits(stated))), key=lambda v: v.as_tuple().exponent)
    step = Decimal(1).scaleb(coarse.as_tuple().exponent)
    return any(fine.quantize(step, rounding) == coarse for rounding in (ROUND_HALF_UP, ROUND_HALF_EVEN, ROUND_DOWN))
