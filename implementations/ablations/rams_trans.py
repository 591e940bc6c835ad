"""RAMS-Trans whose second look is at the whole image: what the region adds, and what attention adds to finding it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch
from torch import Tensor

from implementations.common.vit import Maps
from implementations.rams_trans import RAMSTrans


class WholeImage(RAMSTrans):
    """The region made neutral: the second look is at all of the image again.

    Tells what looking closer is worth.
    """

    def propose(self, maps: Sequence[Maps]) -> tuple[Tensor, Tensor]:
        scores, region = super().propose(maps)
        side = self.recipe.input_size
        return scores, torch.tensor([0, 0, side, side], device=region.device).expand_as(region)


class UniformAttention(RAMSTrans):
    """Attention made neutral: every token looks at all alike, so that the region is the whole image.

    Tells what attention is worth beside a second look.
    """

    def propose(self, maps: Sequence[Maps]) -> tuple[Tensor, Tensor]:
        return super().propose([dataclasses.replace(one, queries=torch.zeros_like(one.queries)) for one in maps])
