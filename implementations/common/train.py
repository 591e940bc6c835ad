"""The training loop, written once: any method, any device, one process or several, stopped and resumed at any batch.

All randomness of a step is a function of (seed, step), so nothing but weights, optimiser and the count of steps needs saving. The
gradients are averaged over processes by one explicit reduction: DistributedDataParallel would only see losses that go through its
own forward, would miss parameters frozen when it was wrapped, and would overwrite buffers. Those are each process's own here, and
have to agree (method.py says how): once an epoch they are compared.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast, reduce
from torch import Tensor

from implementations.common import checkpoints
from implementations.common.data import Batches, Data, InOrder, OnDevice, Samples, Split, loader, require_images_per_class
from implementations.common.errors import Fault, Usage
from implementations.common.evaluate import EVALUATION_BATCH, predict, top1
from implementations.common.interrupt import Interrupted, interruptible
from implementations.common.method import Method, Terms, gather
from implementations.common.progress import Progress
from implementations.common.randomness import derive, seed_torch

BATCH_NORM = torch.nn.modules.batchnorm._BatchNorm
"""All of torch's and timm's BatchNorm layers; their buffers are running statistics."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a run is carried out; nothing here changes what is learnt but the seed."""

    seed: int = 0
    workers: int = 0
    checkpoint: Path | None = None
    """Where to keep the state; None: nowhere."""
    save_every: float = 30.0
    """Seconds between checkpoints."""
    read_every: int = 10
    """Steps between two looks at the losses: each look waits for the device."""
    track_test: bool = False
    """Also evaluate on test after each epoch, for the best of them: never what is reported."""
    weights: str | None = None
    """SHA-256 of the backbone's pretrained weights: a run is only resumed with the same."""


@dataclass
class State:
    """What a checkpoint holds beside weights and optimiser."""

    step: int = 0
    best_validation: float = -1.0
    best_epoch: int = 0
    best_on_test: float | None = None
    seconds: float = 0.0


