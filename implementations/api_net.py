"""API-Net: a network that learns from pairs of similar images looked at together (Zhuang et al., AAAI 2020).

People tell two alike birds apart by comparing them. In training, each image meets the nearest image of its own class and the
nearest of another one; a vector of both turns into a gate on the channels of each, and each is classified under its own gate and
under the other's. A ranking loss asks that its own gate says more. At test time nothing of this is left: one image, backbone
and classifier.

Kept: class-balanced batches, hardest pairs by current features, mutual vector, gates, residual form, one classifier for all four
features, both losses, the backbone's first epochs frozen while its BatchNorm moves and its schedule runs on.  Left out: two
optimisers (groups and frozen gradients do the same), the code's choice of the best epoch on test.
Assumed: what it looks at is the class activation map of its test pass.
Where paper and code differ: the paper writes an MLP for the mutual vector; the code, which is followed, has no activation in it.
Catalog: catalog/papers/api-net.yaml.  Every number below carries its source: P = paper, C = official code, O = ours.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from implementations.common.cli import run
from implementations.common.evaluate import class_activation_map
from implementations.common.method import Claim, Classes, Method, Terms
from implementations.common.recipes import MEAN, STD, Recipe, op
from implementations.common.sampling import random_classes
from implementations.common.schedules import Cosine


@torch.no_grad()
def hardest_pairs(features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """(B, D), (B,) → for each image the nearest other one of its class, and the nearest of another class, by Euclidean distance.

    Each image needs one of both kinds in its batch.
    """
    distances = torch.cdist(features, features, compute_mode="donot_use_mm_for_euclid_dist")
    same = labels[:, None] == labels
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    intra = distances.masked_fill(~same | itself, torch.inf).argmin(1)
    inter = distances.masked_fill(same, torch.inf).argmin(1)
    return intra, inter


def attend(first: Tensor, second: Tensor, mutual: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Both features of pairs, (P, D), under gates from their mutual vector: first by its own, by the other's, second likewise."""
    own, other = (mutual * first).sigmoid(), (mutual * second).sigmoid()
    return first + own * first, first + other * first, second + other * second, second + own * second


def ranking(by_own: Tensor, by_other: Tensor, labels: Tensor, margin: float) -> Tensor:
    """Logits (P, K) under the own and the other's gate → hinge: the true class's probability is to be larger by the margin."""
    own, other = (logits.softmax(1).gather(1, labels[:, None]) for logits in (by_own, by_other))
    return (other - own + margin).relu().mean()


def pair_losses(
    features: Tensor,
    labels: Tensor,
    mutual: Callable[[Tensor], Tensor],
    classify: Callable[[Tensor], Tensor],
    margin: float,
    mine: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] = hardest_pairs,
) -> Terms:
    """Features (B, D), labels (B,) → cross-entropy and ranking loss of each image's two pairs.

    `mutual` turns both features of pairs, (P, 2D), into their mutual vectors (P, D), `classify` features under a gate (P, D) into
    logits (P, K). The batch holds two classes at least, and of each at least two images.
    """
    first, second = torch.arange(len(labels), device=labels.device).repeat(2), torch.cat(mine(features, labels))
    together = mutual(torch.cat([features[first], features[second]], dim=1))
    own1, other1, own2, other2 = map(classify, attend(features[first], features[second], together))
    targets = torch.cat([labels[first], labels[second]])
    by_own, by_other = torch.cat([own1, own2]), torch.cat([other1, other2])
    return {
        "cross-entropy": F.cross_entropy(torch.cat([by_own, by_other]), targets.repeat(2)),
        "ranking": ranking(by_own, by_other, targets, margin),
    }


@dataclass(frozen=True, kw_only=True)
class Settings(Recipe):
    """API-Net's own settings."""

    classes_per_batch: int
    hidden: int
    dropout: float
    margin: float
    frozen: float


