"""How often our intervals hold what they promise, and how often a gain or a loss is claimed that isn't there: by simulation.

    .venv/bin/python -m benchmarks.coverage            # some ten minutes; writes site/coverage.json, which a page shows

A right answer is drawn with the chance logistic(image + seed): images differ in difficulty, the same for all methods and seeds,
and each seed shifts all images alike. The images' spread is set so that runs agree as often as our own records' do. The accuracy
that is to be covered is known exactly, by quadrature; the formulas under test are those of implementations/common/statistics.py.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import optimize, special

from implementations.common.randomness import derive
from implementations.common.statistics import CLAIM, Table, expected, gain, holm, one_more_run, pool

OUT = Path(__file__).resolve().parents[1] / "site" / "coverage.json"
METHODS, BASELINE_SEEDS = 35, 10
FALSE_CLAIMS_OF = 2000
"""How many comparisons of equal methods are looked at: a share of 5% is then known to about a point."""
DIFFICULTY = 3.3
"""The standard deviation of the images' logits: half of what isn't the mean is then the image (measured: 52 to 60%)."""
FIRST = 10
"""So many comparisons of each row are kept apart, for the test that repeats them."""
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(80)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


@dataclass(frozen=True)
class Cell:
    """What is simulated: accuracy, standard deviation over seeds (both as shares), images and seeds."""

    accuracy: float
    sd: float
    images: int
    seeds: int


CELLS = [Cell(*values) for values in itertools.product((0.2, 0.6, 0.95), (0.0, 0.01, 0.02), (960, 3840), (3, 10))]


def accuracy_at(mean: float, seeds_sd: float = 0.0) -> float:
    """The accuracy expected over images (and seeds) whose logits have this mean."""
    spread = np.hypot(DIFFICULTY, seeds_sd)
    return float(WEIGHTS @ special.expit(mean + spread * NODES))


def logits_of(cell: Cell) -> tuple[float, float]:
    """The images' mean logit and the seeds' standard deviation in logits that give the cell's accuracy and its sd."""
    mean = optimize.brentq(lambda value: accuracy_at(value) - cell.accuracy, -15, 15)
    if cell.sd == 0:
        return mean, 0.0

    def over(seeds_sd: float) -> float:
        of_seed = np.array([accuracy_at(mean + seeds_sd * node) for node in NODES])
        return float(np.sqrt(WEIGHTS @ (of_seed - WEIGHTS @ of_seed) ** 2))

    return mean, optimize.brentq(lambda value: over(value) - cell.sd, 0, 5)


