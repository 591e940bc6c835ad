"""Runs modules in processes that have PyTorch already: importing it takes longer than most of what the tests run."""

from __future__ import annotations

import multiprocessing
import os
import runpy
import sys
import tempfile
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["accelerate", "timm", "torch", "torchvision.transforms.v2"])
Variables = Mapping[str, str]


def run(root: Path, module: str, *arguments: str, variables: Variables | None = None) -> tuple[int, str]:
    """What ``python -m module arguments`` does in a folder, whose own modules it finds first: exit code, and all that it says."""
    with tempfile.NamedTemporaryFile() as file:
        process = start(root, module, *arguments, said=Path(file.name), variables=variables)
        process.join()
        return process.exitcode, Path(file.name).read_text(encoding="utf-8")


def start(root: Path, module: str, *arguments: str, said: Path, variables: Variables | None = None) -> BaseProcess:
    """The same, started in a session of its own; all that it says goes into a file."""
    environment = os.environ | dict(variables or {})
    process = CONTEXT.Process(target=_run, args=(root, module, arguments, environment, said))
    process.start()
    return process


def _run(root: Path, module: str, arguments: tuple[str, ...], environment: dict[str, str], said: Path) -> None:
    """In the other process, which knows no module of this checkout but this one."""
    os.setsid()
    with said.open("wb") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(root)
    sys.path.insert(0, str(root))
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
