"""WS-BAN, a reconstruction: attention maps become parts without any annotation of parts (Hu et al., arXiv 2018).

Finding parts usually takes annotations, or several networks. WS-BAN computes a number of attention maps from the features, and
each map pools the features that it weighs (bilinear attention pooling): one row for each part, and all rows are classified
together. Left alone, the maps crowd on one or two spots. Two supervisions that need no more than image labels prevent this: a
centre loss draws each part's features to the centre that its class has for this part (attention regularisation), and in
training whole maps are dropped at random, so that no part decides alone (attention dropout). The test pass is one plain look.

Kept: the maps, their pooling, both supervisions, one pass. So much is certain; the paper has no public code, and we couldn't
read its full text.  Left out: a term that pushes different parts apart, of which one note tells; WS-DAN's code lacks it.
Assumed: all else is as in the code of its successor WS-DAN, by some of the same authors, without that paper's crops: backbone,
features, signed square root, scale, weight of the centre loss, training. A map is a new convolution with BatchNorm and ReLU,
where WS-DAN's are channels of a later layer; the rate of dropping is a reimplementation's, and the centre loss sees what is left,
at length 1. The centres of WS-DAN's code and its ports are not means: updated by β(f − c/‖c‖), c is β·f of its class's last
image, for any β, if a batch has one image of a class. Ours are updated by β(f − c), so they are running means, as the paper's
idea of a centre asks for; as in that code, the loss compares with c/‖c‖. What it looks at is the mean of the maps.
Where paper and code differ: there is no code. The catalog's only result is of the paper's first version (WS-LAN), with the same
two supervisions and another pooling.  A step is one pass; python -m benchmarks.steps times it.
Catalog: catalog/papers/wsban.yaml.  Every number below carries its source: P = paper, C = official code, O = ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from implementations.common.bilinear import attention_pooling
from implementations.common.cli import run
from implementations.common.method import Claim, Classes, Method, Terms, at_least_float32, gather
from implementations.common.recipes import Recipe, op
from implementations.common.schedules import Steps

HALF = (0.5, 0.5, 0.5)
EPS = 1e-12  # O WS-DAN's code: below the square root


def moved(centres: Tensor, pooled: Tensor, labels: Tensor, rate: float) -> Tensor:
    """Centres (K, D), pooled features (B, D), labels (B,) → centres, moved by 1 − (1 − rate)ⁿ towards the mean of n images."""
    members = F.one_hot(labels, len(centres)).to(pooled.dtype)  # a product adds up in the same order each time
    count = members.sum(0)[:, None]
    return centres + (1 - (1 - rate) ** count) * (members.T @ pooled / count.clamp(min=1) - centres)


def centre_loss(pooled: Tensor, centres: Tensor, labels: Tensor) -> Tensor:
    """Pooled features (B, D) of length 1, centres (K, D), labels (B,) → mean squared distance to the centres, normalised."""
    return (pooled - F.normalize(centres[labels], dim=1)).square().sum(1).mean()


@dataclass(frozen=True, kw_only=True)
class Settings(Recipe):
    """WS-BAN's own settings."""

    maps: int
    """How many attention maps, each of a part."""
    tap: int
    """Which of the backbone's maps has the features: the last one is 1, the one before it 2."""
    dropout: float
    """The share of attention maps that are dropped in training."""
    scale: float
    """Of the pooled features, whose length is 1, before the classifier."""
    centre_rate: float
    """How far a centre moves towards the features of an image: β."""


