"""FFVT: the last layer of a vision transformer sees the most telling tokens of all layers (Wang et al., BMVC 2021).

In the deep layers of a ViT the class token describes the whole and has lost the small. FFVT takes a few tokens out of every
layer but the last and hands them, with the class token, to the last layer, where low, middle and high levels meet. A token is
taken where the class token attends to it and it attends to the class token more than other tokens do: "mutual attention weight
selection", which has no parameters. Training is by cross-entropy, testing the same pass.

Kept: both directions of attention from one matrix of scores, tokens of every layer but the last as they leave it (the class
token may be among them, as in the code), a freshly initialised last layer, drawn as the code draws it, final norm and classifier
(all zeros, so that the first loss is ln K), the smaller last batch of an epoch.  Left out: apex half precision (accelerate's
instead), scipy's resizing of positions (timm's), the first update at a rate of 0, the same batches in every epoch, which the code
has on several GPUs for want of set_epoch.
Assumed: what it looks at is the last layer's attention from the class token to the fused tokens, laid back to the patches that
they come from, averaged over heads.
Where paper and code differ: the code's selection is followed, a product of means over heads, not a mean of products.
Catalog: catalog/papers/ffvt.yaml.  Every number below carries its source: P = paper, C = official code, O = ours.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from implementations.common.cli import run
from implementations.common.method import Claim, Classes, Method, Terms, processes
from implementations.common.recipes import MEAN, STD, Recipe, op
from implementations.common.schedules import Cosine
from implementations.common.vit import CLASS, ViT, attend, take, watch

GPUS = 4


def mutual_attention(from_class: Tensor, to_class: Tensor) -> Tensor:
    """Scores of the class token's query with all keys, and of all queries with its key, (B, heads, N) each → (B, N).

    The first are normalised over keys (what does the class token look at?), the second over queries (who looks at it most?).
    """
    return from_class.softmax(-1).mean(1) * to_class.softmax(-1).mean(1)


@dataclass(frozen=True, kw_only=True)
class Settings(Recipe):
    """FFVT's own settings."""

    tokens_per_layer: int
    dropout: float


class FFVT(Method):
    """ViT, selection in every layer, fusion layer, classifier on the class token."""

    paper = "ffvt"
    claim = Claim("cub-200-2011", "top-1", 91.6, backbone="vit-b-16")
    recipe = Settings(
        backbone="vit_base_patch16_224.orig_in21k",  # C train.py: ViT-B_16.npz, Google's first ImageNet-21k weights
        input_size=448,  # C README's command for CUB
        epochs=53,  # C README: 10,000 steps of 32 images; an epoch of CUB has 188, the last of 12
        batch_size=32,  # C README: 8 on each of 4 GPUs (GPUS)
        lr=2e-2,  # C README's command for CUB
        optimizer="SGD",  # C train.py
        optimizer_options={"momentum": 0.9},  # C train.py
        weight_decay=0.0,  # C train.py
        schedule=Cosine(warmup=500),  # C train.py
        clip=1.0,  # C train.py: max_grad_norm
        dropout=0.1,  # C models/configs.py: on embeddings and in the MLPs
        tokens_per_layer=12,  # C README's command for CUB
        selection="last epoch",  # O C keeps the best on test
        train=(
            op("Resize", size=(600, 600)),  # C utils/data_utils.py
            op("RandomCrop", size=448),  # C utils/data_utils.py
            op("ColorJitter", brightness=0.4, contrast=0.4, saturation=0.4),  # C utils/data_utils.py
            op("RandomHorizontalFlip"),  # C utils/data_utils.py
            op("Normalize", mean=MEAN, std=STD),  # C utils/data_utils.py
        ),
        test=(
            op("Resize", size=(600, 600)),  # C utils/data_utils.py
            op("CenterCrop", size=448),  # C utils/data_utils.py
            op("Normalize", mean=MEAN, std=STD),  # C utils/data_utils.py
        ),
    )
    demo = {
        "vit": {
            "backbone": "finch_vit",  # O
            "dropout": 0.0,  # O trials on version 1 of the drawing
            "lr": 4e-2,  # O trials on validation
            "backbone_lr": 5e-4,  # O trials on validation
        }
    }

    def __init__(self, classes: Classes, backbone: ViT, recipe: Settings) -> None:
        super().__init__(classes, backbone, recipe)
        backbone.set_dropout(recipe.dropout)
        self.fusion_layer = backbone.fresh_block()  # C models/modeling.py: the pretrained last block isn't loaded
        backbone.drop_last_block()
        backbone.model.norm.reset_parameters()  # C models/modeling.py: nor is the final norm
        self.classifier = nn.Linear(backbone.width, len(classes))
        nn.init.zeros_(self.classifier.weight)  # C models/modeling.py: zero_head
        nn.init.zeros_(self.classifier.bias)

    def select(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) → class token and selected tokens (B, 1 + M, D), which of its layer's tokens each of these is (B, M)."""
        tokens, watched = watch(self.backbone.blocks, self.backbone.embed(images))
        selected = [self.most_mutual(one.maps.scores(CLASS)[:, :, 0], one.maps.scores(keys=CLASS)[..., 0]) for one in watched]
        fused = [take(one.tokens, chosen) for one, chosen in zip(watched, selected, strict=True)]
        return torch.cat([tokens[:, :1], *fused], dim=1), torch.cat(selected, dim=1)

    def most_mutual(self, from_class: Tensor, to_class: Tensor) -> Tensor:
        """One layer's scores, (B, heads, N) each → its tokens of largest mutual attention (B, tokens_per_layer)."""
        return mutual_attention(from_class, to_class).topk(self.recipe.tokens_per_layer).indices

    def batches(self, labels: list[int], size: int, rng: random.Random) -> list[list[int]]:
        """All images, and the first ones again until the last, smaller batch has equal shares for the authors' GPUs and ours."""
        order = list(range(len(labels)))
        rng.shuffle(order)
        shares = math.lcm(GPUS, processes() * self.recipe.micro_batches)
        order += order[: -len(order) % shares]  # C utils/data_utils.py: DistributedSampler
        return [order[start : start + size] for start in range(0, len(order), size)]

    def forward(self, images: Tensor) -> Tensor:
        fused, _ = self.select(images)
        return self.classifier(self.backbone.norm(self.fusion_layer(fused))[:, 0])

    def losses(self, images: Tensor, labels: Tensor) -> Terms:
        return {"cross-entropy": F.cross_entropy(self(images), labels)}

    def evidence(self, images: Tensor) -> Tensor:
        fused, selected = self.select(images)
        looked = attend(self.fusion_layer, fused).maps.attention(CLASS)[:, :, 0, 1:].mean(1)
        rows, columns = self.backbone.grid
        places = looked.new_zeros(len(images), self.backbone.prefix + rows * columns)
        return places.scatter_add(1, selected, looked)[:, self.backbone.prefix :].unflatten(1, (rows, columns))

    def chosen(self, images: Tensor) -> Tensor:
        return self.backbone.boxes(self.select(images)[1])


if __name__ == "__main__":
    run(FFVT)
