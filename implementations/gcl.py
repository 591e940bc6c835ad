"""GCL (a reconstruction): regions learn from each other, before scoring and after cropping (Wang et al., AAAI 2020).

No code is public, and we couldn't read the full text. Certain (abstract, figure 2) are the parts in their order: criss-cross
graph propagation (CGP) enhances each position of the map by a weighted sum of those in its row and column; a scoring network
chooses among default patches; these are cut out of the image, resized to 224 px and encoded; correlation feature strengthening
(CFS) propagates over the patches' features; all is concatenated, classified, and trained end to end.

Kept: these parts, and four losses (classification, guided, correlation, rank).  Left out: nothing that these sources tell.
Assumed: CGP is criss-cross attention of two rounds with shared weights, scaled by γ, 0 at first, and only the scorer sees it;
default patches are squares around the positions of the last map, moved to lie in the image; image and patches have one backbone;
CFS's nodes are patches, not a patch's elements; image and patch are classified, too. A patch's loss is not to exceed the image's
(guided), nor that of image and patches together a patch's (correlation); the bound has no gradient. Of two patches, that of lower
loss is to have the higher score (rank), by a margin, or all scores become equal. Boxes have no gradient, so scorer and CGP learn
by this alone, and the backbone by it, too. Each loss weighs 1. Where paper and code differ: no code is known.
Catalog: catalog/papers/gcl.yaml.  Every number below carries its source: P = paper, O = ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from implementations.common.cli import run
from implementations.common.method import Claim, Classes, Method, Terms, at_least_float32, full_precision
from implementations.common.recipes import MEAN, STD, Recipe, op
from implementations.common.regions import cell_of_centre, crop, default_boxes, moved_inside, non_maximum_suppression


def criss_cross(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """(B, D, h, w), (B, D, h, w), (B, C, h, w) → each position's average of the values in its row and column (B, C, h, w).

    Weighted by a softmax of the queries' products with the keys, over h + w − 1 positions: itself once. In float32 or better.
    """
    with full_precision(values):
        queries, keys, values = map(at_least_float32, (queries, keys, values))
        itself = torch.eye(queries.shape[2], dtype=torch.bool, device=queries.device)[:, None]  # which the row holds, too
        down = torch.einsum("bdyx,bdvx->byxv", queries, keys).masked_fill(itself, -torch.inf)
        across = torch.einsum("bdyx,bdyv->byxv", queries, keys)
        down, across = torch.cat([down, across], dim=-1).softmax(-1).split(queries.shape[2:], dim=-1)
        return torch.einsum("byxv,bcvx->bcyx", down, values) + torch.einsum("byxv,bcyv->bcyx", across, values)


class CGP(nn.Module):
    """Criss-cross graph propagation, round by round: (B, C, h, w) → the same."""

    def __init__(self, channels: int, hidden: int, rounds: int) -> None:
        super().__init__()
        self.rounds = rounds
        self.query, self.key = (nn.Conv2d(channels, hidden, 1, bias=False) for _ in range(2))
        self.value = nn.Conv2d(channels, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, features: Tensor) -> Tensor:
        for _ in range(self.rounds):
            features = features + self.gamma * criss_cross(self.query(features), self.key(features), self.value(features))
        return features


class CFS(nn.Module):
    """Correlation feature strengthening, round by round: patches F (B, n, D) → F + ReLU(softmax(F Fᵀ / √D) F W)."""

    def __init__(self, width: int, rounds: int) -> None:
        super().__init__()
        self.rounds = rounds
        self.weight = nn.Linear(width, width, bias=False)

    def forward(self, patches: Tensor) -> Tensor:
        with full_precision(patches):
            patches = at_least_float32(patches)
            for _ in range(self.rounds):
                patches = patches + self.weight((patches @ patches.mT / patches.shape[-1] ** 0.5).softmax(-1) @ patches).relu()
            return patches


def excess(losses: Tensor, bounds: Tensor) -> Tensor:
    """Cross-entropies (B, n) or (B, 1), and bounds, which get no gradient → by how much they exceed these, summed over n."""
    return (losses - bounds.detach()).relu().sum(1).mean()


def rank(losses: Tensor, scores: Tensor, margin: float) -> Tensor:
    """Patches' cross-entropies and scores (B, n) → a hinge for each pair: that of lower loss is to score higher by a margin."""
    return ((scores[:, :, None] - scores[:, None] + margin).relu() * (losses[:, :, None] > losses[:, None])).sum((1, 2)).mean()


@dataclass(frozen=True, kw_only=True)
class Settings(Recipe):
    """GCL's own settings."""

    patches: int
    side: float
    threshold: float
    resized: float
    rounds: int
    hidden: int
    margin: float


