"""GCL without its graphs, without either of them, and without two of its losses: what regions learn from each other."""

from __future__ import annotations

from torch import Tensor, nn

from implementations.common.method import Classes, Terms
from implementations.gcl import GCL, Settings


class NoGraphs(GCL):
    """Both propagations made neutral: positions are scored, and patches joined, as they are.

    Tells what the graphs are worth beside patches, classifiers and losses.
    """

    def __init__(self, classes: Classes, backbone: nn.Module, recipe: Settings) -> None:
        super().__init__(classes, backbone, recipe)
        self.propagate = self.strengthen = nn.Identity()


class NoPropagation(GCL):
    """Criss-cross graph propagation made neutral: each position is scored by what its own surroundings are like.

    Tells what receiving from its row and column is worth.
    """

    def __init__(self, classes: Classes, backbone: nn.Module, recipe: Settings) -> None:
        super().__init__(classes, backbone, recipe)
        self.propagate = nn.Identity()


class NoStrengthening(GCL):
    """Correlation feature strengthening made neutral: patches are joined as they come out of the backbone.

    Tells what receiving from the other patches is worth.
    """

    def __init__(self, classes: Classes, backbone: nn.Module, recipe: Settings) -> None:
        super().__init__(classes, backbone, recipe)
        self.strengthen = nn.Identity()


class NoOrderOfLosses(GCL):
    """The guided and the correlation loss made neutral: patches needn't be easier than the image, nor all of them than each.

    Tells what asking for it is worth.
    """

    def losses(self, images: Tensor, labels: Tensor) -> Terms:
        terms = super().losses(images, labels)
        return {name: terms[name] for name in ("classification", "rank")}
