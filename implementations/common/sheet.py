"""How the picture of a run is laid out: a place an image, in rows; in it the image, what was looked at, and a caption.

No torch here: the site shows single places of these pictures.
"""

from __future__ import annotations

SHOWN = 8
"""Test images, the same for every method."""
COLUMNS = 4
CELL = 192
GAP = 8
CAPTION = 22
STEP = (CELL + GAP, 2 * CELL + CAPTION + 2 * GAP)
"""From one place to the next, to the right and down."""


def corner(place: int) -> tuple[int, int]:
    """Where a place's image begins, x and y in pixels."""
    return GAP + place % COLUMNS * STEP[0], GAP + place // COLUMNS * STEP[1]


def looked_at(place: int) -> tuple[int, int]:
    """Where what was looked at begins, below the image."""
    x, y = corner(place)
    return x, y + CELL + 2


def size(images: int) -> tuple[int, int]:
    """Width and height of the whole picture."""
    return min(COLUMNS, images) * STEP[0] + GAP, -(-images // COLUMNS) * STEP[1] + GAP
