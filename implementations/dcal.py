"""DCAL: two cross-attentions train beside a vision transformer's self-attention (Zhu et al., CVPR 2022).

Global-local cross-attention: the patches that the rolled-out attention leads to become queries, which look at all tokens once
more. Pair-wise cross-attention: in training an image's queries also see the keys of another image of the batch, in every block,
with the weights of self-attention; a distractor, so that attention doesn't fit single samples. Three classification losses are
weighted by uncertainties that are learnt. At test time the pairs are gone, and the probabilities of the other two branches are
added.

Kept: the rollout with half of the identity, the class row's top tenth of patches, one block of its own for them, shared weights
and a partner's keys and values at the same depth in the pair-wise branch, the loss.  Left out: re-identification.
Assumed: the global-local branch classifies its class token beside the mean of its selected tokens, since the former alone, as
the formula stands, doesn't depend on what is selected; that branch starts from random weights, and its block has no stochastic
depth, which the shared blocks have; an image's partner is the one before it in the shuffled batch, of any class, with gradient
(alone in its batch it is its own, and undisturbed); the pair-wise branch is classified by the self-attention's classifier; weight
decay is decoupled from Adam, and the uncertainties have none. The result's backbone isn't stated; ViT-B/16 stands in.
Where paper and code differ: no official code is known; a replication quotes the paper's settings, and departs from it
elsewhere. A step is two passes, the pair-wise one with twice the keys, a reading of all maps, and a block;
python -m benchmarks.steps times it.
Catalog: catalog/papers/dcal.yaml.  Every number below carries its source: P = paper (as the replication quotes it), O = ours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from implementations.common.cli import run
from implementations.common.method import Claim, Classes, Method, Terms
from implementations.common.recipes import MEAN, STD, Recipe, op
from implementations.common.schedules import Cosine
from implementations.common.vit import CLASS, Maps, ViT, attend, rollout_with_skips, take, watch


def accumulated(maps: Sequence[Maps]) -> Tensor:
    """All blocks' attention over N tokens → how much each went into the class token in the end (B, N), summing to 1."""
    *before, last = maps
    row = last.attention(CLASS).mean(1)
    itself = torch.zeros_like(row)
    itself[..., 0] = 1
    return rollout_with_skips(before, (row + itself) / 2)[:, 0]


def weigh(losses: Tensor, uncertainties: Tensor) -> Tensor:
    """Losses (n,), w (n,) → ½ e^(−w) × loss (n,); with ½ Σ w added, the best w is the loss's logarithm."""
    return (-uncertainties).exp() * losses / 2


@dataclass(frozen=True, kw_only=True)
class Settings(Recipe):
    """DCAL's own settings."""

    share: float
    """Of the patches, that are selected."""
    stochastic_depth: float
    """How often the last block's branches are left out; earlier ones less, in proportion."""


