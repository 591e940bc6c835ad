"""What makes FGN this paper: a slice a level, fine slices that coarse heads read but don't shape, and answers at each level."""

from __future__ import annotations

import ast
import math
import re

import pytest
import torch
import torch.nn.functional as F
from torch import tensor

from implementations.ablations.fgn_flamingo import FlatHead, NoStops, SharedEmbedding
from implementations.common import checkpoints, look
from implementations.common.data import finches_classes
from implementations.common.errors import Usage
from implementations.common.finches import Spec
from implementations.common.method import Classes
from implementations.fgn_flamingo import FGN, LevelHeads, level_inputs, level_losses
from tests.implementations.tiny import FOUR, build, images, labels, reached
from tools.pages.losses import FOLDER, read

SIX = Classes(tuple("abcdef"), {"order": (0, 0, 0, 0, 1, 1), "family": (0, 0, 1, 1, 2, 2)})
ORDER, FAMILY, SPECIES = slice(0, 2), slice(2, 4), slice(4, 6)


def six_numbers(levels: int = 3) -> torch.Tensor:
    """One image's slices, (1, levels, 6 / levels)."""
    return torch.arange(1.0, 7.0).view(1, levels, -1).requires_grad_()


def answering(method: FGN, *levels: list[int]) -> FGN:
    """The method, whose heads answer so, one image after the other."""
    sizes = [2, 3, 6][-len(levels) :]
    method.levels = lambda images: [F.one_hot(tensor(answers), size).float() for answers, size in zip(levels, sizes, strict=True)]
    return method


# -------------------------------------------------------------------------------------------------------- slices and stops


def test_a_head_reads_its_own_slice_and_all_finer_ones():
    assert [one.tolist() for one in level_inputs(six_numbers())] == [[[1, 2, 3, 4, 5, 6]], [[3, 4, 5, 6]], [[5, 6]]]
    assert [one.tolist() for one in level_inputs(six_numbers(2))] == [[[1, 2, 3, 4, 5, 6]], [[4, 5, 6]]]


@pytest.mark.parametrize(("level", "own"), [(0, ORDER), (1, FAMILY), (2, SPECIES)])
def test_its_gradient_stops_before_every_slice_but_its_own(level, own):
    given = six_numbers()
    level_inputs(given)[level].square().sum().backward()
    expected = torch.zeros(1, 6)
    expected[:, own] = 2 * given.detach().flatten(1)[:, own]
    assert torch.equal(given.grad.flatten(1), expected)


def test_one_level_is_a_plain_classifier_on_the_whole_embedding():
    given = six_numbers(1)
    (whole,) = level_inputs(given)
    assert torch.equal(whole, given[:, 0])
    whole.sum().backward()
    assert given.grad.tolist() == [[[1] * 6]]


def test_the_demos_recipe_goes_with_any_number_of_levels():
    width = FGN.demo["cnn"]["width"]
    for levels in range(1, 5):
        method = build(FGN, classes=Classes(tuple("abcd"), {f"level {number}": (0, 0, 1, 1) for number in range(levels)}))
        assert [head.in_features for head in method.heads.heads] == [width * left for left in range(levels + 1, 0, -1)]
        assert method.heads.embed[1].out_features == width * (levels + 1)
        assert [len(one[0]) for one in method.eval().levels(images())] == [2] * levels + [4]


def test_the_papers_heads_on_birds_read_600_400_and_200_numbers():
    heads = LevelHeads(2048, [13, 38, 200])
    assert [(head.in_features, head.out_features) for head in heads.heads] == [(600, 13), (400, 38), (200, 200)]
    assert [type(layer).__name__ for layer in heads.embed] == ["BatchNorm1d", "Linear", "BatchNorm1d", "ELU"]
    assert heads.embed[1].weight.shape == (600, 2048)


def test_answers_of_equal_certainty_cost_the_sum_of_the_levels_logarithms():
    uniform = [torch.zeros(2, size) for size in (13, 38, 200)]
    losses = level_losses(uniform, [tensor([1, 2])] * 3)
    assert sum(losses).item() == pytest.approx(math.log(13) + math.log(38) + math.log(200)) == pytest.approx(11.501, abs=5e-4)


# -------------------------------------------------------------------------------------------------------- the method


def test_a_coarse_answer_depends_on_the_finer_slices_and_a_fine_one_not_on_the_coarser():
    heads = LevelHeads(4, [2, 3, 6], width=2).eval()
    given = torch.randn(5, 3, 2, generator=torch.Generator().manual_seed(0))
    before = [head(one) for head, one in zip(heads.heads, level_inputs(given), strict=True)]
    for changed, expected in ((2, [True, True, True]), (1, [True, True, False]), (0, [True, False, False])):
        other = given.clone()
        other[:, changed] += 1
        after = [head(one) for head, one in zip(heads.heads, level_inputs(other), strict=True)]
        assert [not torch.equal(one, two) for one, two in zip(before, after, strict=True)] == expected


