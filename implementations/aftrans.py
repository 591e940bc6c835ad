"""AFTrans: a vision transformer that looks again where all of its heads look (Zhang et al., ICASSP 2022).

Attention weights are there for nothing. A selective attention collection module (SACM) filters them adaptively: within a block
the heads' maps are multiplied, so that a patch counts where every head looks; over the blocks they are summed with weights that
a small squeeze-and-excitation network gives each image. Where the joint map exceeds its mean, the image is cut out, enlarged to
the input's size and passed through the same encoder again; both scales are trained and their logits added.

Kept (from the abstract and a one-line summary, there being no public code, and no full text that we could read): the product of
heads, adaptive weights of blocks, one encoder for both scales, supervision at both, no annotation.  Left out: nothing that these
tell.
Assumed: the maps are the class token's rows; a block's map is squeezed to the logarithm of its largest value, standardised over
the blocks (lest no unit be ever excited), and excited through half as many units; the threshold is the mean, and the crop the
largest region of 8-connected patches; one classifier for all. A box has no gradient, so the weights of the blocks learn by a
third cross-entropy, of the first pass's patches pooled by the joint map; the attention in this map is detached, so that no loss
reaches queries and keys through it. ViT-B/16 at 448 px, and rate, schedule, dropout and images of that year's other ViT papers'
code (TransFG's, RAMS-Trans's), 10,000 steps of 16 images.
Where paper and code differ: no code is known.  A step is two passes; python -m benchmarks.steps times it.
Catalog: catalog/papers/aftrans.yaml.  Every number below carries its source: P = paper, O = ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from implementations.common.cli import run
from implementations.common.method import Claim, Classes, Method, Terms
from implementations.common.recipes import MEAN, STD, Recipe, op
from implementations.common.regions import bounding_box, crop, largest_component
from implementations.common.schedules import Cosine
from implementations.common.vit import CLASS, ViT, watch

TINY = 1e-8


def where_all_heads_look(rows: Tensor) -> Tensor:
    """Class rows over patches (…, heads, N) → their product, summing to 1 (…, N): by logarithms, since it would underflow."""
    return (rows + TINY).log().sum(-2).softmax(-1)


class SACM(nn.Module):
    """Selective attention collection: blocks' maps (B, L, N) → the joint map (B, N), weighed by how the maps themselves are."""

    def __init__(self, layers: int, reduction: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(layers, max(1, layers // reduction))
        self.excite = nn.Linear(max(1, layers // reduction), layers)

    def weights(self, maps: Tensor) -> Tensor:
        """(B, L, N) → one weight a block, in (0, 1): (B, L)."""
        squeezed = maps.amax(-1).log()
        return self.excite(self.squeeze(F.layer_norm(squeezed, squeezed.shape[-1:])).relu()).sigmoid()

    def forward(self, maps: Tensor) -> Tensor:
        return (self.weights(maps)[..., None] * maps).sum(1)


@dataclass(frozen=True, kw_only=True)
class Settings(Recipe):
    """AFTrans's own settings."""

    dropout: float
    reduction: int
    """Of the units between squeeze and excitation."""


class AFTrans(Method):
    """ViT, SACM, and one classifier for image, crop and pooled patches."""

    paper = "aftrans"
    claim = Claim("cub-200-2011", "top-1", 91.5, backbone="vit-b-16")
    test_time = ("multi-crop",)  # both scales' logits are added
    recipe = Settings(
        backbone="vit_base_patch16_224.orig_in21k",  # O that year's other ViT papers
        input_size=448,  # O that year's other ViT papers
        epochs=27,  # O 10,000 steps of 16 images
        batch_size=16,  # O that year's other ViT papers
        lr=3e-2,  # O that year's other ViT papers
        optimizer="SGD",  # O that year's other ViT papers
        optimizer_options={"momentum": 0.9},  # O that year's other ViT papers
        weight_decay=0.0,  # O that year's other ViT papers
        schedule=Cosine(warmup=500),  # O that year's other ViT papers
        clip=1.0,  # O that year's other ViT papers
        dropout=0.1,  # O that year's other ViT papers: on embeddings and in the MLPs
        reduction=2,  # O
        selection="last epoch",  # O
        train=(
            op("Resize", size=(600, 600)),  # O that year's other ViT papers
            op("RandomCrop", size=448),  # O that year's other ViT papers
            op("RandomHorizontalFlip"),  # O that year's other ViT papers
            op("Normalize", mean=MEAN, std=STD),  # O that year's other ViT papers
        ),
        test=(
            op("Resize", size=(600, 600)),  # O that year's other ViT papers
            op("CenterCrop", size=448),  # O that year's other ViT papers
            op("Normalize", mean=MEAN, std=STD),  # O that year's other ViT papers
        ),
    )
    demo = {
        "vit": {
            "backbone": "finch_vit",  # O
            "dropout": 0.0,  # O as FFVT's, from trials on version 1 of the drawing
            "lr": 1e-2,  # O trials on validation
            "backbone_lr": 2.5e-4,  # O trials on validation
        }
    }

    def __init__(self, classes: Classes, backbone: ViT, recipe: Settings) -> None:
        super().__init__(classes, backbone, recipe)
        backbone.set_dropout(recipe.dropout)
        self.collect = SACM(len(backbone.blocks), recipe.reduction)
        self.classifier = nn.Linear(backbone.width, len(classes))

    def block_maps(self, rows: Tensor) -> Tensor:
        """The class token's attention to the patches, (B, L, heads, N) → one map a block (B, L, N)."""
        return where_all_heads_look(rows)

    def global_pass(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) → tokens after the norm (B, prefix + N, D), the joint map (B, N)."""
        tokens, watched = watch(self.backbone.blocks, self.backbone.embed(images))
        rows = torch.stack([one.maps.attention(CLASS)[:, :, 0, self.backbone.prefix :] for one in watched], dim=1)
        return self.backbone.norm(tokens), self.collect(self.block_maps(rows))

    def region(self, joint: Tensor) -> Tensor:
        """The joint map (B, N) → the box to look at again (B, 4) in pixels."""
        mask = (joint > joint.mean(1, keepdim=True)).unflatten(1, self.backbone.grid)
        return self.backbone.pixels(bounding_box(largest_component(mask)))

    def local_pass(self, images: Tensor, joint: Tensor) -> Tensor:
        """(B, 3, H, W), (B, N) → the logits (B, K) of what is cut out."""
        return self.classifier(self.backbone(crop(images, self.region(joint)))[:, 0])

    def forward(self, images: Tensor) -> Tensor:
        tokens, joint = self.global_pass(images)
        return self.classifier(tokens[:, 0]) + self.local_pass(images, joint)

    def losses(self, images: Tensor, labels: Tensor) -> Terms:
        tokens, joint = self.global_pass(images)
        pooled = torch.einsum("bn,bnd->bd", F.normalize(joint, p=1, dim=1), self.backbone.patches(tokens))
        return {
            "global": F.cross_entropy(self.classifier(tokens[:, 0]), labels),
            "local": F.cross_entropy(self.local_pass(images, joint), labels),
            "pooled": F.cross_entropy(self.classifier(pooled), labels),
        }

    def evidence(self, images: Tensor) -> Tensor:
        return self.global_pass(images)[1].unflatten(1, self.backbone.grid)

    def chosen(self, images: Tensor) -> Tensor:
        return self.region(self.global_pass(images)[1])[:, None]


if __name__ == "__main__":
    run(AFTrans)
