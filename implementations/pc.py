"""PC: a network that is confused on purpose, so that it isn't certain of chance details (Dubey et al., ECCV 2018).

Fine-grained training sets are small and their classes look alike, so cross-entropy drives a network to be certain about details
that don't generalise. Pairwise Confusion pairs image i of a batch's first half with image i of the second, and where their labels
differ, penalises the squared distance between the two predicted class distributions. It is a term of the loss alone: nothing is
added to the network, and the test pass is the plain one.

Kept: halves of the batch, softmax probabilities, squared Euclidean distance, only pairs of two classes, gradients to both images,
and the sum over pairs divided by the number of images, so that the loss is the average of the paper's loss of a pair. Pairs are
formed in what a process sees at once: the code's 48 images a step go through the network 4 at a time, as 2 pairs each
(`images_per_loss`). An odd number of images is refused; what fills no batch is left out of an epoch.  Left out: what else the
authors' tools offer (other distances, inner layers, entropic confusion, which belongs to a later paper of theirs).
Assumed: the weight is the low end of the README's range, 0.1·N to 0.2·N for N classes, taken as one for probabilities: 20 on CUB,
3.2 on the demo's 32 species. No file trains DenseNet-161 on CUB; its settings are those for FGVC-Aircraft. What the network looks
at is the class activation map of its test pass.  A step is one pass over the batch; python -m benchmarks.steps times it.
Where paper and code differ: the paper is followed. The PyTorch code doesn't square the distance, the Caffe tool compares absolute
logits, and both count pairs of one class, too. The author advises probabilities (issue 2), but says that a weight of 0.01 on the
Caffe tool's logits is the paper's form (issue 3): which form the published numbers are from isn't certain.
Catalog: catalog/papers/pc.yaml.  Every number below carries its source: P = paper, C = official code, O = ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from implementations.common.cli import run
from implementations.common.evaluate import class_activation_map
from implementations.common.method import Claim, Classes, Method, Terms, at_least_float32, processes
from implementations.common.recipes import Recipe, op
from implementations.common.schedules import Linear

CAFFE_MEAN = (0.485, 0.458, 0.4076)  # C train_val.prototxt: 123.68, 116.78 and 103.94 of 255
CAFFE_STD = (0.2307, 0.2307, 0.2307)  # C train_val.prototxt: 1 / (0.017 · 255)


def pairwise_confusion(logits: Tensor, labels: Tensor) -> Tensor:
    """Logits (B, K), labels (B,) → Euclidean confusion, a scalar: to be weighted and added to the mean cross-entropy.

    Image i is paired with image i + B/2. The squared distance of a pair's softmax probabilities, from 0 to 2, counts where its
    labels differ; the sum over pairs is divided by B. In float32 or better, with gradients to both images. Raises ValueError for
    an odd B.
    """
    if len(labels) % 2:
        raise ValueError(f"{len(labels)} images can't be paired by halves: expected an even number")
    first, second = at_least_float32(logits).softmax(1).chunk(2)
    label, other = labels.chunk(2)
    return ((first - second).square().sum(1) * (label != other)).sum() / len(labels)


@dataclass(frozen=True, kw_only=True)
class Settings(Recipe):
    """PC's own settings."""

    confusion: float
    """Weight of the confusion term, in multiples of the number of classes."""


class PC(Method):
    """Backbone and linear classifier."""

    paper = "pc"
    claim = Claim("cub-200-2011", "top-1", 86.87, backbone="densenet-161")
    confuse = staticmethod(pairwise_confusion)
    over_batch = True
    recipe = Settings(
        backbone="densenet161.tv_in1k",  # P the row of the claim
        input_size=224,  # C train_val.prototxt
        epochs=484,  # C solver.prototxt: 60,000 steps, of which CUB has 124 an epoch
        batch_size=48,  # C solver.prototxt: 12 passes a step
        images_per_loss=4,  # C train_val.prototxt: of 4 images
        lr=0.1,  # C solver.prototxt
        optimizer="SGD",  # C solver.prototxt
        optimizer_options={"momentum": 0.9},  # C solver.prototxt
        weight_decay=1e-4,  # C solver.prototxt
        schedule=Linear(),  # C solver.prototxt: poly, power 1
        confusion=0.1,  # C README.md: up to 0.2
        train=(
            op("Resize", size=(256, 256)),  # C train_val.prototxt
            op("RandomCrop", size=224),  # C train_val.prototxt
            op("RandomHorizontalFlip"),  # C train_val.prototxt
            op("Normalize", mean=CAFFE_MEAN, std=CAFFE_STD),  # C train_val.prototxt
        ),
        test=(
            op("Resize", size=(256, 256)),  # C train_val.prototxt
            op("CenterCrop", size=224),  # C train_val.prototxt
            op("Normalize", mean=CAFFE_MEAN, std=CAFFE_STD),  # C train_val.prototxt
        ),
    )
    demo = {
        "cnn": {
            "backbone": "finch_resnet",  # O
            "images_per_loss": None,  # O all 32 images of a batch, as 16 pairs
            "lr": 3e-3,  # O half the baseline's
            "backbone_lr": 3e-3,  # O the baseline's
            "weight_decay": 0.5,  # O the baseline's
        }
    }

    def __init__(self, classes: Classes, backbone: nn.Module, recipe: Settings) -> None:
        super().__init__(classes, backbone, recipe)
        share = recipe.batch_size // processes()
        at_once = share // max(1, share // (recipe.images_per_loss or share))
        if at_once % 2:
            raise ValueError(f"images are paired by halves of the {at_once} that a process sees at once: expected an even number")
        self.classifier = nn.Linear(backbone.channels[-1], len(classes))

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.backbone(images)[-1].mean((2, 3)))

    def losses(self, images: Tensor, labels: Tensor) -> Terms:
        logits, weight = self(images), self.recipe.confusion * len(self.classes)
        return {"cross-entropy": F.cross_entropy(logits, labels), "confusion": weight * self.confuse(logits, labels)}

    def evidence(self, images: Tensor) -> Tensor:
        return class_activation_map(self.backbone(images)[-1], self.classifier)


if __name__ == "__main__":
    run(PC)
