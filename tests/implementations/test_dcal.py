"""What makes DCAL this paper: selected patches that look at everything once more, pairs that distract each other, learnt loss weights."""

from __future__ import annotations

import math

import pytest
import torch
from torch import tensor

from implementations.ablations.dcal import AnyPatches, ClassTokenAlone, WithoutPairs
from implementations.common.vit import attend, watch
from implementations.dcal import DCAL, accumulated, weigh
from tests.implementations.tiny import Given, build, images, labels, reached, stochastic


def test_attention_is_accumulated_with_half_of_the_identity_later_blocks_on_the_left():
    attentions = [stochastic(2, 3, 6, 6).roll(shift, 2) for shift in range(3)]
    maps = [Given(one) for one in attentions]
    assert torch.allclose(accumulated(maps), product_of(attentions)[:, 0])
    assert torch.allclose(accumulated(maps).sum(-1), torch.ones(2, dtype=torch.float64))


def product_of(attentions) -> torch.Tensor:
    """The rollout, as the paper writes it."""
    size = attentions[0].shape[-1]
    product = torch.eye(size, dtype=attentions[0].dtype)
    for attention in attentions:
        product = (0.5 * attention.mean(1) + 0.5 * torch.eye(size)) @ product
    return product


def test_attention_to_oneself_alone_leaves_the_patches_with_nothing():
    assert accumulated([Given(torch.eye(5).expand(1, 2, 5, 5))] * 3).tolist() == [[1, 0, 0, 0, 0]]


def test_what_is_selected_are_the_patches_to_which_all_blocks_attention_leads():
    method = build(DCAL, pretrained=True).eval()
    with torch.no_grad():
        tokens, watched = watch(method.backbone.blocks, method.backbone.embed(images()))
        scores = product_of([one.maps.attention() for one in watched])[:, 0, 1:]
        assert torch.allclose(method.evidence(images()).flatten(1), scores, atol=1e-6)
        best = scores.topk(6).indices
        assert torch.equal(method.chosen(images()), method.backbone.boxes(best + 1))
        local = method.look_again(tokens, best + 1)
        expected = torch.cat([local[:, 0], local[:, 1:].mean(1)], dim=1)
        assert torch.allclose(method.both(images())[1], method.local_classifier(expected), atol=1e-5)


@pytest.mark.parametrize(("share", "count"), [(0.1, 6), (0.3, 19), (0.001, 1), (1.0, 64)])
def test_a_share_of_the_patches_is_selected_at_least_one_and_never_the_class_token(share, count):
    method = build(DCAL, share=share)
    scores = torch.rand(2, 64, generator=torch.Generator().manual_seed(0))
    selected = method.select(scores)
    assert selected.shape == (2, count)
    assert (selected >= 1).all()
    assert torch.equal(selected[:, 0] - 1, scores.argmax(1))


def test_with_all_patches_the_global_local_block_is_one_more_self_attention_block():
    method = build(DCAL, share=1.0).eval()
    tokens, scores = method.self_attention(images(2))
    selected = method.select(scores)
    local = method.look_again(tokens, selected)
    expected = method.local_norm(method.global_local(tokens))
    assert torch.allclose(local[:, 0], expected[:, 0], atol=1e-5)
    assert torch.allclose(local[:, 1:], torch.stack([expected[i, selected[i]] for i in range(2)]), atol=1e-5)


def test_what_a_selected_token_gets_doesnt_depend_on_the_others_selected():
    method = build(DCAL, share=0.3).eval()
    tokens, scores = method.self_attention(images(2))
    selected = method.select(scores)
    assert torch.allclose(method.look_again(tokens, selected)[:, :4], method.look_again(tokens, selected[:, :3]), atol=1e-6)


def test_read_by_the_class_token_alone_the_selection_is_inert_and_by_ours_it_isnt():
    """The formula as it stands classifies the same whatever is selected, and trains the same."""
    for kind, inert in ((ClassTokenAlone, True), (DCAL, False)):
        few, all_ = build(kind, share=0.1), build(kind, share=1.0)
        logits = [one.eval().both(images())[1] for one in (few, all_)]
        gradients = [torch.autograd.grad(one.losses(images(), labels())["global-local"], one.backbone.model.cls_token)[0] for one in (few, all_)]
        assert torch.allclose(*logits, atol=1e-5) is inert
        assert torch.allclose(*gradients, atol=1e-6) is inert


def test_an_image_paired_with_itself_is_classified_as_alone():
    method = build(DCAL).eval()
    twins = images(1).expand(2, -1, -1, -1)
    with torch.no_grad():
        assert torch.allclose(method.pair_wise(twins), method.classifier(method.backbone(twins)[:, 0]), atol=1e-5)


