"""What makes FFVT this paper: attention in both directions, tokens of every layer but the last, and a last layer that sees them alone."""

from __future__ import annotations

import itertools
import math
import random

import pytest
import torch
from safetensors.torch import load_file
from torch import tensor

from implementations.ablations.ffvt import AnyTokens, LastLayerAlone, OneDirection, PretrainedLastLayer
from implementations.common.data import Data, Split
from implementations.common.fingerprint import OneProcess
from implementations.common.train import Settings, Trainer
from implementations.common.vit import watch
from implementations.common.weights import SHIPPED
from implementations.ffvt import FFVT, mutual_attention
from tests.implementations.tiny import DEPTH, FOUR, WIDTH, build, images, labels, reached


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
    assert seen == [(2, 1 + (DEPTH - 1) * method.recipe.tokens_per_layer, method.backbone.width)]


def test_a_token_is_the_output_of_the_very_layer_whose_attention_chose_it():
    method = build(FFVT, tokens_per_layer=3).eval()
    outputs, scores = [], []
    for one in watch(method.backbone.blocks, method.backbone.embed(images(2)))[1]:
        outputs.append(one.tokens)
        whole = one.maps.scores()
        scores.append(whole[:, :, 0].softmax(-1).mean(1) * whole.softmax(-2)[..., 0].mean(1))
    fused, selected = method.select(images(2))
    assert torch.equal(fused[:, 0], outputs[-1][:, 0])
    for layer in range(DEPTH - 1):
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


def test_an_epoch_of_cub_has_188_batches_whose_last_is_filled_up_to_equal_shares_of_four_gpus():
    method = build(FFVT, batch_size=32)
    batches = method.batches([0] * 5994, 32, random.Random(0))
    assert [len(batch) for batch in batches] == [32] * 187 + [12]
    assert sorted(itertools.chain(*batches))[-1] == 5993
    assert len(set(itertools.chain(*batches))) == 5994
    assert batches[-1][-2:] == batches[0][:2]
    assert [len(batch) for batch in method.batches([0] * 480, 32, random.Random(0))] == [32] * 15


def test_micro_batches_share_the_last_batch_too():
    method = build(FFVT, batch_size=32, micro_batches=8)
    assert [len(batch) for batch in method.batches([0] * 68, 32, random.Random(0))] == [32, 32, 8]
    assert [len(batch) for batch in build(FFVT, batch_size=32, micro_batches=2).batches([0] * 68, 32, random.Random(0))] == [32, 32, 4]


@pytest.mark.parametrize(("gpus", "micro_batches", "last"), [(1, 1, 12), (2, 1, 12), (8, 1, 16), (4, 2, 16), (8, 2, 16), (32, 1, 32)])
def test_it_trains_on_cub_with_any_number_of_gpus_that_share_a_whole_batch(monkeypatch, gpus, micro_batches, last):
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: gpus)
    cub = Split([index % 4 for index in range(5994)], None)
    run = Trainer(build(FFVT, batch_size=32, micro_batches=micro_batches), Data("cub", FOUR, cub, cub, cub, "0" * 32), OneProcess(num_processes=gpus), Settings())
    sizes = [len(batch) for batch in run.epoch_batches(0)]
    assert sizes == [32] * 187 + [last]
    assert set(itertools.chain(*run.epoch_batches(0))) == set(range(5994))


def test_the_choice_has_no_gradient_and_each_layers_tokens_lead_back_to_it_and_to_none_after_it():
    method = build(FFVT, tokens_per_layer=3)
    fused, selected = method.select(images(2))
    assert not selected.is_floating_point()
    for layer in range(DEPTH - 1):
        of_layer = fused[:, 1 + 3 * layer : 4 + 3 * layer].square().sum()
        found = reached(method, of_layer)
        assert [f"backbone.model.blocks.{block}.mlp.fc2.weight" in found for block in range(DEPTH - 1)] == [block <= layer for block in range(DEPTH - 1)]


def test_the_first_loss_is_the_logarithm_of_the_number_of_classes():
    method = build(FFVT)
    assert method.losses(images(), labels())["cross-entropy"].item() == pytest.approx(math.log(4))


def test_last_layer_and_final_norm_start_fresh_and_the_rest_is_pretrained():
    kept = load_file(SHIPPED / "finch_vit.safetensors")
    method, loaded = build(FFVT, pretrained=True), build(PretrainedLastLayer, pretrained=True)
    assert len(method.backbone.blocks) == DEPTH - 1
    assert torch.equal(method.backbone.blocks[-1].attn.qkv.weight, kept[f"blocks.{DEPTH - 2}.attn.qkv.weight"])
    assert (method.backbone.model.norm.weight == 1).all()
    assert (method.backbone.model.norm.bias == 0).all()
    assert not torch.allclose(method.fusion_layer.attn.qkv.weight, kept[f"blocks.{DEPTH - 1}.attn.qkv.weight"], atol=0.01)
    assert torch.equal(loaded.fusion_layer.attn.qkv.weight, kept[f"blocks.{DEPTH - 1}.attn.qkv.weight"])
    assert torch.equal(loaded.backbone.model.norm.weight, kept["norm.weight"])


def test_what_it_looks_at_is_the_last_layers_attention_where_the_fused_tokens_come_from():
    method = build(FFVT).eval()
    with torch.no_grad():
        _, selected = method.select(images(2))
        maps = method.evidence(images(2))
    for one, chosen in zip(maps.flatten(1), selected - method.backbone.prefix, strict=True):
        assert set(one.nonzero()[:, 0].tolist()) == set(chosen[chosen >= 0].tolist())
        assert 0 < one.sum() < 1  # the rest is the class token's own


def test_where_the_last_layer_looks_at_one_of_the_fused_tokens_its_patch_is_the_peak():
    method = build(FFVT, tokens_per_layer=2).eval()
    layer = method.fusion_layer
    with torch.no_grad():
        fused, selected = method.select(images(1))
        place = next(index for index, token in enumerate(selected[0].tolist()) if token > 0)
        queries, keys, _ = layer.attn.qkv(layer.norm1(fused)).chunk(3, dim=-1)
        aimed = 50 * keys[0, 1 + place] / keys[0, 1 + place].norm()  # the class token's query, turned towards this key
        layer.attn.qkv.bias[:WIDTH] += aimed - queries[0, 0]
        assert method.evidence(images(1)).flatten().argmax().item() == selected[0, place].item() - 1


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
