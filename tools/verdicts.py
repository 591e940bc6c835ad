"""What is said of each implementation: its claim beside the catalog's, its records beside themselves and the code. No torch here.

`tools.check_results` finds it and writes build/verdicts.json; the site shows it where the file's key is that of the code and
records at hand, and says otherwise that nothing was rechecked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from implementations.common.records import Record, decode, seal_of
from implementations.common.statistics import wilson

FILE = Path("build") / "verdicts.json"
"""Where they are kept, from the repository's root."""
MEANINGS = {
    "match": """Our runs come out around the claim.
They were made under an equal protocol, and the claim lies where 95% of further runs would. Of a rerun: the predictions are
those of the committed record, or differ from them no more than its images leave open.""",
    "above": """Our runs come out above the claim.
The protocol is equal, and the claim lies below what 95% of further runs would give. Of a rerun: it is better than the committed
record. Look first whether the protocol is as equal as it says: more epochs, other weights, a larger input.""",
    "below": """Our runs come out below the claim.
The protocol is equal, and the claim lies above what 95% of further runs would give. Of a rerun: it is worse than the committed
record. Look for what the paper or the official code does and ours doesn't.""",
    "not comparable": """Our runs were made under another protocol than the claim.
The fields that differ, or that one side doesn't state, are named. A demo on drawn birds can't be compared with a claim on
photographs: it shows that the mechanism works as implemented, and leaves the trust in the claim as it was.""",
    "stale": """A record tells of code that is no more, or contradicts itself.
Its recipe, its behaviour fingerprint, its weights, its images or what the harness does aren't those of the repository; or its
numbers aren't those of its own predictions. If the change was meant, make the record anew:
python -m tools.check_results --refresh PAPER. If it wasn't, the places named show what has changed.""",
    "unmeasured": """No run of the implementation is recorded.
Record one: python -m implementations.PAPER --records implementations/records.""",
}
"""The verdicts on a claim, each with its meaning."""

CONTRADICTS, STALE = "contradicts itself", "stale"


@dataclass(frozen=True)
class Finding:
    """Something wrong with a record: what kind, and in words."""

    kind: str
    message: str


@dataclass(frozen=True)
class RecordState:
    """One record, by its path from the root, and what was found wrong with it."""

    file: str
    paper: str
    findings: Sequence[Finding] = ()
    unchecked: str | None = None
    """Why the record couldn't be held against the code; None: it was."""


@dataclass(frozen=True)
class PaperVerdict:
    """What is said of one implemented paper."""

    paper: str
    verdict: str
    reason: str
    undeclared: str | None = None
    """How the implementation's claim differs from the catalog's; None: not at all."""


@dataclass(frozen=True)
class Verdicts:
    """All of it, and the key of what it was found from."""

    key: str
    papers: Mapping[str, PaperVerdict] = field(default_factory=dict)
    records: Mapping[str, RecordState] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Whether a number and its evidence have parted."""
        return any(paper.undeclared for paper in self.papers.values()) or any(state.findings for state in self.records.values())


def contradictions(record: Record) -> list[Finding]:
    """Where a record's numbers aren't those of its own predictions, or where it was changed after it was written."""
    return [Finding(CONTRADICTS, message) for message in _contradictions(record)]


def _contradictions(record: Record) -> Iterator[str]:
    outcome, predictions, labels = record.outcome, decode(record.outcome.predictions), decode(record.labels)
    right = sum(guess == label for guess, label in zip(predictions, labels, strict=True))
    if abs(right / len(labels) - outcome.top1) > 1e-9:
        yield f"top-1 is {outcome.top1:.6f}, but {right} of its {len(labels)} predictions are right: {right / len(labels):.6f}"
    if max(abs(ours - its) for ours, its in zip(wilson(right, len(labels)), outcome.interval, strict=True)) > 1e-6:
        yield f"the interval {outcome.interval} isn't that of {right} right of {len(labels)}"
    if outcome.family_confusion and _families(predictions, labels, record) != outcome.family_confusion:
        yield "its families' confusion isn't that of its predictions"
    if record.seal != seal_of(record):
        yield "its seal isn't that of its content: it was changed after the run wrote it"


def _families(predictions: Sequence[int], labels: Sequence[int], record: Record) -> list[list[int]]:
    """The confusion of families that follow one another in the classes, as many in each."""
    size = len(record.outcome.family_confusion)
    counts = [[0] * size for _ in range(size)]
    for guess, label in zip(predictions, labels, strict=True):
        counts[label * size // record.dataset.classes][guess * size // record.dataset.classes] += 1
    return counts


# ------------------------------------------------------------------------------------------------------------------ the file


def key_of(root: Path) -> str:
    """A hash of all that verdicts follow from: the code of the implementations and their ablations, weights, records, claims."""
    content = hashlib.blake2b(digest_size=16)
    for path in _inputs(root):
        content.update(path.relative_to(root).as_posix().encode() + b"\0")
        content.update(hashlib.blake2b(path.read_bytes()).digest())
    return content.hexdigest()


def _inputs(root: Path) -> Iterable[Path]:
    patterns = (
        "implementations/**/*.py",
        "implementations/weights/*",
        "implementations/records/*/*.json",
        "implementations/records/harness.json",
        "catalog/papers/*.yaml",
        "catalog/datasets/*.yaml",
        "catalog.yaml",
        "pyproject.toml",
        "tools/*.py",
        "tools/pages/records.py",
    )
    return sorted({path for pattern in patterns for path in root.glob(pattern) if path.is_file()})


def to_json(verdicts: Verdicts) -> str:
    """The file's text."""
    return json.dumps(asdict(verdicts), indent=1, ensure_ascii=False) + "\n"


def read(path: Path, key: str) -> Verdicts | None:
    """The verdicts of a file, if they were found from what `key` stands for; None where they weren't, or there is no file."""
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if data["key"] != key:
            return None
        papers = {name: PaperVerdict(**entry) for name, entry in data["papers"].items()}
        records = {
            name: RecordState(**entry | {"findings": [Finding(**finding) for finding in entry["findings"]]})
            for name, entry in data["records"].items()
        }
    except (FileNotFoundError, json.JSONDecodeError, KeyError, TypeError, UnicodeDecodeError):
        return None
    return Verdicts(key, papers, records)
