"""Images for training, validation and test: Synthetic Finches, or folders of one's own; each sample's randomness is its own."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from implementations.common import finches, hierarchy
from implementations.common.errors import Fault, Usage
from implementations.common.method import Classes
from implementations.common.randomness import derive, seed_torch
from implementations.common.recipes import Operation, Recipe

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".ppm", ".tif", ".tiff"}


@dataclass(frozen=True)
class Split:
    """Images of one split: `read(index)` gives (3, H, W) uint8; boxes (left, top, right, bottom) of the telling part if known."""

    labels: list[int]
    read: Callable[[int], Tensor]
    boxes: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Data:
    """A dataset: classes, splits, and a fingerprint of what the images and their coarse labels are."""

    name: str
    classes: Classes
    train: Split
    validation: Split
    test: Split
    fingerprint: str
    reference: bool | None = None
    """Of Synthetic Finches: whether the pixels are those that the committed records were made with."""


# ------------------------------------------------------------------------------------------------------ where they are


def synthetic_finches(
    test_images: int = 30, validation_images: int = 10, progress: Callable[[int], None] = lambda done: None
) -> Data:
    """The demo's set: 8 families × 4 species at 96 px, finches.TRAINING_IMAGES of each to train on."""
    specs = [
        finches.Spec(split=split, count=count)
        for split, count in (("train", finches.TRAINING_IMAGES), ("validation", validation_images), ("test", test_images))
    ]
    drawn = [finches.images(spec, progress) for spec in specs]
    splits = [finches_split(spec, images) for spec, images in zip(specs, drawn, strict=True)]
    reference = finches.are_the_frozen_ones(specs[0], drawn[0])
    digest = hashlib.blake2b("".join(images.digest for images in drawn).encode(), digest_size=16).hexdigest()
    return Data("synthetic-finches", finches_classes(specs[0]), *splits, digest, reference)


def finches_classes(spec: finches.Spec) -> Classes:
    """The species of drawn images, with the family of each."""
    family = tuple(number for number in range(spec.families) for _ in range(spec.siblings))
    return Classes(tuple(finches.names(spec)), {"family": family})


def finches_split(spec: finches.Spec, images: finches.Images) -> Split:
    """The drawn images of a split with their species and the telling part's boxes."""
    pixels = torch.from_numpy(images.pixels).permute(0, 3, 1, 2)
    labels = [species for species in range(spec.families * spec.siblings) for _ in range(spec.count)]
    return Split(labels, pixels.__getitem__, torch.from_numpy(images.boxes))


def folder(root: Path, share: float = 0.1) -> Data:
    """A folder with train/<class>/ and test/<class>/; validation from val/<class>/, else a stratified share of train.

    A classes.yaml beside them gives coarse labels (hierarchy.py has its form).
    Raises Usage where there is no such folder, Fault where its content can't be used.
    """
    if not root.is_dir():
        raise Usage(f"{root}: no such folder; expected one that holds train/<class>/… and test/<class>/…")
    names = _classes_of(root / "train")
    labels = root / hierarchy.FILE
    coarse = hierarchy.read(labels, names) if labels.exists() or labels.is_symlink() else {}
    train, test = _files(root / "train", names), _files(root / "test", names)
    if (root / "val").is_dir():
        validation = _files(root / "val", names)
    else:
        train, validation = _hold_out(train, share)
    splits = [_folder_split(files) for files in (train, validation, test)]
    listing = "\n".join(
        f"{path.relative_to(root)} {path.stat().st_size}" for files in (train, validation, test) for path, _ in files
    )
    listing += "".join(f"\n{level}: {parents}" for level, parents in coarse.items())
    digest = hashlib.blake2b(listing.encode(), digest_size=16).hexdigest()
    return Data(root.resolve().name, Classes(tuple(names), coarse), *splits, digest)


def _classes_of(folder: Path) -> list[str]:
    if not folder.is_dir():
        raise Fault(f"{folder}: no such folder; expected one folder a class, with its training images in it")
    names = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    for name in names:
        if not name.isprintable():
            raise Fault(f"{folder}: the class {name!r} has a name that can't be printed; rename its folders")
    if len(names) < 2:
        raise Fault(f"{folder}: {len(names)} folders of classes; expected at least 2")
    return names


