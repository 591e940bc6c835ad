"""Methods and the plain baseline side by side: one backbone, data and budget, and what a few seeds can tell.

    python -m implementations.compare                        all methods on finches, seeds 0 1 2 (the baseline 0 … 9)
    python -m implementations.compare --ablations            their ablations, too; --ablations NoJigsaw names one
    python -m implementations.compare --shard 3/8            the third of eight parts of the runs, for a job array
    python -m implementations.compare --tables               no run: the tables of what is recorded already

Every run leaves a record; one that is there already isn't made again, so that a stopped command goes on where it was. The first
table compares what shares a budget; the second sets accuracy beside training time, each method at its own number of steps.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from implementations.__main__ import implemented
from implementations.common.comparison import BASELINE, Comparison, Row, compare
from implementations.common.errors import Fault, Usage
from implementations.common.machine import cores
from implementations.common.records import RECORDS, read_all

BASELINE_SEEDS = 10
LONGER = {"finch_resnet": (30, 60)}
"""How long the baseline is trained beside its own 15 epochs: 60 take as many steps as PMG's four a batch."""
Job = tuple[str, str, tuple[str, ...], int]
"""A run: paper (PAPER:CLASS is an ablation of it), backbone, what is changed of its recipe, seed."""


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        papers = _papers(options.papers)
        if not options.tables:
            jobs = _jobs(papers, options.seeds, options.baseline_seeds)
            jobs += _ablated(jobs, papers, options.ablations) if options.ablations is not None else []
            _run(_part(jobs, options.shard), options)
        print(tables(compare(record for paper in papers for _, record in read_all(options.records / paper))))
    except Fault as fault:
        print(f"finch: {fault}", file=sys.stderr)
        return fault.code
    except KeyboardInterrupt:
        print("\nfinch: stopped; the same command goes on", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m implementations.compare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--papers", nargs="+", metavar="PAPER", help="which methods (default: all); the baseline always")
    parser.add_argument("--dataset", choices=("finches",), default="finches", help="what they are run on (default: %(default)s)")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="N", help="of each method (default: 0 1 2)")
    parser.add_argument(
        "--baseline-seeds", type=int, default=BASELINE_SEEDS, metavar="N", help="so many of the baseline (default: %(default)s)"
    )
    parser.add_argument(
        "--ablations",
        nargs="*",
        metavar="CLASS",
        help="also the papers' ablations (none named: all), which have a file each in implementations/ablations",
    )
    parser.add_argument("--shard", metavar="K/N", help="the K-th of N parts of the runs")
    parser.add_argument("--tables", action="store_true", help="run nothing; show what is recorded")
    parser.add_argument("--test-images", type=int, default=120, metavar="N", help="of each species (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=cores(), metavar="N", help="of the CPU (default: %(default)s)")
    parser.add_argument("--records", type=Path, default=RECORDS, metavar="DIR", help="where records are (default: the committed)")
    return parser


def _papers(asked: Sequence[str] | None) -> list[str]:
    known = implemented()
    for paper in asked or ():
        if paper not in known:
            raise Usage(f"no implementation of {paper!r}; there are {', '.join(known)}")
    return list(dict.fromkeys([BASELINE, *(asked or known)]))


def _jobs(papers: Sequence[str], seeds: Sequence[int], baseline_seeds: int) -> list[Job]:
    """Every run: of the methods on each family of backbones they take, and of the baseline under each of their budgets."""
    from implementations.common import backbones
    from implementations.common.recipes import resolve
    from implementations.common.run import STRIDES, method_of

    jobs: list[Job] = []
    for paper in papers:
        method = method_of(paper)
        for demo in method.demo.values():
            recipe = resolve(method.recipe, demo)
            strides = tuple(f"{name}={getattr(recipe, name)}" for name in STRIDES if getattr(recipe, name) is not None)
            if recipe.backbone in backbones.OWN:
                jobs += [(BASELINE, recipe.backbone, strides, seed) for seed in range(baseline_seeds)]
                if paper == BASELINE:
                    longer = [(*strides, f"epochs={epochs}") for epochs in LONGER.get(recipe.backbone, ())]
                    jobs += [(BASELINE, recipe.backbone, changes, seed) for changes in longer for seed in seeds]
                jobs += [(paper, recipe.backbone, (), seed) for seed in seeds if paper != BASELINE]
    return list(dict.fromkeys(jobs))


def _ablated(jobs: Sequence[Job], papers: Sequence[str], asked: Sequence[str]) -> list[Job]:
    """Each of the papers' ablations, or of those asked for, run as the method itself is. Raises Usage for an unknown one."""
    from implementations.ablations import ablations_of

    known = {paper: list(ablations_of(paper)) for paper in papers}
    every = [name for names in known.values() for name in names]
    for name in asked:
        if name not in every:
            raise Usage(f"--ablations {name}: no ablation of {', '.join(papers)}; there are {', '.join(every) or 'none'}")
    return [(f"{paper}:{name}", *rest) for paper, *rest in jobs for name in known[paper] if not asked or name in asked]


def _part(jobs: Sequence[Job], shard: str | None) -> list[Job]:
    """Every N-th run from the K-th on, so that each part has some of all."""
    if shard is None:
        return list(jobs)
    part, _, parts = shard.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and 0 < int(part) <= int(parts)):
        raise Usage(f"--shard {shard}: expected K/N with K from 1 to N, such as 3/8")
    return list(jobs[int(part) - 1 :: int(parts)])


