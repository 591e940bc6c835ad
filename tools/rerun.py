"""Runs again what a record tells of, and says how the two compare. The runs are processes of their own: no torch here."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from implementations.common.comparison import BASELINE, compare
from implementations.common.errors import Fault
from implementations.common.records import Record, decode, on_images_of, read_all
from implementations.common.statistics import paired

DEMO_IMAGES = 30
"""Of each species, in a rerun: the first of those that the committed records were tested on."""


@dataclass(frozen=True)
class Rerun:
    """A committed record and what came out when it was run again."""

    paper: str
    verdict: str
    then: float
    now: float
    sentence: str


def command_of(record: Record, records: Path, *, images: int, seed: int | None = None, threads: int | None = None) -> list[str]:
    """The command that makes such a record. Raises Fault for a run on images of one's own, which aren't here."""
    if record.dataset.name != "synthetic-finches":
        raise Fault(
            f"{record.paper} was run on {record.dataset.name}, whose images aren't here; only runs on finches are run again"
        )
    command = [sys.executable, "-m", f"implementations.{record.paper.replace('-', '_')}"]
    options = {
        "--backbone": record.backbone.name,
        "--seeds": record.seed if seed is None else seed,
        "--threads": threads or record.compute.threads,
        "--test-images": images,
        "--validation-images": record.dataset.validation // record.dataset.classes,
        "--records": records,
    }
    command += [str(part) for pair in options.items() for part in pair]
    command += [part for change in record.changes for part in ("--set", change)]
    if record.variant:
        command += ["--variant", f"{record.variant_file}:{record.variant}"]
    return command + (["--note", record.note] if record.note else [])


def rerun(root: Path, record: Record, committed: list[Record], *, threads: int | None = None, images: int = DEMO_IMAGES) -> Rerun:
    """Runs a record's demo again and compares the two; `committed` are all records, for the spread of other seeds."""
    with tempfile.TemporaryDirectory(prefix="finch-rerun-") as folder:
        _run(command_of(record, Path(folder), images=images, threads=threads), root)
        ((_, fresh),) = read_all(Path(folder) / record.paper)
    return compared(record, fresh, committed)


def refresh(root: Path, record: Record) -> None:
    """Makes a record anew, in its place."""
    images = record.dataset.test // record.dataset.classes
    _run(command_of(record, root / "implementations" / "records", images=images), root)


def _run(command: list[str], root: Path) -> None:
    done = subprocess.run(command, cwd=root, check=False)
    if done.returncode:
        raise Fault(f"{' '.join(command[1:])} ended with exit code {done.returncode}")


def compared(record: Record, fresh: Record, committed: list[Record]) -> Rerun:
    """The verdict on a fresh run: paired by image where the seed is the same, by the spread of seeds where it isn't."""
    kept = on_images_of(record, fresh)
    if kept is None:
        raise Fault(f"{record.paper}: the committed record wasn't tested on the {fresh.dataset.test} images of the new run")
    labels, predictions = decode(fresh.labels), decode(fresh.outcome.predictions)
    right = [[guess == label for guess, label in zip(guesses, labels, strict=True)] for guesses in (predictions, kept)]
    now, then = (sum(answers) / len(labels) for answers in right)
    changed = sum(a != b for a, b in zip(predictions, kept, strict=True))
    if changed == 0:
        return Rerun(record.paper, "match", then, now, f"the same {len(labels)} predictions{_apart(record, fresh)}")
    if fresh.seed == record.seed:
        difference, low, high = paired(*right)
        sentence = (
            f"{changed} of {len(labels)} predictions differ; {100 * difference:+.1f} points, 95% interval paired by image"
            f" {100 * low:+.1f} to {100 * high:+.1f}{_apart(record, fresh)}"
        )
        return Rerun(record.paper, _side(difference, difference - high, difference - low), then, now, sentence)
    row = next(
        (
            row
            for comparison in compare(committed)
            if comparison.budget == record.budget and (row := comparison.row(record.paper, record.label)) and row.next_run
        ),
        None,
    )
    if row is None:
        raise Fault(f"{record.paper}: with one seed recorded, nobody knows how far another may lie from it")
    expected = row.next_run
    low, high = 100 * expected.low, 100 * expected.high
    sentence = f"seed {fresh.seed}; by the {len(row.runs)} recorded, 95% of further seeds lie from {low:.1f} to {high:.1f}"
    return Rerun(record.paper, _side(now, expected.low, expected.high), then, now, sentence + _apart(record, fresh))


def _side(value: float, low: float, high: float) -> str:
    """On which side of an interval a value lies."""
    return "match" if low <= value <= high else "above" if value > high else "below"


def _apart(record: Record, fresh: Record) -> str:
    """What of the machine differs, since floats may then, too."""
    ways = {
        "threads": (record.compute.threads, fresh.compute.threads),
        "device": (record.compute.device, fresh.compute.device),
        **{name: (record.versions.get(name), version) for name, version in fresh.versions.items()},
    }
    told = [f"{name} {then} then, {now} now" for name, (then, now) in ways.items() if then != now]
    return f" ({'; '.join(told)})" if told else ""


def touched(root: Path, since: str, papers: list[str]) -> list[str]:
    """The papers whose demos a diff touches: all, where it touches what they share. Raises Fault for an unknown commit."""
    listing = subprocess.run(
        ["git", "diff", "--name-only", f"{since}...HEAD"], cwd=root, capture_output=True, text=True, check=False
    )
    if listing.returncode:
        raise Fault(f"git knows no commit {since!r} here: {listing.stderr.strip()}")
    return list(_touched(listing.stdout.splitlines(), papers))


def _touched(changed: list[str], papers: list[str]) -> Iterator[str]:
    shared = ("implementations/common/", "implementations/weights/", "pyproject.toml")
    everything = any(path.startswith(shared) for path in changed)
    for paper in papers:
        own = (f"implementations/{paper.replace('-', '_')}.py", f"implementations/records/{paper}/")
        if everything or any(path.startswith(own) for path in changed):
            yield paper


def demo_of(records: list[Record]) -> Record | None:
    """The record that a paper's rerun repeats: the method's own, of the lowest seed, on its first backbone."""
    own = [record for record in records if record.label is None and record.dataset.name == "synthetic-finches"]
    return min(own, key=lambda record: (record.seed, len(record.changes), record.paper != BASELINE), default=None)
