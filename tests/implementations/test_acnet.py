"""What makes ACNet this paper: all paths of a tree with their probabilities, edges of two depths, two losses and two stages."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import nn, tensor

from implementations.ablations.acnet import EvenEdges, OneLeaf, UniformRouting
from implementations.acnet import ACNet, AttentionTransformer, Router, head, mixture, split, unit_roots
from implementations.common import backbones, weights
from implementations.common.errors import Usage
from implementations.common.recipes import op
from implementations.common.schedules import Cosine, Stages
from implementations.common.train import Settings, Trainer
from tests.implementations.test_methods import few
from tests.implementations.tiny import build, images, labels, reached

RIGHT = tensor([[0.7]], dtype=torch.float64), tensor([[0.4, 0.9]], dtype=torch.float64)
"""The probabilities of going right at the root and at its children, of the worked example."""
OF_TRUE_CLASS = tensor([0.2, 0.4, 0.6, 0.8], dtype=torch.float64)


def paths_of(*right: torch.Tensor) -> torch.Tensor:
    paths = torch.zeros(1, 1, dtype=torch.float64)
    for level in right:
        paths = split(paths, level.logit())
    return paths


def leaves_of(true_class: torch.Tensor) -> torch.Tensor:
    """The log-probabilities of two classes at each leaf."""
    return torch.stack([true_class, 1 - true_class], dim=-1).log()[None]


def test_the_paths_and_losses_of_the_worked_example():
    paths, leaves = paths_of(*RIGHT), leaves_of(OF_TRUE_CLASS)
    assert paths.exp()[0].tolist() == pytest.approx([0.18, 0.12, 0.07, 0.63])
    assert mixture(paths, leaves).exp()[0].tolist() == pytest.approx([0.63, 0.37])
    method = build(ACNet)
    method.descend = lambda images: (paths, leaves, None)
    terms = method.losses(images(1), tensor([0]))
    assert [terms["mixture"].item(), terms["leaves"].item()] == pytest.approx([0.4620, 3.2597], abs=5e-5)
    assert terms["mixture"] <= (paths.exp() * -leaves[..., 0]).sum()  # 0.5760: convexity


def test_going_right_pays_by_the_difference_of_the_two_subtrees():
    root = RIGHT[0].clone().requires_grad_()
    mixture(paths_of(root, RIGHT[1]), leaves_of(OF_TRUE_CLASS))[0, 0].exp().backward()
    assert root.grad.item() == pytest.approx(0.78 - 0.28)


def test_the_prediction_lies_between_the_leaves_and_is_theirs_where_they_agree_however_they_are_reached():
    logits = torch.randn(3, 3, dtype=torch.float64, requires_grad=True)
    paths = split(split(torch.zeros(3, 1), logits[:, :1]), logits[:, 1:])
    leaves = torch.randn(3, 4, 5, dtype=torch.float64).log_softmax(-1)
    predicted = mixture(paths, leaves).exp()
    assert torch.allclose(predicted.sum(1), torch.ones(3, dtype=torch.float64))
    assert ((predicted >= leaves.exp().amin(1)) & (predicted <= leaves.exp().amax(1))).all()
    agreed = mixture(paths, leaves[:, :1].expand(-1, 4, -1))
    assert torch.allclose(agreed, leaves[:, 0])
    assert torch.autograd.grad(agreed[:, 0].sum(), logits)[0].abs().max() < 1e-12


def test_a_sure_root_silences_the_other_subtree_and_nothing_overflows():
    root, leaves = tensor([[200.0]], requires_grad=True), leaves_of(OF_TRUE_CLASS.float()).requires_grad_()
    predicted = mixture(split(split(torch.zeros(1, 1), root), torch.zeros(1, 2)), leaves)
    assert predicted.exp()[0, 0].item() == pytest.approx(0.7)
    predicted[0, 0].backward()
    assert (leaves.grad[0, :2] == 0).all()
    assert (leaves.grad[0, 2:, 0] > 0.4).all()
    assert root.grad.isfinite().all()


def test_children_may_change_places_with_all_that_hangs_on_them():
    swapped = paths_of(1 - RIGHT[0], RIGHT[1].flip(1))
    assert torch.allclose(mixture(paths_of(*RIGHT), leaves_of(OF_TRUE_CLASS)), mixture(swapped, leaves_of(OF_TRUE_CLASS[[2, 3, 0, 1]])))


def test_a_heads_feature_has_length_one_at_each_node_so_that_its_scale_tells_nothing():
    assert unit_roots(tensor([[9.0, -16.0, 0.0, 4.0]]), 2)[0].tolist() == [pytest.approx([0.6, -0.8]), pytest.approx([0.0, 1.0])]
    linear, pooled = nn.Conv2d(6, 4, 1, groups=2), torch.randn(5, 6)
    assert torch.allclose(head(linear, 7 * pooled), head(linear, pooled), atol=1e-4)
    by_hand = F.linear(F.normalize(pooled[:, 3:].sign() * pooled[:, 3:].abs().sqrt(), dim=1), linear.weight[2:, :, 0, 0], linear.bias[2:])
    assert torch.allclose(head(linear, pooled)[:, 1], by_hand, atol=1e-4)


@pytest.mark.parametrize("height", [1, 2, 3, 4])
def test_a_tree_of_a_height_is_complete(height):
    method = build(ACNet, height=height)
    nodes = [router.nodes for router in method.routers]
    edges = [edge[0].nodes for edge in (*method.left, *method.right)]
    assert (sum(nodes), sum(edges), method.classify.groups) == (2 ** (height - 1) - 1, 2**height - 2, 2 ** (height - 1))
    paths, leaves, _ = method.descend(images(2))
    assert leaves.shape == (2, method.classify.groups, 4)
    assert torch.allclose(paths.exp().sum(1), torch.ones(2))


class Scaled(nn.Module):
    """Stands in for an edge."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.factor * features


