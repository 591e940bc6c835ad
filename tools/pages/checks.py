"""The pages on numbers themselves: what was checked, and methods side by side."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools.carried import CARRIED
from tools.catalog import ROOT, Catalog
from tools.number import digits
from tools.pages.addresses import Page, meta
from tools.pages.paging import Part, grouped, paged, starts
from tools.pages.records import Runs
from tools.pages.rows import badge
from tools.pages.runs import at_equal_time, baseline_lengths, how_far, on_dataset, plot
from tools.protocols import claimed
from tools.verdicts import FINDINGS, MEANINGS

SIMULATION = ROOT / "site" / "coverage.json"
DATASET = "synthetic-finches"


def checks(catalog: Catalog, runs: Runs) -> Iterator[Page]:
    """All verdicts, the newest papers first; what the words mean; and every paper's records with what was found."""
    records = _records(runs)
    parts = _parts(catalog, runs)
    for part in parts:
        shown = {table: [paper_id for _, paper_id in rows] for table, rows in grouped(part.items, _table)}
        data = {
            "meta": part.meta(
                "Checks", "Which numbers were held against their evidence, and what came out.", hide=["navigation"]
            ),
            "part": part,
            "rechecked": runs.verdicts is not None,
            "records_at": _records_at(parts),
            "rows": [_verdict(catalog, runs, paper_id) for paper_id in shown.get("verdicts", ())],
            "count": len(_implemented(catalog)),
            "verdicts": [(name, text.split("\n")[0]) for name, text in MEANINGS.items()],
            "findings": [(name, text.split("\n")[0]) for name, text in FINDINGS.items()],
            "records": [records[paper_id] for paper_id in shown.get("records", ())],
            "carried": CARRIED,
            "levels": catalog.manifest.levels,
        }
        yield part.path, "checks.md.j2", data


def _implemented(catalog: Catalog) -> list[str]:
    """The papers with an implementation, those that were added last first."""
    found = [(paper_id, entry) for paper_id, entry in catalog.papers.items() if entry.implementation]
    return [i for i, _ in sorted(found, key=lambda item: (-item[1].added.toordinal(), -item[1].year, item[0]))]


def _parts(catalog: Catalog, runs: Runs) -> list[Part]:
    """Pages of (table, paper): the verdicts, then the records."""
    return paged("checks.md", [*(("verdicts", i) for i in _implemented(catalog)), *(("records", i) for i in _held(runs))])


def _records_at(parts: list[Part]) -> str:
    """The address of what was found of records and implementations."""
    return starts(parts, _table).get("records", "checks/") + "#records"


def _held(runs: Runs) -> list[str]:
    """The papers with records, and those whose implementations the last check looked at."""
    return list(dict.fromkeys([*runs.records, *(runs.verdicts.implementations if runs.verdicts else ())]))


def _table(row: tuple[str, str]) -> str:
    return row[0]


def _verdict(catalog: Catalog, runs: Runs, paper_id: str) -> dict[str, Any]:
    entry = catalog.papers[paper_id]
    result = claimed(entry)
    found = runs.verdicts.papers.get(paper_id) if runs.verdicts else None
    dataset = catalog.datasets[result.dataset] if result else None
    return {
        "paper": paper_id,
        "name": entry.name or entry.title,
        "year": entry.year,
        "claim": f"{digits(result.value)} on {dataset.name or dataset.title}" if result else None,
        "level": badge(catalog, runs, paper_id, result) if result else None,
        "carried": how_far(catalog, runs, paper_id),
        "verdict": found.verdict if found else None,
        "meaning": MEANINGS[found.verdict].split("\n")[0] if found else None,
        "reason": found.reason if found else None,
    }


def _records(runs: Runs) -> dict[str, dict[str, Any]]:
    """A row a paper: its records, those with nothing wrong, those that couldn't be held against the code, and what is wrong."""
    rows, of_paper = {}, defaultdict(list)
    for state in runs.verdicts.records.values() if runs.verdicts else ():
        of_paper[state.paper].append(state)
    for paper_id in _held(runs):
        states = of_paper[paper_id]
        own = runs.verdicts.implementations.get(paper_id, ()) if runs.verdicts else ()
        verdict = runs.verdicts.papers.get(paper_id) if runs.verdicts else None
        wrong = [("its claim isn't the catalog's", verdict.undeclared)] if verdict and verdict.undeclared else []
        wrong += [(finding.kind, finding.message) for finding in own]
        wrong += [(Path(state.file).name, finding.message) for state in states for finding in state.findings]
        sound = [state for state in states if not state.findings]
        unchecked = sum(state.unchecked is not None for state in sound)
        rows[paper_id] = {
            "paper": paper_id,
            "count": len(runs.records.get(paper_id, ())),
            "valid": len(sound) - unchecked,
            "unchecked": unchecked,
            "wrong": wrong,
        }
    return rows


def side_by_side(catalog: Catalog, runs: Runs) -> Page:
    """Methods beside the baseline at equal epochs and at comparable training time, and what such intervals promise."""
    budgets = dict.fromkeys(one.budget._replace(epochs=None) for one in runs.comparisons if one.budget.dataset == DATASET)
    plots = [(budget.network, plot(catalog, runs, budget)) for budget in budgets]
    simulated = json.loads(SIMULATION.read_text(encoding="utf-8"))
    data = {
        "meta": meta(
            "Side by side",
            "Methods and the plain baseline under one budget, each on the same images.",
            hide=["navigation", "toc"],
        ),
        "dataset_id": DATASET if DATASET in catalog.datasets else None,
        "tables": on_dataset(catalog, runs, DATASET),
        "longer": baseline_lengths(runs, DATASET),
        "equal": at_equal_time(catalog, runs, DATASET),
        "plots": [(backbone, drawn) for backbone, drawn in plots if drawn],
        "methods": sum(row.adjusted is not None for comparison in runs.comparisons for row in comparison.methods),
        "left_out": len(runs.wrong),
        "records_at": _records_at(_parts(catalog, runs)),
        "simulated": simulated,
        "least": 100 * min(cell["expected"] for cell in simulated["cells"]),
        "least_run": 100 * min(cell["one_more_run"] for cell in simulated["cells"]),
    }
    return "side-by-side.md", "side-by-side.md.j2", data
