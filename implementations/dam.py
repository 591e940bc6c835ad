"""DAM, a reconstruction: what an embedding has learnt is masked, so that the rest learns, too (Xu et al., CVPR 2021).

An embedding that is to retrieve images of new classes needs many elements that tell something. A loss on the whole embedding has
little left to teach once a few of them separate the training images; the others stay nearly untrained. DAM looks for the elements
that a loss has already trained and lets it work on the others, again and again, so that discrimination spreads over all of them.

Certain (abstract): this idea, beside losses with a proxy for each class and beside those on pairs of images, and retrieval on
classes that no training saw. No code is public and we couldn't read the full text, so how it is done is ours.
Kept: a proxy loss on the whole embedding and the same one on insufficiently trained elements alone; the elements are chosen anew
in each step, without gradient; the test pass is that of the base loss.  Left out: losses on pairs of images.
Assumed: an element's part in the margin over the nearest wrong class says how well it is trained; the better half of an image's
elements is masked in embedding and proxies, and what is left goes back to length 1; both losses have one scale and weight; they
are cross-entropies on scaled cosines; recipe and backbone. What it looks at is the class activation map by cosine.
Where paper and code differ: there is no code.  `measure` reports Recall@1, on Finch's birds also that of unseen species.
A step is one pass over the batch; python -m benchmarks.steps times it.
Catalog: catalog/papers/dam.yaml.  Every number below carries its source: O = ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from implementations.common import finches
from implementations.common.cli import run
from implementations.common.data import InOrder, OnDevice, Samples, finches_classes, finches_split, loader
from implementations.common.method import Classes, Method, Terms, at_least_float32, full_precision
from implementations.common.recipes import MEAN, STD, Recipe, op
from implementations.common.schedules import Cosine

SEEN = finches_classes(finches.Spec(split="train", count=1))
UNSEEN = finches.Spec(seed=2000, split="test", count=60)
"""32 species of other families than the demo's (seed 0) and the pretraining's (seed 1000)."""


def contributions(embedded: Tensor, proxies: Tensor, labels: Tensor) -> Tensor:
    """Embeddings (B, D) and proxies (K, D) of length 1, labels (B,) → δ (B, D): what each element adds to the margin.

    The margin is the cosine with the own class's proxy less that with the nearest wrong one; δ adds up to it.
    """
    rivals = (embedded @ proxies.T).scatter(1, labels[:, None], -torch.inf).argmax(1)
    return embedded * (proxies[labels] - proxies[rivals])


def weak_elements(contributed: Tensor, share: float) -> Tensor:
    """δ (B, D) → which elements are insufficiently trained, (B, D) bool: all but the ⌊share · D⌋ that contribute most.

    One element at least is left.
    """
    masked = min(math.floor(share * contributed.shape[1] + 1e-9), contributed.shape[1] - 1)  # 0.29 · 100 is below 29
    return torch.ones_like(contributed, dtype=torch.bool).scatter(1, contributed.topk(masked).indices, False)


def cosines(embedded: Tensor, proxies: Tensor, kept: Tensor) -> Tensor:
    """Cosines (B, K) of embeddings (B, D) and proxies (K, D) over each embedding's `kept` elements (B, D) alone."""
    kept = kept.to(embedded.dtype)
    lengths = (kept @ proxies.square().T).clamp_min(1e-12).sqrt()
    return F.normalize(kept * embedded, dim=1) @ proxies.T / lengths


def losses(
    embedded: Tensor,
    proxies: Tensor,
    labels: Tensor,
    share: float = 0.5,
    scale: float = 16.0,
    weak: Callable[[Tensor, float], Tensor] = weak_elements,
) -> tuple[Tensor, Tensor]:
    """Embeddings (B, D), proxies (K, D), labels (B,) → the base loss and that on weak elements, two scalars to be added up.

    Both are cross-entropies of `scale` · cosine, in float32 or better: the lengths of embeddings and proxies don't matter.
    `share` of an image's elements are masked. Raises ValueError for a share below 0 or above 1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"{share} of the elements can't be masked: expected a share from 0 (none) to 1 (all but one)")
    with full_precision(embedded):
        embedded, proxies = F.normalize(at_least_float32(embedded), dim=1), F.normalize(at_least_float32(proxies), dim=1)
        with torch.no_grad():
            kept = weak(contributions(embedded, proxies, labels), share)
        base, masked = embedded @ proxies.T, cosines(embedded, proxies, kept)
        return F.cross_entropy(scale * base, labels), F.cross_entropy(scale * masked, labels)


def recall_at_1(embedded: Tensor, labels: Tensor) -> float:
    """Embeddings (N, D) of length 1, labels (N,) → of how many images the nearest other one is of the same class, from 0 to 1.

    Raises ValueError for fewer than two images.
    """
    if len(labels) < 2:
        raise ValueError(f"Recall@1 needs two images or more, not {len(labels)}")
    right = []
    with full_precision(embedded):  # in bf16 many neighbours would be equally near
        for rows in torch.arange(len(labels), device=labels.device).split(1024):
            near = (embedded[rows] @ embedded.T).scatter(1, rows[:, None], -torch.inf).argmax(1)
            right.append(labels[near] == labels[rows])
    return torch.cat(right).double().mean().item()


@dataclass(frozen=True, kw_only=True)
class Settings(Recipe):
    """DAM's own settings."""

    width: int
    """Elements of the embedding."""
    scale: float
    share: float
    """Of the elements of each image that are masked."""
    weak_weight: float
    proxy_lr: float


