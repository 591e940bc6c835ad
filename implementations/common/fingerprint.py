"""What the code computes, in numbers that a change of behaviour changes and a renaming doesn't.

A few training steps in float64 on fixed inputs and weights: the named losses at the start of each phase and in the last epoch,
then logits and evidence. Beside them, to be compared exactly: the optimiser's groups and the schedule. Only the demo's backbones
are taken, so that it costs seconds.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch
from torch import Tensor

from implementations.common import backbones, weights
from implementations.common.method import Classes, Method, Terms
from implementations.common.randomness import derive, seed_torch
from implementations.common.recipes import Recipe

CLASSES = Classes(tuple("abcd"), {"family": (0, 0, 1, 1)})
PER_CLASS, STEPS, PER_EPOCH = 4, 3, 15


def of(method: type[Method], recipe: Recipe) -> dict[str, Any] | None:
    """The fingerprint of a method under a recipe; None for a backbone that isn't one of the demo's."""
    if recipe.backbone not in backbones.OWN:
        return None
    recipe = dataclasses.replace(recipe, micro_batches=1)
    wanted = backbones.Wanted(
        name=recipe.backbone,
        families=tuple(method.demo),
        input_size=recipe.input_size,
        output_stride=recipe.output_stride,
        patch_stride=recipe.patch_stride,
    )
    with torch.random.fork_rng():
        seed_torch("fingerprint")
        built = method(CLASSES, backbones.create(wanted, weights.Source(random=True))[0], recipe)
        return compute(built, recipe)


def compute(method: Method, recipe: Recipe) -> dict[str, Any]:
    """The same for a method that is built: it is trained, in float64."""
    method.double()
    redraw(method)
    images, labels = inputs(recipe.input_size)
    optimizer = getattr(torch.optim, recipe.optimizer)(
        method.parameter_groups(), **dict(recipe.optimizer_options) | {"weight_decay": recipe.weight_decay, "lr": recipe.lr}
    )
    rates = [group["lr"] for group in optimizer.param_groups]
    total = recipe.epochs * PER_EPOCH
    losses = []
    for epoch in _epochs(method, recipe.epochs):
        phase = method.phase(epoch, recipe.epochs)
        if epoch == 0:
            method.prepare(0, [(images, labels)])
        method.train()
        for step in range(epoch * PER_EPOCH, epoch * PER_EPOCH + STEPS):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * recipe.schedule(step, PER_EPOCH, total)
            seed_torch("fingerprint", "step", step)
            terms = method.training_step(images, labels, _updater(method, optimizer, recipe))
            losses.append({"phase": phase, "step": step, **{name: float(term) for name, term in terms.items()}})
    with torch.no_grad():
        method.prepare(recipe.epochs, [(images, labels)])
        method.eval()
        logits, maps = method(images), method.evidence(images)
    return {
        "format": 1,
        "losses": losses,
        "logits": _summary(logits),
        "evidence": _summary(maps),
        "groups": [_group(group) for group in optimizer.param_groups],
        "schedule": [recipe.schedule(total * tenth // 10, PER_EPOCH, total) for tenth in range(10)],
        "rates": rates,
    }


def _epochs(method: Method, epochs: int) -> list[int]:
    """The first epoch of each phase, and the last."""
    first: dict[str, int] = {}
    for epoch in range(epochs):
        first.setdefault(method.phase(epoch, epochs), epoch)
    return sorted({*first.values(), epochs - 1})


def _updater(method: Method, optimizer: torch.optim.Optimizer, recipe: Recipe) -> Any:
    def update(losses: Any, images: Tensor, labels: Tensor) -> Terms:
        terms = losses(images, labels)
        sum(terms.values()).backward()
        if recipe.clip is not None:
            torch.nn.utils.clip_grad_norm_(method.parameters(), recipe.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            method.after_step()
        return {name: term.detach() for name, term in terms.items()}

    return update


@torch.no_grad()
def redraw(method: Method) -> None:
    """Weights from NumPy's generator, the same on every CPU, in order of registration, with the mean and deviation they had."""
    generator = np.random.Generator(np.random.PCG64(derive("fingerprint", "weights")))
    for parameter in method.parameters():
        if parameter.numel() > 1 and parameter.std() > 0:
            fresh = torch.from_numpy(generator.standard_normal(parameter.shape))
            parameter.copy_(parameter.mean() + parameter.std() * fresh)


def inputs(side: int) -> tuple[Tensor, Tensor]:
    """16 images of 4 classes, class by class."""
    generator = np.random.Generator(np.random.PCG64(derive("fingerprint", "images")))
    labels = torch.arange(len(CLASSES)).repeat_interleave(PER_CLASS)
    return torch.from_numpy(generator.standard_normal((len(labels), 3, side, side))), labels


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
