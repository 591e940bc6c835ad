"""TPSKG without suppression, with any patch suppressed, and without knowledge: what the peak and the embeddings each add."""

from __future__ import annotations

import torch
from torch import Tensor

from implementations.tpskg import TPSKG


class WithoutSuppression(TPSKG):
    """Suppression made neutral: the second pass sees every patch, as the first does; all losses stay.

    Tells what it is worth.
    """

    def encode_without(self, images: Tensor, patches: Tensor) -> Tensor:
        return self.encode(images)[0]


class RandomSuppression(TPSKG):
    """The peak made neutral: any patch is taken away, whatever attention says.

    Tells what taking the peak is worth.
    """

    def peaks(self, response: Tensor) -> Tensor:
        return super().peaks(torch.rand_like(response))


class WithoutKnowledge(TPSKG):
    """The embeddings made neutral: the class token alone is classified.

    Tells what mixing them in is worth.
    """

    def answer(self, features: Tensor) -> tuple[Tensor, Tensor]:
        return self.classifier(features), features @ self.knowledge.T
