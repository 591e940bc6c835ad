"""Baseline: the backbone fine-tuned with a linear classifier, nothing else.

What every method is compared with: the same backbone, weights, images, epochs and seeds, and as many trials of its recipe under
each budget.
A CNN's last map is averaged over its places, a vision transformer's class token is taken as it comes out of the final norm; one
linear layer classifies it by cross-entropy. Evidence: the class activation map (Zhou et al., CVPR 2016), or the last block's
attention of the class token, averaged over heads; and of both kinds the input gradient (Simonyan et al., 2014), as a reference.

It stands for no single paper. Every number below carries its source: O = ours.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from implementations.common.cli import run
from implementations.common.evaluate import class_activation_map, input_gradient
from implementations.common.method import Classes, Method, Terms
from implementations.common.recipes import MEAN, STD, Recipe, op
from implementations.common.schedules import Cosine
from implementations.common.vit import CLASS, attend


class Baseline(Method):
    """Backbone and linear classifier."""

    paper = "baseline"
    recipe = Recipe(
        backbone="resnet50",  # O what most papers of the field use
        input_size=448,  # O the field's usual size
        epochs=100,  # O
        batch_size=16,  # O
        lr=1e-2,  # O
        backbone_lr=1e-3,  # O a tenth: the classifier starts from nothing, the backbone doesn't
        weight_decay=5e-4,  # O
        schedule=Cosine(),  # O
        train=(
            op("Resize", size=(512, 512)),  # O
            op("RandomCrop", size=448),  # O
            op("RandomHorizontalFlip"),  # O
            op("Normalize", mean=MEAN, std=STD),  # O ImageNet's
        ),
        test=(
            op("Resize", size=(512, 512)),  # O
            op("CenterCrop", size=448),  # O
            op("Normalize", mean=MEAN, std=STD),  # O ImageNet's
        ),
    )
    demo = {
        "cnn": {
            "backbone": "finch_resnet",  # O
            "lr": 6e-3,  # O trials on validation
            "backbone_lr": 3e-3,  # O trials on validation
            "weight_decay": 0.5,  # O trials on validation
        },
        "vit": {
            "backbone": "finch_vit",  # O
            "lr": 2e-2,  # O trials on validation
            "backbone_lr": 2.5e-4,  # O trials on validation
        },
    }
    demo_at = {"vit": {"patch_stride=6": {"backbone_lr": 5e-4}}}  # O trials on validation

    def __init__(self, classes: Classes, backbone: nn.Module, recipe: Recipe) -> None:
        super().__init__(classes, backbone, recipe)
        width = backbone.channels[-1] if backbone.family == "cnn" else backbone.width
        self.classifier = nn.Linear(width, len(classes))

    def pooled(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) → (B, C)."""
        out = self.backbone(images)
        return out[-1].mean((2, 3)) if self.backbone.family == "cnn" else out[:, 0]

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.pooled(images))

    def losses(self, images: Tensor, labels: Tensor) -> Terms:
        return {"cross-entropy": F.cross_entropy(self(images), labels)}

    def evidence(self, images: Tensor) -> Tensor:
        if self.backbone.family == "cnn":
            return class_activation_map(self.backbone(images)[-1], self.classifier)
        tokens = self.backbone.blocks[:-1](self.backbone.embed(images))
        attention = attend(self.backbone.blocks[-1], tokens).maps.attention(CLASS)
        return attention[:, :, 0, self.backbone.prefix :].mean(1).unflatten(1, self.backbone.grid)

    def evidence_maps(self, images: Tensor) -> dict[str, Tensor]:
        return super().evidence_maps(images) | {"input gradient": input_gradient(self, images)}


if __name__ == "__main__":
    run(Baseline)
