"""The catalog in memory: loaded, cross-checked, immutable."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools.draft import read_all
from tools.manifest import Manifest
from tools.problems import Problem
from tools.rules import check
from tools.schema import KINDS, Challenge, Dataset, Entry, Paper, Survey, Workshop

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, eq=False)
class Catalog:
    """Everything the catalog says, by kind and id. The dictionaries are sorted by id. One is equal to itself alone."""

    root: Path
    manifest: Manifest
    papers: dict[str, Paper]
    datasets: dict[str, Dataset]
    workshops: dict[str, Workshop]
    challenges: dict[str, Challenge]
    surveys: dict[str, Survey]

    def entries(self) -> Iterator[tuple[str, str, Entry]]:
        """Kind, id and entry, of all entries."""
        for kind in KINDS:
            for entry_id, entry in getattr(self, kind).items():
                yield kind, entry_id, entry


def load(root: Path = ROOT) -> tuple[Catalog | None, list[Problem]]:
    """Reads, validates and cross-checks the catalog below `root`.

    Returns it with its warnings and notes; where there is an error, no catalog, and all problems.
    """
    with collector_at_rest():
        draft = read_all(root)
        problems = sorted({*draft.problems, *check(draft)})
    if draft.manifest is None or any(problem.level == "error" for problem in problems):
        return None, problems
    return Catalog(root, draft.manifest, **draft.entries), problems


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """Without the garbage collector, which would go through all entries read so far again and again: they are all kept."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
