"""What makes CAL this paper: attention's effect against random attention, crops and drops by drawn maps, the last image as centre."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn, tensor

from implementations.ablations.cal import ConstantCounterfactual, NoEffect, OneLook
from implementations.cal import CAL, attended, crop_box, draw_maps
from implementations.common.bilinear import attention_pooling
from implementations.common.regions import crop
from tests.implementations.tiny import build, images, labels, reached

LEARNT = tensor([[[[1.0, 0.0]]]])
FEATURES = tensor([[[[1.0, 0.0]], [[0.0, 1.0]]]])
"""One image of two places: (1, 0) at the first, where the only map looks, and (0, 1) at the second."""


def plain(kind: type[CAL] = CAL) -> CAL:
    """With a classifier that returns two pooled features as they are."""
    method = build(kind, scale=100.0)
    method.classifier = nn.Linear(2, 2, bias=False)
    method.classifier.weight.data = torch.eye(2) / 100
    return method


def ramp(side: int) -> torch.Tensor:
    """An image (1, 3, side, side) whose pixels hold the numbers of their columns."""
    return torch.arange(float(side)).expand(1, 3, side, side)


# -------------------------------------------------------------------------------------------------------- the effect


def test_the_effect_of_a_worked_example():
    effect = plain().eval().effect(FEATURES, LEARNT, attention_pooling(FEATURES, LEARNT, 1e-6))
    assert effect[0].tolist() == pytest.approx([1 - 0.5**0.5, -(0.5**0.5)], abs=1e-5)


def test_the_effect_is_the_difference_of_the_two_predictions():
    method = build(CAL).eval()
    features, attention, pooled = method.look(images())
    constant = method.classify(attention_pooling(features, torch.ones_like(attention), 1e-6))
    assert torch.allclose(method.effect(features, attention, pooled), method.classify(pooled) - constant, atol=1e-5)


def test_bf16_doesnt_blur_the_effect():
    method = build(CAL, pretrained=True).eval()
    with torch.no_grad():
        seen = method.look(images())
        exact = method.effect(*seen)
        with torch.autocast("cpu", torch.bfloat16):
            effect = method.effect(*seen)
    assert (effect - exact).norm() < 0.01 * exact.norm()


@pytest.mark.parametrize("value", [1.0, 3.0])
def test_constant_attention_has_no_effect_at_test_time(value):
    method = build(CAL).eval()
    features, attention, _ = method.look(images())
    constant = torch.full_like(attention, value)
    effect = method.effect(features, constant, attention_pooling(features, constant, 1e-6))
    assert effect.abs().max() < 1e-3
    assert nn.functional.cross_entropy(effect, labels()).item() == pytest.approx(math.log(4), abs=1e-3)


def test_random_attention_is_drawn_anew_in_training_uniform_below_two_and_is_one_at_test():
    method, maps = build(CAL), torch.zeros(100, 8, 6, 6)
    one, other = method.counterfactual(maps), method.counterfactual(maps)
    assert not torch.equal(one, other)
    assert 0 <= one.min() < 0.01
    assert 1.99 < one.max() < 2
    assert [one.mean().item(), one.var().item()] == pytest.approx([1.0, 1 / 3], abs=0.02)
    assert torch.equal(method.eval().counterfactual(maps), torch.ones_like(maps))


def test_attention_learns_by_the_effect_and_not_through_the_counterfactual():
    method = build(CAL, pretrained=True)
    features, attention, pooled = method.look(images())
    everything = {name for name, _ in method.named_parameters()}
    assert reached(method, method.effect(features, attention, pooled)[:, 0].sum()) == everything
    counterfactual = method.effect(features, attention, torch.zeros_like(pooled))
    assert reached(method, counterfactual[:, 0].sum()) == {name for name in everything if not name.startswith("attention")}


# -------------------------------------------------------------------------------------------------- crops and drops


def test_maps_are_drawn_by_the_root_of_their_sums_and_one_may_come_twice():
    maps = tensor([9.0, 1.0, 0.0])[:, None, None].expand(4000, 3, 1, 1)
    torch.manual_seed(0)
    drawn = draw_maps(maps, 2)
    assert drawn.shape == (4000, 2, 1, 1)
    assert [(drawn == value).float().mean().item() for value in (9, 1, 0)] == pytest.approx([0.75, 0.25, 0], abs=0.02)
    assert (drawn[:, 0] == drawn[:, 1]).float().mean().item() == pytest.approx(0.75**2 + 0.25**2, abs=0.03)


def test_a_map_is_cut_off_at_a_share_of_its_maximum_after_it_was_enlarged():
    rows = tensor([[[0.0, 4.0]] * 2])
    assert attended(rows, 0.5, 5)[0, 0].tolist() == [False, False, True, True, True]  # 0, 1, 2, 3, 4
    assert attended(rows.repeat(2, 1, 1), tensor([0.25, 1.0]), 5)[:, 0].int().sum(1).tolist() == [4, 1]


def test_a_crop_lies_in_the_image_and_holds_what_is_attended_with_its_padding():
    maps = torch.rand(64, 6, 6, generator=torch.Generator().manual_seed(0)) ** 4
    for share in (0.1, 0.5):
        for mask, (top, left, bottom, right) in zip(attended(maps, share, 96), crop_box(maps, share, 0.1, 96).int().tolist(), strict=True):
            rows, columns = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
            assert (top, left) == (max(0, int(rows[0] - 9.6)), max(0, int(columns[0] - 9.6)))
            assert (bottom, right) == (min(96, int(rows[-1] + 1 + 9.6)), min(96, int(columns[-1] + 1 + 9.6)))


@pytest.mark.parametrize("value", [0.0, 0.7])
def test_a_constant_map_is_attended_everywhere(value):
    maps = torch.full((1, 6, 6), value)
    assert attended(maps, 0.5, 96).all()
    assert crop_box(maps, 0.5, 0.1, 96).tolist() == [[0, 0, 96, 96]]


def test_in_training_crop_and_drop_are_cut_off_between_the_papers_shares():
    method, columns = build(CAL), torch.linspace(0, 1, 65).expand(200, 1, 65, 65)
    torch.manual_seed(0)
    cropped, erased = method.augmented(ramp(65).expand(200, 3, 65, 65), columns).chunk(2)
    left = cropped[:, 0, 0, 0] / 64  # from 40 to 60% of the side, less the padding of 10%
    assert [left.min().item(), left.max().item()] == pytest.approx([0.3, 0.5], abs=0.03)
    assert torch.allclose(cropped[:, 0, 0, -1], tensor(64.0), atol=1e-4)
    gone = (erased[:, 0, 0] == 0)[:, 1:]
    first = 1 + gone.float().argmax(1)
    assert [first.min().item() / 64, first.max().item() / 64] == pytest.approx([0.2, 0.5], abs=0.03)
    assert torch.equal(erased[:, 0, 0], torch.where(torch.arange(65) < first[:, None], ramp(65)[0, 0, 0], 0.0))  # nothing else


def test_the_maximum_of_a_map_is_erased_and_within_the_crop():
    maps = torch.rand(32, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    pixels = torch.ones(32, 3, 96, 96)
    place = nn.functional.interpolate(maps, size=(96, 96), mode="bilinear", align_corners=True).flatten(1).argmax(1)
    pixels.flatten(2)[torch.arange(32), :, place] = 5.0
    cropped, erased = build(CAL).augmented(pixels, maps).chunk(2)
    assert (erased.flatten(2)[torch.arange(32), :, place] == 0).all()
    assert (cropped.amax((1, 2, 3)) > 2).all()
    assert not build(CAL).augmented(images(), maps[:4].requires_grad_()).requires_grad


def test_crop_and_drop_are_chosen_by_maps_that_are_drawn_apart():
    maps = torch.zeros(400, 2, 8, 8)
    maps[:, 0, :, :2], maps[:, 1, :, 6:] = 1.0, 1.0  # one is attended on the left, one on the right
    torch.manual_seed(0)
    cropped, erased = build(CAL).augmented(1 + ramp(64).expand(400, 3, 64, 64), maps).chunk(2)
    crop_on_the_left, drop_on_the_left = cropped[:, 0, 0].mean(1) < 32, erased[:, 0, 0, 0] == 0
    assert [crop_on_the_left.float().mean().item(), drop_on_the_left.float().mean().item()] == pytest.approx([0.5, 0.5], abs=0.08)
    assert (crop_on_the_left == drop_on_the_left).float().mean().item() == pytest.approx(0.5, abs=0.08)


# -------------------------------------------------------------------------------------------------------- the losses


def test_a_step_looks_at_the_batch_and_then_at_twice_as_many_images():
    method = build(CAL)
    sizes = []
    method.attention.register_forward_hook(lambda module, args, out: sizes.append(len(out)))
    method.losses(images(), labels())
    assert sizes == [4, 8]


def test_of_a_classifier_that_says_nothing_the_three_cross_entropies_weigh_a_third_two_thirds_and_one():
    method = build(CAL)
    nn.init.zeros_(method.classifier.weight)
    terms = method.losses(images(), labels())
    shares = [terms[name].item() / math.log(4) for name in ("cross-entropy", "crop and drop", "effect")]
    assert shares == pytest.approx([1 / 3, 2 / 3, 1])


def test_each_loss_reaches_what_it_should():
    method = build(CAL, pretrained=True)
    method.losses(images(), labels())
    method.after_step()
    everything = {name for name, _ in method.named_parameters()}
    for name, term in method.losses(images().flip(3), labels()).items():
        assert reached(method, term) == everything - ({"classifier.weight"} if name == "centre" else set())
    assert not method.centres.requires_grad


# -------------------------------------------------------------------------------------------------------- the centres


def test_images_that_nothing_is_learnt_from_are_not_seen_by_the_centres():
    method = build(CAL)
    with torch.no_grad():
        method.losses(images(), labels())
    assert method.seen == []


def test_the_first_image_of_a_class_is_one_away_from_nothing_and_none_from_itself_afterwards():
    method = build(CAL).eval()  # BatchNorm at rest: the same image has the same features
    assert method.losses(images(1), labels(1))["centre"].item() == pytest.approx(1)
    method.seen.append((method.look(images(1))[-1].detach(), labels(1)))
    method.after_step()
    assert method.losses(images(1), labels(1))["centre"].item() == pytest.approx(0, abs=1e-6)
    assert method.centres[0].norm().item() == pytest.approx(1)
    assert not method.centres[1:].any()


@pytest.mark.parametrize("rate", [0.05, 0.3])
def test_the_released_rule_compares_with_the_last_image_whatever_its_rate(rate):
    method = build(CAL)
    released = torch.zeros(method.centres.shape[1], dtype=torch.float64)
    for one in nn.functional.normalize(torch.rand(5, len(released), generator=torch.Generator().manual_seed(0), dtype=torch.float64), dim=1):
        assert torch.allclose(nn.functional.normalize(released, dim=0), method.centres[2].double(), atol=1e-6)
        released += rate * (one - nn.functional.normalize(released, dim=0))
        method.seen.append((one[None].float(), tensor([2])))
        method.after_step()
    assert released.norm().item() == pytest.approx(rate)


def test_of_a_class_that_a_batch_has_twice_the_last_image_counts_over_micro_batches_too():
    method = build(CAL)
    pooled = torch.arange(5.0)[:, None].expand(5, method.centres.shape[1])
    method.seen += [(pooled[:3] + 1, tensor([3, 1, 3])), (pooled[3:] + 1, tensor([1, 0]))]
    method.after_step()
    assert method.centres[:, 0].tolist() == [5, 4, 0, 3]
    assert method.seen == []


# -------------------------------------------------------------------------------------------------------- the test pass


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_the_answer_averages_the_image_and_the_crop_where_the_mean_map_reaches_a_share_of_its_maximum(share):
    method = build(CAL, test_share=share, pretrained=True).eval()
    with torch.no_grad():
        _, attention, pooled = method.look(images())
        boxes = crop_box(attention.mean(1), share, 0.05, 64)
        closer = method.look(crop(images(), boxes))[-1]
        assert torch.allclose(method(images()), (method.classify(pooled) + method.classify(closer)) / 2, atol=1e-5)
        assert torch.equal(method.chosen(images())[:, 0], boxes)
        assert torch.equal(method.evidence(images()), attention.mean(1))


class Sharper(nn.Module):
    """Stands behind the attention, whose crops would be nearly the whole image before it has learnt anything."""

    def forward(self, attention: torch.Tensor) -> torch.Tensor:
        return attention**6


def test_the_published_evaluation_averages_four_views_of_the_image_and_of_its_mirror_image():
    method, logits, effects, some = build(CAL, side=96, test_share=0.4, pretrained=True).eval(), 0, 0, images(9, 96)
    method.attention.append(Sharper())
    expected, found = [], []
    with torch.no_grad():
        for side in (some, some.flip(3)):
            mean = method.look(side)[1].mean(1)
            for seen in (side, *(crop(side, crop_box(mean, *view, 96)) for view in ((0.3, 0.1), (0.2, 0.1), (0.1, 0.05)))):
                expected.append(seen)
                features, attention, pooled = method.look(seen)
                logits, effects = logits + method.classify(pooled), effects + method.effect(features, attention, pooled)
        classes = torch.where(torch.arange(9) < 5, logits.argmax(1), (logits.argmax(1) + 1) % 4)
        method.backbone.register_forward_pre_hook(lambda module, args: found.append(args[0]))
        measured = method.measure([(some[:5], classes[:5]), (some[5:], classes[5:])])
    assert all(torch.equal(torch.cat(parts), one) for *parts, one in zip(found[:8], found[8:], expected, strict=True))
    assert list(measured) == ["top-1 over 4 views and their mirror images", "top-1 of the effect over the same"]
    assert list(measured.values()) == pytest.approx([5 / 9, (effects.argmax(1) == classes).double().mean().item()])


@pytest.mark.parametrize(("backbone", "stride", "dilated", "side"), [("resnet10t", 16, False, 4), ("resnet10t", None, False, 2), ("finch_resnet", None, True, 4)])
def test_a_stride_that_the_recipe_sets_comes_without_dilation_and_a_backbones_own_stays(backbone, stride, dilated, side):
    method = build(CAL, backbone=backbone, output_stride=stride)
    assert any(max(module.dilation) > 1 for module in method.modules() if isinstance(module, nn.Conv2d)) is dilated
    assert method.look(images(1))[0].shape[-2:] == (side, side)


# -------------------------------------------------------------------------------------------------------- ablations


def test_without_the_effects_loss_the_other_three_are_as_they_were():
    terms = []
    for kind in (CAL, NoEffect):
        method = build(kind)
        torch.manual_seed(1)
        terms.append(method.losses(images(), labels()))
    assert terms[0].keys() - terms[1].keys() == {"effect"}
    assert all(torch.equal(terms[0][name], term) for name, term in terms[1].items())


def test_with_a_constant_counterfactual_constant_attention_has_no_effect_in_training_either():
    features, constant = torch.rand(1, 2, 3, 3), torch.ones(1, 1, 3, 3)
    pooled = attention_pooling(features, constant, 1e-6)
    assert [plain(kind).train().effect(features, constant, pooled).any().item() for kind in (CAL, ConstantCounterfactual)] == [True, False]


def test_with_one_look_the_whole_image_is_seen_twice_in_a_step_and_once_in_the_test_pass():
    method = build(OneLook).eval()
    assert torch.equal(method.augmented(images(), torch.rand(4, 8, 4, 4)), torch.cat([images(), images()]))
    assert torch.allclose(method(images()), method.classify(method.look(images())[-1]))
