"""`predict`: what a trained method says of images, and what it looks at."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from implementations.common import checkpoints, data, picture
from implementations.common.errors import Fault, Usage
from implementations.common.method import Classes, Method
from implementations.common.run import require_device
from implementations.common.weights import Source

SHOWN = 5


def predict(method: type[Method], options: argparse.Namespace) -> int:
    """Prints the five best classes of each image with their probabilities, and draws the evidence. Returns the exit code."""
    if options.evidence.suffix.lower() != ".webp":
        raise Usage(f"--evidence {options.evidence}: expected a name that ends in .webp")
    require_device(options.device)
    trained = load(method, options.checkpoint)
    device = Accelerator(cpu=options.device == "cpu").device
    trained.to(device).eval()
    transform = data.transform(trained.recipe.test)
    images = torch.stack([_sized(transform(data.read_image(path)), path, trained.recipe.input_size) for path in options.images])
    with torch.no_grad():
        probabilities = trained(images.to(device)).softmax(1)
        maps = trained.evidence(images.to(device))
        shown = picture.shown(trained, images.to(device))
    best = probabilities.topk(min(SHOWN, len(trained.classes)))
    for path, values, labels in zip(options.images, best.values.tolist(), best.indices.tolist(), strict=True):
        print(path)
        for value, label in zip(values, labels, strict=True):
            print(f"  {100 * value:5.1f}%  {trained.classes.names[label]}")
    seen = [
        picture.keep(index, -1, int(label), None, one)
        for index, (label, one) in enumerate(zip(probabilities.argmax(1).tolist(), maps, strict=True))
    ]
    picture.write(options.evidence, picture.draw(seen, shown, trained.classes))
    print(f"What it looks at: {options.evidence}")
    return 0


def load(method: type[Method], path: Path) -> Method:
    """The trained method of a checkpoint. Raises Fault where the file isn't one of this method."""
    header, _ = checkpoints.read(path)
    if header["paper"] != method.paper:
        raise Fault(f"{path}: a checkpoint of {header['paper']}, expected one of {method.paper}")
    if header["variant"] != method.__name__:
        raise Fault(
            f"{path}: a checkpoint of the variant {header['variant']}, which python -m can't know; expected {method.__name__}"
        )
    classes = Classes(tuple(header["classes"]), {level: tuple(parents) for level, parents in header["coarse"].items()})
    recipe = _recipe(method, header["recipe"], path)
    trained, _ = method.from_recipe(recipe, classes, Source(random=True))
    checkpoints.load_weights(path, trained)
    return trained


def _recipe(method: type[Method], found: dict[str, Any], path: Path) -> Any:
    try:
        return type(method.recipe).from_data(found)
    except (KeyError, TypeError, AttributeError) as error:
        raise Fault(f"{path}: its recipe isn't one of this version of {method.paper}: {error}") from error


def _sized(image: torch.Tensor, path: Path, side: int) -> torch.Tensor:
    """The image, which has to have come out of the transform at the size that the model takes."""
    if tuple(image.shape[-2:]) != (side, side):
        found = "×".join(map(str, reversed(image.shape[-2:])))
        raise Fault(f"{path}: {found} px, expected {side}×{side}: this checkpoint was trained on images of one size")
    return image