class GCL(Method):
    """Backbone, CGP and scorer, CFS, and classifiers of image, patch, all. With 4 patches, a step and a test are two passes."""

    paper = "gcl"
    claim = Claim("cub-200-2011", "top-1", 88.3)
    test_time = ("multi-crop",)  # image and patches are classified together
    recipe = Settings(
        backbone="resnet50.tv_in1k",  # O torchvision's first ImageNet-1k weights
        input_size=448,  # O the baseline's
        epochs=100,  # O the baseline's
        batch_size=16,  # O the baseline's
        lr=1e-2,  # O the baseline's
        backbone_lr=1e-3,  # O the baseline's
        weight_decay=5e-4,  # O the baseline's
        patches=4,  # O that are kept
        side=0.5,  # O of default patches, as a share of the image's
        threshold=0.25,  # O intersection over union from which on the worse of two patches is dropped
        resized=0.5,  # P abstract: to 224 px, as a share of the image's side
        rounds=2,  # O of CGP and of CFS; after two of CGP, each position has received something from all others
        hidden=256,  # O an eighth of the channels, in CGP's correlations and in the scorer
        margin=1.0,  # O between scores
        train=(
            op("Resize", size=(512, 512)),  # O the baseline's
            op("RandomCrop", size=448),  # O the baseline's
            op("RandomHorizontalFlip"),  # O the baseline's
            op("Normalize", mean=MEAN, std=STD),  # O the baseline's
        ),
        test=(op("Resize", size=(512, 512)), op("CenterCrop", size=448), op("Normalize", mean=MEAN, std=STD)),  # O the baseline's
    )
    bounds = {"threshold": (0.0, 1.0), "side": (0.0, 1.0), "resized": (0.0, 1.0)}
    demo = {
        "cnn": {
            "backbone": "finch_resnet",  # O
            "hidden": 32,  # O a quarter of the channels
            "patches": 2,  # O trials on validation
            "lr": 1.8e-2,  # O trials on validation
            "backbone_lr": 3e-3,  # O trials on validation
        }
    }

    def __init__(self, classes: Classes, backbone: nn.Module, recipe: Settings) -> None:
        super().__init__(classes, backbone, recipe)
        width, hidden, side = backbone.channels[-1], recipe.hidden, recipe.input_size
        boxes = default_boxes(backbone.sizes[-1], (side, side), [(recipe.side * side, recipe.side * side)])
        if len(boxes) < recipe.patches or not 0 < recipe.side <= 1:
            raise ValueError(f"{recipe.patches} patches with {recipe.side} of the image's side can't be chosen of {len(boxes)}")
        self.register_buffer("boxes", moved_inside(boxes, (side, side)), persistent=False)
        self.propagate = CGP(width, hidden, recipe.rounds)
        self.score = nn.Sequential(nn.Conv2d(width, hidden, 3, padding=1), nn.ReLU(), nn.Conv2d(hidden, 1, 1, bias=False))
        self.strengthen = CFS(width, recipe.rounds)
        self.of_image, self.of_patch = (nn.Linear(width, len(classes)) for _ in range(2))
        self.of_all = nn.Linear((1 + recipe.patches) * width, len(classes))

    def propose(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 3, H, W) → last map (B, C, h, w), its positions' default patches' scores (B, h, w), indices of the kept (B, n)."""
        recipe, features = self.recipe, self.backbone(images)[-1]
        with full_precision(features):  # in bf16 many scores are the same
            scores = self.score(self.propagate(at_least_float32(features)))[:, 0]
        kept = non_maximum_suppression(scores.flatten(1), self.boxes, count=recipe.patches, threshold=recipe.threshold)
        return features, scores, kept

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 3, H, W) → features of the image (B, D) and of its patches (B, n, D), and the patches' scores (B, n)."""
        features, scores, kept = self.propose(images)
        crops = crop(images, self.boxes[kept], 2 * (round(self.recipe.resized * self.recipe.input_size),))
        patches = self.backbone(crops.flatten(0, 1))[-1].mean((2, 3)).unflatten(0, kept.shape)
        return features.mean((2, 3)), patches, scores.flatten(1).gather(1, kept)

    def together(self, image: Tensor, patches: Tensor) -> Tensor:
        """Features (B, D), (B, n, D) → the prediction's logits (B, K)."""
        return self.of_all(torch.cat([image[:, None], self.strengthen(patches)], dim=1).flatten(1))

    def forward(self, images: Tensor) -> Tensor:
        return self.together(*self.encode(images)[:2])

    def losses(self, images: Tensor, labels: Tensor) -> Terms:
        image, patches, scores = self.encode(images)
        of_image = F.cross_entropy(self.of_image(image), labels, reduction="none")[:, None]
        of_patch = F.cross_entropy(self.of_patch(patches).mT, labels[:, None].expand(scores.shape), reduction="none")
        of_all = F.cross_entropy(self.together(image, patches), labels, reduction="none")[:, None]
        return {
            "classification": of_image.mean() + of_patch.mean() + of_all.mean(),
            "guided": excess(of_patch, of_image),
            "correlation": excess(of_all, of_patch),
            "rank": rank(of_patch, scores, self.recipe.margin),
        }

    def evidence(self, images: Tensor) -> Tensor:
        scores = self.propose(images)[1].flatten(1)
        scores = scores - scores.amin(1, keepdim=True)
        # A score stands at the centre of its patch, which near the border was moved; the best where there are several.
        cells = cell_of_centre(self.boxes, self.backbone.sizes[-1], images.shape[2:]).expand_as(scores)
        return torch.zeros_like(scores).scatter_reduce(1, cells, scores, "amax").unflatten(1, self.backbone.sizes[-1])

    def chosen(self, images: Tensor) -> Tensor:
        return self.boxes[self.propose(images)[2]]


if __name__ == "__main__":
    run(GCL)
