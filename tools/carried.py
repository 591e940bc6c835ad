"""How far an implementation was carried: computed from its records, never typed, and apart from the trust in the claim."""

from __future__ import annotations

from collections.abc import Iterable

from implementations.common.records import Record
from tools.catalog import Catalog
from tools.protocols import claimed, differences, facts, facts_of_record
from tools.schema import Paper

CARRIED = {
    "none": "There is no implementation yet, or no valid record of a run of it.",
    "demo-checked": "It was run on drawn birds; how it did there is on its page. Whether it reaches the paper's number wasn't"
    " measured.",
    "small-scale": "It was run on photographs, with less than the paper's backbone or recipe.",
    "paper-scale": "It was run by the paper's recipe, unchanged, under all of the protocol that the claim states.",
}
"""The least far first, each with its meaning."""


def carried(catalog: Catalog, paper: Paper, records: Iterable[Record]) -> str:
    """How far the valid records of a method itself, ablations apart, carry a paper's implementation."""
    steps = list(CARRIED)
    reached = [_of_one(catalog, paper, record) for record in records if record.label is None]
    return max(reached, key=steps.index, default="none")


def _of_one(catalog: Catalog, paper: Paper, record: Record) -> str:
    if record.dataset.name == "synthetic-finches":
        return "demo-checked"
    if record.dataset.name not in catalog.datasets:
        return "none"
    claim = claimed(paper)
    if claim is None or record.profile != "paper" or record.changes:
        return "small-scale"
    run = facts_of_record(record, catalog.manifest, catalog.datasets)
    missed = any(apart.one is not None for apart in differences(facts(claim), run))
    return "small-scale" if missed else "paper-scale"
