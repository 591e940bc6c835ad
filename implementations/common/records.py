"""Run records: what one run was, and what it reached. No torch here: the site reads them too."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, NamedTuple, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from implementations.common.errors import Fault

Share = Annotated[float, Field(ge=0, le=1)]
Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16,64}$")]
RECORDS = Path(__file__).resolve().parents[1] / "records"
TRIALS = "trials.jsonl"
"""The log beside a paper's records: a line a trial."""
EVIDENCE = "evidence"
"""The name of the map that shows what a method itself looks at; it may have others."""
FIXED_POINT_PER_FAMILY = "one fixed point per family"
"""Of the guesses that don't look at the image, the one that is told the bird's family."""
RANDOM_POINT = "random point"
"""The guess of which the chance of a hit is known, and no hits are kept."""
TOLERANCE = 1 / 32
"""Pointing accuracy allows the peak to miss the box by this share of the picture's side: 3 px of 96."""


class Broken(Fault):
    """A record that can't be read; the message names the file."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RunDataset(_Model):
    """What was trained and tested on."""

    name: str
    fingerprint: Hash
    reference: bool | None = None
    """Of Synthetic Finches: whether the pixels came out as they did where the shipped weights were made."""
    classes: Annotated[int, Field(ge=1)]
    train: int
    validation: int
    test: Annotated[int, Field(ge=1)]


class RunBackbone(_Model):
    """The backbone and where its weights came from."""

    name: str
    weights: str
    sha256: Hash | None


class Compute(_Model):
    """How it was run: part of the protocol where BatchNorm or a loss looks at the batch."""

    processes: int
    batch_per_process: int
    batchnorm: Literal["statistics per process"] = "statistics per process"
    loss_over_batch: Literal["none", "within a process"] = "none"
    images_per_loss: int
    """How many images a loss saw at once: a process's share of the batch, or a micro-batch of it."""
    updates: int
    """Steps of the optimiser."""
    device: str
    precision: Literal["float32", "bf16"]
    threads: int
    seconds: float
    images_per_second: float
    """In training, evaluation apart."""
    test_images_per_second: float


class Evidence(_Model):
    """One of the eight fixed test images: what was predicted, and the map over it, 0 to 255 (base64 of rows)."""

    index: int
    label: int
    predicted: int
    box: tuple[float, float, float, float] | None
    height: int
    width: int
    map: str


class Pointing(_Model):
    """How often something falls inside the box of the part that tells the species."""

    share: Share
    hits: str | None
    """Of each test image whether it did, as `encode_hits` keeps it; None: a random point, whose expected share is known."""

    @classmethod
    def of(cls, chances: Sequence[float]) -> Self:
        """From each test image's chance of a hit; the hits are kept where all chances are 0 or 1."""
        hits = [bool(chance) for chance in chances] if all(chance in (0, 1) for chance in chances) else None
        return cls(share=sum(chances) / len(chances), hits=encode_hits(hits) if hits else None)


class Outcome(_Model):
    """What was reached on the test images."""

    top1: Share
    interval: tuple[Share, Share]
    """95%, Wilson: of this run on such images; the seeds' spread is not in it."""
    predictions: str
    """base64 of zlib of one little-endian 16-bit class a test image, in the dataset's order."""
    family_top1: Share | None
    family_confusion: list[list[int]] | None
    pointing: dict[str, Pointing] | None
    """Of each map of the method's (Method.evidence_maps), how often it peaks there; None where no boxes are known."""
    blind: dict[str, Pointing] | None
    """The same of guesses that don't look at the image (evaluate.blind_guesses)."""
    measures: dict[str, float]
    """Further shares (Method.measure), from 0 to 1."""
    best_on_test: Share | None
    """The best of all epochs on the test images, where it was asked for: never the result."""
    best_validation: Share | None
    parameters: int
    flops: int
    """Matrix products, convolutions and attention of the test pass of one image."""

    @property
    def best_guess(self) -> str | None:
        """Which guess hits most often without looking at the image, of those whose hits are kept: a map is to point better."""
        kept = {name: one.share for name, one in (self.blind or {}).items() if one.hits is not None}
        return max(kept, key=kept.__getitem__, default=None)


class Trials(_Model):
    """The trials of the recipe under the run's budget that were logged when it was made. The log only grows."""

    count: Annotated[int, Field(ge=0)]
    digest: Hash


IN_BUDGET = ("epochs", "input_size", "output_stride", "patch_stride")


