"""What a method looks at, on eight fixed test images: kept as numbers, so that methods can be set side by side, and drawn."""

from __future__ import annotations

import base64
import itertools
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from implementations.common.data import Samples, Split
from implementations.common.files import write_atomically
from implementations.common.method import Classes, Method
from implementations.common.records import Evidence
from implementations.common.sheet import CELL, SHOWN, corner, looked_at, size

CHOSEN = (0, 90, 220)


@dataclass(frozen=True)
class Shown:
    """An image as the model saw it, and what the method chose on it: boxes as Method.chosen gives them."""

    image: Image.Image
    chosen: list[list[float]]


def fixed_images(split: Split) -> list[int]:
    """Eight images spread evenly over the classes, or as many as there are: the same for every method, whatever it predicts."""
    of_class: dict[int, list[int]] = {}
    for index, label in enumerate(split.labels):
        of_class.setdefault(label, []).append(index)
    classes = sorted(of_class)
    if len(classes) >= SHOWN:
        return [of_class[classes[place * len(classes) // SHOWN]][0] for place in range(SHOWN)]
    in_turn = [
        image for turn in itertools.zip_longest(*(of_class[label] for label in classes)) for image in turn if image is not None
    ]
    return sorted(in_turn[:SHOWN])


@torch.no_grad()
def look(method: Method, split: Split, accelerator: Accelerator) -> tuple[list[Evidence], list[Shown]]:
    """The method's evidence on the fixed images, and these as the model saw them."""
    method.eval()
    chosen = fixed_images(split)
    samples = Samples(split, method.recipe.test, seed=0, boxes=True)
    rows = [samples[0, index] for index in chosen]
    images = torch.stack([row[0] for row in rows])
    on_device = images.to(accelerator.device)
    with accelerator.autocast():
        predicted = method(on_device).argmax(1).tolist()
    maps = method.evidence(on_device)
    boxes = [tuple(row[2].tolist()) if len(row) == 3 else None for row in rows]
    evidence = [
        keep(index, split.labels[index], guess, box, one)
        for index, guess, box, one in zip(chosen, predicted, boxes, maps, strict=True)
    ]
    return evidence, shown(method, on_device)


def keep(index: int, label: int, predicted: int, box: tuple[float, ...] | None, values: Tensor) -> Evidence:
    """One image's map (h, w) as what a record holds: its range stretched to 0 … 255."""
    values = values.float().cpu()
    low, high = values.min(), values.max()
    levels = ((values - low) / (high - low).clamp_min(1e-12) * 255).round().to(torch.uint8).numpy()
    height, width = levels.shape
    text = base64.b64encode(levels.tobytes()).decode()
    return Evidence(index=index, label=label, predicted=predicted, box=box, height=height, width=width, map=text)


def shown(method: Method, images: Tensor) -> list[Shown]:
    """Normalised images (B, 3, H, W) as pictures, with what the method chose on each."""
    chosen = method.chosen(images)
    boxes = chosen.tolist() if chosen is not None else [[]] * len(images)
    return [Shown(as_picture(image, method), one) for image, one in zip(images.cpu(), boxes, strict=True)]


def as_picture(image: Tensor, method: Method) -> Image.Image:
    """A normalised image (3, H, W) back as a picture."""
    normalise = next((op.arguments for op in method.recipe.test if op.name == "Normalize"), {"mean": [0.0] * 3, "std": [1.0] * 3})
    mean, deviation = (torch.tensor(normalise[key])[:, None, None] for key in ("mean", "std"))
    return Image.fromarray(((image * deviation + mean).clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy())


def draw(evidence: list[Evidence], images: list[Shown], classes: Classes) -> Image.Image:
    """A sheet: each image with what was chosen, below it what the method looks at and the telling part, and what was said."""
    sheet = Image.new("RGB", size(len(evidence)), (250, 250, 248))
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for place, (one, seen) in enumerate(zip(evidence, images, strict=True)):
        x, y = corner(place)
        sheet.paste(_framed(seen), (x, y))
        sheet.paste(_overlay(one, seen.image), looked_at(place))
        said, colour = _caption(one, classes)
        pen.text((x + 2, y + 2 * CELL + 5), _fit(said, font), fill=colour, font=font)
    return sheet


def _caption(one: Evidence, classes: Classes) -> tuple[str, tuple[int, int, int]]:
    """The predicted class: green if right, red with the true one if wrong, dark where the truth (-1) isn't known."""
    said = classes.names[one.predicted]
    if one.label < 0:
        return said, (40, 40, 40)
    return (said, (24, 110, 60)) if one.predicted == one.label else (f"{said}, not {classes.names[one.label]}", (178, 44, 30))


def _fit(text: str, font: ImageFont.FreeTypeFont) -> str:
    while font.getlength(text) > CELL - 4:
        text = f"{text.rstrip('…')[:-1]}…"
    return text


def _framed(seen: Shown) -> Image.Image:
    """The image, what was chosen on it in blue: the more often, the stronger."""
    large = seen.image.resize((CELL, CELL), Image.Resampling.BICUBIC)
    scale = CELL / seen.image.width
    for box, times in Counter(map(tuple, seen.chosen)).items():
        top, left, bottom, right = (value * scale for value in box)
        if bottom > top:
            ImageDraw.Draw(large).rectangle((left, top, right - 1, bottom - 1), outline=CHOSEN, width=min(4, times + 1))
    return large


def _overlay(one: Evidence, image: Image.Image) -> Image.Image:
    """The image in grey under its map: from nothing over orange to bright yellow; the telling part in a white frame."""
    levels = np.frombuffer(base64.b64decode(one.map), np.uint8).reshape(one.height, one.width)
    heat = np.asarray(Image.fromarray(levels).resize((CELL, CELL), Image.Resampling.BILINEAR), np.float32)[..., None] / 255
    grey = np.asarray(image.convert("L").resize((CELL, CELL), Image.Resampling.BICUBIC), np.float32)[..., None] * 0.6
    colour = np.concatenate([np.full_like(heat, 255), 70 + 165 * heat, 20 + 40 * heat], axis=2)
    mixed = Image.fromarray((grey * (1 - 0.6 * heat) + colour * 0.6 * heat).clip(0, 255).astype(np.uint8))
    if one.box is not None:
        scale = CELL / image.width
        left, top, right, bottom = (value * scale for value in one.box)
        ImageDraw.Draw(mixed).rectangle((left - 2, top - 2, right + 1, bottom + 1), outline=(255, 255, 255), width=1)
    return mixed


def write(path: Path, picture: Image.Image) -> None:
    """As WebP: a third of a PNG's size."""
    write_atomically(path, lambda file: picture.save(file, "WEBP", quality=82, method=6))
