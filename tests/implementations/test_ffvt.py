"""What makes FFVT this paper: attention in both directions, tokens of every layer but the last, and a last layer that sees them alone."""

from __future__ import annotations

import math

import pytest
import torch
from torch import tensor

from implementations.ffvt import FFVT, mutual_attention
from tests.implementations.tiny import build, images, labels


class AnyTokens(FFVT):
    """Without its key operation: as many tokens a layer, spread evenly over the image whatever attention says."""

    def most_mutual(self, from_class, to_class):
        count, tokens = self.recipe.tokens_per_layer, from_class.shape[-1]
        places = torch.linspace(self.backbone.prefix, tokens - 1, count, device=from_class.device).round().long()
        return places.expand(len(from_class), -1)


class OneDirection(FFVT):
    """What the class token looks at, whoever looks back."""

    def most_mutual(self, from_class, to_class):
        return super().most_mutual(from_class, torch.zeros_like(to_class))


class LastLayerAlone(FFVT):
    """The tokens of one layer, as many as of all."""

    def select(self, images):
        fused, selected = super().select(images)
        own = self.recipe.tokens_per_layer
        return torch.cat([fused[:, :1], fused[:, -own:]], dim=1), selected[:, -own:]


def logits(method, count: int = 2) -> torch.Tensor:
    """What the classifier, which starts at zero, would say with random weights."""
    torch.manual_seed(5)
    torch.nn.init.normal_(method.classifier.weight)
    with torch.no_grad():
        return method.eval()(images(count))


@pytest.mark.parametrize(
    ("scores", "expected"),
    [([[0.0, math.log(3)], [0.0, 0.0]], [0.125, 0.375]), ([[0.0, math.log(3)], [-math.log(3), 0.0]], [0.1875, 0.1875])],
    ids=["the token looks back", "a tie: one direction alone doesn't win"],
)
def test_the_worked_example(scores, expected):
    matrix = tensor(scores)[None, None]
    assert mutual_attention(matrix[:, :, 0], matrix[..., 0])[0].tolist() == pytest.approx(expected)


def test_both_directions_sum_to_one_and_uniform_scores_are_uniform():
    zeros, drawn = torch.zeros(2, 4, 9), torch.randn(2, 4, 9, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(mutual_attention(zeros, zeros), torch.full((2, 9), 1 / 81))
    assert torch.allclose(mutual_attention(drawn, zeros).sum(1) * 9, torch.ones(2))
    assert torch.allclose(mutual_attention(zeros, drawn).sum(1) * 9, torch.ones(2))


def test_each_direction_ignores_what_is_added_to_all_of_its_scores():
    first, second = torch.randn(2, 1, 2, 9, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(mutual_attention(first + 3, second - 2), mutual_attention(first, second))


def test_heads_are_averaged_before_the_two_directions_are_multiplied():
    one, other = tensor([[[2.0, 0.0], [0.0, 2.0]]]), tensor([[[0.0, 2.0], [2.0, 0.0]]])
    assert mutual_attention(one, other)[0].tolist() == pytest.approx([0.25, 0.25])  # a mean of products would be 0.105


@pytest.mark.parametrize("side", [64, 96])
def test_so_many_tokens_of_each_layer_but_the_last_reach_it_whatever_the_image_size(side):
    method = build(FFVT, side=side).eval()
    seen = []
    method.fusion_layer.register_forward_pre_hook(lambda module, args: seen.append(args[0].shape))
    method(images(2, side))
    assert seen == [(2, 1 + 5 * method.recipe.tokens_per_layer, method.backbone.width)]


def test_a_token_is_the_output_of_the_very_layer_whose_attention_chose_it():
    method = build(FFVT, tokens_per_layer=3).eval()
    outputs, scores = [], []
    for block in method.backbone.blocks:
        block.norm2.register_forward_pre_hook(lambda module, args: None)
    from implementations.common.vit import watch

    for one in watch(method.backbone.blocks, method.backbone.embed(images(2))):
        outputs.append(one.tokens)
        whole = one.maps.scores()
        scores.append(whole[:, :, 0].softmax(-1).mean(1) * whole.softmax(-2)[..., 0].mean(1))
    fused, selected = method.select(images(2))
    assert torch.equal(fused[:, 0], outputs[-1][:, 0])
    for layer in range(5):
        part = slice(1 + 3 * layer, 4 + 3 * layer)
        chosen = selected[:, 3 * layer : 3 * layer + 3]
        assert torch.equal(chosen, scores[layer].topk(3).indices)
        assert torch.equal(fused[:, part], torch.stack([outputs[layer][i, chosen[i]] for i in range(2)]))


def test_the_answer_doesnt_depend_on_the_order_of_the_fused_tokens():
    method = build(FFVT).eval()
    fused, _ = method.select(images(1))
    expected = method.fusion_layer(fused)[:, 0]
    shuffled = torch.cat([fused[:, :1], fused[:, 1:].flip(1)], dim=1)
    assert torch.allclose(method.fusion_layer(shuffled)[:, 0], expected, atol=1e-6)


def test_the_choice_has_no_gradient_and_through_the_chosen_tokens_it_reaches_every_layer():
    method = build(FFVT)
    torch.nn.init.normal_(method.classifier.weight)
    fused, selected = method.select(images(2))
    assert not selected.is_floating_point()
    fused.retain_grad()
    (method.fusion_layer(fused)[:, 0] * torch.arange(64.0)).sum().backward()
    assert (fused.grad.abs().sum(-1) > 0).all()
    assert all(block.mlp.fc2.weight.grad.abs().sum() > 0 for block in method.backbone.blocks)


def test_the_first_loss_is_the_logarithm_of_the_number_of_classes():
    method = build(FFVT)
    assert method.losses(images(), labels())["cross-entropy"].item() == pytest.approx(math.log(4))


def test_last_layer_and_final_norm_start_fresh_and_the_rest_is_pretrained():
    method, plain = build(FFVT, pretrained=True), build(OneDirection, pretrained=False)
    assert len(method.backbone.blocks) == 5
    assert (method.backbone.model.norm.weight == 1).all()
    assert (method.backbone.model.norm.bias == 0).all()
    assert not torch.equal(method.backbone.blocks[0].attn.qkv.weight, plain.backbone.blocks[0].attn.qkv.weight)
    assert 0.015 < method.fusion_layer.attn.qkv.weight.std() < 0.025


def test_what_it_looks_at_is_the_last_layers_attention_where_the_fused_tokens_come_from():
    method = build(FFVT).eval()
    with torch.no_grad():
        _, selected = method.select(images(2))
        (maps, _) = method.evidence(images(2)), None
    for one, chosen in zip(maps.flatten(1), selected - method.backbone.prefix, strict=True):
        assert set(one.nonzero()[:, 0].tolist()) == set(chosen[chosen >= 0].tolist())
        assert 0 < one.sum() < 1  # the rest is the class token's own


@pytest.mark.parametrize("ablation", [AnyTokens, OneDirection, LastLayerAlone])
def test_without_a_part_of_the_selection_the_answer_is_another(ablation):
    method, ablated = build(FFVT), build(ablation)
    assert not torch.allclose(logits(method), logits(ablated), atol=1e-3)


def test_training_and_test_pass_are_the_same_but_for_dropout():
    method = build(FFVT)
    torch.nn.init.normal_(method.classifier.weight)
    assert torch.equal(method.train()(images()), method.eval()(images()))
    dropped = build(FFVT, dropout=0.1)
    torch.nn.init.normal_(dropped.classifier.weight)
    assert not torch.allclose(dropped.train()(images()), dropped.eval()(images()))
