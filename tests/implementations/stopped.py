"""Runs an implementation's module on few images, and sends its session a signal at some moment after it has come to a step."""

from __future__ import annotations

import os
import random
import runpy
import signal
import sys
from threading import Timer

from implementations.common import finches, fingerprint
from implementations.common.train import Trainer


def main() -> None:
    """``python -m tests.implementations.stopped SIGKILL 12 MODULE ARGUMENTS``, by tests.forked, which gives it a session."""
    name, at_least, module, *arguments = sys.argv[1:]
    timer = Timer(random.uniform(0, 0.1), os.killpg, (0, signal.Signals[name]))
    step = Trainer.step

    def stops(trainer, *batch):
        terms = step(trainer, *batch)
        if trainer.state.step >= int(at_least) and timer.ident is None:
            timer.start()
        return terms

    Trainer.step = stops
    finches.TRAINING_IMAGES = 5
    fingerprint.of = lambda method, recipe: None
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
