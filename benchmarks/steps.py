"""What a method's training step and test pass cost, as ratios to the plain baseline's on the same backbone and batch.

    .venv/bin/python -m benchmarks.steps [--papers dcal ffvt]
    .venv/bin/python -m benchmarks.steps --write              keeps them, for the tables of all methods

Method and baseline take turns in one process, on one thread, in seconds of the processor; what is printed are medians over the
turns, and between which values the middle half of them lies. Other work on the machine takes caches and memory from both, and not
in equal parts: where there is some, a warning says so, and is kept with the ratios.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import statistics
import sys
from collections.abc import Callable, Iterator

import torch

from benchmarks.timing import turns
from implementations.__main__ import implemented
from implementations.common import evaluate, finches, steps
from implementations.common.comparison import BASELINE
from implementations.common.data import Data, Split, finches_classes
from implementations.common.errors import Fault, Usage
from implementations.common.fingerprint import OneProcess
from implementations.common.machine import cores
from implementations.common.method import Method
from implementations.common.recipes import Recipe, resolve
from implementations.common.run import STRIDES, method_of, recipe_for
from implementations.common.steps import Measured, Ratio
from implementations.common.train import Settings, Trainer
from implementations.common.weights import Source

TRAINING = finches.Spec(split="train", count=finches.TRAINING_IMAGES)
CLASSES = finches_classes(TRAINING)
LOAD, SCATTER = 0.5, 0.05
"""Of a quiet machine: so many others' processes waiting for a processor, on the average of a minute; and so wide, beside the
median, is the middle half of the turns."""
LEAST_TURNS = 4
"""Of fewer there are no quartiles to speak of."""


def main(arguments: list[str] | None = None) -> int:
    """A line a method and backbone; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        for paper in options.papers:
            if paper not in implemented() or paper == BASELINE:
                raise Usage(f"--papers {paper}: no implemented method; there are {', '.join(_methods())}")
        if options.turns < LEAST_TURNS:
            raise Usage(f"--turns {options.turns}: expected at least {LEAST_TURNS}")
        _measure(options)
    except Fault as fault:
        print(f"finch: {fault}", file=sys.stderr)
        return fault.code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.steps", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--papers", nargs="+", metavar="PAPER", default=_methods(), help="(default: all)")
    parser.add_argument("--turns", type=int, default=20, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--write", action="store_true", help="keep what is measured, in place of what was known of these methods")
    return parser


def _methods() -> list[str]:
    return [paper for paper in implemented() if paper != BASELINE]


def _measure(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    ours = 0  # what this process adds to the load: nothing, before it has begun
    for paper in options.papers:
        for one in measured(paper, options.turns, load=os.getloadavg()[0] - ours):
            print(
                f"{paper} on {one.backbone}: {told(one.step)} × the baseline's step, {told(one.test)} × its test pass", flush=True
            )
            if one.unquiet:
                print(f"warning: {one.unquiet}: measure it again on a quiet machine", file=sys.stderr)
            if options.write:  # one by one: what is measured stays, whatever becomes of the rest
                steps.keep(steps.FILE, [one])
        ours = 1


def told(ratio: Ratio) -> str:
    """A ratio with the middle half of its turns, as text."""
    return f"{ratio.median:.2f} ({ratio.low:.2f} to {ratio.high:.2f})"


def measured(paper: str, count: int, load: float) -> Iterator[Measured]:
    """A method on each of its demo's backbones; `load` is what others want of the machine."""
    kind, plain = method_of(paper), method_of(BASELINE)
    for demo in kind.demo.values():
        recipe = resolve(kind.recipe, demo)
        strides = [f"{name}={getattr(recipe, name)}" for name in STRIDES if getattr(recipe, name) is not None]
        alike = recipe_for(plain, profile="demo", backbone=recipe.backbone, changes=strides, folder=False)
        both = [built(kind, recipe), built(plain, alike)]
        step, test = (ratio([act(one) for one in both], count) for act in (stepping, testing))
        yield Measured(
            paper=paper,
            backbone=recipe.backbone,
            recipe=json.loads(json.dumps(recipe.as_data())),
            parameters=sum(parameter.numel() for parameter in both[0].method.parameters()),
            flops=evaluate.flops(both[0].method),
            step=step,
            test=test,
            images=round(seen(both[0]) / seen(both[1]), 6),
            date=datetime.date.today().isoformat(),
            machine=f"{platform.machine()} CPU, {cores()} cores",
            torch=torch.__version__,
            threads=torch.get_num_threads(),
            turns=count,
            unquiet=unquiet(load, {"training step": step, "test pass": test}),
        )


def unquiet(load: float, ratios: dict[str, Ratio]) -> str | None:
    """Why the machine doesn't seem to be quiet; None: it does."""
    busy = [f"others' load is {load:.1f}, expected at most {LOAD}"] if load > LOAD else []
    apart = {name: (one.high - one.low) / one.median for name, one in ratios.items()}
    busy += [
        f"of the {name}, the middle half of the turns lies {100 * width:.0f}% apart, expected at most {100 * SCATTER:.0f}%"
        for name, width in apart.items()
        if width > SCATTER
    ]
    return "; ".join(busy) or None


def built(kind: type[Method], recipe: Recipe) -> Trainer:
    """A method of the demo with its trainer, at the start of the last epoch: all that is trained at all is trained there."""
    method, _ = kind.from_recipe(recipe, CLASSES, Source(), seed=0)
    labels = [index // TRAINING.count for index in range(len(TRAINING))]
    blank = Split(labels, lambda index: torch.zeros(3, 96, 96, dtype=torch.uint8))
    trainer = Trainer(method, Data("blank", CLASSES, blank, blank, blank, "0" * 32), OneProcess(), Settings(read_every=10**9))
    trainer.state.step = trainer.total - trainer.per_epoch
    trainer.start_epoch()
    return trainer


def seen(trainer: Trainer) -> float:
    """How many images an epoch of training takes."""
    return trainer.per_epoch * trainer.images_per_step


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
    trainer.prepare(trainer.method.recipe.epochs)

    @torch.no_grad()
    def test() -> None:
        trainer.method.eval()(images)

    return test


def ratio(acts: list[Callable[[], None]], count: int) -> Ratio:
    """The first one's time over the second one's, in so many turns."""
    for act in acts:
        act()  # the first time pays for allocations
    return spread([own / other for own, other in turns(*acts, count=count)])


def spread(ratios: list[float]) -> Ratio:
    """Median and quartiles."""
    low, median, high = (round(value, 4) for value in statistics.quantiles(ratios, n=4, method="inclusive"))
    return Ratio(median=median, low=low, high=high)


if __name__ == "__main__":
    sys.exit(main())
