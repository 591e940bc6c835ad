"""MAMC, a reconstruction in part: attention features that are compared across images (Sun et al., ECCV 2018).

Attention methods look at each part of each image by itself. Here one squeeze and several excitations (OSME) weigh the last map's
channels in P ways, and a fully connected layer for each makes P attention features, whose sum is classified. A batch holds pairs
of images of one class. The constraint (MAMC) relates all features in it by three N-pair losses: the same attention of the same
class is to be nearest, what shares only the attention or only the class less near, what shares neither furthest.

No code by the authors is public, and we couldn't read the full text. Certain, by public reading notes and two repositories
(Hawkeye, npairs_loss_MAMC): the four sets, what is compared with what, cross-entropy plus λ times three losses, two attentions.
By the notes alone, a feature isn't its own positive and sums are divided by the number of pairs; only Hawkeye drops lengths.
Kept: all of this, and a layer that sees the whole map.  Left out: what Hawkeye adds (smoothed labels, its augmentation).
Assumed: as in Hawkeye, the last block's output is excited, by layers of its sizes; the sum of the features is classified; λ; a
batch draws its classes anew, a class's images come in turn, an epoch shows as many images as there are. A class needs two images.
By us alone, the layer that sees the whole map has it divided by the root of its number of positions, so that rates for a pooled
map suit it; gradients are clipped, as the losses are sums over raw features; and optimiser, epochs and images are the baseline's.
It looks at how much each position adds to the predicted class's logit; each attention's part is an evidence map, too.
Where paper and code differ: there is no official code. Both repositories count a feature among its own positives and average over
all 2NP features, so that their λ weighs 1/2P of ours; Hawkeye compares features of length 1. A step is one pass of the backbone.
Catalog: catalog/papers/mamc.yaml.  Every number below carries its source: P = paper, as notes quote it, O = ours.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from implementations.common.cli import run
from implementations.common.method import Claim, Classes, Method, Terms, at_least_float32, full_precision
from implementations.common.recipes import MEAN, STD, Recipe, op
from implementations.common.records import EVIDENCE
from implementations.common.sampling import random_classes
from implementations.common.schedules import Cosine


def four_sets(labels: Tensor, attentions: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Labels (B,) → which of the B·P features, image by image, are in the four sets of each one: masks (B·P, B·P).

    In order: same attention, same class, without the feature itself; same, different; different, same; different, different.
    """
    of_class = labels.repeat_interleave(attentions)
    of_attention = torch.arange(attentions, device=labels.device).repeat(len(labels))
    same_class, same_attention = of_class[:, None] == of_class, of_attention[:, None] == of_attention
    both = same_attention & same_class & ~torch.eye(len(of_class), dtype=torch.bool, device=labels.device)
    return both, same_attention & ~same_class, ~same_attention & same_class, ~(same_attention | same_class)


