"""API-Net without pairs, without what a pair has in common, and without the search for hard pairs: what each of them adds."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from implementations.api_net import APINet, Settings, hardest_pairs
from implementations.common.method import Classes, Terms


class _Nothing(nn.Module):
    """Says nothing of a pair."""

    def forward(self, pairs: Tensor) -> Tensor:
        return torch.zeros(len(pairs), pairs.shape[1] // 2, device=pairs.device, dtype=pairs.dtype)


class NoPairs(APINet):
    """Pairs made neutral: cross-entropy of each image alone, in the same class-balanced batches.

    Tells what all of the method is worth.
    """

    def losses(self, images: Tensor, labels: Tensor) -> Terms:
        return {"cross-entropy": F.cross_entropy(self.classifier(self.dropout(self.pooled(images))), labels)}


class UniformGates(APINet):
    """The gates made neutral: the mutual vector is 0, so that every gate is half open and both are the same.

    Tells what it is worth.
    """

    def __init__(self, classes: Classes, backbone: nn.Module, recipe: Settings) -> None:
        super().__init__(classes, backbone, recipe)
        self.mutual = _Nothing()


class AnyPairs(APINet):
    """The search made neutral: the next image of the class, and the first of another, are the pair.

    Tells what hard pairs are worth.
    """

    @staticmethod
    def mine(features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        return hardest_pairs(torch.arange(len(labels), dtype=features.dtype, device=features.device)[:, None], labels)
