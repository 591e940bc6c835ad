"""What makes GaRD this paper: positions related across two maps, a gated bank of the third order, its columns as a graph, groups that count."""

from __future__ import annotations

import copy
import random
from collections import Counter

import pytest
import timm
import torch
import torch.nn.functional as F
from torch import nn, tensor

from implementations.ablations.ghrd import BilinearPooling, MeanOfGroups, NoPositions
from implementations.common.cnn import CNN
from implementations.ghrd import GaRD, RelationGraph, normalized_adjacency, relations
from tests.implementations.tiny import FOUR, build, images, labels, reached


def two_maps(channels: int = 64, positions: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    """Rectified, in float64."""
    first, second = torch.randn(2, 3, channels, positions, generator=torch.Generator().manual_seed(0), dtype=torch.float64).relu()
    return first, second


# ------------------------------------------------------------------------------------------------------ relations


def test_the_relations_of_a_worked_pair_of_maps():
    identity = torch.eye(2)[None]
    assert relations(identity, identity).tolist() == [[[pytest.approx(0.5**0.5), 0], [0, pytest.approx(0.5**0.5)]]]
    assert relations(tensor([[[-8.0, 0.0]]]), identity).tolist() == [[[pytest.approx(-1), 0]]]
    assert relations(tensor([[[3.0], [4.0]]]), tensor([[[3.0, 0.0]]])).flatten().tolist() == pytest.approx([(3 / 7) ** 0.5, 0, (4 / 7) ** 0.5, 0])


def test_of_each_image_all_relations_together_have_length_one():
    first, second = two_maps()
    for left, right in ((first.mT, second), (-first, second.mT)):
        found = relations(left, right)
        assert found.flatten(1).norm(dim=1).tolist() == pytest.approx([1] * 3)
        assert torch.allclose(found, relations(7 * left, right))


def test_nothing_is_related_to_nothing():
    zeros = torch.zeros(1, 2, 3, requires_grad=True)
    relations(zeros, torch.ones(1, 3, 2)).sum().backward()
    assert not relations(zeros, torch.ones(1, 3, 2)).any()
    assert zeros.grad.isfinite().all()


def test_relations_and_adjacency_are_as_exact_under_autocast():
    first, second = (one.float() for one in two_maps())
    method = build(GaRD)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = relations(first, second.mT), normalized_adjacency(first), method.enrich(first, second)
    assert all(torch.equal(*pair) for pair in zip(found, (relations(first, second.mT), normalized_adjacency(first), method.enrich(first, second)), strict=True))


# ------------------------------------------------------------------------------------------------------ positions


def gated(*weights: float) -> GaRD:
    """The method on maps of 4 × 4 positions, its gate's weights repeated over them."""
    method = build(GaRD).double()
    with torch.no_grad():
        method.gate.weight.copy_(tensor(weights, dtype=torch.float64).repeat(16 // len(weights)))
    return method


def test_what_a_position_of_the_second_map_recalls_is_added_there_through_the_gate():
    """The first position's feature of the first map is the second position's of the second map: so it is gathered there."""
    method = gated(0.5, 0.25)
    first, second = torch.zeros(2, 1, 1, 16, dtype=torch.float64)
    first[..., 0] = second[..., 1] = 4.0
    assert method.enrich(first, second)[0, 0, :3].tolist() == pytest.approx([4, 4, 0])  # gathers [0, 4], opens the gate by 0.25 · 4


def test_the_gate_is_one_number_an_image_and_shut_it_leaves_plain_bilinear_pooling():
    first, second = two_maps()
    assert torch.equal(gated(0.0).enrich(first, second), first)
    method = gated(1.0, -2.0)
    gathered = first @ relations(first.mT, second)
    opened = (method.enrich(first, second) - first) / gathered
    assert torch.allclose(opened, method.gate(gathered.mean(1))[:, :, None].expand_as(opened))


@pytest.mark.parametrize(("gate", "alike"), [((0.3,), True), ((0.3, -0.7), False)])
def test_the_order_of_positions_counts_in_the_gate_alone(gate, alike):
    method, (first, second) = gated(*gate).eval(), two_maps()
    order = torch.randperm(16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        nn.init.normal_(method.classifier.weight)
        assert torch.allclose(method.classify(first, second), method.classify(first[..., order], second[..., order])) is alike


def test_the_positional_relations_learn_from_both_maps():
    first, second = (one.requires_grad_() for one in two_maps())
    gradients = torch.autograd.grad(gated(1.0).enrich(first, second).square().sum(), (first, second))
    assert all(gradient.any() for gradient in gradients)


# ------------------------------------------------------------------------------------------------------ the graph


@pytest.mark.parametrize(
    ("features", "expected"),
    [([[1.0], [1.0]], [0.5, 0.5, 0.5, 0.5]), ([[1.0], [3.0]], [1 / 4, 3 / 48**0.5, 3 / 48**0.5, 3 / 4]), ([[1.0, 0.0], [0.0, 2.0]], [1, 0, 0, 1]), ([[0.0], [2.0]], [0, 0, 0, 1])],
)
def test_the_adjacency_of_two_nodes_by_hand(features, expected):
    nodes = tensor([features], requires_grad=True)
    found = normalized_adjacency(nodes)
    assert found.flatten().tolist() == pytest.approx(expected)
    found.sum().backward()
    assert nodes.grad.isfinite().all()


def graph(pool=torch.amax) -> tuple[RelationGraph, torch.Tensor]:
    """A graph with 5 groups, and a bank for it of 3 images × 6 rows × 9 columns."""
    torch.manual_seed(0)
    module = RelationGraph(6, 4, 5).double().eval()
    module.pool = pool
    return module, torch.randn(3, 6, 9, dtype=torch.float64)


def test_columns_are_nodes_in_any_order_and_rows_are_their_features():
    module, bank = graph()
    assert torch.allclose(module(bank.flip(2)), module(bank))
    assert not torch.allclose(module(bank.flip(1)), module(bank))


def test_messages_and_groups_are_of_what_the_adjacency_gathers():
    module, bank = graph()
    given = {}
    for name in ("message", "grouping"):
        getattr(module, name).register_forward_hook(lambda layer, inputs, output, name=name: given.update({name: (inputs[0], output)}))
    module(bank)
    adjacency = normalized_adjacency(module.edges(bank).mT)
    assert torch.allclose(given["message"][0], adjacency @ module.features(bank).mT)
    assert torch.allclose(given["grouping"][0], adjacency @ F.leaky_relu(given["message"][1], 0.2))


def test_the_groups_share_every_node_out():
    seen = []
    module, bank = graph(lambda groups, dim: seen.append(groups.sum(dim)) or torch.zeros_like(groups[:, 0]))
    nodes = 9 * module(bank)  # the mean over nodes is all that is left of the read-out
    assert torch.allclose(seen[0], nodes)


def test_the_grouping_counts_and_in_the_released_read_out_it_doesnt():
    gradients, answers = {}, {}
    for pool in (torch.amax, torch.mean):
        module, bank = graph(pool)
        answers[pool] = [module(bank)]
        gradients[pool] = torch.autograd.grad(answers[pool][0].square().sum(), module.grouping.parameters())
        nn.init.normal_(module.grouping.weight)
        answers[pool].append(module(bank))
    assert all(gradient.abs().max() > 1e-3 for gradient in gradients[torch.amax])
    assert all(gradient.abs().max() < 1e-12 for gradient in gradients[torch.mean])
    assert not torch.allclose(*answers[torch.amax])
    assert torch.allclose(*answers[torch.mean])


def test_each_channel_is_read_from_the_group_that_has_most_of_it():
    assert RelationGraph(2, 2, 2).pool(tensor([[[1.0, 5.0], [3.0, -2.0]]]), 1).tolist() == [[3.0, 5.0]]
    module, bank = graph()
    nodes, groups = [], []
    module.grouping.register_forward_hook(lambda layer, inputs, output: groups.append(output.softmax(2)))
    module.message.register_forward_hook(lambda layer, inputs, output: nodes.append(F.leaky_relu(output, 0.2)))
    answer = module(bank)
    assert torch.allclose(answer, nodes[0].mean(1) + torch.einsum("bnc,bnk->bkc", nodes[0], groups[0]).amax(1))


# ------------------------------------------------------------------------------------------------------ the maps


def test_a_bottlenecks_two_inner_maps_are_taken_undilated_and_what_follows_is_cut_off():
    torch.manual_seed(0)
    backbone = CNN(lambda stride: timm.create_model("resnet26", features_only=True, channels=(8, 8, 8, 16), output_stride=stride), "small", 64, output_stride=16)
    assert backbone.model.layer4[1].conv2.dilation == (2, 2)
    whole, inner = copy.deepcopy(backbone.model).eval(), []
    whole.layer4[1].conv2.dilation = whole.layer4[1].conv2.padding = (1, 1)
    for activation in (whole.layer4[1].act1, whole.layer4[1].act2):
        activation.register_forward_hook(lambda module, inputs, output: inner.append(output.flatten(2)))
    method = GaRD(FOUR, backbone, build(GaRD).recipe).eval()
    with torch.no_grad():
        whole(images(2))
        maps = method.maps(images(2))
    assert len(backbone.model.layer4) == 1
    assert [tuple(one.shape) for one in maps] == [(2, 16, 16)] * 2
    assert all(torch.equal(*pair) for pair in zip(maps, inner, strict=True))
    pretrained = {id(parameter) for parameter in method.parameter_groups()[0]["params"]}
    assert {id(parameter) for layer in method.layers for parameter in layer.parameters()} < pretrained  # at the backbone's rate


def test_without_bottlenecks_both_maps_are_new_and_rectified():
    method = build(GaRD, pretrained=True).eval()
    with torch.no_grad():
        first, second = method.maps(images())
    assert first.shape == second.shape == (4, 64, 16)
    assert (first >= 0).all()
    assert (second >= 0).all()
    assert not torch.allclose(first, second)
    new = {id(parameter) for parameter in method.parameter_groups()[1]["params"]}
    assert {id(parameter) for layer in method.layers for parameter in layer.parameters()} < new


# ------------------------------------------------------------------------------------------------------ training and test


def test_the_test_adds_the_mirror_images_logits_and_training_doesnt():
    method = build(GaRD, pretrained=True).eval()
    nn.init.normal_(method.classifier.weight)
    with torch.no_grad():
        one, other = (method.classify(*method.maps(some)) for some in (images(), images().flip(3)))
        assert torch.allclose(method(images()), one + other, atol=1e-5)
        assert torch.allclose(method(images()), method(images().flip(3)), atol=1e-5)
        assert not torch.allclose(one, other, atol=1e-2)
        smoothed = -(0.9 * one.log_softmax(1).gather(1, labels()[:, None])[:, 0] + 0.1 * one.log_softmax(1).mean(1)).mean()
        assert method.losses(images(), labels())["cross-entropy"].item() == pytest.approx(smoothed.item(), rel=1e-5)


def test_the_loss_reaches_everything_and_nothing_else_is_there():
    method = build(GaRD, pretrained=True)
    (term,) = method.losses(images(8), labels(8)).values()
    assert reached(method, term) == {name for name, _ in method.named_parameters()}
    assert "norm.bias" not in dict(method.named_parameters())


@pytest.mark.parametrize(("kind", "unreached"), [(NoPositions, {"gate.weight"}), (BilinearPooling, {"gate.weight"}), (MeanOfGroups, set())])
def test_an_ablation_leaves_out_what_it_says(kind, unreached):
    method = build(kind, pretrained=True).double()
    (term,) = method.losses(images().double(), labels()).values()
    found = {name for name, _ in method.named_parameters()} - reached(method, term)
    assert found - {"graph.grouping.weight", "graph.grouping.bias"} == unreached
    if kind is BilinearPooling:
        first, second = two_maps()
        expected = method.eval().classifier(method.norm((100 * relations(first, second.mT)).flatten(1)))
        assert torch.allclose(method.classify(first, second), expected)


def test_the_evidence_is_how_the_predicted_logit_grows_with_a_positions_share():
    method = build(GaRD, pretrained=True).double().eval()
    nn.init.normal_(method.classifier.weight)
    image, step = images(1).double(), 1e-4
    with torch.no_grad():
        predicted = method(image).argmax()
        expected = torch.zeros(4, 4, dtype=torch.float64)
        for mirrored, some in enumerate((image, image.flip(3))):
            maps = [one.expand(16, -1, -1) for one in method.maps(some)]
            steps = step * torch.eye(16, dtype=torch.float64)[:, None]
            slopes = (method.classify(*maps, 1 + steps) - method.classify(*maps, 1 - steps))[:, predicted] / (2 * step)
            found = slopes.relu().view(4, 4)
            expected += found.flip(1) if mirrored else found
    assert torch.allclose(method.evidence(image)[0], expected, rtol=1e-4, atol=1e-8)


# ------------------------------------------------------------------------------------------------------ batches


@pytest.mark.parametrize(("counts", "expected"), [([30] * 150 + [29] * 50, 350), ([4] * 7, 1), ([8, 8, 8, 4, 4], 1), ([9] * 4 + [3], 2)])
def test_a_batch_is_four_classes_of_four_images_and_an_epoch_repeats_none(counts, expected):
    method = build(GaRD, images_per_class=4, batch_size=16)
    classes = [label for label, count in enumerate(counts) for _ in range(count)]
    epochs = [method.batches(classes, 16, random.Random(seed)) for seed in (0, 1)]
    for batches in epochs:
        assert len(batches) == expected
        assert all(sorted(Counter(classes[index] for index in batch).values()) == [4] * 4 for batch in batches)
        large = [index for batch in batches for index in batch if counts[classes[index]] >= 4]
        assert len(large) == len(set(large))
    assert epochs[0] != epochs[1]


def test_a_class_with_too_few_images_repeats_some_of_them():
    method = build(GaRD, images_per_class=4, batch_size=16)
    ((*batch,),) = method.batches([0] * 4 + [1] * 4 + [2] * 4 + [3] * 3, 16, random.Random(0))
    small = [index for index in batch if index >= 12]
    assert sorted(set(small)) == [12, 13, 14]
    assert len(small) == 4


def test_the_demos_batches_take_every_image_once_an_epoch():
    method = build(GaRD)
    batches = method.batches([label for label in range(32) for _ in range(10)], 32, random.Random(0))
    assert len(batches) == 10
    assert sorted(index for batch in batches for index in batch) == list(range(320))


def test_a_batch_smaller_than_a_classs_share_is_of_one_class():
    batches = build(GaRD, images_per_class=9).batches([0] * 8 + [1] * 9, 8, random.Random(0))
    assert [len(set(batch)) for batch in batches] == [8, 8]
    assert all(len({index < 8 for index in batch}) == 1 for batch in batches)


def test_the_papers_rate_falls_at_three_epochs_after_ten_of_warm_up():
    schedule = GaRD.recipe.schedule
    factors = [schedule(350 * epoch, 350, 350 * 250) for epoch in (0, 5, 10, 69, 70, 130, 160, 249)]
    assert factors == pytest.approx([1 / 3500, 0.5 + 1 / 3500, 1, 1, 0.1, 0.01, 0.001, 0.001])