class DAM(Method):
    """Backbone, linear embedding, and a proxy for each class."""

    paper = "dam"
    weak = staticmethod(weak_elements)
    recipe = Settings(
        backbone="resnet50.tv_in1k",  # O torchvision's first ImageNet-1k weights
        input_size=224,  # O usual in retrieval
        epochs=40,  # O
        batch_size=64,  # O
        width=512,  # O usual in retrieval
        scale=16.0,  # O
        share=0.5,  # O
        weak_weight=1.0,  # O
        lr=1e-4,  # O usual in retrieval
        proxy_lr=1e-2,  # O a hundred times the rest's, as is usual with proxies
        optimizer="AdamW",  # O
        optimizer_options={},  # O
        weight_decay=1e-4,  # O
        schedule=Cosine(warmup=0.05),  # O
        train=(
            op("Resize", size=(256, 256)),  # O usual in retrieval
            op("RandomCrop", size=224),  # O usual in retrieval
            op("RandomHorizontalFlip"),  # O
            op("Normalize", mean=MEAN, std=STD),  # O
        ),
        test=(op("Resize", size=(256, 256)), op("CenterCrop", size=224), op("Normalize", mean=MEAN, std=STD)),  # O usual
    )
    bounds = {"share": (0.0, 1.0)}
    demo = {
        "cnn": {
            "backbone": "finch_resnet",  # O
            "width": 64,  # O half of the channels
            "lr": 1.2e-2,  # O trials on validation
            "backbone_lr": 3e-3,  # O trials on validation, and the baseline's
            "proxy_lr": 6e-2,  # O
            "weight_decay": 0.5,  # O the baseline's
        }
    }

    def __init__(self, classes: Classes, backbone: nn.Module, recipe: Settings) -> None:
        super().__init__(classes, backbone, recipe)
        if not (0 <= recipe.share <= 1 and recipe.scale > 0):
            raise ValueError(f"share {recipe.share}, scale {recipe.scale}: expected a share from 0 to 1, and a scale above 0")
        self.embedding = nn.Linear(backbone.channels[-1], recipe.width, bias=False)
        self.proxies = nn.Parameter(F.normalize(torch.randn(len(classes), recipe.width), dim=1))

    def embed(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) → embeddings of length 1, (B, D): what is retrieved by."""
        return F.normalize(at_least_float32(self.embedding(self.backbone(images)[-1].mean((2, 3)))), dim=1)

    def forward(self, images: Tensor) -> Tensor:
        embedded = self.embed(images)
        with full_precision(embedded):
            return self.recipe.scale * embedded @ F.normalize(self.proxies, dim=1).T

    def losses(self, images: Tensor, labels: Tensor) -> Terms:
        base, weak = losses(self.embed(images), self.proxies, labels, self.recipe.share, self.recipe.scale, self.weak)
        return {"base": base, "weak elements": self.recipe.weak_weight * weak}

    def parameter_groups(self) -> list[dict[str, Any]]:
        *others, new = super().parameter_groups()
        rest = [one for one in new["params"] if one is not self.proxies]
        return [*others, new | {"params": rest}, {"name": "proxies", "params": [self.proxies], "lr": self.recipe.proxy_lr}]

    def evidence(self, images: Tensor) -> Tensor:
        features = self.backbone(images)[-1]
        proxies = F.normalize(self.proxies, dim=1)
        towards = proxies[(self.embedding(features.mean((2, 3))) @ proxies.T).argmax(1)] @ self.embedding.weight
        return torch.einsum("bchw,bc->bhw", features, towards).relu()

    def measure(self, test: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
        """Recall@1 among the test images and among images of unseen species; how many elements have δ > 0 on test images."""
        embedded, labels = self.embedded(test)
        with full_precision(embedded):
            share = (contributions(embedded, F.normalize(self.proxies, dim=1), labels) > 0).double().mean().item()
        found = {"recall@1 among test images": recall_at_1(embedded, labels), "elements that add to the margin": share}
        if self.classes == SEEN:
            split = finches_split(UNSEEN, finches.images(UNSEEN))
            fed = loader(Samples(split, self.recipe.test, seed=0), InOrder(len(split), 64), workers=0, pin=False)
            found["recall@1 of unseen species"] = recall_at_1(*self.embedded(OnDevice(fed, labels.device)))
        return found

    def embedded(self, images: Iterable[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """Batches of images and labels → all embeddings (N, D) and labels (N,)."""
        seen = [(self.embed(batch), labels) for batch, labels in images]
        return torch.cat([one for one, _ in seen]), torch.cat([one for _, one in seen])


if __name__ == "__main__":
    run(DAM)
