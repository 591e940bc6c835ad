"""Run records that tests make themselves, so that none of them hangs on which are committed."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from implementations.common import sheet
from implementations.common.records import (
    EVIDENCE,
    FIXED_POINT_PER_FAMILY,
    RANDOM_POINT,
    Pointing,
    Record,
    counted,
    encode,
    file_name,
)
from implementations.common.statistics import wilson
from implementations.common.steps import Measured, Ratio
from tools.check_catalog import main as check_catalog
from tools.pages.records import Runs

FINCHES = {"name": "synthetic-finches", "fingerprint": "0" * 32, "classes": 32, "train": 320, "validation": 320, "test": 64}
LABELS = [index // 2 for index in range(64)]
"""Of Synthetic Finches' 32 species two images each."""


def record(labels: Sequence[int], predictions: Sequence[int], **changes) -> Record:
    """A run of TransFG on drawn birds that answered so; with `outcome` and `compute`, single fields of these are changed."""
    right = sum(a == b for a, b in zip(labels, predictions, strict=True))
    outcome = {
        "top1": right / len(labels), "interval": wilson(right, len(labels)), "predictions": encode(predictions), "family_top1": None,
        "family_confusion": None, "pointing": None, "blind": None, "measures": {}, "best_on_test": None, "best_validation": None,
        "parameters": 1, "flops": 1,
    }  # fmt: skip
    compute = {
        "processes": 1, "batch_per_process": 32, "images_per_loss": 32, "updates": 225, "device": "CPU", "precision": "float32", "threads": 2,
        "seconds": 1.0, "images_per_second": 2.0, "test_images_per_second": 4.0,
    }  # fmt: skip
    fields = {
        "paper": "transfg", "variant": None, "profile": "demo", "claim": None,
        "dataset": {"name": "synthetic-finches", "fingerprint": "0" * 32, "classes": 3, "train": 1, "validation": 1, "test": len(labels)},
        "backbone": {"name": "finch_vit", "weights": "shipped", "sha256": "a" * 64},
        "recipe": {}, "seed": 0, "test_time": [], "selection": "last epoch", "epoch": 15, "trials": counted([]).model_dump(),
        "labels": encode(labels), "evidence": [], "picture": None, "versions": {}, "fingerprint": None,
    }  # fmt: skip
    changed = {"outcome": outcome | changes.pop("outcome", {}), "compute": compute | changes.pop("compute", {})}
    return Record.model_validate(fields | changed | changes)


def pointed(maps: Mapping[str, Sequence[bool]], guess: Sequence[bool]) -> dict:
    """What of an outcome tells where maps peak: their hits, and those of one fixed point per family; a random point's share is 5%."""
    known = {name: Pointing.of(hits).model_dump() for name, hits in maps.items()}
    return {"pointing": known, "blind": {RANDOM_POINT: {"share": 0.05, "hits": None}, FIXED_POINT_PER_FAMILY: Pointing.of(guess).model_dump()}}


def of_400(paper: str, seed: int, right: int, **changes) -> Record:
    """A run of 400 test images of four classes that was right on so many; another seed is wrong elsewhere."""
    labels = [index % 4 for index in range(400)]
    guesses = [label if (index * 7 + 13 * seed) % 400 < right else (label + 1) % 4 for index, label in enumerate(labels)]
    fields = {
        "paper": paper, "seed": seed, "recipe": {"epochs": 15, "input_size": 96} | changes.pop("recipe", {}),
        "dataset": {"name": "synthetic-finches", "fingerprint": "0" * 32, "classes": 4, "train": 1, "validation": 1, "test": 400},
    }  # fmt: skip
    return record(labels, guesses, **fields | changes)


