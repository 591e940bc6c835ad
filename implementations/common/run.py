"""One run: data, backbone, training, test, record, picture, and what is said of it."""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import importlib
import importlib.util
import itertools
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from rich.console import Console

from implementations.common import backbones, checkpoints, finches, picture, records, trials, weights
from implementations.common.data import Data, folder, require_size, synthetic_finches
from implementations.common.errors import Usage
from implementations.common.files import cache_folder, require_writable, write_atomically
from implementations.common.interrupt import Interrupted
from implementations.common.method import Method
from implementations.common.progress import Progress
from implementations.common.recipes import Recipe, resolve
from implementations.common.recording import Told, record_of, validation_top1, what_is_tried
from implementations.common.report import tell, tell_trial, trials_table
from implementations.common.train import Settings, Trainer

RUNS = "runs"
STRIDES = ("patch_stride", "output_stride")
SHARED = ("epochs", "batch_size", "input_size", *STRIDES)
"""What of a recipe the baseline shares with the method that it is compared with."""
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Session:
    """What all runs of one command share."""

    options: argparse.Namespace
    accelerator: Accelerator
    console: Console
    data: Data


def train(method: type[Method], options: argparse.Namespace) -> int:
    """`python -m implementations.<paper>`: one run a seed, each with its record. Returns the exit code."""
    method = variant_of(method, options.variant) if options.variant else method
    _check(options)
    accelerator = start(options)
    try:
        _runs(method, options, accelerator)
    except Interrupted:  # in all processes after the same step; another fault may be one process's alone, and the rest wait
        accelerator.end_training()
        raise
    accelerator.end_training()
    return 0


def _runs(method: type[Method], options: argparse.Namespace, accelerator: Accelerator) -> None:
    console = Console(stderr=True, soft_wrap=True, quiet=not accelerator.is_main_process)
    session = Session(options, accelerator, console, _data(options, console))
    if options.trial:
        _trials(session, method)
        return
    compared = dataclasses.replace(session, options=_for_baseline(method, options)) if options.compare else None
    for seed in dict.fromkeys(options.seeds):
        record, path = run(session, method, seed)
        baseline = run(compared, method_of("baseline"), seed)[0] if compared else _committed(record)
        if accelerator.is_main_process:
            tell(console, record, path, baseline, trained=bool(options.compare))


def require_device(device: str) -> None:
    """Raises Usage where torch finds no such device."""
    if device == "cuda" and not torch.cuda.is_available():
        raise Usage("--device cuda: torch finds no CUDA device here; --device cpu works everywhere")
    if device == "mps" and not torch.backends.mps.is_available():
        raise Usage("--device mps: torch finds none here; --device cpu works everywhere")


def start(options: argparse.Namespace) -> Accelerator:
    """Sets threads, device and precision; the same bits come out on one machine with the same threads."""
    require_device(options.device)
    torch.set_num_threads(options.threads)
    on_gpu = options.device in ("auto", "cuda") and torch.cuda.is_available()
    has_bf16 = on_gpu and torch.cuda.is_bf16_supported(including_emulation=False)
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


def _for_baseline(method: type[Method], options: argparse.Namespace) -> argparse.Namespace:
    """The options under which the baseline is compared with a method: its own recipe, at the method's budget and backbone."""
    recipe = recipe_of(method, options)
    changed = {change.partition("=")[0] for change in options.changes}
    names = [name for name in SHARED if options.profile == "paper" or name in changed or name in STRIDES]
    budget = [f"{name}={getattr(recipe, name)}" for name in names if getattr(recipe, name) is not None]
    own = {"changes": budget, "backbone": recipe.backbone, "note": None, "variant": None}
    shared = argparse.Namespace(**vars(options) | own)
    recipe_of(method_of("baseline"), shared)  # what can't be meant is said before anything is trained
    return shared


