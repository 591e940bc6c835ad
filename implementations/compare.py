"""Methods and the plain baseline side by side: one backbone, data and budget, and what a few seeds can tell.

    python -m implementations.compare                        all methods on finches, seeds 0 1 2 (the baseline 0 … 9)
    python -m implementations.compare --ablations            their ablations, too; --ablations NoJigsaw names one
    python -m implementations.compare --shard 3/8            the third of eight parts of the runs, for a job array
    python -m implementations.compare --tables               no run: the tables of what is recorded already

Every run leaves a record; one that is there already isn't made again, so that a stopped command goes on where it was. The first
tables compare what shares a budget; then the baseline stands at 1, 2 and 4 times the epochs; the last table sets each method
beside the baseline at equal epochs, and beside the best of the baseline's trainings in comparable time.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from implementations.__main__ import implemented
from implementations.common import steps
from implementations.common.comparison import BASELINE, compare
from implementations.common.errors import Fault, Usage
from implementations.common.machine import cores
from implementations.common.records import RECORDS, read_all
from implementations.common.tables import side_by_side

BASELINE_SEEDS = 10
LONGER = (2, 4)
"""How many times the epochs the baseline is trained for, too: 4 times take as many updates as PMG's four a batch."""
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
        found = compare(record for paper in papers for _, record in read_all(options.records / paper))
        print(side_by_side(found, steps.read(options.records / steps.FILE.name)))
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
    """Every run: of the methods on each family of backbones they take, and of the baseline under their budgets, and longer."""
    from implementations.common import backbones
    from implementations.common.recipes import resolve
    from implementations.common.run import STRIDES, method_of

    jobs: list[Job] = []
    plain = method_of(BASELINE)
    for paper in papers:
        method = method_of(paper)
        for family, demo in method.demo.items():
            recipe, own = resolve(method.recipe, demo), resolve(plain.recipe, plain.demo[family]).epochs
            strides = tuple(f"{name}={getattr(recipe, name)}" for name in STRIDES if getattr(recipe, name) is not None)
            if recipe.backbone in backbones.OWN:
                for times in (1, *LONGER):
                    epochs = times * recipe.epochs
                    changes = strides if epochs == own else (*strides, f"epochs={epochs}")
                    of_baseline = range(baseline_seeds) if times == 1 else seeds
                    jobs += [(BASELINE, recipe.backbone, changes, seed) for seed in of_baseline]
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


if __name__ == "__main__":
    sys.exit(main())
