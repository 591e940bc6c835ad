"""Bilinear pooling: averaged products of two maps, and the signed square root by which papers tame them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from implementations.common.method import at_least_float32, full_precision


def signed_sqrt(values: Tensor, eps: float) -> Tensor:
    """sign(x)·√(|x| + eps), element by element; exactly 0, without gradient, where x is 0."""
    return values.sign() * (values.abs() + eps).sqrt()


def attention_pooling(features: Tensor, attention: Tensor, eps: float) -> Tensor:
    """Features (B, C, H, W) under attention maps (B, M, H, W) → (B, M·C) of length 1, map by map, in float32 or better.

    Each map's average of the features that it weighs, its signed square root, and all of it divided by its length: bilinear
    attention pooling (Hu et al., arXiv 1808.02152 and 1901.09891, section 3.2). All zeros where features or maps are.
    """
    with full_precision(features):
        features, attention = at_least_float32(features), at_least_float32(attention)
        parts = torch.einsum("bmhw,bchw->bmc", attention, features) / features[0, 0].numel()
        return F.normalize(signed_sqrt(parts, eps).flatten(1), dim=1)
