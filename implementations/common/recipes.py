"""How a method is trained, as plain data: a recipe can be compared, changed from the command line, and kept in a record."""

from __future__ import annotations

import dataclasses
import difflib
import re
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
    """Into how many parts a process's batch is split; their gradients are summed before the step."""
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
        for name in ("input_size", "epochs", "batch_size", "micro_batches"):
            if getattr(self, name) < 1:
                raise Usage(f"{name} is at least 1, not {getattr(self, name)}")

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
    """The recipe of a run: the paper's; for the demo DEMO and the method's own changes on it; then what the user set.

    `folder`: images of any size, so the demo scales them first. Raises Usage for what no recipe can be.
    """
    recipe = paper if demo is None else dataclasses.replace(paper, **DEMO | dict(demo))
    if demo is not None and folder:
        size = op("Resize", size=(recipe.input_size, recipe.input_size))
        recipe = dataclasses.replace(recipe, train=(size, *recipe.train), test=(size, *recipe.test))
    return dataclasses.replace(recipe, **dict(_change(recipe, text) for text in changes))


SCIENTIFIC = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+")
"""1e-3, which YAML takes for a word."""


def _change(recipe: Recipe, text: str) -> tuple[str, Any]:
    """One NAME=VALUE, the value of the kind that the recipe has there."""
    name, equals, value = text.partition("=")
    current = {entry.name: getattr(recipe, entry.name) for entry in dataclasses.fields(recipe)}
    if not equals or name not in current:
        near = difflib.get_close_matches(name, current, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(current)}"
        raise Usage(f"--set {text}: {'expected NAME=VALUE' if not equals else f'the recipe has no {name!r}{hint}'}")
    read = float(value) if SCIENTIFIC.fullmatch(value) else yaml.safe_load(value)
    if isinstance(current[name], float) and isinstance(read, int) and not isinstance(read, bool):
        read = float(read)
    settable = current[name] is None or isinstance(current[name], bool | int | float | str)
    if not settable or (current[name] is not None and type(read) is not type(current[name])):
        raise Usage(f"--set {text}: found {value!r}, expected a value like {current[name]!r}")
    return name, read
