"""What an implementation is: a module with a claim, a recipe, a test pass, losses, and the evidence it looks at.

The harness (train.py) calls nothing but what stands here, and asks no method which one it is. A method overrides what its paper
does differently; most need the first four functions alone.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from implementations.common.recipes import Recipe
from implementations.common.records import EVIDENCE

Terms = dict[str, Tensor]
Update = Callable[[Callable[[Tensor, Tensor], Terms], Tensor, Tensor], Terms]


@dataclass(frozen=True)
class Classes:
    """The classes of a dataset: their names, and per coarser level (order, family, …) the coarse class of each."""

    names: tuple[str, ...]
    coarse: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Claim:
    """The paper's result that a file is to reproduce: the fields that select it in the paper's catalog entry."""

    dataset: str
    metric: str
    value: float
    backbone: str | None = None
    variant: str | None = None


class Method(nn.Module):
    """A paper's method over a backbone.

    `classes` and `backbone` size the layers; `recipe` is the resolved one (paper or demo, with what the user changed).
    What a method carries from step to step is a parameter or a buffer, never a plain attribute: only those survive a kill.
    """

    paper: ClassVar[str]
    """The id of its catalog entry; "baseline" has none."""
    claim: ClassVar[Claim | None] = None
    recipe: Recipe
    demo: ClassVar[Mapping[str, Mapping[str, Any]]]
    """For each family of backbones that the method works on ("cnn", "vit"): what of the recipe the demo changes, beside what it
    changes for all (recipes.DEMO)."""
    over_batch: ClassVar[bool] = False
    """True: a sample's loss depends on its neighbours in the batch, so splitting the batch is another loss."""
    least_per_class: ClassVar[int] = 1
    """How many images of a class training needs."""

    def __init__(self, classes: Classes, backbone: nn.Module, recipe: Recipe) -> None:
        super().__init__()
        self.classes, self.backbone, self.recipe = classes, backbone, recipe

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) → logits (B, K): the whole test pass. A mixture returns log-probabilities."""
        raise NotImplementedError

    def losses(self, images: Tensor, labels: Tensor) -> Terms:
        """(B, 3, H, W), (B,) → the loss terms by name, weighted; the harness adds them up."""
        raise NotImplementedError

    def evidence(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) → (B, h, w) ≥ 0, over the image: what the method itself looks at when it predicts."""
        raise NotImplementedError

    # ---------------------------------------------------------------------------- only where the paper needs it

    def evidence_maps(self, images: Tensor) -> dict[str, Tensor]:
        """(B, 3, H, W) → maps (B, h, w) ≥ 0 by name, each over the image: all of which it is recorded how often they peak inside
        the part that tells the species. Beside `evidence`, which is always one of them, a method may have more.
        """
        return {EVIDENCE: self.evidence(images)}

    def chosen(self, images: Tensor) -> Tensor | None:
        """(B, 3, H, W) → (B, M, 4), the patches or crops that it chose, as top, left, bottom, right in pixels, to be drawn.

        A box without area stands for none; None: the method chooses nothing.
        """
        return None

    def batches(self, labels: list[int], size: int, rng: random.Random) -> list[list[int]]:
        """The batches of one epoch, as indices into the training images; as many in each epoch."""
        order = list(range(len(labels)))
        rng.shuffle(order)
        return [order[start : start + size] for start in range(0, len(order) - size + 1, size)]

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The optimiser's groups, over all parameters whether frozen now or not."""
        recipe, inside = self.recipe, {id(p) for p in self.backbone.parameters()}
        groups = [
            {"name": "backbone", "params": list(self.backbone.parameters()), "lr": recipe.backbone_lr or recipe.lr},
            {"name": "new layers", "params": [p for p in self.parameters() if id(p) not in inside], "lr": recipe.lr},
        ]
        return [group for group in groups if group["params"]]

    def phase(self, epoch: int, epochs: int) -> str:
        """Sets what is trained in this epoch (requires_grad) and returns the phase's name; a function of its arguments alone."""
        return "all"

    def prepare(self, epoch: int, train: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Before an epoch's first step, and once more with epoch == epochs before the final test.

        `train` yields all training images once, (images, labels), in fixed order, by the test transform.
        """

    def training_step(self, images: Tensor, labels: Tensor, update: Update) -> Terms:
        """What is done with one batch: one update by `losses`, unless the paper steps more often."""
        return update(self.losses, images, labels)

    def after_step(self) -> None:
        """After each step of the optimiser, without gradients."""

    def measure(self, test: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
        """Further numbers on the test images, under names of their own."""
        return {}


def at_least_float32(tensor: Tensor) -> Tensor:
    """The tensor in float32, or in float64 if it is that already."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def full_precision(tensor: Tensor) -> torch.autocast:
    """A context that leaves autocast, for sums and products that bf16 would spoil; use with `at_least_float32`."""
    return torch.autocast(tensor.device.type, enabled=False)