def _files(folder: Path, names: Sequence[str]) -> list[tuple[Path, int]]:
    """All images of a split with their class, in the order of their names."""
    if not folder.is_dir():
        raise Fault(f"{folder}: no such folder; expected one folder a class, named as in train/")
    unknown = sorted({path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")} - set(names))
    if unknown:
        raise Fault(f"{folder / unknown[0]}: a class that train/ doesn't have; its classes are {hierarchy.listed(names)}")
    files = [
        (path, label)
        for label, name in enumerate(names)
        for path in sorted((folder / name).rglob("*"))
        if path.suffix.lower() in SUFFIXES
    ]
    for path, _ in files:
        if not path.exists():
            raise Fault(f"{path}: leads nowhere; mend or remove this link")
    if not files:
        raise Fault(f"{folder}: no images; expected files that end in {', '.join(sorted(SUFFIXES))}")
    return files


def _hold_out(files: list[tuple[Path, int]], share: float) -> tuple[list[tuple[Path, int]], list[tuple[Path, int]]]:
    """Sets a share of each class apart for validation, at least one image and never all, the same ones every time."""
    kept, held = [], []
    for label in sorted({label for _, label in files}):
        of_class = [entry for entry in files if entry[1] == label]
        if len(of_class) < 2:
            raise Fault(f"{of_class[0][0].parent}: one image; expected at least 2, one of them for validation (or a folder val/)")
        random.Random(derive("hold out", label)).shuffle(of_class)
        count = min(max(1, round(share * len(of_class))), len(of_class) - 1)
        held += sorted(of_class[:count])
        kept += sorted(of_class[count:])
    return kept, held


def _folder_split(files: list[tuple[Path, int]]) -> Split:
    paths = [path for path, _ in files]
    return Split([label for _, label in files], lambda index: read_image(paths[index]))


def read_image(path: Path) -> Tensor:
    """(3, H, W) uint8, upright, 16 bits scaled to 8, transparency laid on white. Raises Fault where the file can't be read."""
    from torchvision.transforms.v2.functional import pil_to_tensor

    try:
        with Image.open(path) as image:
            return pil_to_tensor(_as_rgb(ImageOps.exif_transpose(image)))
    except FileNotFoundError as error:
        raise Fault(f"{path}: no such file; expected an image") from error
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise Fault(f"{path}: not an image that can be read ({error}); replace or remove it") from error


def require_size(split: Split, recipe: Recipe) -> None:
    """Raises Usage where the test transform doesn't give images of the recipe's input size."""
    image, _ = Samples(split, recipe.test, seed=0)[0, 0]
    if tuple(image.shape[-2:]) != (recipe.input_size, recipe.input_size):
        height, width = image.shape[-2:]
        raise Usage(
            f"the recipe's input size is {recipe.input_size}, but its transforms leave {width}×{height} px:"
            " --dataset folder scales images to any size, finches are drawn at 96"
        )


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, (255, 255, 255, 255)), image).convert("RGB")
    return image.convert("RGB")


def require_images_per_class(split: Split, classes: Classes, least: int) -> None:
    """Raises Fault where a class has fewer training images than the method needs."""
    counts = Counter(split.labels)
    for label, name in enumerate(classes.names):
        if counts[label] < least:
            raise Fault(f"class {name!r} has {counts[label]} training images; this method needs at least {least} of each")


# ---------------------------------------------------------------------------------------------------- how they are fed


def transform(operations: Sequence[Operation]) -> Callable[..., object]:
    """The operations as one torchvision transform; pixels become floats right before they are normalised."""
    from torchvision.transforms import v2

    steps = []
    for operation in operations:
        if operation.name == "Normalize":
            steps.append(v2.ToDtype(torch.float32, scale=True))
        steps.append(getattr(v2, operation.name)(**operation.arguments))
    return v2.Compose(steps)


class Samples(Dataset):
    """(epoch, index) → (image, label), or (image, label, box) where the split knows boxes and they are asked for.

    What a random operation draws is a function of (seed, epoch, index), whichever worker runs it. The epoch travels with the
    index: a persistent worker would keep a stale copy of anything set on the dataset.
    """

    def __init__(self, split: Split, operations: Sequence[Operation], seed: int, *, boxes: bool = False) -> None:
        self.split, self.transform, self.seed, self.boxes = split, transform(operations), seed, boxes and split.boxes is not None

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, ...]:
        from torchvision import tv_tensors

        epoch, index = key
        seed_torch(self.seed, "sample", epoch, index)
        image, label = self.split.read(index), self.split.labels[index]
        if not self.boxes:
            return self.transform(image), label
        box = tv_tensors.BoundingBoxes(self.split.boxes[index][None], format="XYXY", canvas_size=image.shape[-2:])
        image, box = self.transform(tv_tensors.Image(image), box)
        return image.as_subclass(Tensor), label, box[0].as_subclass(Tensor)


class Batches(Sampler):
    """This process's part of every batch from step `start` to the last of training, as keys of Samples."""

    def __init__(
        self, epoch_batches: Callable[[int], list[list[int]]], epochs: int, *, start: int, process: int, processes: int
    ) -> None:
        self.epoch_batches, self.epochs, self.start = epoch_batches, epochs, start
        self.process, self.processes, self.per_epoch = process, processes, len(epoch_batches(0))

    def __len__(self) -> int:
        return self.epochs * self.per_epoch - self.start

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for epoch in range(self.start // self.per_epoch, self.epochs):
            batches = self.epoch_batches(epoch)
            for batch in batches[max(0, self.start - epoch * self.per_epoch) :]:
                share = len(batch) // self.processes
                yield [(epoch, index) for index in batch[self.process * share : (self.process + 1) * share]]


class InOrder(Sampler):
    """Every `processes`-th image of a split once, in order, as batches of keys."""

    def __init__(self, count: int, size: int, *, process: int = 0, processes: int = 1) -> None:
        self.indices, self.size = range(process, count, processes), size

    def __len__(self) -> int:
        return -(-len(self.indices) // self.size)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for start in range(0, len(self.indices), self.size):
            yield [(0, index) for index in self.indices[start : start + self.size]]


class Loader(DataLoader):
    """A DataLoader whose workers' faults are said as they would be without workers."""

    def __iter__(self) -> Iterator[Any]:
        try:
            yield from super().__iter__()
        except Fault as fault:
            if "Original Traceback" not in str(fault):
                raise
            # torch puts the worker's whole traceback into the message; its last line is "package.module.Class: message".
            raise type(fault)(str(fault).strip().rsplit("\n", 1)[-1].partition(": ")[2]) from None


def loader(samples: Samples, batches: Sampler, *, workers: int, pin: bool) -> DataLoader:
    """The samples of these batches, read by `workers` processes beside this one (0: by this one)."""
    return Loader(samples, batch_sampler=batches, num_workers=workers, pin_memory=pin)


@dataclass(frozen=True)
class OnDevice:
    """A loader whose batches come on a device."""

    fed: DataLoader
    device: torch.device

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        for batch in self.fed:
            yield tuple(tensor.to(self.device) for tensor in batch)
