"""MC-Loss without its loss, without either of its terms, and without its mask: what each of them adds to cross-entropy."""

from __future__ import annotations

from torch import Tensor, nn

from implementations.common.method import Classes, Terms
from implementations.mc_loss import MCLossNet, Settings


class CrossEntropyAlone(MCLossNet):
    """The loss made neutral: the same network and classifier, trained by cross-entropy.

    Tells what all of it is worth.
    """

    def losses(self, images: Tensor, labels: Tensor, kept: Tensor | None = None) -> Terms:
        return {"cross-entropy": super().losses(images, labels, kept)["cross-entropy"]}


class NoDiscriminality(MCLossNet):
    """The channels of a group are asked to look at different places, but not to recognise its class.

    Tells what the discriminality term is worth.
    """

    def losses(self, images: Tensor, labels: Tensor, kept: Tensor | None = None) -> Terms:
        terms = super().losses(images, labels, kept)
        del terms["discriminality"]
        return terms


class NoDiversity(MCLossNet):
    """The channels of a group are asked to recognise its class, wherever they look.

    Tells what the diversity term is worth.
    """

    def losses(self, images: Tensor, labels: Tensor, kept: Tensor | None = None) -> Terms:
        terms = super().losses(images, labels, kept)
        del terms["diversity"]
        return terms


class NoMask(MCLossNet):
    """The mask made neutral: no channel is ever switched off.

    Tells what it is worth that every part of a group has to do.
    """

    def __init__(self, classes: Classes, backbone: nn.Module, recipe: Settings) -> None:
        super().__init__(classes, backbone, recipe)
        self.mutual_channel.drop = 0.0
