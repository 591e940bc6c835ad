"""GaRD: third-order relations between the channels of two layers, read as a graph (Zhao et al., CVPR 2021).

Attention picks out parts but says little of how their features relate. GaRD compares each position of one map with each of
another map of the same stage, and adds what these relations gather to the first, through a gate that depends on the image. The
products of its channels with the second map's are a bank of third-order relations. The bank's columns are the nodes of a graph,
with edges by how alike they are: after a graph convolution, groups of them shrink it to a short vector.

Kept: the maps inside the second of two bottlenecks of ResNet-50's last stage, at stride 16; positional relations, gate, bank,
graph convolution, soft groups; batches of a few classes; smoothed labels; summed logits of image and mirror image.  Left out: the
loss that draws features to cluster centres (off in the code), colour jitter and warps of half the images (no recipe can say
half), the 2 × 2 pooling, BatchNorm over both GPUs, biases that it cancels, the best epoch on test.  Assumed: two new
convolutions where there is no bottleneck; it looks where the predicted class's logit grows with a position's share in the bank.
Where paper and code differ: the code is followed, but for two more things. It draws classes at random for each batch; here each
gives its next images in each round of an epoch, until too few are left. The code averages the groups, each a sum over nodes,
whose shares sum to 1: a multiple of the nodes' average, so the grouping never gets a gradient. Ours is their maximum.
Catalog: catalog/papers/ghrd.yaml.  Every number below carries its source: C = official code, O = ours.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from implementations.common.bilinear import signed_sqrt
from implementations.common.cli import run
from implementations.common.method import Claim, Classes, Method, Terms, at_least_float32, full_precision
from implementations.common.recipes import MEAN, STD, Recipe, op
from implementations.common.sampling import rounds_of_classes
from implementations.common.schedules import MultiStep


def relations(left: Tensor, right: Tensor) -> Tensor:
    """(B, n, d), (B, d, m) → their product's signed square root, of length 1 over all n·m numbers, in float32 or better."""
    with full_precision(left):
        products = at_least_float32(left) @ at_least_float32(right) / left.shape[2]
        return F.normalize(signed_sqrt(products, 1e-12).flatten(1), dim=1).view_as(products)


def normalized_adjacency(edges: Tensor) -> Tensor:
    """M nodes' features ≥ 0, (B, M, D) → their products over the roots of both degrees, (B, M, M); 0 for a node of zeros."""
    with full_precision(edges):
        weights = at_least_float32(edges) @ at_least_float32(edges).mT
        scale = weights.sum(2).clamp_min(1e-12).rsqrt()
        return scale[:, :, None] * weights * scale[:, None]


def add_inner_layers(method: nn.Module, backbone: nn.Module, width: int) -> None:
    """Makes the last stage's second bottleneck, its end cut off, the backbone's `inner`; without one, a new one the method's."""
    from timm.models.resnet import Bottleneck  # takes seconds, which --help doesn't need

    *_, stage = backbone.model.children()
    owner, block = backbone, getattr(stage, "1", None)
    if isinstance(block, Bottleneck):
        del stage[1:]
        block.conv2.dilation = block.conv2.padding = (1, 1)  # C resnet.py; timm dilates a stage that keeps its resolution
    else:
        owner, block = method, Bottleneck(backbone.channels[-1], width)
    owner.inner = nn.Sequential(block.conv1, block.bn1, block.act1, block.conv2, block.bn2, block.act2)


class RelationGraph(nn.Module):
    """A bank of relations (B, C, M), its M columns as nodes → what is read out of them and their groups (B, width)."""

    def __init__(self, channels: int, width: int, groups: int) -> None:
        super().__init__()
        self.features, self.edges = (
            nn.Sequential(nn.Conv1d(channels, width, 1, bias=False), nn.BatchNorm1d(width), nn.ReLU()) for _ in range(2)
        )
        self.message, self.grouping = nn.Linear(width, width), nn.Linear(width, groups)
        for layer in (self.message, self.grouping):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out")  # C GCN.py, whose weights are stored transposed
            nn.init.zeros_(layer.bias)  # C GCN.py
        self.pool = torch.amax  # O over groups; C averages them

    def forward(self, bank: Tensor) -> Tensor:
        adjacency = normalized_adjacency(self.edges(bank).mT)
        nodes = F.leaky_relu(self.message(adjacency @ self.features(bank).mT), 0.2)  # C make_model.py
        shares = self.grouping(adjacency @ nodes).softmax(2)
        return nodes.mean(1) + self.pool(shares.mT @ nodes, 1)


@dataclass(frozen=True, kw_only=True)
class Settings(Recipe):
    """GaRD's own settings."""

    images_per_class: int
    width: int
    groups: int
    label_smoothing: float


