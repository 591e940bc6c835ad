"""What holds for every implementation: a new file is tested by these before it has a test of its own."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from accelerate import Accelerator

from implementations import ablations
from implementations.__main__ import HERE, implemented
from implementations.ablations import ablations_of
from implementations.common import evaluate
from implementations.common.data import Data, Split
from implementations.common.method import Method
from implementations.common.picture import fixed_images
from implementations.common.recipes import op
from implementations.common.train import Settings, Trainer
from tests.implementations.tiny import DEPTH, FOUR, WIDTH, build, does_otherwise, images, labels
from tools.catalog import load

PAPERS = list(implemented())
BACKBONES = {"cnn": ("finch_resnet", "resnet10t"), "vit": ("finch_vit", "vit_tiny_patch16_224")}


def method_of(paper: str) -> type[Method]:
    module = importlib.import_module(f"implementations.{paper.replace('-', '_')}")
    (found,) = {m for _, m in inspect.getmembers(module, inspect.isclass) if issubclass(m, Method) and m.__module__ == module.__name__}
    return found


def cases() -> list:
    """Every method on each family of backbones that it takes."""
    pairs = [(paper, backbone) for paper in PAPERS for family in method_of(paper).demo for backbone in BACKBONES[family]]
    return [pytest.param(*pair, id="-".join(pair)) for pair in pairs]


OWN = [case for case in cases() if case.values[1].startswith("finch")]


def few(count: int, side: int) -> Data:
    """Random images, as many of each of four classes."""
    pixels = torch.randint(0, 256, (count, 3, side, side), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    split = Split([index * 4 // count for index in range(count)], pixels.__getitem__)
    return Data("few", FOUR, split, split, split, "0" * 32)


def without_dropout(method: Method) -> Method:
    for module in method.modules():
        if isinstance(module, torch.nn.modules.dropout._DropoutNd):
            module.p = 0.0
    return method


@pytest.mark.parametrize(("paper", "backbone"), OWN)
def test_it_learns_eight_images_by_heart_in_thirty_steps_with_all_of_its_parameters(paper, backbone):
    """By the loss of its test pass, which falls below a tenth; without dropout, label smoothing, and weight decay, so that only what has a gradient moves."""
    plain, kind = (op("Normalize", mean=[0.5] * 3, std=[0.5] * 3),), method_of(paper)
    changes = {name: value for name, value in {"classes_per_batch": 4, "label_smoothing": 0.0}.items() if hasattr(kind.recipe, name)}
    method = without_dropout(build(kind, side=48, backbone=backbone, pretrained=True, epochs=30, batch_size=8, weight_decay=0.0, train=plain, test=plain, **changes))
    run = Trainer(method, few(8, 48), Accelerator(cpu=True), Settings(seed=0))
    ((seen, classes),) = run.images_in_order(run.data.test)

    @torch.no_grad()
    def logits() -> torch.Tensor:
        return method.eval()(seen)

    before, started = F.cross_entropy(logits(), classes), {name: parameter.detach().clone() for name, parameter in method.named_parameters()}
    run.fit()
    assert run.total <= 30
    assert F.cross_entropy(logits(), classes) < before / 10
    assert torch.equal(logits().argmax(1), classes)
    assert [name for name, parameter in method.named_parameters() if torch.equal(parameter, started[name])] == []


@pytest.mark.parametrize(("paper", "backbone"), cases())
@pytest.mark.parametrize("side", [64, 96])
def test_logits_and_evidence_have_their_shapes_at_two_sizes(paper, backbone, side):
    method = build(method_of(paper), side=side, backbone=backbone).eval()
    assert evaluate.flops(method) > 10**6
    with torch.no_grad():
        assert method(images(2, side)).shape == (2, 4)
        maps = method.evidence(images(2, side))
    assert maps.ndim == 3
    assert len(maps) == 2
    assert (maps >= 0).all()
    assert maps.isfinite().all()


@pytest.mark.parametrize(("paper", "backbone"), OWN)
def test_an_answer_and_its_evidence_dont_depend_on_the_rest_of_the_batch(paper, backbone):
    method = build(method_of(paper), backbone=backbone).eval()
    with torch.no_grad():
        together, alone = method(images()), torch.cat([method(image[None]) for image in images()])
        maps, single = method.evidence(images()), torch.cat([method.evidence(image[None]) for image in images()])
    assert torch.allclose(together, alone, atol=1e-5)
    assert torch.allclose(maps, single, atol=1e-5)


@pytest.mark.parametrize(("paper", "backbone"), OWN)
def test_it_looks_at_an_image_as_often_as_it_declares(paper, backbone):
    method = build(method_of(paper), backbone=backbone).eval()
    looked = []
    first = next(module for module in method.backbone.modules() if isinstance(module, torch.nn.Conv2d))
    first.register_forward_hook(lambda module, inputs, output: looked.append(len(inputs[0])))
    with torch.no_grad():
        method(images(4))
    assert sum(looked) >= 4
    assert (sum(looked) > 4) == bool(method.test_time)


@pytest.mark.parametrize(("paper", "backbone"), OWN)
def test_any_method_can_be_held_against_its_input_gradient(paper, backbone):
    method = build(method_of(paper), backbone=backbone, pretrained=True).eval()
    with torch.no_grad():  # as in testing
        for parameter in method.parameters():
            if not parameter.any():  # a classifier that starts at zero hides all that lies before it
                parameter.normal_(std=0.02, generator=torch.Generator().manual_seed(0))
        maps, single = evaluate.input_gradient(method, images(2)), evaluate.input_gradient(method, images(2)[1:])
        assert "evidence" in method.evidence_maps(images(2))
    assert maps.shape == (2, 64, 64)
    assert (maps >= 0).all()
    assert (maps.amax((1, 2)) > 0).all()
    assert torch.allclose(maps[1:], single, rtol=1e-3, atol=1e-6)
    assert all(parameter.grad is None for parameter in method.parameters())


@pytest.mark.parametrize(("paper", "backbone"), OWN)
def test_the_evidence_changes_with_the_image(paper, backbone):
    method = build(method_of(paper), backbone=backbone, pretrained=True).eval()
    with torch.no_grad():
        first, second = method.evidence(images(2))
    assert not torch.allclose(first, second)
    assert first.std() > 0


@pytest.mark.parametrize(("paper", "backbone"), OWN)
def test_a_step_moves_every_parameter(paper, backbone):
    # A residual network starts with its branches at zero, which hides their inside from the first gradient: so pretrained weights.
    # What a paper itself starts at zero (a classifier, embeddings) hides what lies before it, too: so it is moved off.
    method = build(method_of(paper), backbone=backbone, pretrained=True).train()
    for parameter in method.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.02)
    method.phase(method.recipe.epochs - 1, method.recipe.epochs)
    reached = set()

    def update(losses, some, classes):
        method.zero_grad()
        terms = losses(some, classes)
        sum(terms.values()).backward()
        reached.update(name for name, p in method.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0)
        return terms

    method.training_step(images(8), labels(8), update)
    assert {name for name, _ in method.named_parameters()} - reached == set()


@pytest.mark.parametrize(("paper", "backbone"), OWN)
def test_two_runs_are_the_same_to_the_bit(paper, backbone):
    kind = method_of(paper)
    changes = {"classes_per_batch": 4} if hasattr(kind.recipe, "classes_per_batch") else {}
    runs = []
    for _ in range(2):
        method = build(kind, side=48, backbone=backbone, epochs=2, batch_size=8, train=(op("RandomHorizontalFlip"), op("Normalize", mean=[0.5] * 3, std=[0.5] * 3)), **changes)
        Trainer(method, few(8, 48), Accelerator(cpu=True), Settings(seed=3)).fit()
        runs.append(method.state_dict())
    assert all(torch.equal(runs[0][name], runs[1][name]) for name in runs[0])


@pytest.mark.parametrize(("paper", "name"), [pytest.param(paper, name, id=f"{paper}-{name}") for paper in PAPERS for name in ablations_of(paper)])
def test_an_ablation_answers_or_learns_otherwise_than_its_method(paper, name):
    kind = ablations_of(paper)[name]
    assert kind.__bases__ == (method_of(paper),)
    assert kind.__doc__
    assert does_otherwise(kind, method_of(paper))


@pytest.mark.parametrize("paper", [paper for paper in PAPERS if paper != "baseline"])
def test_a_method_has_two_ablations_at_least_and_one_that_changes_nothing_would_be_noticed(paper):
    assert len(ablations_of(paper)) >= 2
    assert not does_otherwise(type("Inert", (method_of(paper),), {}), method_of(paper))


def test_every_file_of_ablations_is_of_an_implemented_paper():
    assert {path.stem.replace("_", "-") for path in ablations.HERE.glob("[!_]*.py")} <= set(PAPERS)


def test_attention_is_counted_as_the_two_products_that_it_is():
    tokens, width, hidden = 145, WIDTH, 4 * WIDTH
    block = 2 * tokens * width * (3 * width + width + 2 * hidden) + 2 * 2 * tokens * tokens * width
    patches = 2 * 144 * 3 * 8 * 8 * width
    assert evaluate.flops(build(method_of("baseline"), side=96, backbone="finch_vit")) == patches + DEPTH * block + 2 * width * 4


@pytest.mark.parametrize(("classes", "each"), [(3, 10), (2, 50), (8, 3), (32, 5), (2, 2)])
def test_the_pictures_images_are_eight_different_ones_from_all_over_the_classes(classes, each):
    split = Split([index // each for index in range(classes * each)], lambda index: None)
    chosen = fixed_images(split)
    assert len(chosen) == len(set(chosen)) == min(8, classes * each)
    assert len({split.labels[index] for index in chosen}) == min(8, classes)


@pytest.mark.parametrize("paper", PAPERS)
def test_its_groups_hold_every_parameter_once(paper):
    for family in method_of(paper).demo:
        method = build(method_of(paper), backbone=BACKBONES[family][0])
        held = [id(parameter) for group in method.parameter_groups() for parameter in group["params"]]
        assert sorted(held) == sorted(id(parameter) for parameter in method.parameters())


@pytest.mark.parametrize("paper", PAPERS)
def test_what_it_claims_is_what_the_catalog_holds_and_both_name_each_other(paper):
    kind = method_of(paper)
    assert kind.paper == paper
    entry = load(HERE.parent)[0].papers.get(paper)
    if entry is None:
        assert kind.claim is None
        return
    file = f"implementations/{paper.replace('-', '_')}.py"
    assert entry.implementation.file == file
    declared = entry.implementation.claim.model_dump(exclude_none=True) if entry.implementation.claim else None
    assert declared == ({k: v for k, v in dataclasses.asdict(kind.claim).items() if v is not None} if kind.claim else None)
    assert f"catalog/papers/{paper}.yaml" in importlib.import_module(kind.__module__).__doc__


@pytest.mark.parametrize("paper", [paper for paper in PAPERS if paper != "baseline"])
def test_a_paper_without_public_code_says_what_had_to_be_assumed(paper):
    entry = load(HERE.parent)[0].papers[paper]
    assumed = re.search(r"^Assumed: (.+)", importlib.import_module(method_of(paper).__module__).__doc__, re.MULTILINE)
    assert assumed or any(link.kind == "code" and link.official for link in entry.links)


@pytest.mark.parametrize("paper", PAPERS)
def test_every_hyper_parameter_carries_its_source(paper):
    source = Path(inspect.getsourcefile(method_of(paper))).read_text(encoding="utf-8")
    lines = source.splitlines()
    values = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id in ("recipe", "demo", "demo_at") for t in node.targets):
            for inner in ast.walk(node.value):
                if isinstance(inner, ast.keyword) and isinstance(inner.value, ast.Constant | ast.UnaryOp) and inner.value.lineno != node.lineno:
                    values.append(inner.value.end_lineno)
                if isinstance(inner, ast.Dict):
                    values += [value.end_lineno for value in inner.values if isinstance(value, ast.Constant)]
    assert values
    assert [lines[number - 1] for number in values if not re.search(r"# [PCO]\b", lines[number - 1])] == []


@pytest.mark.parametrize("paper", PAPERS)
def test_the_file_can_be_held_in_mind(paper):
    path = Path(inspect.getsourcefile(method_of(paper)))
    text = path.read_text(encoding="utf-8")
    others = [other.replace("-", "_") for other in PAPERS if other != paper]
    assert len(text.splitlines()) <= 220
    assert re.findall(rf"implementations\.({'|'.join(others)})\b", text.split('"""', 2)[2]) == []
    assert text.rstrip().splitlines()[-1] == f"    run({method_of(paper).__name__})"
