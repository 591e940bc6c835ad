"""What the code computes, in numbers that a change of behaviour changes and a renaming doesn't.

Two parts. *Computed*: the harness trains the method for a few steps in float64, on fixed images and weights: at the start of the
schedule, where its warm-up ends, at the start of each further phase, and at the end. Kept are the losses, then logits and
maps. *Exact*: what so few steps hardly show: the optimiser's groups, the schedule, an image's transforms, the first batches,
and how the weights were initialised. Beside them stands the recipe, in the record itself. Only the demo's backbones are taken,
and small images, so that it costs a second or two.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from implementations.common import backbones, finches, weights
from implementations.common.data import Data, Samples, Split
from implementations.common.method import Classes, Method
from implementations.common.randomness import derive, seed_torch
from implementations.common.recipes import Recipe
from implementations.common.train import Settings, Trainer

FORMAT = 3
CLASSES = Classes(tuple("abcd"), {"family": (0, 0, 1, 1)})
SIDE, PER_CLASS, STEPS = 64, 4, 3
TRAINING_IMAGES = len(finches.Spec(split="train", count=finches.TRAINING_IMAGES))
"""As many as the demo's, so that the schedule has its length."""
COMPUTED, EXACT, DRAWN = 1e-10, 1e-12, 1e-6
"""Relative tolerances. Measured: 4e-15 between 1 and 2 threads and between two ways to multiply the same matrices, 1e-14 between
CPUs of two kinds. Drawn weights come from float32 functions of the CPU's."""

Moments = list[list[Any]]
"""Shape, mean and deviation of each weight as it was initialised, in order of registration."""


def of(method: type[Method], recipe: Recipe, drawn: Moments | None = None) -> dict[str, Any] | None:
    """The fingerprint of a method under a recipe; None for a backbone that isn't one of the demo's.

    To hold it against another CPU's, `drawn` takes that one's `exact.drawn`: see `redraw`.
    """
    if recipe.backbone not in backbones.OWN:
        return None
    recipe = dataclasses.replace(recipe, micro_batches=1, input_size=SIDE)
    with torch.random.fork_rng():
        seed_torch("fingerprint")
        return compute(method.from_recipe(recipe, CLASSES, weights.Source(random=True))[0], drawn)


def compute(method: Method, theirs: Moments | None = None) -> dict[str, Any]:
    """The same for a method that is built: it is trained, in float64."""
    drawn = moments(method)
    method.double()
    alike = theirs is not None and [shape for shape, *_ in theirs] == [shape for shape, *_ in drawn]
    redraw(method, theirs if alike else drawn)
    trainer = Trainer(method, _data(), OneProcess(), Settings(seed=0, read_every=10**9))
    exact = {
        "groups": [_group(group) for group in trainer.optimizer.param_groups],
        "rates": trainer.rates,
        "schedule": [method.recipe.schedule(step, trainer.per_epoch, trainer.total) for step in _spread_over(trainer.total)],
        "transforms": [_transformed(trainer.data.train, transform) for transform in (method.recipe.train, method.recipe.test)],
        "batches": [trainer.epoch_batches(epoch)[0] for epoch in (0, 1)],
        "drawn": drawn,
    }
    images, labels = inputs(method.recipe.input_size)
    with trainer.progress.training(trainer.total, 0):
        losses = list(_trained(trainer, images, labels))
    with torch.no_grad():
        method.prepare(method.recipe.epochs, [(images, labels)])
        method.eval()
        maps = {name: _summary(one) for name, one in method.evidence_maps(images).items()}
        computed = {"losses": losses, "logits": _summary(method(images)), "maps": maps}
    return {"format": FORMAT, "computed": computed, "exact": exact}


def _trained(trainer: Trainer, images: Tensor, labels: Tensor) -> Iterator[dict[str, Any]]:
    """The losses of a few steps at each of the places that tell something."""
    for start in _starts(trainer):
        trainer.state.step = start
        phase = trainer.set_phase()
        if start == 0:
            trainer.method.prepare(0, [(images, labels)])
            trainer.method.train()
        for step in range(start, start + STEPS):
            terms = trainer.step(images, labels)
            yield {"step": step, "phase": phase, "terms": {name: float(term) for name, term in terms.items()}}


def _starts(trainer: Trainer) -> list[int]:
    """The first step of all, of each phase, where the schedule is at its highest, and near the end."""
    method, per_epoch, total = trainer.method, trainer.per_epoch, trainer.total
    first: dict[str, int] = {}
    for epoch in range(method.recipe.epochs):
        first.setdefault(method.phase(epoch, method.recipe.epochs), epoch * per_epoch)
    warm = max(range(total), key=lambda step: (method.recipe.schedule(step, per_epoch, total), -step))
    starts: list[int] = []
    for start in sorted({*first.values(), warm, total - STEPS}):
        if 0 <= start <= total - STEPS and (not starts or start >= starts[-1] + STEPS):
            starts.append(start)
    return starts


@dataclass(frozen=True)
class OneProcess:
    """What the trainer asks of accelerate, where it is this process alone, on the CPU, in the precision of its tensors."""

    num_processes: int = 1
    process_index: int = 0
    is_main_process: bool = True
    mixed_precision: str = "no"
    device: torch.device = torch.device("cpu")  # noqa: RUF009 - frozen

    def autocast(self) -> contextlib.AbstractContextManager:
        return contextlib.nullcontext()