class GaRD(Method):
    """Two maps, their relations, the graph of these, and a classifier. A step is one pass of the backbone, a test two."""

    paper = "ghrd"
    claim = Claim("cub-200-2011", "top-1", 89.6, backbone="resnet-50")
    test_time = ("flip",)
    recipe = Settings(
        backbone="resnet50.tv_in1k",  # C resnet.py: torchvision's first ImageNet-1k weights
        output_stride=16,  # C resnet.py
        input_size=448,  # C make_dataloader.py
        epochs=250,  # C default.py
        batch_size=16,  # C default.py, on two GPUs
        images_per_class=4,  # C default.py: so 4 classes
        lr=8e-4,  # C default.py, with SGD and a momentum of 0.9
        weight_decay=5e-4,  # C default.py
        schedule=MultiStep(milestones=(70, 130, 160), warmup=0.04),  # C default.py: its 10 epochs of warm-up start at 1%
        width=512,  # C make_model.py
        groups=64,  # C make_model.py
        label_smoothing=0.1,  # C softmax_loss.py
        train=(
            op("Resize", size=(512, 512)),  # C default.py
            op("RandomHorizontalFlip"),  # C make_dataloader.py
            op("RandomCrop", size=448, padding=10),  # C make_dataloader.py
            op("RandomRotation", degrees=12, interpolation="bilinear"),  # C make_dataloader.py, there bicubic
            op("Normalize", mean=MEAN, std=STD),  # C make_dataloader.py
            op("RandomErasing", scale=(0.02, 0.4), value=(0.4914, 0.4822, 0.4465)),  # C make_dataloader.py
        ),
        test=(op("Resize", size=(512, 512)), op("CenterCrop", size=448), op("Normalize", mean=MEAN, std=STD)),  # C
    )
    demo = {
        "cnn": {
            "backbone": "finch_resnet",  # O
            "output_stride": None,  # O the backbone's own is 16, too, and so it shares the other methods' baseline
            "images_per_class": 2,  # O 4 would leave out 2 of 10
            "width": 64,  # O half of the last map's channels
            "groups": 8,  # O
            "lr": 2.4e-2,  # O trials on validation
            "backbone_lr": 1.5e-3,  # O trials on validation
        }
    }

    def __init__(self, classes: Classes, backbone: nn.Module, recipe: Settings) -> None:
        super().__init__(classes, backbone, recipe)
        add_inner_layers(self, backbone, recipe.width)
        self.gate = nn.Linear(backbone.sizes[-1][0] * backbone.sizes[-1][1], 1, bias=False)
        self.graph = RelationGraph(self.layers[0].out_channels, recipe.width, recipe.groups)
        self.norm = nn.BatchNorm1d(recipe.width)
        self.norm.bias = None  # C make_model.py: fixed at 0
        self.classifier = nn.Linear(recipe.width, len(classes), bias=False)
        nn.init.normal_(self.classifier.weight, std=1e-3)  # C make_model.py

    @property
    def layers(self) -> nn.Sequential:
        return getattr(self.backbone, "inner", None) or self.inner

    def maps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) → the two maps (B, C, N)."""
        first = self.layers[:3](self.backbone(images)[-1])
        return first.flatten(2), self.layers[3:](first).flatten(2)

    def enrich(self, first: Tensor, second: Tensor) -> Tensor:
        """Both maps (B, C, N) → the first plus the gate times what its relations to the second gather."""
        with full_precision(first):
            gathered = at_least_float32(first) @ relations(first.mT, second)
            return first + self.gate(gathered.mean(1))[:, :, None] * gathered

    def classify(self, first: Tensor, second: Tensor, weights: Tensor | float = 1.0) -> Tensor:
        """Both maps (B, C, N), and how much each position counts in the bank (B, 1, N) → logits (B, K)."""
        bank = relations(weights * self.enrich(first, second), second.mT)
        return self.classifier(self.norm(self.graph(100 * bank)))  # C adj_matrix.py

    def forward(self, images: Tensor) -> Tensor:
        return self.classify(*self.maps(images)) + self.classify(*self.maps(images.flip(3)))

    def losses(self, images: Tensor, labels: Tensor) -> Terms:
        logits = self.classify(*self.maps(images))
        return {"cross-entropy": F.cross_entropy(logits, labels, label_smoothing=self.recipe.label_smoothing)}

    def evidence(self, images: Tensor) -> Tensor:
        first, second = self.maps(torch.cat([images, images.flip(3)]))
        with torch.enable_grad():
            weights = torch.ones_like(first[:, :1]).requires_grad_()
            logits = self.classify(first, second, weights).unflatten(0, (2, -1)).sum(0)
            (shares,) = torch.autograd.grad(logits.amax(1).sum(), weights)
        image, mirror = shares[:, 0].relu().unflatten(1, self.backbone.sizes[-1]).chunk(2)
        return image + mirror.flip(2)

    def batches(self, labels: list[int], size: int, rng: random.Random) -> list[list[int]]:
        """Round by round, the next images of each class, with the classes in random order; what fills no batch is left out."""
        return rounds_of_classes(labels, self.recipe.images_per_class, size, rng)


if __name__ == "__main__":
    run(GaRD)
