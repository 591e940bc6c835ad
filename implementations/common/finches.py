"""Synthetic Finches: birds that Finch draws itself, fine-grained by construction.

Families share a body plan and a palette. The species of a family differ in exactly one small part (eye ring, wing bar, crown,
beak, …), whose box is known for every image, under changes of pose, scale, flip, light, background, leaves and noise. An image
is a pure function of (VERSION, seed, split, species, index): nothing is downloaded, and any number of images can be had.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import sys
import zipfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, ImageDraw, ImageFont

from implementations.common.anatomy import SUPERSAMPLING, Colour, Pose, Species
from implementations.common.bird import paint, telling_box
from implementations.common.files import cache_folder, write_atomically
from implementations.common.machine import cores
from implementations.common.parts import FORMS, PARTS
from implementations.common.scenery import background, leaves, light

VERSION = 2
"""Of the drawing. A change of any pixel is another version, for which weights and records are made anew."""

TRAINING_IMAGES = 10
"""Of each of the demo's species. With 15 the plain CNN comes to 83%, with 10 to 77%, which leaves room above it."""

FROZEN = "bcedc877683b4d9c35216d61b706bc28"
"""The digest of the demo's first training image of each species: elsewhere it tells whether the same pixels came out."""

KNOWN = {
    (320, 320, 960): "6853e6692a29d9ad09b63546dea80020",
    (320, 320, 3840): "a93541eb70415afc7ff4e5ef16b6ec2b",
}
"""The fingerprint of all images of the demo's set and of the committed records', by how many train, validate and test."""

PLUMAGE: tuple[Colour, ...] = (
    (92, 66, 44), (128, 92, 58), (168, 124, 80), (196, 160, 116), (112, 112, 116), (74, 80, 92), (150, 150, 150), (84, 96, 60),
    (122, 130, 70), (160, 80, 48), (190, 92, 60), (72, 92, 128), (108, 136, 166), (52, 48, 50), (214, 200, 170), (206, 176, 84),
)  # fmt: skip
BEAKS: tuple[Colour, ...] = ((60, 56, 54), (150, 110, 60), (190, 150, 90), (110, 104, 100))
TONES: tuple[tuple[Colour, Colour, Colour], ...] = (
    ((242, 234, 214), (240, 208, 104), (228, 158, 132)),
    ((212, 58, 44), (234, 142, 50), (152, 42, 92)),
    ((34, 30, 36), (100, 56, 36), (38, 58, 112)),
    ((244, 216, 66), (184, 200, 112), (226, 146, 58)),
    ((66, 116, 200), (98, 182, 178), (126, 94, 188)),
)
"""Groups of three: close enough to be a family's, and farther apart than light and individuals move them."""


def generator(*key: object) -> np.random.Generator:
    """Random numbers of a key, the same in every process and version of Python."""
    digest = hashlib.blake2b("/".join(map(str, (VERSION, *key))).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "little")))


def family(seed: int, number: int, siblings: int) -> list[Species]:
    """The species of a family: one body plan and palette, `siblings` different (form, tone) of one part.

    Raises ValueError where a family of so many can't be told apart.
    """
    if siblings > FORMS * 3:
        raise ValueError(f"a family has at most {FORMS * 3} species, not {siblings}")
    rng = generator(seed, "family", number)
    part = part_of(seed, number)
    chosen = rng.permutation(len(PLUMAGE))
    colours = {name: PLUMAGE[colour] for name, colour in zip(("back", "belly", "head", "wing", "tail"), chosen, strict=False)}
    colours |= {"beak": BEAKS[rng.integers(len(BEAKS))], "leg": BEAKS[rng.integers(len(BEAKS))]}
    plan = {
        "body": (int(rng.integers(185, 245)), int(rng.integers(125, 165))),
        "head": int(rng.integers(92, 122)),
        "tail": (int(rng.integers(150, 260)), int(rng.integers(40, 90))),
        "beak": (int(rng.integers(60, 105)), int(rng.integers(22, 40))),
    }
    tones = _tones(rng, colours[REGION[part]])
    variants = [divmod(int(variant), 3) for variant in rng.permutation(FORMS * 3)[:siblings]]
    return [Species(**plan, colours=colours, part=part, form=form, tone=tones[tone]) for form, tone in variants]