def _run(jobs: Sequence[Job], options: argparse.Namespace) -> None:
    """Runs what isn't recorded yet, each as its own command line would."""
    from implementations.ablations import file_of
    from implementations.common.cli import main as command
    from implementations.common.run import method_of

    for number, (of, backbone, changes, seed) in enumerate(jobs, 1):
        print(f"{number}/{len(jobs)} {', '.join([of, backbone, *changes])}, seed {seed}", file=sys.stderr)
        paper, _, ablation = of.partition(":")
        shared = ["--backbone", backbone, "--seeds", seed, "--test-images", options.test_images, "--threads", options.threads]
        more = [
            "--records",
            options.records,
            "--resume",
            "--device",
            "cpu",
            *(part for change in changes for part in ("--set", change)),
            *(["--variant", f"{file_of(paper)}:{ablation}"] if ablation else []),
        ]
        code = command(method_of(paper), [str(argument) for argument in (*shared, *more)])
        if code == 130:
            raise KeyboardInterrupt
        if code:
            raise Fault(f"the run of {of} with seed {seed} failed")


# ------------------------------------------------------------------------------------------------------------------ tables


def tables(comparisons: Sequence[Comparison]) -> str:
    """Both tables, for a terminal."""
    if not comparisons:
        return "no run is recorded"
    methods = sum(len(comparison.methods) for comparison in comparisons)
    blocks = [_side_by_side(comparison) for comparison in comparisons if comparison.methods]
    note = (
        "Intervals are of the accuracy expected over seeds and images, 95%, each for itself. A gain is claimed (*) where its"
        f" p-value, adjusted for {f'the {methods}' if methods else 'all'} methods compared (Holm), is below 0.05."
    )
    return "\n\n".join([*blocks, note, _against_time(comparisons)])


def _side_by_side(comparison: Comparison) -> str:
    budget = comparison.budget
    strides = "".join(f", stride {stride}" for stride in budget.strides if stride)
    title = f"{budget.backbone}{strides}: {budget.epochs} epochs of {budget.train} images, {comparison.images} test images"
    heads = [
        "",
        "seeds",
        "top-1 (95%)",
        "gain (95%)",
        "p adjusted",
        "looks at part",
        "M params",
        "M FLOPs",
        "train img/s",
        "test img/s",
    ]
    return title + "\n" + _grid([heads, *(_cells(row) for row in comparison.rows)])


def _cells(row: Row) -> list[str]:
    top1, gain, pointing = row.top1, row.gain, row.mean("pointing")
    return [
        f"{row.paper}, {row.label}" if row.label else row.paper,
        str(len(row.runs)),
        f"{100 * top1.value:.1f} ({100 * top1.low:.1f} to {100 * top1.high:.1f})",
        f"{100 * gain.value:+.1f} ({100 * gain.low:+.1f} to {100 * gain.high:+.1f})" if gain else "",
        f"{row.adjusted:.3f}{'*' if row.claimed else ''}" if row.adjusted is not None else "",
        f"{100 * pointing:.0f}%" if pointing is not None else "",
        f"{row.mean('parameters') / 1e6:.2f}",
        f"{row.mean('flops') / 1e6:.1f}",
        f"{row.mean('images_per_second'):.0f}",
        f"{row.mean('test_images_per_second'):.0f}",
    ]


def _against_time(comparisons: Sequence[Comparison]) -> str:
    """Accuracy beside training time: the baseline at several lengths, and each method at its own number of steps."""
    heads = ["backbone", "", "epochs", "steps", "seconds", "top-1 (95%)"]
    lines = [
        [
            comparison.budget.backbone + "".join(f", stride {stride}" for stride in comparison.budget.strides if stride),
            row.paper,
            str(comparison.budget.epochs),
            f"{row.mean('updates'):.0f}",
            f"{row.seconds:.0f}",
            _cells(row)[2],
        ]
        for comparison in comparisons
        for row in comparison.rows
        if row.label is None
    ]
    return "Accuracy and training time\n" + _grid([heads, *sorted(lines, key=lambda line: (line[0], float(line[4])))])


def _grid(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


if __name__ == "__main__":
    sys.exit(main())