class Budget(NamedTuple):
    """What runs have to share to be compared: images, backbone with its weights and strides, and length of the training."""

    dataset: str
    train: int
    profile: str
    backbone: str
    weights: str | None
    """Their hash; None: random."""
    strides: tuple[int | None, int | None]
    input_size: int | None
    epochs: int | None

    @classmethod
    def of(cls, dataset: RunDataset, profile: str, backbone: RunBackbone, recipe: Mapping[str, Any]) -> Budget:
        """The budget of a run with this recipe, as plain data."""
        return cls(
            dataset=dataset.name,
            train=dataset.train,
            profile=profile,
            backbone=backbone.name,
            weights=backbone.sha256,
            strides=(recipe.get("output_stride"), recipe.get("patch_stride")),
            input_size=recipe.get("input_size"),
            epochs=recipe.get("epochs"),
        )

    @property
    def network(self) -> str:
        """The backbone with the strides that aren't its own, and whether it started from random weights, in words."""
        strides = "".join(f", stride {stride}" for stride in self.strides if stride)
        return self.backbone + strides + ("" if self.weights else ", random weights")


class Trial(_Model):
    """One try of a recipe: trained as a run is, and looked at on the validation images alone."""

    change: str
    """What was changed, in words."""
    variant: str | None
    """The class that was trained, where it isn't the paper's method itself."""
    profile: Literal["demo", "paper"]
    dataset: RunDataset
    backbone: RunBackbone
    recipe: dict[str, Any]
    """The resolved recipe."""
    seed: int
    validation_top1: Share

    @property
    def budget(self) -> Budget:
        """Under which the recipe was tried."""
        return Budget.of(self.dataset, self.profile, self.backbone, self.recipe)


class Record(_Model):
    """One run."""

    format: Literal[3] = 3
    paper: str
    variant: str | None
    """What differs from the paper's method, where this is an ablation or a user's own; its class."""
    variant_file: str | None = None
    """The file of that class, from the repository's root; None where it lies outside."""
    changes: list[str] = []
    """What of the recipe was changed for this run (--set)."""
    profile: Literal["demo", "paper"]
    claim: dict[str, Any] | None
    dataset: RunDataset
    backbone: RunBackbone
    recipe: dict[str, Any]
    seed: int
    test_time: list[str]
    """What the method's test pass does beyond one look at the image, in the catalog's words; [] for nothing."""
    selection: str
    epoch: int
    """After how many epochs the weights were taken."""
    trials: Trials
    compute: Compute
    outcome: Outcome
    labels: str
    """The test images' true classes, encoded as the predictions are."""
    evidence: list[Evidence]
    picture: str | None
    versions: dict[str, str]
    fingerprint: dict[str, Any] | None
    """The behaviour fingerprint: what the code computed when this run was made."""
    seal: str | None = None
    """A hash of all of the above, made when it was written: a record is evidence, and isn't edited."""
    note: str | None = None
    """What was found out about it, in words; may be added later."""

    @property
    def budget(self) -> Budget:
        """What runs have to share to be compared."""
        return Budget.of(self.dataset, self.profile, self.backbone, self.recipe)

    @property
    def label(self) -> str | None:
        """What sets the run apart from the method itself: an ablation's class, changes beyond the budget; None: nothing."""
        parts = [self.variant, *(change for change in self.changes if change.partition("=")[0] not in IN_BUDGET)]
        return ", ".join(part for part in parts if part) or None

    @model_validator(mode="after")
    def _counts(self) -> Record:
        predictions, labels = decode(self.outcome.predictions), decode(self.labels)
        if not len(predictions) == len(labels) == self.dataset.test:
            raise ValueError(f"{len(predictions)} predictions and {len(labels)} labels for {self.dataset.test} test images")
        if max(*predictions, *labels) >= self.dataset.classes:
            raise ValueError(f"a prediction or label is none of the {self.dataset.classes} classes")
        return self

    @model_validator(mode="after")
    def _hits(self) -> Record:
        maps, guesses = self.outcome.pointing, self.outcome.blind
        if (maps is None) != (guesses is None):
            raise ValueError("pointing and blind guesses are known together, or neither is")
        if maps is None:
            return self
        for known, needed in ((maps, {EVIDENCE, *maps}), (guesses, {FIXED_POINT_PER_FAMILY, *guesses} - {RANDOM_POINT})):
            without = [name for name in needed if name not in known or known[name].hits is None]
            if without:
                raise ValueError(f"no hits are kept of {without[0]!r}")
        for one in (*maps.values(), *guesses.values()):
            if one.hits is not None:
                decode_hits(one.hits, self.dataset.test)
        return self

    @field_validator("variant_file")
    @classmethod
    def _within(cls, name: str | None) -> str | None:
        if name is not None and (PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts):
            raise ValueError("the variant's file is given from the repository's root, and lies within it")
        return name

    @field_validator("picture")
    @classmethod
    def _beside(cls, name: str | None) -> str | None:
        if name is not None and Path(name).name != name:
            raise ValueError("the picture stands beside its record")
        return name


