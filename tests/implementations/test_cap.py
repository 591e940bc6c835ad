"""What makes CAP this paper: many fixed regions, a context that replaces each, an order, clusters, and images that keep to themselves."""

from __future__ import annotations

import dataclasses
import math
import os
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import nn, tensor

from implementations.ablations.cap import NoContext, UniformContext, WholeMap
from implementations.baseline import Baseline
from implementations.cap import CAP, GRID, LEAST, ContextAttention, PositionAttention, integral_regions, rvlad, sampling
from implementations.common import evaluate
from implementations.common.data import Data, Split, transform
from implementations.common.recipes import op
from implementations.common.train import Settings, Trainer
from tests.implementations.launch import launch
from tests.implementations.tiny import FOUR, AtRest, build, images, labels, reached, stochastic

REGIONS = integral_regions(GRID, LEAST)


@pytest.mark.parametrize(("grid", "least", "count"), [(3, 2, 26), (3, 1, 35), (2, 1, 8)])
def test_as_many_regions_as_rectangles_without_the_whole(grid, least, count):
    assert len(set(integral_regions(grid, least))) == count


def test_regions_come_in_the_order_of_the_original():
    edges = range(4)
    boxes = [(left, right, top, bottom) for left in edges for right in edges for top in edges for bottom in edges]
    kept = [b for b in boxes if b[1] > b[0] and b[3] > b[2] and (b[1] - b[0] >= 2 or b[3] - b[2] >= 2)]
    kept.remove((0, 3, 0, 3))
    assert kept == REGIONS


def test_a_region_of_two_cells_and_the_whole_by_hand():
    matrix = sampling([(0, 1, 0, 2), (1, 3, 2, 3)], 1, (3, 3), cell=1)
    assert (matrix @ torch.arange(9.0)).tolist() == [1.5, 7.5, 4.0]  # between 0 and 3, between 7 and 8, the middle


@pytest.mark.parametrize(("size", "pooled"), [((6, 6), 3), ((7, 7), 7), ((4, 5), 2)])
def test_the_matrix_is_enlarging_cutting_and_resizing(size, pooled):
    features = torch.randn(2, 3, *size)
    large = F.interpolate(features, size=(42, 42), mode="bilinear")
    cut = [large[..., 14 * top : 14 * bottom, 14 * left : 14 * right] for left, right, top, bottom in REGIONS]
    expected = torch.stack([F.interpolate(one, size=(pooled, pooled), mode="bilinear").flatten(2) for one in (*cut, features)], 1)
    found = (sampling(REGIONS, pooled, size) @ features.flatten(2).mT).unflatten(1, (27, pooled**2)).mT
    assert torch.allclose(found, expected, atol=1e-6)


def test_the_last_region_is_the_map_itself_and_a_constant_map_looks_alike_everywhere():
    matrix = sampling(REGIONS, 7, (7, 7))
    assert torch.equal(matrix[-49:], torch.eye(49))
    assert torch.allclose(matrix.sum(1), torch.ones(27 * 49))


def attention_of(own: float, other: float, score: float = 50.0) -> list[list[float]]:
    """Of regions 0 and 1, which count by `own` where they look, by `other` where they are looked at."""
    context = ContextAttention(1, 1)
    for parameter, value in zip(context.parameters(), (own, other, 0.0, score, 0.0), strict=True):
        nn.init.constant_(parameter, value)
    return context(tensor([[[0.0], [1.0]]]))[0].tolist()


def test_the_attention_between_two_regions_by_hand():
    low, high = math.exp(0.5), math.exp(1)  # the sigmoids of 0 and of 50
    for row in attention_of(0.0, 50.0):
        assert row == pytest.approx([low / (low + high), high / (low + high)])
    for row in attention_of(50.0, 0.0):
        assert row == pytest.approx([0.5, 0.5])
    additive = tensor([[0.0, 2.0], [1.0, 3.0]]).tanh().sigmoid().softmax(1)
    assert torch.allclose(tensor(attention_of(1.0, 2.0, 1.0)), additive)


