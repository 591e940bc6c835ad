"""What makes DAM this method: elements that separate the classes are masked, and the loss works on the others."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import tensor

from implementations import dam
from implementations.ablations.dam import BaseLoss, RandomElements
from implementations.common import finches
from implementations.common.data import transform
from implementations.common.errors import Usage
from implementations.dam import DAM, contributions, cosines, losses, recall_at_1, weak_elements
from tests.implementations.tiny import build, images, labels, reached
from tools.pages.losses import FOLDER, read


def embeddings(count: int, width: int, seed: int = 0) -> torch.Tensor:
    drawn = torch.randn(count, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return F.normalize(drawn, dim=1)


# -------------------------------------------------------------------------------------------------------- the elements


def test_contributions_of_a_worked_embedding():
    found = contributions(tensor([[0.6, 0.8]]), torch.eye(2), tensor([0]))
    assert found.tolist() == [pytest.approx([0.6, -0.8])]
    assert weak_elements(found, 0.5).tolist() == [[False, True]]


def test_the_rival_is_the_nearest_wrong_class_even_if_the_own_one_is_nearest():
    proxies = F.normalize(tensor([[1.0, 0, 0], [0, 1, 0], [1, 0, 1]]), dim=1)  # of (1, 0, 0) the third is the rival
    found = contributions(tensor([[1.0, 0, 0]]), proxies, tensor([0]))
    assert found.tolist() == [pytest.approx([1 - 0.5**0.5, 0, 0])]


def test_contributions_add_up_to_the_margin():
    embedded, proxies, classes = embeddings(6, 8), embeddings(4, 8, seed=1), tensor([0, 1, 2, 3, 0, 1])
    of_class = embedded @ proxies.T
    rivals = of_class.masked_fill(F.one_hot(classes, 4).bool(), -9).amax(1)
    margin = of_class.gather(1, classes[:, None])[:, 0] - rivals
    assert torch.allclose(contributions(embedded, proxies, classes).sum(1), margin)


def test_the_share_that_contributes_most_is_masked_and_one_element_is_always_left():
    contributed = tensor([[0.3, -0.1, 0.5, 0.0], [0.0, 0.1, 0.2, 0.3]])
    assert weak_elements(contributed, 0.5).tolist() == [[False, True, False, True], [True, True, False, False]]
    assert weak_elements(contributed, 0.3).sum(1).tolist() == [3, 3]
    assert weak_elements(contributed, 0).all()
    assert weak_elements(contributed, 1).tolist() == [[False, True, False, False], [True, False, False, False]]
    assert weak_elements(tensor([[0.4]]), 1).all()


def test_cosines_are_those_of_embedding_and_proxies_cut_to_the_kept_elements():
    embedded, proxies = embeddings(2, 4), embeddings(3, 4, seed=1)
    kept = tensor([[True, False, True, True], [False, True, True, False]])
    found = cosines(embedded, proxies, kept)
    for row, mask in enumerate(kept):
        assert torch.allclose(found[row], F.cosine_similarity(embedded[row][mask], proxies[:, mask], dim=1))


def test_a_proxy_without_any_kept_element_leaves_gradients_finite():
    embedded, proxies = tensor([[0.6, 0.8]], requires_grad=True), torch.eye(2).requires_grad_()
    base, weak = losses(embedded, proxies, tensor([0]))
    (base + weak).backward()
    assert weak.isfinite()
    assert embedded.grad.isfinite().all()
    assert proxies.grad.isfinite().all()


# -------------------------------------------------------------------------------------------------------- the two losses


def test_both_losses_of_a_worked_embedding():
    # Whole: cosines 0.6 and 0.8. The first element is masked: what is left is (0, 1), at right angles to the first proxy, along the second.
    base, weak = losses(tensor([[0.6, 0.8]]), torch.eye(2), tensor([0]), share=0.5, scale=10)
    assert base.item() == pytest.approx(torch.tensor(10 * 0.2).exp().log1p().item())
    assert weak.item() == pytest.approx(torch.tensor(10.0).exp().log1p().item())


def test_without_a_masked_element_both_losses_are_one():
    base, weak = losses(embeddings(6, 8), embeddings(4, 8, seed=1), tensor([0, 1, 2, 3, 0, 1]), share=0)
    assert torch.isclose(base, weak)


def test_lengths_of_embeddings_and_proxies_dont_count():
    embedded, proxies, classes = embeddings(4, 8), embeddings(4, 8, seed=1), torch.arange(4)
    longer = losses(3 * embedded, 0.2 * proxies, classes)
    assert torch.allclose(torch.stack(longer), torch.stack(losses(embedded, proxies, classes)))


def test_the_weak_elements_loss_has_no_gradient_to_masked_elements_and_one_to_all_others():
    embedded, proxies, classes = embeddings(4, 8).requires_grad_(), embeddings(4, 8, seed=1), torch.arange(4)
    kept = weak_elements(contributions(embedded.detach(), proxies, classes), 0.5)
    cut = cosines(embedded, proxies, kept)
    (gradient,) = torch.autograd.grad(F.cross_entropy(16 * cut, classes), embedded)
    assert (gradient[~kept] == 0).all()
    assert (gradient[kept] != 0).all()
    assert torch.isclose(losses(embedded, proxies, classes)[1], F.cross_entropy(16 * cut, classes))


def test_no_gradient_goes_through_the_choice_of_elements(monkeypatch):
    seen = []
    embedded = embeddings(4, 8).requires_grad_()
    losses(embedded, embeddings(4, 8, seed=1).requires_grad_(), torch.arange(4), weak=lambda given, share: seen.append(given) or weak_elements(given, share))
    assert not seen[0].requires_grad


def test_trained_on_weak_elements_more_elements_speak_for_the_class():
    proxies, classes = embeddings(4, 8, seed=1).float(), torch.arange(4)
    speaking = []
    for weight in (0, 1):
        embedded = embeddings(4, 8).float().requires_grad_()
        optimizer = torch.optim.SGD([embedded], lr=0.02)
        for _ in range(200):
            base, weak = losses(embedded, proxies, classes)
            optimizer.zero_grad()
            (base + weight * weak).backward()
            optimizer.step()
        speaking.append((contributions(F.normalize(embedded.detach(), dim=1), proxies, classes) > 0).sum().item())
    assert speaking[1] > speaking[0]


def test_the_elements_that_are_masked_change_as_training_goes_on():
    proxies, classes, chosen = embeddings(4, 8, seed=1), torch.arange(4), []
    embedded = embeddings(4, 8).requires_grad_()
    for _ in range(20):
        _, weak = losses(embedded, proxies, classes, weak=lambda given, share: chosen.append(weak_elements(given, share)) or chosen[-1])
        embedded = (embedded - 0.05 * torch.autograd.grad(weak, embedded)[0]).detach().requires_grad_()
    assert not torch.equal(chosen[0], chosen[-1])
    assert all((one.sum(1) == 4).all() for one in chosen)


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(ValueError, match=rf"^{share} of the elements can't be masked: expected a share from 0 \(none\) to 1"):
        losses(embeddings(2, 4), embeddings(2, 4), tensor([0, 1]), share=share)


def test_half_precision_is_left():
    found = losses(embeddings(2, 4).bfloat16(), embeddings(2, 4, seed=1).bfloat16(), tensor([0, 1]))
    assert [loss.dtype for loss in found] == [torch.float32] * 2


# -------------------------------------------------------------------------------------------------------- retrieval


def test_recall_at_1_counts_images_whose_nearest_other_one_is_of_their_class():
    angles = tensor([0.0, 0.1, 0.25, 1.5, 1.6])  # the nearest of the third is the second, of another class
    embedded = torch.stack([angles.cos(), angles.sin()], dim=1)
    assert recall_at_1(embedded, tensor([0, 0, 1, 1, 1])) == pytest.approx(4 / 5)
    assert recall_at_1(embedded, tensor([0, 1, 2, 3, 4])) == 0


def test_recall_at_1_of_many_images_is_that_of_all_at_once():
    embedded, classes = embeddings(1500, 3), torch.arange(1500) % 7
    near = (embedded @ embedded.T).fill_diagonal_(-2).argmax(1)
    assert recall_at_1(embedded, classes) == pytest.approx((classes[near] == classes).double().mean().item())


def test_neighbours_are_told_apart_in_full_precision_under_autocast_too():
    angles = tensor([0.0, 0.010, 0.0205, 0.030])  # all cosines are 1 in bf16
    embedded, classes = torch.stack([angles.cos(), angles.sin()], dim=1).double(), tensor([0, 0, 1, 1])
    with torch.autocast("cpu", torch.bfloat16):
        assert recall_at_1(embedded.float(), classes) == recall_at_1(embedded, classes) == 1


def test_unseen_species_are_none_of_those_that_something_was_trained_on():
    from implementations.common import pretrain

    assert dam.UNSEEN.seed not in (pretrain.SEED, finches.Spec(split="train", count=1).seed)


def of_other_lengths(method: DAM) -> DAM:
    """With proxies as training may leave them; they start at length 1."""
    with torch.no_grad():
        method.proxies.mul_(tensor([[0.5], [2.0], [1.0], [3.0]]))
    return method


@torch.no_grad()
def test_what_is_measured_on_test_images():
    method = of_other_lengths(build(DAM, pretrained=True).eval())
    found = method.measure([(images(), labels()), (images().flip(3), labels())])
    embedded, classes = method.embed(torch.cat([images(), images().flip(3)])), labels().repeat(2)
    speaks = contributions(embedded, F.normalize(method.proxies, dim=1), classes) > 0
    assert found == {
        "recall@1 among test images": pytest.approx(recall_at_1(embedded, classes)),
        "elements that add to the margin": pytest.approx(speaks.double().mean().item()),
    }
    assert speaks.double().mean() != 0.5


@torch.no_grad()
def test_on_finchs_birds_the_recall_of_unseen_species_is_measured_too(monkeypatch):
    method = build(DAM, side=96, pretrained=True).eval()
    monkeypatch.setattr(dam, "SEEN", method.classes)
    monkeypatch.setattr(dam, "UNSEEN", finches.Spec(seed=2000, split="test", families=2, siblings=2, count=3))
    found = method.measure([(images(side=96), labels())])
    birds = torch.from_numpy(finches.images(dam.UNSEEN).pixels).permute(0, 3, 1, 2)
    embedded = method.embed(transform(method.recipe.test)(birds))
    right = (torch.arange(12) // 3)[(embedded @ embedded.T).fill_diagonal_(-2).argmax(1)] == torch.arange(12) // 3
    assert found["recall@1 of unseen species"] == pytest.approx(right.double().mean().item())
    assert found["recall@1 of unseen species"] != found["recall@1 among test images"]


# -------------------------------------------------------------------------------------------------------- the method


def test_the_classifier_answers_by_scaled_cosine_and_ignores_the_proxies_lengths():
    method = build(DAM).eval()
    answer = method(images())
    assert answer.abs().max() <= method.recipe.scale
    assert torch.allclose(answer, method.recipe.scale * F.cosine_similarity(method.embed(images())[:, None], method.proxies, dim=2), atol=1e-5)
    with torch.no_grad():
        method.proxies.mul_(3)
    assert torch.allclose(method(images()), answer, atol=1e-5)


def test_each_term_reaches_everything_and_its_base_is_the_classifiers_cross_entropy():
    method = build(DAM, pretrained=True)
    for term in method.losses(images(), labels()).values():
        assert reached(method, term) == {name for name, _ in method.named_parameters()}
    method.eval()
    assert torch.isclose(method.losses(images(), labels())["base"], F.cross_entropy(method(images()), labels()))


def test_its_settings_are_those_of_the_losses():
    method = build(DAM, share=0.25, scale=7.0, weak_weight=0.3).eval()
    base, weak = losses(method.embed(images()), method.proxies, labels(), share=0.25, scale=7.0)
    terms = method.losses(images(), labels())
    assert torch.equal(terms["base"], base)
    assert torch.equal(terms["weak elements"], 0.3 * weak)
    assert torch.allclose(method(images()).abs().amax(), 7 * F.cosine_similarity(method.embed(images())[:, None], method.proxies, dim=2).abs().amax())


def test_proxies_are_trained_at_their_own_rate():
    method = build(DAM, lr=1e-3, proxy_lr=0.5)
    rates = {group["name"]: (group["lr"], len(group["params"])) for group in method.parameter_groups()}
    assert rates["proxies"] == (0.5, 1)
    assert rates["new layers"] == (1e-3, 1)


@torch.no_grad()
def test_what_it_looks_at_is_what_each_place_adds_to_the_predicted_classs_product(monkeypatch):
    method = of_other_lengths(build(DAM).eval())
    features = torch.randn(4, method.embedding.in_features, 3, 3, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(method.backbone, "forward", lambda images: [features])  # places for and against the class
    proxies = F.normalize(method.proxies, dim=1)[method(images()).argmax(1)]
    places = torch.einsum("bdhw,bd->bhw", torch.einsum("bchw,dc->bdhw", features, method.embedding.weight), proxies)
    whole = (method.embedding(features.mean((2, 3))) * proxies).sum(1)
    assert torch.allclose(places.mean((1, 2)), whole, atol=1e-5)
    assert (places < 0).any()
    assert torch.allclose(method.evidence(images()), places.relu(), atol=1e-5)


def test_the_lines_of_the_site_are_the_methods_losses():
    names = {"pooled": embeddings(6, 512).float(), "labels": tensor([0, 1, 2, 3, 0, 1]), "classes": 4}
    exec(read(FOLDER / "dam.md").code, names)  # noqa: S102 - the lines that the site shows
    assert torch.isclose(names["loss"], sum(losses(names["pooled"], names["proxies"].weight, names["labels"])))


# -------------------------------------------------------------------------------------------------------- ablations


def test_the_base_loss_alone_is_the_methods_own():
    both, alone = (build(kind).eval().losses(images(), labels()) for kind in (DAM, BaseLoss))
    assert list(alone) == ["base"]
    assert torch.equal(alone["base"], both["base"])


def test_random_elements_are_as_many_and_others_each_time():
    contributed = embeddings(4, 8)
    one, other = (RandomElements.weak(contributed, 0.5) for _ in range(2))
    assert one.sum(1).tolist() == other.sum(1).tolist() == [4] * 4
    assert not torch.equal(one, other)


def test_gradients_of_both_losses_are_those_of_their_values():
    embedded, proxies = embeddings(3, 6).requires_grad_(), embeddings(4, 6, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda *given: losses(*given, torch.arange(3)), (embedded, proxies))


@pytest.mark.parametrize("settings", [{"share": 1.5}, {"share": -0.1}, {"scale": 0.0}])
def test_settings_that_cant_be_are_refused_before_training(settings):
    with pytest.raises(Usage, match="expected a share from 0 to 1, and a scale above 0"):
        build(DAM, **settings)


def test_a_share_of_which_a_product_falls_short_by_rounding_masks_that_many():
    assert (~weak_elements(torch.rand(1, 100), 0.29)).sum() == 29


def test_of_one_image_there_is_no_recall():
    with pytest.raises(ValueError, match="Recall@1 needs two images or more, not 1"):
        recall_at_1(embeddings(1, 4), tensor([0]))
