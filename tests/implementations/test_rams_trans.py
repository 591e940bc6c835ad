"""What makes RAMS-Trans this paper: attention rolled out over all blocks leads to a region, at which the same transformer looks again."""

from __future__ import annotations

import pytest
import torch
from torch import tensor

from implementations.common.regions import bounding_box, largest_component
from implementations.rams_trans import RAMSTrans, above_the_mean, looked_at
from tests.implementations.tiny import build, images, labels


class WholeImage(RAMSTrans):
    """Without its key operation: the second look is at all of the image again."""

    def propose(self, attentions):
        scores, region = super().propose(attentions)
        side = self.recipe.input_size
        return scores, tensor([0, 0, side, side], device=region.device).expand_as(region)


class UniformAttention(RAMSTrans):
    """Attention that says nothing: every token looks at all alike, so that the whole image is looked at again."""

    def propose(self, attentions):
        return super().propose([torch.full_like(one, 1 / one.shape[-1]) for one in attentions])


def stochastic(*shape: int) -> torch.Tensor:
    return (3 * torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)).softmax(-1)


def test_the_worked_example():
    scores = looked_at([tensor([[1.0, 0.0], [1.0, 0.0]])[None, None]])
    assert scores[0].tolist() == pytest.approx([0.75, 0.25])
    assert above_the_mean((scores / scores.max())[:, None], 1.2).tolist() == [[[True, False]]]


def test_the_map_is_the_mean_row_of_the_product_with_skip_connections_later_blocks_on_the_left():
    attentions = [stochastic(2, 3, 6, 6).roll(shift, 2) for shift in range(3)]
    product = torch.eye(6, dtype=torch.float64)
    for attention in attentions:
        skipped = attention.mean(1) + torch.eye(6)
        product = skipped / skipped.sum(-1, keepdim=True) @ product
    assert torch.allclose(looked_at(attentions), product.mean(1))
    assert torch.allclose(looked_at(attentions).sum(-1), torch.ones(2, dtype=torch.float64))


def test_attention_to_oneself_alone_is_a_constant_map_and_the_whole_image_is_looked_at_again():
    method = build(RAMSTrans)
    scores, region = method.propose([torch.eye(66).expand(2, 4, 66, 66)] * 6)
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
    mask = largest_component(above_the_mean(scores, 1.2))
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
        before = method.both(images())
        method.classifier.register_forward_pre_hook(lambda module, args: None)
        tokens = method.backbone.norm(method.backbone.blocks(method.backbone.embed(images(), method.second_token)))
        assert torch.allclose(before[0], method.classifier(tokens[:, 0]), atol=1e-5)
        assert torch.allclose(method.second_scale(images()), method.classifier(tokens[:, 1]), atol=1e-5)


def test_the_answer_is_the_mean_of_both_and_the_first_doesnt_depend_on_the_second():
    method, other = build(RAMSTrans).eval(), build(WholeImage).eval()
    with torch.no_grad():
        first, second = method.both(images())
        assert torch.allclose(method(images()), (first + second) / 2)
        assert torch.equal(other.both(images())[0], first)


def test_each_loss_reaches_all_but_what_it_doesnt_see_and_none_the_region():
    method = build(RAMSTrans)
    terms = method.losses(images(), labels())
    everything = {name for name, _ in method.named_parameters()}
    for term in terms.values():
        assert {name for name, p in method.named_parameters() if torch.autograd.grad(term, p, retain_graph=True, allow_unused=True)[0] is not None} == everything
    _, scores, region = method.first_scale(images())
    assert not scores.requires_grad
    assert not region.is_floating_point()


def test_the_final_norm_starts_fresh_and_every_block_is_pretrained():
    method = build(RAMSTrans, pretrained=True)
    assert len(method.backbone.blocks) == 6
    assert (method.backbone.model.norm.weight == 1).all()


@pytest.mark.parametrize("ablation", [WholeImage, UniformAttention])
def test_without_a_region_the_answer_is_another(ablation):
    method, ablated = build(RAMSTrans, pretrained=True).eval(), build(ablation, pretrained=True).eval()
    with torch.no_grad():
        assert not torch.allclose(method(images()), ablated(images()), atol=1e-3)


def test_of_uniform_attention_the_region_is_the_whole_image():
    method = build(UniformAttention, pretrained=True).eval()
    assert method.chosen(images(2)).tolist() == [[[0, 0, 64, 64]]] * 2
