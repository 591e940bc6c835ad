"""Intervals for shares of right answers. No torch here: the site shows them too."""

from __future__ import annotations

import math
from collections.abc import Sequence

Z95 = 1.959964


def wilson(right: int, count: int) -> tuple[float, float]:
    """The 95% interval of a share (Wilson 1927): what the images leave open; the seeds' spread is not in it."""
    share, spread = right / count, Z95 * Z95 / count
    centre, half = share + spread / 2, Z95 * math.sqrt(share * (1 - share) / count + spread / (4 * count))
    return (centre - half) / (1 + spread), (centre + half) / (1 + spread)


def paired(right: Sequence[bool], other: Sequence[bool]) -> tuple[float, float, float]:
    """The difference of two shares on the same images, and its 95% interval (normal, paired by image) of these two runs."""
    if len(right) != len(other):
        raise ValueError(f"{len(right)} answers can't be paired with {len(other)}")
    differences = [int(a) - int(b) for a, b in zip(right, other, strict=True)]
    mean = sum(differences) / len(differences)
    variance = sum((d - mean) ** 2 for d in differences) / max(1, len(differences) - 1)
    half = Z95 * math.sqrt(variance / len(differences))
    return mean, mean - half, mean + half
