"""What makes GCL this paper: positions receive from their row and column, patches from each other, and scores follow what patches are worth."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn, tensor

from implementations.ablations.gcl import NoGraphs, NoOrderOfLosses, NoPropagation, NoStrengthening
from implementations.common.errors import Usage
from implementations.common.regions import cell_of_centre, crop, overlap
from implementations.gcl import CFS, CGP, GCL, criss_cross, excess, rank
from tests.implementations.tiny import build, images, labels, reached


def randn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def with_gamma(kind: type[GCL] = GCL, **changes) -> GCL:
    """On pretrained weights, with the scale of CGP moved off its 0."""
    method = build(kind, pretrained=True, **{"patches": 4} | changes)
    if isinstance(method.propagate, CGP):
        nn.init.constant_(method.propagate.gamma, 0.5)
    return method


# ---------------------------------------------------------------------------------------------------------- CGP


def adjacency(queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    """The adjacency (N, N): what each position takes of each, read off from a map of one channel a position."""
    n = queries.shape[2] * queries.shape[3]
    return criss_cross(queries, keys, torch.eye(n, dtype=queries.dtype).view(1, n, *queries.shape[2:])).flatten(2)[0].T


def test_uniform_weights_spread_an_impulse_by_hand():
    same, impulse = torch.zeros(1, 1, 3, 3), torch.zeros(1, 1, 3, 3)
    impulse[0, 0, 0, 0] = 1
    once = criss_cross(same, same, impulse)
    assert once[0, 0].tolist() == [pytest.approx(row) for row in ([0.2, 0.2, 0.2], [0.2, 0, 0], [0.2, 0, 0])]
    twice = criss_cross(same, same, once)
    assert twice[0, 0].tolist() == [pytest.approx(row) for row in ([0.2, 0.12, 0.12], [0.12, 0.08, 0.08], [0.12, 0.08, 0.08])]


def test_a_position_receives_from_its_row_and_column_after_one_round_and_of_all_after_two():
    once = adjacency(randn(1, 5, 3, 4), randn(1, 5, 3, 4))
    assert (once > 0).sum(1).tolist() == [6] * 12
    assert ((once @ once) > 0).all()


def test_the_adjacency_is_a_softmax_over_row_and_column_with_the_position_itself_once():
    queries, keys = randn(2, 1, 5, 3, 4)
    positions = torch.arange(12)
    there = (positions[:, None] // 4 == positions // 4) | (positions[:, None] % 4 == positions % 4)
    products = torch.einsum("du,dv->uv", queries[0].flatten(1), keys[0].flatten(1))
    assert torch.allclose(adjacency(queries, keys), products.masked_fill(~there, -torch.inf).softmax(1))


def test_a_transposed_map_or_one_of_other_rows_gives_the_same_positions_the_same():
    queries, keys, values = randn(3, 2, 5, 3, 4)
    found = criss_cross(queries, keys, values)
    assert torch.allclose(criss_cross(queries.mT, keys.mT, values.mT), found.mT)
    order = tensor([2, 0, 1])
    assert torch.allclose(criss_cross(queries[:, :, order], keys[:, :, order], values[:, :, order]), found[:, :, order])


def test_cgp_starts_as_the_identity_and_adds_what_it_receives_round_by_round():
    propagate, features = CGP(8, 4, 2).double(), randn(2, 8, 3, 4)
    assert torch.equal(propagate(features), features)
    nn.init.constant_(propagate.gamma, 0.5)
    once = features + 0.5 * criss_cross(propagate.query(features), propagate.key(features), propagate.value(features))
    assert torch.allclose(propagate(features), once + 0.5 * criss_cross(propagate.query(once), propagate.key(once), propagate.value(once)))


# ---------------------------------------------------------------------------------------------------------- CFS


def test_the_strengthening_of_two_worked_pairs():
    strengthen = CFS(2, 1).double()
    nn.init.eye_(strengthen.weight.weight)
    patches = torch.eye(2, dtype=torch.float64)[None]
    one, other = 1 / (1 + math.exp(-(0.5**0.5))), 1 / (1 + math.exp(0.5**0.5))
    assert (one, other) == (pytest.approx(0.6698, abs=1e-4), pytest.approx(0.3302, abs=1e-4))
    assert strengthen(patches)[0].tolist() == [pytest.approx([1 + one, other]), pytest.approx([other, 1 + one])]
    unlike = tensor([[[1.0, 0.0], [1.0, 1.0]]], dtype=torch.float64)  # products 1, 1 of the first, 1, 2 of the second
    assert strengthen(unlike)[0].tolist() == [pytest.approx([2, 0.5]), pytest.approx([2, 1 + one])]
    nn.init.zeros_(strengthen.weight.weight)
    assert torch.equal(strengthen(patches), patches)


def test_cfs_does_the_same_whatever_order_patches_come_in_and_each_receives_from_the_others():
    torch.manual_seed(0)
    strengthen, patches, order = CFS(8, 2).double(), randn(2, 4, 8), tensor([3, 1, 0, 2])
    found = strengthen(patches)
    assert torch.allclose(strengthen(patches[:, order]), found[:, order])
    other = patches.clone()
    other[:, 3] += 1
    assert ((strengthen(other)[:, :3] - found[:, :3]).abs().amax(2) > 1e-3).all()
    torch.testing.assert_close(strengthen(patches[:1]), found[:1])


def test_two_rounds_of_cfs_are_one_after_the_other_with_the_same_weights():
    twice, once, patches = CFS(8, 2).double(), CFS(8, 1).double(), randn(2, 4, 8)
    once.load_state_dict(twice.state_dict())
    assert torch.equal(twice(patches), once(once(patches)))


def test_neither_graph_is_spoilt_by_autocast():
    queries, keys, values = 4 * randn(3, 1, 8, 4, 4).float()
    strengthen, patches = CFS(8, 2), 4 * randn(1, 3, 8).float()
    with torch.autocast("cpu", torch.bfloat16):
        found = criss_cross(queries, keys, values), strengthen(patches)
    assert torch.equal(found[0], criss_cross(queries, keys, values))
    assert torch.equal(found[1], strengthen(patches))


# ------------------------------------------------------------------------------------------------------- losses


def cross_entropies(*certainties: float) -> torch.Tensor:
    """The cross-entropies of these probabilities of the true class."""
    return -tensor([certainties], dtype=torch.float64).log()


def test_a_patch_may_not_be_less_certain_than_the_image_nor_the_prediction_than_a_patch():
    assert excess(cross_entropies(0.3), cross_entropies(0.6)).item() == pytest.approx(math.log(2))
    assert excess(cross_entropies(0.6, 0.9), cross_entropies(0.6)).item() == 0
    assert excess(cross_entropies(0.6), cross_entropies(0.5, 0.7)).item() == pytest.approx(math.log(0.7 / 0.6))


def test_what_is_not_to_be_exceeded_gets_no_gradient():
    losses, bounds = cross_entropies(0.3, 0.7).requires_grad_(), cross_entropies(0.6).requires_grad_()
    excess(losses, bounds).backward()
    assert losses.grad.tolist() == [[1, 0]]
    assert bounds.grad is None


@pytest.mark.parametrize(("certainties", "scores", "without", "by_half"), [((0.2, 0.8), (1.0, 0.4), 0.6, 1.1), ((0.2, 0.8), (0.4, 1.0), 0.0, 0.0), ((0.2, 0.5, 0.8), (0.9, 0.6, 0.7), 0.5, 0.8 + 0.7 + 0.4), ((0.5, 0.5), (1.0, 0.4), 0.0, 0.0)])
def test_scores_are_to_have_the_patches_order_by_a_margin(certainties, scores, without, by_half):
    assert rank(cross_entropies(*certainties), tensor([scores]), 0.0).item() == pytest.approx(without, abs=1e-6)
    assert rank(cross_entropies(*certainties), tensor([scores]), 0.5).item() == pytest.approx(by_half, abs=1e-6)


def test_with_a_margin_equal_scores_are_no_way_out():
    scores = torch.zeros(1, 3, requires_grad=True)
    rank(cross_entropies(0.2, 0.5, 0.8), scores, 1.0).backward()
    assert scores.grad.tolist() == [[2, 0, -2]]


def test_the_losses_of_several_images_are_averaged():
    two = torch.cat([cross_entropies(0.2, 0.8), cross_entropies(0.8, 0.2)])
    assert rank(two, tensor([[1.0, 0.4]] * 2), 0.0).item() == pytest.approx(0.3)
    assert excess(two, cross_entropies(0.8)).item() == pytest.approx(math.log(4))


def test_each_loss_reaches_what_it_is_to_teach_and_nothing_else():
    method = with_gamma()
    terms = method.losses(images(8), labels(8))
    assert all(term > 0 for term in terms.values())
    found = {name: {parameter.split(".")[0] for parameter in reached(method, term)} for name, term in terms.items()}
    assert found == {
        "classification": {"backbone", "of_image", "of_patch", "of_all", "strengthen"},
        "guided": {"backbone", "of_patch"},
        "correlation": {"backbone", "of_all", "strengthen"},
        "rank": {"backbone", "propagate", "score"},
    }
    assert {name for name in reached(method, terms["rank"]) if "backbone" not in name} == {name for name, _ in method.named_parameters() if name.startswith(("propagate", "score"))}


def test_the_terms_are_of_images_patches_and_all_together():
    method, classes = with_gamma().eval(), labels()
    with torch.no_grad():
        terms = method.losses(images(), classes)
        image, patches, scores = method.encode(images())
        whole, single, joint = method.of_image(image), [method.of_patch(patches[:, position]) for position in range(4)], method(images())
    by_patch = torch.stack([F.cross_entropy(one, classes, reduction="none") for one in single], dim=1)
    by_image, by_all = (F.cross_entropy(one, classes, reduction="none")[:, None] for one in (whole, joint))
    expected = {
        "classification": by_image.mean() + by_patch.mean() + by_all.mean(),
        "guided": (by_patch - by_image).relu().sum(1).mean(),
        "correlation": (by_all - by_patch).relu().sum(1).mean(),
        "rank": rank(by_patch, scores, 1.0),
    }
    assert {name: term.item() for name, term in terms.items()} == {name: pytest.approx(term.item(), abs=1e-5) for name, term in expected.items()}


# ------------------------------------------------------------------------------------------------------- method


def test_boxes_lie_in_the_image_and_the_best_of_them_overlap_little():
    method = with_gamma(side=96).eval()
    with torch.no_grad():
        boxes = method.chosen(images(8, 96))
        _, scores, kept = method.propose(images(8, 96))
        _, _, of_kept = method.encode(images(8, 96))
    assert boxes.shape == (8, 4, 4)
    assert boxes.min() >= 0
    assert boxes.max() <= 96
    assert torch.equal(boxes, method.boxes[kept])
    assert torch.equal(kept[:, 0], scores.flatten(1).argmax(1))
    assert torch.equal(of_kept, torch.stack([one.flatten()[positions] for one, positions in zip(scores, kept, strict=True)]))
    pairs = overlap(boxes[:, :, None], boxes[:, None]).masked_fill(torch.eye(4, dtype=torch.bool), 0)
    assert pairs.max() < 0.25
    assert len(kept.unique()) > 4  # other images, other patches


def test_a_score_is_of_the_patch_around_its_position_or_at_the_border_of_the_nearest_inside():
    boxes = build(GCL, side=96).boxes.view(6, 6, 4)
    assert boxes[2, 3].tolist() == [16, 32, 64, 80]  # 48 px around (40, 56)
    assert boxes[0, 5].tolist() == [0, 48, 48, 96]


def test_the_prediction_is_of_the_image_and_of_its_patches_cut_out_by_the_same_backbone():
    method = with_gamma().eval()
    method.of_image = method.of_patch = None  # for training alone
    with torch.no_grad():
        boxes = method.chosen(images())
        patches = [method.backbone(crop(images(), boxes[:, position], (32, 32)))[-1].mean((2, 3)) for position in range(4)]
        image = method.backbone(images())[-1].mean((2, 3))
        expected = method.of_all(torch.cat([image, *method.strengthen(torch.stack(patches, dim=1)).unbind(1)], dim=1))
        assert torch.allclose(method(images()), expected, atol=1e-5)


def test_the_evidence_peaks_at_the_centre_of_the_patch_that_comes_first():
    method = with_gamma(side=96).eval()
    with torch.no_grad():
        evidence, first = method.evidence(images(4, 96)), method.chosen(images(4, 96))[:, 0]
    assert torch.equal(evidence.amin((1, 2)), torch.zeros(4))
    assert torch.equal(evidence.flatten(1).argmax(1), cell_of_centre(first, (6, 6), (96, 96)))


def test_the_score_of_a_patch_that_was_moved_from_the_border_stands_at_its_centre():
    method = with_gamma(side=96).eval()
    scores = torch.zeros(1, 6, 6)
    scores[0, 0, 5], scores[0, 1, 4] = 2.0, 1.0  # both of the patch in the corner, 48 px wide
    method.propose = lambda images: (None, scores, None)
    assert method.evidence(images(1, 96)).flatten().nonzero().tolist() == [[1 * 6 + 4]]
    assert method.evidence(images(1, 96)).max() == 2


def test_the_same_patches_are_kept_under_autocast():
    method, features = with_gamma(side=96).eval(), randn(16, 128, 6, 6).to(torch.bfloat16)
    kept = []
    for enabled in (False, True):
        method.backbone.forward = lambda images, enabled=enabled: [features if enabled else features.float()]
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            kept.append(method.propose(images(16, 96))[2])
    assert torch.equal(*kept)


def test_more_patches_than_there_are_to_choose_from_are_refused():
    with pytest.raises(Usage, match=r"17 patches with 0\.5 of the image's side can't be chosen of 16"):
        build(GCL, patches=17)
    with pytest.raises(Usage, match=r"4 patches with 1\.5 of the image's side can't be chosen of 16"):
        GCL.build(4, "finch_resnet", input_size=64, side=1.5)


def test_without_propagation_a_position_far_away_changes_no_score_and_with_it_all():
    changed = []
    for kind in (GCL, NoPropagation, NoGraphs):
        method = with_gamma(kind).eval()
        features = randn(1, 128, 6, 6).float()
        other = features.clone()
        other[:, :, 0, 0] += 1
        with torch.no_grad():
            first, second = (method.score(method.propagate(one)) for one in (features, other))
        changed.append(bool((first != second)[:, :, 3:, 3:].all()))
    assert changed == [True, False, False]


def test_without_strengthening_or_either_graph_the_answer_is_another():
    answers = []
    for kind in (GCL, NoStrengthening, NoGraphs):
        with torch.no_grad():
            answers.append(with_gamma(kind).eval().together(randn(2, 128).float(), randn(2, 4, 128).float()))
    assert not torch.allclose(answers[0], answers[1], atol=1e-3)
    assert torch.equal(answers[1], answers[2])


def test_without_the_order_of_losses_the_other_two_are_as_they_were():
    whole, part = (with_gamma(kind).eval().losses(images(), labels()) for kind in (GCL, NoOrderOfLosses))
    assert set(whole) - set(part) == {"guided", "correlation"}
    assert all(torch.equal(part[name], whole[name]) for name in part)
