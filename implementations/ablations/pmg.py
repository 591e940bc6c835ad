"""PMG without its jigsaw, and without its steps one after the other: what each of its two ideas adds to four classifiers."""

from __future__ import annotations

from torch import Tensor

from implementations.common.method import Terms, Update
from implementations.pmg import PMG


class NoJigsaw(PMG):
    """The jigsaw made neutral: every step sees the whole image.

    Tells what cutting it is worth, beside four steps a batch.
    """

    @staticmethod
    def cut(images: Tensor, n: int, order: Tensor) -> Tensor:
        return images


class OneStep(PMG):
    """The steps made one: all four losses at once, on the whole image.

    Tells what going from fine to whole is worth.
    """

    def training_step(self, images: Tensor, labels: Tensor, update: Update) -> Terms:
        return update(self.losses, images, labels)
