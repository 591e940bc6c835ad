"""Ctrl-C at the right moment: between two batches, where the state can be saved."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from implementations.common.errors import Fault


class Interrupted(Fault):
    """Stopped by Ctrl-C or SIGTERM; exit code 130, as shells expect."""

    code = 130


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Turns the first SIGINT or SIGTERM into a flag that the loop asks for; a second one acts as ever."""
    flag = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield flag.is_set
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def remember(number: int, frame: FrameType | None) -> None:
        flag.set()
        signal.signal(number, before[number])

    for number in before:
        signal.signal(number, remember)
    try:
        yield flag.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
