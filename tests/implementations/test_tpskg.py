"""What makes TPSKG this paper: the favourite patch is taken away in training, and each class has an embedding that is mixed in."""

from __future__ import annotations

import math

import pytest
import torch
from torch import tensor
from torch.nn.functional import cross_entropy

from implementations.ablations.tpskg import RandomSuppression, WithoutKnowledge, WithoutSuppression
from implementations.common.vit import watch
from implementations.tpskg import TPSKG, recall
from tests.implementations.tiny import build, images, labels, reached


def knowing(method: TPSKG) -> TPSKG:
    """With embeddings as they may be after training; they start at zero."""
    torch.manual_seed(5)
    torch.nn.init.normal_(method.knowledge, std=0.5)
    return method


def test_the_worked_example_of_knowledge():
    response, known = recall(tensor([[math.log(3), 0.0]]), torch.eye(2))
    assert response[0].tolist() == pytest.approx([math.log(3), 0.0])
    assert known[0].tolist() == pytest.approx([0.75, 0.25])


def test_a_clear_response_retrieves_its_classs_embedding_and_any_other_lies_between_them():
    knowledge = torch.randn(5, 8, generator=torch.Generator().manual_seed(0))
    features = torch.linalg.pinv(knowledge) @ (200 * torch.eye(5))
    assert torch.allclose(recall(features.T, knowledge)[1], knowledge, atol=1e-4)
    mixed = recall(torch.randn(9, 8, generator=torch.Generator().manual_seed(1)), knowledge)[1]
    assert (mixed <= knowledge.max(0).values).all()
    assert (mixed >= knowledge.min(0).values).all()


def test_it_starts_as_a_plain_vit_whose_knowledge_says_nothing():
    method = build(TPSKG).eval()
    features, _ = method.encode(images())
    assert torch.allclose(method(images()), method.classifier(features))
    assert method.losses(images(), labels())["knowledge"].item() == pytest.approx(math.log(4))


def test_what_is_suppressed_is_what_draws_most_attention():
    method = build(TPSKG, pretrained=True).eval()
    _, response = method.encode(images())
    assert torch.equal(method.peaks(response)[:, 0], response.argmax(1))
    assert build(TPSKG, suppressed=3).peaks(response).shape == (4, 3)


def test_attention_to_patches_is_the_last_blocks_class_row_averaged_over_heads():
    method = build(TPSKG).eval()
    tokens, watched = watch(method.backbone.blocks, method.backbone.embed(images()))
    features, response = method.encode(images())
    assert torch.allclose(response, watched[-1].maps.attention()[:, :, 0, 1:].mean(1), atol=1e-6)
    assert torch.allclose(features, method.backbone.norm(tokens)[:, 0], atol=1e-6)
    assert torch.allclose(method.evidence(images()).flatten(1), response)


def test_what_happens_in_a_suppressed_patch_changes_nothing_and_elsewhere_it_does():
    method = build(TPSKG).eval()
    plain = images(1)
    hidden, beside = plain.clone(), plain.clone()
    hidden[:, :, 16:24, 24:32] += 3.0  # patch 2 × 8 + 3
    beside[:, :, 16:24, 32:40] += 3.0
    patch = tensor([[19]])  # the 20th of 64, row by row
    with torch.no_grad():
        expected = method.encode_without(plain, patch)
        assert torch.allclose(method.encode_without(hidden, patch), expected, atol=1e-6)
        assert not torch.allclose(method.encode_without(beside, patch), expected, atol=1e-3)
        assert not torch.allclose(method.encode(hidden)[0], method.encode(plain)[0], atol=1e-3)


def test_uniform_attention_suppresses_one_patch_all_the_same():
    method = build(TPSKG)
    uniform = torch.full((3, 64), 1 / 65)
    first, second = method.peaks(uniform), method.peaks(uniform)
    assert torch.equal(first, second)
    assert first.shape == (3, 1)


def test_each_loss_reaches_what_it_should():
    method = knowing(build(TPSKG))
    terms = method.losses(images(), labels())
    everything = {name for name, _ in method.named_parameters()}
    assert reached(method, terms["cross-entropy"]) == reached(method, terms["suppressed"]) == everything
    assert reached(method, terms["knowledge"]) == everything - {"classifier.weight", "classifier.bias"}


def test_both_passes_are_classified_with_what_is_known_and_the_suppressed_ones_coefficients_are_trained():
    method = knowing(build(TPSKG, suppressed_weight=0.5, knowledge_weight=0.25)).eval()
    plain, response = method.encode(images())
    suppressed = method.encode_without(images(), method.peaks(response))
    logits, known = ([method.classifier(one + recall(one, method.knowledge)[1]), one @ method.knowledge.T] for one in (plain, suppressed))
    expected = [cross_entropy(logits[0], labels()), cross_entropy(known[0], labels()) / 2, cross_entropy(known[1], labels()) / 4]
    terms = method.losses(images(), labels())
    assert list(terms) == ["cross-entropy", "suppressed", "knowledge"]
    assert [term.item() for term in terms.values()] == pytest.approx([one.item() for one in expected], abs=1e-5)
    assert len({round(term.item(), 3) for term in (cross_entropy(logits[1], labels()), cross_entropy(known[1], labels()))}) == 2


def test_the_test_pass_doesnt_depend_on_suppression():
    assert torch.equal(build(TPSKG).eval()(images()), build(TPSKG, suppressed=9).eval()(images()))


@pytest.mark.parametrize("ablation", [RandomSuppression, WithoutSuppression])
def test_without_the_peak_suppressed_training_has_another_gradient(ablation):
    gradients = []
    for kind in (TPSKG, ablation):
        method = knowing(build(kind, pretrained=True))
        torch.manual_seed(1)
        gradients.append(torch.autograd.grad(sum(method.losses(images(), labels()).values()), method.backbone.model.cls_token)[0])
    assert not torch.allclose(*gradients, rtol=1e-2)


def test_without_knowledge_the_answer_is_another():
    assert not torch.allclose(knowing(build(TPSKG)).eval()(images()), knowing(build(WithoutKnowledge)).eval()(images()), atol=1e-3)


def test_the_spread_of_attention_is_one_where_all_patches_draw_the_same():
    method = build(TPSKG).eval()
    method.encode = lambda images: (None, torch.full((len(images), 64), 1 / 80))
    assert method.measure([(images(), labels())])["spread of attention"] == pytest.approx(1)
    method.encode = lambda images: (None, torch.eye(64)[:4] + 1e-12)
    assert method.measure([(images(), labels())])["spread of attention"] == pytest.approx(0, abs=1e-6)
