"""CAP without context, with a context that doesn't look, and without regions: what each of them adds."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from implementations.cap import CAP, Settings
from implementations.common.method import Classes


class _Itself(nn.Module):
    """Each region takes nothing but itself: (B, R, D) → (B, R, R)."""

    def forward(self, regions: Tensor) -> Tensor:
        return torch.eye(regions.shape[1], device=regions.device, dtype=regions.dtype).expand(len(regions), -1, -1)


class _AllAlike(nn.Module):
    """Each region takes as much of every one: (B, R, D) → (B, R, R)."""

    def forward(self, regions: Tensor) -> Tensor:
        return torch.full_like(regions[:, :, :1], 1 / regions.shape[1]).expand(-1, -1, regions.shape[1])


class NoContext(CAP):
    """The context made neutral: the LSTM reads each region as it is.

    Tells what describing regions by each other is worth.
    """

    def __init__(self, classes: Classes, backbone: nn.Module, recipe: Settings) -> None:
        super().__init__(classes, backbone, recipe)
        self.context = _Itself()


class UniformContext(CAP):
    """The attention between regions made neutral: the LSTM reads 27 times the mean of all regions.

    Tells what it is worth that a region looks at some more than at others.
    """

    def __init__(self, classes: Classes, backbone: nn.Module, recipe: Settings) -> None:
        super().__init__(classes, backbone, recipe)
        self.context = _AllAlike()


class WholeMap(CAP):
    """The regions made neutral: each of the 27 is the whole map.

    Tells what looking at parts of it is worth, beside all the layers.
    """

    def __init__(self, classes: Classes, backbone: nn.Module, recipe: Settings) -> None:
        super().__init__(classes, backbone, recipe)
        positions = recipe.pooled**2
        self.sampling = self.sampling[-positions:].repeat(len(self.sampling) // positions, 1)
