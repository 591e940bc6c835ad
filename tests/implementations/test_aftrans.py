"""What makes AFTrans this paper: heads are multiplied, blocks weighed by what their maps are like, and the same encoder looks again."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn, tensor

from implementations.ablations.aftrans import EqualWeights, MeanOfHeads
from implementations.aftrans import SACM, AFTrans, where_all_heads_look
from implementations.common.regions import crop
from implementations.common.vit import watch
from tests.implementations.tiny import build, images, labels, reached, stochastic


def test_the_worked_example():
    found = where_all_heads_look(tensor([[0.5, 0.5], [0.9, 0.1]], dtype=torch.float64))
    assert found.tolist() == pytest.approx([0.9, 0.1], abs=1e-6)


def test_one_head_that_doesnt_look_is_enough_and_uniform_heads_are_uniform():
    heads = tensor([[0.4, 0.4, 0.2], [0.4, 0.4, 0.2], [0.7, 0.0, 0.3]], dtype=torch.float64)
    assert where_all_heads_look(heads)[1] < 1e-6
    assert where_all_heads_look(torch.full((4, 7), 1 / 7)).tolist() == pytest.approx([1 / 7] * 7)


def test_neither_the_order_nor_the_scale_of_heads_counts_and_many_dont_underflow():
    heads = stochastic(12, 784)
    expected = where_all_heads_look(heads)
    assert torch.allclose(where_all_heads_look(heads.flip(0)), expected)
    assert torch.allclose(where_all_heads_look(heads * torch.rand(12, 1, generator=torch.Generator().manual_seed(1))), expected, rtol=1e-2)
    assert where_all_heads_look(heads.float()).sum().item() == pytest.approx(1, abs=1e-5)


def test_weights_lie_between_nothing_and_all_and_equal_ones_make_a_plain_mean():
    collect = SACM(6, 2)
    maps = where_all_heads_look(stochastic(3, 6, 4, 20)).float()
    weights = collect.weights(maps)
    assert weights.shape == (3, 6)
    assert ((weights > 0) & (weights < 1)).all()
    nn.init.zeros_(collect.excite.weight)
    nn.init.zeros_(collect.excite.bias)
    assert torch.allclose(collect(maps), 0.5 * 6 * maps.mean(1))


@pytest.mark.parametrize("seed", range(8))
def test_weights_follow_from_the_image_however_they_start(seed):
    torch.manual_seed(seed)
    maps = where_all_heads_look(stochastic(64, 6, 4, 20, sharp=2)).float()
    collect = SACM(6, 2)
    assert collect.weights(maps).std(0).mean() > 0.01
    assert (collect.squeeze(F.layer_norm(maps.amax(-1).log(), (6,))) > 0).any(0).all()  # every unit is excited by some image


def test_of_one_block_the_region_doesnt_depend_on_its_weight():
    method = build(AFTrans)
    joint = where_all_heads_look(stochastic(3, 4, 64)).float()
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


def test_its_dropout_is_on_embeddings_and_in_the_mlps_in_training_alone():
    method = build(AFTrans, dropout=0.1)
    assert {module.p for name, module in method.named_modules() if isinstance(module, nn.Dropout) and ("mlp" in name or "pos_drop" in name)} == {0.1}
    assert torch.equal(method.eval()(images()), build(AFTrans, dropout=0.0).eval()(images()))


def test_each_loss_reaches_what_it_should_and_the_weights_learn_by_the_pooled_one_alone():
    method = build(AFTrans, pretrained=True)
    own = {name for name, _ in method.named_parameters() if name.startswith("collect.")}
    everything = {name for name, _ in method.named_parameters()}
    assert len(own) == 4
    for name, term in method.losses(images(8), labels(8) % 4).items():
        assert reached(method, term) == (everything if name == "pooled" else everything - own)


def test_the_joint_map_is_of_the_class_tokens_rows_of_all_blocks_and_the_crop_is_of_its_region():
    method = build(AFTrans, pretrained=True).eval()
    with torch.no_grad():
        _, watched = watch(method.backbone.blocks, method.backbone.embed(images()))
        rows = torch.stack([one.maps.attention()[:, :, 0, 1:] for one in watched], dim=1)
        product = rows.prod(2)
        joint = method.collect(product / product.sum(-1, keepdim=True))
        assert torch.allclose(method.evidence(images()), joint.unflatten(1, (8, 8)), rtol=1e-2)
        region = method.region(joint)
        assert torch.equal(method.chosen(images())[:, 0], region)
        both = [method.classifier(method.backbone(some)[:, 0]) for some in (images(), crop(images(), region))]
        assert torch.allclose(method(images()), sum(both), atol=1e-4)


def test_with_equal_weights_the_blocks_weigh_alike_on_every_image_and_with_its_own_they_dont():
    for kind, alike in ((AFTrans, False), (EqualWeights, True)):
        method = build(kind, pretrained=True).eval()
        with torch.no_grad():
            _, watched = watch(method.backbone.blocks, method.backbone.embed(images()))
            maps = method.block_maps(torch.stack([one.maps.attention()[:, :, 0, 1:] for one in watched], dim=1))
            shares = method.collect(maps) / maps.sum(1)  # constant over patches where all blocks have one weight
        assert bool(shares.std(1).max() < 1e-4) is alike


def test_with_the_mean_of_heads_the_answer_is_another():
    method, ablated = build(AFTrans, pretrained=True).eval(), build(MeanOfHeads, pretrained=True).eval()
    with torch.no_grad():
        assert not torch.allclose(method(images()), ablated(images()), atol=1e-3)