def n_pair(products: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
    """Products (M, M), masks (M, M) → Σ log(1 + Σ exp(f·f⁻ − f·f⁺)) over all f and their positives f⁺, with f's negatives f⁻."""
    others = products.masked_fill(~negatives, -torch.inf).logsumexp(1, keepdim=True)
    return (F.softplus(others - products) * positives).sum()  # log(1 + eˣ)


def constraint(features: Tensor, labels: Tensor) -> Terms:
    """Each image's P attention features (B, P, D), labels (B,) → the three losses, to be weighted, in float32 or better.

    Each is a sum over all features, divided by the number of pairs B / 2. The paper has two images of each class; more are
    compared alike. Raises ValueError for other shapes.
    """
    if features.ndim != 3 or labels.shape != features.shape[:1]:
        raise ValueError(f"found features {tuple(features.shape)}, labels {tuple(labels.shape)}: expected (B, P, D) and (B,)")
    with full_precision(features):
        every = at_least_float32(features).flatten(0, 1)
        products, pairs = every @ every.mT, len(labels) / 2
        both, attention, label, neither = four_sets(labels, features.shape[1])
        return {
            "same attention, same class": n_pair(products, both, attention | label | neither) / pairs,
            "same attention, different class": n_pair(products, attention, neither) / pairs,
            "different attention, same class": n_pair(products, label, neither) / pairs,
        }


class PerAttention(nn.Module):
    """A linear layer for each attention, with weights of its own: (B, P, n) → (B, P, m). Initialised as nn.Linear is."""

    def __init__(self, attentions: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = inputs**-0.5
        self.weight = nn.Parameter(torch.empty(attentions, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(attentions, 1, outputs).uniform_(-bound, bound))

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, inputs.transpose(0, 1), self.weight).transpose(0, 1)


class OSME(nn.Module):
    """One squeeze, several excitations: maps (B, C, h, w), of (h, w) = `size`, → P attention features (B, P, width)."""

    def __init__(self, channels: int, size: tuple[int, int], width: int, attentions: int = 2, reduction: int = 16) -> None:
        super().__init__()
        hidden, positions = max(1, channels // reduction), size[0] * size[1]
        self.attentions, self.size, self.scale = attentions, tuple(size), positions**-0.5
        self.shrink = PerAttention(attentions, channels, hidden)
        self.expand = PerAttention(attentions, hidden, channels)
        self.project = PerAttention(attentions, channels * positions, width)

    def gates(self, features: Tensor) -> Tensor:
        """(B, C, h, w) → how far each attention opens each channel (B, P, C), from 0 to 1."""
        squeezed = features.mean((2, 3))[:, None].expand(-1, self.attentions, -1)
        return self.expand(self.shrink(squeezed).relu()).sigmoid()

    def excite(self, features: Tensor) -> Tensor:
        """(B, C, h, w) → each attention's map, scaled and flattened (B, P, C·h·w). Raises ValueError for another size."""
        if features.shape[2:] != self.size:
            raise ValueError(f"found maps of {tuple(features.shape[2:])}: expected {self.size}, for which OSME was made")
        return (self.scale * self.gates(features)[..., None, None] * features[:, None]).flatten(2)

    def forward(self, features: Tensor) -> Tensor:
        return self.project(self.excite(features))


@dataclass(frozen=True, kw_only=True)
class Settings(Recipe):
    """MAMC's own settings; `constraint_weight` is λ."""

    attentions: int
    width: int
    reduction: int
    constraint_weight: float


class MAMC(Method):
    """Backbone, OSME, and a classifier of the attention features' sum."""

    paper = "mamc"
    claim = Claim("cub-200-2011", "top-1", 86.5, backbone="resnet-101")
    constrain = staticmethod(constraint)
    over_batch = True
    least_per_class = 2
    recipe = Settings(
        backbone="resnet101.tv_in1k",  # O torchvision's first ImageNet-1k weights
        input_size=448,  # O the baseline's
        epochs=100,  # O the baseline's
        batch_size=16,  # O the baseline's: 8 pairs
        lr=1e-2,  # O the baseline's
        backbone_lr=1e-3,  # O the baseline's
        weight_decay=5e-4,  # O the baseline's
        schedule=Cosine(),  # O the baseline's
        clip=1.0,  # O
        attentions=2,  # P table of the results on CUB
        width=1024,  # O Hawkeye's
        reduction=16,  # O Hawkeye's
        constraint_weight=0.5,  # O Hawkeye's
        train=(
            op("Resize", size=(512, 512)),  # O the baseline's
            op("RandomCrop", size=448),  # O the baseline's
            op("RandomHorizontalFlip"),  # O the baseline's
            op("Normalize", mean=MEAN, std=STD),  # O the baseline's
        ),
        test=(op("Resize", size=(512, 512)), op("CenterCrop", size=448), op("Normalize", mean=MEAN, std=STD)),  # O the baseline's
    )
    demo = {
        "cnn": {
            "backbone": "finch_resnet",  # O
            "width": 128,  # O an eighth
            "lr": 6e-3,  # O the baseline's
            "backbone_lr": 6e-3,  # O trials on validation
            "weight_decay": 0.5,  # O the baseline's
            "constraint_weight": 5e-3,  # O trials on validation: a hundredth
        }
    }

    def __init__(self, classes: Classes, backbone: nn.Module, recipe: Settings) -> None:
        super().__init__(classes, backbone, recipe)
        if recipe.batch_size < 4 or recipe.batch_size % 2:
            raise ValueError(f"{recipe.batch_size} images can't be whole pairs of two classes: expected an even number from 4 on")
        self.osme = OSME(backbone.channels[-1], backbone.sizes[-1], recipe.width, recipe.attentions, recipe.reduction)
        self.classifier = nn.Linear(recipe.width, len(classes))

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.osme(self.backbone(images)[-1]).sum(1))

    def losses(self, images: Tensor, labels: Tensor) -> Terms:
        features = self.osme(self.backbone(images)[-1])
        terms = {name: self.recipe.constraint_weight * term for name, term in self.constrain(features, labels).items()}
        return {"cross-entropy": F.cross_entropy(self.classifier(features.sum(1)), labels)} | terms

    def evidence(self, images: Tensor) -> Tensor:
        return self.evidence_maps(images)[EVIDENCE]

    def evidence_maps(self, images: Tensor) -> dict[str, Tensor]:
        shares = self.shares(images)
        return {EVIDENCE: shares.sum(1).relu()} | {f"attention {1 + p}": one.relu() for p, one in enumerate(shares.unbind(1))}

    def shares(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) → what each position of each attention's map adds to the predicted class's logit (B, P, h, w)."""
        excited = self.osme.excite(self.backbone(images)[-1])
        predicted = self.classifier(self.osme.project(excited).sum(1)).argmax(1)
        weights = torch.einsum("pnd,bd->bpn", self.osme.project.weight, self.classifier.weight[predicted])
        return (excited * weights).unflatten(2, (-1, *self.backbone.sizes[-1])).sum(2)

    def batches(self, labels: list[int], size: int, rng: random.Random) -> list[list[int]]:
        """Classes drawn for each batch, and of each its next two images, side by side, so that shares hold whole pairs."""
        pairs = min(size // 2, len(set(labels)))
        return random_classes(labels, pairs, 2, max(1, len(labels) // (2 * pairs)), rng)


if __name__ == "__main__":
    run(MAMC)