def test_each_term_reaches_its_own_head_and_through_its_own_slice_all_that_lies_before():
    method = build(FGN, pretrained=True, classes=SIX, width=4)
    terms = method.losses(images(6), labels(6))
    assert list(terms) == ["order cross-entropy", "family cross-entropy", "cross-entropy"]
    every = {name for name, _ in method.named_parameters()}
    rows = method.heads.embed[1].weight
    for number, term in enumerate(terms.values()):
        others = {f"heads.heads.{other}.{kind}" for other in range(3) if other != number for kind in ("weight", "bias")}
        assert reached(method, term) == every - others
        (gradient,) = torch.autograd.grad(term, rows, retain_graph=True)
        assert gradient.any(1).nonzero()[:, 0].tolist() == list(range(4 * number, 4 * number + 4))


def test_each_term_is_the_cross_entropy_of_its_levels_labels():
    method = build(FGN, classes=SIX, width=4).eval()
    classes = tensor([0, 2, 3, 5])
    order, family, species = method.levels(images())
    expected = [F.cross_entropy(order, tensor([0, 0, 0, 1])), F.cross_entropy(family, tensor([0, 1, 1, 2])), F.cross_entropy(species, classes)]
    assert torch.equal(torch.stack(list(method.losses(images(), classes).values())), torch.stack(expected))


def test_the_test_pass_gives_the_finest_levels_logits_and_training_differs_by_its_batchnorm_alone():
    method = build(FGN, pretrained=True).eval()
    assert torch.equal(method(images()), method.levels(images())[-1])
    at_test = method(images())
    method.train()
    for module in method.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.eval()
    assert torch.equal(method(images()), at_test)


def test_a_maximum_counts_wherever_it_stands_on_a_map_of_any_size():
    method = build(FGN, pretrained=True).eval()
    answers = []
    for side, place in ((4, (0, 0)), (4, (3, 1)), (7, (6, 2))):
        features = torch.zeros(1, 128, side, side)
        features[0, :, *place] = torch.linspace(0.5, 1, 128)
        method.backbone.forward = lambda images, features=features: [features]
        answers.append(method(images(1)))
    assert torch.equal(answers[0], answers[1])
    assert torch.equal(answers[0], answers[2])