def part_of(seed: int, number: int) -> str:
    """The part that tells the species of a family apart: each kind once, in an order of the seed's, then all of them again."""
    kinds = list(PARTS)
    return kinds[generator(seed, "parts").permutation(len(kinds))[number % len(kinds)]]


REGION = {
    "eye ring": "head", "crown": "head", "throat": "head", "beak": "head",
    "wing bar": "wing", "tail band": "tail", "breast spot": "belly", "flank": "belly",
    "cheek": "head", "brow": "head", "rump": "back", "vent": "belly",
}  # fmt: skip


def _tones(rng: np.random.Generator, ground: Colour) -> tuple[Colour, Colour, Colour]:
    """Three related colours that stand out from the plumage they lie on."""
    order = rng.permutation(len(TONES))
    distances = [min(sum(abs(a - b) for a, b in zip(tone, ground, strict=True)) for tone in TONES[i]) for i in order]
    return TONES[
        order[int(np.argmax([distance >= 120 for distance in distances])) if max(distances) >= 120 else int(np.argmax(distances))]
    ]


@dataclass(frozen=True)
class Drawn:
    """One image: (side, side, 3) uint8, and the box (left, top, right, bottom) of the part that tells its species."""

    pixels: np.ndarray
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class Posture:
    """A way in which birds stand or move: from where to where the turns of its body and limbs go, as in anatomy.Pose."""

    turn: tuple[int, int]
    head: tuple[int, int]
    wing: tuple[int, int]
    tail: tuple[int, int]


POSTURES = (
    Posture(turn=(-8, 9), head=(-12, 13), wing=(-5, 6), tail=(-10, 11)),  # level
    Posture(turn=(-24, -10), head=(2, 20), wing=(-5, 6), tail=(-6, 15)),  # upright
    Posture(turn=(8, 22), head=(0, 20), wing=(-5, 6), tail=(-12, 6)),  # feeding
    Posture(turn=(-14, 3), head=(-26, -11), wing=(-5, 6), tail=(-10, 11)),  # looking up
    Posture(turn=(-12, 13), head=(-8, 9), wing=(12, 30), tail=(-10, 11)),  # with its wing raised
)
SCALES = (680, 1261)
"""The smallest bird is little more than half as long as the largest; small ones stand farther from the centre."""


def draw(species: Species, rng: np.random.Generator, side: int = 96) -> Drawn:
    """Draws one bird of the species, posed, lit and half hidden as the random numbers say; its telling part is always seen."""
    pose = _pose(rng)
    while not _within(box := telling_box(species, pose, side), side):
        pose = _pose(rng)
    image = background(rng, side * SUPERSAMPLING)
    paint(image, _individual(species, rng), pose)
    leaves(rng, image, box)
    return Drawn(light(rng, np.asarray(image.reduce(SUPERSAMPLING))), box)


def _pose(rng: np.random.Generator) -> Pose:
    posture, scale = POSTURES[rng.integers(len(POSTURES))], int(rng.integers(*SCALES))
    reach = 140 + (SCALES[1] - scale) * 2 // 5
    return Pose(
        turn=int(rng.integers(*posture.turn)),
        head_turn=int(rng.integers(*posture.head)),
        wing_turn=int(rng.integers(*posture.wing)),
        tail_turn=int(rng.integers(*posture.tail)),
        nod=int(rng.integers(0, 40)),
        scale=scale,
        width=int(rng.integers(800, 1025)),
        shift=(int(rng.integers(-reach, reach + 1)), int(rng.integers(-reach, reach + 1))),
        flip=bool(rng.integers(2)),
    )


def _within(box: tuple[int, int, int, int], side: int) -> bool:
    left, top, right, bottom = box
    return min(left, top) >= 0 and max(right, bottom) <= side


