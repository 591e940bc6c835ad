"""WS-BAN without its two supervisions, and without attention: what each adds to the features of the backbone."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from implementations.common.method import Classes, Terms
from implementations.wsban import WSBAN, Settings


class WithoutSupervision(WSBAN):
    """Both supervisions made neutral, as in the paper's own comparison: no map is dropped, and no centre attracts.

    Tells what they are worth beside the pooling under attention maps.
    """

    def __init__(self, classes: Classes, backbone: nn.Module, recipe: Settings) -> None:
        super().__init__(classes, backbone, recipe)
        self.dropout = nn.Identity()

    def losses(self, images: Tensor, labels: Tensor) -> Terms:
        return {"cross-entropy": super().losses(images, labels)["cross-entropy"]}


class UniformAttention(WSBAN):
    """The attention made neutral: every map is 1 everywhere, so that each part is the average of the features.

    Tells what looking at parts is worth.
    """

    def __init__(self, classes: Classes, backbone: nn.Module, recipe: Settings) -> None:
        super().__init__(classes, backbone, recipe)
        self.attention.requires_grad_(False)

    def maps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features, attention = super().maps(images)
        return features, torch.ones_like(attention)