def answers(rng: np.random.Generator, images: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Right or wrong (seeds, images), drawn from the logits of images (N,) and seeds (S,)."""
    return rng.random((len(shifts), len(images))) < special.expit(images + shifts[:, None])


def coverage(cell: Cell, comparisons: int) -> dict[str, Any]:
    """How often the intervals hold the expected accuracy, and one more run; with the pooled spread, and with a method's own."""
    mean, seeds_sd = logits_of(cell)
    truth = accuracy_at(mean, seeds_sd)
    held = np.zeros((comparisons, 4), int)
    widths = np.zeros(2)
    for number in range(comparisons):
        rng = np.random.default_rng(derive("coverage", cell, number))
        # Images of their own for each table: shared ones would make 35 tables little more than one.
        runs = [
            answers(rng, mean + DIFFICULTY * rng.standard_normal(cell.images), seeds_sd * rng.standard_normal(cell.seeds + 1))
            for _ in range(METHODS)
        ]
        tables = [Table.of(run[1:]) for run in runs]
        for run, table, spread in zip(runs, tables, pool(tables), strict=True):
            (own,) = pool([table])
            estimates = expected(table, spread), expected(table, own)
            further = one_more_run(table, spread), one_more_run(table, own)
            held[number] += [e.low <= truth <= e.high for e in estimates] + [e.low <= run[0].mean() <= e.high for e in further]
            widths += [e.high - e.low for e in estimates]
    names = ("expected", "expected_own", "one_more_run", "one_more_run_own")
    tables = comparisons * METHODS
    shares = {name: round(float(count) / tables, 4) for name, count in zip(names, held.sum(0), strict=True)}
    first = dict(zip(names, held[:FIRST].sum(0).tolist(), strict=True))
    half_widths = {"half_width": round(widths[0] / tables / 2, 5), "half_width_own": round(widths[1] / tables / 2, 5)}
    return asdict(cell) | shares | half_widths | {"first": first}


@dataclass(frozen=True)
class Contest:
    """Methods against a baseline of more seeds: all are the baseline but the first, which is better by `better`."""

    sd: float
    better: float = 0.0
    accuracy: float = 0.75
    images: int = 3840
    seeds: int = 3


def contest(what: Contest, comparisons: int) -> list[tuple[bool, list[float]]]:
    """Of each comparison: whether the first method came out above the baseline, and all methods' adjusted p-values."""
    mean, seeds_sd = logits_of(Cell(what.accuracy, what.sd, what.images, what.seeds))
    shift = optimize.brentq(lambda value: accuracy_at(mean + value) - what.accuracy - what.better, -1, 10) if what.better else 0.0
    found = []
    for number in range(comparisons):
        rng = np.random.default_rng(derive("contest", what, number))
        images = mean + DIFFICULTY * rng.standard_normal(what.images)
        seeds = [BASELINE_SEEDS] + [what.seeds] * METHODS
        shifts = [0.0, shift] + [0.0] * (METHODS - 1)
        tables = [
            Table.of(answers(rng, images, by + seeds_sd * rng.standard_normal(count)))
            for count, by in zip(seeds, shifts, strict=True)
        ]
        baseline, *spreads = pool(tables)
        gains = [gain(table, spread, tables[0], baseline) for table, spread in zip(tables[1:], spreads, strict=True)]
        found.append((gains[0].value > 0, holm([one.p for one in gains])))
    return found


def smallest_gain(sd: float, comparisons: int) -> dict[str, Any]:
    """The chance of any false claim; the smallest gain, in steps of a tenth of a point, that is claimed four times in five."""
    equal = np.array([min(adjusted) for _, adjusted in contest(Contest(sd), FALSE_CLAIMS_OF)])
    low, high = 0, 150
    while high - low > 1:
        middle = (low + high) // 2
        claimed = [above and adjusted[0] < CLAIM for above, adjusted in contest(Contest(sd, middle / 1000), comparisons)]
        low, high = (low, middle) if sum(claimed) >= 0.8 * comparisons else (middle, high)
    false = {"any_false_claim": round(float((equal < CLAIM).mean()), 4), "at_5_percent": round(float((equal < 0.05).mean()), 4)}
    first = [round(float(p), 4) for p in equal[:FIRST]]
    return {"sd": sd} | false | {"found_four_times_in_five": high / 1000, "first": first}


def main() -> int:
    """Writes the table; a line a cell as it is done."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coverage", description=__doc__.split("\n")[0])
    parser.add_argument("--comparisons", type=int, default=286, help="of 35 methods each, a cell (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="(default: %(default)s)")
    options = parser.parse_args()
    rows, gains = {}, {}
    with ProcessPoolExecutor(options.processes) as workers:
        jobs = {workers.submit(coverage, cell, options.comparisons): cell for cell in CELLS}
        jobs |= {workers.submit(smallest_gain, sd, options.comparisons): sd for sd in (0.0, 0.005, 0.01, 0.02)}
        for done, job in enumerate(as_completed(jobs), 1):
            what, found = jobs[job], job.result()
            (rows if isinstance(what, Cell) else gains)[what] = found
            print(f"{done}/{len(jobs)} {json.dumps(found)}", flush=True)
    table = {
        "methods": METHODS,
        "baseline_seeds": BASELINE_SEEDS,
        "comparisons": options.comparisons,
        "claim": CLAIM,
        "false_claims_of": FALSE_CLAIMS_OF,
        "cells": [rows[cell] for cell in CELLS],
        "gains": [gains[sd] for sd in sorted(gains)],
    }
    OUT.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    print(f"{OUT.name}: the least coverage is {min(cell['expected'] for cell in table['cells']):.1%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
