"""What the catalog costs to load and check, as a ratio to parsing the same files with bare libyaml, and how both grow.

    .venv/bin/python -m benchmarks.catalog [--sizes 100 1000 10000]

Ours is `tools.catalog.load`: reading, validation and all rules. The reference reads the same files and parses each with
`yaml.CSafeLoader`, no more; both keep what they made of all files until the last one. Ours lets the garbage collector rest,
since nothing that it reads is garbage; so the reference stands here twice: as anybody would write it, and with the collector at
rest. They take turns in one process; what is printed is the median over the turns, in seconds of the processor. Aims: at most
1.5 times, an exponent of at most 1.1.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from benchmarks.synthetic import write_catalog
from benchmarks.timing import Turn, exponent, medians, print_table, ratio, turns, working
from tools.catalog import collector_at_rest, load


def bare(root: Path) -> list[Any]:
    """All files of a catalog, parsed."""
    files = [root / "catalog.yaml", *sorted((root / "catalog").glob("*/*.yaml"))]
    return [yaml.load(file.read_text(encoding="utf-8"), yaml.CSafeLoader) for file in files]


def bare_at_rest(root: Path) -> list[Any]:
    """The same, without the garbage collector."""
    with collector_at_rest():
        return bare(root)


def checked(root: Path) -> None:
    """Loads a catalog in which nothing may be wrong: a problem would cost time of its own."""
    _, problems = load(root)
    if problems:
        raise SystemExit("The synthetic catalog has problems:\n" + "\n".join(map(str, problems[:10])))


def measured(papers: int, count: int) -> list[Turn]:
    """Ours and the two references on a catalog of so many papers."""
    with tempfile.TemporaryDirectory(prefix="finch-") as folder:
        root = Path(folder) / "synthetic"
        with working(f"{papers:,} papers: writing them"):
            write_catalog(root, papers)
        with working(f"{papers:,} papers: {count} turns of ours and the references"):
            checked(root), bare(root)  # the first time pays for imports and for files that aren't in memory
            return turns(lambda: checked(root), lambda: bare(root), lambda: bare_at_rest(root), count=count)


def main() -> int:
    """A row a size, and the growth."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.catalog", description=__doc__.split("\n")[0])
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[100, 1000, 10_000], help="numbers of papers (default: %(default)s)"
    )
    parser.add_argument("--turns", type=int, help="a size (default: 15, at 10,000 papers 3)")
    options = parser.parse_args()
    rows, taken = [], []
    try:
        for size in options.sizes:
            found = measured(size, options.turns or max(3, min(15, 15_000 // size)))
            taken.append(medians(found))
            ratios = [f"{ratio(found, reference):.2f}" for reference in (1, 2)]
            rows.append([f"{size:,}", *(f"{one:.3f}" for one in taken[-1]), *ratios, str(len(found))])
    except KeyboardInterrupt:
        print("Stopped; the sizes so far:", file=sys.stderr)
    columns = (
        "papers",
        "load and check (s)",
        "bare libyaml (s)",
        "collector at rest (s)",
        "ratio",
        "ratio to that at rest",
        "turns",
    )
    print_table(*columns, rows=rows)
    if len(taken) > 1:
        grown = [exponent(options.sizes[: len(taken)], times) for times in zip(*taken, strict=True)]
        print(f"\nGrowth: load and check with papers^{grown[0]:.2f}, bare libyaml with papers^{grown[1]:.2f}.")
    return 0 if len(rows) == len(options.sizes) else 130


if __name__ == "__main__":
    sys.exit(main())
