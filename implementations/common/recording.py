"""What a run reached, tested and written down as its record."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from implementations.common import evaluate, fingerprint, picture, records, weights
from implementations.common.data import Data
from implementations.common.method import Method
from implementations.common.statistics import wilson
from implementations.common.train import Trainer


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a record says that the command line knows."""

    profile: str
    threads: int
    trials: Sequence[records.Trial]
    """All that are logged of the paper's recipe."""
    changes: list[str]
    variant_file: str | None = None
    note: str | None = None


def record_of(trainer: Trainer, loaded: weights.Loaded, told: Told) -> tuple[records.Record, list[picture.Shown]]:
    """Tests the trained method and writes down all there is to know of the run."""
    method, data, recipe, state = trainer.method, trainer.data, trainer.method.recipe, trainer.state
    evidence, images = picture.look(method, data.test, trainer.accelerator)
    outcome, testing = _outcome(trainer)
    dataset, backbone = dataset_of(data), records.RunBackbone(name=recipe.backbone, weights=loaded.origin, sha256=loaded.sha256)
    budget = records.Budget.of(dataset, told.profile, backbone, recipe.as_data())
    record = records.Record(
        paper=method.paper,
        variant=variant_name(method),
        variant_file=told.variant_file,
        changes=told.changes,
        profile=told.profile,
        claim=dataclasses.asdict(method.claim) if method.claim else None,
        dataset=dataset,
        backbone=backbone,
        recipe=recipe.as_data(),
        seed=trainer.settings.seed,
        test_time=list(method.test_time),
        selection=recipe.selection,
        epoch=state.best_epoch,
        trials=records.counted(trial for trial in told.trials if trial.budget == budget),
        compute=_compute(trainer, told.threads, testing),
        outcome=outcome,
        labels=records.encode(data.test.labels),
        evidence=evidence,
        picture=None,
        versions={name: importlib.metadata.version(name) for name in ("torch", "torchvision", "timm", "numpy", "pillow")}
        | {"python": platform.python_version()},
        fingerprint=fingerprint.of(type(method), recipe),
        note=told.note,
    )
    return record.model_copy(update={"picture": Path(records.file_name(record)).with_suffix(".webp").name}), images


def what_is_tried(trainer: Trainer, loaded: weights.Loaded, profile: str) -> dict[str, Any]:
    """The fields of a records.Trial that are known before it is trained, as plain data."""
    recipe = trainer.method.recipe
    return {
        "variant": variant_name(trainer.method),
        "profile": profile,
        "dataset": dataset_of(trainer.data).model_dump(),
        "backbone": records.RunBackbone(name=recipe.backbone, weights=loaded.origin, sha256=loaded.sha256).model_dump(),
        "recipe": recipe.as_data(),
        "seed": trainer.settings.seed,
    }


def validation_top1(trainer: Trainer) -> float:
    """The accuracy of the trained method on the validation images."""
    split = trainer.data.validation
    predictions = evaluate.predict(trainer.method, split, trainer.accelerator, trainer.settings.workers)
    return round(evaluate.top1(predictions, split.labels), 6)


def variant_name(method: Method) -> str | None:
    """The name of its class, where this is a subclass of the paper's method: an ablation or a user's own; None for the method."""
    ablated = any(base.__dict__.get("paper") == method.paper for base in type(method).__mro__[1:])
    return type(method).__name__ if ablated else None


def dataset_of(data: Data) -> records.RunDataset:
    """The images of a run, as records name them."""
    return records.RunDataset(
        name=data.name,
        fingerprint=data.fingerprint,
        reference=data.reference,
        classes=len(data.classes),
        train=len(data.train),
        validation=len(data.validation),
        test=len(data.test),
    )


def _compute(trainer: Trainer, threads: int, testing: float) -> records.Compute:
    accelerator, recipe, seconds = trainer.accelerator, trainer.method.recipe, trainer.state.seconds
    device = torch.cuda.get_device_name() if accelerator.device.type == "cuda" else f"{platform.machine()} CPU"
    return records.Compute(
        processes=accelerator.num_processes,
        batch_per_process=recipe.batch_size // accelerator.num_processes,
        images_per_loss=trainer.images_per_loss,
        updates=trainer.updates,
        loss_over_batch="within a process" if trainer.method.over_batch else "none",
        device=device,
        precision="bf16" if accelerator.mixed_precision == "bf16" else "float32",
        threads=threads,
        seconds=round(seconds, 1),
        images_per_second=round(trainer.total * trainer.images_per_step / max(seconds, 1e-9), 1),
        test_images_per_second=round(len(trainer.data.test) / max(testing, 1e-9), 1),
    )


@torch.no_grad()
def _outcome(trainer: Trainer) -> tuple[records.Outcome, float]:
    """What was reached, and the seconds that the test pass took."""
    method, data, accelerator, workers = trainer.method, trainer.data, trainer.accelerator, trainer.settings.workers
    count = len(data.test)
    with trainer.progress.bar("testing", 2 * count) as show:
        began = time.monotonic()
        predictions = evaluate.predict(method, data.test, accelerator, workers, progress=show)
        seconds = time.monotonic() - began
        pointed = evaluate.pointing(method, data.test, accelerator, workers, progress=lambda done: show(count + done))
    labels, parents = data.test.labels, data.classes.coarse.get("family")
    right = sum(guess == label for guess, label in zip(predictions, labels, strict=True))
    low, high = wilson(right, len(labels))
    families = evaluate.confusion(predictions, labels, parents) if parents else None
    with accelerator.autocast():
        measures = method.measure(trainer.images_in_order(data.test))
    side = data.test.read(0).shape[-1]  # boxes are known of drawn images alone, which the test transform neither scales nor crops
    blind = evaluate.blind_guesses(data.train, data.test, parents or [0] * len(data.classes), side) if pointed else None
    outcome = records.Outcome(
        top1=right / len(labels),
        interval=(round(low, 6), round(high, 6)),
        predictions=records.encode(predictions),
        family_top1=sum(families[i][i] for i in range(len(families))) / len(labels) if families else None,
        family_confusion=families,
        pointing={name: records.Pointing.of(hits) for name, hits in pointed.items()} if pointed else None,
        blind={name: records.Pointing.of(chances.tolist()) for name, chances in blind.items()} if blind else None,
        measures=measures,
        best_on_test=trainer.state.best_on_test,
        best_validation=trainer.state.best_validation if trainer.state.best_validation >= 0 else None,
        parameters=sum(parameter.numel() for parameter in method.parameters()),
        flops=evaluate.flops(method),
    )
    return outcome, seconds