def _individual(species: Species, rng: np.random.Generator) -> Species:
    """The same species with the small differences in colour of one bird."""

    def vary(colour: Colour) -> Colour:
        return tuple(int(value) for value in (np.array(colour) + rng.integers(-12, 13) + rng.integers(-5, 6, 3)).clip(0, 255))

    fields = {name: getattr(species, name) for name in ("body", "head", "tail", "beak", "part", "form")}
    return Species(**fields, colours={name: vary(colour) for name, colour in species.colours.items()}, tone=vary(species.tone))


# ------------------------------------------------------------------------------------------------------- whole splits


@dataclass(frozen=True, kw_only=True)
class Spec:
    """Which images: `count` of each species of one split. The first images are the same whatever the count."""

    seed: int = 0
    split: str
    families: int = 8
    siblings: int = 4
    count: int
    side: int = 96

    def __len__(self) -> int:
        return self.families * self.siblings * self.count

    @property
    def key(self) -> str:
        """Of the file in the cache: whatever decides a pixel."""
        parts = [VERSION, PIL.__version__, np.__version__, *(getattr(self, entry.name) for entry in fields(self))]
        return hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=10).hexdigest()


@dataclass(frozen=True)
class Images:
    """The images of a split, species by species: (N, side, side, 3) uint8, and the telling part's box (N, 4) of each."""

    pixels: np.ndarray
    boxes: np.ndarray

    @property
    def digest(self) -> str:
        content = hashlib.blake2b(np.ascontiguousarray(self.pixels).data, digest_size=16)
        content.update(np.ascontiguousarray(self.boxes.astype("<i4")).data)
        return content.hexdigest()


def images(spec: Spec, progress: Callable[[int], None] = lambda done: None) -> Images:
    """The images of a split, from the cache or drawn by all cores; `progress` is told after each species."""
    path = cache_folder() / "finches" / f"{spec.key}.npz"
    kept = _from_cache(path)
    if kept is not None and len(kept.pixels) == len(spec):
        return kept
    drawn = _draw_all(spec, progress)
    write_atomically(path, lambda file: np.savez(file, pixels=drawn.pixels, boxes=drawn.boxes, digest=np.array(drawn.digest)))
    return drawn


def _from_cache(path: Path) -> Images | None:
    """What is in the cache; None where there is nothing, or where the bytes aren't the ones that were written."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            found = Images(kept["pixels"], kept["boxes"])
            return found if found.digest == str(kept["digest"]) else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None  # cut short or overwritten: drawn anew


def _draw_all(spec: Spec, progress: Callable[[int], None]) -> Images:
    species = [(number, sibling) for number in range(spec.families) for sibling in range(spec.siblings)]
    # Forking keeps the workers from importing the main module, and torch with it, once more.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    pixels, boxes = [], []
    with ProcessPoolExecutor(min(len(species), cores()), mp_context=context) as pool:
        for done, (some_pixels, some_boxes) in enumerate(pool.map(draw_species, [spec] * len(species), species), 1):
            pixels.append(some_pixels)
            boxes.append(some_boxes)
            progress(done * spec.count)
    return Images(np.concatenate(pixels), np.concatenate(boxes))


def draw_species(spec: Spec, which: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A species (family, sibling) anew: pixels (count, side, side, 3) and boxes (count, 4)."""
    number, sibling = which
    species = family(spec.seed, number, spec.siblings)[sibling]
    drawn = [draw(species, generator(spec.seed, spec.split, number, sibling, index), spec.side) for index in range(spec.count)]
    return np.stack([one.pixels for one in drawn]), np.array([one.box for one in drawn], dtype=np.int32)


def are_the_frozen_ones(spec: Spec, drawn: Images) -> bool:
    """Whether the demo's training images came out as they did where the weights and the committed records were made."""
    first = Images(drawn.pixels[:: spec.count], drawn.boxes[:: spec.count])
    return first.digest == FROZEN


def names(spec: Spec) -> list[str]:
    """A name a species: its family's number, what tells it, and its letter ("3 beak c")."""
    return [
        f"{number} {part_of(spec.seed, number)} {'abcdefghi'[sibling]}"
        for number in range(spec.families)
        for sibling in range(spec.siblings)
    ]


