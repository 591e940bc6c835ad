"""GaRD as plain bilinear pooling, without its positional relations, and with the released read-out: what each step adds."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from implementations.common.method import Classes
from implementations.ghrd import GaRD, Settings


class BilinearPooling(GaRD):
    """Positional relations and graph made neutral: the bank is of the second order, and all of its numbers are classified.

    Tells what the third order and the graph are worth beside bilinear pooling of the same two maps.
    """

    def __init__(self, classes: Classes, backbone: nn.Module, recipe: Settings) -> None:
        super().__init__(classes, backbone, recipe)
        numbers = self.layers[0].out_channels ** 2
        self.graph, self.norm = nn.Flatten(), nn.BatchNorm1d(numbers)
        self.norm.bias = None
        self.classifier = nn.Linear(numbers, len(classes), bias=False)
        nn.init.normal_(self.classifier.weight, std=1e-3)

    def enrich(self, first: Tensor, second: Tensor) -> Tensor:
        return first


class NoPositions(GaRD):
    """The positional relations made neutral: the gate lets nothing in, so that the bank is of the second order.

    Tells what the third order is worth, with the graph as it is.
    """

    def enrich(self, first: Tensor, second: Tensor) -> Tensor:
        return first


class MeanOfGroups(GaRD):
    """The grouping made neutral, as it is in the released code: the groups are averaged.

    Tells what reading the groups out is worth.
    """

    def __init__(self, classes: Classes, backbone: nn.Module, recipe: Settings) -> None:
        super().__init__(classes, backbone, recipe)
        self.graph.pool = torch.mean
