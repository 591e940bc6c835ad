"""What a method's training step and test pass cost, as ratios to the plain baseline's on the same backbone and batch.

    .venv/bin/python -m benchmarks.steps [--papers dcal ffvt]

Method and baseline take turns in one process, on one thread; what is printed is the median over the turns.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import torch

from implementations.__main__ import implemented
from implementations.common.comparison import BASELINE
from implementations.common.data import Data, Split
from implementations.common.fingerprint import OneProcess
from implementations.common.method import Classes, Method
from implementations.common.recipes import Recipe, resolve
from implementations.common.run import STRIDES, build, method_of
from implementations.common.train import Settings, Trainer
from implementations.common.weights import Source

CLASSES = Classes(tuple(map(str, range(32))))


def main() -> int:
    """A line a method and backbone."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.steps", description=__doc__.split("\n")[0])
    parser.add_argument("--papers", nargs="+", metavar="PAPER", default=[paper for paper in implemented() if paper != BASELINE])
    parser.add_argument("--turns", type=int, default=12, help="(default: %(default)s)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for paper in options.papers:
        kind, plain = method_of(paper), method_of(BASELINE)
        for family, demo in kind.demo.items():
            recipe = resolve(kind.recipe, demo)
            strides = [f"{name}={getattr(recipe, name)}" for name in STRIDES if getattr(recipe, name) is not None]
            both = [built(kind, recipe), built(plain, resolve(plain.recipe, plain.demo[family], strides))]
            step, test = (ratio([act(one) for one in both], options.turns) for act in (stepping, testing))
            print(f"{paper} on {recipe.backbone}: {step:.2f} × the baseline's step, {test:.2f} × its test pass", flush=True)
    return 0


def built(kind: type[Method], recipe: Recipe) -> Trainer:
    """A method of the demo with its trainer."""
    method, _ = build(kind, recipe, CLASSES, Source(), seed=0)
    blank = Split([index // 15 for index in range(480)], lambda index: torch.zeros(3, 96, 96, dtype=torch.uint8))
    trainer = Trainer(method, Data("blank", CLASSES, blank, blank, blank, "0" * 32), OneProcess(), Settings(read_every=10**9))
    trainer.state.step = trainer.total - 1  # of the last phase, in which all that is trained at all is trained
    trainer.set_phase()
    return trainer


def batch(trainer: Trainer) -> tuple[torch.Tensor, torch.Tensor]:
    """32 images, four of a class, so that methods that pair images find pairs."""
    side = trainer.method.recipe.input_size
    return torch.randn(32, 3, side, side, generator=torch.Generator().manual_seed(0)), torch.arange(32) // 4


def stepping(trainer: Trainer) -> Callable[[], None]:
    """All that the method does with one batch."""
    images, labels = batch(trainer)

    def step() -> None:
        trainer.method.train()
        trainer.method.training_step(images, labels, trainer.update)

    return step


def testing(trainer: Trainer) -> Callable[[], None]:
    """One test pass."""
    images, _ = batch(trainer)

    @torch.no_grad()
    def test() -> None:
        trainer.method.eval()(images)

    return test


def ratio(acts: list[Callable[[], None]], turns: int) -> float:
    """The first one's time over the second one's."""
    for act in acts:
        act()  # the first time pays for allocations
    pairs = [[_seconds(act) for act in acts] for _ in range(turns)]
    return statistics.median(own / other for own, other in pairs)


def _seconds(act: Callable[[], None]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
