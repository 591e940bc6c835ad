"""FFVT with its choice of tokens made blind, halved or cut to one layer, and with the last layer that its code throws away."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from implementations.common.method import Classes
from implementations.common.vit import ViT
from implementations.ffvt import FFVT, Settings


class AnyTokens(FFVT):
    """The selection made neutral: as many tokens a layer, spread evenly over the image.

    Tells what attention's choice is worth.
    """

    def most_mutual(self, from_class: Tensor, to_class: Tensor) -> Tensor:
        count, tokens = self.recipe.tokens_per_layer, from_class.shape[-1]
        places = torch.linspace(self.backbone.prefix, tokens - 1, count, device=from_class.device).round().long()
        return places.expand(len(from_class), -1)


class OneDirection(FFVT):
    """Mutual attention made one-sided: what the class token looks at, whoever looks back.

    Tells what the other direction is worth.
    """

    def most_mutual(self, from_class: Tensor, to_class: Tensor) -> Tensor:
        return super().most_mutual(from_class, torch.zeros_like(to_class))


class LastLayerAlone(FFVT):
    """Fusion made neutral: of the fused tokens those of the deepest layer alone.

    Tells what the other levels are worth.
    """

    def select(self, images: Tensor) -> tuple[Tensor, Tensor]:
        fused, selected = super().select(images)
        own = self.recipe.tokens_per_layer
        return torch.cat([fused[:, :1], fused[:, -own:]], dim=1), selected[:, -own:]


class PretrainedLastLayer(FFVT):
    """The last layer and the final norm as they were pretrained, which the official code doesn't load.

    Tells what that costs.
    """

    def __init__(self, classes: Classes, backbone: ViT, recipe: Settings) -> None:
        last, norm = (copy.deepcopy(part.state_dict()) for part in (backbone.blocks[-1], backbone.model.norm))
        super().__init__(classes, backbone, recipe)
        self.fusion_layer.load_state_dict(last)
        backbone.model.norm.load_state_dict(norm)
