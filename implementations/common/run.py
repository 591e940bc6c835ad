"""One run: data, backbone, training, test, record, picture, and what is said of it."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from rich.console import Console

from implementations.common import backbones, checkpoints, evaluate, picture, records, weights
from implementations.common.data import Data, folder, synthetic_finches
from implementations.common.errors import Usage
from implementations.common.files import cache_folder, write_atomically
from implementations.common.method import Classes, Method
from implementations.common.progress import Progress
from implementations.common.randomness import seed_torch
from implementations.common.recipes import Recipe, resolve
from implementations.common.recording import record_of
from implementations.common.report import tell, tell_trial
from implementations.common.train import Settings, Trainer

RUNS = "runs"


@dataclass(frozen=True)
class Session:
    """What all runs of one command share."""

    options: argparse.Namespace
    accelerator: Accelerator
    console: Console
    data: Data


def train(method: type[Method], options: argparse.Namespace) -> int:
    """`python -m implementations.<paper>`: one run a seed, each with its record. Returns the exit code."""
    method = _variant(method, options.variant) if options.variant else method
    _check(options)
    accelerator = start(options)
    console = Console(stderr=True, soft_wrap=True, quiet=not accelerator.is_main_process)
    session = Session(options, accelerator, console, _data(options, console))
    for seed in options.seeds:
        if options.trial:
            tell_trial(session.console, _trial(session, method, seed))
            continue
        record, path = _run(session, method, seed)
        baseline = _run(session, _baseline(), seed, backbone=record.backbone.name)[0] if options.compare else _committed(record)
        if accelerator.is_main_process:
            tell(console, record, path, baseline, trained=bool(options.compare))
    return 0


def start(options: argparse.Namespace) -> Accelerator:
    """Sets threads, device and precision; the same bits come out on one machine with the same threads."""
    if options.device == "cuda" and not torch.cuda.is_available():
        raise Usage("--device cuda: torch finds no CUDA device here; --device cpu works everywhere")
    if options.device == "mps" and not torch.backends.mps.is_available():
        raise Usage("--device mps: torch finds none here; --device cpu works everywhere")
    torch.set_num_threads(options.threads)
    on_gpu = options.device in ("auto", "cuda") and torch.cuda.is_available()
    has_bf16 = on_gpu and torch.cuda.is_bf16_supported()
    if options.precision == "bf16" and on_gpu and not has_bf16:
        raise Usage("--precision bf16: this GPU doesn't have it; --precision float32 works everywhere")
    bf16 = options.precision == "bf16" or (options.precision == "auto" and has_bf16)
    accelerator = Accelerator(cpu=options.device == "cpu", mixed_precision="bf16" if bf16 else "no")
    torch.use_deterministic_algorithms(accelerator.device.type == "cpu")
    return accelerator


def _check(options: argparse.Namespace) -> None:
    if options.dataset == "folder" and options.data is None:
        raise Usage("--dataset folder needs --data DIR, a folder that holds train/CLASS/… and test/CLASS/…")
    if options.dataset == "finches" and options.data is not None:
        raise Usage("--data DIR goes with --dataset folder; the finches are drawn")
    if options.profile == "paper" and options.dataset != "folder":
        raise Usage("--profile paper needs the paper's images for now: --dataset folder --data DIR")
    for name in ("threads", "test_images", "validation_images"):
        if getattr(options, name) < 1:
            raise Usage(f"--{name.replace('_', '-')} {getattr(options, name)}: expected at least 1")


def _variant(method: type[Method], text: str) -> type[Method]:
    """The class CLASS of FILE.py, which has to be a subclass of the method."""
    file, _, name = text.rpartition(":")
    path = Path(file)
    if not path.is_file() or path.suffix != ".py":
        raise Usage(f"--variant {text}: expected FILE.py:CLASS, with a Python file that exists")
    spec = importlib.util.spec_from_file_location(f"finch_variant_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    found = getattr(module, name, None)
    if not (isinstance(found, type) and issubclass(found, method) and found is not method):
        # Run with -m, the method's own file is __main__; a variant's file imports it under its name.
        parent = getattr(importlib.import_module(f"implementations.{method.paper.replace('-', '_')}"), method.__name__)
        if not (isinstance(found, type) and issubclass(found, parent) and found is not parent):
            raise Usage(f"--variant {text}: {name!r} there is no subclass of {method.__name__}")
    return found


def _baseline() -> type[Method]:
    return importlib.import_module("implementations.baseline").Baseline


def _data(options: argparse.Namespace, console: Console) -> Data:
    if options.dataset == "folder":
        return folder(options.data)
    total = 32 * max(15, options.test_images, options.validation_images)
    with Progress(console=console).bar("drawing finches", total) as show:
        data = synthetic_finches(options.test_images, options.validation_images, progress=show)
    if not data.reference:
        console.print(
            "These finches aren't drawn as where the records were made (Pillow, NumPy?): compare no numbers with theirs."
        )
    return data


# ------------------------------------------------------------------------------------------------------------- one run


def build(
    method: type[Method], recipe: Recipe, classes: Classes, source: weights.Source, seed: int
) -> tuple[Method, weights.Loaded]:
    """A method ready to train: pretrained backbone, new layers drawn from the seed."""
    wanted = backbones.Wanted(
        name=recipe.backbone,
        families=tuple(method.demo),
        input_size=recipe.input_size,
        output_stride=recipe.output_stride,
        patch_stride=recipe.patch_stride,
    )
    seed_torch(seed, "backbone")
    backbone, loaded = backbones.create(wanted, source)
    seed_torch(seed, "method")
    return method(classes, backbone, recipe), loaded


def recipe_of(method: type[Method], options: argparse.Namespace, backbone: str | None) -> Recipe:
    """The recipe that the command line asks for."""
    demo = None
    if options.profile == "demo":
        family = backbones.family_of(backbone) if backbone else next(iter(method.demo))
        if family not in method.demo:
            raise Usage(f"{backbone} is no backbone for {method.__name__}: it works on {' or '.join(method.demo)}")
        demo = method.demo[family]
    changes = ([f"backbone={backbone}"] if backbone else []) + options.changes
    return resolve(method.recipe, demo, changes, folder=options.dataset == "folder")


def _source(options: argparse.Namespace) -> weights.Source:
    random = options.weights == "none"
    return weights.Source(
        file=None if random or options.weights is None else Path(options.weights), random=random, download=options.download
    )


def _trainer(session: Session, method: type[Method], seed: int, backbone: str | None) -> tuple[Trainer, weights.Loaded, Path]:
    """A trainer with its folder for checkpoints; the method's weights come from the same source for every seed."""
    options = session.options
    recipe = recipe_of(method, options, backbone or options.backbone)
    built, loaded = build(method, recipe, session.data.classes, _source(options), seed)
    hashed = f", SHA-256 {loaded.sha256[:12]}…" if loaded.sha256 else ""
    session.console.print(
        f"{method.__name__} on {recipe.backbone} ({loaded.origin}{hashed}), seed {seed}", markup=False, highlight=False
    )
    parts = [
        session.data.name,
        options.profile,
        recipe.backbone,
        method.__name__,
        f"seed{seed}",
        "trial" if options.trial else "",
    ]
    home = cache_folder() / RUNS / method.paper / "-".join(part for part in parts if part)
    workers = options.workers
    if workers is None:
        workers = 0 if options.dataset == "finches" else min(8, options.threads)
    settings = Settings(
        seed=seed,
        workers=workers,
        checkpoint=home / "state.safetensors",
        save_every=options.save_every,
        track_test=options.track_test,
    )
    main = session.accelerator.is_main_process
    progress = Progress(console=session.console if main else None, log=options.log if main else None, title=method.__name__)
    trainer = Trainer(built, session.data, session.accelerator, settings, progress)
    if options.resume and trainer.resume():
        session.console.print(f"resumed at step {trainer.state.step} of {trainer.total}", markup=False, highlight=False)
    return trainer, loaded, home


