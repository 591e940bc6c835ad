"""What makes PMG this paper: a jigsaw in which every piece moves, four steps a batch from fine to whole, and the sum of four answers."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import tensor

from implementations.ablations.pmg import NoJigsaw, OneStep
from implementations.pmg import PMG, STEPS, jigsaw
from tests.implementations.tiny import build, images, labels


def tiles(n: int) -> torch.Tensor:
    """An image of n × n tiles of 2 × 2 pixels, numbered row by row."""
    return torch.arange(n * n, dtype=torch.float32).reshape(1, 1, n, n).repeat_interleave(2, 2).repeat_interleave(2, 3)


def numbers(image: torch.Tensor) -> list[int]:
    return image[0, 0, ::2, ::2].flatten().int().tolist()


@pytest.mark.parametrize(("order", "expected"), [([1, 2, 3, 0], [3, 0, 1, 2]), ([3, 0, 1, 2], [2, 3, 1, 0])])
def test_a_jigsaw_of_four_pieces_by_hand(order, expected):
    assert numbers(jigsaw(tiles(2), 2, tensor(order))) == expected


@pytest.mark.parametrize("n", [2, 4, 8])
def test_every_piece_moves_and_none_is_lost(n):
    generator = torch.Generator().manual_seed(0)
    orders = itertools.permutations(range(4)) if n == 2 else (torch.randperm(n * n, generator=generator).tolist() for _ in range(100))
    seen = set()
    for order in orders:
        found = numbers(jigsaw(tiles(n), n, tensor(order)))
        assert sorted(found) == list(range(n * n))
        assert all(piece != place for place, piece in enumerate(found))
        seen.add(tuple(found))
    assert len(seen) == (6 if n == 2 else 100)


def test_one_piece_is_the_image_and_the_image_stays_as_it_was():
    image = images(1)
    kept = image.clone()
    assert torch.equal(jigsaw(image, 1, tensor([0])), image)
    jigsaw(image, 4, torch.randperm(16))
    assert torch.equal(image, kept)


def test_all_images_of_a_batch_are_cut_alike():
    order = torch.randperm(16)
    assert torch.equal(jigsaw(images(2), 4, order), torch.cat([jigsaw(one[None], 4, order) for one in images(2)]))


def test_what_a_side_leaves_over_stays_in_place():
    image = images(1, 10)
    cut = jigsaw(image, 4, torch.arange(16))
    assert torch.equal(cut[..., 8:], image[..., 8:])
    assert torch.equal(cut[..., 8:, :], image[..., 8:, :])
    assert not torch.equal(cut, image)


def step_gradients(stage: str, method: PMG) -> dict[str, bool]:
    """Whether a step's loss moves each part of the network."""
    method.zero_grad()
    sum(method.stage_loss(images(), labels(), stage).values()).backward()
    parts: dict[str, bool] = {}
    for name, parameter in method.named_parameters():
        part = ".".join(name.split(".")[:2]) if name.startswith(("blocks", "heads")) else name.split(".")[0]
        parts[part] = parts.get(part, False) or bool(parameter.grad.abs().sum() > 0)
    return parts


@pytest.mark.parametrize(
    ("stage", "reached"),
    [
        ("stage 3", {"blocks.0", "heads.0"}),
        ("stage 4", {"blocks.1", "heads.1"}),
        ("stage 5", {"blocks.2", "heads.2"}),
        ("all stages", {"blocks.0", "blocks.1", "blocks.2", "head_of_all"}),
    ],
)
def test_a_step_reaches_its_own_block_and_head(stage, reached):
    assert {part for part, moved in step_gradients(stage, build(PMG)).items() if moved} == reached | {"backbone"}


def test_a_shallow_steps_gradient_leaves_the_deeper_stages_at_exactly_zero():
    method = build(PMG)
    sum(method.stage_loss(images(), labels(), "stage 3").values()).backward()
    stages = {f"layer{number}": 0.0 for number in (2, 3, 4)}
    for name, parameter in method.backbone.model.named_parameters():
        assert parameter.grad is not None  # zero, not absent: weight decay and momentum move it
        for stage in stages:
            stages[stage] += parameter.grad.abs().sum().item() * name.startswith(stage)
    assert stages["layer2"] > 0
    assert stages["layer3"] == stages["layer4"] == 0