def test_however_large_its_weights_a_row_stays_within_a_factor_of_e_and_like_regions_get_the_same():
    torch.manual_seed(0)
    context = ContextAttention(6, 4)
    for parameter in context.parameters():
        nn.init.normal_(parameter, std=100)
    found = context(torch.randn(3, 27, 6))
    assert torch.allclose(found.sum(-1), torch.ones(3, 27))
    factor = found.amax(-1) / found.amin(-1)
    assert 2 < factor.max() < math.e + 1e-5
    assert torch.allclose(context(torch.randn(3, 1, 6).expand(-1, 27, -1)), torch.full((3, 27, 27), 1 / 27))


def position_attention() -> PositionAttention:
    """Of 8 channels: what a position asks for is in channel 0, what it offers in channel 2."""
    attention = PositionAttention(8)
    for layer, weight in ((attention.query, torch.eye(8)[:1]), (attention.key, torch.eye(8)[2:3]), (attention.value, torch.eye(8))):
        layer.weight = 5 * weight  # whatever its length: it is divided by it
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
        for _ in range(2):
            _ = layer.weight
    return attention.eval()


def test_the_attention_between_two_places_by_hand_and_without_gamma_it_is_the_identity():
    positions = torch.zeros(1, 2, 8)
    positions[0, 0, 0], positions[0, 0, 1], positions[0, 1, 2] = math.log(3), 4.0, 1.0
    attention = position_attention()
    assert torch.equal(attention(positions), positions)
    nn.init.ones_(attention.gamma)
    assert attention(positions)[0, :, 1].tolist() == pytest.approx([4 + 0.25 * 4, 0.5 * 4], abs=1e-5)


def test_a_bias_of_the_keys_would_change_nothing():
    attention, positions = position_attention(), torch.randn(2, 9, 8)
    nn.init.ones_(attention.gamma)
    expected = attention(positions)
    attention.key.register_forward_hook(lambda layer, inputs, output: output + 3)
    assert torch.allclose(attention(positions), expected, atol=1e-5)
    attention.query.register_forward_hook(lambda layer, inputs, output: output + 3)
    assert not torch.allclose(attention(positions), expected, atol=1e-2)


def test_each_clusters_sum_and_all_of_them_have_length_1():
    assert rvlad(tensor([[[3.0, 0.0], [0.0, 4.0]]]), torch.eye(2)[None])[0].tolist() == pytest.approx([0.5**0.5, 0, 0, 0.5**0.5])
    states, shares = torch.randn(5, 27, 6), stochastic(5, 27, 4).float()
    pooled = rvlad(states, shares)
    assert torch.allclose(pooled.norm(dim=1), torch.ones(5))
    assert torch.allclose(pooled.unflatten(1, (6, 4)).norm(dim=1), torch.full((5, 4), 4**-0.5))


def test_one_cluster_is_the_sum_of_all_states():
    states = torch.randn(3, 27, 6)
    assert torch.allclose(rvlad(states, torch.ones(3, 27, 1)), F.normalize(states.sum(1), dim=1), atol=1e-6)


def test_the_order_of_regions_counts_for_the_lstm_and_for_nothing_after_it():
    method, contexts, order = build(CAP).eval(), torch.randn(2, 27, 128), torch.randperm(27)
    assert not torch.allclose(method.scores(contexts), method.scores(contexts[:, order]), atol=1e-4)
    states, _ = method.lstm(contexts)
    shares = method.assignment(states).softmax(-1)
    assert torch.allclose(rvlad(states, shares), rvlad(states[:, order], shares[:, order]), atol=1e-6)


def test_each_state_is_shared_out_over_the_clusters():
    method, states, shares = build(CAP).eval(), [], []
    method.lstm.register_forward_hook(lambda layer, inputs, output: states.append(output[0]))
    method.assignment.register_forward_hook(lambda layer, inputs, output: shares.append(output.softmax(2)))
    contexts = torch.randn(2, 27, 128)
    assert torch.allclose(method.scores(contexts), method.norm(method.classifier(rvlad(states[0], shares[0]))), atol=1e-6)


