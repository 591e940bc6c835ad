"""The page that sets the transformers' uses of attention side by side: the same images, formula by formula."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from implementations.common import sheet
from implementations.common.comparison import BASELINE, Comparison, Row
from implementations.common.records import Record
from tools.catalog import Catalog
from tools.pages.addresses import Page, meta
from tools.pages.records import Runs
from tools.pages.runs import guesses, name_of, shown

BACKBONE = "finch_vit"
FORMULAS = {
    BASELINE: "The last block's attention from the class token, averaged over heads. Nothing is chosen by it.",
    "transfg": "All blocks but the last multiplied, head by head: each head keeps its strongest patch for the last block.",
    "ffvt": "In every block but the last, what the class token looks at times who looks at the class token: the strongest tokens"
    " meet in the last block, whose attention to them is shown.",
    "tpskg": "The last block's attention from the class token: in training its peak is taken away, and the image seen again.",
    "rams-trans": "All blocks multiplied with their skip connections, averaged over all queries: the largest region above a"
    " multiple of the mean is cut out and seen again.",
    "aftrans": "In every block the heads' maps multiplied with each other, the blocks weighed by a learnt function of them: the"
    " largest region above the mean is cut out and seen again.",
    "dcal": "All blocks multiplied with their skip connections, the class token's row: the strongest tenth of patches looks at"
    " everything once more.",
}
"""Which formula each method reads attention by, and what it does with it."""
COUNTS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight"}


def attention(catalog: Catalog, runs: Runs) -> Page:
    """What each formula looks at on the same test images, how often that is the telling part, and what it is worth."""
    found = _rows(runs)
    rows = [_row(catalog, comparison, row) for comparison, row in found]
    methods = sum(row.paper != BASELINE for _, row in found)
    title = f"Attention, {COUNTS.get(methods, methods)} ways" if methods > 1 else "Attention"
    data = {
        "meta": meta(
            title,
            "What vision transformers for fine-grained classification read out of attention, on the same images.",
            hide=["navigation", "toc"],
        ),
        "title": title,
        "rows": rows,
        "images": found[0][0].images if found else 0,
        "blind": guesses(found[0][0]) if found else [],
        "above": [f"{row['name']} ({row['backbone']})" for row in rows if _above(row)],
        "not_above": [f"{row['name']} ({row['backbone']})" for row in rows if row["pointing"] and not _above(row)],
        "places": _places([drawn for one in found if (drawn := _drawn(catalog, runs, *one))]),
        "sheet": sheet.size(sheet.SHOWN),
    }
    return "attention.md", "attention.md.j2", data


def _rows(runs: Runs) -> list[tuple[Comparison, Row]]:
    """The methods, each behind the baseline of its budget."""
    found = [
        (comparison, row)
        for comparison in runs.comparisons
        for row in comparison.rows
        if comparison.budget.backbone == BACKBONE and comparison.methods and row.label is None and row.paper in FORMULAS
    ]
    strides = [tuple(stride or 0 for stride in comparison.budget.strides) for comparison, _ in found]
    order = sorted(range(len(found)), key=lambda place: (list(FORMULAS).index(found[place][1].paper), strides[place]))
    return [found[place] for place in order]


def _row(catalog: Catalog, comparison: Comparison, row: Row) -> dict[str, Any]:
    """A method's numbers, and of each ablation what is lost by it."""
    ablations = [one for one in comparison.rows if one.paper == row.paper and one.label is not None and one.gain]
    return shown(catalog, row) | {
        "backbone": comparison.budget.network,
        "formula": FORMULAS[row.paper],
        "ablations": [shown(catalog, one) for one in ablations],
    }


def _above(row: dict[str, Any]) -> bool:
    """Whether the method's own map points better than the best guess that doesn't look at the image."""
    return any(one["marked"] for one in row["pointing"] if one["name"] is None)


@dataclass(frozen=True)
class Drawn:
    """A method's picture: where it stands below the docs folder, and its run."""

    name: str
    backbone: str
    path: str
    record: Record


def _drawn(catalog: Catalog, runs: Runs, comparison: Comparison, row: Row) -> Drawn | None:
    """The picture of a method's page; of the baseline its run with the lowest seed under that budget."""
    if row.paper == BASELINE:
        record = next((run for run in row.runs if run.picture), None)
    else:
        record = found[1] if (found := runs.picture(row.paper)) else None
    if record is None or len(record.evidence) != sheet.SHOWN:
        return None
    path = _baseline_path(comparison) if row.paper == BASELINE else f"assets/runs/{row.paper}.webp"
    return Drawn(name_of(catalog, row), comparison.budget.network, path, record)


def _baseline_path(comparison: Comparison) -> str:
    return "-".join(["assets/runs/baseline", *(str(stride) for stride in comparison.budget.strides if stride)]) + ".webp"


def pictures(catalog: Catalog, runs: Runs) -> dict[str, Path]:
    """The baseline's pictures that the page shows, by their path below the docs folder; a method's is on its own page, too."""
    drawn = [_drawn(catalog, runs, *one) for one in _rows(runs) if one[1].paper == BASELINE]
    return {one.path: runs.file(one.record).with_name(one.record.picture) for one in drawn if one}


def _places(pictures: Sequence[Drawn]) -> list[dict[str, Any]]:
    """Of each fixed test image its species, where it stands in the pictures, and what each method said of it."""
    if not pictures:
        return []
    return [
        {
            "species": one.label,
            "path": pictures[0].path,
            "image": sheet.corner(place),
            "map": sheet.looked_at(place),
            "methods": [
                {
                    "name": drawn.name,
                    "backbone": drawn.backbone,
                    "path": drawn.path,
                    "right": drawn.record.evidence[place].predicted == one.label,
                    "said": drawn.record.evidence[place].predicted,
                }
                for drawn in pictures
            ],
        }
        for place, one in enumerate(pictures[0].record.evidence)
    ]
