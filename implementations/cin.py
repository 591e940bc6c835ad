"""CIN, a reconstruction in part: channels complete each other, and pairs compare how they do (Gao et al., AAAI 2020).

Channels of a CNN's last map respond to different cues, and no layer relates them. The self-channel interaction (SCI) rebuilds
each channel as a mix of those least correlated with it, which see what it misses; a convolution φ of the mix is added to the map,
and the sum is classified. In training, the contrastive channel interaction (CCI) subtracts another image's weights of that mix
from an image's own, so that what differs counts, and a contrastive loss on the maps that result draws pairs of one class together
and holds others apart. The test pass is one look, without CCI.

No code by the authors is public, and we couldn't read the full text. Public notes of the paper, and equations quoted by another
library, Hawkeye, make these certain: softmax of the negative products, not scaled; a residual 3 × 3 convolution, shared by both
interactions; |W_A − η·W_B| with η by one linear layer on both mixes; the loss, its weight, margin and width.
Kept: all of this.  Left out: Hawkeye's smoothed labels and augmentation, and its division of products by the number of positions,
which makes all weights nearly equal.  Where paper and code differ: there is no official code.
Assumed: batches of a few classes; half of the pairs are of one class, half of two, each image in one pair where classes' sizes
allow it (Hawkeye has no pair of one class, and its contrastive loss is always 0); both layers that see whole maps divide them by
the root of their size, or the loss diverges at usual rates; Hawkeye's optimiser and epochs, the baseline's images. Evidence is
the completed map's class activation map, and a second map SCI's share.  A step is one pass of the backbone, two of φ.
Catalog: catalog/papers/cin.yaml.  Every number below carries its source: P = paper, as notes and Hawkeye quote it, O = ours.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from implementations.common.cli import run
from implementations.common.evaluate import class_activation_map
from implementations.common.method import Claim, Classes, Method, Terms, at_least_float32, full_precision
from implementations.common.recipes import MEAN, STD, Recipe, op
from implementations.common.sampling import random_classes
from implementations.common.schedules import Cosine


def complementary(features: Tensor) -> Tensor:
    """Maps (B, C, N) → how much each channel takes of each, (B, C, C): row by row the softmax of their negative products."""
    with full_precision(features):  # products grow with N, and are not scaled
        return (-at_least_float32(features) @ at_least_float32(features).mT).softmax(2)


def pairs(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Labels (B,) → B // 4 pairs of one class, then as many of two: indices of their first and second images, 2 · (B // 4) each.

    Each class has two images or more, and a batch two classes or more. Raises ValueError for fewer than 4 images.
    """
    count = len(labels) // 4
    if not count:
        raise ValueError(f"{len(labels)} images give no pairs of both kinds: expected at least 4, two each of two classes")
    same = labels[:, None] == labels
    by_class = same.int().argmax(1).argsort(stable=True)  # classes as they come, so that chance says which of them meet
    fours = by_class[: 4 * count].view(count, 4)
    left, right = fours[:, 2:].flatten().chunk(2)
    first, second = torch.cat([fours[:, 0], left]), torch.cat([fours[:, 1], right])
    fits = torch.cat([same[first[:count]], ~same[left]])
    return first, (fits * (1 + F.one_hot(second, len(labels)))).argmax(1)  # for a second that doesn't fit, the first that does


def contrastive(first: Tensor, second: Tensor, same: Tensor, margin: float) -> Tensor:
    """Pairs' embeddings (P, D) twice, whether of one class (P,) → mean over distances d: d² if so, else max(0, margin − d)²."""
    with full_precision(first):
        distances = torch.linalg.vector_norm(at_least_float32(first) - at_least_float32(second), dim=1)
        return torch.where(same, distances, (margin - distances).relu()).square().mean()


class WholeMapLinear(nn.Linear):
    """A linear layer on all n numbers of maps (B, …), divided by √n, so that neither outputs nor gradients grow with n."""

    def reset_parameters(self) -> None:
        super().reset_parameters()
        nn.init.normal_(self.weight, std=self.out_features**-0.5)

    def forward(self, maps: Tensor) -> Tensor:
        if maps[0].numel() != self.in_features:
            raise ValueError(f"{maps[0].numel()} numbers a map, expected {self.in_features}: construct it for the maps' own size")
        return super().forward(maps.flatten(1) / self.in_features**0.5)


class ChannelInteraction(nn.Module):
    """Both interactions on maps (B, C, h, w), C = `channels`, h·w = `positions`; `width` numbers embed each image of a pair.

    Pairs need two classes or more in a batch, each with two images or more; unchecked. Raises ValueError for fewer than 4
    images, and for another number of labels than maps. The module stays in float32 or better; autocast is fine.
    """

    def __init__(self, channels: int, positions: int, width: int = 512, margin: float = 0.5) -> None:
        super().__init__()
        self.margin, self.weigh = margin, complementary
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.scale = WholeMapLinear(2 * channels * positions, 1)
        self.embed = WholeMapLinear(channels * positions, width, bias=False)  # a bias cancels in distances

    def mix(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, h, w) → weights (B, C, C), and each channel as the mix by its weights (B, C, h, w), in float32 or better."""
        weights = self.weigh(features.flatten(2))
        with full_precision(features):
            return weights, (weights @ at_least_float32(features).flatten(2)).view(features.shape)

    def complete(self, features: Tensor) -> Tensor:
        """(B, C, h, w) → the same, completed by the self-channel interaction: all that is left at test time."""
        return features + self.conv(self.mix(features)[1])

    def forward(self, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, h, w), (B,) → completed maps (B, C, h, w), to be classified, and the contrastive loss of the batch's pairs."""
        if len(labels) != len(features):
            raise ValueError(f"{len(labels)} labels for {len(features)} maps: expected one for each")
        weights, mixed = self.mix(features)
        first, second = pairs(labels)
        own, other = torch.cat([first, second]), torch.cat([second, first])
        with full_precision(features):
            whole = at_least_float32(features)[own]
            scale = self.scale(torch.cat([mixed[own], mixed[other]], dim=1))
            differing = (weights[own] - scale[:, :, None] * weights[other]).abs() @ whole.flatten(2)
            embedded = self.embed(whole + self.conv(differing.view(whole.shape))).chunk(2)
        return features + self.conv(mixed), contrastive(*embedded, labels[first] == labels[second], self.margin)