def _trial(session: Session, method: type[Method], seed: int) -> records.Trial:
    trainer, _, home = _trainer(session, method, seed, None)
    trainer.fit()
    split = session.data.validation
    accuracy = evaluate.top1(evaluate.predict(trainer.method, split, session.accelerator, trainer.settings.workers), split.labels)
    trial = records.Trial(
        change=session.options.trial,
        backbone=trainer.method.recipe.backbone,
        seed=seed,
        validation_top1=round(accuracy, 6),
        validation_images=len(split),
    )
    if session.accelerator.is_main_process:
        log = _records_folder(session.options, method) / "trials.jsonl"
        lines = (log.read_bytes() if log.is_file() else b"") + trial.model_dump_json().encode() + b"\n"
        write_atomically(log, lambda file: file.write(lines))
        (home / "state.safetensors").unlink(missing_ok=True)
    return trial


def _run(session: Session, method: type[Method], seed: int, backbone: str | None = None) -> tuple[records.Record, Path]:
    trainer, loaded, home = _trainer(session, method, seed, backbone)
    trainer.fit()
    if session.accelerator.is_main_process:
        checkpoints.save(home / "final.safetensors", trainer.method, session.data.classes)
    into, options = _records_folder(session.options, method), session.options
    record, images = record_of(trainer, loaded, profile=options.profile, threads=options.threads, folder=into, note=options.note)
    path = into / records.file_name(record)
    if session.accelerator.is_main_process:
        picture.write(path.with_suffix(".webp"), picture.draw(record.evidence, images, session.data.classes))
        write_atomically(path, lambda file: file.write(record.model_dump_json(indent=1).encode() + b"\n"))
        for kept in ("state.safetensors", "state.best.safetensors"):
            (home / kept).unlink(missing_ok=True)
        session.console.print(f"weights: {home / 'final.safetensors'}", markup=False, highlight=False)
    return record, path


def _records_folder(options: argparse.Namespace, method: type[Method]) -> Path:
    return (options.records or cache_folder() / "records") / method.paper


def _committed(record: records.Record) -> records.Record | None:
    """The baseline's committed record of the same data, backbone, budget and seed, if there is one."""
    if record.paper == "baseline":
        return None
    kept = [other for _, other in records.read_all(records.RECORDS / "baseline")]
    return next((other for other in kept if other.seed == record.seed and other.budget == record.budget), None)
