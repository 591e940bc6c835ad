"""Makes the weights that Finch ships: trains a tiny backbone to name birds of species that no demo has.

    .venv/bin/python -m implementations.common.pretrain finch_vit

The networks learn from the species' labels, as ImageNet's do: no box, no label of a part. They are the plain baseline
(baseline.py) on many more species, whose seed is another than the demo's, so that each is of another family. The vision
transformer learns from the CNN, too, whose weights are made first: half-way through its blocks its patches predict the CNN's map
of the same grid; at the end they and its class token predict the CNN's last map, at each place and on average (hints: Romero et
al., ICLR 2015; a CNN as teacher: Touvron et al., ICML 2021).

Stopped, the same command goes on where it was. The weights are frozen with the drawing's VERSION: made anew, every record is of
older ones.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from rich.console import Console
from safetensors.torch import save
from torch import Tensor, nn

from implementations.baseline import Baseline
from implementations.common import backbones, evaluate, finches
from implementations.common.data import Data, finches_split, transform
from implementations.common.errors import Fault
from implementations.common.files import cache_folder, write_atomically
from implementations.common.interrupt import Interrupted
from implementations.common.machine import cores
from implementations.common.method import Classes, Terms
from implementations.common.progress import Progress
from implementations.common.recipes import Recipe, resolve
from implementations.common.schedules import Cosine
from implementations.common.train import Settings, Trainer
from implementations.common.weights import SHIPPED, Source, sha256

SEED = 1000
"""Of the species."""
FAMILIES, SIBLINGS, IMAGES = 240, 4, 40
"""How many families, species of each, and images of each species; a tenth as many are held out."""
HOW: dict[str, Mapping[str, Any]] = {
    "finch_resnet": {"epochs": 7, "batch_size": 64, "lr": 4e-3, "weight_decay": 0.05},
    # Small batches give more steps from the same images.
    "finch_vit": {"epochs": 7, "batch_size": 8, "lr": 2e-3, "weight_decay": 0.05, "schedule": Cosine(warmup=0.01)},
}
"""What is changed of the baseline's demo for each backbone. All layers have one rate, as all of them start from nothing."""


TEACHER = "finch_resnet"


class Teacher(nn.Module):
    """A CNN's standardised features: of the whole image, of each place of its last map, of each patch from an earlier map."""

    def __init__(self, input_size: int, grid: tuple[int, int]) -> None:
        super().__init__()
        wanted = backbones.Wanted(name=TEACHER, families=("cnn",), input_size=input_size)
        self.backbone = backbones.create(wanted, Source())[0]
        early = max(place for place, size in enumerate(self.backbone.sizes) if size == grid)
        self.levels = {"whole": -1, "places": -1, "patches": early}
        self.channels = {name: self.backbone.channels[level] for name, level in self.levels.items()}
        self.scales = nn.ModuleDict(
            {name: nn.BatchNorm1d(channels, affine=False, momentum=None) for name, channels in self.channels.items()}
        )

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """(B, 3, H, W) → "whole" (B, 1, C), "places" and "patches" (B, N, C)."""
        maps = self.backbone(images)
        features = {name: maps[level].flatten(2).mT for name, level in self.levels.items()}
        features["whole"] = features["whole"].mean(1, keepdim=True)
        return {name: self.scales[name](entry.flatten(0, 1)).view_as(entry) for name, entry in features.items()}

    def calibrate(self, images: Tensor) -> None:
        """Takes the channels' means and deviations from these images, and keeps them."""
        self.eval()
        self.scales.train()
        with torch.no_grad():
            self(images)
        self.eval()


