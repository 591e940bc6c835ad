"""Runs again what a record tells of, and says how the two compare. The runs are processes of their own: no torch here."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from implementations.common.errors import Fault
from implementations.common.records import Record, decode, on_images_of, read_all
from implementations.common.statistics import Estimate, Table, one_more_run, paired, pool

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


def options_of(record: Record, *, seeds: Iterable[int], images: int) -> list[str]:
    """The options that make such a run on finches, of these seeds, tested on so many images of each species. Raises Fault."""
    if record.dataset.name != "synthetic-finches":
        raise Fault(
            f"{record.paper} was run on {record.dataset.name}, whose images aren't here; only runs on finches are run again"
        )
    if record.backbone.weights.startswith("file "):
        raise Fault(f"{record.paper} was run from the weights of a {record.backbone.weights}, which isn't here")
    options = ["--backbone", record.backbone.name, "--seeds", *map(str, seeds), "--test-images", str(images)]
    options += [part for change in record.changes for part in ("--set", change)]
    if record.backbone.sha256 is None:
        options += ["--weights", "none"]
    if record.variant:
        options += ["--variant", f"{record.variant_file}:{record.variant}"]
    return options


def command_of(record: Record, records: Path, *, images: int, seed: int | None = None, threads: int | None = None) -> list[str]:
    """The command that makes such a record. Raises Fault for a run on images or from weights of one's own, which aren't here."""
    options = {
        "--threads": threads or record.compute.threads,
        "--validation-images": record.dataset.validation // record.dataset.classes,
        "--records": records,
    }
    return [
        sys.executable,
        "-m",
        f"implementations.{record.paper.replace('-', '_')}",
        *options_of(record, seeds=[record.seed if seed is None else seed], images=images),
        *(str(part) for pair in options.items() for part in pair),
        *(["--note", record.note] if record.note else []),
    ]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """How a record is run again, where not as it was: another seed, another number of the CPU's threads."""

    seed: int | None = None
    threads: int | None = None
    images: int = DEMO_IMAGES
    """Of each species."""


def rerun(root: Path, record: Record, committed: list[Record], wanted: Wanted) -> Rerun:
    """Runs a record's demo again and compares the two; `committed` are all records, for the spread of other seeds."""
    with tempfile.TemporaryDirectory(prefix="finch-rerun-") as folder:
        _run(command_of(record, Path(folder), images=wanted.images, seed=wanted.seed, threads=wanted.threads), root)
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
    expected, seeds = _next_run(record, fresh, committed)
    low, high = 100 * expected.low, 100 * expected.high
    sentence = f"seed {fresh.seed}; by the {seeds} recorded, 95% of further seeds lie from {low:.1f} to {high:.1f}"
    return Rerun(record.paper, _side(now, expected.low, expected.high), expected.value, now, sentence + _apart(record, fresh))


def _next_run(record: Record, fresh: Record, committed: list[Record]) -> tuple[Estimate, int]:
    """Where one more run would come out on the fresh run's images, and by how many recorded seeds; the spread is all methods'."""
    labels, answers = decode(fresh.labels), defaultdict(list)
    for one in committed:
        kept = on_images_of(one, fresh) if one.budget == record.budget else None
        if kept is not None:
            answers[one.paper, one.label].append([guess == label for guess, label in zip(kept, labels, strict=True)])
    tables = {key: Table.of(right) for key, right in answers.items()}
    key = record.paper, record.label
    spread = dict(zip(tables, pool(list(tables.values())), strict=True)).get(key)
    if spread is None:
        raise Fault(f"{record.paper}: with one seed recorded, nobody knows how far another may lie from it")
    return one_more_run(tables[key], spread), tables[key].seeds


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
        ["git", "diff", "--name-only", "--end-of-options", f"{since}...HEAD"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode:
        raise Fault(f"git knows no commit {since!r} here: {listing.stderr.strip()}")
    return list(_touched(listing.stdout.splitlines(), papers))


def as_of(root: Path, since: str, path: Path) -> Record | None:
    """A record as it was at a commit; None where it wasn't there, or was of another format."""
    name = path.relative_to(root).as_posix()
    shown = subprocess.run(["git", "show", "--end-of-options", f"{since}:{name}"], cwd=root, capture_output=True, check=False)
    try:
        return Record.model_validate_json(shown.stdout) if shown.returncode == 0 else None
    except ValidationError:
        return None


def _touched(changed: list[str], papers: list[str]) -> Iterator[str]:
    shared = ("implementations/common/", "implementations/weights/", "pyproject.toml")
    everything = any(path.startswith(shared) for path in changed)
    for paper in papers:
        own = (f"implementations/{paper.replace('-', '_')}.py", f"implementations/records/{paper}/")
        if everything or any(path.startswith(own) for path in changed):
            yield paper


def demo_of(records: list[tuple[Path, Record]]) -> tuple[Path, Record] | None:
    """The record that a paper's rerun repeats, and its file: the method's own, of the lowest seed, on its first backbone."""
    own = [one for one in records if one[1].label is None and one[1].dataset.name == "synthetic-finches"]
    return min(own, key=lambda one: (one[1].seed, len(one[1].changes), one[0].name), default=None)