@dataclass
class Trainer:
    """Trains one method on one dataset."""

    method: Method
    data: Data
    accelerator: Accelerator
    settings: Settings
    progress: Progress = field(default_factory=Progress)

    def __post_init__(self) -> None:
        recipe, processes = self.method.recipe, self.accelerator.num_processes
        self.state, self._update_of_step, self._checked = State(), 0, set()
        require_images_per_class(self.data.train, self.data.classes, self.method.least_per_class)
        if self.method.over_batch and recipe.micro_batches > 1:
            raise Usage(
                f"{type(self.method).__name__}'s loss is over the whole batch: split into micro-batches it would be another loss"
            )
        self.parts = recipe.micro_batches
        if recipe.images_per_loss is not None:
            self.parts = max(1, recipe.batch_size // processes // recipe.images_per_loss)
        if recipe.batch_size % (processes * self.parts):
            raise Usage(
                f"a batch of {recipe.batch_size} can't be shared equally by {processes} processes × {self.parts} micro-batches"
            )
        first = self.epoch_batches(0)
        self.per_epoch = len(first)
        if not self.per_epoch:
            raise Usage(f"{len(self.data.train)} training images don't fill one batch of {recipe.batch_size}")
        self.images_per_step = sum(map(len, first)) / self.per_epoch
        self.images_per_loss = max(map(len, first)) // processes // self.parts
        """How many images a loss sees at once: a process's share of a whole batch, or a micro-batch of it."""
        self.total = self.per_epoch * recipe.epochs
        self.method.to(self.accelerator.device)
        seed_torch(self.settings.seed, "groups")
        options = dict(recipe.optimizer_options) | {"weight_decay": recipe.weight_decay, "lr": recipe.lr}
        try:
            self.optimizer = getattr(torch.optim, recipe.optimizer)(self.method.parameter_groups(), **options)
        except (AttributeError, TypeError, ValueError) as error:
            raise Usage(f"the recipe's optimizer {recipe.optimizer} can't be had with {options}: {error}") from error
        self.rates = [group["lr"] for group in self.optimizer.param_groups]

    # ------------------------------------------------------------------------------------------------ one run

    def fit(self) -> State:
        """Trains from the state it is in to the end. Raises Interrupted, with the state saved, on Ctrl-C."""
        batches = Batches(
            self.epoch_batches,
            self.method.recipe.epochs,
            start=self.state.step,
            process=self.accelerator.process_index,
            processes=self.accelerator.num_processes,
        )
        fed = self._loader(Samples(self.data.train, self.method.recipe.train, self.settings.seed), batches)
        with interruptible() as stopped, self.progress.training(self.total, self.state.step):
            self._started = self._saved = time.monotonic()
            if self.state.step % self.per_epoch:
                self.set_phase()
            for images, labels in fed:
                if self.state.step % self.per_epoch == 0:
                    self.start_epoch()
                self.step(images, labels)
                if self.state.step % self.per_epoch == 0:
                    self._end_epoch()
                self._maybe_save(stopped)
        self._finish()
        return self.state

    @property
    def updates(self) -> int:
        """The optimiser's steps in the whole training."""
        return self.total * max(1, self._update_of_step)

    def step(self, images: Tensor, labels: Tensor) -> Terms:
        """One batch (B, 3, H, W), (B,) at the state's step: rates, seeds, the method's training step; returns its loss terms."""
        step, device = self.state.step, self.accelerator.device
        factor = self.method.recipe.schedule(step, self.per_epoch, self.total)
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * factor
        self._update_of_step = 0
        # After the batch was fetched: an iterator of a loader draws from the global generator.
        seed_torch(self.settings.seed, "step", step)
        terms = self.method.training_step(images.to(device, non_blocking=True), labels.to(device, non_blocking=True), self.update)
        self.state.step += 1
        self.progress.step(terms)
        if self.state.step % self.settings.read_every == 0 or self.state.step == self.total:
            self._read()
        return terms

    def update(self, losses: Callable[[Tensor, Tensor], Terms], images: Tensor, labels: Tensor) -> Terms:
        """One step of the optimiser by the sum of `losses`' terms; returns the terms, detached, averaged over micro-batches."""
        parts = self.parts
        totals: Terms = {}
        for part, (some, their) in enumerate(zip(images.chunk(parts), labels.chunk(parts), strict=True)):
            seed_torch(self.settings.seed, "update", self.state.step, self._update_of_step, part, self.accelerator.process_index)
            with self.accelerator.autocast():
                terms = losses(some, their)
            (sum(terms.values()) / parts).backward()
            for name, term in terms.items():
                totals[name] = totals.get(name, 0) + term.detach() / parts
        self._average_gradients()
        if self.method.recipe.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.method.parameters(), self.method.recipe.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self._update_of_step += 1
        with torch.no_grad():
            self.method.after_step()
        return totals

    def _average_gradients(self) -> None:
        """The mean over processes, in one reduction."""
        if self.accelerator.num_processes == 1:
            return
        reached = [parameter for parameter in self.method.parameters() if parameter.grad is not None]
        self._check_agreement()
        flat = reduce(torch.cat([parameter.grad.flatten() for parameter in reached]), "mean")
        for parameter, mean in zip(reached, flat.split([parameter.numel() for parameter in reached]), strict=True):
            parameter.grad.copy_(mean.view_as(parameter))

    def _check_agreement(self) -> None:
        """That all processes have gradients of the same parameters; looked at once a phase and update, since reading it waits."""
        where = (self._phase, self._update_of_step)
        if where in self._checked:
            return
        self._checked.add(where)
        mine = torch.tensor(
            [parameter.grad is not None for parameter in self.method.parameters()], device=self.accelerator.device
        )
        if not torch.equal(reduce(mine.float(), "mean"), mine.float()):
            raise Fault("the processes' losses reached different parameters, so their gradients can't be averaged")

    # ------------------------------------------------------------------------------------------------ epochs

    def epoch_batches(self, epoch: int) -> list[list[int]]:
        """The batches of an epoch over all processes, as indices into the training images."""
        labels, shares = self.data.train.labels, self.accelerator.num_processes * self.parts
        rng = random.Random(derive(self.settings.seed, "batches", epoch))
        batches = self.method.batches(labels, self.method.recipe.batch_size, rng)
        if any(not batch or len(batch) % shares for batch in batches):
            raise Usage(
                f"{type(self.method).__name__}'s batches of {min(map(len, batches))} images can't be shared equally by {shares}"
                " (processes × micro-batches); fewer of these, or another batch size"
            )
        if self.method.least_per_class > 1:
            for batch in batches:
                size = len(batch) // shares
                for start in range(0, len(batch), size):
                    self._require_company([labels[index] for index in batch[start : start + size]])
        return batches

    def _require_company(self, labels: list[int]) -> None:
        """That images which a loss compares have others of their class beside them, and of another one."""
        counts, least = Counter(labels), self.method.least_per_class
        alone = next((label for label, count in counts.items() if count < least), None)
        if alone is not None or len(counts) < 2:
            what = f"{counts[alone]} of class {self.data.classes.names[alone]!r}" if alone is not None else "one class alone"
            raise Usage(
                f"{type(self.method).__name__} compares images within a batch: the {len(labels)} that a process sees at once hold"
                f" {what}, expected at least {least} of each class and 2 classes; another batch size or number of processes keeps"
                " classes together"
            )

    @property
    def epoch(self) -> int:
        return self.state.step // self.per_epoch

    def set_phase(self) -> str:
        """Sets the phase of the epoch that the state is in, and returns its name."""
        self._phase = self.method.phase(self.epoch, self.method.recipe.epochs)
        self.method.train()
        self.progress.phase = self._phase
        return self._phase

    def start_epoch(self) -> None:
        """What comes before the first step of the epoch that the state is in."""
        self._share_statistics()
        self.set_phase()
        self.prepare(self.epoch)
        self.method.train()

    def prepare(self, epoch: int) -> None:
        """The method's own `prepare`, on the training images; for the final test with epoch == epochs."""
        seed_torch(self.settings.seed, "prepare", epoch)
        with torch.no_grad(), self.accelerator.autocast():
            self.method.prepare(epoch, self.images_in_order(self.data.train))

    def _end_epoch(self) -> None:
        recipe, started = self.method.recipe, time.monotonic()
        self._check_buffers()
        if recipe.selection == "best on validation":
            accuracy = self._accuracy(self.data.validation)
            if accuracy > self.state.best_validation:
                self.state.best_validation, self.state.best_epoch = accuracy, self.epoch
                self._save(checkpoints.best_of(self._checkpoint_needed()))
        if self.settings.track_test:
            self.state.best_on_test = max(self.state.best_on_test or 0.0, self._accuracy(self.data.test))
        self._started += time.monotonic() - started

    def _finish(self) -> None:
        self.state.seconds += time.monotonic() - self._started
        self._share_statistics()
        if self.method.recipe.selection == "best on validation":
            self.accelerator.wait_for_everyone()  # the first process may be writing it still
            checkpoints.load_weights(checkpoints.best_of(self._checkpoint_needed()), self.method)
        else:
            self.state.best_epoch = self.method.recipe.epochs
            self.prepare(self.method.recipe.epochs)
            self._check_buffers()
        self.method.eval()

    def _accuracy(self, split: Split) -> float:
        self._share_statistics()
        accuracy = top1(predict(self.method, split, self.accelerator, self.settings.workers), split.labels)
        self.method.train()
        return accuracy

    def _share_statistics(self) -> None:
        """Sends the first process's BatchNorm statistics round: they are each process's own until then."""
        if self.accelerator.num_processes > 1:
            for module in self.method.modules():
                if isinstance(module, BATCH_NORM):
                    for buffer in module.buffers(recurse=False):
                        buffer.copy_(broadcast(buffer, from_process=0))

    def _check_buffers(self) -> None:
        """That all other buffers are the same in all processes, by a hash of each. Raises Fault in all of them alike."""
        processes = self.accelerator.num_processes
        if processes == 1:
            return
        norms = [name for name, module in self.method.named_modules() if isinstance(module, BATCH_NORM)]
        own = {name: buffer for name, buffer in self.method.named_buffers() if name.rpartition(".")[0] not in norms}
        if not own:
            return
        hashes = torch.tensor([[_hash(buffer) for buffer in own.values()]], device=self.accelerator.device)
        everyone = gather(hashes)
        apart = [name for name, same in zip(own, (everyone == everyone[0]).all(0).tolist(), strict=True) if not same]
        if apart:
            raise Fault(
                f"{type(self.method).__name__}'s buffer {apart[0]!r} differs between the {processes} processes after step"
                f" {self.state.step}, so what every process but one saw would be lost. Change it in after_step, from what gather"
                " (implementations/common/method.py) puts together of all processes, or in prepare, alike on all to the last bit"
            )

    # ------------------------------------------------------------------------------------------------ reading, saving

    def images_in_order(self, split: Split) -> OnDevice:
        """All images of a split once, by the test transform, on the device: for `prepare` and `measure`."""
        samples = Samples(split, self.method.recipe.test, self.settings.seed)
        fed = self._loader(samples, InOrder(len(split), EVALUATION_BATCH))
        return OnDevice(fed, self.accelerator.device)

    def _loader(self, samples: Samples, batches: Batches | InOrder) -> torch.utils.data.DataLoader:
        return loader(samples, batches, workers=self.settings.workers, pin=self.accelerator.device.type == "cuda")

    def _read(self) -> None:
        rates = {group.get("name", str(number)): group["lr"] for number, group in enumerate(self.optimizer.param_groups)}
        terms = self.progress.read(self.state.step, epoch=(self.state.step - 1) // self.per_epoch, rates=rates, over=self._mean)
        broken = [name for name, value in terms.items() if value != value or abs(value) == float("inf")]
        if broken:
            raise Fault(
                f"the loss {broken[0]!r} became {terms[broken[0]]} by step {self.state.step};"
                " a lower learning rate may help (--set lr=…)"
            )

    def _mean(self, values: Tensor) -> Tensor:
        """Over processes, so that all of them see the same losses, and stop at the same step where one is broken."""
        return reduce(values.to(self.accelerator.device), "mean") if self.accelerator.num_processes > 1 else values

    def _agreed(self, stopped: Callable[[], bool]) -> bool:
        """Whether to stop here. Several processes ask each other every few steps, as they would wait for one that has gone."""
        if self.accelerator.num_processes == 1:
            return stopped()
        if self.state.step % self.settings.read_every:
            return False
        return bool(self._mean(torch.tensor(float(stopped()))) > 0)

    def _maybe_save(self, stopped: Callable[[], bool]) -> None:
        stop, done = self._agreed(stopped), self.state.step == self.total
        if self.settings.checkpoint is not None and (stop or done or time.monotonic() - self._saved > self.settings.save_every):
            now = time.monotonic()
            self.state.seconds, self._started = self.state.seconds + now - self._started, now
            self._save(self.settings.checkpoint)
            self._saved = time.monotonic()
        if stop and not done:
            where = "; its state is kept, --resume goes on from there" if self.settings.checkpoint else ""
            raise Interrupted(f"stopped after step {self.state.step} of {self.total}{where}")

    def _checkpoint_needed(self) -> Path:
        if self.settings.checkpoint is None:
            raise Usage("'best on validation' needs a place to keep the best weights")
        return self.settings.checkpoint

    def _save(self, path: Path) -> None:
        if self.accelerator.is_main_process:
            checkpoints.save(
                path,
                self.method,
                self.data.classes,
                optimizer=self.optimizer,
                state=vars(self.state),
                run=self._run(),
            )

    def _run(self) -> dict[str, Any]:
        """What a state has to share with the run that goes on from it, beside method, recipe and classes."""
        return {
            "seed": self.settings.seed,
            "images": self.data.fingerprint,
            "pretrained weights": self.settings.weights,
            "processes": self.accelerator.num_processes,
            "precision": self.accelerator.mixed_precision,
        }

    def resume(self) -> bool:
        """Goes back to the saved state; False where there is none. Raises Fault where it belongs to another run."""
        path = self.settings.checkpoint
        if path is None or not path.is_file():
            return False
        self.state = State(**checkpoints.restore(path, self.method, self.data.classes, self.optimizer, run=self._run()))
        return True


def _hash(tensor: Tensor) -> int:
    """Of a tensor's bytes, in 63 bits."""
    content = tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little") >> 1