@torch.no_grad()
def redraw(method: Method, drawn: Moments) -> None:
    """Weights from NumPy's generator, the same on every CPU, in order of registration, of the mean and deviation in `drawn`.

    A CPU's own moments won't do: they differ by 1e-8 of another's, as a truncated normal's float32 does, and a few steps of
    training make 1e-9 of the losses of it.
    """
    generator = np.random.Generator(np.random.PCG64(derive("fingerprint", "weights")))
    for parameter, (_, mean, deviation) in zip(method.parameters(), drawn, strict=True):
        count = parameter.numel()
        if deviation > 0:
            fresh = torch.from_numpy(generator.standard_normal(parameter.shape))
            parameter.copy_(mean + deviation * math.sqrt(count / (count - 1)) * fresh)


def inputs(side: int) -> tuple[Tensor, Tensor]:
    """16 images of 4 classes, class by class."""
    generator = np.random.Generator(np.random.PCG64(derive("fingerprint", "images")))
    labels = torch.arange(len(CLASSES)).repeat_interleave(PER_CLASS)
    return torch.from_numpy(generator.standard_normal((len(labels), 3, side, side))), labels


def _data() -> Data:
    """As many images as the demo has, so that epochs have their length; all are the same one."""
    generator = np.random.Generator(np.random.PCG64(derive("fingerprint", "pixels")))
    pixels = torch.from_numpy(generator.integers(0, 256, (3, 96, 96), dtype=np.uint8))
    labels = [index * len(CLASSES) // TRAINING_IMAGES for index in range(TRAINING_IMAGES)]
    split = Split(labels, lambda index: pixels.clone())
    return Data("fingerprint", CLASSES, split, split, split, "0" * 32)


def _transformed(split: Split, operations: tuple) -> str:
    """A digest of one image as a transform leaves it."""
    image, _ = Samples(split, operations, seed=0)[0, 0]
    return hashlib.blake2b(image.contiguous().numpy().tobytes(), digest_size=8).hexdigest()


def _spread_over(total: int) -> list[int]:
    """Ten steps from the first to the last."""
    return [tenth * (total - 1) // 9 for tenth in range(10)]


def moments(method: Method) -> Moments:
    """Of a method as it is."""
    return [_moments(parameter) for parameter in method.parameters()]


def _moments(parameter: Tensor) -> list[Any]:
    values = parameter.detach().double()
    return ["×".join(map(str, values.shape)) or "1", float(values.mean()), float(values.std(correction=0))]


def _summary(values: Tensor) -> dict[str, Any]:
    """A few numbers that any change moves: mean, deviation, and a fixed random projection."""
    weight = torch.from_numpy(np.random.Generator(np.random.PCG64(1)).standard_normal(values.shape))
    return {
        "shape": list(values.shape),
        "mean": float(values.mean()),
        "std": float(values.std()),
        "projection": float((values * weight).sum()),
    }


def _group(group: dict[str, Any]) -> dict[str, Any]:
    plain = {
        key: value
        for key, value in group.items()
        if key not in ("params", "lr") and isinstance(value, bool | int | float | str | tuple | None)
    }
    return {"parameters": sum(parameter.numel() for parameter in group["params"])} | plain


# ----------------------------------------------------------------------------------------------------------- comparing


@dataclass(frozen=True)
class Difference:
    """What a fingerprint has at a place, and what it had when the record was made."""

    place: str
    then: Any
    now: Any

    def __str__(self) -> str:
        return f"{self.place}: {self.then!r} then, {self.now!r} now"


def differences(then: dict[str, Any], now: dict[str, Any]) -> list[Difference]:
    """All places at which two fingerprints part by more than the tolerances."""
    return list(_differences("", then, now))


def _differences(place: str, then: Any, now: Any) -> Iterator[Difference]:
    if place == "exact.drawn" and isinstance(then, list) and len(then) == len(now):
        yield from _differences_of_moments(place, then, now)
    elif isinstance(then, dict) and isinstance(now, dict) and then.keys() == now.keys():
        for key in then:
            yield from _differences(f"{place}.{key}" if place else key, then[key], now[key])
    elif isinstance(then, list | tuple) and isinstance(now, list | tuple) and len(then) == len(now):
        for index, (one, other) in enumerate(zip(then, now, strict=True)):
            yield from _differences(f"{place}[{index}]", one, other)
    elif not _same(place, then, now):
        yield Difference(place, then, now)


def _differences_of_moments(place: str, then: Moments, now: Moments) -> Iterator[Difference]:
    """A mean is held against the deviation, too: of weights around 0 it is the rest of a sum whose terms cancel."""
    for index, ((shape, mean, deviation), (other_shape, other_mean, other_deviation)) in enumerate(zip(then, now, strict=True)):
        same = math.isclose(mean, other_mean, rel_tol=DRAWN, abs_tol=DRAWN * deviation)
        if shape != other_shape or not same or not math.isclose(deviation, other_deviation, rel_tol=DRAWN):
            yield Difference(f"{place}[{index}]", then[index], now[index])


def _same(place: str, then: Any, now: Any) -> bool:
    if not (isinstance(then, float) and isinstance(now, float)):
        return type(then) is type(now) and then == now
    tolerance = EXACT if place.startswith("exact") else COMPUTED
    return math.isclose(then, now, rel_tol=tolerance, abs_tol=tolerance / 1000) or (math.isnan(then) and math.isnan(now))
