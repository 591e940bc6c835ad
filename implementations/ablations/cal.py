"""CAL without the effect's loss, with constant attention to compare with, and without its second look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from implementations.cal import CAL
from implementations.common.method import Terms


class NoEffect(CAL):
    """The counterfactual question isn't asked: the effect has no loss, and WS-DAN is what remains.

    Tells what rewarding attention for its effect is worth.
    """

    def losses(self, images: Tensor, labels: Tensor) -> Terms:
        return {name: term for name, term in super().losses(images, labels).items() if name != "effect"}


class ConstantCounterfactual(CAL):
    """The random attention made neutral: in training, too, the maps are compared with plain averages of the features.

    Tells what chance is worth in the comparison.
    """

    def counterfactual(self, attention: Tensor) -> Tensor:
        return torch.ones_like(attention)


class OneLook(CAL):
    """Crop and drop made neutral: the second pass of a training step sees the whole image again, and the test pass looks once.

    Tells what the maps' choice of regions is worth.
    """

    test_time = ()

    def augmented(self, images: Tensor, attention: Tensor) -> Tensor:
        return images.repeat(2, 1, 1, 1)

    def views(self, images: Tensor, crops: Sequence[tuple[float, float]]) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        return super().views(images, ())

    def chosen(self, images: Tensor) -> None:
        return None
