"""Learning-rate schedules: a factor from the count of batches, the batches of an epoch, and the total; plain data."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Constant, after a linear warm-up over the first `warmup` batches (or, below 1, that share of all of them).

    The first batch has 1/warmup of the rate, batch number `warmup` the whole of it.
    """

    warmup: float = 0

    def __call__(self, step: int, per_epoch: int, total: int) -> float:
        """The factor of every group's learning rate at batch `step` (from 0)."""
        warmup = round(self.warmup * total) if self.warmup < 1 else int(self.warmup)
        return (step + 1) / warmup if step < warmup else self.after(step, warmup, per_epoch, total)

    def after(self, step: int, warmup: int, per_epoch: int, total: int) -> float:
        return 1.0

    def epochs_of_first(self, epochs: int) -> int:
        """How many of all epochs are a first stage; 0 where there are no stages."""
        return 0


@dataclass(frozen=True, kw_only=True)
class Cosine(Schedule):
    """Falls along half a cosine from the end of the warm-up to 0 at the last batch, or in one stair an epoch."""

    by_epoch: bool = False

    def after(self, step: int, warmup: int, per_epoch: int, total: int) -> float:
        if self.by_epoch:
            step = step // per_epoch * per_epoch
        return (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup))) / 2


@dataclass(frozen=True, kw_only=True)
class Linear(Schedule):
    """Falls in a straight line from the end of the warm-up to 0 after the last batch (Caffe's "poly" with power 1)."""

    def after(self, step: int, warmup: int, per_epoch: int, total: int) -> float:
        return 1 - (step - warmup) / max(1, total - warmup)


@dataclass(frozen=True, kw_only=True)
class Steps(Schedule):
    """Multiplied by `factor` every `every` epochs."""

    every: int
    factor: float = 0.1

    def after(self, step: int, warmup: int, per_epoch: int, total: int) -> float:
        return self.factor ** (step // per_epoch // self.every)


@dataclass(frozen=True, kw_only=True)
class Exponential(Schedule):
    """Multiplied by `factor` every `every` epochs, a little at each batch."""

    every: int
    factor: float

    def after(self, step: int, warmup: int, per_epoch: int, total: int) -> float:
        return self.factor ** (step / per_epoch / self.every)


@dataclass(frozen=True, kw_only=True)
class Stages(Schedule):
    """Two stages, each along half a cosine to 0: from 1, and from `second` after the share `first` of the epochs, rounded."""

    first: float
    second: float

    def epochs_of_first(self, epochs: int) -> int:
        return round(self.first * epochs)

    def after(self, step: int, warmup: int, per_epoch: int, total: int) -> float:
        start = self.epochs_of_first(total // per_epoch) * per_epoch
        if step < start:
            return Cosine().after(step, warmup, per_epoch, start)
        return self.second * Cosine().after(step, max(start, warmup), per_epoch, total)


@dataclass(frozen=True, kw_only=True)
class MultiStep(Schedule):
    """Multiplied by `factor` where each of these epochs, counted from 0, starts."""

    milestones: tuple[int, ...]
    factor: float = 0.1

    def after(self, step: int, warmup: int, per_epoch: int, total: int) -> float:
        return self.factor ** sum(step // per_epoch >= milestone for milestone in self.milestones)
