"""TransFG: a vision transformer that classifies by the few patches its attention leads back to (He et al., AAAI 2022).

A plain ViT reads its class token, which has looked at every patch, most of them background. TransFG multiplies the attention
matrices of all blocks but the last, so that the product tells how much each patch contributed to the class token in the end.
Each head keeps its strongest patch, and the last block sees the class token and these patches alone. A contrastive loss on class
tokens pushes images of two classes apart where they are too similar. Testing is the same pass.

Kept: overlapping patches, rollout per head without the identity, hard selection, the part layer on heads + 1 tokens (freshly
initialised, drawn as the official code draws it), the contrastive loss.  Left out: apex half precision (accelerate's instead),
scipy's resizing of positions (timm's, to the image's size and then to the overlapping patches'), the first update at a rate of 0,
the same batches in every epoch, which the code has on several GPUs for want of set_epoch.
Assumed: what it looks at is the rollout's class rows, averaged over heads.
Where paper and code differ: they agree; the README's command trains on 4 × 16 images.
Catalog: catalog/papers/transfg.yaml.  Every number below carries its source: P = paper, C = official code, O = ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from implementations.common.cli import run
from implementations.common.method import Claim, Classes, Method, Terms, at_least_float32, full_precision
from implementations.common.recipes import MEAN, STD, Recipe, op
from implementations.common.schedules import Cosine
from implementations.common.vit import CLASS, ViT, rollout, take, watch


def strongest_patch(contribution: Tensor, prefix: int) -> Tensor:
    """The rollout's class row (B, heads, N) → each head's patch token with the largest entry (B, heads)."""
    return contribution[..., prefix:].argmax(-1) + prefix


def contrastive(features: Tensor, labels: Tensor, margin: float) -> Tensor:
    """(B, D), (B,) → mean over all B² pairs of 1 − cosine for one class, of what exceeds the margin for two."""
    with full_precision(features):
        unit = F.normalize(at_least_float32(features), dim=1)
        cosine = unit @ unit.T
    same = labels[:, None] == labels
    return torch.where(same, 1 - cosine, (cosine - margin).relu()).mean()


@dataclass(frozen=True, kw_only=True)
class Settings(Recipe):
    """TransFG's own settings."""

    margin: float
    dropout: float


class TransFG(Method):
    """ViT, part selection, part layer, classifier on the class token."""

    paper = "transfg"
    claim = Claim("cub-200-2011", "top-1", 91.7, backbone="vit-b-16")
    over_batch = True
    recipe = Settings(
        backbone="vit_base_patch16_224.orig_in21k",  # C README: Google's first ImageNet-21k weights
        input_size=448,  # C utils/data_utils.py
        patch_stride=12,  # C README's command for CUB: --split overlap
        epochs=108,  # C train.py: 10,000 steps of 64 images; an epoch of CUB has 93 whole batches
        batch_size=64,  # C README: 16 on each of 4 GPUs
        images_per_loss=16,  # C README: the contrastive pairs are those on one GPU
        lr=3e-2,  # C train.py
        optimizer="SGD",  # C train.py
        optimizer_options={"momentum": 0.9},  # C train.py
        weight_decay=0.0,  # C train.py
        schedule=Cosine(warmup=500),  # C train.py
        clip=1.0,  # C train.py: max_grad_norm
        dropout=0.1,  # C configs.py: on embeddings and in the MLPs
        margin=0.4,  # C modeling.py; pairs of two classes that are less similar add no loss
        selection="last epoch",  # O C keeps the best on test, evaluated every 100 steps
        train=(
            op("Resize", size=(600, 600)),  # C utils/data_utils.py
            op("RandomCrop", size=448),  # C utils/data_utils.py
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
            "patch_stride": 6,  # O three quarters of the patch, as 12 of 16
            "images_per_loss": None,  # O all 32 of a batch: of 32 classes, few pairs are of one
            "dropout": 0.0,  # O trials on version 1 of the drawing
            "lr": 6e-3,  # O trials on validation
            "backbone_lr": 1e-3,  # O trials on validation
        }
    }

    def __init__(self, classes: Classes, backbone: ViT, recipe: Settings) -> None:
        super().__init__(classes, backbone, recipe)
        backbone.set_dropout(recipe.dropout)
        self.part_layer = backbone.fresh_block()  # C modeling.py: the pretrained last block isn't loaded
        backbone.drop_last_block()
        self.classifier = nn.Linear(backbone.width, len(classes))

    def select(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 3, H, W) → tokens before the last block (B, N, D), class row of the rollout (B, heads, N), selected (B, heads)."""
        tokens, watched = watch(self.backbone.blocks, self.backbone.embed(images))
        *before, last = (one.maps for one in watched)
        contribution = rollout(before, last.attention(CLASS))[:, :, 0]
        return tokens, contribution, strongest_patch(contribution, self.backbone.prefix)

    def class_token(self, tokens: Tensor, selected: Tensor) -> Tensor:
        """The part layer on class and selected tokens alone: (B, N, D), (B, heads) → the class token after the norm (B, D)."""
        return self.backbone.norm(self.part_layer(torch.cat([tokens[:, :1], take(tokens, selected)], dim=1)))[:, 0]

    def features(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) → (B, D)."""
        tokens, _, selected = self.select(images)
        return self.class_token(tokens, selected)

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.features(images))

    def losses(self, images: Tensor, labels: Tensor) -> Terms:
        features = self.features(images)
        return {
            "cross-entropy": F.cross_entropy(self.classifier(features), labels),
            "contrastive": contrastive(features, labels, self.recipe.margin),
        }

    def evidence(self, images: Tensor) -> Tensor:
        _, contribution, _ = self.select(images)
        return contribution[..., self.backbone.prefix :].mean(1).unflatten(1, self.backbone.grid)

    def chosen(self, images: Tensor) -> Tensor:
        return self.backbone.boxes(self.select(images)[2])


if __name__ == "__main__":
    run(TransFG)