class Open(nn.Module):
    """Stands in for a gate, which looks at the whole map and so hides how far the convolutions see."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return torch.ones_like(features)


def test_a_left_edge_sees_twice_as_far_as_a_right_one_unless_both_have_one_transformer():
    spans = []
    for kind in (ACNet, EvenEdges):
        method = build(kind).eval()
        for module in method.modules():
            if isinstance(module, AttentionTransformer):
                module.gate = Open()
        features = torch.zeros(1, method.backbone.channels[-1], 13, 13)
        features[..., 6, 6] = 1.0
        spans += [int((edge[0](features) != 0).any(1)[0].any(1).sum()) for edge in (method.left, method.right)]
    assert spans == [9, 5, 5, 5]


def test_each_node_sees_its_own_map_alone():
    method = build(ACNet).eval()
    width = method.recipe.width
    before, after = (torch.randn(2, 2, width, 6, 6) for _ in range(2))
    after[:, 0] = before[:, 0]
    with torch.no_grad():
        routed = [method.routers[1](one.flatten(1, 2)) for one in (before, after)]
        left, right = ([edge[1](one.flatten(1, 2)).unflatten(1, (2, -1)) for one in (before, after)] for edge in (method.left, method.right))
        logits = [head(method.classify, one[:, :, :, 0, 0].repeat(1, 2, 1).flatten(1)) for one in (before, after)]
    for one, other in (routed, left, right, logits):
        assert torch.allclose(one[:, 0], other[:, 0], atol=1e-6)
        assert not torch.allclose(one[:, 1], other[:, 1], atol=1e-3)


def test_a_left_child_stands_before_its_right_one_at_each_level():
    method = build(UniformRouting).eval()
    channels = method.backbone.channels[-1]
    method.left, method.right = (nn.ModuleList(map(Scaled, factors)) for factors in ((1.0, 1.0), (-2.0, 3.0)))
    method.embed, method.classify = nn.Identity(), nn.Conv2d(4 * channels, 4 * 4, 1, groups=4)
    maps = method.descend(images(2))[2].unflatten(1, (4, channels))
    expected = tensor([1.0, 3.0, -2.0, -6.0]).view(4, 1, 1, 1) * method.backbone(images(2))[-1][:, None]
    assert torch.allclose(maps, expected)


def test_the_context_that_a_router_adds_is_what_its_attention_gathers():
    router = build(ACNet).routers[0].eval()
    seen = []
    router.transform.register_forward_pre_hook(lambda module, args: seen.append(args[0][..., 0, 0]))
    features = torch.randn(2, 128, 6, 6)
    router(features)
    reduced = router.reduce(features).flatten(2)
    share = torch.einsum("c,bcp->bp", router.attention.weight[0, :, 0, 0], reduced).softmax(1)
    assert torch.allclose(seen[0], (reduced * share[:, None]).sum(2), atol=1e-5)
    nn.init.zeros_(router.attention.weight)
    router(features)
    assert torch.allclose(seen[1], reduced.mean(2), atol=1e-5)


def at_odds(module: nn.Module) -> nn.Module:
    """With BatchNorms whose statistics are none that could be left out."""
    for one in module.modules():
        if isinstance(one, nn.BatchNorm2d):
            nn.init.normal_(one.running_mean)
            nn.init.uniform_(one.running_var, 0.5, 2.0)
    return module.eval()


def test_a_router_decides_by_the_average_of_its_map_with_context_added():
    router, features = Router(1, 6, build(ACNet).recipe).eval(), torch.randn(3, 6, 5, 5)
    squeeze, norm, _, restore = router.transform
    reduced = router.reduce(features)
    share = router.attention(reduced).flatten(2).softmax(-1)
    gathered = (reduced.flatten(2) * share).sum(2)
    inner = F.linear(gathered, squeeze.weight[..., 0, 0], squeeze.bias)
    inner = F.layer_norm(inner, inner.shape[1:], norm.weight, norm.bias).relu()
    context = F.linear(inner, restore.weight[..., 0, 0], restore.bias)
    average = reduced.mean((2, 3)) + context
    root = F.normalize(average.sign() * average.abs().sqrt(), dim=1)
    by_hand = F.linear(root, router.decide.weight[..., 0, 0], router.decide.bias)
    assert torch.allclose(router(features), by_hand, atol=1e-4)


def test_an_attention_transformer_gates_what_it_merges_by_its_averages():
    edge, features = at_odds(AttentionTransformer(1, 6, build(ACNet).recipe)), torch.randn(3, 6, 5, 5)
    norm, _, squeeze, _, restore, _ = edge.gate
    merged = edge.merge[1](edge.merge[0](torch.cat([scale(features) for scale in edge.scales], dim=1))).relu()
    normed = (merged - norm.running_mean[:, None, None]) / (norm.running_var[:, None, None] + norm.eps).sqrt()
    inner = F.linear(normed.mean((2, 3)), squeeze.weight[..., 0, 0], squeeze.bias).relu()
    gate = F.linear(inner, restore.weight[..., 0, 0], restore.bias).sigmoid()
    assert torch.allclose(edge(features), merged * gate[..., None, None], atol=1e-5)


def test_a_leaf_answers_by_the_maxima_of_its_map():
    method = build(ACNet, pretrained=True).eval()
    _, leaves, maps = method.descend(images())
    highest = maps.unflatten(1, (4, -1))[:, 2].amax((2, 3))
    root = F.normalize(highest.sign() * highest.abs().sqrt(), dim=1)
    weight, bias = (tensors.unflatten(0, (4, -1))[2] for tensors in (method.classify.weight, method.classify.bias))
    assert torch.allclose(leaves[:, 2], F.linear(root, weight[..., 0, 0], bias).log_softmax(-1), atol=1e-4)


def test_what_it_answers_is_a_log_probability_and_the_paths_weigh_the_leaves():
    method = build(ACNet, pretrained=True).eval()
    paths, leaves, _ = method.descend(images())
    found = method(images()).exp()
    assert torch.allclose(found.sum(1), torch.ones(4))
    assert torch.allclose(found, (paths.exp()[..., None] * leaves.exp()).sum(1))
    assert paths.std(0).max() > 0  # images don't all take the same way


def test_paths_sum_to_one_in_low_precision_too():
    method = build(ACNet, pretrained=True).eval()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        paths, leaves, _ = method.descend(images())
        answer = method(images())
        assert method.evidence(images()).isfinite().all()
    assert paths.dtype == leaves.dtype == answer.dtype == torch.float32
    assert torch.allclose(paths.exp().sum(1), torch.ones(4), atol=1e-6)
    assert torch.allclose(answer.exp().sum(1), torch.ones(4), atol=1e-6)


def test_the_leaves_own_loss_leaves_the_routing_alone_and_the_mixtures_reaches_everything():
    method = build(ACNet, pretrained=True)
    everything = {name for name, _ in method.named_parameters()}
    routers = {name for name in everything if name.startswith("routers.")}
    terms = method.losses(images(8), labels(8))
    assert reached(method, terms["mixture"]) == everything
    assert reached(method, terms["leaves"]) == everything - routers


def test_a_leafs_own_loss_trains_its_path_and_no_other():
    method = build(ACNet, pretrained=True)
    _, leaves, _ = method.descend(images(8))
    of_second = -leaves[:, 1].gather(1, labels(8)[:, None]).sum()  # left, then right
    chosen = {"root's left": method.left[0][0].scales[0], "root's right": method.right[0][0].scales[0], "left": method.left[1][0].scales[0], "right": method.right[1][0].scales[0], "leaf": method.classify}
    gradients = torch.autograd.grad(of_second, [module.weight for module in chosen.values()], allow_unused=True)
    moved = {name: gradient is not None and [bool(part.any()) for part in gradient.chunk(module.groups)] for (name, module), gradient in zip(chosen.items(), gradients, strict=True)}
    assert moved == {"root's left": [True], "root's right": [False], "left": [False, False], "right": [True, False], "leaf": [False, True, False, False]}


def test_the_tree_is_trained_alone_first_and_the_rate_changes_with_the_stage():
    method = build(ACNet, epochs=10, schedule=Stages(first=0.3, second=0.25))
    assert [method.phase(epoch, 10) for epoch in (2, 3, 9, 2)] == ["tree alone", "all", "all", "tree alone"]
    sum(method.losses(images(), labels()).values()).backward()
    assert {name for name, parameter in method.named_parameters() if parameter.grad is None} == {name for name, _ in method.named_parameters() if name.startswith("backbone.")}
    assert [method.recipe.schedule(step, 5, 50) for step in (0, 15)] == [1.0, 0.25]
    assert build(ACNet, schedule=Cosine()).phase(0, 10) == "all"  # one stage alone


@pytest.mark.parametrize(("given", "rate"), [(0.3, 0.3), (None, 0.01)])
def test_the_linear_layers_on_features_of_length_one_have_a_rate_of_their_own(given, rate):
    method = build(ACNet, lr=0.01, backbone_lr=0.002, head_lr=given)
    groups = {group["name"]: group for group in method.parameter_groups()}
    assert {name: group["lr"] for name, group in groups.items()} == {"backbone": 0.002, "new layers": 0.01, "heads": rate}
    linear = [method.classify, *(router.decide for router in method.routers)]
    heads = {id(p) for layer in linear for p in layer.parameters()}
    assert {id(p) for p in groups["heads"]["params"]} == heads
    assert heads.isdisjoint(id(p) for p in groups["new layers"]["params"])


def test_the_backbones_statistics_move_while_the_tree_is_trained_alone_too():
    method = build(ACNet, epochs=10)
    assert method.phase(0, 10) == "tree alone"
    before = {name: buffer.clone() for name, buffer in method.backbone.named_buffers()}
    method.losses(images(), labels())
    assert all(not torch.equal(buffer, before[name]) for name, buffer in method.backbone.named_buffers())


def test_the_papers_stages_are_60_and_200_epochs_at_1_and_a_thousandth():
    schedule = ACNet.recipe.schedule
    assert schedule.epochs_of_first(ACNet.recipe.epochs) == 60
    assert [schedule(step, 374, 260 * 374) for step in (0, 60 * 374)] == [1.0, 1e-3]


class Killed(Exception):
    pass


def run(checkpoint: Path | None = None, dies_at: int | None = None) -> Trainer:
    """Two epochs of two steps with the tree alone, then two with everything."""
    plain = (op("Normalize", mean=[0.5] * 3, std=[0.5] * 3),)
    stages = Stages(first=0.5, second=0.5)
    method = build(ACNet, side=32, epochs=4, batch_size=4, schedule=stages, train=(op("RandomHorizontalFlip"), *plain), test=plain)
    found = Trainer(method, few(8, 32), Accelerator(cpu=True), Settings(seed=3, checkpoint=checkpoint, save_every=-1))
    step = found.step

    def dies(images, labels):
        if found.state.step == dies_at:
            raise Killed
        step(images, labels)

    found.step = dies
    return found


def test_a_run_killed_in_each_stage_and_between_them_ends_with_the_same_bits(tmp_path):
    whole = run()
    whole.fit()
    phases = []
    for dies_at in (3, 4, 5, None):
        killed = run(tmp_path / "state.safetensors", dies_at)
        assert killed.resume() == bool(phases)
        with contextlib.suppress(Killed):
            killed.fit()
        phases.append((killed.state.step, killed.progress.phase))
    assert phases == [(3, "tree alone"), (4, "all"), (5, "all"), (8, "all")]
    expected, found = whole.method.state_dict(), killed.method.state_dict()
    assert [name for name in expected if not torch.equal(found[name], expected[name])] == []


def test_without_its_last_stage_a_backbone_ends_with_the_map_before():
    whole, _ = backbones.create(backbones.Wanted(name="finch_resnet", families=["cnn"], input_size=96), weights.Source())
    cut = whole.clone()
    cut.drop_last_stages(1)
    maps, expected = cut.eval()(images(2, 96)), whole.eval()(images(2, 96))
    assert len(maps) == len(expected) - 1 == len(cut.channels)
    assert torch.equal(maps[-1], expected[-2])
    assert (cut.channels[-1], cut.strides[-1], cut.sizes[-1]) == (96, 16, (6, 6))
    assert torch.equal(cut.clone().eval()(images(2, 96))[-1], maps[-1])
    gone = {name for name, _ in whole.named_parameters()} - {name for name, _ in cut.named_parameters()}
    assert gone == {name for name, _ in whole.named_parameters() if name.startswith("model.layer4")}


def test_more_stages_than_a_backbone_has_arent_taken_off():
    with pytest.raises(Usage, match="resnet10t has 5 stages, and 5 of them can't be taken off"):
        ACNet.build(3, "resnet10t", input_size=64, tap=6)


def test_a_backbone_whose_last_stage_cant_be_taken_off_is_refused():
    with pytest.raises(Usage, match="the last stages of mobilenetv3_small_050 can't be taken off"):
        ACNet.build(3, "mobilenetv3_small_050", input_size=64, tap=2)


def test_the_evidence_is_where_the_maxima_stand_that_speak_for_the_prediction_weighted_by_the_paths():
    method = build(ACNet, height=2).eval()
    width = method.recipe.width
    maps = torch.zeros(1, 2, width, 4, 4)
    maps[0, 0, :, 1, 2], maps[0, 1, :, 3, 0] = 4.0, 9.0
    paths, leaves = tensor([[0.25, 0.75]]).log(), tensor([[[0.6, 0.2, 0.1, 0.1], [0.1, 0.2, 0.6, 0.1]]]).log()
    method.descend = lambda images: (paths, leaves, maps.flatten(1, 2))
    with torch.no_grad():
        method.classify.weight.zero_()
        method.classify.weight.view(2, 4, width)[:, 2, :2] = tensor([1.0, -1.0])  # of two channels, one speaks against the class
        evidence = method.evidence(images(1))[0]
    assert evidence[1, 2].item() == pytest.approx(0.25 / width**0.5)
    assert evidence[3, 0].item() == pytest.approx(0.75 / width**0.5)
    assert int((evidence > 0).sum()) == 2


def test_with_uniform_routing_all_leaves_weigh_the_same_whatever_the_image():
    paths, leaves, _ = build(UniformRouting, pretrained=True).eval().descend(images())
    assert torch.allclose(paths.exp(), torch.full((4, 4), 0.25))
    method = build(ACNet, pretrained=True).eval()
    assert torch.equal(method.descend(images())[1], leaves)
    assert not torch.allclose(method.descend(images())[0].exp(), paths.exp(), atol=1e-3)


def test_with_one_leaf_both_losses_are_the_same():
    method = build(OneLeaf, pretrained=True)
    terms = method.losses(images(), labels())
    assert terms["mixture"].item() == pytest.approx(terms["leaves"].item())
    assert method.recipe.height == build(ACNet).recipe.height
