"""What makes PC this paper: pairs across the halves of a batch, squared distance of probabilities, and only where labels differ."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import tensor

from implementations import pc
from implementations.ablations.pc import NoConfusion, NoPartner
from implementations.baseline import Baseline
from implementations.common.data import Data, Split
from implementations.common.errors import Usage
from implementations.common.recipes import op
from implementations.common.train import Settings, Trainer
from implementations.pc import PC, pairwise_confusion
from tests.implementations.tiny import FOUR, build, images, labels, reached
from tools.pages.losses import FOLDER, read

ONE, TWO = [0.7, 0.2, 0.1], [0.1, 0.6, 0.3]  # squared distance 0.36 + 0.16 + 0.04 = 0.56
THREE, FOUR_ = [0.6, 0.3, 0.1], [0.2, 0.5, 0.3]  # 0.16 + 0.04 + 0.04 = 0.24


def logits(*probabilities: list[float]) -> torch.Tensor:
    return tensor(probabilities, dtype=torch.float64).log().requires_grad_()


def distance(one: torch.Tensor, classes: list[int]) -> float:
    return pairwise_confusion(one, tensor(classes)).item()


# -------------------------------------------------------------------------------------------------------- the term


def test_the_confusion_of_a_worked_pair():
    assert distance(logits(ONE, TWO), [0, 1]) == pytest.approx(0.56 / 2)


def test_image_i_is_paired_with_image_i_of_the_other_half():
    assert distance(logits(ONE, THREE, TWO, FOUR_), [0, 0, 1, 1]) == pytest.approx((0.56 + 0.24) / 4)
    assert distance(logits(ONE, TWO, ONE, TWO), [0, 0, 1, 1]) == pytest.approx(0)


def test_a_pair_of_one_class_doesnt_count_and_gets_no_gradient():
    given = logits(ONE, THREE, TWO, FOUR_)
    term = pairwise_confusion(given, tensor([0, 2, 1, 2]))
    assert term.item() == pytest.approx(0.56 / 4)
    term.backward()
    assert given.grad[[1, 3]].abs().sum() == 0
    assert (given.grad[[0, 2]].abs().sum(1) > 0.01).all()
    assert distance(logits(ONE, THREE, TWO, FOUR_), [0, 1, 0, 1]) == 0


def test_its_bounds_are_equal_answers_and_two_certain_ones():
    certain = 100 * torch.eye(3)[[0, 1]]
    assert distance(certain, [0, 1]) == pytest.approx(2 / 2)
    assert distance(certain[[0, 0]], [0, 1]) == 0


def test_a_step_against_it_brings_both_answers_nearer_and_equal_ones_stay():
    given, classes = logits(ONE, TWO), tensor([0, 1])
    pairwise_confusion(given, classes).backward()
    for moved in ([0], [1], [0, 1]):
        nearer = given.detach().clone()
        nearer[moved] -= 0.1 * given.grad[moved]
        assert pairwise_confusion(nearer, classes) < 0.56 / 2
    same = logits(ONE, ONE)
    pairwise_confusion(same, classes).backward()
    assert same.grad.abs().max() == 0  # a root would have no gradient here


def test_the_halves_may_change_places_and_pairs_their_order_but_not_their_partners():
    given, classes = torch.randn(6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64), tensor([0, 0, 1, 1, 2, 2])
    whole = pairwise_confusion(given, classes)
    for order in ([3, 4, 5, 0, 1, 2], [1, 2, 0, 4, 5, 3]):
        assert torch.isclose(pairwise_confusion(given[order], classes[order]), whole)
    others = [0, 1, 2, 4, 5, 3]
    assert not torch.isclose(pairwise_confusion(given[others], classes[others]), whole)


def test_it_compares_probabilities_so_that_a_constant_on_ones_logits_changes_nothing():
    assert distance(logits(ONE, TWO) + tensor([[3.0], [-5.0]]), [0, 1]) == pytest.approx(0.56 / 2)


def test_half_precision_is_left():
    assert pairwise_confusion(logits(ONE, TWO).bfloat16(), tensor([0, 1])).dtype == torch.float32


def test_the_two_terms_are_the_average_of_the_papers_loss_of_a_pair():
    given, classes, weight = logits(ONE, THREE, TWO, FOUR_), tensor([0, 2, 1, 2]), 0.3
    pairs = [sum(F.cross_entropy(given[i], classes[i]) for i in pair) for pair in ((0, 2), (1, 3))]
    expected = (pairs[0] + weight * 0.56 + pairs[1]) / 4
    assert torch.isclose(F.cross_entropy(given, classes) + weight * pairwise_confusion(given, classes), expected)


# -------------------------------------------------------------------------------------------------------- pairs in training


def test_an_odd_number_of_images_is_refused():
    with pytest.raises(ValueError, match=r"^3 images can't be paired by halves: expected an even number$"):
        pairwise_confusion(logits(ONE, TWO, THREE), tensor([0, 1, 2]))


@pytest.mark.parametrize(("processes", "recipe", "at_once"), [(1, {"batch_size": 9}, 9), (2, {"batch_size": 6}, 3), (1, {"batch_size": 10, "images_per_loss": 4}, 5)])
def test_a_recipe_that_leaves_an_odd_number_at_once_is_refused_before_training(monkeypatch, processes, recipe, at_once):
    monkeypatch.setattr(pc, "processes", lambda: processes)
    with pytest.raises(Usage, match=f"paired by halves of the {at_once} that a process sees at once: expected an even number"):
        build(PC, **recipe)


def test_pairs_are_formed_within_what_goes_through_the_network_at_once(monkeypatch):
    seen = []

    def confuse(logits, labels):
        seen.append(labels.tolist())
        return pairwise_confusion(logits, labels)

    monkeypatch.setattr(PC, "confuse", staticmethod(confuse))
    plain = (op("Normalize", mean=[0.5] * 3, std=[0.5] * 3),)
    method = build(PC, side=32, batch_size=8, images_per_loss=4, epochs=1, train=plain, test=plain)
    split = Split(labels(8).tolist(), lambda index: torch.zeros(3, 32, 32, dtype=torch.uint8))
    Trainer(method, Data("eight", FOUR, split, split, split, "0" * 32), Accelerator(cpu=True), Settings(seed=0)).fit()
    assert [len(part) for part in seen] == [4, 4]
    assert sorted(seen[0] + seen[1]) == labels(8).tolist()


def test_the_papers_passes_are_of_two_pairs_and_its_rate_falls_to_nothing_over_sixty_thousand_steps():
    recipe = PC.recipe
    per_epoch = 5994 // recipe.batch_size
    assert recipe.batch_size // recipe.images_per_loss == 12
    assert round(per_epoch * recipe.epochs, -3) == 60_000
    assert [recipe.schedule(step, per_epoch, 60_000) for step in (0, 30_000, 59_999)] == pytest.approx([1, 0.5, 1 / 60_000])


# -------------------------------------------------------------------------------------------------------- the method


def test_its_weight_grows_with_the_number_of_classes():
    method = build(PC, confusion=0.2).eval()
    terms, answer = method.losses(images(), labels()), method(images())
    assert torch.equal(terms["cross-entropy"], F.cross_entropy(answer, labels()))
    assert torch.isclose(terms["confusion"], 0.2 * 4 * pairwise_confusion(answer, labels()))
    assert terms["confusion"] > 0
    assert PC.recipe.confusion * 200 == pytest.approx(20)  # on CUB


def test_each_term_reaches_everything():
    method = build(PC, pretrained=True)
    for term in method.losses(images(), labels()).values():
        assert reached(method, term) == {name for name, _ in method.named_parameters()}


def test_the_test_pass_and_its_map_are_the_plain_baselines():
    method, plain = build(PC, pretrained=True).eval(), build(Baseline).eval()
    plain.load_state_dict(method.state_dict())
    with torch.no_grad():
        assert torch.equal(method(images()), plain(images()))
        assert torch.equal(method.evidence(images()), plain.evidence(images()))


def test_the_lines_of_the_site_are_the_methods_loss():
    method = build(PC).eval()
    names = {"logits": method(images()), "labels": labels(), "classes": 4}
    exec(read(FOLDER / "pc.md").code, names)  # noqa: S102 - the lines that the site shows
    assert torch.isclose(names["loss"], sum(method.losses(images(), labels()).values()))


# -------------------------------------------------------------------------------------------------------- ablations


def test_without_a_partner_each_image_of_the_same_pairs_is_drawn_to_the_uniform_distribution():
    # 0.54 - 1/3 and 0.46 - 1/3; the pair of one class doesn't count here, either.
    assert NoPartner.confuse(logits(ONE, THREE, TWO, FOUR_), tensor([0, 2, 1, 2])).item() == pytest.approx((1 - 2 / 3) / 4)


def test_without_confusion_only_the_cross_entropy_is_left():
    with_it, without = (build(kind).eval().losses(images(), labels()) for kind in (PC, NoConfusion))
    assert list(without) == ["cross-entropy"]
    assert torch.equal(without["cross-entropy"], with_it["cross-entropy"])
