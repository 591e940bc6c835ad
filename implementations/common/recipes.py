"""How a method is trained, as plain data: a recipe can be compared, changed from the command line, and kept in a record."""

from __future__ import annotations

import dataclasses
import difflib
import math
import numbers
import re
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import yaml

from implementations.common import schedules
from implementations.common.errors import Usage
from implementations.common.schedules import Cosine, Schedule


@dataclass(frozen=True)
class Operation:
    """One step of a transform: the name of a class of torchvision.transforms.v2, and its arguments."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


def op(name: str, **arguments: Any) -> Operation:
    """Short for an Operation, in recipes."""
    return Operation(name, arguments)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a method is trained. A paper with settings of its own subclasses it; each value carries its source where it is set."""

    backbone: str
    """A name that common/backbones.py knows: one of Finch's own, or timm's."""
    input_size: int
    """Side of the square that enters the model, in pixels."""
    epochs: int
    batch_size: int
    """Over all processes and micro-batches."""
    lr: float
    backbone_lr: float | None = None
    """None: the same as `lr`."""
    optimizer: str = "SGD"
    """A class of torch.optim."""
    optimizer_options: Mapping[str, Any] = field(default_factory=lambda: {"momentum": 0.9})
    weight_decay: float = 0.0
    schedule: Schedule = Cosine()  # noqa: RUF009 - frozen
    clip: float | None = None
    """Largest norm of the gradient; None: not clipped."""
    micro_batches: int = 1
    """Into how many parts a process's batch is split, to save memory; their gradients are summed before the step."""
    images_per_loss: int | None = None
    """How many images a loss is to see at once, where it compares them: on fewer devices than the paper's, a process's batch is
    split into parts of this size. None: all that a process has."""
    output_stride: int | None = None
    """Of a CNN's last map; None: the backbone's own."""
    patch_stride: int | None = None
    """Of a ViT's patches; None: the patch size, which doesn't overlap."""
    train: tuple[Operation, ...]
    test: tuple[Operation, ...]
    selection: str = "last epoch"
    """"last epoch" or "best on validation": which weights are reported."""

    def __post_init__(self) -> None:
        if self.selection not in ("last epoch", "best on validation"):
            raise Usage(f"selection is 'last epoch' or 'best on validation', not {self.selection!r}")
        for entry in dataclasses.fields(self):
            value = getattr(self, entry.name)
            if type(value) is int and value < 1:
                raise Usage(f"{entry.name} is at least 1, not {value}")
            if type(value) is float and not math.isfinite(value):
                raise Usage(f"{entry.name} is a finite number, not {value}")
        if self.clip is not None and self.clip <= 0:
            raise Usage(f"clip is the largest norm of the gradient, more than 0 (null: not clipped), not {self.clip}")

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """The recipe of which `as_data` gave this. Raises KeyError or TypeError for data of another recipe."""
        fields = dict(data)
        schedule = dict(fields["schedule"])
        fields["schedule"] = getattr(schedules, schedule.pop("name"))(**schedule)
        for name in ("train", "test"):
            fields[name] = tuple(Operation(**entry) for entry in fields[name])
        return cls(**fields)

    def as_data(self) -> dict[str, Any]:
        """The recipe as plain JSON data."""
        return {entry.name: _plain(getattr(self, entry.name)) for entry in dataclasses.fields(self)}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        own = {entry.name: _plain(getattr(value, entry.name)) for entry in dataclasses.fields(value)}
        return own if isinstance(value, Operation) else {"name": type(value).__name__, **own}
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(entry) for entry in value]
    return value


def flat(data: Any, place: str = "") -> dict[str, Any]:
    """Each single value of a recipe as plain data, by its place: "lr", "schedule.warmup", "train[0].arguments.size"."""
    if isinstance(data, Mapping):
        parts = [flat(entry, f"{place}.{name}" if place else name) for name, entry in data.items()]
    elif isinstance(data, list) and any(isinstance(entry, Mapping) for entry in data):
        parts = [flat(entry, f"{place}[{index}]") for index, entry in enumerate(data)]
    else:
        return {place: data}
    return {name: value for part in parts for name, value in part.items()}


MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's, per channel."""

# ------------------------------------------------------------------------------------------------------------ the demo

