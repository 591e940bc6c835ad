"""PMG: stages of a CNN trained one after another on ever larger jigsaw pieces of the same images (Du et al., ECCV 2020).

No parts are located. The last three stages each have a classifier of their own, and a fourth sees all three together. A batch
is used four times, with a step of the optimiser each: cut into 8 × 8 pieces for the finest stage, 4 × 4 for the next, 2 × 2 for
the last, whole for the fourth. A shuffled image has no layout, so that a shallow stage can only win by detail that fits into a
piece. At test time one pass on the whole image sums the four logits.

Kept: three stage blocks, max pooling, four heads, four separate steps from fine to whole, the shared star-swap jigsaw, weight 2
on the last step, summed logits.  Left out: the code's choice of the best epoch on test, and its BatchNorm over each of two GPUs'
half of the batch (here over a process's share: over the same halves with two processes, over all of it with one).
Assumed: what it looks at is where the pooled maxima come from, counted over the channels of all three stages.
Where paper and code differ: they don't. With the code's PyTorch, layers that a step doesn't reach got a gradient of zero, so
that weight decay and momentum moved them; here too (`reaching_all`).
Catalog: catalog/papers/pmg.yaml.  Every number below carries its source: P = paper, C = official code, O = ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from implementations.common.cli import run
from implementations.common.method import Claim, Classes, Method, Terms, Update
from implementations.common.recipes import Recipe, op
from implementations.common.schedules import Cosine

HALF = (0.5, 0.5, 0.5)
STEPS = ((8, "stage 3"), (4, "stage 4"), (2, "stage 5"), (1, "all stages"))


def jigsaw(images: Tensor, n: int, order: Tensor) -> Tensor:
    """Cuts (B, C, H, W) into n × n pieces and swaps each, in `order` (a permutation of n²), with the first; alike for all images.

    The first piece being one of them, the swaps make one cycle: for n > 1 no piece stays. What a side leaves over stays in place.
    """
    side_h, side_w = images.shape[-2] // n, images.shape[-1] // n
    places = list(range(n * n))
    for place in order.tolist():
        places[0], places[place] = places[place], places[0]
    whole = images.clone()
    inner = images[..., : side_h * n, : side_w * n]
    pieces = inner.unflatten(3, (n, side_w)).unflatten(2, (n, side_h)).transpose(3, 4).flatten(2, 3)  # (B, C, n², h, w)
    shuffled = pieces[:, :, places].unflatten(2, (n, n)).transpose(3, 4).flatten(4, 5).flatten(2, 3)
    whole[..., : side_h * n, : side_w * n] = shuffled
    return whole


class StageBlock(nn.Sequential):
    """A 1 × 1 and a 3 × 3 convolution on a stage's map: (B, C, h, w) → (B, width, h, w)."""

    def __init__(self, channels: int, hidden: int, width: int, momentum: float) -> None:
        super().__init__(
            nn.Conv2d(channels, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden, momentum=momentum),
            nn.ReLU(),
            nn.Conv2d(hidden, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width, momentum=momentum),
            nn.ReLU(),
        )


class Head(nn.Sequential):
    """Two linear layers between batch norms: (B, D) → logits (B, K)."""

    def __init__(self, width: int, hidden: int, classes: int) -> None:
        super().__init__(
            nn.BatchNorm1d(width), nn.Linear(width, hidden), nn.BatchNorm1d(hidden), nn.ELU(), nn.Linear(hidden, classes)
        )


@dataclass(frozen=True, kw_only=True)
class Settings(Recipe):
    """PMG's own settings."""

    hidden: int
    width: int
    momentum: float
    whole_weight: float


