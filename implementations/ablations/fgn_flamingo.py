"""FGN without coarse labels, without slices, and without stops: what the levels add, and what keeps them from doing harm."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from implementations.common.method import Terms
from implementations.fgn_flamingo import FGN, LevelHeads


class FlatHead(FGN):
    """The hierarchy made neutral: one head on the whole embedding and fine labels alone, whose answers imply the coarse ones.

    Tells what coarse labels are worth, and whether they harm the finest level.
    """

    def heads_of(self, channels: int, classes: Sequence[int]) -> LevelHeads:
        return LevelHeads(channels, classes[-1:], self.recipe.width * len(classes))

    def losses(self, images: Tensor, labels: Tensor) -> Terms:
        return {"cross-entropy": F.cross_entropy(self(images), labels)}

    def measure(self, test: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
        seen = [(self.parents[:, self(images).argmax(1)], self.parents[:, labels]) for images, labels in test]
        return self.accuracies(*(torch.cat(part, dim=1) for part in zip(*seen, strict=True)), "top-1 by mapping")


class SharedEmbedding(FGN):
    """Slices and stops made neutral: every head reads the whole embedding, and its gradient shapes all of it.

    Tells the paper's point: what coarse labels do to fine features that they share.
    """

    @staticmethod
    def read(slices: Tensor) -> list[Tensor]:
        return [slices.flatten(1)] * slices.shape[1]


class NoStops(FGN):
    """The stops made neutral: a coarse head reads the same slices, and its gradient goes into the finer ones, too.

    Tells what the stops are worth, beside slices.
    """

    @staticmethod
    def read(slices: Tensor) -> list[Tensor]:
        return [slices[:, level:].flatten(1) for level in range(slices.shape[1])]
