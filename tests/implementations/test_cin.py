"""What makes CIN this paper: channels completed by those unlike them, weights compared within pairs of both kinds, and none of that at test time."""

from __future__ import annotations

import random

import pytest
import torch
import torch.nn.functional as F
from torch import nn, tensor

from implementations.ablations.cin import FromPlainMaps, NoPairs, PlainContrast, UniformWeights
from implementations.cin import CIN, ChannelInteraction, WholeMapLinear, complementary, contrastive, pairs
from implementations.common.errors import Usage
from tests.implementations.tiny import build, images, labels, reached


def randn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def interaction(channels: int = 5, **changes) -> ChannelInteraction:
    """On maps of 2 × 3 positions, in float64."""
    torch.manual_seed(0)
    return ChannelInteraction(channels, 6, width=4, **changes).double()


def compared(module: ChannelInteraction, features: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """The maps that are embedded: those of the pairs' first images, then of their second ones."""
    seen = []
    handle = module.embed.register_forward_hook(lambda module, args, out: seen.append(args[0]))
    module(features, classes)
    handle.remove()
    return seen[0]


def by_a_constant(module: ChannelInteraction, scale: float) -> ChannelInteraction:
    """With the same scale of the other image's weights for all pairs."""
    nn.init.zeros_(module.scale.weight)
    nn.init.constant_(module.scale.bias, scale)
    return module


# ------------------------------------------------------------------------------------- self-channel interaction


def test_a_channel_takes_most_from_what_it_has_nothing_in_common_with():
    weights = complementary(torch.eye(2)[None])
    assert weights[0].tolist() == [pytest.approx([0.2689, 0.7311], abs=1e-4), pytest.approx([0.7311, 0.2689], abs=1e-4)]


def test_the_weights_and_mixes_of_three_worked_channels():
    features = tensor([[2.0, 0.0], [2.0, 0.0], [0.0, 1.0]]).view(1, 3, 1, 2)
    weights, mixed = ChannelInteraction(3, 2).mix(features)
    alike = pytest.approx([0.0177, 0.0177, 0.9647], abs=1e-4)
    assert weights[0].tolist() == [alike, alike, pytest.approx([0.4223, 0.4223, 0.1554], abs=1e-4)]
    alike = pytest.approx([0.0707, 0.9647], abs=1e-4)
    assert mixed[0, :, 0].tolist() == [alike, alike, pytest.approx([1.6893, 0.1554], abs=1e-4)]


def test_products_are_summed_over_positions_and_not_scaled():
    once, features = complementary(randn(1, 4, 6)), randn(1, 4, 6)
    assert torch.allclose(complementary(torch.cat([features, features], dim=2) / 2**0.5), once)
    assert not torch.allclose(complementary(torch.cat([features, features], dim=2)), once, atol=1e-2)


def test_positions_may_change_places_and_channels_carry_their_weights_along():
    features, places, channels = randn(2, 5, 6), torch.randperm(6), torch.randperm(5)
    weights = complementary(features)
    assert torch.allclose(weights.sum(2), torch.ones(2, 5, dtype=torch.float64))
    assert torch.allclose(complementary(features[:, :, places]), weights)
    assert torch.allclose(complementary(features[:, channels]), weights[:, channels][:, :, channels])


def test_the_mix_is_convolved_and_added_so_that_without_the_convolution_nothing_changes():
    module, features = interaction(), randn(2, 5, 2, 3)
    _, mixed = module.mix(features)
    expected = F.conv2d(mixed, module.conv.weight, module.conv.bias, padding=1)
    assert torch.allclose(module.complete(features), features + expected)
    for parameter in module.conv.parameters():
        nn.init.zeros_(parameter)
    assert torch.equal(module.complete(features), features)


# ------------------------------------------------------------------------------ contrastive channel interaction


def test_weights_of_a_pair_are_subtracted_by_the_scale_that_both_mixes_give():
    module, features = interaction(), randn(4, 5, 2, 3)
    nn.init.constant_(module.scale.bias, 1.0)  # so that differences have either sign
    (a, b), classes = (0, 1), tensor([0, 0, 1, 1])  # the first of two pairs
    weights, mixed = module.mix(features)
    together = torch.cat([mixed[a].flatten(), mixed[b].flatten()]), torch.cat([mixed[b].flatten(), mixed[a].flatten()])
    eta, gamma = (module.scale.weight[0] @ both / 60**0.5 + module.scale.bias for both in together)
    assert not torch.allclose(eta, gamma, atol=1e-2)
    found = compared(module, features, classes)
    for image, other, scale, place in ((a, b, eta, 0), (b, a, gamma, 2)):
        difference = weights[image] - scale * weights[other]
        assert difference.min() < -0.1 < 0.1 < difference.max()
        differing = difference.abs() @ features[image].flatten(1)
        assert torch.allclose(found[place], features[image] + module.conv(differing.view(1, 5, 2, 3))[0])


def test_of_two_equal_images_at_scale_1_nothing_is_left_and_at_scale_0_all_of_the_mix():
    features, classes = randn(1, 5, 2, 3).expand(4, -1, -1, -1), tensor([0, 0, 1, 1])
    module = by_a_constant(interaction(), 1.0)
    bias = module.conv.bias[:, None, None]
    assert torch.allclose(compared(module, features, classes), features + bias)
    assert torch.allclose(compared(by_a_constant(module, 0.0), features, classes), module.complete(features))


def test_the_order_of_a_pair_doesnt_matter():
    module, features = interaction(), randn(4, 5, 2, 3)
    classes, swapped = tensor([0, 0, 1, 2]), tensor([1, 0, 3, 2])  # images 0 and 1, then 2 and 3
    assert [one.tolist() for one in pairs(classes)] == [[0, 2], [1, 3]]
    found, other = compared(module, features, classes), compared(module, features[swapped], tensor([0, 0, 2, 1]))
    assert torch.allclose(found[[2, 3, 0, 1]], other)
    assert torch.allclose(module(features, classes)[1], module(features[swapped], tensor([0, 0, 2, 1]))[1])


def test_no_way_by_which_the_loss_depends_on_the_maps_is_cut_off_from_the_gradient():
    module, features, classes = interaction(margin=50.0), randn(4, 5, 2, 3).requires_grad_(), tensor([0, 0, 1, 1])
    assert torch.autograd.gradcheck(lambda maps: module(maps, classes), features, fast_mode=True)


def test_both_interactions_have_the_same_convolution():
    module, features = interaction(), randn(4, 5, 2, 3)
    seen = []
    module.conv.register_forward_hook(lambda module, args, out: seen.append(len(args[0])))
    module(features, tensor([0, 0, 1, 1]))
    assert sorted(seen) == [4, 4]


def fitted(layer: nn.Module, positions: int) -> list[float]:
    """The contrastive losses of twenty steps that draw eight pairs of one class together, at the paper profile's rate."""
    first, second = randn(2, 8, 64, positions).float()
    optimizer, losses = torch.optim.SGD(layer.parameters(), lr=CIN.recipe.lr), []
    for _ in range(20):
        loss = contrastive(layer(first.flatten(1)), layer(second.flatten(1)), torch.ones(8, dtype=torch.bool), 0.5)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return losses


def test_a_layer_on_whole_maps_starts_and_learns_alike_on_maps_of_any_size():
    for positions in (16, 196):
        torch.manual_seed(0)
        losses = fitted(WholeMapLinear(64 * positions, 64, bias=False), positions)
        assert losses[0] == pytest.approx(2, rel=0.1)  # the mean squared difference of independent numbers
        assert losses == sorted(losses, reverse=True)


def test_without_the_division_the_loss_would_explode_on_maps_of_the_papers_size():
    losses = fitted(nn.Linear(64 * 196, 64, bias=False), 196)
    assert not losses[-1] < 1e6 * losses[0]


def test_maps_of_another_size_than_the_layers_were_constructed_for_are_refused():
    with pytest.raises(ValueError, match="120 numbers a map, expected 60: construct it for the maps' own size"):
        interaction()(randn(4, 5, 3, 4), tensor([0, 0, 1, 1]))


# -------------------------------------------------------------------------------------------------------- pairs


def test_the_pairs_of_worked_batches():
    assert [one.tolist() for one in pairs(tensor([7, 7, 3, 3, 5, 5, 4, 4]))] == [[0, 4, 2, 3], [1, 5, 6, 7]]
    assert [one.tolist() for one in pairs(tensor([0, 1, 0, 1, 0, 1, 0, 1]))] == [[0, 1, 4, 6], [2, 3, 5, 7]]
    assert [one.tolist() for one in pairs(tensor([0, 0, 1, 1]))] == [[0, 2], [1, 0]]  # one image is in two pairs
    with pytest.raises(ValueError, match="3 images give no pairs of both kinds: expected at least 4"):
        pairs(tensor([0, 0, 1]))


@pytest.mark.parametrize(("classes", "each"), [(8, 4), (16, 2), (4, 2), (2, 4), (3, 8)])
@pytest.mark.parametrize("shuffled", [False, True])
def test_half_of_the_pairs_are_of_one_class_and_each_image_is_in_one_pair(classes, each, shuffled):
    batch = torch.arange(classes).repeat_interleave(each)[torch.randperm(classes * each) if shuffled else slice(None)]
    first, second = pairs(batch)
    count = classes * each // 4
    assert (batch[first] == batch[second]).tolist() == [True] * count + [False] * count
    assert sorted(torch.cat([first, second]).tolist()) == list(range(classes * each))


@pytest.mark.parametrize("counts", [(2, 2), (2, 2, 2), (3, 3), (5, 5, 5, 5), (6, 2), (2, 6), (2, 14), (7, 2, 3), (2, 5, 2, 2), (13, 2, 2)])
def test_uneven_classes_give_pairs_of_both_kinds_too_and_no_image_is_its_own_partner(counts):
    batch = torch.cat([torch.full((count,), label) for label, count in enumerate(counts)])
    first, second = pairs(batch)
    assert (batch[first] == batch[second]).tolist() == [True] * (len(batch) // 4) + [False] * (len(batch) // 4)
    assert (first != second).all()


@pytest.mark.parametrize(("changes", "count"), [({"classes_per_batch": 4, "batch_size": 20}, 299), ({}, 187)])
def test_each_batch_has_a_few_classes_with_the_same_number_of_different_images(changes, count):
    method, known = build(CIN, **changes), [label for label in range(60) for _ in range(100)]
    size, classes = method.recipe.batch_size, method.recipe.classes_per_batch
    batches = method.batches(known[:-5], size, random.Random(0))
    assert len(batches) == count  # (5,995 − 1) // size
    for batch in batches:
        drawn = [known[index] for index in batch]
        assert len(set(batch)) == size
        assert [drawn.count(label) for label in set(drawn)] == [size // classes] * classes


# --------------------------------------------------------------------------------------------------------- loss


def embeddings(*distances: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Pairs at these distances."""
    first = torch.zeros(len(distances), 2, dtype=torch.float64)
    return first.requires_grad_(), tensor([[0.6 * d, 0.8 * d] for d in distances], dtype=torch.float64).requires_grad_()


@pytest.mark.parametrize(
    ("same", "distances", "expected"),
    [((True,), (0.0,), 0.0), ((True,), (1.0,), 1.0), ((False,), (0.2,), 0.09), ((False,), (0.5,), 0.0), ((False,), (3.0,), 0.0), ((False,), (0.0,), 0.25), ((True, False), (1.0, 0.2), 0.545)],
)
def test_one_class_is_drawn_together_and_two_are_held_apart_up_to_the_margin(same, distances, expected):
    first, second = embeddings(*distances)
    loss = contrastive(first, second, tensor(same), 0.5)
    assert loss.item() == pytest.approx(expected)
    loss.backward()
    assert first.grad.isfinite().all()
    if expected == 0:
        assert not first.grad.any()


def test_the_gradient_of_a_pair_shortens_its_distance_for_one_class_and_widens_it_for_two():
    for same, direction in ((True, 1), (False, -1)):
        first, second = embeddings(0.2)
        contrastive(first, second, tensor([same]), 0.5).backward()
        assert torch.allclose(first.grad, -second.grad)
        assert (direction * (second.grad * second.detach()).sum()) > 0


def test_training_by_it_alone_draws_classes_together_and_holds_them_apart():
    """What a public version's loss can't do: it has no pairs of one class, and none of the others gives it a gradient."""
    torch.manual_seed(0)
    module, features, classes = ChannelInteraction(5, 6, width=16), torch.randn(16, 5, 2, 3), labels(16)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.2)
    same = torch.tensor([True] * 4 + [False] * 4)
    first, second = pairs(classes)
    assert torch.equal(classes[first] == classes[second], same)
    found = []
    for step in range(201):
        if step % 200 == 0:
            one, other = module.embed(compared(module, features, classes)).chunk(2)
            found.append((one - other).norm(dim=1))
        optimizer.zero_grad()
        module(features, classes)[1].backward()
        optimizer.step()
    assert found[0][same].max() > found[0][~same].min()
    assert found[1][same].max() < 0.1
    assert found[1][~same].min() > 0.4


# ------------------------------------------------------------------------------------------------------- method


def test_each_loss_reaches_what_it_is_to_teach_and_nothing_else():
    method = build(CIN, pretrained=True)
    terms = method.losses(images(8), labels(8))
    assert all(term > 0 for term in terms.values())
    found = {name: reached(method, term) for name, term in terms.items()}
    of_backbone = {name for name, _ in method.named_parameters() if name.startswith("backbone")}
    completing = of_backbone | {"interaction.conv.weight"}
    assert found["cross-entropy"] == completing | {"interaction.conv.bias", "classifier.weight", "classifier.bias"}
    comparing = {"interaction.scale.weight", "interaction.scale.bias", "interaction.embed.weight"}
    assert found["contrastive"] - {"interaction.conv.bias"} == completing | comparing  # that bias cancels, but for rounding


def test_the_terms_are_of_the_completed_maps_and_of_the_pairs_by_their_weight():
    method, classes = build(CIN, pretrained=True).eval(), labels(8)
    with torch.no_grad():
        terms, logits = method.losses(images(8), classes), method(images(8))
        _, loss = method.interaction(method.backbone(images(8))[-1], classes)
    assert terms["cross-entropy"].item() == pytest.approx(F.cross_entropy(logits, classes).item(), rel=1e-5)
    assert terms["contrastive"].item() == pytest.approx(method.recipe.contrastive_weight * loss.item(), rel=1e-5)
    assert CIN.recipe.contrastive_weight == 2


def test_in_training_only_the_contrastive_loss_depends_on_the_partner():
    module, features, classes = interaction(), randn(8, 5, 2, 3), labels(8)
    other = features.clone()
    other[1] += 1  # the partner of image 0
    (completed, loss), (changed, their) = module(features, classes), module(other, classes)
    assert torch.equal(completed[0], changed[0])
    assert not torch.allclose(loss, their, rtol=1e-2)
    assert not torch.allclose(compared(module, features, classes)[0], compared(module, other, classes)[0], atol=1e-2)


def test_the_test_pass_leaves_the_pairs_out():
    method = build(CIN, pretrained=True).eval()
    with torch.no_grad():
        expected = method.classifier(method.interaction(method.backbone(images())[-1], labels())[0].mean((2, 3)))
        method.interaction.scale = method.interaction.embed = None
        assert torch.allclose(method(images()), expected)
        assert method(images(1)).shape == (1, 4)


def test_neither_weights_nor_loss_are_spoilt_by_autocast():
    module, features = interaction(16).float(), (8 * randn(8, 16, 2, 3)).to(torch.bfloat16)
    expected, loss = module.mix(features.float()), module(features.float(), labels(8))[1]
    with torch.autocast("cpu", torch.bfloat16):
        found, again = module.mix(features), module(features, labels(8))[1]
    assert all(torch.equal(one, other) for one, other in zip(expected, found, strict=True))
    assert torch.equal(again, loss)


def test_the_evidence_adds_up_to_the_predicted_logit_and_the_share_of_the_interaction_is_known():
    method = build(CIN, pretrained=True).eval()
    with torch.no_grad():
        logits, maps = method(images()), method.evidence_maps(images())
        features = method.backbone(images())[-1]
        completed = method.interaction.complete(features)
        weight, bias = method.classifier.weight[logits.argmax(1)], method.classifier.bias[logits.argmax(1)]
        spoken = {name: (one * weight[:, :, None, None]).sum(1) for name, one in {"evidence": completed, "interaction": completed - features}.items()}
    assert torch.allclose(spoken["evidence"].mean((1, 2)) + bias, logits.amax(1), atol=1e-4)
    for name, one in maps.items():
        assert torch.allclose(one, spoken[name].clamp(min=0), atol=1e-4)


# ---------------------------------------------------------------------------------------------------- ablations


def test_with_uniform_weights_each_channel_is_completed_by_the_mean_of_all():
    method, features = build(UniformWeights), randn(2, 128, 4, 4).float()
    weights, mixed = method.interaction.mix(features)
    assert torch.allclose(mixed, features.mean(1, keepdim=True).expand_as(mixed), atol=1e-5)
    assert torch.allclose(weights.sum(2), torch.ones(2, 128))


def test_without_pairs_cross_entropy_is_the_same_and_the_other_term_is_gone():
    terms = build(NoPairs).losses(images(8), labels(8))
    expected = build(CIN).losses(images(8), labels(8))
    assert terms.keys() == {"cross-entropy"}
    assert torch.allclose(terms["cross-entropy"], expected["cross-entropy"])


def test_in_the_plain_contrast_completed_maps_are_compared():
    plain, features, (first, second) = build(PlainContrast), randn(8, 128, 4, 4).float(), pairs(labels(8))
    completed = plain.interaction.complete(features)
    assert torch.allclose(compared(plain.interaction, features, labels(8)), completed[torch.cat([first, second])], atol=1e-5)


def test_from_plain_maps_training_starts_from_the_map_as_it_is_and_the_interaction_is_trained():
    method = build(FromPlainMaps)
    features = randn(8, 128, 4, 4).float()
    assert torch.equal(method.interaction.complete(features), features)
    method.losses(images(8), labels(8))["cross-entropy"].backward()
    assert method.interaction.conv.weight.grad.abs().max() > 0


@pytest.mark.parametrize("number", [1, 5])
def test_a_number_of_classes_in_a_batch_that_leaves_no_pairs_is_refused(number):
    with pytest.raises(Usage, match=rf"classes_per_batch is {number}, expected 2 to 4: pairs need two classes"):
        build(CIN, batch_size=8, classes_per_batch=number)
    with pytest.raises(Usage, match="batches of 3 images give no pairs of both kinds: expected at least 4"):
        build(CIN, batch_size=3, classes_per_batch=number)


def test_another_number_of_labels_than_maps_is_refused():
    with pytest.raises(ValueError, match=r"^4 labels for 6 maps: expected one for each$"):
        ChannelInteraction(2, 4)(torch.rand(6, 2, 2, 2), tensor([0, 0, 1, 1]))
