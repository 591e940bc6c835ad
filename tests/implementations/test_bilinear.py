"""Bilinear pooling on numbers that a person can check."""

from __future__ import annotations

import pytest
import torch

from implementations.common.bilinear import attention_pooling, signed_sqrt


def test_the_signed_square_root_keeps_the_sign_and_is_zero_without_gradient_at_zero():
    values = torch.tensor([4.0, -9.0, 0.0], requires_grad=True)
    roots = signed_sqrt(values, eps=1e-12)
    assert roots.tolist() == pytest.approx([2.0, -3.0, 0.0])
    roots.sum().backward()
    assert values.grad.tolist() == pytest.approx([0.25, 1 / 6, 0.0])


def test_each_map_pools_the_features_where_it_is_and_the_whole_has_length_one():
    features = torch.tensor([[[[1.0, 0.0]], [[0.0, 1.0]]]])  # (1, 0) at the first position, (0, 1) at the second
    left = torch.tensor([[[[1.0, 0.0]]]])
    assert attention_pooling(features, left, eps=1e-12).tolist() == [pytest.approx([1.0, 0.0])]
    assert attention_pooling(features, torch.ones(1, 1, 1, 2), eps=1e-12).tolist() == [pytest.approx([0.5**0.5, 0.5**0.5])]
    both = torch.cat([left, torch.ones(1, 1, 1, 2)], dim=1)
    assert attention_pooling(features, both, eps=1e-12).tolist() == [pytest.approx([3**-0.5, 0.0, 3**-0.5, 3**-0.5])]


def test_doubling_all_maps_changes_nothing_and_doubling_one_does():
    features, maps = torch.randn(2, 5, 3, 3), torch.rand(2, 4, 3, 3)
    pooled = attention_pooling(features, maps, eps=1e-12)
    torch.testing.assert_close(attention_pooling(features, 2 * maps, eps=1e-12), pooled)
    assert (attention_pooling(features, maps * torch.tensor([2.0, 1, 1, 1]).view(4, 1, 1), eps=1e-12) - pooled).abs().max() > 1e-2


def test_it_is_as_exact_under_autocast():
    features, maps = torch.randn(2, 5, 3, 3), torch.rand(2, 4, 3, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        pooled = attention_pooling(features, maps, eps=1e-12)
    assert torch.equal(pooled, attention_pooling(features, maps, eps=1e-12))
