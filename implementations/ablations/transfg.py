"""TransFG with a blind selection, without selection, and without its contrastive loss: what each of them adds."""

from __future__ import annotations

import torch
from torch import Tensor

from implementations.common.method import Terms
from implementations.transfg import TransFG, strongest_patch


class UniformRollout(TransFG):
    """The rollout made neutral: no patch contributes more than another, so every head keeps the first.

    Tells what choosing is worth.
    """

    def select(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        tokens, contribution, _ = super().select(images)
        uniform = torch.full_like(contribution, 1 / contribution.shape[-1])
        return tokens, uniform, strongest_patch(uniform, self.backbone.prefix)


class AllPatches(TransFG):
    """The selection made neutral: the part layer sees every token, as a plain ViT's last block does.

    Tells what leaving out is worth.
    """

    def class_token(self, tokens: Tensor, selected: Tensor) -> Tensor:
        return self.backbone.norm(self.part_layer(tokens))[:, 0]


class WithoutContrast(TransFG):
    """The contrastive loss made neutral: cross-entropy alone.

    Tells what the loss is worth.
    """

    def losses(self, images: Tensor, labels: Tensor) -> Terms:
        return {"cross-entropy": super().losses(images, labels)["cross-entropy"]}