@dataclass(frozen=True, kw_only=True)
class Settings(Recipe):
    """CIN's own settings."""

    classes_per_batch: int
    width: int
    margin: float
    contrastive_weight: float


class CIN(Method):
    """Backbone, channel interaction, and a linear classifier of the completed map's mean."""

    paper = "cin"
    claim = Claim("cub-200-2011", "top-1", 87.5, backbone="resnet-50")
    over_batch = True
    least_per_class = 2
    recipe = Settings(
        backbone="resnet50.tv_in1k",  # O torchvision's first ImageNet-1k weights
        input_size=448,  # O the baseline's
        epochs=100,  # O Hawkeye's
        batch_size=20,  # O Hawkeye's: 4 classes × 5 images
        classes_per_batch=4,  # O Hawkeye's
        lr=1e-2,  # O Hawkeye's, for all layers
        weight_decay=2e-4,  # O Hawkeye's
        optimizer_options={},  # O Hawkeye's: SGD without momentum
        schedule=Cosine(warmup=0.05),  # O Hawkeye's 5 epochs of warm-up
        width=512,  # P Eq. 8
        margin=0.5,  # P Eq. 8
        contrastive_weight=2.0,  # P Eq. 9
        train=(
            op("Resize", size=(512, 512)),  # O the baseline's
            op("RandomCrop", size=448),  # O the baseline's
            op("RandomHorizontalFlip"),  # O the baseline's
            op("Normalize", mean=MEAN, std=STD),  # O the baseline's
        ),
        test=(op("Resize", size=(512, 512)), op("CenterCrop", size=448), op("Normalize", mean=MEAN, std=STD)),  # O the baseline's
    )
    bounds = {"classes_per_batch": (2, 16)}  # of the demo's 32 images at least two a class, and pairs of two classes
    demo = {
        "cnn": {
            "backbone": "finch_resnet",  # O
            "classes_per_batch": 16,  # O of 32, 2 images each
            "width": 32,  # O a quarter of the channels, as 512 of 2,048
            "contrastive_weight": 0.1,  # O trials on validation: a twentieth
            "lr": 6e-3,  # O the baseline's
            "backbone_lr": 3e-3,  # O the baseline's
            "weight_decay": 0.05,  # O trials on validation
        }
    }

    def __init__(self, classes: Classes, backbone: nn.Module, recipe: Settings) -> None:
        super().__init__(classes, backbone, recipe)
        if recipe.batch_size < 4:
            raise ValueError(f"batches of {recipe.batch_size} images give no pairs of both kinds: expected at least 4")
        if not 2 <= recipe.classes_per_batch <= recipe.batch_size // 2:
            found, most = recipe.classes_per_batch, recipe.batch_size // 2
            raise ValueError(f"classes_per_batch is {found}, expected 2 to {most}: pairs need two classes, two images of each")
        channels, (height, width) = backbone.channels[-1], backbone.sizes[-1]
        self.interaction = ChannelInteraction(channels, height * width, recipe.width, recipe.margin)
        self.classifier = nn.Linear(channels, len(classes))

    def classify(self, completed: Tensor) -> Tensor:
        """Completed maps (B, C, h, w) → logits (B, K)."""
        return self.classifier(completed.mean((2, 3)))

    def forward(self, images: Tensor) -> Tensor:
        return self.classify(self.interaction.complete(self.backbone(images)[-1]))

    def losses(self, images: Tensor, labels: Tensor) -> Terms:
        completed, loss = self.interaction(self.backbone(images)[-1], labels)
        weighted = self.recipe.contrastive_weight * loss
        return {"cross-entropy": F.cross_entropy(self.classify(completed), labels), "contrastive": weighted}

    def evidence(self, images: Tensor) -> Tensor:
        return self.evidence_maps(images)["evidence"]

    def evidence_maps(self, images: Tensor) -> dict[str, Tensor]:
        features = self.backbone(images)[-1]
        completed = self.interaction.complete(features)
        share = torch.einsum("bchw,bc->bhw", completed - features, self.classifier.weight[self.classify(completed).argmax(1)])
        return {"evidence": class_activation_map(completed, self.classifier), "interaction": share.relu()}

    def batches(self, labels: list[int], size: int, rng: random.Random) -> list[list[int]]:
        """Classes drawn for each batch, then the next images of each class's shuffled queue."""
        classes = self.recipe.classes_per_batch
        count = max(1, (len(labels) - 1) // size)  # O Hawkeye's sampler: while count + size < N
        return random_classes(labels, classes, size // classes, count, rng)


if __name__ == "__main__":
    run(CIN)