class WSBAN(Method):
    """Backbone, attention maps, classifier and centres, which move only where `after_step` is called after each step."""

    paper = "wsban"
    claim = Claim("cub-200-2011", "top-1", 87.9, variant="first arXiv version (WS-LAN)")
    recipe = Settings(
        backbone="inception_v3.tf_in1k",  # O WS-DAN's: the weights of TensorFlow's Slim
        input_size=448,  # O WS-DAN's
        epochs=160,  # O WS-DAN's 80,000 steps of 12 images
        batch_size=12,  # O WS-DAN's
        lr=1e-3,  # O WS-DAN's
        optimizer="SGD",  # O WS-DAN's
        optimizer_options={"momentum": 0.9},  # O WS-DAN's
        weight_decay=1e-5,  # O WS-DAN's
        schedule=Steps(every=2, factor=0.9),  # O WS-DAN's
        maps=32,  # O WS-DAN's
        tap=2,  # O WS-DAN's: Mixed_6e
        dropout=0.2,  # O a public reimplementation's
        scale=100.0,  # O WS-DAN's
        centre_rate=0.05,  # O WS-DAN's
        train=(
            op("Resize", size=(512, 512)),  # O WS-DAN's
            op("RandomCrop", size=448),  # O WS-DAN's
            op("RandomHorizontalFlip"),  # O WS-DAN's
            op("ColorJitter", brightness=0.126, saturation=0.5),  # O WS-DAN's, as a PyTorch port has it
            op("Normalize", mean=HALF, std=HALF),  # O WS-DAN's
        ),
        test=(
            op("Resize", size=(512, 512)),  # O WS-DAN's
            op("CenterCrop", size=448),  # O WS-DAN's
            op("Normalize", mean=HALF, std=HALF),  # O WS-DAN's
        ),
    )
    demo = {
        "cnn": {
            "backbone": "finch_resnet",  # O
            "maps": 8,  # O a quarter, for 6 × 6 places
            "tap": 1,  # O the last map has stride 16, as WS-DAN's features have
            "scale": 10.0,  # O trials on validation
            "lr": 2e-3,  # O trials on validation
            "backbone_lr": 6e-3,  # O trials on validation
        }
    }

    def __init__(self, classes: Classes, backbone: nn.Module, recipe: Settings) -> None:
        super().__init__(classes, backbone, recipe)
        backbone.drop_last_stages(recipe.tap - 1)
        width, maps = backbone.channels[-1], recipe.maps
        self.attention = nn.Sequential(nn.Conv2d(width, maps, 1, bias=False), nn.BatchNorm2d(maps, eps=1e-3), nn.ReLU())
        self.dropout = nn.Dropout2d(recipe.dropout)
        self.classifier = nn.Linear(maps * width, len(classes))
        self.register_buffer("centres", torch.zeros(len(classes), maps * width))
        self.seen: list[tuple[Tensor, Tensor]] = []

    def maps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) → features (B, C, h, w) and attention maps ≥ 0 (B, M, h, w)."""
        features = self.backbone(images)[-1]
        return features, at_least_float32(self.attention(features))

    def pooled(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) → the features of all parts (B, M·C), of length 1; in training without the maps that are dropped."""
        features, attention = self.maps(images)
        return attention_pooling(features, self.dropout(attention), EPS)

    def classify(self, pooled: Tensor) -> Tensor:
        """Pooled features (B, M·C) → logits (B, K)."""
        return self.classifier(self.recipe.scale * pooled)

    def forward(self, images: Tensor) -> Tensor:
        return self.classify(self.pooled(images))

    def losses(self, images: Tensor, labels: Tensor) -> Terms:
        pooled = self.pooled(images)
        if self.training and torch.is_grad_enabled():
            self.seen.append((pooled.detach(), labels))
        return {
            "cross-entropy": F.cross_entropy(self.classify(pooled), labels),
            "centre": centre_loss(pooled, self.centres, labels),
        }

    def after_step(self) -> None:
        pooled, labels = (gather(torch.cat(part)) for part in zip(*self.seen, strict=True))
        self.seen.clear()
        self.centres.copy_(moved(self.centres, pooled, labels, self.recipe.centre_rate))

    def evidence(self, images: Tensor) -> Tensor:
        return self.maps(images)[1].mean(1)


if __name__ == "__main__":
    run(WSBAN)
