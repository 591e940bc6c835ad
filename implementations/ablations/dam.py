"""DAM with its base loss alone, and with elements masked at random: what the second loss is worth, and what choosing is."""

from __future__ import annotations

import torch
from torch import Tensor

from implementations.common.method import Terms
from implementations.dam import DAM, weak_elements


class BaseLoss(DAM):
    """The loss on weak elements made neutral: the base loss alone, by the same recipe.

    Tells what the whole mechanism is worth, for Recall@1 on unseen species above all.
    """

    def losses(self, images: Tensor, labels: Tensor) -> Terms:
        return {"base": super().losses(images, labels)["base"]}


class RandomElements(DAM):
    """The choice made neutral: as many elements are masked, drawn at random for each image.

    Tells what it is worth to mask those that are trained best, beside a dropout of elements.
    """

    @staticmethod
    def weak(contributed: Tensor, share: float) -> Tensor:
        return weak_elements(torch.rand_like(contributed), share)
