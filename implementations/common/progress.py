"""What a run shows while it works: a bar with losses and an estimate, lines now and then without a terminal, JSON lines."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from torch import Tensor

from implementations.common.errors import Fault
from implementations.common.method import Terms


class Progress:
    """Collects the losses of each step on the device, and reads them every few; with neither log nor console it is silent."""

    def __init__(
        self,
        *,
        log: Path | None = None,
        console: Console | None = None,
        title: str = "training",
        run: dict[str, Any] | None = None,
    ) -> None:
        self.run = run or {}
        """What tells this run from others in one log."""
        self.console, self.title, self.log, self.phase = console, title, log, ""
        self._sums: Terms = {}
        self._counts: Counter[str] = Counter()
        self._steps, self._since, self._told, self._bars = 0, time.monotonic(), 0.0, None
        if log is not None:
            self._append("")

    def _append(self, text: str) -> None:
        try:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            with self.log.open("a", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise Fault(f"{self.log}: can't be written: {error.strerror} (--log FILE)") from error

    @contextmanager
    def bar(self, title: str, total: int, done: int = 0) -> Iterator[Callable[..., None]]:
        """A bar that is told how much is done, and perhaps what else to show."""
        if self.console is None:
            yield lambda done, note="": None
            return
        if not self.console.is_terminal:
            yield lambda done, note="": self._line(title, done, total, note)
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(24),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Bars(*columns, console=self.console, transient=True, redirect_stdout=False, redirect_stderr=False) as bars:
            task = bars.add_task(title, total=total, completed=done, note="")
            yield lambda done, note="": bars.update(task, completed=done, note=note)

    def _line(self, title: str, done: int, total: int, note: str) -> None:
        if done < total and time.monotonic() - self._told < 10:
            return
        self._told = time.monotonic()
        self.console.print(f"{title} {done}/{total} {note}".rstrip(), markup=False, highlight=False)

    @contextmanager
    def training(self, total: int, done: int) -> Iterator[None]:
        """The bar of a training run of `total` steps."""
        with self.bar(self.title, total, done) as self._show:
            self._since, self._steps, self._sums, self._counts = time.monotonic(), 0, {}, Counter()
            yield

    def step(self, terms: Terms) -> None:
        """Adds one step's losses, without waiting for the device."""
        self._steps += 1
        for name, term in terms.items():
            self._sums[name] = self._sums[name] + term if name in self._sums else term
            self._counts[name] += 1

    def read(
        self, step: int, *, epoch: int, rates: dict[str, float], over: Callable[[Tensor], Tensor] = lambda values: values
    ) -> dict[str, float]:
        """The mean of each term over the steps since the last reading that had it, and `over` processes; shown, and logged."""
        means = over(torch.stack([total.float() / self._counts[name] for name, total in self._sums.items()])).tolist()
        terms = dict(zip(self._sums, means, strict=True))
        seconds = time.monotonic() - self._since
        self._show(step, f"epoch {epoch + 1}  " + "  ".join(f"{name} {value:.3f}" for name, value in terms.items()))
        if self.log is not None:
            line = self.run | {"step": step, "epoch": epoch, "phase": self.phase, "loss": sum(means), "terms": terms, "lr": rates}
            self._append(json.dumps(line | {"steps_per_second": round(self._steps / max(seconds, 1e-9), 3)}) + "\n")
        self._sums, self._counts, self._steps, self._since = {}, Counter(), 0, time.monotonic()
        return terms
