"""ACNet without routing, without a tree, with edges of one depth, with one learning rate: what each of them is worth."""

from __future__ import annotations

import dataclasses
from typing import Any

from torch import Tensor, nn

from implementations.acnet import ACNet, Settings
from implementations.common.method import Classes, Method, at_least_float32


class _EitherWay(nn.Module):
    """Goes left and right with the same probability at each node."""

    def __init__(self, nodes: int) -> None:
        super().__init__()
        self.nodes = nodes

    def forward(self, features: Tensor) -> Tensor:
        return at_least_float32(features).new_zeros(len(features), self.nodes)


class UniformRouting(ACNet):
    """The routing made neutral: every image goes either way with probability ½, so that all leaves weigh the same.

    Tells what choosing paths is worth beside four leaves whose answers are averaged.
    """

    def __init__(self, classes: Classes, backbone: nn.Module, recipe: Settings) -> None:
        super().__init__(classes, backbone, recipe)
        self.routers = nn.ModuleList(_EitherWay(router.nodes) for router in self.routers)


class OneLeaf(ACNet):
    """The tree made neutral: a single leaf, on the backbone's map as it is.

    Tells what the tree is worth.
    """

    def __init__(self, classes: Classes, backbone: nn.Module, recipe: Settings) -> None:
        super().__init__(classes, backbone, dataclasses.replace(recipe, height=1))
        self.recipe = recipe


class EvenEdges(ACNet):
    """The edges' depths made alike: one attention transformer on each, left or right.

    Tells what paths of different scales are worth.
    """

    def __init__(self, classes: Classes, backbone: nn.Module, recipe: Settings) -> None:
        super().__init__(classes, backbone, recipe)
        self.left = nn.ModuleList(edge[: recipe.right] for edge in self.left)


class OneRate(ACNet):
    """The heads' own learning rate made neutral: all new layers have one.

    Tells what it is worth. It is how the method was tried first.
    """

    def parameter_groups(self) -> list[dict[str, Any]]:
        return Method.parameter_groups(self)
