"""CAP: regions of many sizes, each replaced by the context it finds in all of them (Behera et al., AAAI 2021).

A part tells more when it is seen with what surrounds it. No parts are located: the same regions, all rectangles of a coarse grid,
are pooled from every image's last map. Additive attention replaces each by a mixture of all, an LSTM reads the mixtures in a
fixed order, which encodes the layout, and learnt clusters sum up its states for the class scores (NetVLAD without residuals).

Kept: squeeze-and-excitation (new in the code), attention between positions with spectral normalisation, 26 regions and the whole
map, context without a residual, the sigmoid before its softmax, LSTM, clusters, both normalisations, BatchNorm on class scores.
Left out: BGR order, TensorFlow 1's resizing, hard sigmoid and initial weights, the keys' bias (their softmax cancels it).
Assumed: one power iteration a step of the optimiser instead of one a forward pass, so that micro-batches are one batch; what it
looks at is |gradient × feature| of the predicted class's score with the attention held fixed, and what regions attend to.
Where paper and code differ: the released region layer mixes the images of a batch: it joins the regions along the batch axis and
reshapes, so that most regions of a sample are its neighbours', in the test set mostly of its own class. Here they are its own.
Catalog: catalog/papers/cap.yaml.  Every number below carries its source: P = paper, C = official code, O = ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, product

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from implementations.common.cli import run
from implementations.common.method import Claim, Classes, Method, Terms, at_least_float32, full_precision
from implementations.common.recipes import MEAN, STD, Recipe, op
from implementations.common.records import EVIDENCE
from implementations.common.schedules import Schedule

GRID, LEAST, CELL = 3, 2, 14  # C train_CAP.py: cells on the map's side, the fewest on a region's longer side, positions on one's
SQUEEZE, REDUCTION = 16, 8  # C se.py, train_CAP.py: channels to a unit of the excitation, to one of queries and keys
UNITS, HIDDEN, CLUSTERS = 32, 128, 32  # C train_CAP.py: of the attention between regions, of the LSTM, of its states


def integral_regions(grid: int, least: int) -> list[tuple[int, int, int, int]]:
    """The rectangles of grid × grid cells with a side of `least` or more, but the whole, in order: left, right, top, bottom."""
    boxes = [(*across, *down) for across, down in product(combinations(range(grid + 1), 2), repeat=2)]
    return [box for box in boxes if max(box[1] - box[0], box[3] - box[2]) >= least and box != (0, grid, 0, grid)]


def sampling(regions: list[tuple[int, int, int, int]], pooled: int, size: tuple[int, int], cell: int = CELL) -> Tensor:
    """A matrix ((R + 1)·pooled², h·w) from a map's positions to those of each region, and last of the whole map, bilinearly.

    Regions are cut out of the map enlarged to `cell` positions a cell, and all resized to a side of `pooled`.
    """
    whole = torch.eye(size[0] * size[1]).unflatten(1, (1, *size))
    enlarged = F.interpolate(whole, size=(GRID * cell, GRID * cell), mode="bilinear")
    cut = [enlarged[..., top * cell : bottom * cell, left * cell : right * cell] for left, right, top, bottom in regions]
    return torch.cat([F.interpolate(one, size=(pooled, pooled), mode="bilinear").flatten(1) for one in (*cut, whole)], dim=1).T


def rvlad(states: Tensor, shares: Tensor) -> Tensor:
    """States (B, R, D), their shares of clusters (B, R, K) → (B, D·K): sums by cluster, each and all of length 1 (eq. 3)."""
    return F.normalize(F.normalize(states.mT @ shares, dim=1).flatten(1), dim=1)


class PositionAttention(nn.Module):
    """Each position (B, N, C), plus γ times what it finds in all positions; γ starts at 0, and products aren't scaled."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = spectral_norm(nn.Linear(width, width // REDUCTION))
        self.key = spectral_norm(nn.Linear(width, width // REDUCTION, bias=False))
        self.value, self.gamma = spectral_norm(nn.Linear(width, width)), nn.Parameter(torch.zeros(1))

    def forward(self, positions: Tensor) -> Tensor:
        with full_precision(positions):
            positions = at_least_float32(positions)
            attention = (self.query(positions) @ self.key(positions).mT).softmax(-1)
            return positions + self.gamma * (attention @ self.value(positions))


class ContextAttention(nn.Module):
    """Regions (B, R, D) → attention weights (B, R, R), a row for each region, within a factor of e by the sigmoid (eq. 2)."""

    def __init__(self, width: int, units: int) -> None:
        super().__init__()
        self.own, self.other, self.score = nn.Linear(width, units, bias=False), nn.Linear(width, units), nn.Linear(units, 1)

    def forward(self, regions: Tensor) -> Tensor:
        with full_precision(regions):
            regions = at_least_float32(regions)
            joint = self.own(regions)[:, :, None] + self.other(regions)[:, None]
            return self.score(joint.tanh()).squeeze(-1).sigmoid().softmax(-1)


@dataclass(frozen=True, kw_only=True)
class Settings(Recipe):
    """CAP's own: to which side regions are resized, and the momentum of the BatchNorm on class scores."""

    pooled: int
    momentum: float


class CAP(Method):
    """Backbone, attention between positions, regions in context, LSTM, clusters. A step is one pass of the backbone."""

    paper = "cap"
    claim = Claim("cub-200-2011", "top-1", 91.8)  # the table names no backbone: the best of six
    recipe = Settings(
        backbone="resnet50.tv_in1k",  # P one of its six; C has Xception, of which timm's hub has no weights
        input_size=224,  # C train_CAP.py
        epochs=150,  # P; C train_CAP.py has 200
        batch_size=8,  # C train_CAP.py
        lr=1e-4,  # C train_CAP.py; a table commented out in README.md has 1e-6 for CUB
        optimizer="SGD",  # C train_CAP.py
        optimizer_options={"momentum": 0.99, "nesterov": True},  # C train_CAP.py
        schedule=Schedule(),  # C train_CAP.py, which never uses the decay that it defines
        pooled=7,  # C train_CAP.py
        momentum=0.01,  # C Keras's default
        train=(
            op("Resize", size=(256, 256)),  # C image_datagenerator.py
            op("Pad", padding=64, padding_mode="edge"),  # C image_datagenerator.py: the border goes on where the image ends
            op("RandomAffine", degrees=15, scale=(0.85, 1.15), interpolation="bilinear"),  # C image_datagenerator.py
            op("CenterCrop", size=256),  # C image_datagenerator.py
            op("RandomHorizontalFlip"),  # C image_datagenerator.py
            op("RandomCrop", size=224),  # C image_datagenerator.py
            op("Normalize", mean=MEAN, std=STD),  # O as the backbone's weights were trained
        ),
        test=(
            op("Resize", size=(224, 224)),  # C image_datagenerator.py
            op("Normalize", mean=MEAN, std=STD),  # O as the backbone's weights were trained
        ),
    )
    demo = {
        "cnn": {
            "backbone": "finch_resnet",  # O
            "lr": 4.8e-2,  # O trials on validation
            "backbone_lr": 3e-3,  # O trials on validation
            "pooled": 3,  # O as the map has 6 × 6 positions
            "momentum": 0.05,  # O trials on validation
        }
    }

    def __init__(self, classes: Classes, backbone: nn.Module, recipe: Settings) -> None:
        super().__init__(classes, backbone, recipe)
        width, matrix = backbone.channels[-1], sampling(integral_regions(GRID, LEAST), recipe.pooled, backbone.sizes[-1])
        self.register_buffer("sampling", matrix, persistent=False)
        squeeze, excite = (nn.Linear(*sides, bias=False) for sides in ((width, width // SQUEEZE), (width // SQUEEZE, width)))
        self.excitation = nn.Sequential(squeeze, nn.ReLU(), excite, nn.Sigmoid())
        self.attention = PositionAttention(width)
        self.context = ContextAttention(recipe.pooled**2 * width, UNITS)
        self.lstm = nn.LSTM(width, HIDDEN, batch_first=True)
        self.assignment, self.classifier = nn.Linear(HIDDEN, CLUSTERS), nn.Linear(HIDDEN * CLUSTERS, len(classes), bias=False)
        nn.init.normal_(self.classifier.weight, std=CLUSTERS**-0.5)  # C loupe_keras.py
        self.norm = nn.BatchNorm1d(len(classes), eps=1e-3, momentum=recipe.momentum)  # C Keras's eps
        self.train()  # so that the attention between positions has its mode from the start on

    def train(self, mode: bool = True) -> CAP:
        super().train(mode)
        self.attention.eval()  # or each forward pass would be a power iteration
        self.lstm.train()  # the same, as it drops nothing; but cuDNN's has a gradient in this mode alone
        return self

    def regions(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 3, H, W) → positions (B, N, C), regions averaged over theirs (B, R, C), the attention between these (B, R, R)."""
        positions = self.backbone(images)[-1].flatten(2).mT
        positions = self.attention(positions * self.excitation(positions.mean(1, keepdim=True)))
        with full_precision(positions):  # regions are alike, and contexts more so: bf16 would wipe out what tells them apart
            regions = (self.sampling @ positions).unflatten(1, (-1, self.recipe.pooled**2))
            return positions, regions.mean(2), self.context(regions.flatten(2))

    def scores(self, contexts: Tensor) -> Tensor:
        """Regions in context, averaged over positions (B, R, C) → logits (B, K)."""
        with full_precision(contexts):
            states, _ = self.lstm(at_least_float32(contexts))
            return self.norm(self.classifier(rvlad(states, self.assignment(states).softmax(-1))))

    def forward(self, images: Tensor) -> Tensor:
        _, regions, attention = self.regions(images)
        with full_precision(regions):
            return self.scores(attention @ regions)  # averaged first: both are linear, and commute

    def losses(self, images: Tensor, labels: Tensor) -> Terms:
        return {"cross-entropy": F.cross_entropy(self(images), labels)}

    def after_step(self) -> None:
        attention = self.attention.train()
        _ = attention.query.weight, attention.key.weight, attention.value.weight  # reading them in this mode is a power iteration
        attention.eval()

    def evidence(self, images: Tensor) -> Tensor:
        return self.evidence_maps(images)[EVIDENCE]

    def evidence_maps(self, images: Tensor) -> dict[str, Tensor]:
        positions, regions, attention = self.regions(images)
        with torch.enable_grad():
            contexts = (attention @ regions).detach().requires_grad_()
            (slopes,) = torch.autograd.grad(self.scores(contexts).amax(1).sum(), contexts)
        rectangles = self.sampling.unflatten(0, (-1, self.recipe.pooled**2)).mean(1)  # (R, N): a region's weight at each position
        moves = (positions * (rectangles.T @ attention.mT @ slopes)).abs().sum(2)
        maps = {EVIDENCE: moves, "attention": attention.sum(1) @ rectangles}
        return {name: values.unflatten(1, self.backbone.sizes[-1]) for name, values in maps.items()}


if __name__ == "__main__":
    run(CAP)
