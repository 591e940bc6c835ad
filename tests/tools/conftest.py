"""A catalog that a test may break: a copy of the invented tree."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.catalog import load
from tools.problems import Problem

TREE = Path(__file__).parent.parent / "data" / "tree"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The root of the copy."""
    return Path(shutil.copytree(TREE, tmp_path / "tree"))


@pytest.fixture
def problems_after(tree: Path) -> Callable[..., list[Problem]]:
    """What the check says once a piece of a file was replaced by another one."""

    def edit(name: str, old: str, new: str) -> list[Problem]:
        file = tree / name
        text = file.read_text(encoding="utf-8")
        assert text.count(old) >= 1, f"{name} has no {old!r}"
        file.write_text(text.replace(old, new, 1), encoding="utf-8")
        return load(tree)[1]

    return edit
