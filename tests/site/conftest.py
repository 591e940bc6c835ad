"""A copy of the site's source on the invented catalog, which a test may change and build."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The site's source and tools, on the invented catalog; of the implementations what reads run records."""
    for name in ("site", "tools", "implementations/common"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    shutil.copytree(ROOT / "tests" / "data" / "tree", tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The root of a copy of the invented catalog alone."""
    return Path(shutil.copytree(ROOT / "tests" / "data" / "tree", tmp_path / "tree"))
