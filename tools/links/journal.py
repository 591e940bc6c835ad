"""Keeps results as they come, whatever ends the run, and whoever else runs.

Each result is a line at the end of a journal beside the ledger; `fold` brings the journal into the ledger, once a run. Both
are done under one lock. What a killed run left in the journal comes into the ledger with the next fold.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from tools.links import ledger
from tools.links.model import Row
from tools.links.verdicts import without_future

PATIENCE = 60.0
"""How many seconds one waits for another run that writes: it takes one or two for 50,000 rows."""
EVERY = 1.0
"""Seconds between two appends: each takes a third of a millisecond."""
NEVER = datetime.date.min


class Busy(Exception):
    """Another run didn't let go of the ledger."""


class Recorder:
    """Takes results one by one and appends them about once a second, and when its `with` is left, however it is left."""

    def __init__(self, file: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._file, self._clock = file, clock
        self._waiting: list[Row] = []
        self._last = clock()

    def __call__(self, row: Row) -> None:
        """Keeps a result. Raises `Busy`."""
        self._waiting.append(row)
        if self._clock() - self._last >= EVERY:
            self.flush()

    def flush(self) -> None:
        """Appends what waits. Raises `Busy`."""
        if self._waiting:
            append(self._file, self._waiting)
        self._waiting, self._last = [], self._clock()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()


def append(file: Path, rows: Iterable[Row]) -> None:
    """Adds results to the ledger's journal. Raises `Busy`."""
    text = "".join(f"\n{ledger.line_of(row)}\n" for row in rows)  # a line that a killed run left unfinished ends there
    with _locked(file), journal_of(file).open("a", encoding="utf-8", newline="\n") as stream:
        stream.write(text)


def fold(file: Path, standing: Collection[str] | None = None, *, today: datetime.date | None = None) -> dict[str, Row]:
    """Brings the journal into the ledger, and returns the rows; with `standing`, only those of addresses that still stand.

    With `today`, rows of days to come (a clock was ahead) are taken for today's: they would beat all news until then.
    Raises `Busy`, or `ledger.Unreadable`: then nothing is changed, and the journal is kept.
    """
    with _locked(file):
        before = ledger.read(file)
        if today is not None:
            before = {url: without_future(row, today) for url, row in before.items()}
        rows = updated(before, _journal(file))
        if standing is not None:
            rows = {url: row for url, row in rows.items() if url in standing}
        ledger.write(file, rows.values())
        journal_of(file).unlink(missing_ok=True)
    return rows


def read(file: Path) -> dict[str, Row]:
    """The ledger with what a run that is going on, or was killed, has in the journal. Raises as `fold` does."""
    with _locked(file):
        return updated(ledger.read(file), _journal(file))


def updated(rows: dict[str, Row], news: Iterable[Row]) -> dict[str, Row]:
    """The rows with newer ones in the place of older ones; of two of one day, the one that came later."""
    found = dict(rows)
    for row in news:
        found[row.url] = _joined(found[row.url], row) if row.url in found else row
    return found


def _joined(old: Row, new: Row) -> Row:
    if (old.checked or NEVER) > (new.checked or NEVER):
        old, new = new, old
    return replace(
        new,
        first_seen=min(old.first_seen, new.first_seen),
        last_ok=max(old.last_ok or NEVER, new.last_ok or NEVER) if old.last_ok or new.last_ok else None,
        archive=new.archive or old.archive,
        title=new.title or old.title,
    )


def journal_of(file: Path) -> Path:
    """Where a ledger's journal stands: beside it, with a name that the catalog's rules pass over."""
    return file.with_name(f".{file.name}.journal")


def _journal(file: Path) -> Iterator[Row]:
    try:
        lines = journal_of(file).read_bytes().split(b"\n")
    except FileNotFoundError:
        return
    for line in filter(None, lines):
        try:
            row = ledger.row_of(line.decode())
        except ValueError:  # cut off when its run was killed: that address will be looked at again
            continue
        yield row


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    try:
        with FileLock(file.with_name(f".{file.name}.lock"), timeout=PATIENCE):
            yield
    except Timeout:
        raise Busy(f"{file}: another run has been writing it for a minute; try again when it has ended") from None
