"""Losses to take away: the very lines that the site shows train a plain timm model."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import timm
import torch
import torch.nn.functional as F
from packaging.requirements import Requirement
from torch import Tensor, nn

from tools.catalog import ROOT
from tools.pages.losses import Loss, read_all

BATCH, CLASSES, SIDE, STEPS = 16, 8, 128, 10


def plain_model() -> nn.Module:
    """A small ResNet, whose last map is (512, 4, 4) at this size."""
    torch.manual_seed(0)
    return timm.create_model("resnet14t", num_classes=CLASSES, stem_width=8, channels=(8, 16, 32, 128), zero_init_last=False)


def given(model: nn.Module) -> dict[str, Any]:
    """What a block is given, of random images: eight classes, two images of each."""
    images = torch.randn(BATCH, 3, SIDE, SIDE)
    features = model.forward_features(images)
    pooled = features.mean((2, 3))
    assert features.shape == (BATCH, 512, 4, 4)
    assert (features >= 0).all()
    of_batch = {"images": images, "labels": torch.arange(BATCH) // 2, "features": features, "pooled": pooled}
    return of_batch | {"logits": model.get_classifier()(pooled), "classes": CLASSES, "parents": torch.arange(CLASSES) // 2}


def trained(loss: Loss) -> Iterator[tuple[Tensor, dict[str, bool]]]:
    """By a block's own lines: after each step the loss, and of each parameter whether it has moved so far."""
    model = plain_model()
    names = given(model)
    exec(loss.setup, names)  # noqa: S102 - the lines that the site shows
    modules = {"model": model} | {name: value for name, value in names.items() if isinstance(value, nn.Module)}
    parameters = {f"{name}.{inner}": one for name, module in modules.items() for inner, one in module.named_parameters()}
    started = {name: one.detach().clone() for name, one in parameters.items()}
    optimizer = torch.optim.SGD(parameters.values(), lr=0.1)
    for _ in range(STEPS):
        names |= given(model)
        exec(loss.step, names)  # noqa: S102 - as above
        optimizer.zero_grad()
        names["loss"].backward()
        optimizer.step()
        assert (names["loss"] - F.cross_entropy(names["logits"], names["labels"])).abs() > 1e-6  # cross-entropy isn't all of it
        yield names["loss"].detach(), {name: not torch.equal(one, started[name]) for name, one in parameters.items()}


IMPORTS = """
import importlib.metadata, pathlib, re, sys
for file in pathlib.Path("site/losses").glob("*.md"):
    for line in re.findall(r"^(?:from|import) .+", file.read_text(encoding="utf-8").split("```python")[1], re.MULTILINE):
        exec(line)
owners = importlib.metadata.packages_distributions()
print(*{owner.lower() for name in {module.split(".")[0] for module in sys.modules} for owner in owners.get(name, ())})
"""


def test_what_the_lines_import_comes_with_the_packages_that_the_page_names():
    run = subprocess.run([sys.executable, "-c", IMPORTS], cwd=ROOT, capture_output=True, text=True, check=True)
    page = (ROOT / "site" / "templates" / "losses.md.j2").read_text(encoding="utf-8")
    named = re.search(r"an environment that has ([^.]+?), such as", page)[1].replace(" and ", ", ").split(", ")
    brought, new = set(), set(named)
    while new:
        brought |= new
        needed = [Requirement(line) for name in new for line in importlib.metadata.requires(name) or ()]
        new = {one.name.lower() for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})} - brought
    assert {name.replace("_", "-") for name in run.stdout.split()} <= {name.replace("_", "-") for name in brought}


@pytest.mark.parametrize("loss", read_all(), ids=lambda loss: loss.paper)
def test_ten_steps_by_the_lines_of_the_page_move_the_model_and_what_they_construct(loss):
    steps = list(trained(loss))
    assert all(value.shape == () and value.isfinite() for value, _ in steps)
    still = {name for name, moved in steps[-1][1].items() if not moved}
    assert still == (set() if "logits" in loss.step else {"model.fc.weight", "model.fc.bias"})
    assert "\n\n" not in loss.setup
    assert max(map(len, loss.code.splitlines())) <= 100  # no longer than the page is wide
