"""CAL: attention is rewarded for what it adds to the prediction beyond random attention (Rao et al., ICCV 2021).

Attention is usually learnt through the final loss alone, so nothing says whether it was any good. CAL asks a counterfactual
question: what would the same classifier say of the same features under random attention? The difference between the two
predictions, the attention's effect, has a cross-entropy of its own. The rest is WS-DAN: attention maps pool the features that
they weigh (bilinear attention pooling); one map drawn for each image chooses a crop, another what is erased, and a second pass
learns from both; a centre loss draws images of a class together. The test pass averages the logits of the image and of one
crop, chosen by the mean map.

Kept: stride 16 without dilation, attention maps and their pooling, random attention (constant at test), all four losses, crop and
drop, the crop at test time. The published number averages four views of the image and four of its mirror image: `measure` reports
that.  Left out: BatchNorm synchronised over processes, the row and column that the code cuts off a crop, the best epoch on test.
Assumed: what it looks at is the mean attention map, which chooses the crop at test time.
Where paper and code differ: we couldn't read the paper, and follow the code. Its centres are not means: updated by β(Φ − c/‖c‖),
c is β·Φ of its class's last image, for any β, and compared at length 1. Ours keep this Φ; if a batch has several images of a
class, the last one's, on all processes.  A step is three passes over the batch, the test two.
Catalog: catalog/papers/cal.yaml.  Every number below carries its source: P = paper, C = official code, O = ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from implementations.common.bilinear import attention_pooling
from implementations.common.cli import run
from implementations.common.method import Claim, Classes, Method, Terms, at_least_float32, gather
from implementations.common.recipes import MEAN, STD, Recipe, op
from implementations.common.regions import bounding_box, crop
from implementations.common.schedules import Exponential

EPS = 1e-6  # C models/cal.py: below the square roots
CROP, DROP = (0.4, 0.6), (0.2, 0.5)  # C train_distributed.py: the shares of its maximum between which a map's threshold is drawn
PADDING, TEST_PADDING = 0.1, 0.05  # C train_distributed.py: around a crop in training and in the test pass, in sides of the image
VIEWS = ((0.3, 0.1), (0.2, 0.1), (0.1, 0.05))  # C infer.py: threshold and padding of the published evaluation's crops


def draw_maps(attention: Tensor, count: int) -> Tensor:
    """Attention maps (B, M, h, w) → `count` per image (B, count, h, w), perhaps the same, with probabilities ∝ √(a map's sum)."""
    weights = (attention.sum((2, 3)) + EPS).sqrt()
    # The smallest of Exp(1) / weight is such a draw; torch.multinomial may wait for the device.
    times = weights.new_empty(len(weights), count, weights.shape[1]).exponential_() / weights[:, None]
    return attention[torch.arange(len(weights), device=weights.device)[:, None], times.argmin(2)]


def attended(maps: Tensor, share: Tensor | float, side: int) -> Tensor:
    """Maps (B, h, w) → where they, enlarged, reach a share, (B,) or one for all, of their maximum: a mask (B, side, side)."""
    large = F.interpolate(maps[:, None], size=(side, side), mode="bilinear", align_corners=True)[:, 0]
    return large >= (share * maps.amax((1, 2)))[:, None, None]


def crop_box(maps: Tensor, share: Tensor | float, padding: float, side: int) -> Tensor:
    """The box around what is attended, wider by `padding` of the side at each end, within the image: (B, 4) in whole pixels."""
    box, margin = bounding_box(attended(maps, share, side)), padding * side
    return torch.cat([box[:, :2] - margin, box[:, 2:] + margin], dim=1).clamp(0, side).floor()


@dataclass(frozen=True, kw_only=True)
class Settings(Recipe):
    """CAL's own settings."""

    maps: int
    scale: float
    """Of the pooled features, whose length is 1, before the classifier."""
    test_share: float
    """The test pass crops to where the mean map reaches this share of its maximum."""


class CAL(Method):
    """Backbone, attention maps, classifier and centres, which move only where `after_step` is called after each step."""

    paper = "cal"
    claim = Claim("cub-200-2011", "top-1", 90.6, backbone="resnet-101")
    test_time = ("multi-crop",)  # the logits of the image and of a crop are averaged
    recipe = Settings(
        backbone="resnet101.tv_in1k",  # C models/resnet.py: torchvision's first ImageNet-1k weights
        output_stride=16,  # C models/resnet.py: the last stage keeps the resolution of the one before
        input_size=448,  # C config_distributed.py
        epochs=160,  # C config_distributed.py
        batch_size=16,  # C config_distributed.py, train_distributed.sh: 4 on each of 4 GPUs
        lr=1e-3,  # C config_distributed.py
        optimizer="SGD",  # C train_distributed.py
        optimizer_options={"momentum": 0.9},  # C train_distributed.py
        weight_decay=1e-5,  # C train_distributed.py
        schedule=Exponential(every=2, factor=0.9),  # C train_distributed.py
        maps=32,  # C config_distributed.py
        scale=100.0,  # C models/cal.py
        test_share=0.1,  # C train_distributed.py
        train=(
            op("Resize", size=(512, 512)),  # C utils.py
            op("RandomCrop", size=448),  # C utils.py
            op("RandomHorizontalFlip"),  # C utils.py
            op("ColorJitter", brightness=0.126, saturation=0.5),  # C utils.py
            op("Normalize", mean=MEAN, std=STD),  # C utils.py
        ),
        test=(op("Resize", size=(512, 512)), op("CenterCrop", size=448), op("Normalize", mean=MEAN, std=STD)),  # C utils.py
    )
    demo = {
        "cnn": {
            "backbone": "finch_resnet",  # O
            "output_stride": None,  # O the backbone's own is 16, too, and so it shares the other methods' baseline
            "maps": 8,  # O a quarter, for 6 × 6 places
            "scale": 12.5,  # O trials on validation
            "test_share": 0.3,  # O trials on validation
            "lr": 1.8e-2,  # O trials on validation
            "backbone_lr": 3e-3,  # O trials on validation
        }
    }

    def __init__(self, classes: Classes, backbone: nn.Module, recipe: Settings) -> None:
        super().__init__(classes, backbone, recipe)
        if recipe.output_stride is not None:  # C models/resnet.py: not dilated; timm would dilate it
            for module in backbone.modules():
                if isinstance(module, nn.Conv2d) and max(module.dilation) > 1:
                    module.dilation, module.padding = (1, 1), tuple(size // 2 for size in module.kernel_size)
        width, maps = backbone.channels[-1], recipe.maps
        self.attention = nn.Sequential(nn.Conv2d(width, maps, 1, bias=False), nn.BatchNorm2d(maps, eps=1e-3), nn.ReLU())
        self.classifier = nn.Linear(maps * width, len(classes), bias=False)
        self.register_buffer("centres", torch.zeros(len(classes), maps * width))
        self.test_view = (recipe.test_share, TEST_PADDING)
        self.seen: list[tuple[Tensor, Tensor]] = []

    def look(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 3, H, W) → features (B, C, h, w), attention maps ≥ 0 (B, M, h, w), features pooled under these (B, M·C)."""
        features = self.backbone(images)[-1]
        attention = at_least_float32(self.attention(features))
        return features, attention, attention_pooling(features, attention, EPS)

    def counterfactual(self, attention: Tensor) -> Tensor:
        """Attention maps of the same shape that don't depend on the image."""
        return 2 * torch.rand_like(attention) if self.training else torch.ones_like(attention)

    def classify(self, pooled: Tensor) -> Tensor:
        """Pooled features (B, M·C) → logits (B, K)."""
        return at_least_float32(self.classifier(self.recipe.scale * pooled))

    def effect(self, features: Tensor, attention: Tensor, pooled: Tensor) -> Tensor:
        """What `look` returns → the logits minus those under counterfactual attention (B, K)."""
        # The classifier is linear, so the difference may be taken before it, where bf16 doesn't blur it.
        return self.classify(pooled - attention_pooling(features, self.counterfactual(attention), EPS))

    @torch.no_grad()
    def augmented(self, images: Tensor, attention: Tensor) -> Tensor:
        """(B, 3, H, W) and their attention maps → a crop of each, then each with a part erased: (2B, 3, H, W)."""
        side, (for_crop, for_drop) = images.shape[-1], draw_maps(attention, 2).unbind(1)
        keep, erase = (images.new_empty(len(images)).uniform_(*shares) for shares in (CROP, DROP))
        erased = images.masked_fill(attended(for_drop, erase, side)[:, None], 0)
        return torch.cat([crop(images, crop_box(for_crop, keep, PADDING, side)), erased])

    def views(self, images: Tensor, crops: Sequence[tuple[float, float]]) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """A look at (B, 3, H, W), then at each of the crops that its mean map chooses, by their (share, padding)."""
        yield (whole := self.look(images))
        for view in crops:
            yield self.look(crop(images, crop_box(whole[1].mean(1), *view, images.shape[-1])))

    def forward(self, images: Tensor) -> Tensor:
        return torch.stack([self.classify(pooled) for *_, pooled in self.views(images, [self.test_view])]).mean(0)

    def losses(self, images: Tensor, labels: Tensor) -> Terms:
        features, attention, pooled = self.look(images)
        again = self.look(self.augmented(images, attention))
        effects = torch.cat([self.effect(features, attention, pooled), self.effect(*again)])
        if self.training and torch.is_grad_enabled():
            self.seen.append((pooled.detach(), labels))
        return {
            "cross-entropy": F.cross_entropy(self.classify(pooled), labels) / 3,
            "crop and drop": F.cross_entropy(self.classify(again[-1]), labels.repeat(2)) * 2 / 3,
            "effect": F.cross_entropy(effects, labels.repeat(3)),
            "centre": (pooled - self.centres[labels]).square().sum(1).mean(),
        }

    def after_step(self) -> None:
        pooled, labels = (gather(torch.cat(part)) for part in zip(*self.seen, strict=True))
        self.seen.clear()
        last = ((labels[:, None] == labels) * torch.arange(len(labels), device=labels.device)).amax(1)
        self.centres[labels] = pooled[last]  # the same row for all images of a class: the order of writing doesn't count

    def evidence(self, images: Tensor) -> Tensor:
        return self.look(images)[1].mean(1)

    def chosen(self, images: Tensor) -> Tensor:
        return crop_box(self.evidence(images), *self.test_view, images.shape[-1])[:, None]

    def measure(self, test: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
        """The published evaluation: averages over the image, its crops, and the same of its mirror image."""
        right = []
        for images, labels in test:
            views = [view for side in (images, images.flip(3)) for view in self.views(side, VIEWS)]
            answers = sum(self.classify(pooled) for *_, pooled in views), sum(self.effect(*view) for view in views)
            right.append(torch.stack([answer.argmax(1) == labels for answer in answers]))
        top1, of_effect = torch.cat(right, dim=1).double().mean(1).tolist()
        return {"top-1 over 4 views and their mirror images": top1, "top-1 of the effect over the same": of_effect}


if __name__ == "__main__":
    run(CAL)
