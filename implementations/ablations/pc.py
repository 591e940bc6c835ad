"""PC without partners, and without confusion: what pairs are worth, and what the whole term is."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from implementations.common.method import Terms, at_least_float32
from implementations.pc import PC


class NoPartner(PC):
    """The partner made neutral: each image of the same pairs is drawn to the uniform distribution, not to another image's.

    Tells what being confused with another image is worth, beside being less certain.
    """

    @staticmethod
    def confuse(logits: Tensor, labels: Tensor) -> Tensor:
        probabilities, (label, other) = at_least_float32(logits).softmax(1), labels.chunk(2)
        distances = (probabilities - 1 / logits.shape[1]).square().sum(1)
        return (distances * (label != other).repeat(2)).sum() / len(labels)


class NoConfusion(PC):
    """The whole term made neutral: cross-entropy alone, by the same recipe.

    Tells what all of the method is worth.
    """

    def losses(self, images: Tensor, labels: Tensor) -> Terms:
        return {"cross-entropy": F.cross_entropy(self(images), labels)}