def test_channels_are_excited_by_their_averages():
    method, seen = build(CAP, pretrained=True).eval(), []
    method.attention.register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        method(images())
        maps = method.backbone(images())[-1]
        squeeze, _, excite, _ = method.excitation
        factors = (maps.mean((2, 3)) @ squeeze.weight.T).relu() @ excite.weight.T
        assert torch.allclose(seen[0], (maps * factors.sigmoid()[..., None, None]).flatten(2).mT, atol=1e-5)


def test_autocast_keeps_what_tells_contexts_apart():
    method, read = build(CAP, pretrained=True).eval(), []
    method.lstm.register_forward_hook(lambda layer, inputs, output: read.append(inputs[0] - inputs[0].mean(1, keepdim=True)))
    features = method.backbone(images())
    method.backbone.forward = lambda images: features
    method.excitation = nn.Identity()  # which runs in low precision, as it may
    method(images())
    with torch.autocast("cpu", torch.bfloat16):
        method(images())
    assert (read[1] - read[0]).norm() < 1e-3 * read[0].norm()


def watched(method: CAP) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """All positions of all regions (B, R, positions, C) of four images, their means (B, R, C), their attention (B, R, R)."""
    compared = []
    method.context.register_forward_hook(lambda layer, inputs, output: compared.append(inputs[0]))
    _, means, attention = method.regions(images())
    return compared[0].unflatten(2, (method.recipe.pooled**2, -1)), means, attention


def test_a_context_replaces_its_region_and_averaging_before_mixing_is_the_same_as_after():
    method = build(CAP, pretrained=True).eval()
    regions, means, attention = watched(method)
    assert regions.shape == (4, 27, 9, 128)
    after = torch.einsum("brs,bspc->brpc", attention, regions).mean(2)
    assert torch.allclose(attention @ means, after, atol=1e-5)
    read = []
    method.lstm.register_forward_hook(lambda layer, inputs, output: read.append(inputs[0]))
    method(images())
    assert torch.allclose(read[0], after, atol=1e-5)


def test_an_images_answer_has_no_gradient_to_the_others_of_its_batch():
    seen = images(3).requires_grad_()
    (gradient,) = torch.autograd.grad(build(CAP, pretrained=True).eval()(seen)[1].sum(), seen)
    assert [bool(one.any()) for one in gradient] == [False, True, False]


@pytest.mark.parametrize("gamma", [0.0, 1.0])
def test_the_loss_reaches_everything_but_the_attention_between_places_as_long_as_gamma_is_0(gamma):
    method = build(CAP, pretrained=True)
    nn.init.constant_(method.attention.gamma, gamma)
    hidden = {name for name, _ in method.named_parameters() if name.startswith("attention.") and name != "attention.gamma"}
    assert len(hidden) == 5
    expected = {name for name, _ in method.named_parameters()} - (set() if gamma else hidden)
    assert reached(method, method.losses(images(), labels())["cross-entropy"]) == expected


def test_regions_learn_by_what_they_are_and_by_who_takes_how_much_of_them():
    method = build(CAP, pretrained=True)
    nn.init.ones_(method.attention.gamma)
    before = {name for name, _ in method.named_parameters() if name.startswith(("backbone.", "excitation.", "attention."))}
    context = {name for name, _ in method.named_parameters() if name.startswith("context.")}
    _, means, attention = method.regions(images())
    assert reached(method, means.square().sum()) == before
    assert reached(method, attention[:, :, 0].square().sum()) == before | context


def test_in_training_the_scores_are_normalised_over_the_batch():
    method, raw = build(CAP, pretrained=True, momentum=0.1).train(), []
    method.classifier.register_forward_hook(lambda layer, inputs, output: raw.append(output))
    logits = method(images(8))
    centred = raw[0] - raw[0].mean(0)
    assert torch.allclose(logits, centred / (centred.square().mean(0) + 1e-3).sqrt(), atol=1e-4)
    assert torch.allclose(method.norm.running_mean, 0.1 * raw[0].mean(0), atol=1e-6)


