"""What makes MC-Loss this paper: channels that belong to classes, masked at random and by the group, and their distinct places."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import tensor

from implementations.ablations.mc_loss import CrossEntropyAlone, NoDiscriminality, NoDiversity, NoMask
from implementations.common.data import Data, Split
from implementations.common.errors import Usage
from implementations.common.method import Classes
from implementations.common.recipes import op
from implementations.common.train import Settings, Trainer
from implementations.mc_loss import MCLoss, MCLossNet, discriminality, diversity, group_max, groups, random_mask
from tests.implementations.tiny import FOUR, build, images, labels, reached
from tools.pages.losses import FOLDER, read

LN3 = math.log(3)  # the softmax of (ln 3, 0) is (3/4, 1/4)
PEAK = 50.0  # whose softmax is 1 at its place


def flat(*channels: list[float]) -> torch.Tensor:
    """One image's channels, as a map of a single row: (1, C, 1, places)."""
    return tensor(channels, dtype=torch.float64)[None, :, None]


def whole(features: torch.Tensor) -> torch.Tensor:
    """The mask that drops nothing."""
    return torch.ones(features.shape[1], dtype=torch.bool)


def some(batch: int = 3, channels: int = 7, side: int = 3) -> torch.Tensor:
    return torch.rand(batch, channels, side, side, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


# -------------------------------------------------------------------------------------------------------- groups


@pytest.mark.parametrize(("channels", "classes", "expected"), [(2048, 200, [(152, 10), (48, 11)]), (512, 200, [(88, 2), (112, 3)]), (600, 200, [(200, 3)])])
def test_groups_have_the_papers_two_sizes_or_one_where_classes_divide_the_channels(channels, classes, expected):
    assert [group.shape[1:] for group in groups(torch.zeros(1, channels), classes)] == expected


def test_channels_go_to_classes_in_order_and_the_last_classes_get_one_more():
    first, second = groups(torch.arange(7)[None], 3)
    assert first.tolist() == [[[0, 1], [2, 3]]]
    assert second.tolist() == [[[4, 5, 6]]]


def test_a_class_takes_the_largest_of_its_channels_at_each_place():
    given = flat([1, 3], [2, 0], [5, 1], [0, 9], [4, 4], [0, 8], [7, 0])
    assert group_max(given, 3).tolist() == [[[[2, 3]], [[5, 9]], [[7, 8]]]]


# -------------------------------------------------------------------------------------------------------- the mask


@pytest.mark.parametrize(("size", "kept"), [(2, 1), (3, 2), (4, 2), (5, 3), (10, 6), (11, 7)])
def test_a_mask_keeps_the_codes_number_of_each_classs_channels(size, kept):
    assert random_mask(50, 50 * size, 0.6).view(50, size).sum(1).tolist() == [kept] * 50


def test_both_sizes_of_groups_are_masked():
    of_ten, of_eleven = groups(MCLoss(200, 2048).draw()[None], 200)
    assert of_ten.sum(2).unique().tolist() == [6]
    assert of_eleven.sum(2).unique().tolist() == [7]


def test_at_least_one_channel_of_a_class_stays_and_a_share_of_one_keeps_all():
    assert random_mask(4, 9, 0.01).sum() == 4
    assert random_mask(4, 9, 1.0).all()


def test_a_mask_is_drawn_anew_for_each_class_and_pass_and_drops_every_channel_equally_often():
    torch.manual_seed(0)
    drawn = torch.stack([random_mask(2, 6, 0.6) for _ in range(600)])
    assert (drawn[:, :3] != drawn[:, 3:]).any()
    assert ((drawn.float().mean(0) - 2 / 3).abs() < 0.08).all()
    torch.manual_seed(0)
    assert torch.equal(random_mask(2, 6, 0.6), drawn[0])


# -------------------------------------------------------------------------------------------------------- discriminality


def test_the_discriminality_of_a_worked_map():
    # Largest (2, 3) and (1, 1), so the logits are 2.5 and 1. Without channel 0 they are 1 and 1.
    given, classes = flat([1, 3], [2, 0], [0, 1], [1, 0]), tensor([0])
    assert discriminality(given, classes, 2, whole(given)).item() == pytest.approx(math.log(1 + math.exp(-1.5)))
    assert discriminality(given, classes, 2, tensor([False, True, True, True])).item() == pytest.approx(math.log(2))


def test_with_one_channel_a_class_the_logits_are_their_averages():
    given, classes = some(channels=4), tensor([0, 3, 2])
    assert torch.isclose(discriminality(given, classes, 4, whole(given)), F.cross_entropy(given.mean((2, 3)), classes))


def test_a_dropped_channel_gets_no_gradient_in_any_image_and_each_kept_one_does():
    given = some(batch=4, channels=12, side=12).requires_grad_()
    kept = random_mask(4, 12, 0.6)
    discriminality(given, tensor([0, 1, 2, 3]), 4, kept).backward()
    assert torch.equal(given.grad.abs().sum((2, 3)) > 0, kept.expand(4, 12))


def test_a_step_against_it_raises_the_channels_of_the_right_class_and_lowers_all_others():
    given = some().requires_grad_()
    discriminality(given, tensor([2, 0, 1]), 3, whole(given)).backward()
    for gradient, right in zip(given.grad, ([4, 5, 6], [0, 1], [2, 3]), strict=True):
        own = torch.zeros(7, dtype=torch.bool)
        own[right] = True
        assert (gradient[own] <= 0).all()
        assert (gradient[~own] >= 0).all()
        assert (gradient.abs().sum((1, 2)) > 0).all()


def test_a_dropped_channel_is_no_candidate_where_the_others_are_negative():
    given = flat([-2, -2], [5, 5], [-1, -1], [3, 3])
    assert discriminality(given, tensor([1]), 2, tensor([True, False, True, False])).item() == pytest.approx(math.log(1 + math.exp(-1)))


def test_on_a_rectified_map_dropping_is_multiplying_by_zero():
    given, classes, kept = (some() - 0.5).relu(), tensor([0, 1, 2]), random_mask(3, 7, 0.6)
    assert torch.equal(discriminality(given, classes, 3, kept), discriminality(given * kept[:, None, None], classes, 3, whole(given)))


# -------------------------------------------------------------------------------------------------------- diversity


def test_the_diversity_of_a_worked_group():
    assert diversity(flat([LN3, 0], [0, LN3]), 1).item() == pytest.approx(1 - 1.5 / 2)  # the larger of 3/4 and 1/4 at both places


@pytest.mark.parametrize("size", [2, 3, 10])
def test_its_bounds_are_peaks_at_different_places_and_equal_channels(size):
    assert diversity(PEAK * torch.eye(size, dtype=torch.float64)[None, :, None], 1).item() == pytest.approx(0)
    same = some(channels=1).expand(-1, size, -1, -1)
    for given in (same, torch.zeros_like(same)):
        assert diversity(given, 1).item() == pytest.approx(1 - 1 / size)


def test_it_is_averaged_over_all_classes_and_images():
    apart, same = [[PEAK, 0, 0], [0, PEAK, 0]], [[PEAK, 0, 0], [PEAK, 0, 0]]
    batch = torch.cat([flat(*apart, *same), flat(*same, *same)])
    assert diversity(batch, 2).item() == pytest.approx(3 / 4 * 1 / 2)


def test_groups_of_two_sizes_add_up_their_means_as_in_the_code():
    # Two classes of two channels, apart and the same, and one of three, the same.
    given = flat([PEAK, 0, 0], [0, PEAK, 0], [0, 0, PEAK], [0, 0, PEAK], *[[0, PEAK, 0]] * 3)
    assert diversity(given, 3).item() == pytest.approx((0 + 1 / 2) / 2 + 2 / 3)
    assert diversity(torch.zeros(1, 2048, 2, 2, dtype=torch.float64), 200).item() == pytest.approx(0.9 + 10 / 11)


def test_a_step_against_it_moves_channels_apart():
    given = flat([0.2, 0.1, 0], [0, 0.1, 0.2]).requires_grad_()
    before = diversity(given, 1)
    before.backward()
    first, second = given.grad[0, :, 0]
    assert first[0] < 0 < first[2]
    assert second[2] < 0 < second[0]
    assert diversity(given - given.grad, 1) < before


def test_a_constant_on_a_channel_changes_no_diversity_and_the_logit_of_its_own_class_alone():
    given = some()
    moved = given + 0.3 * F.one_hot(tensor(2), 7)[:, None, None]
    assert torch.isclose(diversity(moved, 3), diversity(given, 3))
    raised = (group_max(moved, 3) - group_max(given, 3)).mean((2, 3))
    assert (raised[:, 1] > 0).all()
    assert (raised[:, 1] <= 0.3).all()
    assert raised[:, [0, 2]].abs().max() == 0


# -------------------------------------------------------------------------------------------------------- both terms


def both(features: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    return torch.stack([discriminality(features, classes, 3, whole(features)), diversity(features, 3)])


def test_the_order_of_a_groups_channels_and_of_places_doesnt_matter():
    given, classes = some(), tensor([0, 1, 2])
    expected = both(given, classes)
    assert torch.allclose(both(given[:, [1, 0, 2, 3, 6, 4, 5]], classes), expected)
    assert torch.allclose(both(given.flatten(2)[:, :, torch.randperm(9)].unflatten(2, (3, 3)), classes), expected)
    assert not torch.allclose(both(given[:, [0, 2, 1, 3, 4, 5, 6]], classes), expected)


def test_groups_in_another_order_are_classes_in_another_order():
    given, classes = some(channels=6), tensor([0, 1, 2])
    assert torch.allclose(both(given[:, [4, 5, 0, 1, 2, 3]], (classes + 1) % 3), both(given, classes))


def test_half_precision_is_left():
    given = some().bfloat16()
    assert all(term.dtype == torch.float32 for term in MCLoss(3, 7)(given, tensor([0, 1, 2])))


def test_the_module_draws_a_mask_a_call_which_diversity_doesnt_depend_on():
    given, classes, loss = some(channels=12), tensor([0, 1, 2]), MCLoss(3, 12)
    torch.manual_seed(0)
    calls = [loss(given, classes) for _ in range(20)]
    assert len({first.item() for first, _ in calls}) > 10
    assert {second.item() for _, second in calls} == {diversity(given, 3).item()}
    torch.manual_seed(0)
    assert loss(given, classes, loss.draw())[0] == calls[0][0]


# -------------------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("classes", "channels", "advice"),
    [
        (200, 399, r"400 for 200 classes; there are 399\. Take a backbone with as many, such as resnet18 \(512\) or resnet50 \(2048\), or .* to 600 channels .*channels=600"),
        (1000, 512, r"2000 for 1000 classes; there are 512\. Take a backbone with as many, such as resnet50 \(2048\), or .* to 3000"),
        (2000, 2048, r"4000 for 2000 classes; there are 2048\. Take a backbone with as many, or bring its map to 6000"),
    ],
)
def test_too_few_channels_are_refused_with_what_would_do(classes, channels, advice):
    with pytest.raises(ValueError, match=f"at least 2 channels a class: {advice}"):
        MCLoss(classes, channels)


def test_two_channels_a_class_are_enough():
    MCLoss(200, 400)


@pytest.mark.parametrize("keep", [0.0, -0.5, 1.1])
def test_a_share_that_keeps_nothing_or_more_than_all_is_refused(keep):
    with pytest.raises(ValueError, match=rf"more than 0 and at most 1, not {keep}"):
        MCLoss(3, 7, keep=keep)


@pytest.mark.parametrize("shape", [(2, 7), (2, 7, 9), (2, 7, 1, 1), (2, 8, 3, 3)])
def test_what_is_no_map_of_these_channels_is_refused(shape):
    with pytest.raises(ValueError, match=r"expected a map \(B, 7, h, w\) of several places, not pooled, not \(2, "):
        MCLoss(3, 7)(torch.zeros(shape), tensor([0, 1]))


def test_a_data_set_of_too_many_classes_is_refused_before_training_and_the_advice_helps():
    many = Classes(tuple(map(str, range(65))))
    with pytest.raises(Usage, match=r"130 for 65 classes; there are 128\..*channels=195"):
        build(MCLossNet, classes=many)
    method = build(MCLossNet, classes=many, channels=195)
    assert method.features(images()).shape[1] == 195
    assert method.features(images()).min() == 0
    assert method(images()).shape == (4, 65)


def test_images_whose_last_map_is_a_single_place_are_refused_before_training():
    with pytest.raises(Usage, match="different places: expected larger images"):
        build(MCLossNet, side=16)


# -------------------------------------------------------------------------------------------------------- the method


def test_its_terms_are_the_weighted_loss_on_the_last_map():
    method = build(MCLossNet, alpha=1.5, beta=20.0).eval()
    kept = method.mutual_channel.draw()
    terms, features = method.losses(images(), labels(), kept), method.features(images())
    assert torch.equal(terms["cross-entropy"], F.cross_entropy(method(images()), labels()))
    assert torch.isclose(terms["discriminality"], 1.5 * discriminality(features, labels(), 4, kept))
    assert torch.isclose(terms["diversity"], 20 * diversity(features, 4))


def test_cross_entropy_reaches_everything_and_both_other_terms_the_backbone_alone():
    method = build(MCLossNet, pretrained=True)
    terms, names = method.losses(images(), labels()), {name for name, _ in method.named_parameters()}
    assert reached(method, terms["cross-entropy"]) == names
    for name in ("discriminality", "diversity"):
        assert reached(method, terms[name]) == {parameter for parameter in names if parameter.startswith("backbone.")}


def test_a_convolution_before_the_loss_is_reached_by_all_terms():
    method = build(MCLossNet, pretrained=True, channels=12)
    for term in method.losses(images(), labels()).values():
        assert {"rectify.0.weight", "rectify.1.weight", "rectify.1.bias"} <= reached(method, term)


def test_the_test_pass_is_backbone_and_classifier_on_maxima_without_the_loss(monkeypatch):
    method = build(MCLossNet, pretrained=True).eval()
    monkeypatch.delattr(MCLoss, "forward")
    features = method.backbone(images())[-1]
    assert features.min() >= 0  # so the ReLU changes nothing
    assert torch.equal(method(images()), method.head(features.flatten(2).amax(2)))


def test_a_step_has_one_mask_for_all_micro_batches_and_the_next_step_another(monkeypatch):
    seen = []

    class Spy(MCLossNet):
        def losses(self, images, labels, kept=None):
            seen.append(kept)
            return super().losses(images, labels, kept)

    plain = (op("Normalize", mean=[0.5] * 3, std=[0.5] * 3),)
    method = build(Spy, side=32, batch_size=8, micro_batches=2, epochs=2, train=plain, test=plain)
    split = Split(labels(8).tolist(), lambda index: torch.zeros(3, 32, 32, dtype=torch.uint8))
    Trainer(method, Data("eight", FOUR, split, split, split, "0" * 32), Accelerator(cpu=True), Settings(seed=0)).fit()
    assert len(seen) == 4
    assert torch.equal(seen[0], seen[1])
    assert torch.equal(seen[2], seen[3])
    assert not torch.equal(seen[0], seen[2])


def test_it_looks_at_the_largest_of_the_predicted_classs_channels():
    method = build(MCLossNet, pretrained=True).eval()
    with torch.no_grad():
        features, predicted = method.features(images()), method(images()).argmax(1)
        maps = method.evidence(images())
    for image, found, one in zip(features, maps, predicted.tolist(), strict=True):
        assert torch.equal(found, image[32 * one : 32 * one + 32].amax(0))  # 128 channels, four classes


def test_maxima_are_where_the_predicted_logit_comes_from():
    method = build(MCLossNet).eval()
    first, second = flat([4, 1, 0], [0, 3, 1], [0, 0, 2], [0, 0, 5]).float(), flat([0, 1, 0], [0, 0, 6], [0, 0, 0], [0, 2, 0]).float()
    method.features = lambda given: torch.cat([first, second])
    weight = tensor([[1.0, 2.0, -1.0, 0.5]])
    method.head = torch.nn.Linear(4, 2, bias=False)
    with torch.no_grad():
        method.head.weight.copy_(torch.cat([weight, -weight]))
        found = method.evidence_maps(images(2))["maxima"]
    # 4 · 1 at place 0, 3 · 2 at place 1, and 2 · −1 + 5 · 0.5 at place 2; then 1 · 1 + 2 · 0.5 at place 1 and 6 · 2 at place 2.
    assert found.tolist() == [[[4, 6, 0.5]], [[0, 2, 12]]]


def test_the_lines_of_the_site_are_the_methods_loss():
    method = build(MCLossNet, alpha=1.5, beta=20.0).eval()
    features = method.features(images())
    torch.manual_seed(0)
    names = {"logits": method.classify(features), "labels": labels(), "classes": 4, "features": features}
    exec(read(FOLDER / "mc-loss.md").code.replace("512", "128"), names)  # noqa: S102 - the lines that the site shows
    torch.manual_seed(0)
    assert torch.isclose(names["loss"], sum(method.losses(images(), labels()).values()))


def test_the_papers_recipe_has_the_codes_weights_on_the_backbones_own_channels_and_a_cosine_by_epoch():
    recipe = MCLossNet.recipe
    assert recipe.channels is None
    assert recipe.beta == pytest.approx(10 * recipe.alpha)
    assert [recipe.schedule(epoch * 93, 93, 300 * 93) for epoch in (0, 150)] == pytest.approx([1, 0.5])


# -------------------------------------------------------------------------------------------------------- ablations


@pytest.mark.parametrize(("kind", "gone"), [(CrossEntropyAlone, {"discriminality", "diversity"}), (NoDiscriminality, {"discriminality"}), (NoDiversity, {"diversity"})])
def test_an_ablation_lacks_its_terms_and_has_the_others_as_they_are(kind, gone):
    method, other = build(MCLossNet).eval(), build(kind).eval()
    kept = method.mutual_channel.draw()
    terms, left = method.losses(images(), labels(), kept), other.losses(images(), labels(), kept)
    assert terms.keys() - left.keys() == gone
    assert all(torch.equal(left[name], terms[name]) for name in left)


def test_without_the_mask_no_channel_is_switched_off():
    assert not build(MCLossNet).mutual_channel.draw().all()
    assert build(NoMask).mutual_channel.draw().all()
