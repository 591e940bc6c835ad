"""Whether the telling part of Synthetic Finches can be guessed, and how well the plain baselines do.

    .venv/bin/python -m benchmarks.finches   # a minute

A guess hits where it lies in the part's box, with the tolerance of pointing accuracy. No guess looks at the image; the best one
is told the family. Beside each figure stand its aim and what it was in version 1 of the drawing.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
from collections import defaultdict

from rich.console import Console
from rich.table import Table

from implementations.common import finches
from implementations.common.data import Data, synthetic_finches
from implementations.common.evaluate import blind_guesses
from implementations.common.progress import Progress
from implementations.common.records import FIXED_POINT_PER_FAMILY, RANDOM_POINT, RECORDS, TOLERANCE, Record, read_all

SIDE = 96
VERSION_1 = {RANDOM_POINT: 2.9, "image centre": 14.3, "one fixed point": 16.7, FIXED_POINT_PER_FAMILY: 40.7}
"""Percent, by this script on the drawing before (commit 9285b52): 120 test images a species, the same tolerance."""
VERSION_1_BASELINES = {
    ("finch_resnet", 15): 75.7,
    ("finch_resnet", 30): 81.8,
    ("finch_resnet", 60): 86.3,
    ("finch_vit", 15): 64.8,
    ("finch_vit, stride 6", 15): 72.2,
}
"""Top-1 of the plain baselines on it, by network and epochs: the means of the records that were committed then (f61ef2d)."""
AIMS = {"image centre": 12, "one fixed point": 12, FIXED_POINT_PER_FAMILY: 15}


def main() -> int:
    """Prints the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.finches", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--test-images", type=int, default=120, metavar="N", help="of each species (default: %(default)s)")
    options = parser.parse_args()
    if options.test_images < 1:
        parser.error(f"--test-images {options.test_images}: expected at least 1")
    with Progress(console=Console(stderr=True)).bar("drawing finches", 32 * options.test_images) as show:
        data = synthetic_finches(options.test_images, progress=show)
    console = Console(width=110)
    console.print(guesses(data), "", parts(data))
    recorded = [record for _, record in read_all(RECORDS / "baseline")]
    console.print("", baselines(recorded) if recorded else "no run of the baseline is recorded")
    return 0


def table(title: str, *heads: str) -> Table:
    """A table whose first column is words and whose others are numbers."""
    made = Table(title=title, title_justify="left")
    for number, head in enumerate(heads):
        made.add_column(head, justify="right" if number else "left")
    return made


def guesses(data: Data) -> Table:
    """How often each blind guess hits."""
    made = table(
        f"Blind guesses that hit the telling part, % of {len(data.test):,} images (within {TOLERANCE * SIDE:.0f} of {SIDE} px)",
        "",
        f"version {finches.VERSION}",
        "version 1",
        "aim",
    )
    for name, hit in blind_guesses(data.train, data.test, data.classes.coarse["family"], SIDE).items():
        aim = f"≤ {AIMS[name]}" if name in AIMS else ""
        made.add_row(name, f"{100 * hit.mean().item():.1f}", f"{VERSION_1[name]:.1f}", aim)
    return made


def parts(data: Data) -> Table:
    """How large the telling part is, for each family."""
    made = table("The telling part, px", "family", "width", "height", "smallest side", "largest side")
    sizes = (data.test.boxes[:, 2:] - data.test.boxes[:, :2]).float()
    families = [data.classes.coarse["family"][label] for label in data.test.labels]
    for family in sorted(set(families)):
        own = sizes[[index for index, of in enumerate(families) if of == family]]
        width, height = own.mean(0).tolist()
        made.add_row(
            finches.part_of(0, family), f"{width:.1f}", f"{height:.1f}", f"{own.min().item():.0f}", f"{own.max().item():.0f}"
        )
    return made


def baselines(records: list[Record]) -> Table:
    """What the plain baselines reached, what longer training adds, and how far apart two seeds are."""
    heads = ("", "seeds", "top-1", "version 1", "families", "seeds differ: mean", "most", "aim (any two seeds ≤ 2 apart)")
    made = table("The plain baseline, % (means over seeds)", *heads)
    runs: dict[tuple[str, int], list[Record]] = defaultdict(list)
    for record in records:
        if record.dataset.name == "synthetic-finches" and record.label is None:
            runs[record.budget.network, record.budget.epochs].append(record)
    for (network, epochs), own in sorted(runs.items()):
        top1 = [100 * record.outcome.top1 for record in own]
        apart = [abs(one - other) for one, other in itertools.combinations(top1, 2)]
        before = VERSION_1_BASELINES.get((network, epochs))
        shortest = runs[min(key for key in runs if key[0] == network)]
        gained = statistics.mean(top1) - statistics.mean(100 * record.outcome.top1 for record in shortest)
        made.add_row(
            f"{network}, {epochs} epochs",
            str(len(own)),
            f"{statistics.mean(top1):.1f}",
            f"{before:.1f}" if before else "",
            f"{statistics.mean(100 * record.outcome.family_top1 for record in own):.1f}",
            f"{statistics.mean(apart):.1f}" if apart else "",
            f"{max(apart):.1f}" if apart else "",
            "60 to 80, families ≥ 97" if own is shortest else f"{gained:+.1f} of at most +5",
        )
    return made


if __name__ == "__main__":
    sys.exit(main())