class DCAL(Method):
    """ViT, global-local block, two classifiers, learnt loss weights."""

    paper = "dcal"
    claim = Claim("cub-200-2011", "top-1", 92.0)
    over_batch = True
    recipe = Settings(
        backbone="vit_base_patch16_224.augreg_in21k",  # O
        input_size=448,  # P
        epochs=100,  # P
        batch_size=16,  # P
        lr=1.5625e-5,  # P 5e-4 · batch / 512
        optimizer="AdamW",  # O P says Adam and a weight decay
        optimizer_options={},  # O
        weight_decay=0.05,  # P
        schedule=Cosine(),  # P
        share=0.1,  # P R of fine-grained classification
        stochastic_depth=0.1,  # P
        selection="last epoch",  # O
        train=(
            op("Resize", size=(550, 550)),  # O
            op("RandomCrop", size=448),  # O
            op("RandomHorizontalFlip"),  # O
            op("Normalize", mean=MEAN, std=STD),  # O ImageNet's
        ),
        test=(
            op("Resize", size=(550, 550)),  # O
            op("CenterCrop", size=448),  # O
            op("Normalize", mean=MEAN, std=STD),  # O ImageNet's
        ),
    )
    demo = {
        "vit": {
            "backbone": "finch_vit",  # O
            "stochastic_depth": 0.0,  # O trials on version 1 of the drawing
            "lr": 1e-2,  # O trials on validation
            "backbone_lr": 2e-3,  # O trials on validation
        }
    }

    def __init__(self, classes: Classes, backbone: ViT, recipe: Settings) -> None:
        from timm.layers import DropPath

        super().__init__(classes, backbone, recipe)
        self.global_local = backbone.fresh_block()
        last = max(1, len(backbone.blocks) - 1)
        for depth, block in enumerate(backbone.blocks):
            block.drop_path1, block.drop_path2 = (DropPath(recipe.stochastic_depth * depth / last) for _ in range(2))
        self.local_norm = nn.LayerNorm(backbone.width, eps=1e-6)
        self.classifier = nn.Linear(backbone.width, len(classes))
        self.local_classifier = nn.Linear(2 * backbone.width, len(classes))
        self.uncertainties = nn.Parameter(torch.zeros(3))

    def parameter_groups(self) -> list[dict[str, Any]]:
        *rest, new = super().parameter_groups()
        learnt = {"name": "uncertainties", "params": [self.uncertainties], "lr": self.recipe.lr, "weight_decay": 0.0}
        return [*rest, new | {"params": [p for p in new["params"] if p is not self.uncertainties]}, learnt]

    def self_attention(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) → tokens after the last block (B, prefix + N, D), accumulated attention to the patches (B, N)."""
        tokens, watched = watch(self.backbone.blocks, self.backbone.embed(images))
        return tokens, accumulated([one.maps for one in watched])[:, self.backbone.prefix :]

    def select(self, scores: Tensor) -> Tensor:
        """(B, N) → the numbers of the tokens of the patches with the largest (B, R)."""
        return scores.topk(max(1, int(self.recipe.share * scores.shape[1]))).indices + self.backbone.prefix

    def look_again(self, tokens: Tensor, selected: Tensor) -> Tensor:
        """Global-local cross-attention: (B, N, D), (B, R) → class token and selected tokens that saw all tokens (B, 1 + R, D)."""
        queries = torch.cat([tokens[:, :1], take(tokens, selected)], dim=1)
        return self.local_norm(attend(self.global_local, queries, context=tokens).tokens)

    def read_out(self, local: Tensor) -> Tensor:
        """(B, 1 + R, D) → what the global-local branch classifies (B, 2 D)."""
        return torch.cat([local[:, 0], local[:, 1:].mean(1)], dim=1)

    def both(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) → logits of the self-attention and of the global-local branch (B, K)."""
        tokens, scores = self.self_attention(images)
        local = self.look_again(tokens, self.select(scores))
        return self.classifier(self.backbone.norm(tokens)[:, 0]), self.local_classifier(self.read_out(local))

    def pair_wise(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) → logits (B, K) of images distracted by each other."""
        tokens = self.backbone.embed(images)
        partners = torch.arange(len(images), device=images.device).roll(1)
        for block in self.backbone.blocks:
            tokens = attend(block, tokens, beside=partners).tokens
        return self.classifier(self.backbone.norm(tokens)[:, 0])

    def forward(self, images: Tensor) -> Tensor:
        """The logarithm of the mean of both branches' probabilities."""
        first, second = (logits.log_softmax(1) for logits in self.both(images))
        return torch.logaddexp(first, second) - math.log(2)

    def losses(self, images: Tensor, labels: Tensor) -> Terms:
        branches = (*self.both(images), self.pair_wise(images))
        weighed = weigh(torch.stack([F.cross_entropy(logits, labels) for logits in branches]), self.uncertainties)
        return {
            "self-attention": weighed[0],
            "global-local": weighed[1],
            "pair-wise": weighed[2],
            "uncertainties": self.uncertainties.sum() / 2,
        }

    def evidence(self, images: Tensor) -> Tensor:
        return self.self_attention(images)[1].unflatten(1, self.backbone.grid)

    def chosen(self, images: Tensor) -> Tensor:
        return self.backbone.boxes(self.select(self.self_attention(images)[1]))


if __name__ == "__main__":
    run(DCAL)