def test_a_batch_is_four_updates_from_fine_to_whole_and_each_moves_every_batchnorm():
    method = build(PMG).train()
    seen, statistics = [], []

    def update(losses, pieces, classes):
        before = [buffer.clone() for name, buffer in method.named_buffers() if name.endswith("running_mean")]
        terms = losses(pieces, classes)
        after = [buffer for name, buffer in method.named_buffers() if name.endswith("running_mean")]
        statistics.append(all(not torch.equal(a, b) for a, b in zip(before, after, strict=True)))
        seen.append((next(iter(terms)), torch.equal(pieces, batch)))
        return terms

    batch = images()
    terms = method.training_step(batch, labels(), update)
    assert seen == [("stage 3", False), ("stage 4", False), ("stage 5", False), ("all stages", True)]
    assert list(terms) == [stage for _, stage in STEPS]
    assert statistics == [True] * 4


def test_the_last_step_counts_twice():
    method = build(PMG)
    plain = method.losses(images(), labels())
    stage, whole = (method.stage_loss(images(), labels(), name)[name] for name in ("stage 5", "all stages"))
    assert whole.item() == pytest.approx(2 * plain["all stages"].item(), rel=1e-5)
    assert stage.item() == pytest.approx(plain["stage 5"].item(), rel=1e-5)


def test_at_test_time_the_four_logits_of_the_whole_image_are_summed():
    method = build(PMG).eval()
    assert torch.allclose(method(images()), sum(method.logits(images()).values()))


def test_a_stages_answer_doesnt_depend_on_where_its_maxima_stand():
    method = build(PMG).eval()
    maps = [block.detach() for block in method.maps(images())]
    shuffled = [one.flatten(2)[..., torch.randperm(one[0, 0].numel())].reshape(one.shape) for one in maps]
    answers = []
    for found in (maps, shuffled):
        method.maps = lambda images, found=found: found
        answers.append(method(images()))
    assert torch.allclose(*answers)


def test_the_evidence_is_where_the_maxima_stand_and_the_three_stages_weigh_alike():
    method = build(PMG).eval()
    fine, middle, coarse = torch.zeros(1, 2, 8, 8), torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 2, 2)
    fine[0, :, 7, 0], middle[0, 0, 1, 1], middle[0, 1, 3, 3], coarse[0, :, 0, 1] = 2.0, 3.0, 1.0, 5.0
    method.maps = lambda images: [fine, middle, coarse]
    evidence = method.evidence(images(1))[0]
    assert evidence.sum().item() == pytest.approx(3)
    assert evidence[7, 0].item() == pytest.approx(1)
    assert evidence[2:4, 2:4].sum().item() == pytest.approx(0.75)
    assert evidence[6:, 6:].sum().item() == pytest.approx(0.25)
    assert evidence[:4, 4:].sum().item() == pytest.approx(1)


def test_the_papers_schedule_is_a_cosine_in_stairs_of_an_epoch():
    factor = [PMG.recipe.schedule(step, 374, 200 * 374) for step in (0, 373, 100 * 374, 199 * 374, 200 * 374 - 1)]
    assert factor[:3] == [1.0, 1.0, pytest.approx(0.5)]
    assert factor[3] == factor[4] == pytest.approx((1 + math.cos(math.pi * 199 / 200)) / 2)


def test_without_the_jigsaw_the_first_step_has_another_gradient():
    gradients = []
    for kind in (PMG, NoJigsaw):
        method = build(kind)
        torch.manual_seed(3)
        pieces = method.cut(images(), 8, torch.randperm(64))
        loss = sum(method.stage_loss(pieces, labels(), "stage 3").values())
        gradients.append(torch.autograd.grad(loss, method.heads[0][1].weight)[0])
    assert not torch.allclose(*gradients)


def test_in_one_step_all_heads_move_at_once():
    updates = []
    method = build(OneStep)
    method.training_step(images(), labels(), lambda losses, pieces, classes: updates.append(losses(pieces, classes)) or updates[-1])
    assert [list(terms) for terms in updates] == [["stage 3", "stage 4", "stage 5", "all stages"]]
