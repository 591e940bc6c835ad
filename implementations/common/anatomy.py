"""How a bird of Synthetic Finches is built and stands, and the canvas it is drawn on.

Everything is integer arithmetic on a canvas four times as wide as the picture, so that the same numbers give the same pixels on
any machine: rotations are rational (no sine decides a pixel), there is no font, and the picture is averaged down by whole blocks.
A bird is drawn in *units* of 1/1024 of the picture's side, looks to the right, and has its body's centre at (0, 0).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Points = list[tuple[int, int]]

SUPERSAMPLING = 4
UNITS = 1024
# 4096 × the cosine of 0°, 15°, …, 90°: the corners of the polygons that stand for ellipses.
QUADRANT = (4096, 3956, 3547, 2896, 2048, 1060, 0)
COSINES = [
    QUADRANT[i] if i <= 6 else -QUADRANT[12 - i] if i <= 12 else -QUADRANT[i - 12] if i <= 18 else QUADRANT[24 - i]
    for i in range(24)
]


@dataclass(frozen=True)
class Species:
    """What all birds of a species share. Siblings differ in `form` and `tone` alone: the shape and the colour of `part`."""

    body: tuple[int, int]
    """Half-axes of the body, in units."""
    head: int
    """Radius of the head."""
    tail: tuple[int, int]
    """Length and half-width of the tail."""
    beak: tuple[int, int]
    """Length and half-depth of the beak."""
    colours: dict[str, Colour]
    """Of back, belly, head, wing, tail, beak and leg."""
    part: str
    """A key of parts.PARTS."""
    form: int
    tone: Colour


@dataclass(frozen=True)
class Pose:
    """How one bird stands. Turns are tangents of half the angle, in 64ths: 8 is about 14°."""

    turn: int
    head_turn: int
    wing_turn: int
    tail_turn: int
    nod: int
    """How far the head is drawn in, in units."""
    scale: int
    """In 1/1024 of the plan's size."""
    width: int
    """How much of its length is seen, in 1024ths: less, the more it faces the viewer or turns away."""
    shift: tuple[int, int]
    flip: bool


def ellipse(cx: int, cy: int, rx: int, ry: int, start: int = 0, stop: int = 24) -> Points:
    """Corners of an ellipse, clockwise from the right as seen, in steps of 15° from `start` to `stop`."""
    return [(cx + rx * COSINES[i % 24] // 4096, cy + ry * COSINES[(i - 6) % 24] // 4096) for i in range(start, stop)]


def rotate(points: Iterable[tuple[int, int]], turn: int, pivot: tuple[int, int] = (0, 0)) -> Points:
    """Rotates by the angle whose half has the tangent turn / 64, exactly but for rounding down to a unit."""
    cosine, sine, whole = 4096 - turn * turn, 128 * turn, 4096 + turn * turn
    px, py = pivot
    return [
        (px + (cosine * (x - px) - sine * (y - py)) // whole, py + (sine * (x - px) + cosine * (y - py)) // whole)
        for x, y in points
    ]


def place(points: Points, pose: Pose, side: int) -> Points:
    """Units of the bird → pixels of a canvas of this side."""
    turned = [(x * pose.width // 1024, y) for x, y in rotate(points, pose.turn)]
    centre = UNITS // 2
    return [
        (
            (centre + pose.shift[0] + (-x if pose.flip else x) * pose.scale // 1024) * side // UNITS,
            (centre + pose.shift[1] + y * pose.scale // 1024) * side // UNITS,
        )
        for x, y in turned
    ]


class Canvas:
    """A drawing in units, posed."""

    def __init__(self, image: Image.Image, pose: Pose) -> None:
        self.draw, self.side, self.pose = ImageDraw.Draw(image), image.width, pose

    def fill(self, points: Points, colour: Colour) -> None:
        self.draw.polygon(place(points, self.pose, self.side), fill=colour)


@dataclass(frozen=True)
class Anatomy:
    """Where a posed bird's limbs are, before the pose of the whole: functions from rest position to turned position."""

    species: Species
    pose: Pose

    @property
    def neck(self) -> tuple[int, int]:
        return self.species.body[0] * 3 // 5, -self.species.body[1] * 3 // 5

    @property
    def head(self) -> tuple[int, int]:
        """Centre of the head."""
        reach = self.species.head * 4 // 5 - self.pose.nod
        return self.neck[0] + reach, self.neck[1] - reach

    def on_head(self, points: Points) -> Points:
        return rotate([(x + self.head[0], y + self.head[1]) for x, y in points], self.pose.head_turn, self.neck)

    def on_wing(self, points: Points) -> Points:
        return rotate(points, self.pose.wing_turn, (self.species.body[0] // 2, -self.species.body[1] // 4))

    def on_leg(self, points: Points, x: int) -> Points:
        """From below the hip at `x` straight down, however the body is turned."""
        hip = (x, self.species.body[1] - 30)
        return rotate([(hip[0] + a, hip[1] + b) for a, b in points], -self.pose.turn, hip)

    def on_tail(self, points: Points) -> Points:
        base = -self.species.body[0] * 7 // 8
        return rotate([(base - x, y) for x, y in points], self.pose.tail_turn, (base, 0))
