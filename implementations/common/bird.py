"""Draws one bird of Synthetic Finches: its limbs, back to front, and on one of them the part that tells its species."""

from __future__ import annotations

from PIL import Image

from implementations.common.anatomy import SUPERSAMPLING, Anatomy, Canvas, Points, Pose, Species, ellipse, place
from implementations.common.parts import PARTS, beak_outline

EYE = (20, 18, 16)


def paint(image: Image.Image, species: Species, pose: Pose) -> None:
    """Draws the bird onto the canvas."""
    canvas, anatomy = Canvas(image, pose), Anatomy(species, pose)
    for limb in (_tail, _legs, _body, _wing, _head):
        limb(canvas, anatomy)
        if LIMB_OF[species.part] is limb:
            for points in PARTS[species.part](anatomy, species.form):
                canvas.fill(points, species.tone)
    _eye(canvas, anatomy)


def telling_box(species: Species, pose: Pose, side: int) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of the part that tells the species, in pixels of a picture of this side, ends exclusive.

    Where the bird reaches over the picture's edge, so may the box.
    """
    drawn = PARTS[species.part](Anatomy(species, pose), species.form)
    xs, ys = zip(*(point for points in drawn for point in place(points, pose, side * SUPERSAMPLING)), strict=True)
    step = SUPERSAMPLING
    return min(xs) // step, min(ys) // step, max(xs) // step + 1, max(ys) // step + 1


# ------------------------------------------------------------------------------------------------------------ the limbs


def _tail(canvas: Canvas, anatomy: Anatomy) -> None:
    length, width = anatomy.species.tail
    canvas.fill(
        anatomy.on_tail([(-90, -60), (length, -width), (length + 24, 0), (length, width), (-90, 60)]),
        anatomy.species.colours["tail"],
    )


def _legs(canvas: Canvas, anatomy: Anatomy) -> None:
    for x in (-30, 45):
        for points in ([(0, 0), (16, 0), (26, 125), (10, 125)], [(0, 120), (60, 120), (60, 134), (0, 134)]):
            canvas.fill(anatomy.on_leg(points, x), anatomy.species.colours["leg"])


def _body(canvas: Canvas, anatomy: Anatomy) -> None:
    (rx, ry), colours = anatomy.species.body, anatomy.species.colours
    canvas.fill(ellipse(0, 0, rx, ry), colours["back"])
    canvas.fill(ellipse(rx // 8, ry // 5, rx * 13 // 16, ry * 3 // 4), colours["belly"])


def _wing(canvas: Canvas, anatomy: Anatomy) -> None:
    canvas.fill(anatomy.on_wing(_wing_outline(anatomy)), anatomy.species.colours["wing"])


def _wing_outline(anatomy: Anatomy) -> Points:
    rx, ry = anatomy.species.body
    return [
        (rx // 2, -ry // 3),
        (rx // 3, -ry // 2),
        (-rx // 4, -ry // 2),
        (-rx * 19 // 20, -ry // 20),
        (-rx // 3, ry // 4),
        (rx // 4, ry // 5),
    ]


def _head(canvas: Canvas, anatomy: Anatomy) -> None:
    species = anatomy.species
    canvas.fill(anatomy.on_head(ellipse(0, 0, species.head, species.head * 15 // 16)), species.colours["head"])
    if species.part != "beak":
        canvas.fill(anatomy.on_head(beak_outline(species, 0)), species.colours["beak"])


def _eye(canvas: Canvas, anatomy: Anatomy) -> None:
    r = anatomy.species.head
    canvas.fill(anatomy.on_head(ellipse(r * 3 // 8, -r // 5, 17, 17)), EYE)
    canvas.fill(anatomy.on_head(ellipse(r * 3 // 8 + 6, -r // 5 - 6, 5, 5)), (235, 235, 230))


LIMB_OF = {
    "eye ring": _head,
    "wing bar": _wing,
    "crown": _head,
    "beak": _head,
    "tail band": _tail,
    "breast spot": _body,
    "throat": _head,
    "flank": _body,
    "cheek": _head,
    "brow": _head,
    "rump": _wing,
    "vent": _body,
}