class Still(AtRest, CAP):
    """CAP whose BatchNorm stands still, in any precision: what the rest of it does is the same in training and testing."""

    def regions(self, images):
        return super().regions(images.to(self.classifier.weight.dtype))


def test_but_for_batchnorm_training_and_test_are_the_same_pass():
    method = build(Still, pretrained=True)
    nn.init.ones_(method.attention.gamma)
    with torch.no_grad():
        assert torch.equal(method.train()(images()), method.eval()(images()))


# ------------------------------------------------------------------------------------------------ spectral normalisation


def vectors(method: CAP) -> torch.Tensor:
    """Of the power iterations, all in one."""
    return torch.cat([buffer for name, buffer in method.named_buffers() if name.startswith("attention.")]).clone()


def test_only_a_step_of_the_optimiser_moves_the_power_iteration():
    method = build(CAP)
    start = vectors(method)
    for module in (method, method.train(), method.eval(), method.train()):
        module.losses(images(), labels())
        assert torch.equal(vectors(method), start)
    method.after_step()
    moved = vectors(method)
    assert not torch.equal(moved, start)
    method.losses(images(), labels())
    assert torch.equal(vectors(method), moved)


def test_it_finds_the_largest_singular_value_of_weights_that_moved():
    method = build(CAP)
    layers = [method.attention.query, method.attention.key, method.attention.value]
    for layer in layers:
        weight = layer.parametrizations.weight.original
        nn.init.normal_(weight)
        weight.data += 10 * torch.outer(torch.randn(len(weight)), torch.randn(weight.shape[1]))
    for _ in range(20):
        method.after_step()
    assert [torch.linalg.matrix_norm(layer.weight, 2).item() for layer in layers] == pytest.approx([1, 1, 1], abs=1e-4)


class Killed(Exception):
    pass


