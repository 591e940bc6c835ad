"""A method in one line, for other people's code: any of its family's backbones, the paper's settings, no network unless asked."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from implementations.baseline import Baseline
from implementations.common.errors import Usage
from implementations.common.method import Classes, Method, gather
from implementations.common.recipes import op
from implementations.common.schedules import Cosine
from implementations.common.weights import SHIPPED, Missing
from implementations.dcal import DCAL
from implementations.fgn_flamingo import FGN
from implementations.pmg import PMG
from implementations.transfg import TransFG
from tests.implementations.test_methods import PAPERS, cases, method_of
from tests.implementations.tiny import images, labels

README = Path(__file__).resolve().parents[2] / "README.md"
OWN_STRIDE = {"finch_vit": {"patch_stride": 6}}
"""TransFG's patches overlap by a stride of 12 px, which finch_vit's of 8 px can't have."""


@pytest.fixture(autouse=True)
def _without_a_network(monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("a network was asked for")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def settings(kind: type[Method], backbone: str) -> dict:
    return OWN_STRIDE.get(backbone, {}) if kind is TransFG else {}


def so_many(kind: type[Method], count: int) -> int | Classes:
    """Their number; FGN has to know families, too."""
    return Classes(tuple(map(str, range(count))), {"family": tuple(number // 2 for number in range(count))}) if kind is FGN else count


@pytest.mark.parametrize(("paper", "backbone"), cases())
def test_every_method_is_a_module_with_forward_losses_and_gradients_at_any_size(paper, backbone):
    kind = method_of(paper)
    model = kind.build(classes=so_many(kind, 5), backbone=backbone, input_size=64, **settings(kind, backbone))
    assert model.training
    assert (model.recipe.backbone, model.recipe.input_size, len(model.classes)) == (backbone, 64, 5)
    assert model.recipe.lr == kind.recipe.lr
    assert model(images()).shape == (4, 5)
    terms = model.losses(images(), labels())
    assert all(term.shape == () for term in terms.values())
    sum(terms.values()).backward()
    assert any(parameter.grad is not None for parameter in model.backbone.parameters())


@pytest.mark.parametrize("paper", PAPERS)
def test_without_a_backbone_it_is_the_papers_at_the_papers_size(paper):
    kind = method_of(paper)
    with torch.device("meta"):  # sizes alone, no memory
        model = kind.build(so_many(kind, 200))
    assert model.recipe == kind.recipe
    assert model.backbone.name == kind.recipe.backbone
    assert model.backbone.input_size == kind.recipe.input_size


def test_images_are_scaled_and_cropped_to_another_size_as_to_the_papers():
    recipe = TransFG.build(3, "vit_tiny_patch16_224", input_size=224).recipe
    assert [operation.arguments.get("size") for operation in recipe.train[:2]] == [[300, 300], 224]


def test_any_setting_of_the_recipe_can_be_changed_by_name():
    model = TransFG.build(3, "vit_tiny_patch16_224", input_size=64, patch_stride=8, margin=0.25, images_per_loss=None)
    assert (model.recipe.margin, model.recipe.images_per_loss) == (0.25, None)
    assert model.backbone.grid == (7, 7)


def test_settings_are_values_of_any_kind_and_of_numpys_numbers():
    changes = {"optimizer_options": {"momentum": 0.8}, "schedule": Cosine(warmup=3), "train": (op("RandomCrop", size=64),), "clip": None}
    recipe = TransFG.build(3, "vit_tiny_patch16_224", input_size=64, margin=np.float32(0.25), epochs=np.int64(7), **changes).recipe
    assert {name: getattr(recipe, name) for name in changes} == changes
    assert [(type(value), value) for value in (recipe.margin, recipe.epochs)] == [(float, 0.25), (int, 7)]
    assert [operation.arguments.get("size") for operation in recipe.test[:2]] == [[86, 86], 64]  # those that aren't given grow


def test_classes_may_have_names_and_coarser_levels():
    classes = Classes(("jay", "crow"), {"family": (0, 1)})
    assert PMG.build(classes, "resnet10t", input_size=64).classes is classes


def test_random_weights_are_drawn_from_torchs_generator():
    weights = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        weights.append(Baseline.build(3, "finch_resnet", input_size=64).state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert not torch.equal(weights[0]["classifier.weight"], weights[2]["classifier.weight"])


def test_weights_are_random_shipped_or_a_files(tmp_path):
    shipped, again, random = (Baseline.build(3, "finch_vit", input_size=96, weights=weights) for weights in ("pretrained", "download", None))
    kept = shipped.backbone.model.state_dict()
    assert all(torch.equal(tensor, again.backbone.model.state_dict()[name]) for name, tensor in kept.items())
    assert not torch.equal(random.backbone.model.cls_token, shipped.backbone.model.cls_token)
    changed = {name: tensor + 1 for name, tensor in kept.items()}
    save_file(changed, tmp_path / "mine.safetensors")
    for path in (tmp_path / "mine.safetensors", str(tmp_path / "mine.safetensors")):
        assert torch.equal(Baseline.build(3, "finch_vit", input_size=96, weights=path).backbone.model.cls_token, changed["cls_token"])
    assert (SHIPPED / "finch_vit.safetensors").is_file()


def test_weights_that_arent_there_are_missing_and_no_network_is_asked():
    with pytest.raises(Missing, match=r"no weights of resnet10t on this machine, and the hub \(timm/resnet10t.*\) was not asked"):
        Baseline.build(3, "resnet10t", input_size=64, weights="pretrained")
    with pytest.raises(Missing, match=r"there\.safetensors: no such file"):
        Baseline.build(3, "resnet10t", input_size=64, weights="not/there.safetensors")


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (TransFG, {"backbone": "vit_base_patch16_242"}, "neither Finch nor timm knows a backbone 'vit_base_patch16_242'; did you mean 'vit_base_patch16_2"),
        (TransFG, {"backbone": "resnet50"}, "resnet50 is a CNN; this method works on a vision transformer"),
        (PMG, {"backbone": "vit_tiny_patch16_224"}, "vit_tiny_patch16_224 is a vision transformer; this method works on a CNN"),
        (DCAL, {"backbone": "deit_tiny_distilled_patch16_224", "input_size": 64}, "is a VisionTransformerDistilled; expected a plain VisionTransformer"),
        (TransFG, {"backbone": "finch_vit", "input_size": 64}, "patches of 8 px can't have a stride of 12 px: expected 1 to 8"),
        (TransFG, {"margn": 0.3}, "^the recipe has no 'margn'; did you mean 'margin'"),
        (TransFG, {"margin": "wide"}, "^margin: found 'wide', expected float, such as 0.4"),
        (TransFG, {"epochs": True}, "^epochs: found True, expected int, such as"),
        (TransFG, {"lr": None}, "^lr: found None, expected float, such as"),
        (TransFG, {"train": ("Resize",)}, r"^train: found \('Resize',\), expected tuple, such as \(Operation"),
        (TransFG, {"schedule": "Cosine"}, "^schedule: found 'Cosine', expected Schedule, such as Cosine"),
        (TransFG, {"backbone": 50}, "^backbone: found 50, expected str, such as"),
        (TransFG, {"classes": 0}, "TransFG.build: classes is at least 1, not 0"),
    ],
)
def test_what_cant_be_meant_is_said_in_one_line(kind, arguments, message):
    with pytest.raises(Usage, match=message) as raised:
        kind.build(**{"classes": 3} | arguments)
    assert "\n" not in str(raised.value)


def test_the_readmes_example_runs():
    (code,) = re.findall(r"```python\n(.+?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    told = {"images": torch.randn(2, 3, 224, 224), "labels": torch.tensor([0, 1])}
    exec(code.replace("vit_base_", "vit_tiny_"), told)  # noqa: S102 - our own
    assert told["logits"].shape == (2, 200)
    assert set(told["losses"]) == {"cross-entropy", "contrastive"}
    assert told["model"].classifier.weight.grad.any()


def test_alone_a_process_gathers_what_it_has():
    tensor = torch.randn(3, 2, requires_grad=True)
    assert torch.equal(gather(tensor), tensor)
    assert not gather(tensor).requires_grad
