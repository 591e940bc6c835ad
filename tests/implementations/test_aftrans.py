"""What makes AFTrans this paper: heads are multiplied, blocks weighed by what their maps are like, and the same encoder looks again."""

from __future__ import annotations

import pytest
import torch
from torch import nn, tensor

from implementations.aftrans import SACM, AFTrans, where_all_heads_look
from tests.implementations.tiny import build, images, labels


class MeanOfHeads(AFTrans):
    """Without its key operation: a block's map is the mean of its heads'."""

    def block_maps(self, rows):
        return nn.functional.normalize(rows.mean(-2), p=1, dim=-1)


class EqualWeights(AFTrans):
    """All blocks weigh the same, whatever their maps are like."""

    def __init__(self, classes, backbone, recipe):
        super().__init__(classes, backbone, recipe)
        self.collect.weights = lambda maps: maps.new_ones(maps.shape[:2])
        self.collect.requires_grad_(False)


def rows(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).softmax(-1)


def test_the_worked_example():
    found = where_all_heads_look(tensor([[0.5, 0.5], [0.9, 0.1]], dtype=torch.float64))
    assert found.tolist() == pytest.approx([0.9, 0.1], abs=1e-6)


def test_one_head_that_doesnt_look_is_enough_and_uniform_heads_are_uniform():
    heads = tensor([[0.4, 0.4, 0.2], [0.4, 0.4, 0.2], [0.7, 0.0, 0.3]], dtype=torch.float64)
    assert where_all_heads_look(heads)[1] < 1e-6
    assert where_all_heads_look(torch.full((4, 7), 1 / 7)).tolist() == pytest.approx([1 / 7] * 7)


def test_neither_the_order_nor_the_scale_of_heads_counts_and_many_dont_underflow():
    heads = rows(12, 784)
    expected = where_all_heads_look(heads)
    assert torch.allclose(where_all_heads_look(heads.flip(0)), expected)
    assert torch.allclose(where_all_heads_look(heads * torch.rand(12, 1, generator=torch.Generator().manual_seed(1))), expected, rtol=1e-2)
    assert where_all_heads_look(heads.float()).sum().item() == pytest.approx(1, abs=1e-5)


def test_weights_lie_between_nothing_and_all_and_equal_ones_make_a_plain_mean():
    collect = SACM(6, 2)
    maps = where_all_heads_look(rows(3, 6, 4, 20)).float()
    weights = collect.weights(maps)
    assert weights.shape == (3, 6)
    assert ((weights > 0) & (weights < 1)).all()
    nn.init.zeros_(collect.excite.weight)
    nn.init.zeros_(collect.excite.bias)
    assert torch.allclose(collect(maps), 0.5 * 6 * maps.mean(1))


def test_weights_follow_from_the_image():
    collect = SACM(6, 2)
    nn.init.ones_(collect.squeeze.weight)  # so that no unit is at rest
    first, second = collect.weights(where_all_heads_look(rows(2, 6, 4, 20)).float())
    assert not torch.allclose(first, second)


def test_of_one_block_the_region_doesnt_depend_on_its_weight():
    method = build(AFTrans)
    joint = where_all_heads_look(rows(3, 4, 64)).float()
    assert torch.equal(method.region(joint), method.region(0.1 * joint))


def test_a_constant_map_is_the_whole_image_and_then_both_passes_say_the_same():
    method = build(AFTrans).eval()
    constant = torch.full((4, 64), 1 / 64)
    assert method.region(constant).tolist() == [[0, 0, 64, 64]] * 4
    with torch.no_grad():
        tokens, _ = method.global_pass(images())
        assert torch.allclose(method.local_pass(images(), constant), method.classifier(tokens[:, 0]), atol=1e-4)


def test_the_region_holds_the_best_patch_of_the_largest_one_above_the_mean():
    method = build(AFTrans)
    joint = torch.zeros(1, 8, 8)
    joint[0, 6, 6] = 1.0
    joint[0, 1:3, 2:5] = 0.5
    assert method.region(joint.flatten(1)).tolist() == [[8, 16, 24, 40]]


def test_the_answer_adds_both_scales_and_the_first_doesnt_depend_on_the_crop():
    method = build(AFTrans).eval()
    with torch.no_grad():
        tokens, joint = method.global_pass(images())
        assert torch.allclose(method(images()), method.classifier(tokens[:, 0]) + method.local_pass(images(), joint))
        assert torch.allclose(tokens, method.backbone(images()), atol=1e-5)


def test_each_loss_reaches_what_it_should_and_the_weights_learn_by_the_pooled_one_alone():
    method = build(AFTrans)
    nn.init.ones_(method.collect.squeeze.weight)
    terms = method.losses(images(), labels())
    own = {name for name, _ in method.named_parameters() if name.startswith("collect.")}
    everything = {name for name, _ in method.named_parameters()}
    assert len(own) == 4
    for name, term in terms.items():
        found = {n for n, p in method.named_parameters() if (g := torch.autograd.grad(term, p, retain_graph=True, allow_unused=True)[0]) is not None and g.abs().sum() > 0}
        assert found == (everything if name == "pooled" else everything - own)


def test_both_scales_share_every_parameter():
    method = build(AFTrans)
    terms = method.losses(images(), labels())
    weight = method.backbone.blocks[2].mlp.fc1.weight
    parts = [torch.autograd.grad(term, weight, retain_graph=True)[0] for term in terms.values()]
    together = torch.autograd.grad(sum(terms.values()), weight)[0]
    assert torch.allclose(together, sum(parts), atol=1e-6)


@pytest.mark.parametrize("ablation", [MeanOfHeads, EqualWeights])
def test_without_a_part_of_the_collection_it_looks_elsewhere(ablation):
    method, ablated = build(AFTrans, pretrained=True).eval(), build(ablation, pretrained=True).eval()
    with torch.no_grad():
        maps = [nn.functional.normalize(one.evidence(images()).flatten(1), p=1, dim=1) for one in (method, ablated)]
        assert not torch.allclose(*maps, rtol=1e-2, atol=1e-5)


def test_with_the_mean_of_heads_the_answer_is_another():
    method, ablated = build(AFTrans, pretrained=True).eval(), build(MeanOfHeads, pretrained=True).eval()
    with torch.no_grad():
        assert not torch.allclose(method(images()), ablated(images()), atol=1e-3)
