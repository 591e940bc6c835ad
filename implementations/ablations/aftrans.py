"""AFTrans without the product of heads, and without weights of blocks: what either adds to the region that is looked at again."""

from __future__ import annotations

from torch import Tensor, nn

from implementations.aftrans import AFTrans, Settings
from implementations.common.method import Classes
from implementations.common.vit import ViT


class MeanOfHeads(AFTrans):
    """The product of heads made neutral: a block's map is the mean of its heads'.

    Tells what agreement of all heads is worth.
    """

    def block_maps(self, rows: Tensor) -> Tensor:
        return nn.functional.normalize(rows.mean(-2), p=1, dim=-1)


class EqualWeights(AFTrans):
    """The learnt weights made neutral: all blocks weigh the same, whatever their maps are like.

    Tells what weighing them is worth.
    """

    def __init__(self, classes: Classes, backbone: ViT, recipe: Settings) -> None:
        super().__init__(classes, backbone, recipe)
        self.collect.weights = lambda maps: maps.new_ones(maps.shape[:2])
        self.collect.requires_grad_(False)
