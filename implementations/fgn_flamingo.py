"""FGN: a slice of the embedding for each level of labels, so that coarse ones don't harm fine features (Chang et al., CVPR 2021).

What one person calls a flamingo is a bird to another, so the paper asks for an answer at each level of a hierarchy: order,
family, species. In features that all levels share, coarse labels harm the species, since they reward what sisters have in common,
while fine features help to tell orders. So the embedding is cut into equal slices, one a level. A head reads its own slice and
those of all finer levels, but its gradient stops before these: fine features serve coarse answers, and a coarse loss doesn't
shape them, but for the backbone below. At test time each head answers for its level, and nothing forces the answers to be of one
branch of the hierarchy; `forward` gives the finest level's logits.

Kept: global max pooling, the embedding between two BatchNorms, equal slices, the stops, one linear head a level, the sum of the
levels' cross-entropies with equal weights, rates and schedule. A batch that isn't full is left out of training.  Left out: the
code leaves it out of testing, too, on shuffled images; here every test image counts. Its best epoch on test is no result of ours.
`predict` answers with the finest level alone; `levels` gives the answers of all.
Assumed: what it looks at is where the maxima come from that speak for the predicted finest class: each channel's maximum times
the gradient of that class's logit, where that is positive. What is measured beside the finest level: each coarse head's accuracy,
that of the finest answer's coarse class, and how often the answers of all levels are of one branch.
Where paper and code differ: the code is one protocol alone, all levels at 224 px (Table 1), and the claim is its species row.
Table 2 (species at 448 px, 86.8 on CUB) has no code, and this file's result can't be compared with it. The code takes the
logarithm of a softmax; here it is one log-softmax, the same number without its overflow.  A step is one pass of the backbone,
plus small layers.
Catalog: catalog/papers/fgn-flamingo.yaml.  Every number below carries its source: C = official code, O = ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from implementations.common import hierarchy
from implementations.common.cli import run
from implementations.common.method import Claim, Classes, Method, Terms
from implementations.common.recipes import MEAN, STD, Recipe, op
from implementations.common.schedules import Cosine


def level_inputs(slices: Tensor) -> list[Tensor]:
    """The embedding's slices (B, levels, W), from coarse to fine → what each level's head reads: (B, levels × W), …, (B, W).

    A level's own slice, with its gradient, then the finer levels' slices, without.
    """
    finer = slices.detach()
    return [torch.cat([own, finer[:, level + 1 :].flatten(1)], dim=1) for level, own in enumerate(slices.unbind(1))]


def level_losses(logits: Sequence[Tensor], labels: Sequence[Tensor]) -> list[Tensor]:
    """Each level's logits (B, K of the level) and labels (B,) → its cross-entropy, a scalar: to be added up."""
    return [F.cross_entropy(own, truth) for own, truth in zip(logits, labels, strict=True)]


class LevelHeads(nn.Module):
    """Pooled features (B, C) → each level's logits (B, K of the level), from coarse to fine.

    `classes`: how many each level has. `width`: elements of each level's slice of the embedding. `read`: what of the slices
    (B, levels, width) the heads read.
    """

    def __init__(
        self,
        channels: int,
        classes: Sequence[int],
        width: int = 200,
        read: Callable[[Tensor], list[Tensor]] = level_inputs,
    ) -> None:
        super().__init__()
        levels = len(classes)
        self.embed = nn.Sequential(
            nn.BatchNorm1d(channels), nn.Linear(channels, levels * width), nn.BatchNorm1d(levels * width), nn.ELU()
        )
        lengths = [one.shape[1] for one in read(torch.empty(1, levels, width))]
        self.heads = nn.ModuleList(nn.Linear(length, count) for length, count in zip(lengths, classes, strict=True))
        self.read = read

    def forward(self, pooled: Tensor) -> list[Tensor]:
        inputs = self.read(self.embed(pooled).unflatten(1, (len(self.heads), -1)))
        return [head(one) for head, one in zip(self.heads, inputs, strict=True)]


@dataclass(frozen=True, kw_only=True)
class Settings(Recipe):
    """FGN's own settings."""

    width: int
    """Elements of one level's slice of the embedding."""


