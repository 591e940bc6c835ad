"""What makes API-Net this paper: hardest pairs, gates from both images, four answers by one classifier, and none of it at test time."""

from __future__ import annotations

import math
import random

import pytest
import torch
from torch import tensor

from implementations.ablations.api_net import AnyPairs, NoPairs, UniformGates
from implementations.api_net import APINet, attend, hardest_pairs, ranking
from tests.implementations.tiny import build, images, labels


def test_the_gates_of_a_worked_pair():
    first, second, mutual = tensor([[1.0, 0.0]]), tensor([[0.0, 1.0]]), tensor([[math.log(3), math.log(3)]])
    assert [one.tolist()[0] for one in attend(first, second, mutual)] == [[1.75, 0.0], [1.5, 0.0], [0.0, 1.75], [0.0, 1.5]]


def test_own_and_others_gate_differ_by_the_gates_times_the_feature():
    first, second, mutual = torch.randn(3, 5, 7, dtype=torch.float64).unbind()
    own1, other1, own2, other2 = attend(first, second, mutual)
    gate1, gate2 = (mutual * first).sigmoid(), (mutual * second).sigmoid()
    assert torch.allclose(own1 - other1, (gate1 - gate2) * first)
    assert torch.allclose(own2 - other2, (gate2 - gate1) * second)


def test_an_attended_feature_lies_between_itself_and_its_double():
    first, second, mutual = torch.randn(3, 5, 7).unbind()
    for attended, feature in zip(attend(first, second, mutual), (first, first, second, second), strict=True):
        assert ((attended / feature > 1) & (attended / feature < 2)).all()
    assert torch.allclose(attend(first, second, torch.zeros(5, 7))[1], 1.5 * first)


@pytest.mark.parametrize(("own", "other", "expected"), [(0.60, 0.58, 0.03), (0.5, 0.5, 0.05), (0.7, 0.6, 0.0)])
def test_the_ranking_loss_is_a_hinge_on_the_true_classs_probability(own, other, expected):
    by_own, by_other = (tensor([[math.log(p), math.log(1 - p)]], requires_grad=True) for p in (own, other))
    loss = ranking(by_own, by_other, tensor([0]), 0.05)
    assert loss.item() == pytest.approx(expected, abs=1e-6)
    loss.backward()
    assert (by_own.grad.abs().max() == 0) == (expected == 0)


def test_the_nearest_of_each_kind_is_found():
    features, classes = tensor([[0.0], [1.0], [3.0], [10.0]]), tensor([0, 0, 1, 1])
    intra, inter = hardest_pairs(features, classes)
    assert intra.tolist() == [1, 0, 3, 2]
    assert inter.tolist() == [2, 2, 1, 1]


def test_each_batch_has_the_drawn_classes_with_the_same_number_of_different_images():
    method = build(APINet, classes_per_batch=3)
    classes = [label for label in range(8) for _ in range(10)]
    batches = method.batches(classes, 12, random.Random(0))
    assert len(batches) == 6  # (80 − 1) // 12
    for batch in batches:
        drawn = [classes[index] for index in batch]
        assert len(set(batch)) == 12
        assert sorted(drawn.count(label) for label in set(drawn)) == [4, 4, 4]
    assert len({tuple(sorted({classes[i] for i in batch})) for batch in batches}) > 1


@pytest.mark.parametrize(("count", "expected"), [(5994, 49), (6667, 55), (8144, 67), (23929, 199), (12000, 99)])
def test_an_epoch_has_as_many_batches_as_the_papers(count, expected):
    method = build(APINet, classes_per_batch=30, batch_size=120)
    assert len(method.batches([index % 60 for index in range(count)], 120, random.Random(0))) == expected


def test_a_batch_gives_eight_answers_an_image():
    method = build(APINet)
    seen = []
    method.classifier.register_forward_hook(lambda module, args, out: seen.append(len(out)))
    method.losses(images(8), labels(8))
    assert seen == [16] * 4


def test_while_the_backbone_is_frozen_only_its_batchnorm_statistics_move():
    method = build(APINet)
    assert [method.phase(epoch, 100) for epoch in (0, 7, 8)] == ["frozen backbone", "frozen backbone", "all"]
    assert method.phase(0, 100) == "frozen backbone"
    method.train()
    before = {name: value.clone() for name, value in method.state_dict().items()}
    optimizer = torch.optim.SGD(method.parameter_groups(), lr=0.1, weight_decay=0.1, momentum=0.9)
    sum(method.losses(images(), labels()).values()).backward()
    optimizer.step()
    moved = {name for name, value in method.state_dict().items() if not torch.equal(value, before[name])}
    assert {name for name in moved if "backbone" in name} == {n for n in before if n.endswith(("running_mean", "running_var", "num_batches_tracked"))}
    assert {name for name in moved if "backbone" not in name} == {name for name, _ in method.named_parameters() if "backbone" not in name}


def test_each_loss_reaches_backbone_mutual_vector_and_classifier():
    method = build(APINet)
    for term in method.losses(images(), labels()).values():
        gradients = torch.autograd.grad(term, list(method.parameters()), retain_graph=True, allow_unused=True)
        assert all(gradient is not None for gradient in gradients)


def test_training_depends_on_the_rest_of_the_batch_and_testing_leaves_the_pairs_out():
    method = build(APINet, pretrained=True).eval()
    partners = [method.mine(method.pooled(images(8)[:count]), labels(count)) for count in (4, 8)]
    assert not all(torch.equal(few, many[:4]) for few, many in zip(*partners, strict=True))
    method.mutual = None
    assert method(images()).shape == (4, 4)


def test_with_uniform_gates_both_answers_are_the_same_and_the_ranking_loss_is_its_margin():
    terms = build(UniformGates, dropout=0.0).losses(images(), labels())
    assert terms["ranking"].item() == pytest.approx(build(APINet).recipe.margin, abs=1e-6)
    assert not torch.allclose(terms["cross-entropy"], build(APINet, dropout=0.0).losses(images(), labels())["cross-entropy"])


def test_other_pairs_give_another_loss():
    hardest, anyone = (build(kind, dropout=0.0).losses(images(8), tensor([0, 1] * 4))["cross-entropy"] for kind in (APINet, AnyPairs))
    assert not torch.allclose(hardest, anyone)


def test_without_pairs_every_image_is_classified_once_and_the_loss_is_another():
    plain, method = build(NoPairs, dropout=0.0), build(APINet, dropout=0.0)
    seen = []
    plain.classifier.register_forward_hook(lambda module, args, out: seen.append(len(out)))
    terms = plain.losses(images(8), labels(8))
    assert seen == [8]
    assert not torch.allclose(terms["cross-entropy"], method.losses(images(8), labels(8))["cross-entropy"])
