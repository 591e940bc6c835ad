"""RAMS-Trans: a vision transformer that looks again, closer, where its own attention leads (Hu et al., ACM MM 2021).

The attention of all blocks, skip connections included, is multiplied into one map of how much everybody looks at each patch.
Where the map exceeds its mean, the largest connected region is cut out, enlarged to the input's size and passed through the
same transformer again. The second scale has a class token of its own; all else is shared. No network proposes regions, and but
for that token there is no further parameter.

Kept: the rollout over all blocks with the identity, the mean over all its rows, the threshold of 1.2 times the mean, the
largest region of 8-connected patches, two class tokens that are present at both scales, one norm (freshly initialised, as the
official code leaves it) and one classifier, both scales' cross-entropies.  Left out: scipy's resizing of positions (timm's), the
first update at a rate of 0, the third scale (commented out in the code), one pixel that the code's crop takes in at the top and
the left; an empty mask is the whole image here, where the code raises an error.
Assumed: the prediction is the mean of both scales' logits; the second class token and its position are one parameter, which moves
half as far a step as the code's two together.
Where paper and code differ: the released trainer leaves out the second scale's loss, so that it trains a plain ViT; we follow
the paper, which sums both. The code has patches of 32 px, the paper's table ViT-B/16, which is followed. Its cosine is over
10,000 steps, of which it takes 26 whole epochs; ours ends with them.  A step is two passes, and one reading of all maps;
python -m benchmarks.steps times it.
Catalog: catalog/papers/rams-trans.yaml.  Every number below carries its source: P = paper, C = official code, O = ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from implementations.common.cli import run
from implementations.common.method import Claim, Classes, Method, Terms, at_least_float32
from implementations.common.recipes import MEAN, STD, Recipe, op
from implementations.common.regions import bounding_box, crop, largest_component
from implementations.common.schedules import Cosine
from implementations.common.vit import Maps, ViT, rollout_with_skips, watch


def looked_at(maps: Sequence[Maps]) -> Tensor:
    """All blocks' attention over N tokens → how much each goes into all in the end (B, N), summing to 1."""
    keys = at_least_float32(maps[0].keys)
    return rollout_with_skips(maps, keys.new_full((1, keys.shape[2]), 1 / keys.shape[2]))[:, 0]


def above_the_mean(scores: Tensor, times: float) -> Tensor:
    """(B, h, w) → bool: where it is more than so many times its mean."""
    return scores > times * scores.mean((1, 2), keepdim=True)


@dataclass(frozen=True, kw_only=True)
class Settings(Recipe):
    """RAMS-Trans's own settings."""

    threshold: float
    """In means of the map."""
    dropout: float


class RAMSTrans(Method):
    """ViT with two class tokens, run on the image and on a crop of it, and one classifier."""

    paper = "rams-trans"
    claim = Claim("cub-200-2011", "top-1", 91.3, backbone="vit-b-16")
    test_time = ("multi-crop",)  # both scales' logits are averaged
    recipe = Settings(
        backbone="vit_base_patch16_224.orig_in21k",  # C README: built on TransFG, so Google's first ImageNet-21k weights
        input_size=448,  # C src/dataset.py
        epochs=26,  # C src/trainer_rams.py: the whole epochs of 10,000 steps
        batch_size=16,  # C src/config.py
        lr=3e-2,  # C src/config.py
        optimizer="SGD",  # C src/trainer_rams.py
        optimizer_options={"momentum": 0.9},  # C src/trainer_rams.py
        weight_decay=0.0,  # C src/config.py
        schedule=Cosine(warmup=500),  # C src/config.py
        clip=1.0,  # C src/config.py
        dropout=0.1,  # C src/config.py: on embeddings and in the MLPs
        threshold=1.2,  # C src/model_rams.py
        selection="last epoch",  # O C keeps the best epoch on test
        train=(
            op("Resize", size=(600, 600)),  # C src/dataset.py
            op("RandomCrop", size=448),  # C src/dataset.py
            op("RandomHorizontalFlip"),  # C src/dataset.py
            op("Normalize", mean=MEAN, std=STD),  # C src/dataset.py
        ),
        test=(
            op("Resize", size=(600, 600)),  # C src/dataset.py
            op("CenterCrop", size=448),  # C src/dataset.py
            op("Normalize", mean=MEAN, std=STD),  # C src/dataset.py
        ),
    )
    demo = {
        "vit": {
            "backbone": "finch_vit",  # O
            "dropout": 0.0,  # O trials on version 1 of the drawing
            "threshold": 1.0,  # O trials on version 1 of the drawing
            "lr": 2e-2,  # O trials on validation
            "backbone_lr": 5e-4,  # O trials on validation
        }
    }

    def __init__(self, classes: Classes, backbone: ViT, recipe: Settings) -> None:
        super().__init__(classes, backbone, recipe)
        backbone.set_dropout(recipe.dropout)
        backbone.add_tokens(1)
        self.second_token = nn.Parameter(backbone.class_token().detach().clone())
        backbone.model.norm.reset_parameters()  # C src/model_rams.py: the pretrained norm isn't loaded
        self.classifier = nn.Linear(backbone.width, len(classes))

    def parameter_groups(self) -> list[dict[str, Any]]:
        backbone, new = super().parameter_groups()
        own = self.second_token  # as pretrained as the first
        rest = [parameter for parameter in new["params"] if parameter is not own]
        return [backbone | {"params": [*backbone["params"], own]}, new | {"params": rest}]

    def propose(self, maps: Sequence[Maps]) -> tuple[Tensor, Tensor]:
        """All blocks' attention → the map over patches (B, h, w), at most 1, and the region to look at again (B, 4) in pixels."""
        scores = looked_at(maps)[:, self.backbone.prefix :].unflatten(1, self.backbone.grid)
        scores = scores / scores.amax((1, 2), keepdim=True)
        region = largest_component(above_the_mean(scores, self.recipe.threshold))
        return scores, self.backbone.pixels(bounding_box(region))

    def first_scale(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 3, H, W) → logits of the image (B, K), the map, and the region."""
        tokens, watched = watch(self.backbone.blocks, self.backbone.embed(images, self.second_token))
        return self.classifier(self.backbone.norm(tokens)[:, 0]), *self.propose([one.maps for one in watched])

    def second_scale(self, crops: Tensor) -> Tensor:
        """(B, 3, H, W), what was cut out and enlarged → its logits (B, K), of the second class token."""
        tokens = self.backbone.blocks(self.backbone.embed(crops, self.second_token))
        return self.classifier(self.backbone.norm(tokens)[:, 1])

    def both(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) → the logits of both scales (B, K)."""
        first, _, region = self.first_scale(images)
        return first, self.second_scale(crop(images, region))

    def forward(self, images: Tensor) -> Tensor:
        first, second = self.both(images)
        return (first + second) / 2

    def losses(self, images: Tensor, labels: Tensor) -> Terms:
        first, second = self.both(images)
        return {"first scale": F.cross_entropy(first, labels), "second scale": F.cross_entropy(second, labels)}

    def evidence(self, images: Tensor) -> Tensor:
        return self.first_scale(images)[1]

    def chosen(self, images: Tensor) -> Tensor:
        return self.first_scale(images)[2][:, None]


if __name__ == "__main__":
    run(RAMSTrans)
