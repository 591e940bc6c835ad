"""The parts that tell the species of a family apart: each has three forms; the colours are finches.TONES."""

from __future__ import annotations

from collections.abc import Callable

from implementations.common.anatomy import Anatomy, Points, Species, ellipse


def beak_outline(species: Species, form: int) -> Points:
    """Form 0 is a cone, 1 is long and thin, 2 is hooked."""
    (length, depth), x = species.beak, species.head * 7 // 8
    if form == 0:
        return [(x, -depth), (x + length, depth // 3), (x, depth)]
    if form == 1:
        return [(x, -depth * 2 // 3), (x + length * 13 // 8, 0), (x, depth * 2 // 3)]
    return [
        (x, -depth),
        (x + length * 3 // 4, -depth // 2),
        (x + length, depth * 5 // 4),
        (x + length * 3 // 5, depth // 2),
        (x, depth),
    ]


def beak(anatomy: Anatomy, form: int) -> list[Points]:
    """0: a cone, 1: long and thin, 2: hooked."""
    return [anatomy.on_head(beak_outline(anatomy.species, form))]


def eye_ring(anatomy: Anatomy, form: int) -> list[Points]:
    """0: a ring, 1: a wide ring, 2: a ring drawn out to a streak behind the eye."""
    r = anatomy.species.head
    x, y = r * 3 // 8, -r // 5
    rings = [ellipse(x, y, 34 if form != 1 else 46, 34 if form != 1 else 46)]
    if form == 2:
        rings.append([(x, y - 20), (x - r, y - 2), (x - r, y + 20), (x, y + 22)])
    return [anatomy.on_head(ring) for ring in rings]


def crown(anatomy: Anatomy, form: int) -> list[Points]:
    """0: a cap, 1: a forehead patch, 2: a patch on the nape."""
    r = anatomy.species.head
    start, stop = ((14, 23), (18, 24), (12, 18))[form]
    return [anatomy.on_head(ellipse(0, 0, r, r * 15 // 16, start, stop))]


def throat(anatomy: Anatomy, form: int) -> list[Points]:
    """0: a bib, 1: a narrow line below the cheek, 2: a collar."""
    r = anatomy.species.head
    shape = [
        ellipse(r // 4, r * 9 // 16, r * 5 // 8, r * 3 // 8),
        [(r * 3 // 4, r // 4), (-r // 2, r // 2), (-r // 2, r * 3 // 4), (r * 5 // 8, r // 2)],
        [(-r * 7 // 8, r // 5), (-r // 4, r * 7 // 8), (r // 8, r), (-r // 4, r // 2), (-r * 5 // 8, 0)],
    ][form]
    return [anatomy.on_head(shape)]


def wing_bar(anatomy: Anatomy, form: int) -> list[Points]:
    """0: one bar, 1: two bars, 2: a patch at the tip."""
    rx, ry = anatomy.species.body

    def bar(x: int, width: int) -> Points:
        return [(x, -ry // 2), (x + width, -ry // 2), (x + width - 30, ry // 6), (x - 30, ry // 6)]

    shapes = [
        [bar(-rx // 8, 40)],
        [bar(rx // 12, 26), bar(-rx * 3 // 10, 26)],
        [[(-rx // 2, -ry * 3 // 8), (-rx * 19 // 20, -ry // 20), (-rx // 2, ry // 7)]],
    ]
    return [anatomy.on_wing(shape) for shape in shapes[form]]


def tail_band(anatomy: Anatomy, form: int) -> list[Points]:
    """0: a band at the tip, 1: one in the middle, 2: two narrow ones."""
    length, width = anatomy.species.tail

    def band(x: int, thickness: int) -> Points:
        near, far = (60 + (width - 60) * x // length, 60 + (width - 60) * (x + thickness) // length)
        return [(x, -near), (x + thickness, -far), (x + thickness, far), (x, near)]

    shapes = [[band(length - 50, 50)], [band(length // 2 - 25, 50)], [band(length - 40, 26), band(length - 110, 26)]]
    return [anatomy.on_tail(shape) for shape in shapes[form]]


def breast_spot(anatomy: Anatomy, form: int) -> list[Points]:
    """0: one round spot, 1: two small ones, 2: a streak."""
    rx, ry = anatomy.species.body
    x, y = rx * 9 // 16, ry * 5 // 16
    return [
        [ellipse(x, y, 36, 36)],
        [ellipse(x + 26, y - 26, 24, 24), ellipse(x - 26, y + 30, 24, 24)],
        [[(x + 20, y - 60), (x + 52, y - 40), (x - 20, y + 62), (x - 48, y + 44)]],
    ][form]


def flank(anatomy: Anatomy, form: int) -> list[Points]:
    """0: a patch, 1: two bars, 2: a long line."""
    rx, ry = anatomy.species.body
    x, y = -rx * 3 // 16, ry * 9 // 16
    return [
        [ellipse(x, y, 56, 30)],
        [
            [(x - 50, y - 34), (x - 24, y - 34), (x - 34, y + 34), (x - 60, y + 34)],
            [(x + 20, y - 34), (x + 46, y - 34), (x + 36, y + 34), (x + 10, y + 34)],
        ],
        [[(x - 100, y - 14), (x + 90, y - 14), (x + 90, y + 10), (x - 100, y + 10)]],
    ][form]


def cheek(anatomy: Anatomy, form: int) -> list[Points]:
    """0: a round patch behind the eye, 1: a wedge below it, 2: two spots."""
    r = anatomy.species.head
    shapes = [
        [ellipse(-r // 4, r // 5, r * 3 // 8, r * 5 // 16)],
        [[(r * 5 // 8, r // 6), (-r * 5 // 8, r // 12), (-r // 8, r * 5 // 8)]],
        [ellipse(r // 8, r * 3 // 8, r // 5, r // 5), ellipse(-r // 2, r // 8, r // 5, r // 5)],
    ]
    return [anatomy.on_head(shape) for shape in shapes[form]]


def brow(anatomy: Anatomy, form: int) -> list[Points]:
    """0: a long streak above the eye, 1: a short broad one, 2: a line through the eye."""
    r = anatomy.species.head
    shape = [
        [(r * 3 // 4, -r // 2), (-r * 3 // 4, -r * 3 // 8), (-r * 3 // 4, -r * 3 // 16), (r * 3 // 4, -r * 5 // 16)],
        [(r * 11 // 16, -r * 11 // 16), (0, -r * 11 // 16), (0, -r * 5 // 16), (r * 11 // 16, -r * 5 // 16)],
        [(r * 7 // 8, -r // 8), (-r * 7 // 8, -r * 5 // 16), (-r * 7 // 8, 0), (r * 7 // 8, 0)],
    ][form]
    return [anatomy.on_head(shape)]


def rump(anatomy: Anatomy, form: int) -> list[Points]:
    """0: a patch, 1: two bars, 2: a long streak."""
    rx, ry = anatomy.species.body
    x, y = -rx * 5 // 8, -ry * 7 // 16
    return [
        [ellipse(x, y, 50, 36)],
        [
            [(x - 52, y - 24), (x - 26, y - 34), (x - 18, y + 38), (x - 44, y + 44)],
            [(x + 14, y - 44), (x + 40, y - 48), (x + 46, y + 28), (x + 20, y + 34)],
        ],
        [[(x + 120, y - 48), (x - 66, y + 4), (x - 60, y + 34), (x + 124, y - 18)]],
    ][form]


def vent(anatomy: Anatomy, form: int) -> list[Points]:
    """0: a patch, 1: two spots, 2: a bow along the edge."""
    rx, ry = anatomy.species.body
    x, y = -rx * 9 // 16, ry * 7 // 16
    return [
        [ellipse(x, y, 46, 34)],
        [ellipse(x - 34, y - 20, 24, 24), ellipse(x + 44, y + 20, 24, 24)],
        [[(x - 74, y - 40), (x - 20, y + 22), (x + 90, y + 52), (x + 90, y + 24), (x - 6, y - 6), (x - 50, y - 56)]],
    ][form]


PARTS: dict[str, Callable[[Anatomy, int], list[Points]]] = {
    "eye ring": eye_ring,
    "wing bar": wing_bar,
    "crown": crown,
    "beak": beak,
    "tail band": tail_band,
    "breast spot": breast_spot,
    "throat": throat,
    "flank": flank,
    "cheek": cheek,
    "brow": brow,
    "rump": rump,
    "vent": vent,
}
FORMS = 3
