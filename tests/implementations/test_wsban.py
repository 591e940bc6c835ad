"""What makes WS-BAN this paper: parts pooled under maps, whole maps dropped in training, centres that are means of their classes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn, tensor

from implementations.ablations.wsban import UniformAttention, WithoutSupervision
from implementations.wsban import WSBAN, centre_loss, moved
from tests.implementations.tiny import build, images, labels, reached


def parts(method: WSBAN, pooled: torch.Tensor) -> torch.Tensor:
    """Pooled features (B, M·C) → (B, M, C)."""
    return pooled.unflatten(1, (method.recipe.maps, -1))


# -------------------------------------------------------------------------------------------------------- the parts


def test_all_parts_together_have_length_one_and_go_with_their_maps():
    method = build(WSBAN, pretrained=True).eval()
    with torch.no_grad():
        before = method.pooled(images())
        order = torch.randperm(8, generator=torch.Generator().manual_seed(0))
        convolution, norm = method.attention[0], method.attention[1]
        for tensors in (convolution.weight, norm.weight, norm.bias, norm.running_mean, norm.running_var):
            tensors.data = tensors.data[order]
        after = method.pooled(images())
    assert before.norm(dim=1).tolist() == pytest.approx([1] * 4)
    assert torch.allclose(parts(method, after), parts(method, before)[:, order], atol=1e-6)


def test_maps_are_never_negative_and_the_evidence_is_their_mean():
    method = build(WSBAN, pretrained=True).eval()
    with torch.no_grad():
        _, attention = method.maps(images())
        assert attention.shape == (4, 8, 4, 4)
        assert (attention >= 0).all()
        assert torch.equal(method.evidence(images()), attention.mean(1))


def test_the_classifier_sees_the_pooled_features_times_their_scale():
    method = build(WSBAN, scale=20.0).eval()
    weight, bias = method.classifier.weight, method.classifier.bias
    assert torch.allclose(method(images()), F.linear(20 * method.pooled(images()), weight, bias), atol=1e-5)


@pytest.mark.parametrize(("tap", "channels"), [(1, 128), (2, 96)])
def test_features_are_of_the_map_that_the_recipe_names(tap, channels):
    method = build(WSBAN, tap=tap)
    assert any("layer4" in name for name, _ in method.named_parameters()) is (tap == 1)  # what comes after isn't computed
    features, attention = method.maps(images())
    assert features.shape[1] == channels
    assert attention.shape[-2:] == features.shape[-2:]
    assert method.centres.shape == (4, 8 * channels)


def test_training_and_test_look_at_an_image_once():
    method = build(WSBAN)
    sizes = []
    method.attention.register_forward_hook(lambda module, args, out: sizes.append(len(out)))
    method.losses(images(), labels())
    method.eval()(images())
    assert sizes == [4, 4]


# -------------------------------------------------------------------------------------------------------- dropped maps


def resting(method: WSBAN) -> WSBAN:
    """In training mode, but for its BatchNorm."""
    method.train()
    for module in method.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    return method


def test_a_fifth_of_the_maps_is_dropped_in_training_each_with_all_of_its_part():
    method = build(WSBAN, side=32, pretrained=True, dropout=0.2)
    torch.manual_seed(0)
    with torch.no_grad():
        one = images(1, 32).repeat(64, 1, 1, 1)
        whole, kept = parts(method, method.eval().pooled(one)), parts(method, resting(method).pooled(one))
    gone, looking = (kept == 0).all(2), (whole[0] != 0).any(1)
    assert looking.sum() >= 4
    assert gone[:, looking].float().mean().item() == pytest.approx(0.2, abs=0.06)
    assert len({tuple(row) for row in gone.tolist()}) > 10  # each image has maps of its own
    expected = F.normalize((whole * ~gone[..., None]).flatten(1), dim=1)  # what is left is as it was, at length 1 again
    assert torch.allclose(kept.flatten(1), expected, atol=1e-5)


def test_the_attention_that_is_left_is_on_average_what_it_was():
    method = build(WSBAN, dropout=0.2)
    torch.manual_seed(0)
    assert method.dropout(torch.ones(5000, 8, 1, 1)).mean().item() == pytest.approx(1, abs=0.01)


def test_without_dropping_training_pools_as_the_test_does():
    method = resting(build(WSBAN, dropout=0.0))
    assert torch.equal(method.pooled(images()), method.eval().pooled(images()))


# -------------------------------------------------------------------------------------------------------- the centres


def test_the_loss_of_a_worked_example_compares_with_the_normalised_centre():
    centres = tensor([[0.0, 0.0], [0.0, 0.1]])
    features = tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    assert [centre_loss(one[None], centres, tensor([label])).item() for one, label in zip(features, (0, 1, 1), strict=True)] == pytest.approx([1, 0, 2])
    assert centre_loss(features, centres, tensor([0, 1, 1])).item() == pytest.approx(1)


def test_the_centres_of_a_worked_batch_move_towards_the_mean_of_their_images():
    centres = tensor([[0.0, 0.0], [1.0, 1.0], [2.0, 0.0]])
    features = tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    after = moved(centres, features, tensor([0, 0, 2]), 0.05)
    assert torch.allclose(after, tensor([[0.04875, 0.04875], [1.0, 1.0], [1.9, 0.0]]))  # 1 - 0.95² of the way, and 1 - 0.95


def test_however_many_images_of_a_class_a_batch_has_its_centre_stays_between_where_it_was_and_their_mean():
    centre = moved(tensor([[0.0]]), torch.ones(64, 1), torch.zeros(64, dtype=torch.long), 0.05)
    assert centre.item() == pytest.approx(1 - 0.95**64)


def test_a_centre_is_a_running_mean_where_the_rule_in_circulation_keeps_the_last_image():
    rate, seen = 0.05, F.normalize(torch.rand(3, 6, generator=torch.Generator().manual_seed(0)), dim=1)
    ours, theirs = torch.zeros(1, 6), torch.zeros(1, 6)
    for one in seen:
        ours = moved(ours, one[None], tensor([0]), rate)
        theirs = theirs + rate * (one - F.normalize(theirs, dim=1))
    assert torch.allclose(theirs[0], rate * seen[2], atol=1e-6)
    assert torch.allclose(ours[0], rate * (0.95**2 * seen[0] + 0.95 * seen[1] + seen[2]), atol=1e-6)


def test_a_class_of_one_image_ends_at_it():
    centre, one = torch.zeros(1, 3), tensor([[0.6, 0.0, 0.8]])
    for _ in range(400):
        centre = moved(centre, one, tensor([0]), 0.05)
    assert torch.allclose(centre, one, atol=1e-5)


def test_after_a_step_the_centres_have_seen_all_micro_batches_and_other_classes_are_as_they_were():
    method = build(WSBAN)
    nn.init.constant_(method.centres, 1.0)
    pooled = tensor([0.0, 1.0, 3.0])[:, None].expand(3, method.centres.shape[1])
    method.seen += [(pooled[:2], tensor([3, 1])), (pooled[2:], tensor([3]))]
    method.after_step()
    assert method.centres[:, 0].tolist() == pytest.approx([1, 1, 1, 1 + 0.0975 * 0.5])
    assert torch.equal(method.centres[::2], torch.ones_like(method.centres[::2]))
    assert method.seen == []


def test_the_centre_loss_weighs_one_and_sees_what_is_left_of_the_maps():
    method = build(WSBAN, pretrained=True, dropout=0.5)
    nn.init.constant_(method.attention[1].bias, 5.0)  # no map is dead
    assert method.losses(images(), labels())["centre"].item() == pytest.approx(1)  # to centres that are 0 yet
    ((pooled, of),) = method.seen
    assert pooled.norm(dim=1).tolist() == pytest.approx([1] * 4)
    assert 0 < (parts(method, pooled) == 0).all(2).sum() < 32
    assert torch.equal(of, labels())
    with torch.no_grad():
        method.losses(images(), labels())
    assert len(method.seen) == 1


def test_each_loss_reaches_what_it_should():
    method = build(WSBAN, pretrained=True)
    method.losses(images(8), labels(8) % 4)
    method.after_step()
    everything = {name for name, _ in method.named_parameters()}
    terms = method.losses(images(8), labels(8) % 4)
    assert reached(method, terms["cross-entropy"]) == everything
    assert reached(method, terms["centre"]) == {name for name in everything if not name.startswith("classifier")}
    assert not method.centres.requires_grad


# -------------------------------------------------------------------------------------------------------- ablations


def test_without_supervision_nothing_is_dropped_and_only_the_cross_entropy_is_left():
    method = resting(build(WithoutSupervision))
    assert torch.equal(method.pooled(images()), method.eval().pooled(images()))
    assert list(method.losses(images(), labels())) == ["cross-entropy"]


def test_with_uniform_attention_every_part_is_the_average_of_the_features():
    method = build(UniformAttention).eval()
    average = F.normalize(method.backbone(images())[-1].mean((2, 3)).sqrt().repeat(1, 8), dim=1)
    assert torch.allclose(method.pooled(images()), average, atol=1e-5)