def sheet(spec: Spec) -> Image.Image:
    """A contact sheet of a split: a row a species, a column an image."""
    rows = images(spec).pixels.reshape(-1, spec.count, spec.side, spec.side, 3)
    return Image.fromarray(rows.transpose(0, 2, 1, 3, 4).reshape(len(rows) * spec.side, spec.count * spec.side, 3))


PAIR_SIDE, PAIR_GAP, PAIR_LINE = 160, 6, 20


def pairs(count: int = 10) -> Image.Image:
    """Pairs of sibling species of the demo, two pairs a row: of each species the two training images that show its part largest.

    In the second of them the part is framed.
    """
    spec = Spec(split="train", count=TRAINING_IMAGES)
    drawn, kinds = images(spec), names(spec)
    step = 4 * PAIR_SIDE + 4 * PAIR_GAP, PAIR_SIDE + PAIR_LINE + PAIR_GAP
    picture = Image.new("RGB", (2 * step[0] - PAIR_GAP, -(-count // 2) * step[1]), (250, 250, 248))
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(13)
    for place in range(count):
        first = place % spec.families * spec.siblings + place // spec.families * 2
        x, y = place % 2 * step[0], place // 2 * step[1]
        for column, species in enumerate((first, first, first + 1, first + 1)):
            shown = _clearest(drawn, spec, species)[column % 2]
            corner = (x + column * (PAIR_SIDE + PAIR_GAP // 2), y + PAIR_LINE)
            large = Image.fromarray(drawn.pixels[shown]).resize((PAIR_SIDE, PAIR_SIDE), Image.Resampling.BICUBIC)
            if column % 2:
                left, top, right, bottom = (int(value) * PAIR_SIDE // spec.side for value in drawn.boxes[shown])
                ImageDraw.Draw(large).rectangle((left - 3, top - 3, right + 2, bottom + 2), outline=(255, 255, 255), width=2)
            picture.paste(large, corner)
        pen.text((x + 2, y + 2), f"{kinds[first]} and {kinds[first + 1]}", fill=(40, 40, 40), font=font)
    return picture


def _clearest(drawn: Images, spec: Spec, species: int) -> np.ndarray:
    """The two images of a species whose telling part is largest."""
    boxes = drawn.boxes[species * spec.count : (species + 1) * spec.count]
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return species * spec.count + np.argsort(-areas, kind="stable")[:2]


def main() -> int:
    """`python -m implementations.common.finches SHEET.png`: draws a contact sheet to look at."""
    parser = argparse.ArgumentParser(
        prog="python -m implementations.common.finches", description="Draws a contact sheet of Synthetic Finches."
    )
    parser.add_argument("file", type=Path, help="the picture to write, such as build/finches.png")
    parser.add_argument("--pairs", action="store_true", help="ten pairs of sibling species, as on the dataset's page")
    parser.add_argument("--families", type=int, default=8)
    parser.add_argument("--species", type=int, default=4, help="of each family (default: %(default)s)")
    parser.add_argument("--images", type=int, default=10, help="of each species (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="another seed draws other species (default: %(default)s, the demo's)")
    options = parser.parse_args()
    if options.file.suffix.lower() not in (".png", ".webp"):
        parser.error(f"{options.file}: expected a name that ends in .png or .webp")
    if not (options.families > 0 and 0 < options.species <= FORMS * 3 and options.images > 0):
        parser.error(f"expected at least one family and image, and 1 to {FORMS * 3} species")
    spec = Spec(seed=options.seed, split="train", families=options.families, siblings=options.species, count=options.images)
    options.file.parent.mkdir(parents=True, exist_ok=True)
    if options.pairs:
        pairs().save(options.file, quality=85, method=6)
        print(f"{options.file}: ten pairs of species")
        return 0
    sheet(spec).save(options.file)
    print(f"{options.file}: {len(spec) // spec.count} species, a row each")
    return 0


if __name__ == "__main__":
    sys.exit(main())
