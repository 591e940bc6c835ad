"""MC-Loss: a loss that gives each class channels of its own, which look at different places (Chang et al., TIP 2020).

Fine-grained methods usually add a part detector, attention or a second branch. MC-Loss changes only what is optimised: each class
owns a group of the last map's channels. Discriminality: some channels of each group are switched off at random, and the largest
of the others at each place, averaged over the map, has to recognise the class. Diversity: the channels of a group are asked to
peak at different places. Both are added to the cross-entropy of a classifier on all channels, which alone is the test pass.

Kept: groups in the order of the channels, of two sizes where they don't divide; one random mask a step, the same for all images;
max over a group, then average pooling and no classifier; softmax over places; a classifier of two layers on max-pooled channels.
Left out: the code's last epoch, whose learning rate starts again from the top, its choice of the best epoch on test, and its
BatchNorm over each of two GPUs' half of the batch (here over a process's share).
Assumed: a class with two channels keeps one. What it looks at is the largest of the predicted class's channels; as the classifier
sees all channels, "maxima" is recorded, too: where the predicted logit comes from.  The demo's map has four channels for each of
32 classes, which are grouped as they are, as in the paper's pretrained ResNet-50.
Where paper and code differ: with two sizes of groups the code adds up the diversity terms of both; here, as in the paper, each
class counts the same.  A step is one pass over the batch and a few operations on its last map.
Catalog: catalog/papers/mc-loss.yaml.  Every number below carries its source: P = paper, C = official code, O = ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from implementations.common.cli import run
from implementations.common.method import Claim, Classes, Method, Terms, Update, at_least_float32
from implementations.common.recipes import Recipe, op
from implementations.common.records import EVIDENCE
from implementations.common.schedules import Cosine

RESIZE, NORMALIZE = op("Resize", size=(600, 600)), op("Normalize", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))  # C MC_ResNet50.py


def groups(values: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Channels (B, C, …) → views (B, classes, ξ, …) of the classes with ξ = ⌊C/K⌋ channels and of the last C mod K, with one more."""
    size, more = divmod(values.shape[1], classes)
    first, second = values.split([(classes - more) * size, more * (size + 1)], dim=1)
    return first.unflatten(1, (classes - more, size)), second.unflatten(1, (more, size + 1))


def group_max(values: Tensor, classes: int) -> Tensor:
    """Channels (B, C, …) → the largest of each class's channels (B, K, …): cross-channel max pooling."""
    return torch.cat([group.amax(2) for group in groups(values, classes)], dim=1)


def random_mask(classes: int, channels: int, drop: float) -> Tensor:
    """Which channels are kept, (C,) bool: of each class's ξ all but ⌊drop · ξ⌋, where one at least is dropped (unless drop = 0)."""
    orders = [group.argsort(2) for group in groups(torch.rand(1, channels), classes)]
    dropped = [min(order.shape[2] - 1, max(1, int(drop * order.shape[2]))) if drop else 0 for order in orders]
    return torch.cat([(order >= count).flatten() for order, count in zip(orders, dropped, strict=True)])


def discriminality(features: Tensor, labels: Tensor, classes: int, kept: Tensor) -> Tensor:
    """Map (B, C, h, w), labels (B,), kept channels (C,) bool → cross-entropy of the groups' pooled maxima as logits (B, K).

    A dropped channel is no candidate for the maximum. For a map ≥ 0 that is the same as multiplying it by 0, as the paper does.
    """
    largest = group_max(features.masked_fill(~kept[:, None, None], -torch.inf), classes)
    return F.cross_entropy(at_least_float32(largest).mean((2, 3)), labels)


def diversity(features: Tensor, classes: int) -> Tensor:
    """Map (B, C, h, w) → 1 − h/ξ, averaged over images and all classes: from 0 to 1 − 1/ξ.

    h sums up over places the largest of a class's ξ channels after their softmax over places: ξ where these distributions don't
    overlap, 1 where they are the same.
    """
    by_place = groups(at_least_float32(features).flatten(2).softmax(2), classes)
    return 1 - torch.cat([group.amax(2).sum(2) / group.shape[2] for group in by_place], dim=1).mean()