def test_the_demos_birds_have_families_and_heads_are_as_wide_as_the_levels():
    method = build(FGN, classes=finches_classes(Spec(split="train", count=1)))
    assert method.parents.tolist() == [[number // 4 for number in range(32)]]
    assert [head.out_features for head in method.heads.heads] == [8, 32]
    assert [head.in_features for head in method.heads.heads] == [128, 64]


def test_classes_without_a_coarser_level_are_refused_with_the_lines_that_would_give_one():
    with pytest.raises(Usage, match="the classes have no coarser level") as raised:
        FGN.build(4, "finch_resnet", input_size=64)
    assert "classes.yaml beside train/" in str(raised.value)
    assert "\nfamily:\n  finches: [house finch, purple finch]\n  tits: [blue tit, great tit]\n" in str(raised.value)
    (names, coarse) = map(ast.literal_eval, re.search(r"Classes\((\(.*?\)), (\{.*\})\)$", str(raised.value)).groups())
    assert FGN.build(Classes(names, coarse), "finch_resnet", input_size=64).parents.tolist() == [[0, 0, 1]]


def test_a_checkpoint_brings_its_hierarchy_along(tmp_path):
    method = build(FGN, classes=SIX, width=4).eval()
    checkpoints.save(tmp_path / "final.safetensors", method, SIX)
    loaded = look.load(FGN, tmp_path / "final.safetensors").eval()
    assert loaded.classes == SIX
    assert torch.equal(loaded(images()), method(images()))


def test_the_papers_rates_fall_by_a_cosine_in_stairs_of_an_epoch():
    recipe = FGN.recipe
    assert (recipe.lr, recipe.backbone_lr) == (0.1, 0.01)
    assert [recipe.schedule(step, 93, 9300) for step in (0, 92, 93, 4650)] == pytest.approx([1, 1, (1 + math.cos(math.pi / 100)) / 2, 0.5])


# -------------------------------------------------------------------------------------------------------- what is measured


def test_each_levels_own_answer_the_finest_answers_parents_and_their_agreement_are_measured():
    # True species 0, 2, 4, 5. The finest answers 1, 0, 4, 5 are of families 0, 0, 2, 2 and orders 0, 0, 1, 1.
    method = answering(build(FGN, classes=SIX, width=4), [0, 0, 1, 0], [0, 1, 2, 2], [1, 0, 4, 5])
    assert method.measure([(images(), tensor([0, 2, 4, 5]))]) == {
        "order top-1": 0.75,
        "family top-1": 1.0,
        "order top-1 by mapping": 1.0,
        "family top-1 by mapping": 0.75,
        "levels agree": 0.5,
    }


def test_batches_of_any_size_count_by_their_images():
    method = build(FGN).eval()
    seen, classes = images(6), tensor([0, 1, 2, 3, 0, 1])
    with torch.no_grad():
        whole = method.measure([(seen, classes)])
        parts = method.measure([(seen[:5], classes[:5]), (seen[5:], classes[5:])])
    assert parts == pytest.approx(whole)


# -------------------------------------------------------------------------------------------------------- evidence


def test_the_evidence_is_where_those_maxima_stand_that_speak_for_the_predicted_class():
    method = build(FGN).eval()
    features = torch.zeros(1, 128, 4, 4)
    features[0, :64, 0, 1], features[0, 64:, 3, 2] = 1.0, 2.0
    method.backbone.forward = lambda images: [features]
    pooled = features.amax((2, 3)).requires_grad_()
    logits = method.heads(pooled)[-1]
    (gradient,) = torch.autograd.grad(logits[0, logits.argmax()], pooled)
    votes = (gradient * pooled)[0].clamp_min(0)
    with torch.no_grad():
        found = method.evidence(images(1))[0]
    assert found[0, 1].item() == pytest.approx(votes[:64].sum().item(), rel=1e-5)
    assert found[3, 2].item() == pytest.approx(votes[64:].sum().item(), rel=1e-5)
    assert found.count_nonzero() == 2


def test_looking_leaves_no_gradient_behind():
    method = build(FGN, pretrained=True).eval()
    with torch.no_grad():
        assert not method.evidence(images()).requires_grad
    assert all(parameter.grad is None for parameter in method.parameters())


# -------------------------------------------------------------------------------------------------------- alone, and without


def test_the_lines_of_the_site_are_the_methods_loss():
    method = build(FGN, width=128)
    names = {"pooled": torch.randn(8, 512), "labels": labels(8), "classes": 4, "parents": tensor(FOUR.coarse["family"])}
    code = read(FOLDER / "fgn-flamingo.md").code
    exec(code, names)  # noqa: S102 - the lines that the site shows
    method.backbone.forward = lambda images: [names["pooled"][:, :, None, None]]
    method.heads = names["heads"]
    assert torch.isclose(names["loss"], sum(method.losses(images(8), labels(8)).values()))


def test_the_flat_head_is_trained_by_fine_labels_alone_and_its_answers_are_mapped():
    method = build(FlatHead, classes=SIX, width=4, pretrained=True)
    terms = method.losses(images(6), labels(6))
    assert list(terms) == ["cross-entropy"]
    assert torch.equal(terms["cross-entropy"], F.cross_entropy(method(images(6)), labels(6)))
    assert reached(method, terms["cross-entropy"]) == {name for name, _ in method.named_parameters()}
    assert [(head.in_features, head.out_features) for head in method.heads.heads] == [(12, 6)]
    torch.manual_seed(0)
    alone = LevelHeads(128, [6], width=12)  # drawn first, as FGN's: no other heads are drawn and thrown away
    torch.manual_seed(0)
    assert all(torch.equal(*pair) for pair in zip(alone.parameters(), FlatHead(SIX, method.backbone, method.recipe).heads.parameters(), strict=True))
    measured = answering(method, [1, 0, 4, 5]).measure([(images(), tensor([0, 2, 4, 5]))])
    assert measured == {"order top-1 by mapping": 1.0, "family top-1 by mapping": 0.75}


def test_a_shared_embedding_is_read_and_shaped_whole_by_every_head():
    method = build(SharedEmbedding, classes=SIX, width=4, pretrained=True)
    assert [head.in_features for head in method.heads.heads] == [12, 12, 12]
    for term in method.losses(images(6), labels(6)).values():
        (gradient,) = torch.autograd.grad(term, method.heads.embed[1].weight, retain_graph=True)
        assert gradient.any(1).all()


def test_without_stops_the_heads_read_the_same_and_shape_the_finer_slices_too():
    given = six_numbers()
    for level, (stopped, free) in enumerate(zip(level_inputs(given), NoStops.read(given), strict=True)):
        assert torch.equal(stopped, free)
        (gradient,) = torch.autograd.grad(free.sum(), given)
        assert gradient.tolist() == [[[0, 0]] * level + [[1, 1]] * (3 - level)]
