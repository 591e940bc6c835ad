"""Folders that look like the repository and can be written to."""

from __future__ import annotations

from pathlib import Path


def linked(folder: Path, to: Path) -> None:
    """A folder in which every file is the real one, and to which files can be added."""
    folder.mkdir(parents=True)
    for path in to.iterdir():
        if path.name != "__pycache__":
            (folder / path.name).symlink_to(path)


def program(file: Path, text: str) -> None:
    """A program that stands in for one of that name."""
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8")
    file.chmod(0o755)
