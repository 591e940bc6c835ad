"""TPSKG: a vision transformer that learns to do without its favourite patch (Liu et al., Neurocomputing 2022).

Peak suppression: in training the image is encoded twice, the second time without the patch that attention responds to most, so
that the network has to use what it neglected. Knowledge guidance: a learnt embedding a class. The image's products with them
are class scores with a loss of their own, so that an embedding gathers the clues of many images; the embeddings, mixed by these
scores, are added to the image's representation, which is classified. Testing is one pass, without suppression.

Kept (from the abstracts, there being no public code, and no full text that we could read): suppression by the encoder's own
attention, the knowledge embeddings, their scores' loss on the suppressed representation, the mixed embeddings in what is
classified.
Left out: nothing that the abstracts tell.
Assumed: the attention is the last block's class row, averaged over heads; the patch is blocked in a second pass, its token
taken away before the first block; the first pass is classified in training too; scores are plain dot products and their softmax
mixes the embeddings, which start at zero; the three losses count alike; ViT-B/16 at 448 px, and rate, schedule, dropout and
images of that year's other ViT papers' code (TransFG's, RAMS-Trans's), 10,000 steps of 16 images.
Where paper and code differ: no code is known.  A step is two passes; python -m benchmarks.steps times it.
Catalog: catalog/papers/tpskg.yaml.  Every number below carries its source: P = paper, O = ours.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from implementations.common.cli import run
from implementations.common.method import Classes, Method, Terms
from implementations.common.recipes import MEAN, STD, Recipe, op
from implementations.common.schedules import Cosine
from implementations.common.vit import CLASS, ViT, attend, take


def recall(features: Tensor, knowledge: Tensor) -> tuple[Tensor, Tensor]:
    """(B, D), an embedding a class (K, D) → response coefficients (B, K), the embeddings mixed by their softmax (B, D)."""
    response = features @ knowledge.T
    return response, response.softmax(1) @ knowledge


@dataclass(frozen=True, kw_only=True)
class Settings(Recipe):
    """TPSKG's own settings."""

    dropout: float
    suppressed: int
    """How many patches are blocked."""
    suppressed_weight: float
    knowledge_weight: float


class TPSKG(Method):
    """ViT, one embedding a class, classifier on class token and mixed embeddings."""

    paper = "tpskg"
    claim = None
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
        suppressed=1,  # O the abstract speaks of a token
        suppressed_weight=1.0,  # O
        knowledge_weight=1.0,  # O
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
            "suppressed_weight": 0.1,  # O trials on version 1 of the drawing
            "lr": 2e-2,  # O trials on validation
            "backbone_lr": 5e-4,  # O trials on validation
        }
    }

    def __init__(self, classes: Classes, backbone: ViT, recipe: Settings) -> None:
        super().__init__(classes, backbone, recipe)
        backbone.set_dropout(recipe.dropout)
        self.knowledge = nn.Parameter(torch.zeros(len(classes), backbone.width))
        self.classifier = nn.Linear(backbone.width, len(classes))

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) → class token after the norm (B, D), the attention that each patch draws in the last block (B, N)."""
        attended = attend(self.backbone.blocks[-1], self.backbone.blocks[:-1](self.backbone.embed(images)))
        response = attended.maps.attention(CLASS)[:, :, 0, self.backbone.prefix :].mean(1)
        return self.backbone.norm(attended.tokens)[:, 0], response

    def peaks(self, response: Tensor) -> Tensor:
        """(B, N) → the patches that draw most attention (B, suppressed)."""
        return response.topk(self.recipe.suppressed).indices

    def encode_without(self, images: Tensor, patches: Tensor) -> Tensor:
        """(B, 3, H, W), (B, S) → the class token after the norm (B, D), where these patches have no token."""
        tokens = self.backbone.embed(images)
        gone = torch.zeros(tokens.shape[:2], dtype=torch.int8, device=tokens.device).scatter(1, patches + self.backbone.prefix, 1)
        rest = gone.argsort(dim=1, stable=True)[:, : -patches.shape[1]]
        return self.backbone.norm(self.backbone.blocks(take(tokens, rest)))[:, 0]

    def answer(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(B, D) → logits (B, K) of the representation with what is known, and response coefficients (B, K)."""
        response, known = recall(features, self.knowledge)
        return self.classifier(features + known), response

    def forward(self, images: Tensor) -> Tensor:
        return self.answer(self.encode(images)[0])[0]

    def losses(self, images: Tensor, labels: Tensor) -> Terms:
        features, response = self.encode(images)
        logits, _ = self.answer(features)
        without, coefficients = self.answer(self.encode_without(images, self.peaks(response)))
        return {
            "cross-entropy": F.cross_entropy(logits, labels),
            "suppressed": self.recipe.suppressed_weight * F.cross_entropy(without, labels),
            "knowledge": self.recipe.knowledge_weight * F.cross_entropy(coefficients, labels),
        }

    def evidence(self, images: Tensor) -> Tensor:
        return self.encode(images)[1].unflatten(1, self.backbone.grid)

    def chosen(self, images: Tensor) -> Tensor:
        return self.backbone.boxes(self.peaks(self.encode(images)[1]) + self.backbone.prefix)

    def measure(self, test: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
        """How widely attention is spread over the patches: its entropy as a share of the largest that there is."""
        entropies = [torch.special.entr(F.normalize(self.encode(images)[1], p=1, dim=1)).sum(1) for images, _ in test]
        patches = self.backbone.grid[0] * self.backbone.grid[1]
        return {"spread of attention": float(torch.cat(entropies).mean() / torch.tensor(patches).log())}


if __name__ == "__main__":
    run(TPSKG)
