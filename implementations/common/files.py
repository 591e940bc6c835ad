"""Where files are kept, and how they are written: whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import platformdirs

from implementations.common.errors import Fault


def cache_folder() -> Path:
    """FINCH_CACHE, else the user's cache folder: drawn images, checkpoints, and records of one's own runs."""
    return Path(os.environ.get("FINCH_CACHE") or platformdirs.user_cache_dir("finch"))


def require_writable(folder: Path) -> None:
    """Raises Fault where nothing can be written to the folder, which is made: said before hours of work, not after them."""
    write_atomically(folder / ".probe", lambda file: file.write(b"finch"))
    (folder / ".probe").unlink()


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Writes aside and renames. Raises Fault where the disk is full or the folder can't be written."""
    aside = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            aside = Path(file.name)
            write(file)
            file.flush()
            os.fsync(file.fileno())
        aside.chmod(0o644)
        aside.replace(path)
    except OSError as error:
        raise Fault(
            f"{path}: could not be written: {error.strerror or error}; FINCH_CACHE=FOLDER keeps files elsewhere"
        ) from error
    finally:
        if aside is not None:
            aside.unlink(missing_ok=True)
