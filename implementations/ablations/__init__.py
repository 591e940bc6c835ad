"""What a paper's key operation is worth: its method once more, with that operation made neutral and all else as it was.

Each implementation has a file of its name here, whose public classes are its ablations. One is run by

    python -m implementations.pmg --variant implementations/ablations/pmg.py:NoJigsaw

or, beside the methods, by `python -m implementations.compare --ablations`. Its record names file and class.
"""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

from implementations.common.method import Method

HERE = Path(__file__).parent


def file_of(paper: str) -> Path:
    """Where a paper's ablations are, or would be."""
    return HERE / f"{paper.replace('-', '_')}.py"


def ablations_of(paper: str) -> dict[str, type[Method]]:
    """A paper's ablations by the names of their classes, in the order of its file; none where it has no file."""
    if not file_of(paper).is_file():
        return {}
    module = importlib.import_module(f"{__name__}.{file_of(paper).stem}")
    own = (found for found in vars(module).values() if inspect.isclass(found) and found.__module__ == module.__name__)
    return {found.__name__: found for found in own if issubclass(found, Method) and not found.__name__.startswith("_")}