class MCLoss(nn.Module):
    """Both terms on a CNN's map ≥ 0: (B, C, h, w), labels (B,) → (discriminality, diversity), to be weighted and added.

    Without parameters, and not used at test time. `drop` is the share of channels that is switched off (`random_mask`); `kept` is
    a mask in place of one drawn anew. Raises ValueError for fewer than two channels a class, a share outside [0, 1), and a call
    with a map of other channels or of a single place.
    """

    def __init__(self, classes: int, channels: int, *, drop: float = 0.4) -> None:
        super().__init__()
        if channels < 2 * classes:
            raise ValueError(
                f"MC-Loss needs at least 2 channels a class, for {classes} classes {2 * classes}, and the map has {channels}: take a "
                f"backbone with more, such as resnet50 (2048), or put a 1 × 1 convolution with BatchNorm and ReLU to {3 * classes} "
                f"channels before the loss (MCLossNet has it with channels={3 * classes})"
            )
        if not 0 <= drop < 1:
            raise ValueError(f"drop is a share of the channels, from 0 to less than 1, not {drop}")
        self.classes, self.channels, self.drop = classes, channels, drop

    def draw(self) -> Tensor:
        """A new random mask (C,), on the CPU and by its generator."""
        return random_mask(self.classes, self.channels, self.drop)

    def forward(self, features: Tensor, labels: Tensor, kept: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if features.shape[1] != self.channels or features[0, 0].numel() < 2:
            raise ValueError(f"expected a map (B, {self.channels}, h, w) of several places, not {tuple(features.shape)}")
        kept = (self.draw() if kept is None else kept).to(features.device, non_blocking=True)
        return discriminality(features, labels, self.classes, kept), diversity(features, self.classes)


@dataclass(frozen=True, kw_only=True)
class Settings(Recipe):
    """MC-Loss's own settings: the loss is cross-entropy + alpha · discriminality + beta · diversity."""

    channels: int | None
    """Of the map after a 1 × 1 convolution with BatchNorm and ReLU; None: the backbone's own."""
    drop: float
    """The share of a class's channels that a step switches off."""
    alpha: float
    beta: float
    hidden: int


class MCLossNet(Method):
    """Backbone and classifier, trained with the mutual-channel loss on the last map."""

    paper = "mc-loss"
    claim = Claim("cub-200-2011", "top-1", 87.3, backbone="resnet-50")
    recipe = Settings(
        backbone="resnet50.tv_in1k",  # C MC_ResNet50.py: torchvision's first ImageNet-1k weights
        input_size=448,  # C MC_ResNet50.py
        epochs=300,  # C MC_ResNet50.py
        batch_size=64,  # C MC_ResNet50.py, on two GPUs
        lr=0.1,  # C MC_ResNet50.py
        backbone_lr=0.01,  # C MC_ResNet50.py
        optimizer="SGD",  # C MC_ResNet50.py
        optimizer_options={"momentum": 0.9},  # C MC_ResNet50.py
        weight_decay=5e-4,  # C MC_ResNet50.py
        schedule=Cosine(by_epoch=True),  # C MC_ResNet50.py
        channels=None,  # C MC_ResNet50.py: 2,048, for 200 classes 152 groups of 10 and 48 of 11
        drop=0.4,  # C MC_ResNet50.py: 4 of 10, 4 of 11; CUB-200-2011.py: 1 of 3
        alpha=5e-4,  # C MC_ResNet50.py; 1.5 for a network that isn't pretrained
        beta=1e-2,  # C MC_ResNet50.py: 0.005 for each of the two sizes of groups; 20 for a network that isn't pretrained
        hidden=512,  # C MC_ResNet50.py
        train=(RESIZE, op("RandomCrop", size=448), op("RandomHorizontalFlip"), NORMALIZE),  # C MC_ResNet50.py
        test=(RESIZE, op("CenterCrop", size=448), NORMALIZE),  # C MC_ResNet50.py
    )
    bounds = {"drop": (0.0, 1.0)}
    demo = {
        "cnn": {
            "backbone": "finch_resnet",  # O
            "lr": 6e-3,  # O the baseline's
            "backbone_lr": 3e-3,  # O the baseline's
            "hidden": 64,  # O half of the channels
            "alpha": 1.0,  # O
            "beta": 10.0,  # O ten times alpha, as in the paper's fine-tuning for each size of groups
        }
    }

    def __init__(self, classes: Classes, backbone: nn.Module, recipe: Settings) -> None:
        super().__init__(classes, backbone, recipe)
        width, hidden = recipe.channels or backbone.channels[-1], recipe.hidden
        widen = [nn.Conv2d(backbone.channels[-1], width, 1, bias=False), nn.BatchNorm2d(width)] if recipe.channels else []
        self.rectify = nn.Sequential(*widen, nn.ReLU())  # changes nothing where the backbone's map is rectified
        self.mutual_channel = MCLoss(len(classes), width, drop=recipe.drop)
        self.head = nn.Sequential(
            nn.BatchNorm1d(width), nn.Linear(width, hidden), nn.BatchNorm1d(hidden), nn.ELU(), nn.Linear(hidden, len(classes))
        )

    def features(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) → the last map (B, C, h, w) ≥ 0."""
        return self.rectify(self.backbone(images)[-1])

    def classify(self, features: Tensor) -> Tensor:
        """Map (B, C, h, w) → logits (B, K), from each channel's maximum."""
        return self.head(features.amax((2, 3)))

    def forward(self, images: Tensor) -> Tensor:
        return self.classify(self.features(images))

    def losses(self, images: Tensor, labels: Tensor, kept: Tensor | None = None) -> Terms:
        features = self.features(images)
        discriminality, diversity = self.mutual_channel(features, labels, kept)
        return {
            "cross-entropy": F.cross_entropy(self.classify(features), labels),
            "discriminality": self.recipe.alpha * discriminality,
            "diversity": self.recipe.beta * diversity,
        }

    def training_step(self, images: Tensor, labels: Tensor, update: Update) -> Terms:
        # Drawn here, the mask is the same in all micro-batches and processes.
        return update(partial(self.losses, kept=self.mutual_channel.draw()), images, labels)

    def evidence(self, images: Tensor) -> Tensor:
        return self.evidence_maps(images)[EVIDENCE]

    def evidence_maps(self, images: Tensor) -> dict[str, Tensor]:
        features = self.features(images).detach().requires_grad_()
        with torch.enable_grad():
            score, predicted = self.classify(features).max(1)
            (slopes,) = torch.autograd.grad(score.sum(), features)
        features = features.detach()
        own = group_max(features, len(self.classes))[torch.arange(len(images), device=images.device), predicted]
        return {EVIDENCE: own, "maxima": (features * slopes).sum(1).relu()}


if __name__ == "__main__":
    run(MCLossNet)