def seal_of(record: Record) -> str:
    """The hash that a record carries: of all it says but its note."""
    content = json.dumps(record.model_dump(mode="json", exclude={"seal", "note"}), sort_keys=True)
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()


def to_text(record: Record) -> str:
    """A record as it is kept: JSON, a line a field."""
    fields = record.model_copy(update={"seal": seal_of(record)}).model_dump(mode="json")
    lines = (f" {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in fields.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def encode(classes: list[int]) -> str:
    """Classes as a short text."""
    return base64.b64encode(zlib.compress(b"".join(number.to_bytes(2, "little") for number in classes), 9)).decode()


def decode(text: str) -> list[int]:
    """The classes of `encode`'s text."""
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), "<u2").tolist()


def encode_hits(hits: Sequence[bool]) -> str:
    """Answers of yes and no as a short text: base64 of zlib of a bit each."""
    return base64.b64encode(zlib.compress(np.packbits(np.asarray(hits, dtype=bool)).tobytes(), 9)).decode()


def decode_hits(text: str, count: int) -> list[bool]:
    """The answers of `encode_hits`'s text. Raises ValueError where they aren't `count`."""
    bits = np.unpackbits(np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8))
    if not 0 <= len(bits) - count < 8:
        raise ValueError(f"hits of {len(bits)} images, rounded up to eights, where there are {count} test images")
    return bits[:count].astype(bool).tolist()


def on_images_of(other: Record, record: Record) -> list[int] | None:
    """What `other` predicted on the test images of `record`; None where it wasn't tested on all of them.

    The finches of a species are drawn in one order, so that the first of many are the few.
    """
    theirs, mine = decode(other.labels), decode(record.labels)
    if other.dataset.name != record.dataset.name:
        return None
    if theirs == mine:
        return decode(other.outcome.predictions) if other.dataset.fingerprint == record.dataset.fingerprint else None
    if record.dataset.name != "synthetic-finches":
        return None
    predicted: dict[int, list[int]] = {}
    for label, guess in zip(theirs, decode(other.outcome.predictions), strict=True):
        predicted.setdefault(label, []).append(guess)
    wanted = Counter(mine)
    if any(len(predicted.get(label, [])) < count for label, count in wanted.items()):
        return None
    return [guess for label in dict.fromkeys(mine) for guess in predicted[label][: wanted[label]]]


def read(path: Path) -> Record:
    """One record. Raises Broken."""
    try:
        return Record.model_validate_json(path.read_bytes())
    except (OSError, ValidationError, ValueError, zlib.error) as error:
        raise Broken(f"{path}: not a run record: {_what(error)}") from error


def _what(error: Exception) -> str:
    """The first thing that is wrong, and in which field."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    return ": ".join(part for part in (".".join(map(str, first["loc"])), first["msg"]) if part)


def read_all(folder: Path) -> list[tuple[Path, Record]]:
    """The records of one paper, in the order of their names; none where there is no such folder."""
    return [(path, read(path)) for path in sorted(folder.glob("*.json"))]


def file_name(record: Record) -> str:
    """Of its file: dataset, profile, backbone, the kind of its weights if they aren't the usual ones, variant, changes, seed."""
    weights = next((kind for kind in ("random", "file") if record.backbone.weights.startswith(f"{kind} ")), None)
    parts = [record.dataset.name, record.profile, record.backbone.name, weights, record.variant, *record.changes]
    parts.append(f"seed{record.seed}")
    return "-".join(re.sub(r"[^\w.=+-]", "_", part) for part in parts if part) + ".json"


def counted(trials: Iterable[Trial]) -> Trials:
    """How many trials these are, and their digest, as a record keeps them."""
    lines = [trial.model_dump_json() for trial in trials]
    return Trials(count=len(lines), digest=hashlib.blake2b("\n".join(lines).encode(), digest_size=16).hexdigest())


def trials_of(folder: Path) -> list[Trial]:
    """The log of all trials of a paper's recipe on validation, in order. Raises Broken."""
    path = folder / TRIALS
    if not path.is_file():
        return []
    try:
        return [Trial.model_validate_json(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise Broken(f"{path}: not a log of trials: {_what(error)}; remove a log of an older form, and try anew") from error
