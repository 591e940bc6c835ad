"""So many seconds between two requests to one service, whichever process or thread of this machine makes them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from tools.adding.record import NoAnswer

LONGEST_QUEUE = 300.0
"""Seconds to wait for others' turns before giving up."""


class Pace:
    """One request at a time, and so many seconds after the last one's end."""

    def __init__(
        self,
        folder: Path,
        name: str,
        seconds: float,
        *,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`folder` holds the lock and the time of the last request; it is made when it is needed."""
        self._stamp = folder / f"{name}.time"
        self._lock = folder / f"{name}.lock"
        self._name, self._seconds, self._sleep, self._now = name, seconds, sleep, now

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Waits for its turn, which lasts as long as the ``with``. Raises NoAnswer where others take too long, or no file can be
        written: without one the rule can't be kept.
        """
        with self._locked():
            if (left := self._left()) > 0:
                self._sleep(left)
            self._write()
            try:
                yield
            finally:
                self._write()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        # The system's own lock, never the kind that is a mere file: a process that dies leaves none behind.
        lock = filelock.FileLock(self._lock, timeout=LONGEST_QUEUE, fallback_to_soft=False, preserve_lock_file=True)
        try:
            self._lock.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except filelock.Timeout as error:
            raise NoAnswer(f"another run on this machine has been asking {self._name} for {LONGEST_QUEUE:g} seconds") from error
        except (OSError, NotImplementedError) as error:
            raise self._unwritable(error) from error
        try:
            yield
        finally:
            lock.release()

    def _left(self) -> float:
        """Seconds to wait: never more than the interval, whatever the clock or the file says."""
        try:
            last = float(self._stamp.read_text(encoding="ascii"))
        except FileNotFoundError:
            return 0.0
        except (OSError, ValueError):
            return self._seconds
        left = last + self._seconds - self._now()
        return min(self._seconds, max(0.0, left)) if math.isfinite(left) else self._seconds

    def _write(self) -> None:
        try:
            self._stamp.write_text(repr(self._now()), encoding="ascii")
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: Exception) -> NoAnswer:
        return NoAnswer(
            f"{self._name} may be asked once in {self._seconds:g} seconds, and {self._stamp}, where the last time is kept, "
            f"can't be written: {error}"
        )