class APINet(Method):
    """Backbone, classifier, and the pairwise part that training alone uses."""

    paper = "api-net"
    claim = Claim("cub-200-2011", "top-1", 90.0, backbone="densenet-161")
    mine = staticmethod(hardest_pairs)
    over_batch = True
    least_per_class = 2
    recipe = Settings(
        backbone="densenet161",  # P the row of the claim; C ships ResNet-101
        input_size=448,  # C datasets.py
        epochs=100,  # C train.py
        batch_size=120,  # C train.py: 30 classes × 4 images
        classes_per_batch=30,  # C train.py; the rest of the batch are images of them
        lr=1e-2,  # C train.py, for both optimisers
        weight_decay=5e-4,  # C train.py
        optimizer="SGD",  # C train.py
        optimizer_options={"momentum": 0.9},  # C train.py
        schedule=Cosine(),  # C train.py, over all steps, frozen ones too
        frozen=0.08,  # C train.py: the backbone's first 8 of 100 epochs
        hidden=512,  # C models.py
        dropout=0.5,  # C models.py
        margin=0.05,  # C train.py
        train=(
            op("Resize", size=(512, 512)),  # C datasets.py
            op("RandomCrop", size=448),  # C datasets.py
            op("RandomHorizontalFlip"),  # C datasets.py
            op("Normalize", mean=MEAN, std=STD),  # C datasets.py
        ),
        test=(
            op("Resize", size=(512, 512)),  # C datasets.py
            op("CenterCrop", size=448),  # C datasets.py
            op("Normalize", mean=MEAN, std=STD),  # C datasets.py
        ),
    )
    bounds = {"classes_per_batch": (2, 16)}  # of the demo's 32 images at least two a class, and pairs of two classes
    demo = {
        "cnn": {
            "backbone": "finch_resnet",  # O
            "classes_per_batch": 16,  # O of 32, 2 images each
            "hidden": 32,  # O a quarter of the channels, as 512 of 2,048
            "lr": 1.6e-2,  # O trials on validation
            "backbone_lr": 2e-3,  # O trials on validation
            "margin": 0.2,  # O
        }
    }

    def __init__(self, classes: Classes, backbone: nn.Module, recipe: Settings) -> None:
        super().__init__(classes, backbone, recipe)
        if recipe.batch_size // recipe.classes_per_batch < 2:
            raise ValueError(f"{recipe.batch_size} images of {recipe.classes_per_batch} classes leave none to pair an image with")
        width = backbone.channels[-1]
        self.mutual = nn.Sequential(
            nn.Linear(2 * width, recipe.hidden), nn.Dropout(recipe.dropout), nn.Linear(recipe.hidden, width)
        )
        self.dropout = nn.Dropout(recipe.dropout)
        self.classifier = nn.Linear(width, len(classes))

    def pooled(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) → (B, D)."""
        return self.backbone(images)[-1].mean((2, 3))

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.pooled(images))

    def classify(self, attended: Tensor) -> Tensor:
        """Features under a gate (P, D) → logits (P, K), in training."""
        return self.classifier(self.dropout(attended))

    def losses(self, images: Tensor, labels: Tensor) -> Terms:
        return pair_losses(self.pooled(images), labels, self.mutual, self.classify, self.recipe.margin, self.mine)

    def evidence(self, images: Tensor) -> Tensor:
        return class_activation_map(self.backbone(images)[-1], self.classifier)

    def batches(self, labels: list[int], size: int, rng: random.Random) -> list[list[int]]:
        """Classes drawn for each batch, then the next images of each class's shuffled queue."""
        classes = self.recipe.classes_per_batch
        count = max(1, (len(labels) - 1) // size)  # C datasets.py: while count + size < N
        return random_classes(labels, classes, size // classes, count, rng, fill=False)

    def phase(self, epoch: int, epochs: int) -> str:
        frozen = epoch < round(self.recipe.frozen * epochs)
        self.backbone.requires_grad_(not frozen)
        return "frozen backbone" if frozen else "all"


if __name__ == "__main__":
    run(APINet)
