"""DCAL without distractors, and without its selection of patches: what each of these adds."""

from __future__ import annotations

import torch
from torch import Tensor

from implementations.dcal import DCAL


class WithoutPairs(DCAL):
    """Distraction made neutral: the pair-wise branch is self-attention once more, and all losses stay.

    Tells what pairs are worth.
    """

    def pair_wise(self, images: Tensor) -> Tensor:
        return self.classifier(self.backbone(images)[:, 0])


class ClassTokenAlone(DCAL):
    """What is selected made neutral: of the global-local branch the class token alone is read, as the formula stands.

    Tells what reading the selected patches, which is our assumption, is worth.
    """

    def read_out(self, local: Tensor) -> Tensor:
        return torch.cat([local[:, 0], torch.zeros_like(local[:, 0])], dim=1)


class AnyPatches(DCAL):
    """The selection made neutral: as many patches, spread evenly over the image.

    Tells what attention's choice of them is worth.
    """

    def select(self, scores: Tensor) -> Tensor:
        count = super().select(scores).shape[1]
        places = torch.linspace(0, scores.shape[1] - 1, count, device=scores.device).round().long()
        return places.expand(len(scores), -1) + self.backbone.prefix
