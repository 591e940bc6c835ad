"""What a method's training step and test pass cost, beside the plain baseline's: as `python -m benchmarks.steps` measured it.

A ratio says nothing of a method that has changed since: so each keeps the recipe and the size that it was measured with. No torch
here: the site shows them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from implementations.common.records import RECORDS, Broken, Record

FILE = RECORDS / "steps.json"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Ratio(_Model):
    """The method's time over the baseline's, right before or after it: median and quartiles over the turns."""

    median: float
    low: float
    high: float


class Measured(_Model):
    """One method on one backbone: what it costs, and where and when that was measured."""

    paper: str
    backbone: str
    recipe: dict[str, Any]
    parameters: int
    flops: int
    step: Ratio
    test: Ratio
    images: float
    """How many images its training sees in an epoch, over the baseline's number."""
    date: str
    machine: str
    torch: str
    threads: int
    turns: int
    unquiet: str | None
    """Why these ratios are to be doubted: other work on the machine, or turns that lie far apart; None: nothing was seen."""

    @property
    def budget(self) -> tuple[Any, ...]:
        """What a method has one row of each: backbone and strides."""
        return self.paper, self.backbone, self.recipe.get("output_stride"), self.recipe.get("patch_stride")

    def holds_for(self, run: Record) -> bool:
        """Whether the run is one of the method as it was measured: by its recipe (but for its length), parameters and FLOPs."""
        recipes = [{name: value for name, value in one.items() if name != "epochs"} for one in (self.recipe, run.recipe)]
        sizes = (run.outcome.parameters, run.outcome.flops)
        return recipes[0] == recipes[1] and sizes == (self.parameters, self.flops)


def of(run: Record, measured: Iterable[Measured]) -> Measured | str:
    """What was measured of a run's method on its backbone and strides, where it holds for the run; else why there is nothing."""
    wanted = (run.paper, run.backbone.name, *run.budget.strides)
    found = next((one for one in measured if one.budget == wanted), None)
    if found is None:
        return "not measured"
    return found if found.holds_for(run) else "out of date"


def read(path: Path = FILE) -> list[Measured]:
    """All that was measured; nothing where there is no such file. Raises Broken."""
    if not path.is_file():
        return []
    try:
        return TypeAdapter(list[Measured]).validate_json(path.read_bytes())
    except (ValidationError, OSError) as error:
        raise Broken(f"{path}: no list of measured steps; python -m benchmarks.steps --write makes it: {error}") from error


def keep(path: Path, fresh: Iterable[Measured]) -> None:
    """Writes down what was measured, each in place of what was known of the same method, backbone and strides."""
    from implementations.common.files import write_atomically  # imports a package that the site, which reads only, does without

    known = {one.budget: one for one in [*read(path), *fresh]}
    lines = (json.dumps(known[key].model_dump()) for key in sorted(known, key=str))
    text = "[\n" + ",\n".join(lines) + "\n]\n"
    write_atomically(path, lambda file: file.write(text.encode()))
