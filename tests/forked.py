"""Runs modules in processes that have PyTorch already: importing it takes longer than most of what the tests run."""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing.process import BaseProcess
from pathlib import Path

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["accelerate", "pydantic", "scipy.special", "timm", "torch", "torchvision.transforms.v2"])
LIMIT = 600
"""Seconds after which something hangs."""
Variables = Mapping[str, str]


def run(root: Path, module: str, *arguments: str, variables: Variables | None = None, limit: float = LIMIT) -> tuple[int, str]:
    """What ``python -m module arguments`` does in a folder, whose own modules it finds first: exit code, and all that it says."""
    with tempfile.NamedTemporaryFile() as file:
        said = Path(file.name)
        with started(root, module, *arguments, said=said, variables=variables) as process:
            process.join(limit)
            assert process.exitcode is not None, f"{module} still runs after {limit} s: {said.read_text(encoding='utf-8')}"
        return process.exitcode, said.read_text(encoding="utf-8")


def pytest(root: Path, *arguments: str, variables: Variables | None = None) -> tuple[int, str]:
    """What pytest says of a folder's tests: exit code, and all that it says. Asserts of modules that are imported already can't be rewritten."""
    quiet = "-W", "ignore::pytest.PytestAssertRewriteWarning"
    return run(root, "pytest", "-p", "no:cacheprovider", *quiet, *arguments, variables=variables)


@contextmanager
def started(root: Path, module: str, *arguments: str, said: Path, variables: Variables | None = None) -> Iterator[BaseProcess]:
    """The same as long as the `with` lasts, after which it is killed; all that it says goes into a file."""
    environment = os.environ | dict(variables or {})
    process = CONTEXT.Process(target=_run, args=(root, module, arguments, environment, said))
    process.start()
    try:
        yield process
    finally:
        process.kill()  # where it has no session of its own yet; it has started nothing then
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.join()


def _run(root: Path, module: str, arguments: tuple[str, ...], environment: dict[str, str], said: Path) -> None:
    """In the other process, which knows no module of this checkout but this one; in a session of its own."""
    os.setsid()
    with said.open("wb") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    os.environ.clear()
    os.environ.update(environment)
    multiprocessing.set_start_method(None, force=True)  # as from a shell; "forkserver" is handed on, by which each worker imports PyTorch anew
    os.chdir(root)
    sys.path.insert(0, str(root))
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
