"""MC-Loss without its loss, without either of its terms, and without its mask: what each of them adds to cross-entropy."""

from __future__ import annotations

import dataclasses

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
    """Discriminality made neutral: the channels of a group look at different places, but needn't recognise its class.

    Tells what it is worth that channels belong to classes.
    """

    def losses(self, images: Tensor, labels: Tensor, kept: Tensor | None = None) -> Terms:
        terms = super().losses(images, labels, kept)
        return {name: term for name, term in terms.items() if name != "discriminality"}


class NoDiversity(MCLossNet):
    """Diversity made neutral: the channels of a group recognise its class, wherever they look.

    Tells what it is worth that they look at different places.
    """

    def losses(self, images: Tensor, labels: Tensor, kept: Tensor | None = None) -> Terms:
        terms = super().losses(images, labels, kept)
        return {name: term for name, term in terms.items() if name != "diversity"}


class NoMask(MCLossNet):
    """The mask made neutral: no channel is ever switched off.

    Tells what it is worth that a group has to do without some of its channels.
    """

    def __init__(self, classes: Classes, backbone: nn.Module, recipe: Settings) -> None:
        super().__init__(classes, backbone, dataclasses.replace(recipe, keep=1.0))