def test_the_partner_is_seen_at_the_same_depth_of_the_same_branch():
    method = build(DCAL).eval()
    seen = []
    handles = [block.norm1.register_forward_pre_hook(lambda module, args: seen.append(args[0])) for block in method.backbone.blocks]
    pairs = images(4)
    with torch.no_grad():
        method.pair_wise(pairs)
        for handle in handles:
            handle.remove()
        tokens = method.backbone.embed(pairs)
        for block, entered in zip(method.backbone.blocks, seen, strict=True):
            assert torch.allclose(tokens, entered, atol=1e-5)
            tokens = attend(block, tokens, context=torch.cat([tokens, tokens.roll(1, 0)], 1)).tokens


def test_training_depends_on_the_partner_through_the_pairs_alone():
    method = build(DCAL)
    batch, other = images(3), images(3)
    other[2] += torch.randn(3, 64, 64, generator=torch.Generator().manual_seed(2))
    one, two = (tuple(logits[0] for logits in (*method.both(some), method.pair_wise(some))) for some in (batch, other))
    assert torch.allclose(one[0], two[0], atol=1e-6)
    assert torch.allclose(one[1], two[1], atol=1e-6)
    assert not torch.allclose(one[2], two[2], atol=1e-4)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_every_image_has_another_as_its_partner_and_teaches_through_it(count):
    method = build(DCAL)
    batch = images(count).requires_grad_()
    for index in range(count):
        slope = torch.autograd.grad(method.pair_wise(batch)[index].square().sum(), batch)[0].abs().sum((1, 2, 3))
        assert slope[index] > 0
        assert slope[(index - 1) % count] > 0


def test_the_worked_example_of_learnt_weights():
    losses = tensor([2.0, 1.0, 0.5])
    assert weigh(losses, torch.zeros(3)).sum().item() == pytest.approx(1.75)
    best = losses.log()
    assert (weigh(losses, best).sum() + best.sum() / 2).item() == pytest.approx(1.5)


def test_the_best_uncertainty_is_the_losss_logarithm():
    uncertainty = tensor([math.log(2.0)], requires_grad=True)
    (weigh(tensor([2.0]), uncertainty).sum() + uncertainty.sum() / 2).backward()
    assert uncertainty.grad.item() == pytest.approx(0)


def test_uncertainties_start_at_nothing_are_learnt_and_not_decayed():
    method = build(DCAL)
    assert method.uncertainties.tolist() == [0, 0, 0]
    terms = method.losses(images(), labels())
    pairs = torch.nn.functional.cross_entropy(method.pair_wise(images()), labels())
    assert terms["pair-wise"].item() == pytest.approx(pairs.item() / 2, abs=1e-5)
    slope = torch.autograd.grad(sum(terms.values()), method.uncertainties)[0]
    assert slope[2].item() == pytest.approx((1 - pairs.item()) / 2, abs=1e-5)
    (group,) = [group for group in method.parameter_groups() if group["params"] == [method.uncertainties]]
    assert group["weight_decay"] == 0


def test_each_loss_reaches_what_it_should():
    method = build(DCAL)
    terms = method.losses(images(), labels())
    found = {name: reached(method, term) for name, term in terms.items()}
    own = {name for name, _ in method.named_parameters() if name.startswith(("global_local", "local_"))}
    backbone = {name for name, _ in method.named_parameters() if name.startswith("backbone.")} - {"backbone.model.norm.weight", "backbone.model.norm.bias"}
    head = {"classifier.weight", "classifier.bias", "backbone.model.norm.weight", "backbone.model.norm.bias"}
    assert found["self-attention"] == found["pair-wise"] == backbone | head | {"uncertainties"}
    assert found["global-local"] == backbone | own | {"uncertainties"}
    assert found["uncertainties"] == {"uncertainties"}


def test_the_answer_is_the_mean_of_both_branches_probabilities():
    method = build(DCAL).eval()
    with torch.no_grad():
        first, second = method.both(images())
        assert torch.allclose(method(images()).exp(), (first.softmax(1) + second.softmax(1)) / 2, atol=1e-6)
        assert torch.allclose(method(images()).exp().sum(1), torch.ones(4))


def test_later_blocks_are_left_out_more_often_and_none_at_test_time():
    method = build(DCAL, stochastic_depth=0.1)
    rates = [block.drop_path1.drop_prob for block in method.backbone.blocks]
    assert rates == pytest.approx([0.1 * place / 7 for place in range(8)])
    assert [block.drop_path2.drop_prob for block in method.backbone.blocks] == rates
    assert isinstance(method.global_local.drop_path1, torch.nn.Identity)
    assert torch.equal(method.eval()(images()), build(DCAL, stochastic_depth=0.0).eval()(images()))


def test_without_pairs_training_has_another_gradient_and_with_any_patches_another_answer():
    gradients = [torch.autograd.grad(sum(one.losses(images(), labels()).values()), one.backbone.model.cls_token)[0] for one in (build(DCAL), build(WithoutPairs))]
    assert not torch.allclose(*gradients, rtol=1e-2)
    with torch.no_grad():
        assert not torch.allclose(build(DCAL, pretrained=True).eval().both(images())[1], build(AnyPatches, pretrained=True).eval().both(images())[1], atol=1e-3)
