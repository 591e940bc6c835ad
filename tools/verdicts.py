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

from implementations.common.comparison import BASELINE
from implementations.common.records import TRIALS, Budget, Pointing, Record, Trial, counted, decode, decode_hits, seal_of
from implementations.common.statistics import wilson
from implementations.common.trials import AT_EDGE, NOT_BEST, UNEQUAL, Bounds, named, of_budget, problems

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
photographs, and leaves the trust in the claim as it was.""",
    "stale": """A record tells of code that is no more, contradicts itself, or its log of trials was changed.
Its recipe, its behaviour fingerprint, its weights, its images, its test pass or what the harness does aren't those of the
repository; or its numbers aren't those of its own predictions; or trials.jsonl doesn't begin with the trials that were there when
it was made. If a change of the code was meant, make the record anew: python -m tools.check_results --refresh PAPER. If it wasn't,
the places named show what has changed.""",
    "unmeasured": """No run of the implementation is recorded.
Record one: python -m implementations.PAPER --records implementations/records.""",
}
"""The verdicts on a claim, each with its meaning."""
CONTRADICTS, STALE, LOG, PROFILE, TEST_PASS = "contradicts itself", "stale", "trials changed", "paper profile", "test pass"
FINDINGS = {
    CONTRADICTS: """A record's numbers aren't those of its own predictions, or it was changed after it was written.
Accuracy, interval, families' confusion and pointing are computed again from what the record keeps of each image, and its seal is
a hash of all that it says but its note. Put back what was changed in it; else remove it, and record the run again.""",
    UNEQUAL: """The recipes of method and baseline weren't tried alike.
More trials find better recipes, whatever a method is worth; so both have as many under each budget: one backbone with its
strides, one input size, one number of epochs. Several seeds of a recipe are one trial. Further trials of one of them aren't
counted if none is better than the best of its first N, where the other has N. All are tried with the same seeds on the same
number of validation images. python -m implementations.PAPER trials lists them; try as many recipes of the one that has fewer.""",
    NOT_BEST: """A method isn't run with the best of its trials.
Of the recipes that were tried under a budget, the one with the highest mean on the validation images is recorded; of several that
tie, any. Put the best one into the implementation (the baseline's under strides that aren't its own into `demo_at`), and make its
records anew.""",
    AT_EDGE: """The best of the trials has the lowest or highest value that was tried of a setting.
A better one may lie beyond, so the search isn't over. Try one more value beyond it; if that comes out no better, it isn't
counted. A setting that was tried at two values needs a third. 0 is no edge, nor is 1 of something counted, nor what the method's
`bounds` name: nothing can be tried beyond.""",
    LOG: """The log of trials doesn't begin with those that were there when the record was made.
A record tells how many trials of its recipe had been made, and keeps a hash of them: the log grows, and is never edited. Put back
what was changed in trials.jsonl, or make the record anew.""",
    PROFILE: """The paper's own recipe isn't the one that was confirmed.
Nothing has been recorded of most papers' own recipes, since a run of them takes days; so each is kept in
implementations/profiles/PAPER.json as the code resolved it. If the change was meant, or the implementation is new:
python -m tools.check_results --confirm PAPER shows old and new values, and keeps the new ones.""",
    TEST_PASS: """A method declares a test-time trick that catalog.yaml doesn't define.
What a test pass does beyond one look at the image belongs to the protocol, so it is told in the words in which the catalog tells
it of a claim: take one of those under test_time, or define a new one there in a sentence.""",
}
"""What may be wrong with a record, an implementation or its log of trials, beside what is stale; each with its meaning."""


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
    implementations: Mapping[str, Sequence[Finding]] = field(default_factory=dict)
    """Of each implementation, the baseline too, what is wrong with how its recipe was found, and with what it declares."""

    @property
    def failed(self) -> bool:
        """Whether a number and its evidence have parted."""
        undeclared = any(paper.undeclared for paper in self.papers.values())
        return undeclared or any(self.implementations.values()) or any(state.findings for state in self.records.values())


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
    for name, kept in [*(outcome.pointing or {}).items(), *(outcome.blind or {}).items()]:
        if kept.hits is not None:
            hits = Pointing.of(decode_hits(kept.hits, record.dataset.test)).share
            if abs(hits - kept.share) > 1e-9:
                yield f"pointing of {name!r} is {kept.share:.6f}, but by its hits {hits:.6f}"
    if record.seal != seal_of(record):
        yield "its seal isn't that of its content: it was changed after the run wrote it"


def _families(predictions: Sequence[int], labels: Sequence[int], record: Record) -> list[list[int]]:
    """The confusion of families that follow one another in the classes, as many in each."""
    size = len(record.outcome.family_confusion)
    counts = [[0] * size for _ in range(size)]
    for guess, label in zip(predictions, labels, strict=True):
        counts[label * size // record.dataset.classes][guess * size // record.dataset.classes] += 1
    return counts


# ---------------------------------------------------------------------------------------------------------------- the trials


def trials_changed(record: Record, log: Sequence[Trial]) -> list[Finding]:
    """Whether the log of trials no longer begins with those that were there when the record was made."""
    own = [trial for trial in log if trial.budget == record.budget]
    if counted(own[: record.trials.count]) == record.trials:
        return []
    return [Finding(LOG, f"{record.trials.count} were made before it under its budget; {TRIALS} has {len(own)}, or others")]


def tuning(
    records: Mapping[str, Sequence[Record]], logs: Mapping[str, Sequence[Trial]], bounds: Mapping[str, Bounds]
) -> dict[str, list[Finding]]:
    """Of each paper what is wrong with how its demo's recipe was found, beside the baseline's under the same budget.

    The baseline is looked at under its own budget and under those of the methods; longer trainings of it take the recipe of the
    shorter one.
    """
    demos = [one for runs in records.values() for one in runs if _is_demo(one)]
    compared = {one.budget for one in demos if not one.changes}
    recorded: dict[tuple[str, Budget], Record] = {}
    for one in demos:
        if one.budget in compared and (one.paper == BASELINE or not one.changes):
            recorded.setdefault((one.paper, one.budget), one)
    found: dict[str, list[Finding]] = {}
    for (paper, budget), record in recorded.items():
        tried, baseline = (of_budget(logs.get(name, ()), budget) for name in (paper, BASELINE))
        wrong = problems(tried, record.recipe, None if paper == BASELINE else baseline, bounds.get(paper, {}))
        found.setdefault(paper, []).extend(Finding(kind, f"{named(budget)}: {sentence}") for kind, sentence in wrong)
    return found


def _is_demo(record: Record) -> bool:
    """Whether it is a run of a method as it is by its demo's recipe, on the demo's images and from pretrained weights."""
    demo = (record.profile, record.dataset.name) == ("demo", "synthetic-finches")
    return demo and record.label is None and record.backbone.sha256 is not None


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
        "implementations/profiles/*.json",
        "implementations/records/*/*.json",
        f"implementations/records/*/{TRIALS}",
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
        implementations = {name: [Finding(**one) for one in found] for name, found in data["implementations"].items()}
    except (FileNotFoundError, json.JSONDecodeError, KeyError, TypeError, UnicodeDecodeError):
        return None
    return Verdicts(key, papers, records, implementations)
