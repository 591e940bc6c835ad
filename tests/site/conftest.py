"""A copy of the site's source on the invented catalog, which a test may change and build."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def copied(folder: Path) -> Path:
    """The site's source and tools, on the invented catalog; of the implementations what reads run records."""
    for name in ("site", "tools", "implementations/common"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "mkdocs.yml", folder)
    shutil.copytree(ROOT / "tests" / "data" / "tree", folder, dirs_exist_ok=True)
    return folder


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Such a copy for one test."""
    return copied(tmp_path)


@pytest.fixture(scope="module")
def shared_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Such a copy for all tests of a file."""
    return copied(tmp_path_factory.mktemp("copy"))


@pytest.fixture(scope="module")
def shared_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a copy of the invented catalog alone, for all tests of a file."""
    return Path(shutil.copytree(ROOT / "tests" / "data" / "tree", tmp_path_factory.mktemp("invented") / "tree"))