class Student(Baseline):
    """The baseline on a vision transformer that also predicts a CNN's features."""

    def __init__(self, classes: Classes, backbone: nn.Module, recipe: Recipe) -> None:
        super().__init__(classes, backbone, recipe)
        self.teacher = (Teacher(recipe.input_size, backbone.grid),)  # in a tuple: neither trained nor kept
        self.heads = nn.ModuleDict(
            {name: nn.Linear(backbone.width, channels) for name, channels in self.teacher[0].channels.items()}
        )

    def losses(self, images: Tensor, labels: Tensor) -> Terms:
        backbone, blocks = self.backbone, self.backbone.blocks
        with torch.no_grad():
            targets = self.teacher[0](images)
        half = blocks[: len(blocks) // 2](backbone.embed(images))
        tokens = backbone.norm(blocks[len(blocks) // 2 :](half))
        places = backbone.patches(tokens).mT.unflatten(2, backbone.grid)
        places = F.adaptive_avg_pool2d(places, self.teacher[0].backbone.sizes[-1]).flatten(2).mT
        inputs = {"whole": tokens[:, :1], "places": places, "patches": backbone.patches(half)}
        hints = {name: F.mse_loss(self.heads[name](entry), targets[name]) for name, entry in inputs.items()}
        return {"cross-entropy": F.cross_entropy(self.classifier(tokens[:, 0]), labels)} | hints


def birds() -> Data:
    """All species of the pretraining."""
    specs = [
        finches.Spec(seed=SEED, split=split, families=FAMILIES, siblings=SIBLINGS, count=count)
        for split, count in (("train", IMAGES), ("validation", IMAGES // 10))
    ]
    train, held_out = ((spec, finches.images(spec)) for spec in specs)
    splits = [finches_split(spec, images) for spec, images in (train, held_out, held_out)]
    return Data("pretraining finches", Classes(tuple(finches.names(specs[0]))), *splits, train[1].digest)


def trainer_of(name: str, data: Data, checkpoint: Path, console: Console) -> Trainer:
    """A trainer of the baseline on a backbone with random weights, at the state where it was stopped if it was."""
    how = HOW[name]
    demo = Baseline.demo[backbones.family_of(name)] | {"backbone": name, "backbone_lr": None} | dict(how)
    kind = Student if backbones.family_of(name) == "vit" else Baseline
    method, _ = kind.from_recipe(resolve(Baseline.recipe, demo), data.classes, Source(random=True), seed=0)
    teacher = None
    if isinstance(method, Student):
        teacher = sha256(SHIPPED / f"{TEACHER}.safetensors")
        some = range(0, len(data.train), max(1, len(data.train) // 1000))
        images = torch.stack([data.train.read(index) for index in some])
        method.teacher[0].calibrate(transform(method.recipe.test)(images))
    settings = Settings(checkpoint=checkpoint, save_every=60, read_every=100, weights=teacher)
    trainer = Trainer(method, data, Accelerator(cpu=True), settings, Progress(console=console, title=name))
    if trainer.resume():
        console.print(f"goes on at step {trainer.state.step} of {trainer.total}")
    return trainer


def main(arguments: list[str] | None = None) -> int:
    """Makes one backbone's weights and their record; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m implementations.common.pretrain", description="Makes the weights of a tiny backbone."
    )
    parser.add_argument("name", choices=sorted(HOW))
    parser.add_argument("--threads", type=int, default=cores(), help="the last bits depend on it (default: %(default)s)")
    parser.add_argument("--into", type=Path, default=SHIPPED, metavar="DIR", help="where to write NAME.safetensors and NAME.json")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    torch.use_deterministic_algorithms(True)
    console, checkpoint = Console(stderr=True, soft_wrap=True), cache_folder() / "pretraining" / f"{options.name}.safetensors"
    try:
        trainer = trainer_of(options.name, birds(), checkpoint, console)
        trainer.fit()
    except Interrupted as stopped:
        print("finch: stopped, its state is kept; the same command goes on", file=sys.stderr)
        return stopped.code
    except Fault as fault:
        print(f"finch: {fault}", file=sys.stderr)
        return fault.code
    record = keep(options, trainer)
    checkpoint.unlink()
    print(json.dumps(record, indent=1))
    return 0


def keep(options: argparse.Namespace, trainer: Trainer) -> dict[str, Any]:
    """Writes the weights and how they were made."""
    name, data, backbone = options.name, trainer.data, trainer.method.backbone
    tensors = {key: tensor.contiguous() for key, tensor in backbone.model.state_dict().items()}
    path = options.into / f"{name}.safetensors"
    write_atomically(path, lambda file: file.write(save(tensors)))
    guesses = evaluate.predict(trainer.method, data.validation, trainer.accelerator)
    record = {
        "sha256": sha256(path),
        "command": f"python -m implementations.common.pretrain {name} --threads {options.threads}",
        "backbone": {"timm": backbones.OWN[name][0], **backbones.OWN[name][1]},
        "parameters": sum(parameter.numel() for parameter in backbone.parameters()),
        "drawing": {"version": finches.VERSION, "seed": SEED, "species": len(data.classes), "images": len(data.train)},
        "recipe": trainer.method.recipe.as_data(),
        "held_out_top1": round(evaluate.top1(guesses, data.validation.labels), 4),
        "seconds": round(trainer.state.seconds),
        "versions": {package: importlib.metadata.version(package) for package in ("torch", "timm", "numpy", "pillow")}
        | {"python": platform.python_version()},
        "licence": "MIT",
    }
    if trainer.settings.weights:
        record["teacher"] = trainer.settings.weights
    write_atomically(path.with_suffix(".json"), lambda file: file.write(json.dumps(record, indent=1).encode() + b"\n"))
    return record


if __name__ == "__main__":
    sys.exit(main())
