"""Seeds as functions of what they are for, so that a resumed run draws what the uninterrupted one would have drawn."""

from __future__ import annotations

import functools
import hashlib

import torch


def derive(*key: object) -> int:
    """A seed from (seed, purpose, step, …), the same in every process: Python's own hash is salted."""
    return int.from_bytes(hashlib.blake2b("/".join(map(str, key)).encode(), digest_size=8).digest(), "little") >> 1


def seed_torch(*key: object) -> None:
    """Seeds torch's generators on every device from a key."""
    if _has_accelerator():
        torch.manual_seed(derive(*key))
    else:  # the same for the CPU, without writing down where it was called, which takes longer than an image's transforms
        torch.default_generator.manual_seed(derive(*key))


@functools.cache
def _has_accelerator() -> bool:
    return torch.accelerator.is_available()
