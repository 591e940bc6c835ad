"""What the harness costs: images a second beside a bare PyTorch loop of the same model, batch and loader.

    .venv/bin/python benchmarks/harness.py

The two take turns every few steps in one process, since two runs one after another differ by more than the harness costs; what is
printed is the median over the pairs. Steps of 10 ms or more are meant: some 0.5 ms a step are the harness's whatever the model.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from implementations.baseline import Baseline
from implementations.common.data import Batches, Samples, loader, synthetic_finches
from implementations.common.progress import Progress
from implementations.common.recipes import resolve
from implementations.common.train import Settings, Trainer
from implementations.common.weights import Source

TURN = 5


def baseline(family: str, classes: object) -> Baseline:
    """The demo's baseline on a backbone of the family."""
    recipe = resolve(Baseline.recipe, Baseline.demo[family])
    return Baseline.from_recipe(recipe, classes, Source())[0]


def harness(trainer: Trainer, batches: Iterator) -> Callable[[], None]:
    """One step of the harness, the bar and the reading of losses included."""
    return lambda: trainer.step(*next(batches))


def bare(method: Baseline, batches: Iterator) -> Callable[[], None]:
    """One step as one would write it by hand."""
    recipe = method.recipe
    optimizer = torch.optim.AdamW(method.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)

    def step() -> None:
        images, labels = next(batches)
        F.cross_entropy(method(images), labels).backward()
        torch.nn.utils.clip_grad_norm_(method.parameters(), recipe.clip)
        optimizer.step()
        optimizer.zero_grad()

    return step


def seconds(step: Callable[[], None]) -> float:
    """Of a turn of steps."""
    began = time.perf_counter()
    for _ in range(TURN):
        step()
    return time.perf_counter() - began


def main() -> int:
    """Prints a line a family of backbones."""
    parser = argparse.ArgumentParser(description="What the harness costs beside a bare loop.")
    parser.add_argument("--pairs", type=int, default=16, help="of turns of 5 steps each (default: %(default)s)")
    options = parser.parse_args()
    data = synthetic_finches()
    for family in ("cnn", "vit"):
        ours, theirs = baseline(family, data.classes).train(), baseline(family, data.classes).train()
        trainer = Trainer(ours, data, Accelerator(cpu=True), Settings(), Progress(console=Console(stderr=True)))
        trainer.set_phase()

        def batches(trainer: Trainer = trainer) -> Iterator:
            order = Batches(trainer.epoch_batches, 100, start=0, process=0, processes=1)
            return iter(loader(Samples(data.train, trainer.method.recipe.train, 0), order, workers=0, pin=False))

        with trainer.progress.training(trainer.total, 0):
            steps = harness(trainer, batches()), bare(theirs, batches())
            [seconds(step) for step in steps]  # the first steps pay for allocations
            pairs = [tuple(seconds(step) for step in steps) for _ in range(options.pairs)]
        ratio = statistics.median(plain / own for own, plain in pairs)
        bare_step = statistics.median(plain for _, plain in pairs) / TURN
        detail = f"a step of {1000 * bare_step:.1f} ms, {options.pairs} pairs"
        print(f"{family}: {ratio:.3f} × the bare loop's images a second ({detail})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
