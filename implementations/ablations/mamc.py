"""MAMC without its constraint, with one of its three losses, with features of length 1, and without excitation."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from implementations.common.method import Classes, Terms
from implementations.mamc import MAMC, Settings, constraint


class NoConstraint(MAMC):
    """The constraint made neutral: cross-entropy alone, on the same attention features, in the same batches of pairs.

    Tells what relating attentions across images is worth.
    """

    @staticmethod
    def constrain(features: Tensor, labels: Tensor) -> Terms:
        return {}


class OneLoss(MAMC):
    """The ranking of what shares one thing alone made neutral: the same attention of the same class against all else.

    Tells what the two other losses are worth.
    """

    @staticmethod
    def constrain(features: Tensor, labels: Tensor) -> Terms:
        name, term = next(iter(constraint(features, labels).items()))
        return {name: term}


class UnitFeatures(MAMC):
    """The features' lengths made neutral: the constraint compares their directions, as one library does.

    Tells what products without a bound are worth.
    """

    @staticmethod
    def constrain(features: Tensor, labels: Tensor) -> Terms:
        return constraint(F.normalize(features, dim=2), labels)


class OpenGates(MAMC):
    """The excitation made neutral: every attention sees the map as it is, so that only the layers that read it differ.

    Tells what weighing the channels is worth.
    """

    def __init__(self, classes: Classes, backbone: torch.nn.Module, recipe: Settings) -> None:
        super().__init__(classes, backbone, recipe)
        del self.osme.shrink, self.osme.expand
        self.osme.gates = lambda features: features.new_ones(len(features), recipe.attentions, features.shape[1])
