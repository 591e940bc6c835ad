"""Runs an implementation's module on few images and without its fingerprint; on request it is stopped in mid-training."""

from __future__ import annotations

import os
import random
import runpy
import signal
import sys
from threading import Timer

from implementations.common import finches, fingerprint
from implementations.common.train import Trainer

TRAINING_IMAGES = 5
"""Of each species: 160 in all."""


def main() -> None:
    """``python -m tests.implementations.small_run MODULE ARGUMENTS``, by tests.forked, which gives it a session of its own.

    Where the variable STOPPED has a signal and a step ("SIGKILL 5"), the session gets the signal at some moment after that step.
    """
    name, at_least = os.environ.get("STOPPED", f"SIGKILL {sys.maxsize}").split()
    timer = Timer(random.uniform(0, 0.1), os.killpg, (0, signal.Signals[name]))
    step = Trainer.step

    def stops(trainer, *batch):
        terms = step(trainer, *batch)
        if trainer.state.step >= int(at_least) and timer.ident is None:
            timer.start()
        return terms

    Trainer.step = stops
    finches.TRAINING_IMAGES = TRAINING_IMAGES
    fingerprint.of = lambda method, recipe: None
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