class PMG(Method):
    """Backbone, three stage blocks, four heads."""

    paper = "pmg"
    claim = Claim("cub-200-2011", "top-1", 89.6, backbone="resnet-50")
    cut = staticmethod(jigsaw)
    recipe = Settings(
        backbone="resnet50.tv_in1k",  # C Resnet.py: torchvision's first ImageNet-1k weights
        input_size=448,  # C train.py
        epochs=200,  # C train.py
        batch_size=16,  # C train.py, on two GPUs
        lr=2e-3,  # C train.py
        backbone_lr=2e-4,  # C train.py
        optimizer="SGD",  # C train.py
        optimizer_options={"momentum": 0.9},  # C train.py
        weight_decay=5e-4,  # C train.py
        schedule=Cosine(by_epoch=True),  # C utils.py
        hidden=512,  # C model.py
        width=1024,  # C model.py
        momentum=0.01,  # C model.py: of the stage blocks' BatchNorm; the heads' keep 0.1
        whole_weight=2.0,  # C train.py: of the fourth step's loss
        train=(
            op("Resize", size=(550, 550)),  # C train.py
            op("RandomCrop", size=448, padding=8),  # C train.py
            op("RandomHorizontalFlip"),  # C train.py
            op("Normalize", mean=HALF, std=HALF),  # C train.py
        ),
        test=(
            op("Resize", size=(550, 550)),  # C utils.py
            op("CenterCrop", size=448),  # C utils.py
            op("Normalize", mean=HALF, std=HALF),  # C utils.py
        ),
    )
    demo = {
        "cnn": {
            "backbone": "finch_resnet",  # O
            "lr": 3e-3,  # O trials on validation
            "backbone_lr": 1.5e-3,  # O trials on validation
            "hidden": 64,  # O an eighth
            "width": 128,  # O an eighth
        }
    }

    def __init__(self, classes: Classes, backbone: nn.Module, recipe: Settings) -> None:
        super().__init__(classes, backbone, recipe)
        self.blocks = nn.ModuleList(
            StageBlock(channels, recipe.hidden, recipe.width, recipe.momentum) for channels in backbone.channels[-3:]
        )
        self.heads = nn.ModuleList(Head(recipe.width, recipe.hidden, len(classes)) for _ in range(3))
        self.head_of_all = Head(3 * recipe.width, recipe.hidden, len(classes))

    def maps(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) → the three stages' blocks (B, width, h, w)."""
        return [block(stage) for block, stage in zip(self.blocks, self.backbone(images)[-3:], strict=True)]

    def logits(self, images: Tensor) -> dict[str, Tensor]:
        """(B, 3, H, W) → logits (B, K) of the three stages and of all together."""
        pooled = [features.amax((2, 3)) for features in self.maps(images)]
        heads = {f"stage {3 + i}": head(one) for i, (head, one) in enumerate(zip(self.heads, pooled, strict=True))}
        return heads | {"all stages": self.head_of_all(torch.cat(pooled, dim=1))}

    def forward(self, images: Tensor) -> Tensor:
        return torch.stack(list(self.logits(images).values())).sum(0)

    def stage_loss(self, images: Tensor, labels: Tensor, stage: str) -> Terms:
        """The loss of one step; all other layers get a gradient of zero, as in the original."""
        weight = self.recipe.whole_weight if stage == "all stages" else 1.0
        return {stage: weight * F.cross_entropy(self.logits(images)[stage], labels) + self.reaching_all()}

    def reaching_all(self) -> Tensor:
        """0, with a gradient of zero for every parameter: then weight decay and momentum move those that a step doesn't reach."""
        return sum(parameter.sum() * 0 for parameter in self.parameters() if parameter.requires_grad)

    def losses(self, images: Tensor, labels: Tensor) -> Terms:
        return {name: F.cross_entropy(logits, labels) for name, logits in self.logits(images).items()}

    def training_step(self, images: Tensor, labels: Tensor, update: Update) -> Terms:
        terms: Terms = {}
        for n, stage in STEPS:
            pieces = self.cut(images, n, torch.randperm(n * n))
            terms |= update(partial(self.stage_loss, stage=stage), pieces, labels)
        return terms

    def evidence(self, images: Tensor) -> Tensor:
        finest, *coarser = (self._origins(features) for features in self.maps(images))
        size = finest.shape[-2:]
        # A coarse place's share is divided among the fine ones that it covers, so that the three stages weigh alike.
        spread = (F.interpolate(one[:, None], size=size)[:, 0] * (one[0].numel() / size.numel()) for one in coarser)
        return finest + sum(spread)

    @staticmethod
    def _origins(features: Tensor) -> Tensor:
        """(B, C, h, w) → (B, h, w): how many channels have their maximum at each place, weighted by it, as a share of all."""
        value, place = features.flatten(2).max(-1)
        total = torch.zeros_like(features[:, 0]).flatten(1).scatter_add(1, place, value)
        return (total / total.sum(1, keepdim=True).clamp_min(1e-6)).unflatten(1, features.shape[-2:])


if __name__ == "__main__":
    run(PMG)
