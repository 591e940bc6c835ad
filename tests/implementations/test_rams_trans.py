"""What makes RAMS-Trans this paper: attention rolled out over all blocks leads to a region, at which the same transformer looks again."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file
from torch import tensor

from implementations.ablations.rams_trans import UniformAttention, WholeImage
from implementations.common.regions import bounding_box, crop, largest_component
from implementations.common.vit import watch
from implementations.common.weights import SHIPPED
from implementations.rams_trans import RAMSTrans, above_the_mean, looked_at
from tests.implementations.tiny import DEPTH, WIDTH, Given, build, images, labels, reached, stochastic


def test_the_worked_example():
    scores = looked_at([Given(tensor([[1.0, 0.0], [1.0, 0.0]])[None, None])])
    assert scores[0].tolist() == pytest.approx([0.75, 0.25])
    assert above_the_mean((scores / scores.max())[:, None], 1.2).tolist() == [[[True, False]]]


def test_the_map_is_the_mean_row_of_the_product_with_skip_connections_later_blocks_on_the_left():
    attentions = [stochastic(2, 3, 6, 6, sharp=3).roll(shift, 2) for shift in range(3)]
    maps = [Given(one) for one in attentions]
    assert torch.allclose(looked_at(maps), product_of(attentions).mean(1))
    assert torch.allclose(looked_at(maps).sum(-1), torch.ones(2, dtype=torch.float64))


def product_of(attentions) -> torch.Tensor:
    """The rows normalised with the identity, multiplied as the official code does it."""
    size = attentions[0].shape[-1]
    product = torch.eye(size, dtype=attentions[0].dtype)
    for attention in attentions:
        skipped = attention.mean(1) + torch.eye(size)
        product = skipped / skipped.sum(-1, keepdim=True) @ product
    return product


def test_the_map_is_of_all_blocks_attention_to_the_patches_and_the_crop_is_of_the_region_that_it_leads_to():
    method = build(RAMSTrans, pretrained=True).eval()
    with torch.no_grad():
        _, watched = watch(method.backbone.blocks, method.backbone.embed(images(), method.second_token))
        score = product_of([one.maps.attention() for one in watched]).mean(1)[:, 2:]
        expected = (score / score.amax(1, keepdim=True)).unflatten(1, (8, 8))
        assert torch.allclose(method.evidence(images()), expected, atol=1e-5)
        region = 8 * bounding_box(largest_component(above_the_mean(expected, method.recipe.threshold)))
        assert torch.equal(method.chosen(images())[:, 0], region)
        assert torch.allclose(method.both(images())[1], method.second_scale(crop(images(), region)), atol=1e-5)


def test_attention_to_oneself_alone_is_a_constant_map_and_the_whole_image_is_looked_at_again():
    method = build(RAMSTrans)
    scores, region = method.propose([Given(torch.eye(66).expand(2, 4, 66, 66))] * DEPTH)
    assert torch.allclose(scores, torch.ones(2, 8, 8))
    assert region.tolist() == [[0, 0, 64, 64]] * 2


def test_a_threshold_of_nothing_is_the_whole_image_which_the_second_look_sees_as_it_is():
    method = build(RAMSTrans, threshold=0.0).eval()
    with torch.no_grad():
        _, _, region = method.first_scale(images())
        assert region.tolist() == [[0, 0, 64, 64]] * 4
        assert torch.allclose(method.both(images())[1], method.second_scale(images()), atol=1e-4)


def test_the_region_lies_in_the_image_and_holds_the_best_patch_of_the_largest_component():
    method = build(RAMSTrans, pretrained=True).eval()
    with torch.no_grad():
        _, scores, region = method.first_scale(images(8))
    mask = largest_component(above_the_mean(scores, method.recipe.threshold))
    assert torch.equal(region, 8 * bounding_box(mask))
    for one, alone, (top, left, bottom, right) in zip(scores, mask, region.tolist(), strict=True):
        best = (one * alone).argmax().item()
        assert 0 <= top <= 8 * (best // 8) < bottom <= 64
        assert 0 <= left <= 8 * (best % 8) < right <= 64


def test_the_largest_region_is_taken_even_if_a_smaller_one_is_looked_at_more():
    scores = tensor([[[9.0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 5, 5], [0, 0, 0, 0, 0]]])
    assert bounding_box(largest_component(above_the_mean(scores, 1.2))).tolist() == [[2, 3, 3, 5]]


def test_both_class_tokens_are_there_at_both_scales_and_start_alike():
    method = build(RAMSTrans, pretrained=True).eval()
    tokens = method.backbone.embed(images(2), method.second_token)
    assert tokens.shape[1] == 2 + 64
    assert torch.allclose(tokens[:, 0], tokens[:, 1])
    seen = []
    method.backbone.blocks[0].norm1.register_forward_pre_hook(lambda module, args: seen.append(args[0].shape[1]))
    method(images(2))
    assert seen == [66, 66]


def test_each_scale_is_classified_by_a_class_token_of_its_own():
    method = build(RAMSTrans).eval()
    with torch.no_grad():
        method.second_token += torch.randn(1, WIDTH, generator=torch.Generator().manual_seed(3))  # they start alike
        before = method.both(images())
        tokens = method.backbone.norm(method.backbone.blocks(method.backbone.embed(images(), method.second_token)))
        assert torch.allclose(before[0], method.classifier(tokens[:, 0]), atol=1e-5)
        assert torch.allclose(method.second_scale(images()), method.classifier(tokens[:, 1]), atol=1e-5)
        assert not torch.allclose(tokens[:, 0], tokens[:, 1], atol=1e-3)


def test_the_answer_is_the_mean_of_both_and_the_first_doesnt_depend_on_the_second():
    method, other = build(RAMSTrans).eval(), build(WholeImage).eval()
    with torch.no_grad():
        first, second = method.both(images())
        assert torch.allclose(method(images()), (first + second) / 2)
        assert torch.equal(other.both(images())[0], first)


def test_each_loss_trains_everything_and_none_goes_into_the_region():
    method = build(RAMSTrans)
    for term in method.losses(images(), labels()).values():
        assert reached(method, term) == {name for name, _ in method.named_parameters()}
    _, scores, region = method.first_scale(images())
    assert not scores.requires_grad
    assert not region.is_floating_point()


def test_the_final_norm_starts_fresh_and_every_block_is_pretrained():
    kept = load_file(SHIPPED / "finch_vit.safetensors")
    method = build(RAMSTrans, pretrained=True)
    assert all(torch.equal(method.backbone.blocks[depth].attn.qkv.weight, kept[f"blocks.{depth}.attn.qkv.weight"]) for depth in range(DEPTH))
    assert (method.backbone.model.norm.weight == 1).all()


def test_the_second_class_token_is_trained_with_the_backbone_as_the_first_is():
    method = build(RAMSTrans)
    backbone, new = method.parameter_groups()
    assert any(parameter is method.second_token for parameter in backbone["params"])
    assert {id(parameter) for parameter in new["params"]} == {id(parameter) for parameter in method.classifier.parameters()}


@pytest.mark.parametrize("ablation", [WholeImage, UniformAttention])
def test_without_a_region_the_answer_is_another(ablation):
    method, ablated = build(RAMSTrans, pretrained=True).eval(), build(ablation, pretrained=True).eval()
    with torch.no_grad():
        assert not torch.allclose(method(images()), ablated(images()), atol=1e-3)


def test_of_uniform_attention_the_region_is_the_whole_image():
    method = build(UniformAttention, pretrained=True).eval()
    assert method.chosen(images(2)).tolist() == [[[0, 0, 64, 64]]] * 2
