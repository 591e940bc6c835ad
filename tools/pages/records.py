"""Our own runs, read from their records once for all pages, with what the last check found of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

from implementations.common import steps
from implementations.common.comparison import Comparison, compare
from implementations.common.records import Broken, Record, Trial, read_all, trials_of
from implementations.common.steps import Measured
from tools import verdicts
from tools.catalog import Catalog
from tools.protocols import facts_of_record
from tools.trust import Run
from tools.verdicts import Verdicts


@dataclass(frozen=True, eq=False)
class Runs:
    """The run records of each paper, where the repository is that they lie in, and the verdicts that belong to them.

    One is equal to itself alone, so that what is computed of it can be kept.
    """

    root: Path | None = None
    records: Mapping[str, list[tuple[Path, Record]]] = field(default_factory=dict)
    verdicts: Verdicts | None = None
    """None: nothing was rechecked since code or records changed."""
    trials: Mapping[str, list[Trial]] = field(default_factory=dict)
    """Each paper's log of trials."""
    measured: Sequence[Measured] = ()
    """What training steps and test passes cost beside the baseline's."""

    @cached_property
    def comparisons(self) -> list[Comparison]:
        """What can be set side by side."""
        return compare(record for paper_id in self.records for record in self.valid(paper_id))

    @cached_property
    def methods(self) -> int:
        """How many methods were compared with the baseline, over all comparisons."""
        return sum(len(comparison.methods) for comparison in self.comparisons)

    @cached_property
    def _compared(self) -> dict[str, list[Comparison]]:
        found: dict[str, list[Comparison]] = defaultdict(list)
        for comparison in self.comparisons:
            for paper_id in dict.fromkeys(row.paper for row in comparison.rows):
                found[paper_id].append(comparison)
        return found

    def compared(self, paper_id: str) -> list[Comparison]:
        """The comparisons that a paper's runs are part of."""
        return self._compared.get(paper_id, [])

    @cached_property
    def wrong(self) -> set[str]:
        """The records, by their path from the root, with which the last check found something wrong."""
        return {name for name, state in self.verdicts.records.items() if state.findings} if self.verdicts else set()

    def valid(self, paper_id: str) -> list[Record]:
        """A paper's records with which the last check found nothing wrong; all of them, where there was none."""
        return [record for _, record in self._valid(paper_id)]

    def _valid(self, paper_id: str) -> list[tuple[Path, Record]]:
        return [one for one in self.records.get(paper_id, []) if self._name(one[0]) not in self.wrong]

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix() if self.root and path.is_relative_to(self.root) else path.name

    def pictures(self, catalog: Catalog) -> dict[str, Path]:
        """The pictures that pages show, by their path below the docs folder."""
        implemented = (paper for paper, entry in catalog.papers.items() if entry.implementation)
        shown = {paper: self.picture(paper) for paper in implemented}
        return {f"assets/runs/{paper}.webp": found[0] for paper, found in shown.items() if found}

    def file(self, record: Record) -> Path:
        """Where a record lies."""
        return next(path for path, one in self.records[record.paper] if one is record)

    def picture(self, paper_id: str) -> tuple[Path, Record] | None:
        """The picture of the method's own run with the lowest seed, and that run."""
        drawn = [one for one in self._valid(paper_id) if one[1].label is None and one[1].picture]
        if not drawn:
            return None
        path, record = min(drawn, key=lambda one: (one[1].seed, one[0].name))
        return path.with_name(record.picture), record

    def of(self, catalog: Catalog, paper_id: str) -> list[Run]:
        """A paper's valid runs as the trust in its claims sees them: values in percent, with their protocol."""
        return _as_claims(self, catalog).get(paper_id, [])


@lru_cache(maxsize=1)
def _as_claims(runs: Runs, catalog: Catalog) -> dict[str, list[Run]]:
    return {
        paper_id: [
            Run(100 * record.outcome.top1, facts_of_record(record, catalog.manifest, catalog.datasets))
            for record in runs.valid(paper_id)
            if record.label is None
        ]
        for paper_id in runs.records
    }


def read_runs(root: Path) -> Runs:
    """All records of a repository, each read once. Raises records.Broken, which names the file."""
    folder = root / "implementations" / "records"
    folders = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    found = {path.name: [_in_place(*one) for one in read_all(path)] for path in folders}
    records = {paper_id: every for paper_id, every in found.items() if every}  # a folder may hold trials alone
    file = root / verdicts.FILE
    said = verdicts.read(file, verdicts.key_of(root)) if file.is_file() else None
    return Runs(root, records, said, {path.name: trials_of(path) for path in folders}, steps.read(folder / steps.FILE.name))


def _in_place(path: Path, record: Record) -> tuple[Path, Record]:
    """A record that lies in its paper's folder, its picture beside it. Raises records.Broken where it doesn't."""
    if record.paper != path.parent.name:
        raise Broken(f"{path}: a record of {record.paper}, so it belongs into the folder {record.paper}")
    if record.picture is not None and not path.with_name(record.picture).is_file():
        raise Broken(f"{path}: its picture {record.picture} isn't beside it")
    return path, record
