"""CAL and WS-BAN, whose centres are buffers that each batch changes, trained by one process or two."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor

from implementations.cal import CAL, attended, crop_box
from implementations.common.data import Data, Split
from implementations.common.method import Method
from implementations.common.recipes import op
from implementations.common.regions import crop
from implementations.common.schedules import Schedule
from implementations.common.train import Settings, Trainer
from implementations.wsban import WSBAN
from tests.implementations.tiny import FOUR, AtRest, build

PER_EPOCH, EPOCHS = 2, 2


class StillCAL(AtRest, CAL):
    """CAL without chance, which each process has of its own, in any precision."""

    def look(self, images):
        return super().look(images.to(self.classifier.weight.dtype))

    def counterfactual(self, attention):
        return torch.ones_like(attention)

    @torch.no_grad()
    def augmented(self, images, attention):
        erased = images.masked_fill(attended(attention[:, 1], 0.3, images.shape[-1])[:, None], 0)
        return torch.cat([crop(images, crop_box(attention[:, 0], 0.5, 0.1, images.shape[-1])), erased])


class StillWSBAN(AtRest, WSBAN):
    """WS-BAN in any precision; its recipe drops no map."""

    def maps(self, images):
        return super().maps(images.to(self.classifier.weight.dtype))


STILL = {"CAL": (StillCAL, {}), "WSBAN": (StillWSBAN, {"dropout": 0.0})}


def trainer(kind: type[Method], checkpoint: Path | None = None, *, dtype: torch.dtype = torch.float32, **changes) -> Trainer:
    """On 16 random images of 4 classes, 8 in a batch, where classes come more than once, in both of its halves."""
    pixels = torch.randint(0, 256, (16, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    split = Split([index % 4 for index in range(16)], pixels.__getitem__)
    plain = (op("Normalize", mean=[0.5] * 3, std=[0.5] * 3),)
    how = {"epochs": EPOCHS, "batch_size": 8, "train": (op("RandomHorizontalFlip"), *plain), "test": plain} | changes
    method = build(kind, side=32, pretrained=True, **how).to(dtype)
    return Trainer(method, Data("centres", FOUR, split, split, split, "0" * 32), Accelerator(cpu=True), Settings(seed=0, checkpoint=checkpoint, save_every=-1))


def state_of(case: str, **more) -> dict[str, Tensor]:
    """The weights and centres after four steps of SGD in float64; AdamW would hide a gradient of a wrong scale."""
    kind, changes = STILL[case]
    sgd = {"optimizer": "SGD", "optimizer_options": {"momentum": 0.9}, "lr": 1e-3, "backbone_lr": 1e-3, "clip": None, "schedule": Schedule()}
    one = trainer(kind, dtype=torch.float64, **sgd, **changes, **more)
    one.fit()
    return one.method.state_dict()


def main() -> None:
    torch.set_num_threads(1)
    for case in STILL:
        torch.save(state_of(case), Path(os.environ["CENTRES_OUT"]) / f"{case}-{os.environ['RANK']}.pt")
    Accelerator(cpu=True).end_training()  # gloo's threads, left running, abort some exits


if __name__ == "__main__":
    main()