HALF = (0.5, 0.5, 0.5)
DEMO: dict[str, Any] = {
    "input_size": 96,  # O the embedded dataset's
    "epochs": 15,  # O
    "batch_size": 32,  # O
    "optimizer": "AdamW",  # O reaches in 15 epochs what SGD needs more for
    "optimizer_options": {},  # O
    "weight_decay": 0.05,  # O
    "schedule": Cosine(warmup=0.1),  # O
    "clip": 1.0,  # O
    "train": (
        op("RandomCrop", size=96, padding=8, padding_mode="reflect"),  # O
        op("RandomHorizontalFlip"),  # O
        op("Normalize", mean=HALF, std=HALF),  # O what the shipped weights were trained with
    ),
    "test": (op("Normalize", mean=HALF, std=HALF),),  # O
}
"""What the demo changes in every recipe: the baseline's and each method's alike. O = ours."""


def resolve(paper: Recipe, demo: Mapping[str, Any] | None, changes: Sequence[str] = (), *, folder: bool = False) -> Recipe:
    """The recipe of a run: the paper's; for the demo DEMO and the method's own changes on it; then what the user set by --set.

    `folder`: images of any size, so the demo scales them first. Raises Usage for what no recipe can be.
    """
    recipe = paper if demo is None else dataclasses.replace(paper, **DEMO | dict(demo))
    if demo is not None and folder:
        size = op("Resize", size=(recipe.input_size, recipe.input_size))
        recipe = dataclasses.replace(recipe, train=(size, *recipe.train), test=(size, *recipe.test))
    return changed(recipe, dict(map(_read, changes)))


def changed(recipe: Recipe, values: Mapping[str, Any]) -> Recipe:
    """The recipe with other values of its fields; at another input size its transforms grow with it, unless they are given.

    Raises Usage for a field that it doesn't have, and a value of another kind than the field's.
    """
    other = dataclasses.replace(recipe, **{name: _of_kind(recipe, name, value) for name, value in values.items()})
    scale = other.input_size / recipe.input_size
    if scale == 1:
        return other
    kept = {name: getattr(recipe, name) for name in ("train", "test") if name not in values}
    return dataclasses.replace(other, **{name: tuple(_scaled(operation, scale) for operation in kept[name]) for name in kept})


def _scaled(operation: Operation, scale: float) -> Operation:
    """The operation at another input size: what it resizes, crops or pads to grows with it."""

    def grow(value: Any) -> Any:
        return [grow(entry) for entry in value] if isinstance(value, list | tuple) else max(1, round(value * scale))

    grown = {name: grow(value) for name, value in operation.arguments.items() if name in ("size", "padding")}
    return dataclasses.replace(operation, arguments={**operation.arguments, **grown})


SCIENTIFIC = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+")
"""1e-3, which YAML takes for a word."""


def _read(text: str) -> tuple[str, Any]:
    """NAME=VALUE of the command line."""
    name, equals, value = text.partition("=")
    if not equals:
        raise Usage(f"--set {text}: expected NAME=VALUE")
    if name == "backbone":
        raise Usage(f"--set {text}: --backbone {value} does this, and takes the demo's recipe for its kind")
    try:
        read = float(value) if SCIENTIFIC.fullmatch(value) else yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise Usage(f"--set {text}: {value!r} is no value that can be read") from error
    if isinstance(read, dict | list):
        raise Usage(f"--set {text}: expected a single value")
    return name, read


def _of_kind(recipe: Recipe, name: str, value: Any) -> Any:
    """A new value of a field, as Python's own number where it is one of another library."""
    current = {entry.name: getattr(recipe, entry.name) for entry in dataclasses.fields(recipe)}
    if name not in current:
        near = difflib.get_close_matches(name, current, n=1)
        there = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(current)}"
        raise Usage(f"the recipe has no {name!r}; {there}")
    hint = typing.get_type_hints(type(recipe))[name]
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if isinstance(value, numbers.Number):
        value = getattr(value, "item", lambda: value)()  # NumPy's as Python's
    if float in kinds and type(value) is int:
        value = float(value)
    if not any(_is_a(value, kind) for kind in kinds):
        expected = " or ".join("null" if kind is types.NoneType else kind.__name__ for kind in kinds)
        raise Usage(f"{name}: found {value!r}, expected {expected}, such as {current[name]!r}")
    return value


def _is_a(value: Any, kind: Any) -> bool:
    if typing.get_origin(kind) is tuple:  # tuple[Operation, ...]
        return isinstance(value, tuple) and all(isinstance(entry, typing.get_args(kind)[0]) for entry in value)
    return isinstance(value, typing.get_origin(kind) or kind) and isinstance(value, bool) == (kind is bool)