class FGN(Method):
    """Backbone, embedding, and a head for each level."""

    paper = "fgn-flamingo"
    claim = Claim("cub-200-2011", "top-1", 77.95, backbone="resnet-50", variant="all levels at once")
    read = staticmethod(level_inputs)
    recipe = Settings(
        backbone="resnet50.tv_in1k",  # C Birds_ours_resnet.py: torchvision's first ImageNet-1k weights
        input_size=224,  # C Birds_ours_resnet.py
        epochs=100,  # C Birds_ours_resnet.py
        batch_size=64,  # C Birds_ours_resnet.py
        lr=0.1,  # C Birds_ours_resnet.py
        backbone_lr=0.01,  # C Birds_ours_resnet.py
        optimizer="SGD",  # C Birds_ours_resnet.py
        optimizer_options={"momentum": 0.9},  # C Birds_ours_resnet.py
        weight_decay=5e-4,  # C Birds_ours_resnet.py
        schedule=Cosine(by_epoch=True),  # C Birds_ours_resnet.py
        width=200,  # C Birds_ours_resnet.py: of its 600
        train=(
            op("Resize", size=(224, 224)),  # C Birds_ours_resnet.py
            op("RandomCrop", size=224, padding=4),  # C Birds_ours_resnet.py
            op("RandomHorizontalFlip"),  # C Birds_ours_resnet.py
            op("Normalize", mean=MEAN, std=STD),  # C Birds_ours_resnet.py
        ),
        test=(
            op("Resize", size=(224, 224)),  # C Birds_ours_resnet.py: not cropped
            op("Normalize", mean=MEAN, std=STD),  # C Birds_ours_resnet.py
        ),
    )
    demo = {
        "cnn": {
            "backbone": "finch_resnet",  # O
            "lr": 2.4e-2,  # O
            "backbone_lr": 3e-3,  # O trials on validation
            "weight_decay": 0.5,  # O the baseline's
            "width": 64,  # O about a third of the paper's
        }
    }

    def __init__(self, classes: Classes, backbone: nn.Module, recipe: Settings) -> None:
        super().__init__(classes, backbone, recipe)
        if not classes.coarse:
            raise ValueError(
                "the classes have no coarser level, expected one at least. For a folder of images, a file"
                f" {hierarchy.FILE} beside train/ says which classes each coarse class has, by level from coarse to fine:\n"
                f"{hierarchy.EXAMPLE}\nIn code, Classes has them: Classes(('jay', 'crow', 'tit'), {{'family': (0, 0, 1)}})"
            )
        parents = list(classes.coarse.values())
        self.register_buffer("parents", torch.tensor(parents))  # (coarse levels, K)
        counts = [max(level) + 1 for level in parents]
        self.heads = self.heads_of(backbone.channels[-1], [*counts, len(classes)])

    def heads_of(self, channels: int, classes: Sequence[int]) -> LevelHeads:
        """The heads on so many channels, for so many classes of each level, from coarse to fine."""
        return LevelHeads(channels, classes, self.recipe.width, self.read)

    def levels(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) → each level's logits, from coarse to fine: (B, K of the level), …, (B, K)."""
        return self.heads(self.backbone(images)[-1].amax((2, 3)))

    def forward(self, images: Tensor) -> Tensor:
        return self.levels(images)[-1]

    def losses(self, images: Tensor, labels: Tensor) -> Terms:
        names = [*(f"{level} cross-entropy" for level in self.classes.coarse), "cross-entropy"]
        return dict(zip(names, level_losses(self.levels(images), [*self.parents[:, labels], labels]), strict=True))

    def measure(self, test: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
        seen = [(torch.stack([logits.argmax(1) for logits in self.levels(images)]), labels) for images, labels in test]
        answers, labels = torch.cat([one for one, _ in seen], dim=1), torch.cat([one for _, one in seen])
        coarse, mapped, truth = answers[:-1], self.parents[:, answers[-1]], self.parents[:, labels]
        return {
            **self.accuracies(coarse, truth, "top-1"),
            **self.accuracies(mapped, truth, "top-1 by mapping"),
            "levels agree": (coarse == mapped).all(0).float().mean().item(),
        }

    def accuracies(self, answers: Tensor, truth: Tensor, what: str) -> dict[str, float]:
        """Answers and labels (coarse levels, N) → the share of right ones, by level."""
        right = (answers == truth).float().mean(1).tolist()
        return {f"{level} {what}": share for level, share in zip(self.classes.coarse, right, strict=True)}

    def evidence(self, images: Tensor) -> Tensor:
        features = self.backbone(images)[-1]
        highest, places = features.detach().flatten(2).max(-1)
        with torch.enable_grad():
            pooled = highest.requires_grad_()
            (gradient,) = torch.autograd.grad(self.heads(pooled)[-1].amax(1).sum(), pooled)
        votes = (gradient * highest.detach()).relu()
        empty = torch.zeros_like(features[:, 0]).flatten(1)
        return empty.scatter_add(1, places, votes).unflatten(1, features.shape[-2:])


if __name__ == "__main__":
    run(FGN)
