"""ACNet, a reconstruction: a binary tree of convolutions that every image takes on all paths at once (Ji et al., CVPR 2020).

A tree goes from coarse to fine. ACNet grows a complete binary one out of a pretrained network's features. At each inner node a
routing module gives the probability of going right; along each edge attention transformers (dilated convolutions side by side,
then a gate on each channel) refine the features. The leaves' class probabilities are averaged, weighted by those of their paths.

Kept, and certain (abstract, introduction, Figure 2, README of the authors' Caffe code): these modules, soft decisions, the sum
over leaves, its log-likelihood, signed roots of length 1, two stages.  Left out: the first's batch size and weight decay.
Assumed, from memory of the paper: ResNet-50 without its last stage; height 3; four dilations; two transformers on left edges, one
on right ones; GCNet's context block and average pooling in routers, max pooling in leaves; each leaf's likelihood; rates, epochs,
images. Ours: widths, dilations merged by 1 × 1, a cosine and BatchNorms that move in each stage, the heads' own rate, evidence.
Where paper and code differ: the README calls the released model modified; more of it we couldn't read.
Catalog: catalog/papers/acnet.yaml.  Every number below carries its source: P = paper, C = official code, O = ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from implementations.common.bilinear import signed_sqrt
from implementations.common.cli import run
from implementations.common.method import Claim, Classes, Method, Terms, at_least_float32, full_precision
from implementations.common.recipes import MEAN, STD, Recipe, op
from implementations.common.schedules import Stages


def split(paths: Tensor, logits: Tensor) -> Tensor:
    """Nodes' log-probabilities (B, N), their logits of going right (B, N) → the children's, a left one first (B, 2N)."""
    return (paths[..., None] + F.logsigmoid(torch.stack([-logits, logits], dim=-1))).flatten(1)


def mixture(paths: Tensor, leaves: Tensor) -> Tensor:
    """Log-probabilities of paths (B, L) and of classes at the leaves (B, L, K) → those of the classes (B, K)."""
    return (paths[..., None] + leaves).logsumexp(1)


def conv(nodes: int, inputs: int, outputs: int, size: int = 1, rate: int = 1, bias: bool = True) -> nn.Conv2d:
    """A convolution of each node's own map, dilated by `rate`: (B, nodes·inputs, h, w) → (B, nodes·outputs, h, w)."""
    return nn.Conv2d(nodes * inputs, nodes * outputs, size, 1, rate * (size // 2), rate, nodes, bias)


def unit_roots(pooled: Tensor, nodes: int, eps: float = 1e-6) -> Tensor:
    """(B, nodes·C) → signed square roots, of length 1 at each node (B, nodes, C); `eps` bounds their gradient near 0."""
    return F.normalize(signed_sqrt(at_least_float32(pooled).unflatten(1, (nodes, -1)), eps), dim=-1)


def head(linear: nn.Conv2d, pooled: Tensor) -> Tensor:
    """Each node's linear layer, a 1 × 1 `conv`, on its unit roots: (B, nodes·C) → (B, nodes, outputs)."""
    with full_precision(pooled):
        return linear(unit_roots(pooled, linear.groups).flatten(1)[..., None, None]).view(len(pooled), linear.groups, -1)


@dataclass(frozen=True, kw_only=True)
class Settings(Recipe):
    """ACNet's own: the rate of the leaves' and routers' linear layers (None: `lr`), the root's map (1 is the last), levels,
    channels, transformers on either edge, and what they are made of.
    """

    head_lr: float | None = None
    tap: int
    height: int
    width: int
    left: int
    right: int
    dilations: tuple[int, ...]
    reduction: int


class Router(nn.Module):
    """Each node's logit of going right, by its map with global context added: (B, nodes·channels, h, w) → (B, nodes)."""

    def __init__(self, nodes: int, channels: int, recipe: Settings) -> None:
        super().__init__()
        self.nodes, width, hidden = nodes, recipe.width, recipe.width // recipe.reduction
        self.reduce, self.decide = conv(nodes, channels, width), conv(nodes, width, 1)
        self.attention = conv(nodes, width, 1, bias=False)  # a bias would cancel in the softmax
        norm = nn.GroupNorm(nodes, nodes * hidden)
        self.transform = nn.Sequential(conv(nodes, width, hidden), norm, nn.ReLU(), conv(nodes, hidden, width))

    def forward(self, features: Tensor) -> Tensor:
        features = self.reduce(features)
        attention = self.attention(features).flatten(2).softmax(-1)  # (B, nodes, h·w)
        gathered = torch.einsum("bnp,bncp->bnc", attention, features.unflatten(1, (self.nodes, -1)).flatten(3))
        context = self.transform(gathered.flatten(1)[..., None, None])  # GCNet's block, arXiv 1904.11492
        return head(self.decide, (features + context).mean((2, 3))).flatten(1)


class AttentionTransformer(nn.Module):
    """Each node's map at several dilations, merged, its channels gated: (B, nodes·channels, h, w) → (B, nodes·width, h, w)."""

    def __init__(self, nodes: int, channels: int, recipe: Settings) -> None:
        super().__init__()
        self.nodes, width = nodes, recipe.width
        hidden, each = width // recipe.reduction, width // len(recipe.dilations)
        self.scales = nn.ModuleList(conv(nodes, channels, each, 3, rate, bias=False) for rate in recipe.dilations)
        merge = conv(nodes, each * len(recipe.dilations), width, bias=False)
        self.merge = nn.Sequential(merge, nn.BatchNorm2d(nodes * width), nn.ReLU())
        pool, squeeze, excite = nn.AdaptiveAvgPool2d(1), conv(nodes, width, hidden), conv(nodes, hidden, width)
        self.gate = nn.Sequential(nn.BatchNorm2d(nodes * width), pool, squeeze, nn.ReLU(), excite, nn.Sigmoid())

    def forward(self, features: Tensor) -> Tensor:
        scales = torch.cat([scale(features).unflatten(1, (self.nodes, -1)) for scale in self.scales], dim=2)
        merged = self.merge(scales.flatten(1, 2))
        return merged * self.gate(merged)


class ACNet(Method):
    """A backbone without the stages after the tree's, and the tree: routers and edges of a level, leaves. A step is one pass."""

    paper = "acnet"
    claim = Claim("cub-200-2011", "top-1", 88.1)
    recipe = Settings(
        backbone="resnet50.tv_in1k",  # O from memory: ResNet-50
        input_size=448,  # O from memory
        epochs=260,  # O from memory: 60 and 200
        batch_size=16,  # O from memory: the second stage's
        lr=1.0,  # O from memory: the first stage's
        optimizer="SGD",  # P introduction
        weight_decay=5e-4,  # O from memory: the second stage's
        schedule=Stages(first=0.23, second=1e-3),  # C README: two stages; O from memory: lengths and rates
        tap=2,  # O from memory: stride 16
        height=3,  # O from memory
        width=512,  # O
        left=2,  # O from memory
        right=1,  # O from memory
        dilations=(1, 6, 12, 18),  # O from memory: DeepLab's
        reduction=8,  # O
        train=(
            op("Resize", size=512),  # O from memory
            op("RandomCrop", size=448),  # O from memory
            op("RandomHorizontalFlip"),  # O from memory
            op("Normalize", mean=MEAN, std=STD),  # O ImageNet's
        ),
        test=(op("Resize", size=512), op("CenterCrop", size=448), op("Normalize", mean=MEAN, std=STD)),  # O from memory
    )
    demo = {
        "cnn": {
            "backbone": "finch_resnet",  # O
            "lr": 3e-3,  # O trials on validation
            "head_lr": 3e-1,  # O trials on validation; on features of length 1
            "backbone_lr": 6e-3,  # O trials on validation
            "schedule": Stages(warmup=0.1, first=0.2, second=0.5),  # O
            "tap": 1,  # O the last map has stride 16
            "width": 64,  # O trials on validation; an eighth
            "dilations": (1, 2),  # O the map has 6 × 6 places
        }
    }

    def __init__(self, classes: Classes, backbone: nn.Module, recipe: Settings) -> None:
        super().__init__(classes, backbone, recipe)
        backbone.drop_last_stages(recipe.tap - 1)
        self.routers, self.left, self.right = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        nodes, channels = 1, backbone.channels[-1]
        for _ in range(recipe.height - 1):
            self.routers.append(Router(nodes, channels, recipe))
            for edges, count in ((self.left, recipe.left), (self.right, recipe.right)):
                sizes = [channels, *[recipe.width] * (count - 1)]
                edges.append(nn.Sequential(*(AttentionTransformer(nodes, size, recipe) for size in sizes)))
            nodes, channels = 2 * nodes, recipe.width
        self.embed = nn.Sequential(nn.BatchNorm2d(nodes * channels), conv(nodes, channels, channels))
        self.classify = conv(nodes, channels, len(classes))

    def descend(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 3, H, W) → log-probabilities of the paths (B, L) and of classes at the leaves (B, L, K), maps (B, L·C, h, w)."""
        features, paths = self.backbone(images)[-1], images.new_zeros(len(images), 1)
        for router, *edges in zip(self.routers, self.left, self.right, strict=True):
            paths = split(paths, router(features))
            children = [edge(features).unflatten(1, (router.nodes, -1)) for edge in edges]  # (B, nodes, width, h, w) each
            features = torch.stack(children, dim=2).flatten(1, 3)  # a left child before its right one
        maps = self.embed(features)
        return paths, head(self.classify, maps.amax((2, 3))).log_softmax(-1), maps

    def forward(self, images: Tensor) -> Tensor:
        return mixture(*self.descend(images)[:2])

    def losses(self, images: Tensor, labels: Tensor) -> Terms:
        paths, leaves, _ = self.descend(images)
        of_a_leaf = F.nll_loss(leaves.flatten(0, 1), labels.repeat_interleave(leaves.shape[1]))
        return {"mixture": F.nll_loss(mixture(paths, leaves), labels), "leaves": leaves.shape[1] * of_a_leaf}

    def evidence(self, images: Tensor) -> Tensor:
        paths, leaves, maps = self.descend(images)
        highest, places = maps.flatten(2).max(-1)
        weight = self.classify.weight.view(*leaves.shape[1:], -1)[:, mixture(paths, leaves).argmax(1)]
        votes = (unit_roots(highest, leaves.shape[1]) * weight.transpose(0, 1)).relu() * paths.exp()[..., None]
        empty = votes.new_zeros(len(maps), maps[0, 0].numel())
        return empty.scatter_add(1, places, votes.flatten(1)).unflatten(1, maps.shape[2:])

    def parameter_groups(self) -> list[dict[str, Any]]:
        *others, new = super().parameter_groups()
        linear = [self.classify, *(router.decide for router in self.routers if isinstance(router, Router))]
        heads = [p for layer in linear for p in layer.parameters()]
        held, rate = {id(p) for p in heads}, self.recipe.lr if self.recipe.head_lr is None else self.recipe.head_lr
        rest = [p for p in new["params"] if id(p) not in held]
        return [*others, new | {"params": rest}, {"name": "heads", "params": heads, "lr": rate}]

    def phase(self, epoch: int, epochs: int) -> str:
        alone = epoch < self.recipe.schedule.epochs_of_first(epochs)
        self.backbone.requires_grad_(not alone)
        return "tree alone" if alone else "all"


if __name__ == "__main__":
    run(ACNet)
