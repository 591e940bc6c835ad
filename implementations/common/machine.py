"""What this machine offers."""

from __future__ import annotations

import os


def cores() -> int:
    """The cores that this process may use; where the system doesn't tell, all there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
