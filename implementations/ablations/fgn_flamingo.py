"""FGN without coarse labels, without slices, and without stops: what the levels add, and what keeps them from doing harm."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from implementations.common.method import Classes, Terms
from implementations.fgn_flamingo import FGN, LevelHeads, Settings


class FlatHead(FGN):
    """The hierarchy made neutral: one head on the whole embedding and fine labels alone, whose answers imply the coarse ones.

    Tells what coarse labels are worth, and whether they harm the finest level.
    """

    def __init__(self, classes: Classes, backbone: nn.Module, recipe: Settings) -> None:
        super().__init__(classes, backbone, recipe)
        self.heads = LevelHeads(backbone.channels[-1], [len(classes)], recipe.hidden)

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
    def read(embedding: Tensor, levels: int) -> list[Tensor]:
        return [embedding] * levels


class NoStops(FGN):
    """The stops made neutral: a coarse head reads the same slices, and its gradient goes into the finer ones, too.

    Tells what the stops are worth, beside slices.
    """

    @staticmethod
    def read(embedding: Tensor, levels: int) -> list[Tensor]:
        width = embedding.shape[1]
        return [embedding[:, start:] for start in range(0, width, width // levels)]
