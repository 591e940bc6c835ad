"""Draws one bird of Synthetic Finches: its limbs, back to front, and on one of them the part that tells its species."""

from __future__ import annotations

from PIL import Image

from implementations.common.anatomy import Anatomy, Canvas, Points, Pose, Species, ellipse
from implementations.common.parts import PARTS, beak_outline

EYE = (20, 18, 16)


def paint(image: Image.Image, species: Species, pose: Pose) -> tuple[int, int, int, int]:
    """Draws the bird onto the canvas; returns the box of its telling part in pixels of the picture."""
    canvas, anatomy = Canvas(image, pose), Anatomy(species, pose)
    for limb in (_tail, _legs, _body, _wing, _head):
        limb(canvas, anatomy)
        if LIMB_OF[species.part] is limb:
            for points in PARTS[species.part](anatomy, species.form):
                canvas.fill(points, species.tone, mark=True)
    _eye(canvas, anatomy)
    return canvas.box()


# ------------------------------------------------------------------------------------------------------------ the limbs


def _tail(canvas: Canvas, anatomy: Anatomy) -> None:
    length, width = anatomy.species.tail
    canvas.fill(
        anatomy.on_tail([(-90, -60), (length, -width), (length + 24, 0), (length, width), (-90, 60)]),
        anatomy.species.colours["tail"],
    )


def _legs(canvas: Canvas, anatomy: Anatomy) -> None:
    height, colour = anatomy.species.body[1], anatomy.species.colours["leg"]
    for x in (-30, 45):
        canvas.fill([(x, height - 30), (x + 16, height - 30), (x + 26, height + 95), (x + 10, height + 95)], colour)
        canvas.fill([(x, height + 90), (x + 60, height + 90), (x + 60, height + 104), (x, height + 104)], colour)


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
}
