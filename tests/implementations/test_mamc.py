"""What makes MAMC this paper: four sets of features, three N-pair losses that rank them, several excitations, and batches of pairs."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn, tensor

from implementations.ablations.mamc import NoConstraint, OneLoss, OpenGates, UnitFeatures
from implementations.common.data import Data, Split
from implementations.common.errors import Fault, Usage
from implementations.common.fingerprint import OneProcess
from implementations.common.method import Classes
from implementations.common.train import Settings, Trainer
from implementations.mamc import MAMC, OSME, PerAttention, constraint, four_sets, n_pair
from tests.implementations.tiny import build, images, labels, reached
from tools.pages.losses import FOLDER, read

SASC, SADC, DASC = "same attention, same class", "same attention, different class", "different attention, same class"


def randn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def per_feature(features: Tensor) -> dict[str, float]:
    """The three losses of features (B, P, D) of pairs, over the number of features: 2P features a pair."""
    return {name: term.item() / (2 * features.shape[1]) for name, term in constraint(features, labels(len(features))).items()}


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


# ------------------------------------------------------------------------------------------------------- the four sets


def test_the_four_sets_of_one_feature_of_two_pairs_by_hand():
    # Image by image, first and second attention: images 0 and 1 are of one class, 2 and 3 of the other.
    first, last = ([mask[index].nonzero().flatten().tolist() for mask in four_sets(labels(4), 2)] for index in (0, 7))
    assert first == [[2], [4, 6], [1, 3], [5, 7]]
    assert last == [[5], [1, 3], [4, 6], [0, 2]]


@pytest.mark.parametrize(("pairs", "attentions"), [(2, 2), (3, 2), (4, 3), (3, 1)])
def test_the_sets_have_the_papers_sizes_and_with_the_feature_itself_make_up_all(pairs, attentions):
    sets = four_sets(labels(2 * pairs), attentions)
    sizes = [1, 2 * (pairs - 1), 2 * (attentions - 1), 2 * (pairs - 1) * (attentions - 1)]
    assert [set(mask.sum(1).tolist()) for mask in sets] == [{size} for size in sizes]
    assert torch.equal(sum(mask.int() for mask in sets) + torch.eye(2 * pairs * attentions, dtype=torch.int), torch.ones_like(sets[0], dtype=torch.int))


# ------------------------------------------------------------------------------------------------------- the three losses


def test_a_positive_meets_the_negatives_of_its_own_row():
    products = tensor([[0.0, math.log(2), math.log(6)], [5.0, 5.0, 5.0], [7.0, 7.0, 7.0]])
    positives, negatives = (tensor([[False, first, not first], [False] * 3, [False] * 3]) for first in (True, False))
    assert n_pair(products, positives, negatives).item() == pytest.approx(math.log(1 + 6 / 2))


def test_gradients_go_to_every_feature_as_itself_positive_and_negative():
    torch.autograd.gradcheck(lambda features: tuple(constraint(features, labels(4)).values()), randn(4, 2, 3).requires_grad_())


def test_equal_features_cost_the_logarithm_of_one_more_than_the_negatives():
    terms = constraint(torch.ones(4, 2, 3), labels(4))
    # A feature has 1, 2 and 2 positives, against 6, 2 and 2 negatives; of 8 features, over 2 pairs. It isn't its own positive.
    expected = {SASC: math.log(7), SADC: 2 * math.log(3), DASC: 2 * math.log(3)}
    assert {name: term.item() for name, term in terms.items()} == pytest.approx({name: 8 / 2 * value for name, value in expected.items()})


def test_features_that_are_half_attention_and_half_class_cost_what_the_dossier_works_out():
    attention, label = torch.eye(4, dtype=torch.float64)[:2], torch.eye(4, dtype=torch.float64)[2:]
    features = (attention + label[labels(4)][:, None]) / math.sqrt(2)  # products 1, 1/2, 1/2 and 0
    near, half = math.exp(-0.5), 2 * math.log(1 + 2 * math.exp(-0.5))
    assert per_feature(features) == pytest.approx({SASC: math.log(1 + 4 * near + 2 * math.exp(-1)), SADC: half, DASC: half})
    assert per_feature(features) == pytest.approx({SASC: 1.4260, SADC: 1.5888, DASC: 1.5888}, abs=1e-4)


def test_they_are_the_papers_sums_over_every_feature_positive_and_negative():
    features, classes = randn(6, 3, 5), [0, 1, 1, 2, 0, 2]
    kinds = {SASC: (True, True), SADC: (True, False), DASC: (False, True)}
    places, sums = list(itertools.product(range(6), range(3))), dict.fromkeys(kinds, 0.0)
    for place, (name, kind) in itertools.product(places, kinds.items()):
        image, attention = place
        shared = {other: (other[1] == attention, classes[other[0]] == classes[image]) for other in places if other != place}
        negatives = [other for other, what in shared.items() if what == (False, False) or (name == SASC and what != kind)]
        for positive in (other for other, what in shared.items() if what == kind):
            sums[name] += math.log(1 + sum(math.exp(features[place] @ (features[other] - features[positive])) for other in negatives))
    terms = constraint(features, tensor(classes))
    assert {name: term.item() for name, term in terms.items()} == pytest.approx({name: value / 3 for name, value in sums.items()})


def test_with_one_attention_the_first_is_the_ordinary_n_pair_loss_and_the_others_are_nothing():
    features = randn(4, 1, 5).requires_grad_()
    terms = constraint(features, labels(4))
    products = (features[:, 0] @ features[:, 0].T).tolist()
    pairs = [(0, 1, (2, 3)), (1, 0, (2, 3)), (2, 3, (0, 1)), (3, 2, (0, 1))]
    ordinary = sum(math.log(1 + sum(math.exp(products[f][other] - products[f][partner]) for other in others)) for f, partner, others in pairs)
    assert terms[SASC].item() == pytest.approx(ordinary / 2)
    assert terms[SADC] == terms[DASC] == 0
    sum(terms.values()).backward()
    assert features.grad.isfinite().all()


def test_what_shares_one_thing_is_pushed_off_by_the_first_loss_and_drawn_near_by_its_own():
    both, attention, label, neither = four_sets(labels(4), 2)
    masks = {SASC: (both, attention | label | neither), SADC: (attention, neither), DASC: (label, neither)}
    signs = {}
    for name, (positives, negatives) in masks.items():
        products = randn(8, 8).requires_grad_()
        n_pair(products, positives, negatives).backward()
        signs[name] = products.grad.sign()[0, [0, 2, 4, 1, 5]].tolist()  # itself, then one of each set
    assert signs == {SASC: [0, -1, 1, 1, 1], SADC: [0, 0, -1, 0, 1], DASC: [0, 0, 0, -1, 1]}


def test_other_names_of_classes_and_attentions_change_nothing_but_an_image_with_its_attentions_swapped_does():
    features = randn(6, 3, 4)
    whole = sum(constraint(features, labels(6)).values())
    assert torch.isclose(sum(constraint(features, tensor([7, 3, 0])[labels(6)]).values()), whole)
    assert torch.isclose(sum(constraint(features[:, [2, 0, 1]], labels(6)).values()), whole)
    swapped = torch.cat([features[:1, [2, 0, 1]], features[1:]])
    assert not torch.isclose(sum(constraint(swapped, labels(6)).values()), whole)


def test_lengths_count_and_features_of_length_one_bound_the_first_loss():
    features = randn(4, 2, 3)
    assert per_feature(2 * features)[SASC] != pytest.approx(per_feature(features)[SASC], rel=0.1)
    assert 0 < per_feature(F.normalize(features, dim=2))[SASC] <= math.log(1 + 6 * math.exp(2))


def test_a_step_against_them_orders_the_four_sets_as_the_paper_wants():
    features = (0.1 * randn(4, 2, 8)).requires_grad_()
    for _ in range(200):
        (gradient,) = torch.autograd.grad(sum(constraint(features, labels(4)).values()), features)
        features = (features - 0.02 * gradient).detach().requires_grad_()
    every = features.flatten(0, 1)
    both, attention, label, neither = ((every @ every.T)[mask].mean().item() for mask in four_sets(labels(4), 2))
    assert both > max(attention, label) > min(attention, label) > neither


def test_great_products_dont_overflow_and_half_precision_is_left():
    features = (30 * randn(4, 2, 16)).bfloat16().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        terms = constraint(features, labels(4))
    assert (features.flatten(0, 1).float() @ features.flatten(0, 1).float().T).max() > 5000
    exact = constraint(features.double(), labels(4))
    assert {name: term.item() for name, term in terms.items()} == pytest.approx({name: term.item() for name, term in exact.items()}, rel=1e-5)
    assert {term.dtype for term in terms.values()} == {torch.float32}
    sum(terms.values()).backward()
    assert features.grad.isfinite().all()


@pytest.mark.parametrize(("shape", "count"), [((4, 3), 4), ((4, 2, 3), 8)])
def test_features_without_attentions_and_labels_of_other_images_are_refused(shape, count):
    with pytest.raises(ValueError, match=r"^found features \(4, .*, labels \(\d,\): expected \(B, P, D\) and \(B,\)$"):
        constraint(torch.ones(shape), labels(count))


# ------------------------------------------------------------------------------------------------------- OSME


def test_each_attention_has_a_linear_layer_of_its_own():
    layer, inputs = PerAttention(3, 5, 2), torch.randn(4, 3, 5)
    ours = layer(inputs)
    for p in range(3):
        assert torch.allclose(ours[:, p], F.linear(inputs[:, p], layer.weight[p].T, layer.bias[p, 0]), atol=1e-6)
    assert not torch.equal(layer.weight[0], layer.weight[1])
    assert layer.weight.abs().max() <= 1 / math.sqrt(5)


def test_gates_come_from_the_squeezed_map_alone_and_the_layer_sees_where_things_are():
    osme, features = OSME(16, (3, 3), 4), torch.rand(2, 16, 3, 3)
    gates, moved = osme.gates(features), features.roll(1, 3)
    assert torch.allclose(osme.gates(moved), gates, atol=1e-6)
    assert torch.allclose(osme.gates(features[1:]), gates[1:], atol=1e-6)
    assert not torch.allclose(osme(moved), osme(features), atol=1e-3)
    assert ((gates > 0) & (gates < 1)).all()
    assert not torch.allclose(gates[:, 0], gates[:, 1], atol=1e-3)


def test_a_worked_excitation_of_two_channels():
    osme = OSME(2, (1, 2), 1, attentions=2, reduction=2)
    with torch.no_grad():
        osme.shrink.weight.copy_(tensor([[[1.0], [0.0]], [[0.0], [-1.0]]]))  # the first channel's mean; minus the second's, cut at 0
        osme.expand.weight.copy_(tensor([[[math.log(3), 0.0]], [[1.0, 1.0]]]))
        for layer in (osme.shrink, osme.expand):
            nn.init.zeros_(layer.bias)
    features = tensor([[[[0.0, 2.0]], [[4.0, 6.0]]]])  # means 1 and 5
    assert osme.gates(features)[0].tolist() == [pytest.approx([0.75, 0.5]), pytest.approx([0.5, 0.5])]
    scaled = math.sqrt(2) * osme.excite(features)[0]
    assert scaled.tolist() == [pytest.approx([0, 1.5, 2, 3]), pytest.approx([0, 1, 2, 3])]


def test_an_even_map_is_as_long_an_input_as_its_pooled_one_whatever_its_size():
    lengths = []
    for size in ((1, 1), (4, 6)):
        torch.manual_seed(0)
        osme = OSME(8, size, 4)
        lengths.append(osme.excite(torch.arange(1.0, 9).view(1, 8, 1, 1).expand(-1, -1, *size)).norm(dim=2))
    assert torch.allclose(*lengths)


def test_open_gates_and_the_same_layer_make_the_same_features():
    osme, features = OSME(8, (2, 2), 4, attentions=3), torch.rand(2, 8, 2, 2)
    osme.gates = lambda seen: torch.ones(len(seen), 3, 8)
    assert not torch.allclose(*osme(features)[:, :2].unbind(1))
    with torch.no_grad():
        for parameter in osme.project.parameters():
            parameter.copy_(parameter[:1].expand_as(parameter))
    assert torch.allclose(*osme(features)[:, :2].unbind(1))


def test_a_map_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"^found maps of \(4, 3\): expected \(3, 4\), for which OSME was made$"):
        OSME(8, (3, 4), 2)(torch.ones(2, 8, 4, 3))


# ------------------------------------------------------------------------------------------------------- the method


def test_training_adds_lambda_times_three_losses_to_the_cross_entropy_of_the_test_pass():
    method = build(MAMC, constraint_weight=0.3).eval()
    terms, features = method.losses(images(), labels()), method.osme(method.backbone(images())[-1])
    assert list(terms) == ["cross-entropy", SASC, SADC, DASC]
    assert torch.isclose(terms["cross-entropy"], F.cross_entropy(method(images()), labels()))
    for name, term in constraint(features, labels()).items():
        assert torch.isclose(terms[name], 0.3 * term)
        assert term > 0


def test_every_attention_counts_in_the_answer_which_is_of_their_sum():
    method = build(MAMC, attentions=3).eval()
    features = method.osme(method.backbone(images())[-1])
    assert features.shape == (4, 3, method.recipe.width)
    assert torch.allclose(method(images()), method.classifier(features[:, 0] + features[:, 1] + features[:, 2]), atol=1e-6)


def test_the_constraint_reaches_all_but_the_classifier_and_the_cross_entropy_everything():
    method = build(MAMC, pretrained=True)
    everything = {name for name, _ in method.named_parameters()}
    terms = method.losses(images(), labels())
    assert reached(method, terms.pop("cross-entropy")) == everything
    for term in terms.values():
        assert reached(method, term) == everything - {"classifier.weight", "classifier.bias"}


def test_shares_of_positions_and_attentions_add_up_to_the_predicted_classs_logit():
    method = build(MAMC, pretrained=True).eval()
    with torch.no_grad():
        logits, shares = method(images()), method.shares(images())
        biases = method.classifier(method.osme.project.bias.sum(0))[0]
        maps = method.evidence_maps(images())
    assert shares.shape == (4, 2, *method.backbone.sizes[-1])
    assert torch.allclose(shares.sum((1, 2, 3)) + biases[logits.argmax(1)], logits.amax(1), atol=1e-5)
    assert list(maps) == ["evidence", "attention 1", "attention 2"]
    assert torch.equal(maps["evidence"], shares.sum(1).relu())
    assert torch.equal(maps["attention 2"], shares[:, 1].relu())


# ------------------------------------------------------------------------------------------------------- batches of pairs


def of_trainer(drawn: list[int], processes: int = 1, **recipe) -> Trainer:
    split, classes = Split(drawn, lambda index: None), Classes(tuple("abcd"[: 1 + max(drawn)]))
    return Trainer(build(MAMC, classes=classes, **recipe), Data("few", classes, split, split, split, "0" * 32), OneProcess(num_processes=processes), Settings())


def test_a_batch_holds_two_different_images_of_each_of_its_classes_side_by_side():
    classes = [index % 7 for index in range(60)]
    batches = build(MAMC).batches(classes, 8, random.Random(0))
    for batch in batches:
        drawn = [classes[index] for index in batch]
        assert drawn[0::2] == drawn[1::2]
        assert len(set(drawn)) == 4
        assert len(set(batch)) == 8
    assert len({frozenset(classes[index] for index in batch) for batch in batches}) > 1


def test_a_classs_images_come_in_turn():
    batches = build(MAMC).batches([0] * 6 + [1] * 6, 4, random.Random(0))
    assert Counter(index for batch in batches for index in batch) == dict.fromkeys(range(12), 1)


@pytest.mark.parametrize(("count", "size", "expected"), [(5994, 10, 599), (5994, 16, 374), (3, 8, 1)])
def test_an_epoch_shows_as_many_images_as_there_are(count, size, expected):
    assert len(build(MAMC).batches([index % 200 for index in range(count)], size, random.Random(0))) == expected


def test_with_fewer_classes_than_pairs_a_batch_holds_a_pair_of_each():
    assert [len(batch) for batch in build(MAMC).batches([index % 3 for index in range(30)], 8, random.Random(0))] == [6] * 5


def test_of_an_odd_number_of_images_all_come_in_the_end():
    method = build(MAMC)
    epochs = [method.batches([0] * 3 + [1] * 3, 4, random.Random(seed)) for seed in range(8)]
    assert {index for epoch in epochs for batch in epoch for index in batch} == set(range(6))


def test_a_class_of_one_image_is_refused():
    with pytest.raises(Fault, match="class 'd' has 1 training images; this method needs at least 2 of each"):
        of_trainer([0, 0, 1, 1, 2, 2, 3], batch_size=6)


@pytest.mark.parametrize("size", [2, 9])
def test_a_batch_that_isnt_whole_pairs_of_two_classes_is_refused(size):
    with pytest.raises(Usage, match=f"{size} images can't be whole pairs of two classes: expected an even number from 4 on"):
        build(MAMC, batch_size=size)


@pytest.mark.parametrize(("processes", "recipe"), [(2, {}), (1, {"images_per_loss": 4})])
def test_every_share_of_a_batch_holds_whole_pairs_of_two_classes(processes, recipe):
    classes = labels(8).tolist() * 3
    for batch in of_trainer(classes, processes, batch_size=8, **recipe).epoch_batches(0):
        for share in (batch[:4], batch[4:]):
            assert sorted(Counter(classes[index] for index in share).values()) == [2, 2]


@pytest.mark.parametrize(("size", "classes"), [(6, 4), (8, 3)])
def test_shares_that_would_part_a_pair_are_refused(size, classes):
    with pytest.raises(Usage, match=r"the 3 that a process sees at once hold 1 of class '.', expected at least 2 of each class and 2 classes"):
        of_trainer([index % classes for index in range(24)], 2, batch_size=size)


# ------------------------------------------------------------------------------------------------------- ablations


def test_without_the_constraint_only_the_cross_entropy_is_left():
    with_it, without = (build(kind).eval().losses(images(), labels()) for kind in (MAMC, NoConstraint))
    assert list(without) == ["cross-entropy"]
    assert torch.equal(without["cross-entropy"], with_it["cross-entropy"])


def test_with_one_loss_the_two_rankings_are_gone():
    with_all, with_one = (build(kind).eval().losses(images(), labels()) for kind in (MAMC, OneLoss))
    assert list(with_one) == ["cross-entropy", SASC]
    assert torch.equal(with_one[SASC], with_all[SASC])


def test_unit_features_are_compared_whatever_their_lengths():
    features = randn(4, 2, 3)
    ours, longer = (UnitFeatures.constrain(scale * features, labels(4)) for scale in (1, 5))
    assert {name: term.item() for name, term in ours.items()} == pytest.approx({name: term.item() for name, term in longer.items()})


def test_behind_open_gates_every_attention_sees_the_map_as_it_is():
    method = build(OpenGates)
    features = torch.rand(2, *method.backbone.channels[-1:], *method.backbone.sizes[-1])
    for p in range(2):
        assert torch.allclose(method.osme.excite(features)[:, p], method.osme.scale * features.flatten(1))
    assert {name.split(".")[0] for name, _ in method.osme.named_parameters()} == {"project"}


def test_the_lines_of_the_site_add_the_weighted_constraint_to_the_cross_entropy():
    torch.manual_seed(0)
    names = {"features": torch.rand(8, 512, 4, 4), "labels": torch.arange(8) // 2, "classes": 4}
    exec(read(FOLDER / "mamc.md").code, names)  # noqa: S102 - the lines that the site shows
    added = names["loss"] - names["cross_entropy"]
    assert torch.isclose(added, 0.02 * sum(constraint(names["attended"], names["labels"]).values()), atol=1e-5)
    assert added > 0
