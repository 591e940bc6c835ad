"""Runs a module in several processes, as torchrun would."""

from __future__ import annotations

import socket
from pathlib import Path

from tests import forked

ROOT = Path(__file__).resolve().parents[2]


def launch(module: str, out: Path, variables: dict[str, str], processes: int = 2) -> None:
    """In as many processes, over gloo, on one thread each; all have to succeed. What each says goes into a file of the folder."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    world = {"WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    said = [out / f"said-{rank}" for rank in range(processes)]
    started = [
        forked.start(ROOT, module, said=said[rank], variables=world | variables | {"RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank in range(processes)
    ]
    for process in started:
        process.join(240)
    assert [process.exitcode for process in started] == [0] * processes, [file.read_text(encoding="utf-8") for file in said]
