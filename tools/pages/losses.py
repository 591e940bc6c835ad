"""The page of losses that can be used alone: what site/losses says of each, and what its method cost and did in our own runs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.catalog import ROOT, Catalog
from tools.pages.addresses import Page, meta
from tools.pages.records import Runs
from tools.pages.runs import shown, speed

FOLDER = ROOT / "site" / "losses"
FORM = re.compile(r"## (?P<name>[^\n]+)\n\n(?P<text>.+?)\n\n```python\n(?P<code>.+?)\n```\n", re.DOTALL)


@dataclass(frozen=True)
class Loss:
    """A paper's loss as its file describes it."""

    paper: str
    name: str
    text: str
    code: str

    @property
    def setup(self) -> str:
        """What of the code is run once: up to its blank line, nothing where there is none."""
        return self.code.rpartition("\n\n")[0]

    @property
    def step(self) -> str:
        """What of the code is run in each step: it sets `loss`."""
        return self.code.rpartition("\n\n")[2]


def read(file: Path) -> Loss:
    """A file of site/losses, named by its paper's id. Raises ValueError where it has another form."""
    found = FORM.fullmatch(file.read_text(encoding="utf-8"))
    if found is None:
        raise ValueError(f"{file}: expected a heading (## NAME), sentences, and one ```python block at the end")
    return Loss(file.stem, **found.groupdict())


def read_all(folder: Path = FOLDER) -> list[Loss]:
    """All of them, by name."""
    return sorted(map(read, folder.glob("*.md")), key=lambda loss: loss.name.casefold())


def losses(catalog: Catalog, runs: Runs) -> Page:
    """Each loss with its code, what a training step of its method costs, and what the method reached."""
    data = {
        "meta": meta(
            "Losses to take away",
            "Losses for fine-grained classification that can be used alone, each in a few lines of PyTorch.",
            hide=["navigation"],
        ),
        "losses": [_shown(catalog, runs, loss) for loss in read_all() if loss.paper in catalog.papers],
    }
    return "losses.md", "losses.md.j2", data


def _shown(catalog: Catalog, runs: Runs, loss: Loss) -> dict[str, Any]:
    entry = catalog.papers[loss.paper]
    return {
        "loss": loss,
        "title": entry.title,
        "venue": f"{catalog.manifest.venues[entry.venue].short} {entry.year}",
        "file": f"implementations/{loss.paper.replace('-', '_')}.py",
        "runs": [
            shown(catalog, row)
            | speed(row, runs.measured)
            | {"backbone": comparison.budget.network, "epochs": comparison.budget.epochs}
            for comparison in runs.compared(loss.paper)
            if (row := comparison.row(loss.paper))
        ],
    }
