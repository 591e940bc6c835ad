"""What the harness does with any method, in numbers: drawn images, training loop, test pass, pointing and blind guesses.

A method's fingerprint doesn't show these, so they are kept beside the records, once for all, and held against the code with them.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import Tensor, nn

from implementations.common import evaluate, finches
from implementations.common.data import Data, Split
from implementations.common.files import write_atomically
from implementations.common.fingerprint import moments, redraw
from implementations.common.method import Classes, Method, Terms
from implementations.common.randomness import seed_torch
from implementations.common.recipes import Recipe, op
from implementations.common.records import RECORDS
from implementations.common.schedules import Cosine
from implementations.common.train import Settings, Trainer

FILE = RECORDS / "harness.json"
CLASSES = Classes(tuple("abcdefgh"), {"family": (0, 0, 1, 1, 2, 2, 3, 3)})


class Probe(Method):
    """Linear on a few dropped-out numbers an image, so that the mode, the images and their labels all show."""

    paper = "probe"
    demo = {"cnn": {}}
    recipe = Recipe(
        backbone="none",
        input_size=96,
        epochs=3,
        batch_size=8,
        lr=1e-2,
        optimizer="AdamW",
        optimizer_options={},
        weight_decay=0.05,
        schedule=Cosine(warmup=0.1),
        clip=1.0,
        train=(op("RandomHorizontalFlip"), op("Normalize", mean=[0.5] * 3, std=[0.5] * 3)),
        test=(op("Normalize", mean=[0.5] * 3, std=[0.5] * 3),),
    )

    def __init__(self) -> None:
        super().__init__(CLASSES, nn.Identity(), self.recipe)
        self.dropout = nn.Dropout(0.25)
        self.classifier = nn.Linear(3 * 36, len(CLASSES))

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.dropout(F.avg_pool2d(images.double(), 16).flatten(1)))

    def losses(self, images: Tensor, labels: Tensor) -> Terms:
        return {"cross-entropy": F.cross_entropy(self(images), labels)}

    def evidence(self, images: Tensor) -> Tensor:
        weight = self.classifier.weight[self(images).argmax(1)].view(-1, 3, 6, 6)
        return (F.avg_pool2d(images.double(), 16) * weight).sum(1).relu()

    def evidence_maps(self, images: Tensor) -> dict[str, Tensor]:
        return super().evidence_maps(images) | {"input gradient": evaluate.input_gradient(self, images)}


def compute() -> dict[str, Any]:
    """The numbers: the drawn images exactly, what was trained on them in float64."""
    splits = {name: _drawn(name) for name in ("train", "validation", "test")}
    accelerator = Accelerator(cpu=True)
    with torch.random.fork_rng():
        seed_torch("harness")
        probe = Probe().double()
        redraw(probe, moments(probe))
        data = Data("harness", CLASSES, *(split for split, _ in splits.values()), "0" * 32)
        trainer = Trainer(probe, data, accelerator, Settings(seed=0))
        trainer.fit()
        predicted = evaluate.predict(probe, data.test, accelerator)
        pointed = evaluate.pointing(probe, _widened(data.test, probe.recipe.input_size), accelerator)
        blind = evaluate.blind_guesses(data.train, data.test, CLASSES.coarse["family"], probe.recipe.input_size)
    weight = probe.classifier.weight.detach()
    return {
        "exact": {
            "drawn": {name: digest for name, (_, digest) in splits.items()},
            "predictions": predicted,
            "steps": trainer.state.step,
        },
        "computed": {
            "weights": [float(weight.mean()), float(weight.std()), float(weight[0, 0])],
            "pointing": {name: sum(hits) / len(hits) for name, hits in pointed.items()},
            "blind": {name: float(chances.mean()) for name, chances in blind.items()},
        },
    }


def _widened(split: Split, side: int) -> Split:
    """The split with boxes a quarter of the side wider all round: so small a probe would hardly hit the parts themselves."""
    wider = split.boxes + side // 4 * torch.tensor([-1, -1, 1, 1])
    return dataclasses.replace(split, boxes=wider.clamp(0, side))


def _drawn(split: str) -> tuple[Split, str]:
    """Two images of a species of each family, drawn anew, as the demo's are."""
    spec = finches.Spec(split=split, count=2)
    drawn = [finches.draw_species(spec, (family, family % spec.siblings)) for family in range(spec.families)]
    images = finches.Images(np.concatenate([pixels for pixels, _ in drawn]), np.concatenate([boxes for _, boxes in drawn]))
    labels = [family for family in range(spec.families) for _ in range(spec.count)]
    pixels = torch.from_numpy(images.pixels).permute(0, 3, 1, 2)
    return Split(labels, pixels.__getitem__, torch.from_numpy(images.boxes)), images.digest


def kept(path: Path) -> dict[str, Any] | None:
    """The numbers that stand beside the records; None where there are none."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def keep(path: Path, numbers: dict[str, Any]) -> None:
    """Writes them there."""
    write_atomically(path, lambda file: file.write((json.dumps(numbers, indent=1) + "\n").encode()))