def trainer(checkpoint: Path | None = None, **changes) -> Trainer:
    """Two epochs of two steps of 8 images, in float64."""
    plain = (op("Normalize", mean=[0.5] * 3, std=[0.5] * 3),)
    how = {"epochs": 2, "batch_size": 8, "optimizer": "SGD", "optimizer_options": {"momentum": 0.9}, "clip": None, "train": plain, "test": plain}
    method = build(Still, side=32, pretrained=True, **how | changes).double()
    pixels = torch.randint(0, 256, (16, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    split = Split([index % 4 for index in range(16)], pixels.__getitem__)
    settings = Settings(seed=0, checkpoint=checkpoint, save_every=-1)
    return Trainer(method, Data("few", FOUR, split, split, split, "0" * 32), Accelerator(cpu=True), settings)


def trained(run: Trainer) -> dict[str, torch.Tensor]:
    start = vectors(run.method)
    run.fit()
    assert run.method.attention.gamma.any()  # so that the attention between positions counts
    assert not torch.equal(vectors(run.method), start)
    return run.method.state_dict()


def apart(one: dict, other: dict) -> float:
    assert one.keys() == other.keys()
    return max((one[name].double() - other[name].double()).abs().max().item() for name in one)


@pytest.fixture(scope="module")
def whole() -> dict[str, torch.Tensor]:
    """The weights of a run that nothing disturbs."""
    return trained(trainer())


def test_two_micro_batches_are_one_batch_and_so_are_two_processes(tmp_path, whole):
    assert apart(trained(trainer(micro_batches=2)), whole) < 1e-12
    launch("tests.implementations.test_cap", tmp_path, {"CAP_OUT": str(tmp_path)})
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert apart(first, second) == 0
    assert apart(first, whole) < 1e-12


def test_a_run_killed_in_mid_epoch_goes_on_to_the_same_bits(tmp_path, whole):
    killed = trainer(tmp_path / "state.safetensors")
    step = killed.step

    def dies(seen, classes):
        if killed.state.step == 3:
            raise Killed
        step(seen, classes)

    killed.step = dies
    with pytest.raises(Killed):
        killed.fit()
    resumed = trainer(tmp_path / "state.safetensors")
    assert resumed.resume()
    assert resumed.state.step == 3
    assert apart(trained(resumed), whole) == 0


# ----------------------------------------------------------------------------------------------------- evidence, images


def test_a_place_counts_by_how_far_it_moves_the_score_through_all_rectangles_and_contexts():
    method = build(CAP).double().eval()
    positions = torch.randn(1, 16, 128, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    attention = stochastic(1, 27, 27)

    @torch.no_grad()
    def score(seen: torch.Tensor) -> torch.Tensor:
        return method.scores(attention @ (method.sampling @ seen).unflatten(1, (27, 9)).mean(2)).amax(1)

    method.regions = lambda seen: (positions, (method.sampling @ positions).unflatten(1, (27, 9)).mean(2), attention)
    found = method.evidence(images(1)).flatten()
    for position in (0, 6):
        steps = torch.zeros(128, 16, 128, dtype=torch.float64)
        steps[torch.arange(128), position, torch.arange(128)] = 1e-4 * positions[0, position]  # a channel at a time
        gains = (score(positions + steps) - score(positions - steps)) / 2e-4
        assert found[position].item() == pytest.approx(gains.abs().sum().item(), rel=1e-4)


def test_attention_is_painted_on_the_rectangles_that_get_it():
    method = build(CAP, side=96).eval()
    attention = torch.zeros(1, 27, 27)
    attention[0, :, 0] = 1.0  # all look at the first: the left column of cells, two from the top
    method.regions = lambda seen: (torch.randn(1, 36, 128), torch.randn(1, 27, 128), attention)
    painted = method.evidence_maps(images(1))["attention"][0]
    assert painted.sum().item() == pytest.approx(27)
    assert (painted[:4, :2] > 0).all()
    assert not painted[:, 3:].any()
    assert not painted[5:].any()


def test_its_cost_is_the_backbones_and_these_products():
    positions, channels, regions = 16, 128, 27
    products = [
        2 * channels * 8,  # excitation
        positions * channels * (16 + 16 + channels) + positions * positions * (16 + channels),  # attention between positions
        regions * 9 * positions * channels,  # sampling
        regions * (2 * 9 * channels * 32 + regions * 32 + regions * channels),  # context
        regions * (channels + 128) * 4 * 128,  # LSTM
        2 * regions * 128 * 32 + 128 * 32 * 4,  # clusters, classifier
    ]
    backbone = evaluate.flops(build(Baseline)) - 2 * channels * 4
    assert evaluate.flops(build(CAP)) == backbone + 2 * sum(products)


def test_the_border_goes_on_where_the_paper_turns_an_image_most_and_makes_it_smallest():
    extreme = {"degrees": (15, 15), "scale": (0.85, 0.85)}
    recipe = [dataclasses.replace(one, arguments=dict(one.arguments) | extreme) if one.name == "RandomAffine" else one for one in CAP.recipe.train]
    white = transform(recipe)(torch.full((3, 300, 200), 255, dtype=torch.uint8))
    assert white.shape == (3, 224, 224)
    assert (white.amax((1, 2)) - white.amin((1, 2))).max() < 1e-5


# ------------------------------------------------------------------------------------------------------------ ablations


def test_without_context_the_lstm_reads_the_regions_themselves_and_with_a_uniform_one_their_mean():
    for kind, expected in ((NoContext, lambda means: means), (UniformContext, lambda means: means.mean(1, keepdim=True).expand_as(means))):
        _, means, attention = watched(build(kind, pretrained=True).eval())
        assert torch.allclose(attention @ means, expected(means), atol=1e-5)


def test_without_regions_all_of_them_are_the_whole_map():
    regions, means, _ = watched(build(WholeMap, pretrained=True).eval())
    whole, *_ = watched(build(CAP, pretrained=True).eval())
    assert torch.allclose(regions, whole[:, -1:].expand_as(regions), atol=1e-6)
    assert means.shape == (4, 27, 128)


def main() -> None:
    """One of two processes."""
    torch.set_num_threads(1)
    run = trainer()
    torch.save(trained(run), Path(os.environ["CAP_OUT"]) / f"{run.accelerator.process_index}.pt")
    run.accelerator.end_training()  # gloo's threads, left running, abort some exits


if __name__ == "__main__":
    main()
