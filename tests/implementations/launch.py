"""Runs a module in several processes, as torchrun would."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from multiprocessing.connection import wait
from pathlib import Path

from tests import forked

ROOT = Path(__file__).resolve().parents[2]


def launch(module: str, out: Path, variables: dict[str, str], processes: int = 2) -> None:
    """In as many processes, over gloo; all have to succeed. What each says goes into a file of the folder."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    world = {"WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "ACCELERATE_USE_CPU": "true"} | variables
    said = [out / f"said-{rank}" for rank in range(processes)]
    with ExitStack() as stack:
        ranks = [
            stack.enter_context(forked.started(ROOT, module, said=said[rank], variables=world | {"RANK": str(rank), "LOCAL_RANK": str(rank)}))
            for rank in range(processes)
        ]
        running = {process.sentinel: process for process in ranks}
        while running and (ended := wait(list(running), forked.LIMIT)):
            if any(running.pop(sentinel).exitcode for sentinel in ended):
                break  # the others would wait for it
    assert [process.exitcode for process in ranks] == [0] * processes, [file.read_text(encoding="utf-8") for file in said]
