"""CIN with any channels in the mix, without pairs, and with pairs that compare no weights: what each of them adds."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from implementations.cin import CIN, Settings
from implementations.common.method import Classes, Terms, at_least_float32


def uniform(features: Tensor) -> Tensor:
    """Maps (B, C, N) → weights (B, C, C), all the same."""
    return torch.full_like(at_least_float32(features[:, :, :1]), 1 / features.shape[1]).expand(-1, -1, features.shape[1])


class UniformWeights(CIN):
    """The weights made neutral: each channel is completed by the mean of all, whether they are like it or not.

    Tells what the channels' relations are worth, beside one more convolution and the contrastive loss.
    """

    def __init__(self, classes: Classes, backbone: nn.Module, recipe: Settings) -> None:
        super().__init__(classes, backbone, recipe)
        self.interaction.weigh = uniform


class NoPairs(CIN):
    """Pairs made neutral: cross-entropy of each image alone, with the self-channel interaction, in the same batches.

    Tells what the contrastive channel interaction is worth, with its loss.
    """

    def losses(self, images: Tensor, labels: Tensor) -> Terms:
        return {"cross-entropy": F.cross_entropy(self(images), labels)}


class _Nothing(nn.Module):
    """Says nothing of a pair."""

    def forward(self, mixed: Tensor) -> Tensor:
        return torch.zeros_like(mixed[:, 0, 0, :1])


class PlainContrast(CIN):
    """The contrastive channel interaction made neutral: the other image's weights count as 0, the loss compares completed maps.

    Tells what subtracting its weights is worth, beside the contrastive loss.
    """

    def __init__(self, classes: Classes, backbone: nn.Module, recipe: Settings) -> None:
        super().__init__(classes, backbone, recipe)
        self.interaction.scale = _Nothing()


class FromPlainMaps(CIN):
    """The convolution's random start made neutral: its weights start at 0, so that training starts from the map as it is.

    Tells what a start that disturbs pretrained features costs.
    """

    def __init__(self, classes: Classes, backbone: nn.Module, recipe: Settings) -> None:
        super().__init__(classes, backbone, recipe)
        nn.init.zeros_(self.interaction.conv.weight)
        nn.init.zeros_(self.interaction.conv.bias)
