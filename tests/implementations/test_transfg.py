"""What makes TransFG this paper: the rollout, the hard selection per head, the part layer on a handful of tokens, the contrastive loss."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file
from torch import tensor

from implementations.ablations.transfg import AllPatches, UniformRollout, WithoutContrast
from implementations.common.weights import SHIPPED
from implementations.transfg import TransFG, contrastive, strongest_patch
from tests.implementations.tiny import DEPTH, WIDTH, build, images, labels


def test_a_head_keeps_the_patch_that_went_most_into_the_class_token():
    contribution = tensor([[[0.5, 0.1, 0.4], [0.2, 0.5, 0.3]]])
    assert strongest_patch(contribution, 1).tolist() == [[2, 1]]  # never the class token itself


@pytest.mark.parametrize(
    ("features", "classes", "expected"),
    [
        ([[1.0, 0.0], [0.0, 1.0]], [0, 0], 0.5),
        ([[1.0, 0.0], [1.0, 0.0]], [0, 1], 0.3),
        ([[1.0, 0.0], [0.4, 0.9165151]], [0, 1], 0.0),
        ([[2.0, 0.0], [5.0, 0.0]], [1, 1], 0.0),
    ],
    ids=["one class, orthogonal", "two classes, equal", "two classes at the margin", "one class, equal directions"],
)
def test_the_contrastive_loss_is_the_mean_over_all_pairs(features, classes, expected):
    assert contrastive(tensor(features), tensor(classes), 0.4).item() == pytest.approx(expected, abs=1e-6)


def test_two_classes_below_the_margin_give_no_gradient():
    features = tensor([[1.0, 0.0], [0.0, 1.0]], requires_grad=True)
    contrastive(features, tensor([0, 1]), 0.4).backward()
    assert features.grad.abs().max() == 0


@pytest.mark.parametrize("side", [64, 96])
def test_exactly_one_token_a_head_and_the_class_token_enter_the_part_layer(side):
    method = build(TransFG, side=side).eval()
    seen = []
    method.part_layer.register_forward_pre_hook(lambda module, args: seen.append(args[0].shape))
    method(images(2, side))
    assert seen == [(2, 1 + method.backbone.heads, method.backbone.width)]


def test_the_answer_depends_on_selected_tokens_alone_and_not_on_their_order():
    method = build(TransFG).eval()
    tokens, _, selected = method.select(images(1))
    expected = method.class_token(tokens, selected)
    assert torch.allclose(method.class_token(tokens, selected.flip(1)), expected, atol=1e-6)
    others = [place for place in range(1, tokens.shape[1]) if place not in selected[0].tolist()]
    noise = torch.randn(WIDTH, generator=torch.Generator().manual_seed(2))  # a norm would take out a constant
    changed = tokens.clone()
    changed[:, others] += noise
    assert torch.equal(method.class_token(changed, selected), expected)
    changed[:, selected[0, 0]] += noise
    assert not torch.allclose(method.class_token(changed, selected), expected)


def test_the_choice_has_no_gradient_but_the_chosen_tokens_have():
    method = build(TransFG)
    tokens, contribution, selected = method.select(images(2))
    tokens.retain_grad()
    (method.class_token(tokens, selected) * torch.arange(float(WIDTH))).sum().backward()  # a plain sum after a norm is always 0
    assert not contribution.requires_grad
    reached = tokens.grad.abs().sum(-1) > 0
    for row, chosen in zip(reached, selected, strict=True):
        assert set(row.nonzero()[:, 0].tolist()) == {0, *chosen.tolist()}


def test_the_part_layer_takes_the_last_blocks_place_and_none_of_its_weights():
    kept = load_file(SHIPPED / "finch_vit.safetensors")
    method = build(TransFG, pretrained=True)
    assert len(method.backbone.blocks) == DEPTH - 1
    assert torch.equal(method.backbone.blocks[-1].attn.qkv.weight, kept[f"blocks.{DEPTH - 2}.attn.qkv.weight"])
    assert method.part_layer.attn.qkv.weight.shape == kept[f"blocks.{DEPTH - 1}.attn.qkv.weight"].shape
    assert not torch.allclose(method.part_layer.attn.qkv.weight, kept[f"blocks.{DEPTH - 1}.attn.qkv.weight"], atol=0.01)
    assert torch.equal(method.backbone.model.norm.weight, kept["norm.weight"])


def test_each_loss_reaches_what_it_should():
    method = build(TransFG)
    terms = method.losses(images(), labels())
    reached = {name: {n for n, p in method.named_parameters() if gradient(term, p) is not None} for name, term in terms.items()}
    everything = {name for name, _ in method.named_parameters()}
    assert reached["cross-entropy"] == everything
    assert reached["contrastive"] == everything - {"classifier.weight", "classifier.bias"}


def gradient(term, parameter):
    return torch.autograd.grad(term, parameter, retain_graph=True, allow_unused=True)[0]


def test_without_the_rollout_other_patches_are_chosen_and_other_logits_come_out():
    method, ablated = build(TransFG).eval(), build(UniformRollout).eval()
    assert torch.equal(method.classifier.weight, ablated.classifier.weight)
    assert (ablated.select(images())[2] == 1).all()
    assert not torch.allclose(method(images()), ablated(images()))


def test_without_the_contrastive_loss_the_backbone_gets_another_gradient():
    method, ablated = build(TransFG), build(WithoutContrast)
    gradients = [
        torch.autograd.grad(sum(one.losses(images(), labels()).values()), one.backbone.model.cls_token)[0] for one in (method, ablated)
    ]
    assert not torch.allclose(*gradients)


def test_with_all_patches_in_the_part_layer_unselected_ones_count():
    method, ablated = build(TransFG).eval(), build(AllPatches).eval()
    assert torch.equal(method.classifier.weight, ablated.classifier.weight)
    tokens, _, selected = ablated.select(images(1))
    other = next(place for place in range(1, tokens.shape[1]) if place not in selected[0].tolist())
    changed = tokens.clone()
    changed[:, other] += torch.randn(WIDTH, generator=torch.Generator().manual_seed(2))
    assert not torch.allclose(ablated.class_token(changed, selected), ablated.class_token(tokens, selected))
    assert not torch.allclose(method(images()), ablated(images()))


def test_embeddings_and_mlps_are_dropped_out_in_training_alone_and_attention_never():
    method = build(TransFG, dropout=0.1)
    rates = {name: module.p for name, module in method.named_modules() if isinstance(module, torch.nn.Dropout)}
    assert {name for name, rate in rates.items() if rate == 0.1} == {name for name in rates if "mlp" in name or "pos_drop" in name}
    assert {rate for name, rate in rates.items() if "attn" in name} == {0.0}
    assert len([name for name in rates if "part_layer.mlp" in name]) == 2
    assert torch.equal(method.eval()(images()), build(TransFG, dropout=0.0).eval()(images()))