def measured(run: Record, step: float = 2.0, **changes) -> Measured:
    """What a training step of the run's method costs beside the baseline's, as if somebody had measured it."""
    fields = {
        "paper": run.paper, "backbone": run.backbone.name, "recipe": run.recipe, "parameters": run.outcome.parameters,
        "flops": run.outcome.flops, "step": Ratio(median=step, low=step - 0.1, high=step + 0.2),
        "test": Ratio(median=1.5, low=1.5, high=1.5), "images": 1.0, "date": "2026-01-02", "machine": "x86_64 CPU, 2 cores",
        "torch": "2.9.0", "threads": 1, "turns": 20, "unquiet": None,
    }  # fmt: skip
    return Measured.model_validate(fields | changes)


def implement_kestrel(root: Path) -> None:
    """Gives the invented catalog's paper Kestrel an implementation, whose claim is the first of its results."""
    entry = root / "catalog" / "papers" / "kestrel.yaml"
    text = entry.read_text(encoding="utf-8")
    value, backbone = re.search(r"value: ([\d.]+)", text)[1], re.search(r"backbone: ([\w-]+)", text)[1]
    claim = f"implementation:\n  file: implementations/kestrel.py\n  claim: {{dataset: feathers, metric: top-1, value: {value}, backbone: {backbone}}}\n"
    entry.write_text(text.replace("added:", f"{claim}added:"), encoding="utf-8")
    (root / "implementations").mkdir(exist_ok=True)
    (root / "implementations" / "kestrel.py").write_text('"""A <script> of a kestrel."""\n\nfeathers = 1\n', encoding="utf-8")
    assert check_catalog(["--fix", "--root", str(root)]) == 0


def keep(root: Path, *records: Record) -> list[Path]:
    """Writes records below a repository's root, each with something in place of its picture, and gives their files."""
    paths = []
    for one in records:
        path = root / "implementations" / "records" / one.paper / file_name(one)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(one.model_dump_json(), encoding="utf-8")
        if one.picture:
            path.with_name(one.picture).write_bytes(f"picture of {one.paper} {one.seed}".encode())
        paths.append(path)
    return paths


def kept(root: Path, *records: Record) -> Runs:
    """The same, as what pages are made of."""
    runs: dict[str, list[tuple[Path, Record]]] = {}
    for path, one in zip(keep(root, *records), records, strict=True):
        runs.setdefault(one.paper, []).append((path, one))
    return Runs(root, runs)


def on_finches(paper: str, seed: int, *, right: int = 48, hits: int = 20, stride: int | None = None, **changes) -> Record:
    """A run on drawn birds with all that a page shows: so many of 64 answers are right, on so many images and one more a seed it looks
    at the part, where one fixed point per family does on 16, and eight images have their evidence."""
    guesses = [label if (5 * index + seed) % 64 < right else (label + 1) % 32 for index, label in enumerate(LABELS)]
    evidence = [
        {"index": 8 * place, "label": LABELS[8 * place], "predicted": guesses[8 * place], "box": (1, 1, 9, 9), "height": 1, "width": 1,
         "map": base64.b64encode(b"1").decode()}
        for place in range(sheet.SHOWN)
    ]  # fmt: skip
    stride_of = {"patch_stride": stride} if stride else {}
    maps = {EVIDENCE: hits + seed} | ({"input gradient": 8} if paper == "baseline" else {})
    looked = {name: [(5 * index + seed) % 64 < count for index in range(64)] for name, count in maps.items()}
    fields = {
        "paper": paper, "seed": seed, "dataset": FINCHES, "recipe": {"epochs": 15, "input_size": 96} | stride_of, "evidence": evidence,
        "changes": [f"patch_stride={stride}"] if stride and paper == "baseline" else [],
        "outcome": pointed(looked, [index % 4 == 0 for index in range(64)]) | {"parameters": 300000, "flops": 1200000} | changes.pop("outcome", {}),
    }  # fmt: skip
    one = record(LABELS, guesses, **fields | changes)
    return one.model_copy(update={"picture": file_name(one).replace(".json", ".webp")})
