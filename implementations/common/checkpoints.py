"""Checkpoints: one safetensors file that holds weights and optimiser as tensors, and the rest as JSON in its header."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from implementations.common.errors import Fault
from implementations.common.files import write_atomically
from implementations.common.method import Classes, Method

FORMAT = 2
FIELDS = {"paper", "variant", "backbone", "recipe", "classes", "coarse", "optimizer", "state", "run"}


def best_of(path: Path) -> Path:
    """Where the best weights on validation are kept beside the running state."""
    return path.with_name(f"{path.stem}.best{path.suffix}")


def save(
    path: Path,
    method: Method,
    classes: Classes,
    *,
    optimizer: torch.optim.Optimizer | None = None,
    state: dict[str, Any] | None = None,
    run: dict[str, Any] | None = None,
) -> None:
    """Writes the method, and with an optimiser all that a resumed run needs; `run` is what that has to share with this one."""
    tensors = {f"method.{name}": tensor.detach().cpu().contiguous() for name, tensor in method.state_dict().items()}
    scalars: dict[str, Any] = {}
    for number, entry in (optimizer.state_dict()["state"] if optimizer else {}).items():
        for name, value in entry.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{number}.{name}"] = value.detach().cpu().contiguous()
            else:
                scalars[f"{number}.{name}"] = value
    header = {
        "format": FORMAT,
        "paper": method.paper,
        "variant": type(method).__name__,
        "backbone": method.backbone.name,
        "recipe": method.recipe.as_data(),
        "classes": list(classes.names),
        "coarse": {level: list(parents) for level, parents in classes.coarse.items()},
        "optimizer": scalars,
        "state": state,
        "run": run,
    }
    content = to_bytes(tensors, metadata={"finch": json.dumps(header)})
    write_atomically(path, lambda file: file.write(content))


def read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The header and the tensors. Raises Fault where the file isn't a checkpoint of Finch."""
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get("finch", "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except FileNotFoundError as error:
        raise Fault(f"{path}: no such file; expected a checkpoint of a run") from error
    except (OSError, SafetensorError, json.JSONDecodeError) as error:
        raise Fault(f"{path}: not a checkpoint that can be read: {error}") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT or not header.keys() >= FIELDS:
        raise Fault(f"{path}: not a checkpoint of Finch (format {FORMAT} is expected); a run writes one")
    return header, tensors


def load_weights(path: Path, method: Method) -> None:
    """Loads the method's weights. Raises Fault where they don't fit."""
    header, tensors = read(path)
    _require(path, "method", header["variant"], type(method).__name__)
    _fill(path, method, tensors)


def restore(
    path: Path, method: Method, classes: Classes, optimizer: torch.optim.Optimizer, *, run: dict[str, Any]
) -> dict[str, Any]:
    """Loads weights and optimiser; returns the rest of the state. Raises Fault where the checkpoint is of another run."""
    header, tensors = read(path)
    own = {"method": type(method).__name__, "recipe": method.recipe.as_data(), "classes": list(classes.names), **run}
    found = {"method": header["variant"], "recipe": header["recipe"], "classes": header["classes"], **(header["run"] or {})}
    for what, expected in own.items():
        _require(path, what, found.get(what), json.loads(json.dumps(expected)))
    _fill(path, method, tensors)
    state = optimizer.state_dict()
    state["state"] = {}
    for name, value in {
        **{k.removeprefix("optimizer."): v for k, v in tensors.items() if k.startswith("optimizer.")},
        **header["optimizer"],
    }.items():
        number, _, entry = name.partition(".")
        state["state"].setdefault(int(number), {})[entry] = value
    optimizer.load_state_dict(state)
    return header["state"]


def _require(path: Path, what: str, found: Any, expected: Any) -> None:
    if found == expected:
        return
    if isinstance(found, dict) and isinstance(expected, dict):
        name = next(key for key in {**expected, **found} if found.get(key) != expected.get(key))
        what, found, expected = f"{what}'s {name}", found.get(name), expected.get(name)
    raise Fault(f"{path}: its {what} is {_short(found)}, expected {_short(expected)}; remove it, or run what it was made by")


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) < 80 else f"{text[:77]}…"


def _fill(path: Path, method: nn.Module, tensors: dict[str, Tensor]) -> None:
    weights = {name.removeprefix("method."): tensor for name, tensor in tensors.items() if name.startswith("method.")}
    try:
        method.load_state_dict(weights)
    except RuntimeError as error:
        raise Fault(f"{path}: {str(error).splitlines()[-1].strip()}") from error