def variant_of(method: type[Method], text: str) -> type[Method]:
    """The class CLASS of FILE.py, which has to be a subclass of the method. Raises Usage."""
    file, _, name = text.rpartition(":")
    path = Path(file)
    if not path.is_file() or path.suffix != ".py":
        raise Usage(f"--variant {text}: expected FILE.py:CLASS, with a Python file that exists")
    spec = importlib.util.spec_from_file_location(f"finch_variant_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except (SyntaxError, ImportError, NameError) as error:
        raise Usage(f"--variant {text}: the file can't be imported: {error}") from error
    found = getattr(module, name, None)
    if not (isinstance(found, type) and issubclass(found, method) and found is not method):
        # Run with -m, the method's own file is __main__; a variant's file imports it under its name.
        parent = getattr(importlib.import_module(f"implementations.{method.paper.replace('-', '_')}"), method.__name__)
        if not (isinstance(found, type) and issubclass(found, parent) and found is not parent):
            raise Usage(f"--variant {text}: {name!r} there is no subclass of {method.__name__}")
    return found


def method_of(paper: str) -> type[Method]:
    """The class that implements a paper; "baseline" is one, too."""
    module = importlib.import_module(f"implementations.{paper.replace('-', '_')}")
    return next(
        found for found in vars(module).values() if getattr(found, "__module__", "") == module.__name__ and _implements(found)
    )


def _implements(found: object) -> bool:
    return isinstance(found, type) and issubclass(found, Method)


def _data(options: argparse.Namespace, console: Console) -> Data:
    if options.dataset == "folder":
        return folder(options.data)
    total = 32 * max(finches.TRAINING_IMAGES, options.test_images, options.validation_images)
    with Progress(console=console).bar("drawing finches", total) as show:
        data = synthetic_finches(options.test_images, options.validation_images, progress=show)
    if not data.reference:
        console.print(
            "These finches aren't drawn as where the records were made (Pillow, NumPy?): compare no numbers with theirs."
        )
    return data


# ------------------------------------------------------------------------------------------------------------- one run


def recipe_of(method: type[Method], options: argparse.Namespace) -> Recipe:
    """The recipe that the command line asks for."""
    folder = options.dataset == "folder"
    return recipe_for(method, profile=options.profile, backbone=options.backbone, changes=options.changes, folder=folder)


def recipe_for(method: type[Method], *, profile: str, backbone: str | None, changes: list[str], folder: bool) -> Recipe:
    """A method's recipe of a profile, on a backbone (None: the recipe's own), changed as with --set. Raises Usage."""
    demo = None
    if profile == "demo":
        family = backbones.family_of(backbone) if backbone else next(iter(method.demo))
        if family not in method.demo:
            raise Usage(f"{backbone} is no backbone for {method.__name__}: it works on {' or '.join(method.demo)}")
        at = method.demo_at.get(family, {})
        demo = {**method.demo[family], **{k: v for change in changes for k, v in at.get(change, {}).items()}}
    recipe = resolve(method.recipe, demo, changes, folder=folder)
    return dataclasses.replace(recipe, backbone=backbone) if backbone else recipe


def _source(options: argparse.Namespace) -> weights.Source:
    random = options.weights == "none"
    return weights.Source(
        file=None if random or options.weights is None else Path(options.weights), random=random, download=options.download
    )


def _trainer(session: Session, method: type[Method], seed: int) -> tuple[Trainer, weights.Loaded, Path]:
    """A trainer with its folder for checkpoints; the method's weights come from the same source for every seed."""
    options = session.options
    recipe = recipe_of(method, options)
    require_size(session.data.test, recipe)
    built, loaded = method.from_recipe(recipe, session.data.classes, _source(options), seed)
    hashed = f", SHA-256 {loaded.sha256[:12]}…" if loaded.sha256 else ""
    session.console.print(
        f"{method.__name__} on {recipe.backbone} ({loaded.origin}{hashed}), seed {seed}", markup=False, highlight=False
    )
    images = session.data.name if options.dataset == "finches" else f"{session.data.name}-{session.data.fingerprint[:8]}"
    # A run of another recipe has a folder of its own, so that neither takes the other's state for its own.
    resolved = hashlib.blake2b(json.dumps(recipe.as_data(), sort_keys=True).encode(), digest_size=4).hexdigest()
    parts = [images, options.profile, recipe.backbone, method.__name__, f"seed{seed}", resolved, "trial" if options.trial else ""]
    home = cache_folder() / RUNS / method.paper / "-".join(part for part in parts if part)
    for written in (home, _records_folder(options, method)):
        require_writable(written)
    workers = options.workers
    if workers is None:
        workers = 0 if options.dataset == "finches" else min(8, options.threads)
    settings = Settings(
        seed=seed,
        workers=workers,
        checkpoint=home / "state.safetensors",
        save_every=options.save_every,
        track_test=options.track_test,
        weights=loaded.sha256,
    )
    main = session.accelerator.is_main_process
    progress = Progress(
        console=session.console if main else None,
        log=options.log if main else None,
        title=method.__name__,
        run={"method": method.__name__, "seed": seed},
    )
    return Trainer(built, session.data, session.accelerator, settings, progress), loaded, home


def _fit(session: Session, trainer: Trainer) -> None:
    """Trains; with --resume, from the state where it was stopped."""
    if session.options.resume and trainer.resume():
        session.console.print(f"resumed at step {trainer.state.step} of {trainer.total}", markup=False, highlight=False)
    trainer.fit()


def _trials(session: Session, method: type[Method]) -> None:
    """Tries each combination of the values that --set lists, with each seed."""
    options = session.options
    tried = [argparse.Namespace(**vars(options) | {"changes": changes}) for changes in combinations(options.changes)]
    for one in tried:
        recipe_of(method, one)  # what can't be meant is said before anything is trained
    for one, seed in itertools.product(tried, dict.fromkeys(options.seeds)):
        if len(tried) > 1:
            one.trial = f"{options.trial}: {', '.join(one.changes)}"
        log = _records_folder(options, method) / records.TRIALS
        tell_trial(session.console, _trial(dataclasses.replace(session, options=one), method, seed, log), log)


def combinations(changes: Sequence[str]) -> list[list[str]]:
    """Every choice of one value of each NAME=VALUE,VALUE…, as lists of NAME=VALUE."""
    choices = []
    for change in changes:
        name, equals, values = change.partition("=")
        choices.append([f"{name}{equals}{value}" for value in values.split(",")])
    return [list(chosen) for chosen in itertools.product(*choices)]


def _trial(session: Session, method: type[Method], seed: int, log: Path) -> records.Trial:
    """One trial, written to the log, or found there under the same words, as where a command goes on that was stopped."""
    logged = records.trials_of(log.parent)  # a log that can't be read is said before hours of work, not after them
    trainer, loaded, home = _trainer(session, method, seed)
    tried = what_is_tried(trainer, loaded, session.options.profile)
    last = next((trial for trial in reversed(logged) if trial.model_dump(include=tried.keys()) == tried), None)
    if last is not None and last.change == session.options.trial:
        session.console.print("logged already; under other words it is tried anew", markup=False, highlight=False)
        return last
    _fit(session, trainer)
    trial = records.Trial(change=session.options.trial, validation_top1=validation_top1(trainer), **tried)
    if session.accelerator.is_main_process:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as file:  # two that end at once both have their line
            file.write(trial.model_dump_json().encode() + b"\n")
        (home / "state.safetensors").unlink(missing_ok=True)
    return trial


def show_trials(method: type[Method], options: argparse.Namespace) -> int:
    """`python -m implementations.<paper> trials`: what was tried under each budget, and what the rule of trials still asks."""
    own, theirs = (records.trials_of(options.records / paper) for paper in (method.paper, "baseline"))
    asked = (trial.budget for trial in theirs if _changes_for(method, trial.budget) == [])
    for budget, variant in dict.fromkeys([*((one.budget, one.variant) for one in own), *((budget, None) for budget in asked)]):
        found = trials.of_budget(own, budget, variant)
        recipe = _recipe_at(method, budget).as_data()
        print(trials_table(budget, found, trials.settings(recipe), variant))
        if variant is None:
            baseline = trials.of_budget(theirs, budget) if method.paper != "baseline" else None
            print("\n".join(f"- {sentence}" for _, sentence in trials.problems(found, recipe, baseline, method.bounds)))
    if not own:
        print(f"no trial of {method.paper} is logged in {options.records / method.paper}")
    return 0


def _recipe_at(method: type[Method], budget: records.Budget) -> Recipe:
    """The method's recipe as it is, under a budget. Raises Usage where the method can't be run there."""
    changes, folder = _changes_for(method, budget), budget.dataset != "synthetic-finches"
    if changes is None:
        raise Usage(f"{budget.backbone} is no backbone for {method.__name__}: it works on {' or '.join(method.demo)}")
    return recipe_for(method, profile=budget.profile, backbone=budget.backbone, changes=changes, folder=folder)


def _changes_for(method: type[Method], budget: records.Budget) -> list[str] | None:
    """What of the method's recipe --set has to change to come under a budget; None where the method can't be run there."""
    if budget.profile == "demo" and backbones.family_of(budget.backbone) not in method.demo:
        return None
    plain = recipe_for(method, profile=budget.profile, backbone=budget.backbone, changes=[], folder=False)
    strides = dict(zip(("output_stride", "patch_stride"), budget.strides, strict=True))
    wanted = {"epochs": budget.epochs, "input_size": budget.input_size, **strides}
    return [f"{name}={'null' if value is None else value}" for name, value in wanted.items() if value != getattr(plain, name)]


def run(session: Session, method: type[Method], seed: int) -> tuple[records.Record, Path]:
    """Trains, tests and records one seed; with --resume, goes on from its state, or finds it recorded already."""
    trainer, loaded, home = _trainer(session, method, seed)
    options, into = session.options, _records_folder(session.options, method)
    if options.resume and (kept := _recorded(into, trainer)):
        session.console.print(f"recorded already: {kept[1]}", markup=False, highlight=False)
        return kept
    logged = records.trials_of(into)  # as above: read before the work
    _fit(session, trainer)
    if session.accelerator.is_main_process:
        checkpoints.save(home / "final.safetensors", trainer.method, session.data.classes)
    told = Told(
        profile=options.profile,
        threads=options.threads,
        trials=logged,
        changes=options.changes,
        variant_file=_within_repository(options.variant),
        note=options.note,
    )
    record, images = record_of(trainer, loaded, told)
    path = into / records.file_name(record)
    if session.accelerator.is_main_process:
        picture.write(path.with_suffix(".webp"), picture.draw(record.evidence, images, session.data.classes))
        write_atomically(path, lambda file: file.write(records.to_text(record).encode()))
        for kept in ("state.safetensors", "state.best.safetensors"):
            (home / kept).unlink(missing_ok=True)
        session.console.print(f"weights: {home / 'final.safetensors'}", markup=False, highlight=False)
    return record, path


def _recorded(folder: Path, trainer: Trainer) -> tuple[records.Record, Path] | None:
    """A record of the very run that the trainer stands for: method, recipe, seed, images, weights, processes and precision."""
    method, settings = trainer.method, trainer.settings
    recipe = json.loads(json.dumps(method.recipe.as_data()))
    for path, record in records.read_all(folder):
        its = record.variant or _class_of(method), record.recipe, record.seed
        of = record.dataset.fingerprint, record.backbone.sha256
        same = its == (type(method).__name__, recipe, settings.seed) and of == (trainer.data.fingerprint, settings.weights)
        if same and record.compute.processes == trainer.accelerator.num_processes:
            return record, path
    return None


def _class_of(method: Method) -> str:
    """The name of the paper's own class, which a variant's subclasses."""
    return next(base for base in type(method).__mro__[::-1] if base.__dict__.get("paper") == method.paper).__name__


def _within_repository(variant: str | None) -> str | None:
    """The variant's file from the repository's root; None where it lies outside, or there is none."""
    path = Path(variant.rpartition(":")[0]).resolve() if variant else None
    return path.relative_to(ROOT).as_posix() if path and path.is_relative_to(ROOT) else None


def _records_folder(options: argparse.Namespace, method: type[Method]) -> Path:
    return (options.records or cache_folder() / "records") / method.paper


def _committed(record: records.Record) -> records.Record | None:
    """The baseline's committed record of the same data, backbone, budget and seed, if there is one."""
    if record.paper == "baseline":
        return None
    kept = [other for _, other in records.read_all(records.RECORDS / "baseline") if other.label is None]
    return next((other for other in kept if other.seed == record.seed and other.budget == record.budget), None)
